//! Making a change: decided on the facts under the account's lock, written, told to the audit log and read back, all in
//! one transaction.

use std::collections::HashMap;

use diesel::prelude::*;

use super::change::{Around, Change};
use super::difference::{Difference, Placed};
use super::model::Facts;
use super::setup::{BATCH, Setup};
use super::{events, load, write};
use crate::access::Proof;
use crate::db::Conn;
use crate::db::types::{AccountId, MemberId, RoleId, Timestamp};
use crate::schema::{invitations, members, users};
use crate::{Error, Result};

/// What was written.
#[derive(Clone, Debug)]
pub struct Applied {
    /// With the numbers that were given.
    pub difference: Difference,
    pub placed: Placed,
}

/// Makes a change. Nothing when it changes nothing.
pub fn apply<P: Proof>(setup: &mut Setup<P>, change: &Change) -> Result<Option<Applied>> {
    let account = setup.account();
    let before = load::facts(setup.conn(), account)?;
    let now = setup.now();
    let around = around(setup.conn(), account, now)?;
    let after = change.on(&before, &around)?;
    let difference = Difference::between(&before, &after);
    if difference.is_empty() {
        return Ok(None);
    }
    let people = named(
        setup.conn(),
        account,
        difference.members.iter().flat_map(|m| &m.members),
    )?;
    let event = events::of(change, &before, &after, &around, &people);
    let placed = write::write(setup, &before, change, &difference)?;
    if let Some(event) = event {
        setup.record(&event)?;
    }
    let after = placed.facts(after);
    // What was announced is what is there, or nothing is written at all.
    if load::facts(setup.conn(), account)? != after {
        return Err(Error::internal(
            "the rules read back are not those computed",
        ));
    }
    Ok(Some(Applied {
        difference: Difference::between(&before, &after),
        placed,
    }))
}

/// What decides beside the rules.
pub(crate) fn around(conn: &mut Conn, account: AccountId, now: Timestamp) -> Result<Around> {
    let invited: Vec<(Option<RoleId>, i64)> = invitations::table
        .filter(invitations::account_id.eq(account))
        .filter(invitations::role_id.is_not_null())
        .filter(invitations::joined_at.is_null())
        .filter(invitations::revoked_at.is_null())
        .group_by(invitations::role_id)
        .select((invitations::role_id, diesel::dsl::count_star()))
        .load(conn)?;
    let administrators: Vec<(MemberId, String, bool)> = members::table
        .inner_join(users::table)
        .filter(members::account_id.eq(account))
        .filter(members::admin)
        .filter(members::removed_at.is_null())
        .select((members::id, users::name, members::two_factor))
        .load(conn)?;
    Ok(Around {
        invited: invited
            .into_iter()
            .filter_map(|(role, count)| Some((role?, count)))
            .collect(),
        administrators: administrators
            .into_iter()
            .map(|(id, name, able)| (id, (name, able)))
            .collect(),
        now,
    })
}

/// Names of members, removed ones too.
pub(crate) fn named<'m>(
    conn: &mut Conn,
    account: AccountId,
    ids: impl IntoIterator<Item = &'m MemberId>,
) -> Result<HashMap<MemberId, String>> {
    let ids: Vec<MemberId> = ids.into_iter().copied().collect();
    let mut names = HashMap::new();
    for some in ids.chunks(BATCH) {
        let rows: Vec<(MemberId, String)> = members::table
            .inner_join(users::table)
            .filter(members::account_id.eq(account))
            .filter(members::id.eq_any(some))
            .select((members::id, users::name))
            .load(conn)?;
        names.extend(rows);
    }
    Ok(names)
}

/// The sentence of a change on these facts.
pub(crate) fn sentence(
    conn: &mut Conn,
    account: AccountId,
    facts: &Facts,
    change: &Change,
) -> Result<String> {
    let names = named(conn, account, change.named())?;
    Ok(change.sentence(facts, &names))
}
