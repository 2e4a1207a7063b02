//! The hash chain and its proof.

use diesel::prelude::*;
use sha2::{Digest, Sha256};

use crate::App;
use crate::Result;
use crate::credentials::keys::{Kid, Purpose};
use crate::db::types::AccountId;
use crate::schema::{accounts, audit_entries};

/// One entry as it is hashed.
pub(super) struct Entry {
    pub account: i64,
    pub seq: i64,
    pub at: i64,
    pub actor: Option<i64>,
    pub actor_name: String,
    pub address: String,
    pub action: String,
    pub data: String,
}

impl Entry {
    /// The bytes under the MAC: the previous hash, then every field with its length, so that no two different
    /// entries share them.
    pub(super) fn canonical(&self, previous: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let mut put = |bytes: &[u8]| {
            out.extend((bytes.len() as u64).to_be_bytes());
            out.extend(bytes);
        };
        put(previous);
        put(&self.account.to_be_bytes());
        put(&self.seq.to_be_bytes());
        put(&self.at.to_be_bytes());
        put(&self.actor.map(i64::to_be_bytes).unwrap_or_default());
        put(&[u8::from(self.actor.is_some())]);
        for text in [&self.actor_name, &self.address, &self.action, &self.data] {
            put(text.as_bytes());
        }
        out
    }
}

/// What the first entry of an account follows.
pub fn first_hash(name: &str) -> Vec<u8> {
    Sha256::digest(format!("insight audit log of {name}")).to_vec()
}

/// Where a chain does not hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    /// Number of the first entry that does not follow from the one before.
    pub seq: i64,
    pub why: &'static str,
}

type Row = (
    i64,
    i64,
    Option<i64>,
    String,
    String,
    String,
    String,
    String,
    Vec<u8>,
);

/// Walks an account's chain from the first entry to the head, a thousand entries at a time. Gives the number of
/// entries, or where it breaks.
pub fn verify(app: &App, account: AccountId) -> Result<Result<i64, Broken>> {
    app.system_read(|tx| {
        let (name, length, head): (String, i64, Vec<u8>) = accounts::table
            .filter(accounts::id.eq(account))
            .select((accounts::name, accounts::audit_seq, accounts::audit_head))
            .first(tx.conn())?;
        let mut previous = first_hash(&name);
        let mut seq = 0;
        loop {
            let rows: Vec<Row> = audit_entries::table
                .filter(audit_entries::account_id.eq(account))
                .filter(audit_entries::seq.gt(seq))
                .order(audit_entries::seq)
                .limit(1_000)
                .select((
                    audit_entries::seq,
                    audit_entries::at,
                    audit_entries::actor_id,
                    audit_entries::actor_name,
                    audit_entries::address,
                    audit_entries::action,
                    audit_entries::data,
                    audit_entries::kid,
                    audit_entries::hash,
                ))
                .load(tx.conn())?;
            if rows.is_empty() {
                break;
            }
            for (number, at, actor, actor_name, address, action, data, kid, hash) in rows {
                let broken = |why| Ok(Err(Broken { seq: seq + 1, why }));
                if number != seq + 1 {
                    return broken("an entry is missing");
                }
                let entry = Entry {
                    account: account.0,
                    seq: number,
                    at,
                    actor,
                    actor_name,
                    address,
                    action,
                    data,
                };
                let bytes = entry.canonical(&previous);
                let keys = &tx.app().keys;
                let mac =
                    Kid::parse(&kid).and_then(|kid| keys.mac_with(&kid, Purpose::Audit, &bytes));
                match mac {
                    None => return broken("the key it was written with is not in the key file"),
                    Some(expected) if expected.as_slice() != hash => {
                        return broken("the entry or the one before it was changed");
                    }
                    Some(_) => {}
                }
                previous = hash;
                seq = number;
            }
        }
        if seq != length {
            return Ok(Err(Broken {
                seq: seq.min(length) + 1,
                why: "entries at the end are missing, or the number of entries was changed",
            }));
        }
        if seq > 0 && previous != head {
            return Ok(Err(Broken {
                seq,
                why: "the head of the chain was changed",
            }));
        }
        Ok(Ok(seq))
    })
}

/// What [`verify`] says of every account, by name.
pub fn verify_all(app: &App) -> Result<Vec<(String, Result<i64, Broken>)>> {
    heads(app)?
        .into_iter()
        .map(|head| Ok((head.name, verify(app, head.account)?)))
        .collect()
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;

/// The end of an account's chain. Kept outside the database, it proves later that nothing was cut off.
#[derive(Queryable)]
pub struct Head {
    pub account: AccountId,
    pub name: String,
    pub entries: i64,
    hash: Vec<u8>,
}

impl Head {
    /// The hash of the last entry in hexadecimal.
    pub fn hex(&self) -> String {
        hex(&self.hash)
    }
}

impl std::fmt::Display for Head {
    /// As [`has_head`] takes it: "7:1284:9f…".
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.account, self.entries, self.hex())
    }
}

/// Whether a head that was printed before is an entry of its chain still.
pub fn has_head(app: &App, text: &str) -> Result<bool> {
    let mut parts = text.trim().splitn(3, ':');
    let mut part = || parts.next().unwrap_or_default();
    let (Ok(account), Ok(seq)) = (part().parse::<AccountId>(), part().parse::<i64>()) else {
        return Ok(false);
    };
    let hash: Option<Vec<u8>> = app.system_read(|tx| {
        Ok(audit_entries::table
            .filter(audit_entries::account_id.eq(account))
            .filter(audit_entries::seq.eq(seq))
            .select(audit_entries::hash)
            .first(tx.conn())
            .optional()?)
    })?;
    Ok(hash.is_some_and(|hash| hex(&hash).eq_ignore_ascii_case(part())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The heads of all chains, for the log and for `insight audit verify`.
pub fn heads(app: &App) -> Result<Vec<Head>> {
    app.system_read(|tx| {
        Ok(accounts::table
            .order(accounts::id)
            .select((
                accounts::id,
                accounts::name,
                accounts::audit_seq,
                accounts::audit_head,
            ))
            .load(tx.conn())?)
    })
}
