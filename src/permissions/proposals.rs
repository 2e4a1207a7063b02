//! Changes on their way: proposed on a form, reviewed, applied under a number. The rules themselves are changed in
//! [`apply`](super::apply) alone.

use diesel::prelude::*;

use super::apply::{self, apply};
use super::change::Change;
use super::difference::Difference;
use super::setup::Setup;
use crate::access::{ManagePermissions, Tx};
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
        ))
        .execute(setup.conn())?;
    Ok(Outcome::Applied(number))
}

#[diesel::dsl::auto_type(no_type_alias)]
fn row(account: AccountId, id: PermissionChangeId) -> _ {
    changes::table
        .filter(changes::account_id.eq(account))
        .filter(changes::id.eq(id))
}
