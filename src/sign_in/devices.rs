//! Browsers that have signed in before. Their cookie gives a person a throttling counter of their own, so that guesses
//! from elsewhere do not shut them out, and spares them the mail about a new device. It is no credential.

use diesel::prelude::*;

use crate::Result;
use crate::access::{Proof, Tx};
use crate::credentials::tokens::{Token, TokenKind};
use crate::db::types::UserId;
use crate::schema::devices;
use crate::web::answer::Answer;
use crate::web::request::Request;

/// The cookie that a browser is known by.
const COOKIE: &str = "device";

/// How long a browser is known without signing in again; the longest that browsers keep a cookie.
const AGE: time::Duration = time::Duration::days(400);

/// Browsers of one person; the one not seen for longest goes first.
const AT_ONCE: i64 = 20;

/// The number of the browser behind a request, if this user has signed in with it before.
pub fn known<P: Proof>(tx: &mut Tx<P>, user: UserId, request: &Request) -> Result<Option<i64>> {
    let Some(token) = request.token_cookie(COOKIE, TokenKind::Device) else {
        return Ok(None);
    };
    let oldest = tx.now() - AGE;
    Ok(devices::table
        .filter(devices::user_id.eq(user))
        .filter(devices::token_hash.eq(token.hash().to_vec()))
        .filter(devices::last_seen_at.gt(oldest))
        .select(devices::id)
        .first(tx.conn())
        .optional()?)
}

/// Remembers the browser behind a request after a full sign-in, for [`with_cookie`]. None when it is known already.
pub fn remember<P: Proof>(
    tx: &mut Tx<P>,
    user: UserId,
    request: &Request,
) -> Result<Option<Token>> {
    let now = tx.now();
    if let Some(device) = known(tx, user, request)? {
        diesel::update(devices::table.filter(devices::id.eq(device)))
            .set(devices::last_seen_at.eq(now))
            .execute(tx.conn())?;
        return Ok(None);
    }
    let oldest: Vec<i64> = devices::table
        .filter(devices::user_id.eq(user))
        .order((devices::last_seen_at.desc(), devices::id.desc()))
        .offset(AT_ONCE - 1)
        .limit(100)
        .select(devices::id)
        .load(tx.conn())?;
    diesel::delete(devices::table.filter(devices::id.eq_any(oldest))).execute(tx.conn())?;
    let token = Token::new(TokenKind::Device);
    diesel::insert_into(devices::table)
        .values((
            devices::user_id.eq(user),
            devices::token_hash.eq(token.hash().to_vec()),
            devices::last_seen_at.eq(now),
        ))
        .execute(tx.conn())?;
    Ok(Some(token))
}

/// Forgets every browser of a user, whose password somebody else may have known.
pub fn forget<P: Proof>(tx: &mut Tx<P>, user: UserId) -> Result<()> {
    diesel::delete(devices::table.filter(devices::user_id.eq(user))).execute(tx.conn())?;
    Ok(())
}

/// Deletes browsers not seen for so long that they have lost their cookie; called by the housekeeping job.
pub fn sweep<P: Proof>(tx: &mut Tx<P>) -> Result<usize> {
    let oldest = tx.now() - AGE;
    Ok(
        diesel::delete(devices::table.filter(devices::last_seen_at.lt(oldest)))
            .execute(tx.conn())?,
    )
}

/// Puts what [`remember`] gave into the answer.
pub fn with_cookie(answer: Answer, device: Option<Token>) -> Answer {
    match device {
        Some(token) => answer.set_cookie(COOKIE, token.expose(), Some(AGE)),
        None => answer,
    }
}
