//! Shared > Insight users: the members of an account, their platform roles, resetting 2FA, removing.
//!
//! One rule stands over all of it: an account always has an administrator who can sign in. Whatever could break it
//! locks the account's row first and decides after that, so that two changes at once cannot both be the second last.

pub mod index_pages;
pub mod list;
mod mails;
mod remove;
pub mod remove_pages;
mod reset;
pub mod reset_pages;
pub(crate) mod roles;
pub mod roles_pages;

use diesel::prelude::*;

use crate::access::{InAccount, PlatformRoles, Proof, Tx};
use crate::credentials::email::Email;
use crate::db::Backend;
use crate::db::types::{AccountId, MemberId, Timestamp, UserId};
use crate::schema::{accounts, members, users};
use crate::{Error, Result};

/// Where the list is.
pub const PATH: &str = "/shared/insight-users";

/// Id of the form that the buttons in the rows of the list belong to.
pub const FORM: &str = "act";

/// An active member.
#[derive(Clone, Debug)]
pub struct Member {
    pub id: MemberId,
    pub user: UserId,
    pub name: String,
    pub email: String,
    pub roles: PlatformRoles,
    /// 2FA is set up; without it nobody can sign in as this person.
    pub two_factor: bool,
    pub joined_at: Timestamp,
    pub last_activity_at: Timestamp,
    /// This account is the one that first invited the person.
    pub home: bool,
    /// There is a password; a reset may have discarded it.
    pub password: bool,
    /// Sort key of the name.
    name_key: String,
}

impl Member {
    /// "Viewer, Technician", or "None".
    pub fn roles_text(&self) -> String {
        match self.roles.names().as_slice() {
            [] => "None".into(),
            names => names.join(", "),
        }
    }

    /// The address as mail takes it.
    fn mail_address(&self) -> Result<Email> {
        Email::parse(&self.email).map_err(Error::internal)
    }
}

type Query<'a> = members::BoxedQuery<'a, Backend>;

/// The active members of the account. Filters on yes or no name the bare column: SQLite does not see that `admin = ?`
/// fits an index of administrators.
fn active<P: InAccount>(tx: &Tx<P>) -> Query<'static> {
    active_in(tx.account())
}

fn active_in(account: AccountId) -> Query<'static> {
    members::table
        .filter(members::account_id.eq(account))
        .filter(members::removed_at.is_null())
        .into_boxed::<Backend>()
}

type Row = (
    MemberId,
    UserId,
    (bool, bool, bool, bool),
    (Timestamp, Timestamp),
    String,
);

type Person = (String, String, AccountId, bool);

/// Runs a query over [`active`] members. The range and the order come from an index of members; names are joined by
/// primary key.
fn load<P: InAccount>(tx: &mut Tx<P>, query: Query<'_>) -> Result<Vec<Member>> {
    let account = tx.account();
    load_in(tx, account, query)
}

fn load_in<P: Proof>(tx: &mut Tx<P>, account: AccountId, query: Query<'_>) -> Result<Vec<Member>> {
    let rows: Vec<(Row, Person)> = query
        .inner_join(users::table)
        .select((
            (
                members::id,
                members::user_id,
                (
                    members::viewer,
                    members::technician,
                    members::admin,
                    members::two_factor,
                ),
                (members::joined_at, members::last_activity_at),
                members::name_key,
            ),
            (
                users::name,
                users::email,
                users::home_account_id,
                users::password.is_not_null(),
            ),
        ))
        .load(tx.conn())?;
    Ok(rows
        .into_iter()
        .map(|((id, user, ticks, times, name_key), person)| {
            let (name, email, home, password) = person;
            Member {
                id,
                user,
                name,
                email,
                roles: PlatformRoles {
                    viewer: ticks.0,
                    technician: ticks.1,
                    admin: ticks.2,
                },
                two_factor: ticks.3,
                joined_at: times.0,
                last_activity_at: times.1,
                home: home == account,
                password,
                name_key,
            }
        })
        .collect())
}

/// One active member of the account; everybody else does not exist.
pub fn find<P: InAccount>(tx: &mut Tx<P>, id: MemberId) -> Result<Member> {
    let query = active(tx).filter(members::id.eq(id));
    load(tx, query)?.pop().ok_or(Error::NotFound)
}

/// The first `limit` administrators of the account by name: whom to ask, whom to tell.
pub fn administrators<P: InAccount>(tx: &mut Tx<P>, limit: usize) -> Result<Vec<Member>> {
    let query = active(tx)
        .filter(members::admin)
        .order((members::name_key, members::id))
        .limit(i64::try_from(limit).unwrap_or(i64::MAX));
    load(tx, query)
}

/// What decides whether somebody can be demoted, reset or removed.
#[derive(Clone, Debug)]
pub struct Rules {
    owner: Option<MemberId>,
    /// Administrators who can sign in: two of them are enough to know.
    able: Vec<MemberId>,
}

impl Rules {
    /// As things stand in this transaction. To rely on it in a change, [`Tx::lock_account`] first.
    pub fn load<P: InAccount>(tx: &mut Tx<P>) -> Result<Rules> {
        let account = tx.account();
        let owner = accounts::table
            .filter(accounts::id.eq(account))
            .select(accounts::owner_member_id)
            .first(tx.conn())?;
        Ok(Rules {
            owner,
            able: able_administrators(tx, account)?,
        })
    }

    /// The member who receives the invoices.
    pub fn is_owner(&self, member: &Member) -> bool {
        self.owner == Some(member.id)
    }

    /// The same, by number.
    pub fn owner(&self) -> Option<MemberId> {
        self.owner
    }

    fn is_last_administrator(&self, member: &Member) -> bool {
        self.is_last(member.id)
    }

    /// True for the only administrator who can sign in, who has to stay one.
    pub fn is_last(&self, member: MemberId) -> bool {
        self.able == [member]
    }

    /// Why Admin cannot be taken away.
    pub fn demotion_refused(&self, member: &Member) -> Option<String> {
        self.is_last_administrator(member).then(|| last(member))
    }

    /// Why 2FA cannot be reset.
    pub fn reset_refused(&self, member: &Member) -> Option<String> {
        if !member.home {
            return Some(format!(
                "Only an administrator of the company that first invited {} can reset 2FA.",
                member.name
            ));
        }
        self.is_last_administrator(member).then(|| last(member))
    }

    /// Why the member cannot be removed.
    pub fn removal_refused(&self, member: &Member) -> Option<String> {
        if self.is_owner(member) {
            return Some(
                "The account owner cannot be removed. Change the account owner first.".into(),
            );
        }
        self.is_last_administrator(member).then(|| last(member))
    }
}

/// The sentence that keeps an account its last administrator.
pub(crate) fn last_named(name: &str) -> String {
    format!(
        "{name} is the last administrator who can sign in. Make somebody else an administrator first."
    )
}

fn last(member: &Member) -> String {
    last_named(&member.name)
}

/// Up to two administrators of an account who can sign in.
fn able_administrators<P: Proof>(tx: &mut Tx<P>, account: AccountId) -> Result<Vec<MemberId>> {
    Ok(members::table
        .filter(members::account_id.eq(account))
        .filter(members::admin.and(members::two_factor))
        .filter(members::removed_at.is_null())
        .limit(2)
        .select(members::id)
        .load(tx.conn())?)
}
