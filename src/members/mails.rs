//! What members are told by mail.

use askama::Template;

use super::{Member, administrators};
use crate::Result;
use crate::access::{ManageMembers, PlatformRoles, Proof, Tx};
use crate::credentials::tokens::Token;
use crate::db::types::AccountId;
use crate::mail::{self, Content};
use crate::web::times;

/// Administrators who are told about a reset. Accounts with more of them have an audit log to read.
const TOLD: usize = 50;

/// Who did it, when and from where: the end of every such mail.
#[derive(Clone)]
struct Deed {
    account: String,
    actor: String,
    when: String,
    address: String,
}

impl Deed {
    fn of(tx: &Tx<ManageMembers>) -> Deed {
        Deed::in_account(tx, &tx.me().account_name)
    }

    fn in_account<P: Proof>(tx: &Tx<P>, account: &str) -> Deed {
        let actor = tx.actor();
        Deed {
            account: account.to_owned(),
            actor: actor.name.clone(),
            when: times::utc(tx.now()),
            address: actor.address.clone(),
        }
    }
}

fn send(
    tx: &mut Tx<ManageMembers>,
    kind: &'static str,
    to: &Member,
    content: Content,
) -> Result<()> {
    let account = tx.account();
    send_in(tx, account, kind, to, content)
}

fn send_in<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    kind: &'static str,
    to: &Member,
    content: Content,
) -> Result<()> {
    mail::tell(tx, Some(account), kind, &to.mail_address()?, content)
}

#[derive(Template)]
#[template(path = "mail/roles_changed.txt")]
struct RolesText<'a> {
    name: &'a str,
    deed: &'a Deed,
    before: &'a str,
    after: &'a str,
}

#[derive(Template)]
#[template(path = "mail/roles_changed.html")]
struct RolesHtml<'a> {
    name: &'a str,
    deed: &'a Deed,
    before: &'a str,
    after: &'a str,
}

/// Tells a member that their platform roles changed.
pub fn roles_changed<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    account_name: &str,
    to: &Member,
    after: PlatformRoles,
) -> Result<()> {
    let deed = &Deed::in_account(tx, account_name);
    let (name, before, after) = (&to.name, &to.roles.sentence(), &after.sentence());
    let content = Content::new(
        format!("Your platform roles in {} have changed", deed.account),
        &RolesText {
            name,
            deed,
            before,
            after,
        },
        &RolesHtml {
            name,
            deed,
            before,
            after,
        },
    )?;
    send_in(tx, account, "roles-changed", to, content)
}

#[derive(Template)]
#[template(path = "mail/set_up_access.txt")]
struct AccessText<'a> {
    name: &'a str,
    deed: &'a Deed,
    link: &'a str,
    again: bool,
    password_gone: bool,
}

#[derive(Template)]
#[template(path = "mail/set_up_access.html")]
struct AccessHtml<'a> {
    name: &'a str,
    deed: &'a Deed,
    link: &'a str,
    again: bool,
    password_gone: bool,
}

/// Mails the link with which a person sets up two-factor anew, and the password if that is gone.
pub fn set_up_access(
    tx: &mut Tx<ManageMembers>,
    to: &Member,
    token: &Token,
    again: bool,
    password_gone: bool,
) -> Result<()> {
    let deed = &Deed::of(tx);
    let link = &tx
        .app()
        .config
        .link(&format!("/set-up-access/{}", token.expose()));
    let name = &to.name;
    let content = Content::new(
        "Set up your sign-in to Insight again",
        &AccessText {
            name,
            deed,
            link,
            again,
            password_gone,
        },
        &AccessHtml {
            name,
            deed,
            link,
            again,
            password_gone,
        },
    )?;
    send(tx, "set-up-access", to, content)
}

#[derive(Template)]
#[template(path = "mail/two_factor_reset.txt")]
struct ResetText<'a> {
    name: &'a str,
    deed: &'a Deed,
    person: &'a Member,
    password_too: bool,
}

#[derive(Template)]
#[template(path = "mail/two_factor_reset.html")]
struct ResetHtml<'a> {
    name: &'a str,
    deed: &'a Deed,
    person: &'a Member,
    password_too: bool,
}

/// Tells the other administrators that somebody's 2FA was reset.
pub fn two_factor_reset(
    tx: &mut Tx<ManageMembers>,
    person: &Member,
    password_too: bool,
) -> Result<()> {
    let deed = &Deed::of(tx);
    let me = tx.me().member;
    for to in administrators(tx, TOLD)? {
        if to.id == me || to.id == person.id {
            continue;
        }
        let name = &to.name;
        let content = Content::new(
            format!("2FA of {} was reset", person.name),
            &ResetText {
                name,
                deed,
                person,
                password_too,
            },
            &ResetHtml {
                name,
                deed,
                person,
                password_too,
            },
        )?;
        send(tx, "2fa-reset", &to, content)?;
    }
    Ok(())
}

#[derive(Template)]
#[template(path = "mail/removed.txt")]
struct RemovedText<'a> {
    name: &'a str,
    deed: &'a Deed,
}

#[derive(Template)]
#[template(path = "mail/removed.html")]
struct RemovedHtml<'a> {
    name: &'a str,
    deed: &'a Deed,
}

/// Tells a person that they are no longer a member.
pub fn removed(tx: &mut Tx<ManageMembers>, to: &Member) -> Result<()> {
    let deed = &Deed::of(tx);
    let name = &to.name;
    let content = Content::new(
        format!("You no longer have access to {}", deed.account),
        &RemovedText { name, deed },
        &RemovedHtml { name, deed },
    )?;
    send(tx, "removed", to, content)
}
