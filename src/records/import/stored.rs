//! Imports in the database: rows as they were sent, leases, how far each one is.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer, Text};

use super::columns::{self, Into};
use crate::access::{Asker, Environment, InAccount, System, Tx};
use crate::db::types::{AccountId, ImportId, Slot, Timestamp};
use crate::permissions::Object;
use crate::records::{Desk, environment_number, jobs};
use crate::schema::{import_rows, imports as table};
use crate::{App, Error, Result};

/// A worker that has not come back by then is taken for dead.
pub(super) const LEASE: time::Duration = time::Duration::minutes(2);

/// States of an import that waits for its sender.
pub(super) const NOT_BEGUN: [&str; 3] = ["received", "matching", "checked"];

/// One import as its sender sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    pub id: ImportId,
    pub name: String,
    pub state: String,
    pub reason: String,
    pub heads: Vec<String>,
    /// Keys of what the columns go into.
    pub matched: Vec<String>,
    pub total: i64,
    pub done: i64,
    pub created: i64,
    pub updated: i64,
    pub rejected: i64,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// The rows as sent are gone.
    pub emptied: bool,
}

impl Import {
    /// True while a worker has to do with it.
    pub fn working(&self) -> bool {
        matches!(self.state.as_str(), "checking" | "queued" | "in progress")
    }

    /// Rows that became records or changed one.
    pub fn accepted(&self) -> i64 {
        self.created + self.updated
    }
}

type Row = (
    ImportId,
    (String, String, String),
    (String, String),
    (i64, i64, i64, i64, i64),
    (
        Timestamp,
        Option<Timestamp>,
        Option<Timestamp>,
        Option<Timestamp>,
    ),
);

type Selected = (
    table::id,
    (table::name, table::state, table::reason),
    (table::heads, table::matched),
    (
        table::total,
        table::done,
        table::created_rows,
        table::updated_rows,
        table::rejected_rows,
    ),
    (
        table::created_at,
        table::started_at,
        table::finished_at,
        table::emptied_at,
    ),
);

const SELECTED: Selected = (
    table::id,
    (table::name, table::state, table::reason),
    (table::heads, table::matched),
    (
        table::total,
        table::done,
        table::created_rows,
        table::updated_rows,
        table::rejected_rows,
    ),
    (
        table::created_at,
        table::started_at,
        table::finished_at,
        table::emptied_at,
    ),
);

fn import((id, texts, lists, numbers, times): Row) -> Result<Import> {
    Ok(Import {
        id,
        name: texts.0,
        state: texts.1,
        reason: texts.2,
        heads: list(&lists.0)?,
        matched: list(&lists.1)?,
        total: numbers.0,
        done: numbers.1,
        created: numbers.2,
        updated: numbers.3,
        rejected: numbers.4,
        created_at: times.0,
        started_at: times.1,
        finished_at: times.2,
        emptied: times.3.is_some(),
    })
}

/// Texts as they are kept.
pub(super) fn list(json: &str) -> Result<Vec<String>> {
    serde_json::from_str(json).map_err(Error::internal)
}

pub(super) fn json(texts: &[String]) -> Result<String> {
    serde_json::to_string(texts).map_err(Error::internal)
}

pub(super) fn keys(columns: &[Into]) -> Result<String> {
    let keys: Vec<String> = columns.iter().map(|into| into.key().to_owned()).collect();
    json(&keys)
}

/// Refuses whoever may neither make nor change records.
pub fn require_import(desk: &Desk) -> Result<()> {
    if desk.may_create() || columns::may_edit(desk) {
        Ok(())
    } else {
        Err(Error::Forbidden {
            section: "Import",
            who: "Members whose profile allows creating or editing records open it.",
        })
    }
}

/// The desk for imports of an object.
pub fn desk<P: InAccount>(
    tx: &mut Tx<P>,
    environment: Environment,
    object: Object,
) -> Result<Desk> {
    let desk = Desk::open(tx, environment, object)?;
    require_import(&desk)?;
    Ok(desk)
}

/// States of a row.
pub(super) const WAITING: i16 = 0;
pub(super) const ACCEPTED: i16 = 1;
pub(super) const REJECTED: i16 = 2;

/// An import that the desk's holder sent here. Those of others do not exist.
pub fn find<P: InAccount>(tx: &mut Tx<P>, desk: &Desk, id: ImportId) -> Result<Import> {
    let account = tx.account();
    let row: Option<Row> = table::table
        .filter(table::account_id.eq(account))
        .filter(table::id.eq(id))
        .filter(table::environment.eq(environment_number(desk.environment())))
        .filter(table::object.eq(desk.object().number()))
        .filter(table::member_slot.eq(desk.slot()))
        .select(SELECTED)
        .first(tx.conn())
        .optional()?;
    import(row.ok_or(Error::NotFound)?)
}

/// The last imports that the desk's holder sent here.
pub fn recent<P: InAccount>(tx: &mut Tx<P>, desk: &Desk) -> Result<Vec<Import>> {
    let account = tx.account();
    let rows: Vec<Row> = table::table
        .filter(table::account_id.eq(account))
        .filter(table::environment.eq(environment_number(desk.environment())))
        .filter(table::object.eq(desk.object().number()))
        .filter(table::member_slot.eq(desk.slot()))
        .order(table::id.desc())
        .limit(10)
        .select(SELECTED)
        .load(tx.conn())?;
    rows.into_iter().map(import).collect()
}

/// The first rows as sent.
pub fn sample<P: InAccount>(tx: &mut Tx<P>, id: ImportId, limit: i64) -> Result<Vec<Vec<String>>> {
    let account = tx.account();
    let rows: Vec<String> = import_rows::table
        .filter(import_rows::account_id.eq(account))
        .filter(import_rows::import_id.eq(id))
        .order(import_rows::number)
        .limit(limit)
        .select(import_rows::cells)
        .load(tx.conn())?;
    rows.iter().map(|cells| list(cells)).collect()
}

/// A row that was not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    pub number: i64,
    pub cells: Vec<String>,
    pub reason: String,
}

/// Rejected rows in their order, after a number.
pub fn rejected<P: InAccount>(
    tx: &mut Tx<P>,
    id: ImportId,
    after: i64,
    limit: i64,
) -> Result<Vec<Rejected>> {
    let account = tx.account();
    let rows: Vec<(i64, String, String)> = import_rows::table
        .filter(import_rows::account_id.eq(account))
        .filter(import_rows::import_id.eq(id))
        .filter(import_rows::state.eq(REJECTED))
        .filter(import_rows::number.gt(after))
        .order(import_rows::number)
        .limit(limit)
        .select((import_rows::number, import_rows::cells, import_rows::reason))
        .load(tx.conn())?;
    rows.into_iter()
        .map(|(number, cells, reason)| {
            Ok(Rejected {
                number,
                cells: list(&cells)?,
                reason,
            })
        })
        .collect()
}

/// Has the rows tried out with these columns.
pub fn check<P: InAccount>(tx: &mut Tx<P>, import: &Import, columns: &[Into]) -> Result<()> {
    begin_pass(
        tx,
        import,
        "checking",
        &["matching", "checked"],
        Some(columns),
    )
}

/// Has the rows imported as they were checked.
pub fn start<P: InAccount>(tx: &mut Tx<P>, import: &Import) -> Result<()> {
    begin_pass(tx, import, "queued", &["checked"], None)
}

fn begin_pass<P: InAccount>(
    tx: &mut Tx<P>,
    import: &Import,
    state: &str,
    from: &[&str],
    columns: Option<&[Into]>,
) -> Result<()> {
    let account = tx.account();
    let matched = match columns {
        Some(columns) => keys(columns)?,
        None => json(&import.matched)?,
    };
    let moved = diesel::update(table::table)
        .filter(table::account_id.eq(account))
        .filter(table::id.eq(import.id))
        .filter(table::state.eq_any(from))
        .set((
            (
                table::state.eq(state),
                table::reason.eq(""),
                table::attempts.eq(0),
            ),
            table::matched.eq(matched),
            (
                table::done.eq(0_i64),
                table::created_rows.eq(0_i64),
                table::updated_rows.eq(0_i64),
                table::rejected_rows.eq(0_i64),
            ),
            // Each pass has its own beginning.
            table::started_at.eq(None::<Timestamp>),
            table::leased_until.eq(None::<Timestamp>),
            table::lease_token.eq(None::<Vec<u8>>),
        ))
        .execute(tx.conn())?;
    if moved == 0 {
        return Err(Error::refused("This import is not at this step any more."));
    }
    diesel::update(import_rows::table)
        .filter(import_rows::account_id.eq(account))
        .filter(import_rows::import_id.eq(import.id))
        .filter(import_rows::state.eq(REJECTED))
        .set((import_rows::state.eq(WAITING), import_rows::reason.eq("")))
        .execute(tx.conn())?;
    Ok(())
}

/// Forgets an import that was not begun. Also one whose file is being kept: nothing tells it from one whose server died
/// over that, and a server that is alive finds out at its next piece.
pub fn discard<P: InAccount>(tx: &mut Tx<P>, import: &Import) -> Result<()> {
    match delete(tx, import.id, &NOT_BEGUN)? {
        true => Ok(()),
        false => Err(Error::refused("This import is not at this step any more.")),
    }
}

/// Deletes an import, and its rows with it, when it is in one of these states.
pub(super) fn delete<P: InAccount>(tx: &mut Tx<P>, id: ImportId, states: &[&str]) -> Result<bool> {
    let account = tx.account();
    let gone = diesel::delete(table::table)
        .filter(table::account_id.eq(account))
        .filter(table::id.eq(id))
        .filter(table::state.eq_any(states))
        .execute(tx.conn())?;
    Ok(gone > 0)
}

/// An import that a worker has taken.
pub(super) struct Claimed {
    pub id: ImportId,
    pub asker: Asker,
    pub attempts: i32,
    pub lease: Vec<u8>,
}

#[derive(QueryableByName)]
struct ClaimedRow {
    #[diesel(sql_type = BigInt)]
    id: ImportId,
    #[diesel(sql_type = BigInt)]
    account_id: AccountId,
    #[diesel(sql_type = Integer)]
    member_slot: Slot,
    #[diesel(sql_type = Text)]
    address: String,
    #[diesel(sql_type = Integer)]
    attempts: i32,
}

/// Takes the oldest import that waits for a worker, or whose worker died.
pub(super) fn claim(app: &App) -> Result<Option<Claimed>> {
    let lease = crate::web::random::<16>().to_vec();
    let row: Option<ClaimedRow> = app.system_write(|tx| {
        let now = tx.now();
        let sql = jobs::taking(
            tx.conn(),
            "imports",
            "state = CASE state WHEN 'queued' THEN 'in progress' ELSE state END",
            "state IN ('checking', 'queued', 'in progress')",
            "id, account_id, member_slot, address, attempts",
        );
        Ok(diesel::sql_query(sql)
            .bind::<BigInt, _>(now + LEASE)
            .bind::<Binary, _>(&lease)
            .bind::<BigInt, _>(now)
            .get_result(tx.conn())
            .optional()?)
    })?;
    Ok(row.map(|row| Claimed {
        id: row.id,
        asker: Asker {
            account: row.account_id,
            slot: row.member_slot,
            address: row.address,
        },
        attempts: row.attempts,
        lease,
    }))
}

/// Gives an import back so that it goes on, after `wait`.
pub(super) fn give_back(app: &App, job: &Claimed, wait: time::Duration) -> Result<()> {
    app.system_write(|tx| {
        let until = tx.now() + wait;
        diesel::update(table::table.filter(table::id.eq(job.id)))
            .filter(table::lease_token.eq(&job.lease))
            .set((
                table::leased_until.eq(until),
                table::lease_token.eq(None::<Vec<u8>>),
            ))
            .execute(tx.conn())?;
        Ok(())
    })
}

/// Keeps the worker's lease and reads the import, with what it belongs to. Nothing when another worker has it.
pub(super) fn hold<P: crate::access::Proof>(
    tx: &mut Tx<P>,
    job: &Claimed,
) -> Result<Option<(Import, i16, i16)>> {
    let until = tx.now() + LEASE;
    let held = diesel::update(table::table.filter(table::id.eq(job.id)))
        .filter(table::lease_token.eq(&job.lease))
        // A batch that was written is no failed attempt.
        .set((table::leased_until.eq(until), table::attempts.eq(1)))
        .execute(tx.conn())?;
    if held == 0 {
        return Ok(None);
    }
    let (row, environment, object): (Row, i16, i16) = table::table
        .filter(table::id.eq(job.id))
        .select((SELECTED, table::environment, table::object))
        .first(tx.conn())?;
    Ok(Some((import(row)?, environment, object)))
}

/// Deletes the rows of an import.
pub(super) fn empty(tx: &mut Tx<System>, account: AccountId, id: ImportId) -> Result<()> {
    diesel::delete(import_rows::table)
        .filter(import_rows::account_id.eq(account))
        .filter(import_rows::import_id.eq(id))
        .execute(tx.conn())?;
    Ok(())
}
