//! Acting for a member without a request: a job that somebody asked for runs with that person's rights as they are when
//! it runs. Nothing that a request carries leads here; only [`App::read_for`] and [`App::write_for`] give the proof, and
//! each of their transactions looks the member up anew.

use diesel::prelude::*;

use super::caller::{Caller, Level, PlatformRoles};
use super::permissions::{InAccount, Proof, System};
use super::tx::Tx;
use crate::db::types::{AccountId, MemberId, SessionId, Slot, Timestamp, UserId};
use crate::db::{self, Conn};
use crate::schema::{accounts, members, users};
use crate::{App, Error, Result};

/// A job that acts as the member who asked for it. It is no [`super::Admit`]: no route can name it.
pub struct OnBehalf;
impl Proof for OnBehalf {
    type Who = Caller;
    fn caller(who: &Caller) -> Option<&Caller> {
        Some(who)
    }
}
impl InAccount for OnBehalf {}

/// Who asked for a job, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    pub account: AccountId,
    pub slot: Slot,
    pub address: String,
}

impl App {
    /// A reading transaction as the member; [`Error::SignIn`] when they are none any more.
    pub(crate) fn read_for<T>(
        &self,
        asker: &Asker,
        f: impl FnOnce(&mut Tx<OnBehalf>) -> Result<T>,
    ) -> Result<T> {
        let mut conn = self.db.reader()?;
        let now = self.clock.now();
        db::read_tx(&mut conn, |c| {
            let who = member(c, asker, now)?.ok_or(Error::SignIn)?;
            f(&mut Tx::new(c, self, now, who, &asker.address))
        })
    }

    /// A writing transaction as the member; [`Error::SignIn`] when they are none any more.
    pub(crate) fn write_for<T>(
        &self,
        asker: &Asker,
        f: impl FnOnce(&mut Tx<OnBehalf>) -> Result<T>,
    ) -> Result<T> {
        let mut conn = self.db.writer()?;
        let now = self.clock.now();
        db::write_tx(&mut conn, |c| {
            let who = member(c, asker, now)?.ok_or(Error::SignIn)?;
            let mut tx = Tx::new(c, self, now, who, &asker.address);
            let value = f(&mut tx)?;
            tx.in_time()?;
            Ok(value)
        })
    }
}

impl Tx<'_, System> {
    /// Puts the asker into the audit log for what the system has to write down about their job, also when they have
    /// been removed meanwhile.
    pub(crate) fn act_for(&mut self, asker: &Asker) -> Result<()> {
        let (user, name): (UserId, String) = members::table
            .inner_join(users::table)
            .filter(members::account_id.eq(asker.account))
            .filter(members::slot.eq(asker.slot))
            .select((users::id, users::name))
            .first(self.conn())?;
        self.act_as(user, &name);
        self.act_from(&asker.address);
        Ok(())
    }
}

type Row = (
    (UserId, String, String, bool, String, String),
    (AccountId, String, Option<MemberId>, i64, i64),
    (MemberId, Slot, bool, bool, bool),
);

/// The active member as a caller without a session.
fn member(conn: &mut Conn, asker: &Asker, now: Timestamp) -> Result<Option<Caller>> {
    let row: Option<Row> = members::table
        .inner_join(users::table)
        .inner_join(accounts::table.on(accounts::id.eq(members::account_id)))
        .filter(members::account_id.eq(asker.account))
        .filter(members::slot.eq(asker.slot))
        .filter(members::removed_at.is_null())
        .select((
            (
                users::id,
                users::email,
                users::name,
                users::operator,
                users::time_zone,
                users::theme,
            ),
            (
                accounts::id,
                accounts::name,
                accounts::owner_member_id,
                accounts::people_version,
                accounts::permission_version,
            ),
            (
                members::id,
                members::slot,
                members::viewer,
                members::technician,
                members::admin,
            ),
        ))
        .first(conn)
        .optional()?;
    Ok(row.map(|(user, account, member)| Caller {
        // No row has this number.
        session: SessionId(0),
        level: Level::Full,
        code_at: Timestamp(0),
        last_seen_at: now,
        environment: super::Environment::default(),
        user: user.0,
        email: user.1,
        name: user.2,
        operator: user.3,
        time_zone: user.4,
        theme: user.5.parse().unwrap_or_default(),
        account: account.0,
        account_name: account.1,
        owner: account.2 == Some(member.0),
        people_version: account.3,
        // A job shows no list of accounts.
        has_other_accounts: false,
        // What was begun before goes on to its end.
        read_only: false,
        permission_version: account.4,
        member: member.0,
        slot: member.1,
        roles: PlatformRoles {
            viewer: member.2,
            technician: member.3,
            admin: member.4,
        },
    }))
}
