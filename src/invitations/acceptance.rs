//! What becomes of an invitation: registration of a new person, or joining with a user that exists.

use diesel::prelude::*;

use super::{Invitation, load, mails, row};
use crate::access::{Anyone, Proof, SignedIn, Tx};
use crate::audit::{self, Event};
use crate::credentials::email::Email;
use crate::credentials::links::{self, Link, Pending, Subject};
use crate::credentials::second_factor;
use crate::credentials::sessions::{self, Revealed};
use crate::credentials::tokens::{Token, TokenKind};
use crate::credentials::totp::Secret;
use crate::db::types::{AccountId, UserId};
use crate::schema::{accounts, invitations, members, users};
use crate::web::request::Request;
use crate::{Error, Result, db, mail};

/// Whom the invited address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// Nobody yet.
    New,
    /// Somebody who is not a member anywhere any more, cannot sign in therefore, and begins anew.
    Former(UserId),
    /// Somebody who can sign in.
    Known,
}

/// A live link and the invitation behind it.
pub struct Door {
    pub link: Link,
    pub invitation: Invitation,
    pub person: Person,
}

/// The invitation behind the link of a request. Expired, revoked, joined, or no longer vouched for by an
/// administrator: the same error.
pub fn door<P: Proof>(tx: &mut Tx<P>, request: &Request) -> Result<Door> {
    let link = links::of_request(tx, TokenKind::Invitation, request)?;
    let Subject::Invitation(account, id) = link.subject else {
        return Err(Error::LinkNotValid);
    };
    let now = tx.now();
    let invitation = load(tx, account, id)?
        .filter(|i| i.vouched && i.expires_at > now)
        .ok_or(Error::LinkNotValid)?;
    let user: Option<UserId> = users::table
        .filter(users::email.eq(&invitation.email))
        .select(users::id)
        .first(tx.conn())
        .optional()?;
    let person = match user {
        None => Person::New,
        Some(user) => {
            let of: Option<AccountId> = members::table
                .filter(members::user_id.eq(user))
                .filter(members::removed_at.is_null())
                .select(members::account_id)
                .first(tx.conn())
                .optional()?;
            match of {
                Some(_) => Person::Known,
                None => Person::Former(user),
            }
        }
    };
    Ok(Door {
        link,
        invitation,
        person,
    })
}

/// The same under the lock of the account, which was read before.
fn locked_door<P: Proof>(tx: &mut Tx<P>, request: &Request, account: AccountId) -> Result<Door> {
    db::lock_account(tx.conn(), account)?;
    let door = door(tx, request)?;
    if door.invitation.account == account {
        Ok(door)
    } else {
        Err(Error::LinkNotValid)
    }
}

/// Notes that the invited person has opened the link.
pub fn mark_opened(tx: &mut Tx<Anyone>, invitation: &Invitation) -> Result<()> {
    let now = tx.now();
    // The account's row before the invitation's, like everybody who changes one: a trigger goes on to the account.
    db::lock_account(tx.conn(), invitation.account)?;
    diesel::update(row(invitation.account, invitation.id).filter(invitations::opened_at.is_null()))
        .set(invitations::opened_at.eq(now))
        .execute(tx.conn())?;
    Ok(())
}

/// Keeps name and password, and makes the secret unless there is one already: it may be in an authenticator.
pub fn keep(
    tx: &mut Tx<Anyone>,
    request: &Request,
    account: AccountId,
    name: String,
    password: String,
) -> Result<()> {
    let Door {
        link, invitation, ..
    } = locked_door(tx, request, account)?;
    let secret = link
        .pending
        .as_ref()
        .and_then(Pending::secret)
        .unwrap_or_else(Secret::generate);
    let pending = Pending {
        name,
        email: invitation.email.clone(),
        password,
        secret: secret.as_bytes().to_vec(),
        ..Pending::default()
    };
    links::keep(tx, link.id, &pending)?;
    let now = tx.now();
    diesel::update(row(account, invitation.id))
        .set(invitations::password_set_at.eq(now))
        .execute(tx.conn())?;
    Ok(())
}

/// Makes user, member and session, all or nothing. `proved` is what was kept when the code was checked, `step` what
/// the code has proved. Gives the user and the token of the session.
pub fn register(
    tx: &mut Tx<Anyone>,
    request: &Request,
    account: AccountId,
    proved: &Pending,
    step: u64,
) -> Result<(UserId, Token)> {
    let mut door = locked_door(tx, request, account)?;
    let pending = door
        .link
        .pending
        .take()
        .filter(|p| p.secret == proved.secret && !p.password.is_empty())
        .ok_or(Error::LinkNotValid)?;
    let secret = pending.secret().ok_or(Error::LinkNotValid)?;
    let email = Email::parse(&door.invitation.email).map_err(Error::internal)?;
    let (name, password) = (&pending.name, &pending.password);
    let user = match door.person {
        Person::New => crate::accounts::create_user(tx, &email, name, password, account)?,
        Person::Former(user) => {
            crate::accounts::renew_user(tx, user, &email, name, password, account)?;
            user
        }
        // Joined another account meanwhile; the page then offers to join with that user.
        Person::Known => {
            return Err(Error::refused(
                "There is a sign-in with this e-mail address by now. Open the link again.",
            ));
        }
    };
    tx.act_as(user, name);
    accept(tx, &door, user, name)?;
    let codes = second_factor::bind(tx, user, &secret, step)?;
    let token = sessions::start(tx, user, account, request)?;
    sessions::reveal(tx, &token, &Revealed::RecoveryCodes(codes))?;
    Ok((user, token))
}

/// Makes the signed-in person a member and moves the session into the account. Gives the name of the account and the
/// new token of the session.
pub fn join(
    tx: &mut Tx<SignedIn>,
    request: &Request,
    account: AccountId,
) -> Result<(String, Token)> {
    let door = locked_door(tx, request, account)?;
    let (user, name) = (tx.me().user, tx.me().name.clone());
    if tx.me().email != door.invitation.email {
        return Err(Error::refused(
            "This invitation is for somebody else. Sign out and open the link again.",
        ));
    }
    accept(tx, &door, user, &name)?;
    let token = sessions::enter(tx, account)?;
    Ok((door.invitation.account_name, token))
}

/// Uses the invitation up and makes the member it promises.
fn accept<P: Proof>(tx: &mut Tx<P>, door: &Door, user: UserId, name: &str) -> Result<()> {
    let invitation = &door.invitation;
    let account = invitation.account;
    links::consume(tx, door.link.id)?;
    links::revoke(tx, door.link.subject)?;
    let now = tx.now();
    let joined = diesel::update(
        row(account, invitation.id)
            .filter(invitations::joined_at.is_null())
            .filter(invitations::revoked_at.is_null()),
    )
    .set(invitations::joined_at.eq(now))
    .execute(tx.conn())?;
    if joined != 1 || is_member(tx, account, user)? {
        return Err(Error::LinkNotValid);
    }
    mail::withdraw(tx, invitation.id)?;
    let member = crate::accounts::add_member(tx, account, user, invitation.grants)?;
    let ownerless: Option<AccountId> = accounts::table
        .filter(accounts::id.eq(account))
        .filter(accounts::owner_member_id.is_null())
        .select(accounts::id)
        .first(tx.conn())
        .optional()?;
    if ownerless.is_some() {
        crate::accounts::set_owner(tx, account, member)?;
    }
    let event = Event::MemberJoined {
        name: name.to_owned(),
        email: invitation.email.clone(),
        roles: invitation.grants.roles.sentence(),
    };
    audit::record(tx, account, &event)?;
    mails::joined(tx, invitation, name)
}

fn is_member<P: Proof>(tx: &mut Tx<P>, account: AccountId, user: UserId) -> Result<bool> {
    let active: Option<UserId> = members::table
        .filter(members::account_id.eq(account))
        .filter(members::user_id.eq(user))
        .filter(members::removed_at.is_null())
        .select(members::user_id)
        .first(tx.conn())
        .optional()?;
    Ok(active.is_some())
}
