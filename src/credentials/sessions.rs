//! Sessions: rows on the server, made and ended in the transaction of what causes it. Idle for an hour or a day old,
//! a session is over; ten per user, the oldest goes first.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::keys::Purpose;
use super::tokens::{Token, TokenKind};
use crate::access::{Administers, Caller, InAccount, Proof, Tx};
use crate::db::types::{AccountId, SessionId, Timestamp, UserId};
use crate::schema::sessions;
use crate::web::request::Request;
use crate::{Error, Result};

/// Longest life of a session.
pub const LIFETIME: time::Duration = time::Duration::hours(24);

/// Time to type the code after the password.
pub const HALF_LIFETIME: time::Duration = time::Duration::minutes(10);

/// Sessions of one user at the same time.
const AT_ONCE: i64 = 10;

/// The row values of the two levels.
const HALF: i32 = 1;
const FULL: i32 = 2;

/// A session as its owner sees it.
#[derive(Clone, Debug, Queryable)]
pub struct Row {
    pub id: SessionId,
    pub device: String,
    pub address: String,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
}

/// Starts a session in which the password has been given and the code has not.
pub fn start_half<P: Proof>(
    tx: &mut Tx<P>,
    user: UserId,
    account: AccountId,
    request: &Request,
) -> Result<Token> {
    insert(tx, user, account, request, HALF, HALF_LIFETIME)
}

/// Starts a full session for somebody who has just proved password and code.
pub fn start<P: Proof>(
    tx: &mut Tx<P>,
    user: UserId,
    account: AccountId,
    request: &Request,
) -> Result<Token> {
    let oldest: Vec<SessionId> = sessions::table
        .filter(sessions::user_id.eq(user))
        .order((sessions::last_seen_at.desc(), sessions::id.desc()))
        .offset(AT_ONCE - 1)
        .limit(100)
        .select(sessions::id)
        .load(tx.conn())?;
    diesel::delete(sessions::table.filter(sessions::id.eq_any(oldest))).execute(tx.conn())?;
    insert(tx, user, account, request, FULL, LIFETIME)
}

fn insert<P: Proof>(
    tx: &mut Tx<P>,
    user: UserId,
    account: AccountId,
    request: &Request,
    level: i32,
    lifetime: time::Duration,
) -> Result<Token> {
    let token = Token::new(TokenKind::Session);
    let now = tx.now();
    diesel::insert_into(sessions::table)
        .values((
            sessions::token_hash.eq(token.hash().to_vec()),
            sessions::user_id.eq(user),
            sessions::account_id.eq(account),
            sessions::level.eq(level),
            sessions::created_at.eq(now),
            sessions::last_seen_at.eq(now),
            sessions::expires_at.eq(now + lifetime),
            sessions::code_at.eq(now),
            sessions::address.eq(request.address().to_string()),
            sessions::device.eq(device_name(request.user_agent())),
            sessions::environment.eq("test"),
        ))
        .execute(tx.conn())?;
    Ok(token)
}

/// Turns a half session into a full one under a new token; the old token is dead at once. A half session that was
/// ended meanwhile, by a new password or a removal, becomes nothing.
pub fn complete<P: Proof>(tx: &mut Tx<P>, caller: &Caller, request: &Request) -> Result<Token> {
    let half = sessions::table.filter(sessions::id.eq(caller.session));
    if diesel::delete(half).execute(tx.conn())? != 1 {
        return Err(Error::SignIn);
    }
    start(tx, caller.user, caller.account, request)
}

/// A new token for the same session, after a fresh code or another change of what it may do. Whoever's session was
/// ended while this transaction waited for a lock is signed out, and changes nothing.
pub fn renew<P: InAccount>(tx: &mut Tx<P>, fresh_code: bool) -> Result<Token> {
    let token = Token::new(TokenKind::Session);
    let now = tx.now();
    let session = tx.me().session;
    let mine = sessions::table.filter(sessions::id.eq(session));
    let renewed = diesel::update(mine)
        .set(sessions::token_hash.eq(token.hash().to_vec()))
        .execute(tx.conn())?;
    if renewed != 1 {
        return Err(Error::SignIn);
    }
    if fresh_code {
        diesel::update(mine)
            .set((sessions::code_at.eq(now), sessions::code_failures.eq(0)))
            .execute(tx.conn())?;
    }
    Ok(token)
}

/// Moves the session into another account of the same user, under a new token. The caller has checked membership;
/// the foreign key checks it again.
pub fn enter<P: InAccount>(tx: &mut Tx<P>, account: AccountId) -> Result<Token> {
    let session = tx.me().session;
    diesel::update(sessions::table.filter(sessions::id.eq(session)))
        .set(sessions::account_id.eq(account))
        .execute(tx.conn())?;
    renew(tx, false)
}

/// Ends one session.
pub fn end<P: Proof>(tx: &mut Tx<P>, session: SessionId) -> Result<()> {
    diesel::delete(sessions::table.filter(sessions::id.eq(session))).execute(tx.conn())?;
    Ok(())
}

/// Ends one session of a user; false when it is not theirs or is over.
pub fn end_own<P: InAccount>(tx: &mut Tx<P>, session: SessionId) -> Result<bool> {
    let user = tx.me().user;
    let ended = diesel::delete(
        sessions::table
            .filter(sessions::id.eq(session))
            .filter(sessions::user_id.eq(user)),
    )
    .execute(tx.conn())?;
    Ok(ended == 1)
}

/// Ends every session of a user, but for one if given; gives how many.
pub fn end_all<P: Proof>(tx: &mut Tx<P>, user: UserId, except: Option<SessionId>) -> Result<usize> {
    Ok(diesel::delete(
        sessions::table
            .filter(sessions::user_id.eq(user))
            .filter(sessions::id.ne(except.unwrap_or(SessionId(0)))),
    )
    .execute(tx.conn())?)
}

/// Ends the sessions of a user that are in one account; sessions in their other accounts stay.
pub fn end_in_account<P: Proof>(tx: &mut Tx<P>, user: UserId, account: AccountId) -> Result<usize> {
    Ok(diesel::delete(
        sessions::table
            .filter(sessions::user_id.eq(user))
            .filter(sessions::account_id.eq(account)),
    )
    .execute(tx.conn())?)
}

/// The live sessions of the person who asks, last seen first.
pub fn own<P: InAccount>(tx: &mut Tx<P>) -> Result<Vec<Row>> {
    let user = tx.me().user;
    live(tx, user, None)
}

/// The live sessions of a user that are in the administrator's account, last seen first. Those in other accounts are
/// none of its business.
pub fn in_account<P: Administers>(tx: &mut Tx<P>, user: UserId) -> Result<Vec<Row>> {
    let account = tx.account();
    live(tx, user, Some(account))
}

fn live<P: InAccount>(
    tx: &mut Tx<P>,
    user: UserId,
    account: Option<AccountId>,
) -> Result<Vec<Row>> {
    let now = tx.now();
    let mut query = sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::level.eq(FULL))
        .filter(sessions::expires_at.gt(now))
        .filter(sessions::last_seen_at.gt(now - crate::access::IDLE))
        .order((sessions::last_seen_at.desc(), sessions::id.desc()))
        .limit(AT_ONCE)
        .select((
            sessions::id,
            sessions::device,
            sessions::address,
            sessions::created_at,
            sessions::last_seen_at,
        ))
        .into_boxed::<crate::db::Backend>();
    if let Some(account) = account {
        query = query.filter(sessions::account_id.eq(account));
    }
    Ok(query.load(tx.conn())?)
}

/// Counts a typed code, before it is checked so that parallel guesses cannot slip past, and gives how many there
/// have been since the last right one.
pub fn count_code<P: Proof>(tx: &mut Tx<P>, session: SessionId) -> Result<i32> {
    diesel::update(sessions::table.filter(sessions::id.eq(session)))
        .set(sessions::code_failures.eq(sessions::code_failures + 1))
        .returning(sessions::code_failures)
        .get_result(tx.conn())
        .optional()?
        .ok_or(Error::SignIn)
}

/// Something that is shown until its owner says it is saved, and never again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revealed {
    /// The ten codes as they are shown.
    RecoveryCodes(Vec<String>),
    /// A fresh invitation link to pass on.
    InvitationLink { email: String, url: String },
    /// The bytes of a TOTP secret that takes the place of the present one once a code proves it.
    NewSecret { secret: Vec<u8> },
}

/// Keeps something with the session whose token is given, sealed, in place of what was kept before.
pub fn reveal<P: Proof>(tx: &mut Tx<P>, token: &Token, what: &Revealed) -> Result<()> {
    let plain = Zeroizing::new(serde_json::to_vec(what).map_err(Error::internal)?);
    let session: SessionId = sessions::table
        .filter(sessions::token_hash.eq(token.hash().to_vec()))
        .select(sessions::id)
        .first(tx.conn())
        .optional()?
        .ok_or(Error::SignIn)?;
    let bound = session.0.to_be_bytes();
    let sealed = tx.app().keys.seal(Purpose::Reveal, &bound, &plain);
    diesel::update(sessions::table.filter(sessions::id.eq(session)))
        .set(sessions::revealed.eq(sealed))
        .execute(tx.conn())?;
    Ok(())
}

/// What is kept with this session, if anything.
pub fn revealed<P: InAccount>(tx: &mut Tx<P>) -> Result<Option<Revealed>> {
    let session = tx.me().session;
    let sealed: Option<Vec<u8>> = sessions::table
        .filter(sessions::id.eq(session))
        .select(sessions::revealed)
        .first(tx.conn())?;
    // Sealed with a key that is gone: as if it had never been kept.
    Ok(sealed
        .and_then(|sealed| {
            tx.app()
                .keys
                .open(Purpose::Reveal, &session.0.to_be_bytes(), &sealed)
                .ok()
        })
        .and_then(|plain| serde_json::from_slice(&plain).ok()))
}

/// Forgets what is kept with this session.
pub fn forget_revealed<P: InAccount>(tx: &mut Tx<P>) -> Result<()> {
    let session = tx.me().session;
    diesel::update(sessions::table.filter(sessions::id.eq(session)))
        .set(sessions::revealed.eq(None::<Vec<u8>>))
        .execute(tx.conn())?;
    Ok(())
}

/// Deletes what is over; called by the housekeeping job.
pub fn sweep<P: Proof>(tx: &mut Tx<P>) -> Result<usize> {
    let now = tx.now();
    Ok(diesel::delete(sessions::table.filter(sessions::expires_at.lt(now))).execute(tx.conn())?)
}

/// "Chrome on Windows": enough to recognise one's own device. Order matters: most browsers also name the others.
pub fn device_name(user_agent: &str) -> String {
    let find = |names: &[(&str, &'static str)]| {
        names
            .iter()
            .find(|(mark, _)| user_agent.contains(mark))
            .map(|(_, name)| *name)
    };
    let browser = find(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = find(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "Unknown device".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::device_name;

    #[test]
    fn devices_have_names_people_know() {
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
        assert_eq!(device_name(chrome), "Chrome on Windows");
        assert_eq!(device_name("curl/8"), "Unknown device");
    }
}
