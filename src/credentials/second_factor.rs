//! The second factor of a user: checking a code once, and binding a new secret.

use diesel::prelude::*;

use super::keys::Purpose;
use super::recovery_codes::RecoveryCode;
use super::totp::{self, Secret};
use crate::access::{Proof, Tx};
use crate::db::types::UserId;
use crate::schema::{members, recovery_codes, users};
use crate::{Error, Result};

/// Consecutive wrong codes after which the factor is shut until it is set up anew (NIST SP 800-63B-4 3.2.2).
const HARD_CAP: i32 = 100;

/// What was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proved {
    /// A code of the authenticator.
    Code,
    /// One of the recovery codes, now used up.
    RecoveryCode,
}

/// Checks a typed code and burns it: six digits of the authenticator, or a recovery code. Nothing when it is wrong,
/// used before, or the factor is shut or missing. A wrong code is counted, so the transaction must commit either way.
pub fn check<P: Proof>(tx: &mut Tx<P>, user: UserId, typed: &str) -> Result<Option<Proved>> {
    let (sealed, failures): (Option<Vec<u8>>, i32) = users::table
        .filter(users::id.eq(user))
        .select((users::totp_secret, users::totp_failures))
        .first(tx.conn())?;
    let Some(sealed) = sealed.filter(|_| failures < HARD_CAP) else {
        return Ok(None);
    };
    let proved = if let Some(code) = RecoveryCode::parse(typed) {
        burn_recovery_code(tx, user, &code)?.then_some(Proved::RecoveryCode)
    } else {
        let secret = open(tx, user, &sealed)?;
        match totp::check(&secret, typed, tx.now().unix()) {
            Some(step) => burn_step(tx, user, step)?.then_some(Proved::Code),
            None => None,
        }
    };
    let mine = users::table.filter(users::id.eq(user));
    match proved {
        Some(_) => diesel::update(mine)
            .set(users::totp_failures.eq(0))
            .execute(tx.conn())?,
        None => diesel::update(mine)
            .set(users::totp_failures.eq(users::totp_failures + 1))
            .execute(tx.conn())?,
    };
    Ok(proved)
}

/// A step is accepted once, and never one older than the last (RFC 6238 5.2): one conditional statement.
fn burn_step<P: Proof>(tx: &mut Tx<P>, user: UserId, step: u64) -> Result<bool> {
    let step = i64::try_from(step).map_err(Error::internal)?;
    let burnt = diesel::update(
        users::table
            .filter(users::id.eq(user))
            .filter(users::totp_last_step.lt(step)),
    )
    .set(users::totp_last_step.eq(step))
    .execute(tx.conn())?;
    Ok(burnt == 1)
}

fn burn_recovery_code<P: Proof>(tx: &mut Tx<P>, user: UserId, code: &RecoveryCode) -> Result<bool> {
    let now = tx.now();
    let burnt = diesel::update(
        recovery_codes::table
            .filter(recovery_codes::user_id.eq(user))
            .filter(recovery_codes::code_hash.eq(code.hash().to_vec()))
            .filter(recovery_codes::used_at.is_null()),
    )
    .set(recovery_codes::used_at.eq(now))
    .execute(tx.conn())?;
    Ok(burnt == 1)
}

fn open<P: Proof>(tx: &Tx<P>, user: UserId, sealed: &[u8]) -> Result<Secret> {
    let plain = tx
        .app()
        .keys
        .open(Purpose::Totp, &user.0.to_be_bytes(), sealed)
        .map_err(Error::internal)?;
    Secret::from_bytes(&plain).ok_or_else(|| Error::internal("a TOTP secret has a wrong length"))
}

/// Binds a new secret that the person has just proved with `step`, and makes ten new recovery codes; both replace
/// what there was. Gives the codes as they are shown, once.
pub fn bind<P: Proof>(
    tx: &mut Tx<P>,
    user: UserId,
    secret: &Secret,
    step: u64,
) -> Result<Vec<String>> {
    let sealed = tx
        .app()
        .keys
        .seal(Purpose::Totp, &user.0.to_be_bytes(), secret.as_bytes());
    diesel::update(users::table.filter(users::id.eq(user)))
        .set((
            users::totp_secret.eq(Some(sealed)),
            users::totp_last_step.eq(i64::try_from(step).map_err(Error::internal)?),
            users::totp_failures.eq(0),
        ))
        .execute(tx.conn())?;
    mark_members(tx, user, true)?;
    new_recovery_codes(tx, user)
}

/// Discards secret and recovery codes: nobody can sign in as this user until a new secret is bound.
pub fn discard<P: Proof>(tx: &mut Tx<P>, user: UserId) -> Result<()> {
    diesel::update(users::table.filter(users::id.eq(user)))
        .set((
            users::totp_secret.eq(None::<Vec<u8>>),
            users::totp_failures.eq(0),
        ))
        .execute(tx.conn())?;
    diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(user)))
        .execute(tx.conn())?;
    mark_members(tx, user, false)
}

/// Ten new recovery codes in place of the old ones; gives them as they are shown, once.
pub fn new_recovery_codes<P: Proof>(tx: &mut Tx<P>, user: UserId) -> Result<Vec<String>> {
    diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(user)))
        .execute(tx.conn())?;
    let codes = RecoveryCode::ten();
    for code in &codes {
        diesel::insert_into(recovery_codes::table)
            .values((
                recovery_codes::user_id.eq(user),
                recovery_codes::code_hash.eq(code.hash().to_vec()),
            ))
            .execute(tx.conn())?;
    }
    Ok(codes.iter().map(RecoveryCode::shown).collect())
}

/// How many recovery codes are left.
pub fn recovery_codes_left<P: Proof>(tx: &mut Tx<P>, user: UserId) -> Result<i64> {
    Ok(recovery_codes::table
        .filter(recovery_codes::user_id.eq(user))
        .filter(recovery_codes::used_at.is_null())
        .count()
        .get_result(tx.conn())?)
}

/// The lists of members show and filter by this without looking at users.
fn mark_members<P: Proof>(tx: &mut Tx<P>, user: UserId, on: bool) -> Result<()> {
    diesel::update(
        members::table
            .filter(members::user_id.eq(user))
            .filter(members::two_factor.ne(on)),
    )
    .set(members::two_factor.eq(on))
    .execute(tx.conn())?;
    Ok(())
}
