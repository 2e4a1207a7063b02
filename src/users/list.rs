//! Active members as System Settings look at them: with role, profile and permissions. Keyset pages by name or by last
//! activity; each filter is a range of an index of members, or the walk of one.

use diesel::prelude::*;

use crate::Result;
use crate::access::{InAccount, Tx};
use crate::db::types::{MemberId, ProfileId, RoleId, Slot, Timestamp, UserId};
use crate::db::{Backend, Counted};
use crate::members::list::{By, Key, Sort, Value, contains, ranged};
use crate::schema::{members, users};
use crate::web::paging::Place;

/// A member with what the rules say about the person.
#[derive(Clone, Debug)]
pub struct User {
    pub id: MemberId,
    pub user: UserId,
    pub slot: Slot,
    pub name: String,
    pub email: String,
    pub role: Option<RoleId>,
    pub profile: Option<ProfileId>,
    pub administrator: bool,
    pub export: bool,
    pub last_activity_at: Timestamp,
    name_key: String,
}

impl User {
    /// Where the person stands in an order.
    pub fn key(&self, sort: Sort) -> Key {
        let value = match sort.by {
            By::Activity => Value::Number(self.last_activity_at.0),
            By::Name | By::Joined => Value::Text(self.name_key.clone()),
        };
        (value, self.id)
    }
}

/// What somebody holds: a role or a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holds<T> {
    #[default]
    Anything,
    Nothing,
    This(T),
    ThisOrNothing(T),
    /// Something else, or nothing.
    Other(T),
}

/// What a list is narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// As typed; part of the name or the address.
    pub q: String,
    pub role: Holds<RoleId>,
    /// Administrators go by no profile: they are never `This`, and always `Other`.
    pub profile: Holds<ProfileId>,
    pub administrator: Option<bool>,
    pub export: Option<bool>,
}

type Query = members::BoxedQuery<'static, Backend>;

impl Filter {
    fn apply<P: InAccount>(&self, tx: &Tx<P>) -> Query {
        let mut query = members::table
            .filter(members::account_id.eq(tx.account()))
            .filter(members::removed_at.is_null())
            .into_boxed::<Backend>();
        if !self.q.is_empty() {
            query = query.filter(members::search_text.like(contains(&self.q)).escape('\\'));
        }
        query = match self.role {
            Holds::Anything => query,
            Holds::Nothing => query.filter(members::role_id.is_null()),
            Holds::This(role) => query.filter(members::role_id.eq(role)),
            Holds::ThisOrNothing(role) => {
                query.filter(members::role_id.is_null().or(members::role_id.eq(role)))
            }
            Holds::Other(role) => {
                query.filter(members::role_id.is_null().or(members::role_id.ne(role)))
            }
        };
        query = match self.profile {
            Holds::Anything => query,
            Holds::Nothing => query
                .filter(members::profile_id.is_null())
                .filter(diesel::dsl::not(members::admin)),
            Holds::This(profile) => query
                .filter(members::profile_id.eq(profile))
                .filter(diesel::dsl::not(members::admin)),
            Holds::ThisOrNothing(profile) => query
                .filter(
                    members::profile_id
                        .is_null()
                        .or(members::profile_id.eq(profile)),
                )
                .filter(diesel::dsl::not(members::admin)),
            Holds::Other(profile) => query.filter(
                members::admin
                    .or(members::profile_id.is_null())
                    .or(members::profile_id.ne(profile)),
            ),
        };
        query = match self.administrator {
            None => query,
            Some(true) => query.filter(members::admin),
            Some(false) => query.filter(diesel::dsl::not(members::admin)),
        };
        match self.export {
            None => query,
            Some(true) => query.filter(members::export),
            Some(false) => query.filter(diesel::dsl::not(members::export)),
        }
    }
}

type Row = (
    (MemberId, UserId, Slot),
    (String, String),
    (Option<RoleId>, Option<ProfileId>),
    (bool, bool),
    (Timestamp, String),
);

fn load<P: InAccount>(tx: &mut Tx<P>, query: Query) -> Result<Vec<User>> {
    let rows: Vec<Row> = query
        .inner_join(users::table)
        .select((
            (members::id, members::user_id, members::slot),
            (users::name, users::email),
            (members::role_id, members::profile_id),
            (members::admin, members::export),
            (members::last_activity_at, members::name_key),
        ))
        .load(tx.conn())?;
    let user = |(ids, person, holds, ticks, order): Row| User {
        id: ids.0,
        user: ids.1,
        slot: ids.2,
        name: person.0,
        email: person.1,
        role: holds.0,
        profile: holds.1,
        administrator: ticks.0,
        export: ticks.1,
        last_activity_at: order.0,
        name_key: order.1,
    };
    Ok(rows.into_iter().map(user).collect())
}

/// Up to `limit` people from a place on, in the order in which they are read: against the sort when it goes back.
pub fn rows<P: InAccount>(
    tx: &mut Tx<P>,
    filter: &Filter,
    sort: Sort,
    place: Option<&Place<Key>>,
    limit: usize,
) -> Result<Vec<User>> {
    let down = sort.descending != place.is_some_and(|p| p.back);
    let query = filter.apply(tx);
    let query = match (sort.by, place.map(|p| p.key.clone())) {
        (By::Activity, after) => {
            let after = after.and_then(|(value, id)| match value {
                Value::Number(n) => Some((Timestamp(n), id)),
                Value::Text(_) => None,
            });
            ranged!(query, members::last_activity_at, down, after)
        }
        (By::Name | By::Joined, after) => {
            let after = after.and_then(|(value, id)| match value {
                Value::Text(text) => Some((text, id)),
                Value::Number(_) => None,
            });
            ranged!(query, members::name_key, down, after)
        }
    };
    load(tx, query.limit(i64::try_from(limit).unwrap_or(i64::MAX)))
}

/// One active member of the account; everybody else does not exist.
pub fn find<P: InAccount>(tx: &mut Tx<P>, id: MemberId) -> Result<User> {
    let query = Filter::default().apply(tx).filter(members::id.eq(id));
    load(tx, query)?.pop().ok_or(crate::Error::NotFound)
}

/// How many a filter leaves, counted up to one more than `cap`. The order keeps the count on an index of the account: with
/// a limit alone, reading everybody of every company looks cheap to both databases.
pub fn count<P: InAccount>(tx: &mut Tx<P>, filter: &Filter, cap: i64) -> Result<i64> {
    let query = filter.apply(tx).select(members::id).limit(cap + 1);
    let query = query.order((members::name_key, members::id));
    Ok(Counted(query).get_result(tx.conn())?)
}

/// All that a filter leaves, up to `limit`.
pub fn ids<P: InAccount>(tx: &mut Tx<P>, filter: &Filter, limit: i64) -> Result<Vec<MemberId>> {
    let query = filter.apply(tx).select(members::id);
    let query = query.order((members::name_key, members::id)).limit(limit);
    Ok(query.load(tx.conn())?)
}
