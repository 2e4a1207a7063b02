//! The person behind a request, loaded in one query.

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Binary, Bool, HasSqlType, Integer, Nullable, Text};
use diesel::sqlite::Sqlite;

use crate::Result;
use crate::db::Conn;
use crate::db::types::{AccountId, MemberId, SessionId, Slot, Timestamp, UserId};
use crate::on_each;
use crate::schema::sessions;

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The password was right; the code is missing. Opens the code page and nothing else.
    Half,
    /// Signed in.
    Full,
}

/// The platform roles of a member: a set, possibly empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlatformRoles {
    pub viewer: bool,
    pub technician: bool,
    pub admin: bool,
}

impl PlatformRoles {
    /// The roles by name, in the order of the pages; empty for none.
    pub fn names(self) -> Vec<&'static str> {
        [
            (self.viewer, "Viewer"),
            (self.technician, "Technician"),
            (self.admin, "Admin"),
        ]
        .into_iter()
        .filter_map(|(held, name)| held.then_some(name))
        .collect()
    }

    /// "Viewer and Technician", or "no platform role".
    pub fn sentence(self) -> String {
        match self.names().as_slice() {
            [] => "no platform role".into(),
            [one] => (*one).into(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        }
    }
}

/// TEST or COMMERCIAL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Environment {
    #[default]
    Test,
    Commercial,
}

impl Environment {
    /// Both, in the order of the switch.
    pub const ALL: [Environment; 2] = [Environment::Test, Environment::Commercial];

    /// As the first part of a path and in the database.
    pub fn slug(self) -> &'static str {
        match self {
            Environment::Test => "test",
            Environment::Commercial => "commercial",
        }
    }

    /// As it is shown.
    pub fn label(self) -> &'static str {
        match self {
            Environment::Test => "TEST",
            Environment::Commercial => "COMMERCIAL",
        }
    }

    /// Class of the page body.
    pub fn body_class(self) -> &'static str {
        match self {
            Environment::Test => "is-test",
            Environment::Commercial => "is-commercial",
        }
    }

    /// Class of its side of the switch.
    pub fn switch_class(self) -> &'static str {
        match self {
            Environment::Test => "is-test",
            Environment::Commercial => "is-live",
        }
    }

    /// Its icon: never colour alone.
    pub fn icon(self) -> &'static str {
        match self {
            Environment::Test => "flask",
            Environment::Commercial => "bolt",
        }
    }
}

impl std::str::FromStr for Environment {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Environment::ALL
            .into_iter()
            .find(|e| e.slug() == text)
            .ok_or(())
    }
}

/// Appearance of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// What the device says.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    /// All, in the order of the page.
    pub const ALL: [Theme; 3] = [Theme::System, Theme::Light, Theme::Dark];

    /// As it is stored and sent.
    pub fn slug(self) -> &'static str {
        match self {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// As it is shown.
    pub fn label(self) -> &'static str {
        match self {
            Theme::System => "System",
            Theme::Light => "Light",
            Theme::Dark => "Dark",
        }
    }
}

impl std::str::FromStr for Theme {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Theme::ALL.into_iter().find(|t| t.slug() == text).ok_or(())
    }
}

/// A person with a live session: everything a guard decides on, and everything the page frame shows.
#[derive(Clone, Debug)]
pub struct Caller {
    pub session: SessionId,
    pub level: Level,
    pub user: UserId,
    pub email: String,
    pub name: String,
    pub operator: bool,
    pub time_zone: String,
    pub theme: Theme,
    pub account: AccountId,
    pub account_name: String,
    /// Moves with every change of what the page Insight users shows of this account.
    pub people_version: i64,
    /// The person is an active member of further accounts.
    pub has_other_accounts: bool,
    /// Version of the account's permission rules.
    pub permission_version: i64,
    pub member: MemberId,
    /// The member's place in the sets of the permission rules.
    pub slot: Slot,
    pub roles: PlatformRoles,
    /// This member receives the account's invoices.
    pub owner: bool,
    /// The account has not paid: nothing can be added or changed but what helps to pay.
    pub read_only: bool,
    pub environment: Environment,
    /// When a code was last typed in this session.
    pub code_at: Timestamp,
    pub last_seen_at: Timestamp,
}

/// Idle limit of a signed-in session.
pub(crate) const IDLE: time::Duration = time::Duration::hours(1);

/// The one query of every request. It is written out: a third of the time that the query builder's version took went
/// into putting together the same text again.
#[derive(QueryId)]
struct OfSession {
    hash: Vec<u8>,
    now: Timestamp,
    seen_after: Timestamp,
}

impl Query for OfSession {
    type SqlType = (
        (BigInt, Integer, BigInt, BigInt, Text),
        (BigInt, Text, Text, Bool, Text, Text),
        (
            BigInt,
            Text,
            Nullable<BigInt>,
            (BigInt, BigInt),
            (Bool, Bool),
        ),
        (BigInt, Integer, Bool, Bool, Bool),
    );
}

impl RunQueryDsl<PgConnection> for OfSession {}
impl RunQueryDsl<SqliteConnection> for OfSession {}

// Of each database by itself, which finds its prepared statement by type; of both together it would be put into text
// first, to be looked up by that.
impl QueryFragment<Pg> for OfSession {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.write(out)
    }
}

impl QueryFragment<Sqlite> for OfSession {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.write(out)
    }
}

impl OfSession {
    fn write<'b, DB>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        DB: Backend + HasSqlType<Binary> + HasSqlType<BigInt>,
        Vec<u8>: ToSql<Binary, DB>,
        Timestamp: ToSql<BigInt, DB>,
    {
        out.push_sql(
            "SELECT s.id, s.level, s.code_at, s.last_seen_at, s.environment, \
             u.id, u.email, u.name, u.operator, u.time_zone, u.theme, \
             a.id, a.name, a.owner_member_id, a.people_version, a.permission_version, \
             a.read_only_since IS NOT NULL, \
             EXISTS (SELECT 1 FROM members o WHERE o.user_id = s.user_id AND o.account_id <> s.account_id \
               AND o.removed_at IS NULL), \
             m.id, m.slot, m.viewer, m.technician, m.admin \
             FROM sessions s \
             JOIN users u ON u.id = s.user_id \
             JOIN accounts a ON a.id = s.account_id \
             JOIN members m ON m.account_id = s.account_id AND m.user_id = s.user_id AND m.removed_at IS NULL \
             WHERE s.token_hash = ",
        );
        out.push_bind_param::<Binary, _>(&self.hash)?;
        out.push_sql(" AND s.expires_at > ");
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(" AND s.last_seen_at > ");
        out.push_bind_param::<BigInt, _>(&self.seen_after)
    }
}

type Row = (
    (SessionId, i32, Timestamp, Timestamp, String),
    (UserId, String, String, bool, String, String),
    (
        AccountId,
        String,
        Option<MemberId>,
        (i64, i64),
        (bool, bool),
    ),
    (MemberId, Slot, bool, bool, bool),
);

impl Caller {
    /// The caller of a session by its number, with everything as it is now.
    pub(super) fn of_session(
        conn: &mut Conn,
        session: SessionId,
        now: Timestamp,
    ) -> Result<Option<Caller>> {
        let hash: Option<Vec<u8>> = sessions::table
            .filter(sessions::id.eq(session))
            .select(sessions::token_hash)
            .first(conn)
            .optional()?;
        match hash {
            Some(hash) => Caller::load(conn, &hash, now),
            None => Ok(None),
        }
    }

    /// The caller of the session with this token hash; nothing when the session is over, idle for too long, or the
    /// person is no longer a member of the account it is in.
    pub(crate) fn load(conn: &mut Conn, hash: &[u8], now: Timestamp) -> Result<Option<Caller>> {
        let of_session = OfSession {
            hash: hash.to_vec(),
            now,
            seen_after: now - IDLE,
        };
        let row: Option<Row> = on_each!(conn, c => of_session.get_result(c).optional())?;
        Ok(row.map(|(session, user, account, member)| Caller {
            session: session.0,
            level: if session.1 == 2 {
                Level::Full
            } else {
                Level::Half
            },
            code_at: session.2,
            last_seen_at: session.3,
            environment: session.4.parse().unwrap_or_default(),
            user: user.0,
            email: user.1,
            name: user.2,
            operator: user.3,
            time_zone: user.4,
            theme: user.5.parse().unwrap_or_default(),
            account: account.0,
            account_name: account.1,
            owner: account.2 == Some(member.0),
            people_version: account.3.0,
            permission_version: account.3.1,
            read_only: account.4.0,
            has_other_accounts: account.4.1,
            member: member.0,
            slot: member.1,
            roles: PlatformRoles {
                viewer: member.2,
                technician: member.3,
                admin: member.4,
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_read_as_a_sentence() {
        let roles = |viewer, technician, admin| PlatformRoles {
            viewer,
            technician,
            admin,
        };
        assert_eq!(roles(false, false, false).sentence(), "no platform role");
        assert_eq!(roles(true, true, false).sentence(), "Viewer and Technician");
        assert_eq!(
            roles(true, true, true).sentence(),
            "Viewer, Technician and Admin"
        );
    }
}
