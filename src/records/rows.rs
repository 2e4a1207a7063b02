//! Records by their numbers, each looked up by the primary key. A planner left to itself reads all records of an account for
//! some fifty of them: SQLite, which has no statistics, takes every index that begins with the account for a narrow one.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable, SmallInt, Text};

use super::{Record, Row, record};
use crate::Result;
use crate::access::{InAccount, Proof, Tx};
use crate::db::Conn;
use crate::db::statement::Pieces;
use crate::db::types::{AccountId, RecordId, Slot, Timestamp};
use crate::on_each;

/// The columns of a [`Row`], as text.
pub(super) const RECORD: &str =
    "id, creator_slot, assigned_slot, created_at, updated_at, version, name, data";

pub(super) fn load(conn: &mut Conn, pieces: Pieces) -> Result<Vec<Record>> {
    type St = (
        BigInt,
        (Integer, Nullable<Integer>),
        (BigInt, BigInt, BigInt),
        (Text, Text),
    );
    let rows: Vec<Row> = on_each!(conn, c => pieces.giving::<St>().load(c))?;
    rows.into_iter().map(record).collect()
}

/// Rows of a statement that looks each of some numbers up.
const LOOKED_UP: usize = 1_000;

/// `SELECT columns` of the records with these numbers, in any order.
fn each_of(conn: &Conn, account: AccountId, columns: &str, ids: &[RecordId]) -> Pieces {
    let each = Pieces::default()
        .sql("SELECT ")
        .sql(columns)
        .sql(" FROM ")
        .each_big(ids.iter().map(|id| id.0).collect())
        .sql(" CROSS JOIN ");
    let row = Pieces::default()
        .sql("records WHERE account_id = ")
        .big(account.0)
        .sql(" AND id = listed.number");
    // One look-up for each, however many there are: SQLite joins in the order in which CROSS JOIN names the tables, Postgres
    // cannot get around a limit.
    match conn {
        Conn::Pg(_) => each
            .sql("LATERAL (SELECT * FROM ")
            .then(row)
            .sql(" LIMIT 1) AS one"),
        Conn::Sqlite(_) => each.then(row),
    }
}

/// Those of the records with these numbers that there are.
pub(super) fn found<P: InAccount>(
    tx: &mut Tx<P>,
    ids: &[RecordId],
) -> Result<HashMap<RecordId, Record>> {
    let account = tx.account();
    let mut found = HashMap::with_capacity(ids.len());
    for some in ids.chunks(LOOKED_UP) {
        let statement = each_of(tx.conn(), account, RECORD, some);
        for record in load(tx.conn(), statement)? {
            found.insert(record.id, record);
        }
    }
    Ok(found)
}

/// Whole records, in the order of their numbers here. One is missing if somebody deleted it since its number was read: a
/// transaction that writes sees on Postgres what others have done meanwhile.
pub(super) fn records<P: InAccount>(tx: &mut Tx<P>, ids: &[RecordId]) -> Result<Vec<Record>> {
    let mut found = found(tx, ids)?;
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// When some records were created, or last changed, in any order.
pub(super) fn instants<P: InAccount>(
    tx: &mut Tx<P>,
    ids: &[RecordId],
    created: bool,
) -> Result<Vec<(Timestamp, RecordId)>> {
    let account = tx.account();
    let columns = if created {
        "created_at, id"
    } else {
        "updated_at, id"
    };
    let mut found = Vec::with_capacity(ids.len());
    for some in ids.chunks(LOOKED_UP) {
        let statement = each_of(tx.conn(), account, columns, some);
        let rows: Vec<(Timestamp, RecordId)> =
            on_each!(tx.conn(), c => statement.giving::<(BigInt, BigInt)>().load(c))?;
        found.extend(rows);
    }
    Ok(found)
}

/// What a link shows of a record, and what decides whether it does: number; environment and object; creator and assigned
/// member; name.
pub(super) type Linked = (RecordId, (i16, i16), (Slot, Option<Slot>), String);

/// The same of some records, in any order.
pub(super) fn linked<P: InAccount>(tx: &mut Tx<P>, ids: &[RecordId]) -> Result<Vec<Linked>> {
    type St = (
        BigInt,
        (SmallInt, SmallInt),
        (Integer, Nullable<Integer>),
        Text,
    );
    let account = tx.account();
    let columns = "id, environment, object, creator_slot, assigned_slot, name";
    let mut found = Vec::with_capacity(ids.len());
    for some in ids.chunks(LOOKED_UP) {
        let statement = each_of(tx.conn(), account, columns, some);
        let rows: Vec<Linked> = on_each!(tx.conn(), c => statement.giving::<St>().load(c))?;
        found.extend(rows);
    }
    Ok(found)
}

/// Assigns those of some records that one member owns to another. Gives their numbers and new versions.
pub(super) fn assign<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    ids: &[RecordId],
    from: Slot,
    to: Slot,
) -> Result<Vec<(RecordId, i64)>> {
    let now = tx.now();
    let statement = Pieces::default()
        .sql("UPDATE records")
        .by_key()
        .sql(" SET assigned_slot = ")
        .number(to.0)
        .sql(", owner_slot = ")
        .number(to.0)
        .sql(", version = version + 1, updated_at = ")
        .big(now.0)
        .sql(" WHERE account_id = ")
        .big(account.0)
        .sql(" AND owner_slot = ")
        .number(from.0)
        .sql(" AND id IN (SELECT number FROM ")
        .each_big(ids.iter().map(|id| id.0).collect())
        .sql(") RETURNING id, version");
    Ok(on_each!(tx.conn(), c => statement.giving::<(BigInt, BigInt)>().load(c))?)
}
