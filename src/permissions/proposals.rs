//! Changes on their way: proposed on a form, reviewed, applied under a number. The rules themselves are changed in
//! [`super::apply`] alone.

use diesel::prelude::*;

use super::apply::{self, apply};
use super::change::Change;
use super::difference::{Difference, Placed};
use super::pages::Tab;
use super::setup::Setup;
use crate::access::{ManagePermissions, Tx};
use crate::db::Backend;
use crate::db::types::{AccountId, MemberId, PermissionChangeId, Timestamp};
use crate::schema::{accounts, permission_changes as changes};
use crate::{Error, Result};

/// How long a proposal waits for somebody to apply it.
const KEPT: time::Duration = time::Duration::days(7);

/// A change that somebody asked for.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub id: PermissionChangeId,
    pub change: Change,
    pub sentence: String,
    /// The page that it came from.
    pub back: String,
    pub proposed_at: Timestamp,
    /// Once it is applied.
    pub number: Option<i64>,
}

/// Checks a change and keeps it for review; nothing when it changes nothing. Proposals that nobody applied go.
pub fn propose(
    tx: &mut Tx<ManagePermissions>,
    change: &Change,
    back: &str,
) -> Result<Option<PermissionChangeId>> {
    let (account, now, member) = (tx.account(), tx.now(), tx.me().member);
    let rules = super::rules(tx)?;
    let around = apply::around(tx.conn(), account, now)?;
    let after = change.on(rules.facts(), &around)?;
    if Difference::between(rules.facts(), &after).is_empty() {
        return Ok(None);
    }
    let sentence = apply::sentence(tx.conn(), account, rules.facts(), change)?;
    diesel::delete(
        changes::table
            .filter(changes::account_id.eq(account))
            .filter(changes::applied_at.is_null())
            .filter(changes::proposed_at.lt(now - KEPT)),
    )
    .execute(tx.conn())?;
    let reverts = match change {
        Change::Revert { number, .. } => Some(*number),
        _ => None,
    };
    let id = diesel::insert_into(changes::table)
        .values((
            changes::account_id.eq(account),
            changes::proposed_by.eq(member),
            changes::proposed_at.eq(now),
            changes::change.eq(serde_json::to_string(change).map_err(Error::internal)?),
            changes::sentence.eq(sentence),
            changes::back.eq(back),
            changes::reverts.eq(reverts),
        ))
        .returning(changes::id)
        .get_result(tx.conn())?;
    Ok(Some(id))
}

/// A proposal of the account, applied or not.
pub fn find(tx: &mut Tx<ManagePermissions>, id: PermissionChangeId) -> Result<Proposal> {
    type Row = (String, String, String, Timestamp, Option<i64>);
    let account = tx.account();
    let found: Option<Row> = row(account, id)
        .select((
            changes::change,
            changes::sentence,
            changes::back,
            changes::proposed_at,
            changes::number,
        ))
        .first(tx.conn())
        .optional()?;
    let (change, sentence, back, proposed_at, number) = found.ok_or(Error::NotFound)?;
    Ok(Proposal {
        id,
        change: serde_json::from_str(&change).map_err(Error::internal)?,
        sentence,
        back,
        proposed_at,
        number,
    })
}

/// What became of applying a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is written, under this number.
    Applied(i64),
    /// Somebody applied it before.
    Already(i64),
    /// The rules are not those that were reviewed.
    Moved,
    /// Nothing would change any more.
    Nothing,
}

/// Applies a proposal, if the rules are still at the version that was reviewed.
pub fn carry_out(
    tx: &mut Tx<ManagePermissions>,
    id: PermissionChangeId,
    version: i64,
) -> Result<Outcome> {
    let setup = &mut Setup::open(tx)?;
    let account = setup.account();
    let proposal = find(setup.tx(), id)?;
    if let Some(number) = proposal.number {
        return Ok(Outcome::Already(number));
    }
    let now: i64 = accounts::table
        .filter(accounts::id.eq(account))
        .select(accounts::permission_version)
        .first(setup.conn())?;
    if now != version {
        return Ok(Outcome::Moved);
    }
    let Some(applied) = apply(setup, &proposal.change)? else {
        return Ok(Outcome::Nothing);
    };
    let (member, at): (MemberId, Timestamp) = (setup.tx().me().member, setup.now());
    // The account is locked: no two changes take one number.
    let last: Option<i64> = changes::table
        .filter(changes::account_id.eq(account))
        .select(diesel::dsl::max(changes::number))
        .first(setup.conn())?;
    let number = last.unwrap_or(0) + 1;
    let difference = serde_json::to_string(&applied.difference).map_err(Error::internal)?;
    diesel::update(row(account, id))
        .set((
            changes::number.eq(number),
            changes::applied_by.eq(member),
            changes::applied_at.eq(at),
            changes::difference.eq(difference),
            changes::back.eq(added(&proposal.change, &applied.placed).unwrap_or(proposal.back)),
        ))
        .execute(setup.conn())?;
    Ok(Outcome::Applied(number))
}

/// Where to go on with what a change added: people are assigned to a new profile next.
fn added(change: &Change, placed: &Placed) -> Option<String> {
    match change {
        Change::AddRole { .. } => {
            let role = placed.role?;
            Some(format!("{}?role={role}", Tab::Roles.path()))
        }
        Change::AddProfile { .. } => {
            let profile = placed.profile?;
            Some(format!("{}/{profile}/assign", Tab::Profiles.path()))
        }
        Change::AddLayout { .. } => {
            let layout = placed.layout?;
            Some(format!("{}/{layout}", Tab::Layouts.path()))
        }
        _ => None,
    }
}

/// An applied change, as the history lists it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: PermissionChangeId,
    pub number: i64,
    pub sentence: String,
    pub applied_at: Timestamp,
    pub by: MemberId,
    /// The change that took this one back, if one did and still stands.
    pub reverted_by: Option<i64>,
}

/// Applied changes, the newest first: those with lower numbers than `below`, or `back`wards those with higher ones than
/// it, read from there.
pub fn history(
    tx: &mut Tx<ManagePermissions>,
    from: Option<i64>,
    back: bool,
    size: i64,
) -> Result<Vec<Entry>> {
    type Row = (PermissionChangeId, i64, String, Timestamp, MemberId);
    let account = tx.account();
    let mut query = changes::table
        .filter(changes::account_id.eq(account))
        .filter(changes::number.is_not_null())
        .select((
            changes::id,
            changes::number.assume_not_null(),
            changes::sentence,
            changes::applied_at.assume_not_null(),
            changes::applied_by.assume_not_null(),
        ))
        .limit(size)
        .into_boxed::<Backend>();
    query = match (from, back) {
        (None, _) => query.order(changes::number.desc()),
        (Some(from), false) => query
            .filter(changes::number.lt(from))
            .order(changes::number.desc()),
        (Some(from), true) => query
            .filter(changes::number.gt(from))
            .order(changes::number.asc()),
    };
    let rows: Vec<Row> = query.load(tx.conn())?;
    let numbers: Vec<i64> = rows.iter().map(|row| row.1).collect();
    let reverts: Vec<(i64, i64)> = changes::table
        .filter(changes::account_id.eq(account))
        .filter(changes::reverts.eq_any(&numbers))
        .filter(changes::number.is_not_null())
        .order(changes::number)
        .select((
            changes::reverts.assume_not_null(),
            changes::number.assume_not_null(),
        ))
        .load(tx.conn())?;
    Ok(rows
        .into_iter()
        .map(|(id, number, sentence, applied_at, by)| {
            let mut of_this = reverts.iter().rev().filter(|(of, _)| *of == number);
            Entry {
                id,
                number,
                sentence,
                applied_at,
                by,
                reverted_by: of_this.next().map(|(_, by)| *by),
            }
        })
        .collect())
}

/// How many changes were applied.
pub fn applied(tx: &mut Tx<ManagePermissions>) -> Result<i64> {
    let account = tx.account();
    let last: Option<i64> = changes::table
        .filter(changes::account_id.eq(account))
        .select(diesel::dsl::max(changes::number))
        .first(tx.conn())?;
    Ok(last.unwrap_or(0))
}

/// The change that takes back an applied one.
pub fn revert_of(tx: &mut Tx<ManagePermissions>, id: PermissionChangeId) -> Result<Change> {
    let account = tx.account();
    let found: Option<(Option<i64>, String, Option<String>)> = row(account, id)
        .select((changes::number, changes::sentence, changes::difference))
        .first(tx.conn())
        .optional()?;
    let Some((Some(number), sentence, Some(difference))) = found else {
        return Err(Error::NotFound);
    };
    let difference: Difference = serde_json::from_str(&difference).map_err(Error::internal)?;
    Ok(Change::Revert {
        number,
        sentence,
        difference: difference.reversed(),
    })
}

#[diesel::dsl::auto_type(no_type_alias)]
fn row(account: AccountId, id: PermissionChangeId) -> _ {
    changes::table
        .filter(changes::account_id.eq(account))
        .filter(changes::id.eq(id))
}
