//! Remove.

use askama::Template;

use super::remove::{self, Revoke};
use super::{Member, PATH, Rules, find};
use crate::access::{Can, Environment, ManageMembers, Tx};
use crate::db::types::{InvitationId, MemberId};
use crate::invitations;
use crate::permissions;
use crate::records::{people, transfer};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::paging::{COUNT_CAP, thousands};
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "members/remove.html")]
struct RemovePage {
    shell: Shell,
    member: Member,
    me: bool,
    account: String,
    /// "One administrator remains: you."; "" when the member is not an administrator.
    remain: String,
    /// Open invitations the member sent, and whether each is ticked; too many of them stand behind one tick.
    invitations: Vec<(InvitationId, String, bool)>,
    /// That one tick, and how many stand behind it.
    all_invitations: Option<(bool, String)>,
    /// "41 contacts, 12 opportunities" per environment with records.
    records: Vec<(&'static str, String)>,
    /// Who can get them; nothing when there are too many to choose from, and an e-mail address is asked for.
    successors: Option<Vec<(MemberId, String)>>,
    /// Who was chosen, as typed.
    transfer: String,
    /// Why it cannot be done.
    refused: Option<String>,
    errors: Errors,
}

/// Invitations that get a tick of their own.
const LISTED: usize = 50;

/// The control that names who gets the records.
const TRANSFER: &str = "transfer";

/// The control behind the error about oneself.
const OWN: &str = "own";

/// `GET /shared/insight-users/members/{member}/remove`
pub fn show(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    Answer::page(&page(&can, request, Errors::new())?)
}

/// `POST /shared/insight-users/members/{member}/remove`
pub fn act(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let id: MemberId = request.param("member")?;
    let own = id == can.me().member;
    if own && !request.form().ticked(OWN) {
        let mut errors = Errors::new();
        errors.add(OWN, "Tick this to remove yourself");
        return Answer::refused(&page(&can, request, errors)?);
    }
    let form = request.form();
    let transfer = form.one(TRANSFER)?;
    let which = if form.ticked("revoke_all") {
        Revoke::All
    } else {
        let chosen = form.all("revoke").filter_map(|text| text.parse().ok());
        Revoke::These(chosen.collect())
    };
    if let Err(Error::Refused(why)) = can.read(|tx| remove::successor(tx, id, transfer)) {
        let mut errors = Errors::new();
        errors.add(TRANSFER, why);
        return Answer::refused(&page(&can, request, errors)?);
    }
    let member = match can.write(|tx| remove::remove(tx, id, &which, transfer)) {
        Err(Error::Refused(why)) => {
            let mut errors = Errors::new();
            errors.add("remove", why);
            return Answer::refused(&page(&can, request, errors)?);
        }
        done => done?,
    };
    let account = &can.me().account_name;
    if own {
        return Ok(Answer::see_other("/sign-in")
            .end_session()
            .flash(format!("You were removed from {account}.")));
    }
    Ok(Answer::see_other(PATH).flash(format!("{} was removed from {account}.", member.name)))
}

fn page(can: &Can<ManageMembers>, request: &Request, errors: Errors) -> Result<RemovePage> {
    let id: MemberId = request.param("member")?;
    let me = can.me().member;
    let (member, rules, left, open, records, mut successors) = can.read(|tx| {
        let member = find(tx, id)?;
        let left = if member.roles.admin {
            Some(remove::administrators_left(tx, id)?)
        } else {
            None
        };
        let open = invitations::open_by(tx, id)?;
        let records = owned(tx, id)?;
        let successors = people::choices(tx)?;
        Ok((member, Rules::load(tx)?, left, open, records, successors))
    })?;
    // A refused form keeps its ticks; everything is ticked at first.
    let form = request.form();
    let first = form.pairs().is_empty();
    let (invitations, all_invitations) = if open.len() > LISTED {
        let count = thousands(i64::try_from(open.len()).unwrap_or(i64::MAX));
        (vec![], Some((first || form.ticked("revoke_all"), count)))
    } else {
        let rows = open.into_iter().map(|(invitation, email)| {
            let ticked = first || form.all("revoke").any(|v| v.parse() == Ok(invitation));
            (invitation, email, ticked)
        });
        (rows.collect(), None)
    };
    let many = successors.len() >= people::CHOICE_LIMIT;
    successors.retain(|(successor, _)| *successor != id);
    let trail = [
        ("Shared", ""),
        ("Insight users", PATH),
        (member.name.as_str(), ""),
        ("Remove", ""),
    ];
    let mut shell = can.page(request, &trail)?;
    shell.refused = !errors.is_empty();
    Ok(RemovePage {
        shell,
        me: id == me,
        account: can.me().account_name.clone(),
        remain: match left {
            None | Some(0) => String::new(),
            Some(1) if id != me => "One administrator remains: you.".into(),
            Some(1) => "One administrator remains.".into(),
            Some(n) => format!("{} administrators remain.", thousands(n)),
        },
        invitations,
        all_invitations,
        records,
        successors: (!many).then_some(successors),
        transfer: form.one(TRANSFER)?.to_owned(),
        refused: rules.removal_refused(&member),
        member,
        errors,
    })
}

/// What the member owns in each environment, in words.
fn owned(tx: &mut Tx<ManageMembers>, id: MemberId) -> Result<Vec<(&'static str, String)>> {
    let slot = permissions::rules(tx)?.slot_of(id).ok_or(Error::NotFound)?;
    let cap = usize::try_from(COUNT_CAP).unwrap_or(usize::MAX);
    let mut said = Vec::new();
    for environment in Environment::ALL {
        let counts = transfer::owned(tx, slot, environment, cap)?;
        let words: Vec<String> = counts
            .into_iter()
            .map(|(object, count)| {
                let number = thousands(i64::try_from(count.number).unwrap_or(i64::MAX));
                let plus = if count.more { "+" } else { "" };
                let what = if count.number == 1 {
                    object.word()
                } else {
                    object.words()
                };
                format!("{number}{plus} {what}")
            })
            .collect();
        if !words.is_empty() {
            said.push((environment.label(), words.join(", ")));
        }
    }
    Ok(said)
}
