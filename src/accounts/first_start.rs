//! First start: while there is no account, a printed link makes the first one and its owner.

use crate::access::{Anyone, PlatformRoles, Proof, Tx};
use crate::audit::{self, Event};
use crate::credentials::email::Email;
use crate::credentials::links::{self, Link, Pending, Subject};
use crate::credentials::second_factor;
use crate::credentials::sessions::{self, Revealed};
use crate::credentials::tokens::{Token, TokenKind};
use crate::credentials::totp::Secret;
use crate::db::types::UserId;
use crate::web::request::Request;
use crate::{App, Error, Result, db};

use super::Grants;

/// A fresh set-up link for the log and the terminal; nothing once there is an account. Earlier links die.
pub fn link(app: &App) -> Result<Option<String>> {
    app.system_write(|tx| {
        if !super::none_yet(tx)? {
            return Ok(None);
        }
        let token = links::issue(tx, Subject::Setup)?;
        Ok(Some(
            tx.app().config.link(&format!("/setup/{}", token.expose())),
        ))
    })
}

/// The live set-up link of a request. With an account in the database there is none.
pub fn door<P: Proof>(tx: &mut Tx<P>, request: &Request) -> Result<Link> {
    let link = links::of_request(tx, TokenKind::Setup, request)?;
    if super::none_yet(tx)? {
        Ok(link)
    } else {
        Err(Error::LinkNotValid)
    }
}

/// Keeps what was typed on the first page. The secret stays the one that may be in an authenticator already.
pub fn keep(tx: &mut Tx<Anyone>, request: &Request, mut pending: Pending) -> Result<()> {
    let link = door(tx, request)?;
    pending.secret = link
        .pending
        .as_ref()
        .and_then(Pending::secret)
        .unwrap_or_else(Secret::generate)
        .as_bytes()
        .to_vec();
    links::keep(tx, link.id, &pending)
}

/// Makes account, owner and session, all or nothing; of two set-ups at the same time one wins. `step` is what the
/// typed code has proved for the secret of `pending`. Gives the owner and the token of the session.
pub fn set_up(
    tx: &mut Tx<Anyone>,
    request: &Request,
    proved: &Pending,
    step: u64,
) -> Result<(UserId, Token)> {
    db::lock_first_start(tx.conn())?;
    let link = door(tx, request)?;
    let pending = link
        .pending
        .filter(|p| p.secret == proved.secret && !p.password.is_empty())
        .ok_or(Error::LinkNotValid)?;
    let secret = pending.secret().ok_or(Error::LinkNotValid)?;
    links::consume(tx, link.id)?;
    links::revoke(tx, Subject::Setup)?;
    let email = Email::parse(&pending.email).map_err(Error::internal)?;
    let account = super::create(tx, &pending.company)?;
    let user = super::create_user(tx, &email, &pending.name, &pending.password, account)?;
    tx.act_as(user, &pending.name);
    let roles = PlatformRoles {
        admin: true,
        ..PlatformRoles::default()
    };
    let grants = Grants {
        roles,
        profile: Some(super::standard_profile(tx, account)?),
        role: None,
    };
    let member = super::add_member(tx, account, user, grants)?;
    super::set_owner(tx, account, member)?;
    let codes = second_factor::bind(tx, user, &secret, step)?;
    let token = sessions::start(tx, user, account, request)?;
    sessions::reveal(tx, &token, &Revealed::RecoveryCodes(codes))?;
    let joined = Event::MemberJoined {
        name: pending.name,
        email: email.to_string(),
        roles: roles.sentence(),
    };
    audit::record(tx, account, &joined)?;
    Ok((user, token))
}
