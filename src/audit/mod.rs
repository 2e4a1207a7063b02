//! Kernel: the audit log. Append-only, one hash chain per account, written in the transaction of the change itself.
//!
//! Every entry's hash is an HMAC over the previous hash and the entry, with a key that is not in the database: who
//! can write to the database alone cannot rebuild the chain. `insight audit verify` walks it.

mod chain;
mod event;
pub mod pages;
pub mod query;

use diesel::prelude::*;

pub use chain::{Broken, Head, first_hash, has_head, heads, verify, verify_all};
pub use event::{Change, Event};

use crate::Result;
use crate::access::{Proof, Tx};
use crate::credentials::keys::Purpose;
use crate::db::types::{AccountId, UserId};
use crate::schema::{accounts, audit_entries, members};

/// Writes one entry into an account's chain. Taking the next number locks the account's row until the commit, so
/// that entries of one account never share a number.
pub fn record<P: Proof>(tx: &mut Tx<P>, account: AccountId, event: &Event) -> Result<()> {
    let keys = &tx.app().keys;
    let (seq, head): (i64, Vec<u8>) =
        diesel::update(accounts::table.filter(accounts::id.eq(account)))
            .set(accounts::audit_seq.eq(accounts::audit_seq + 1))
            .returning((accounts::audit_seq, accounts::audit_head))
            .get_result(tx.conn())?;
    let actor = tx.actor().clone();
    let entry = chain::Entry {
        account: account.0,
        seq,
        at: tx.now().0,
        actor: actor.user.map(|u| u.0),
        actor_name: actor.name,
        address: actor.address,
        action: event.action().to_owned(),
        data: serde_json::to_string(event).map_err(crate::Error::internal)?,
    };
    let kid = keys.active().to_string();
    let hash = keys.mac(Purpose::Audit, &entry.canonical(&head)).to_vec();
    diesel::insert_into(audit_entries::table)
        .values((
            audit_entries::account_id.eq(account),
            audit_entries::seq.eq(entry.seq),
            audit_entries::at.eq(entry.at),
            audit_entries::actor_id.eq(entry.actor),
            audit_entries::actor_name.eq(&entry.actor_name),
            audit_entries::address.eq(&entry.address),
            audit_entries::action.eq(&entry.action),
            audit_entries::data.eq(&entry.data),
            audit_entries::kid.eq(kid),
            audit_entries::hash.eq(&hash),
        ))
        .execute(tx.conn())?;
    diesel::update(accounts::table.filter(accounts::id.eq(account)))
        .set(accounts::audit_head.eq(&hash))
        .execute(tx.conn())?;
    Ok(())
}

/// Writes an entry about a user's own credentials into every account the user is an active member of.
pub fn record_for_user<P: Proof>(tx: &mut Tx<P>, user: UserId, event: &Event) -> Result<()> {
    let accounts: Vec<AccountId> = members::table
        .filter(members::user_id.eq(user))
        .filter(members::removed_at.is_null())
        .select(members::account_id)
        // One order for everybody: two such transactions cannot wait for each other.
        .order(members::account_id)
        .load(tx.conn())?;
    for account in accounts {
        record(tx, account, event)?;
    }
    Ok(())
}
