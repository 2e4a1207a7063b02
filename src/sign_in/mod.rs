//! Signing in and out, forgotten passwords, access after a reset, step-up, and what people change about themselves:
//! password, second factor, recovery codes, sessions, display.
//!
//! * [`proof`]: checking what was typed, with the counters all doors share.
//! * [`devices`]: browsers that have signed in before.
//! * [`notices`]: the mails about all this.
//! * [`pages`]: handlers, one file per page.

pub mod devices;
pub mod notices;
pub mod pages;
pub mod proof;

use diesel::prelude::*;

use crate::access::{InAccount, Proof, Theme, Tx};
use crate::credentials::email::Email;
use crate::credentials::links::{self, Subject};
use crate::credentials::sessions;
use crate::db::types::{AccountId, SessionId, UserId};
use crate::schema::{accounts, members, users};
use crate::{Error, Result};

/// What signing in needs to know about a user.
#[derive(Clone)]
pub struct Person {
    pub id: UserId,
    pub email: Email,
    pub name: String,
    /// The hash; none when an administrator discarded it.
    pub password: Option<String>,
    /// A second factor is bound.
    pub two_factor: bool,
    /// Where this person was active last; none for somebody who is no member of any account any more.
    pub account: Option<AccountId>,
}

impl Person {
    /// Whether password and code would let this person in.
    pub fn can_sign_in(&self) -> bool {
        self.password.is_some() && self.two_factor && self.account.is_some()
    }
}

type Row = (UserId, String, String, Option<String>, bool);

/// The user of an address.
pub fn person_of<P: Proof>(tx: &mut Tx<P>, email: &Email) -> Result<Option<Person>> {
    let row: Option<Row> = users::table
        .filter(users::email.eq(email.as_str()))
        .select((
            users::id,
            users::email,
            users::name,
            users::password,
            users::totp_secret.is_not_null(),
        ))
        .first(tx.conn())
        .optional()?;
    // Looked up for nobody as well, so that both take the same time.
    let account = last_account(tx, row.as_ref().map_or(UserId(0), |row| row.0))?;
    row.map(|row| person_from(row, account)).transpose()
}

/// A user by number.
pub fn person<P: Proof>(tx: &mut Tx<P>, user: UserId) -> Result<Person> {
    let row: Row = users::table
        .filter(users::id.eq(user))
        .select((
            users::id,
            users::email,
            users::name,
            users::password,
            users::totp_secret.is_not_null(),
        ))
        .first(tx.conn())
        .optional()?
        .ok_or(Error::NotFound)?;
    let account = last_account(tx, user)?;
    person_from(row, account)
}

fn person_from(row: Row, account: Option<AccountId>) -> Result<Person> {
    let (id, email, name, password, two_factor) = row;
    Ok(Person {
        id,
        email: Email::parse(&email).map_err(Error::internal)?,
        name,
        password,
        two_factor,
        account,
    })
}

fn last_account<P: Proof>(tx: &mut Tx<P>, user: UserId) -> Result<Option<AccountId>> {
    Ok(members::table
        .filter(members::user_id.eq(user))
        .filter(members::removed_at.is_null())
        .order((members::last_activity_at.desc(), members::id.desc()))
        .select(members::account_id)
        .first(tx.conn())
        .optional()?)
}

/// Names of the companies a user belongs to, which a new password must not contain.
pub fn companies_of<P: Proof>(tx: &mut Tx<P>, user: UserId) -> Result<Vec<String>> {
    Ok(members::table
        .inner_join(accounts::table.on(accounts::id.eq(members::account_id)))
        .filter(members::user_id.eq(user))
        .filter(members::removed_at.is_null())
        .select(accounts::name)
        .load(tx.conn())?)
}

/// Marks a member as active now; the list of members shows it.
pub fn mark_active<P: Proof>(tx: &mut Tx<P>, account: AccountId, user: UserId) -> Result<()> {
    let now = tx.now();
    diesel::update(members::table)
        .filter(members::account_id.eq(account))
        .filter(members::user_id.eq(user))
        .set(members::last_activity_at.eq(now))
        .execute(tx.conn())?;
    Ok(())
}

/// Stores a hash made anew of the same password, unless the password was changed meanwhile.
pub fn rehash<P: Proof>(tx: &mut Tx<P>, user: UserId, before: &str, after: &str) -> Result<()> {
    diesel::update(users::table)
        .filter(users::id.eq(user))
        .filter(users::password.eq(before))
        .set(users::password.eq(Some(after)))
        .execute(tx.conn())?;
    Ok(())
}

/// Stores a new password and ends what the old one opened: all sessions but for one if given, and mailed links.
pub fn change_password<P: Proof>(
    tx: &mut Tx<P>,
    user: UserId,
    hash: &str,
    except: Option<SessionId>,
) -> Result<()> {
    diesel::update(users::table.filter(users::id.eq(user)))
        .set(users::password.eq(Some(hash)))
        .execute(tx.conn())?;
    links::revoke(tx, Subject::NewPassword(user))?;
    sessions::end_all(tx, user, except)?;
    Ok(())
}

/// What the Security page shows besides the caller.
pub struct Settings {
    pub product_updates: bool,
    pub recovery_codes: i64,
}

/// The settings of the person who asks.
pub fn settings<P: InAccount>(tx: &mut Tx<P>) -> Result<Settings> {
    let user = tx.me().user;
    Ok(Settings {
        product_updates: users::table
            .filter(users::id.eq(user))
            .select(users::product_updates)
            .first(tx.conn())?,
        recovery_codes: crate::credentials::second_factor::recovery_codes_left(tx, user)?,
    })
}

/// Chooses whether product updates come by mail; false when that was chosen already.
pub fn choose_product_updates<P: InAccount>(tx: &mut Tx<P>, on: bool) -> Result<bool> {
    let user = tx.me().user;
    let changed = diesel::update(users::table)
        .filter(users::id.eq(user))
        .filter(users::product_updates.ne(on))
        .set(users::product_updates.eq(on))
        .execute(tx.conn())?;
    Ok(changed == 1)
}

/// Chooses time zone and appearance.
pub fn choose_display<P: InAccount>(tx: &mut Tx<P>, zone: &str, theme: Theme) -> Result<()> {
    let user = tx.me().user;
    diesel::update(users::table.filter(users::id.eq(user)))
        .set((users::time_zone.eq(zone), users::theme.eq(theme.slug())))
        .execute(tx.conn())?;
    Ok(())
}

/// The name of one of the person's own sessions.
pub fn own_device<P: InAccount>(tx: &mut Tx<P>, session: SessionId) -> Result<String> {
    sessions::own(tx)?
        .into_iter()
        .find(|row| row.id == session)
        .map(|row| row.device)
        .ok_or(Error::NotFound)
}
