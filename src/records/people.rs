//! Who stands on a record: names by slot, and whom it can be assigned to.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;

use super::Desk;
use crate::access::{InAccount, Tx};
use crate::db::types::{MemberId, Slot};
use crate::permissions::Rules;
use crate::schema::{members, users};
use crate::{Error, Result};

/// A person as pages name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonOn {
    pub member: MemberId,
    pub name: String,
    pub removed: bool,
}

impl PersonOn {
    /// "Sam Reyes", or "Sam Reyes (removed)".
    pub fn label(&self) -> String {
        if self.removed {
            format!("{} (removed)", self.name)
        } else {
            self.name.clone()
        }
    }
}

/// Names by slot.
#[derive(Clone, Debug, Default)]
pub struct People(HashMap<Slot, PersonOn>);

impl People {
    /// The name of whoever has a slot; empty for nobody.
    pub fn label(&self, slot: Option<Slot>) -> String {
        slot.and_then(|slot| self.0.get(&slot))
            .map(PersonOn::label)
            .unwrap_or_default()
    }

    /// Whoever has a slot.
    pub fn get(&self, slot: Slot) -> Option<&PersonOn> {
        self.0.get(&slot)
    }
}

/// Members named by one statement.
const NAMED: usize = 1_000;

/// The names of the members with these slots, in one statement for each thousand.
pub fn named<P: InAccount>(
    tx: &mut Tx<P>,
    slots: impl IntoIterator<Item = Slot>,
) -> Result<People> {
    let wanted: Vec<Slot> = slots
        .into_iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let mut people = HashMap::new();
    let account = tx.account();
    for some in wanted.chunks(NAMED) {
        let rows: Vec<(Slot, MemberId, bool, String)> = members::table
            .inner_join(users::table)
            .filter(members::account_id.eq(account))
            .filter(members::slot.eq_any(some))
            .select((
                members::slot,
                members::id,
                members::removed_at.is_not_null(),
                users::name,
            ))
            .load(tx.conn())?;
        people.extend(rows.into_iter().map(|(slot, member, removed, name)| {
            (
                slot,
                PersonOn {
                    member,
                    name,
                    removed,
                },
            )
        }));
    }
    Ok(People(people))
}

/// An active member in the order of names.
#[derive(Clone, Debug)]
pub struct ByName {
    pub slot: Slot,
    pub member: MemberId,
    pub name: String,
    /// The name as it is sorted by.
    pub key: String,
}

/// Members read at a time.
const SOME: i64 = 500;

/// The next active members by name after a place; `back`: before it, read backwards.
pub fn by_name<P: InAccount>(
    tx: &mut Tx<P>,
    after: Option<&(String, MemberId)>,
    back: bool,
) -> Result<Vec<ByName>> {
    let mut query = members::table
        .inner_join(users::table)
        .filter(members::account_id.eq(tx.account()))
        .filter(members::removed_at.is_null())
        .select((members::slot, members::id, users::name, members::name_key))
        .limit(SOME)
        .into_boxed::<crate::db::Backend>();
    if let Some((key, id)) = after.cloned() {
        let same = members::name_key.eq(key.clone());
        query = if back {
            query.filter(members::name_key.lt(key).or(same.and(members::id.lt(id))))
        } else {
            query.filter(members::name_key.gt(key).or(same.and(members::id.gt(id))))
        };
    }
    query = if back {
        query.order((members::name_key.desc(), members::id.desc()))
    } else {
        query.order((members::name_key, members::id))
    };
    let rows: Vec<(Slot, MemberId, String, String)> = query.load(tx.conn())?;
    Ok(rows
        .into_iter()
        .map(|(slot, member, name, key)| ByName {
            slot,
            member,
            name,
            key,
        })
        .collect())
}

/// These members in the order of names.
pub fn in_order<P: InAccount>(tx: &mut Tx<P>, slots: &[Slot]) -> Result<Vec<ByName>> {
    let account = tx.account();
    let mut people = Vec::new();
    for some in slots.chunks(100) {
        let rows: Vec<(Slot, MemberId, String, String)> = members::table
            .inner_join(users::table)
            .filter(members::account_id.eq(account))
            .filter(members::slot.eq_any(some))
            .select((members::slot, members::id, users::name, members::name_key))
            .load(tx.conn())?;
        people.extend(rows.into_iter().map(|(slot, member, name, key)| ByName {
            slot,
            member,
            name,
            key,
        }));
    }
    people.sort_by(|a, b| (&a.key, a.member).cmp(&(&b.key, b.member)));
    Ok(people)
}

/// How many members a choice offers; beyond that their address is typed.
pub const CHOICE_LIMIT: usize = 200;

/// The first removed members by name, as pages name them.
pub fn removed<P: InAccount>(tx: &mut Tx<P>) -> Result<Vec<(MemberId, String)>> {
    let account = tx.account();
    let rows: Vec<(MemberId, String)> = members::table
        .inner_join(users::table)
        .filter(members::account_id.eq(account))
        .filter(members::removed_at.is_not_null())
        .order((members::name_key, members::id))
        .limit(CHOICE_LIMIT as i64)
        .select((members::id, users::name))
        .load(tx.conn())?;
    Ok(rows
        .into_iter()
        .map(|(id, name)| (id, format!("{name} (removed)")))
        .collect())
}

/// The first active members by name, to choose from.
pub fn choices<P: InAccount>(tx: &mut Tx<P>) -> Result<Vec<(MemberId, String)>> {
    let account = tx.account();
    Ok(members::table
        .inner_join(users::table)
        .filter(members::account_id.eq(account))
        .filter(members::removed_at.is_null())
        .order((members::name_key, members::id))
        .limit(CHOICE_LIMIT as i64)
        .select((members::id, users::name))
        .load(tx.conn())?)
}

/// The slot of an active member, to assign a record to: by their number, or by their e-mail address.
pub fn assignee<P: InAccount>(tx: &mut Tx<P>, desk: &Desk, typed: &str) -> Result<Option<Slot>> {
    active_member(tx, &desk.rules().clone(), typed)
}

/// The slot of an active member by number or e-mail address; nothing when nothing was typed.
pub fn active_member<P: InAccount>(
    tx: &mut Tx<P>,
    rules: &Rules,
    typed: &str,
) -> Result<Option<Slot>> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Ok(None);
    }
    let nobody =
        || Error::refused("Choose a member of this account, or leave it empty for nobody.");
    let slot = member(tx, rules, typed)?.ok_or_else(nobody)?;
    if rules.member(slot).is_some_and(|member| member.active) {
        Ok(Some(slot))
    } else {
        Err(nobody())
    }
}

/// The slot of a member by number or e-mail address, also of one who was removed; nothing when there is none.
pub fn member<P: InAccount>(tx: &mut Tx<P>, rules: &Rules, typed: &str) -> Result<Option<Slot>> {
    let id = match typed.parse::<MemberId>() {
        Ok(id) => Some(id),
        Err(()) if !typed.contains('@') => None,
        Err(()) => {
            let account = tx.account();
            members::table
                .inner_join(users::table)
                .filter(members::account_id.eq(account))
                .filter(users::email.eq(typed.to_lowercase()))
                .select(members::id)
                .first(tx.conn())
                .optional()?
        }
    };
    Ok(id.and_then(|id| rules.slot_of(id)))
}
