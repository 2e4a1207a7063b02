//! Exports in the database: asking, leases, what became of them, and the folder of their files.

use std::path::{Path, PathBuf};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer, SmallInt, Text};

use super::{BULK, KEPT, Plan};
use crate::access::{Asker, Environment, InAccount, System, Tx};
use crate::audit::{self, Event};
use crate::db::types::{AccountId, ExportId, Slot, Timestamp};
use crate::permissions::Object;
use crate::records::{Desk, environment_number, environment_numbered, jobs};
use crate::schema::exports as table;
use crate::{App, Error, Result};

/// A worker that has not come back by then is taken for dead.
const LEASE: time::Duration = time::Duration::minutes(2);

/// A direct export that nobody reads on for so long is taken for broken off: time for a thousand long rows on a slow line,
/// and for the clock of another server that is five minutes ahead.
pub(super) const SILENCE: time::Duration = time::Duration::minutes(10);

/// [`BULK`] as a number of rows. What is expected when nobody knows how many there are.
pub(super) const BULK_ROWS: i64 = BULK as i64;

/// Unfinished exports that one member may have.
const OPEN: i64 = 3;

/// One export as its asker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    pub id: ExportId,
    pub filter: String,
    pub state: String,
    pub reason: String,
    pub expected: i64,
    pub written: i64,
    pub bytes: i64,
    pub file: Option<String>,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

impl Export {
    /// Rows that the file will have, as long as they are counted: counting ends at [`BULK`].
    pub fn total(&self) -> Option<i64> {
        let counted = (1..BULK_ROWS).contains(&self.expected) && self.written <= self.expected;
        counted.then_some(self.expected)
    }

    /// True while a worker has to do with it.
    pub fn open(&self) -> bool {
        matches!(self.state.as_str(), "queued" | "in progress")
    }

    /// When the file goes.
    pub fn gone_at(&self) -> Timestamp {
        self.finished_at.unwrap_or(self.created_at) + KEPT
    }
}

type Row = (
    ExportId,
    (String, String, String),
    (i64, i64, i64),
    Option<String>,
    (Timestamp, Option<Timestamp>),
);

type Columns = (
    table::id,
    (table::filter, table::state, table::reason),
    (table::expected, table::written, table::bytes),
    table::file,
    (table::created_at, table::finished_at),
);

const COLUMNS: Columns = (
    table::id,
    (table::filter, table::state, table::reason),
    (table::expected, table::written, table::bytes),
    table::file,
    (table::created_at, table::finished_at),
);

fn export((id, texts, numbers, file, times): Row) -> Export {
    Export {
        id,
        filter: texts.0,
        state: texts.1,
        reason: texts.2,
        expected: numbers.0,
        written: numbers.1,
        bytes: numbers.2,
        file,
        created_at: times.0,
        finished_at: times.1,
    }
}

/// What is asked for.
pub struct Wanted<'a> {
    pub plan: &'a Plan,
    /// The list's query string.
    pub query: String,
    /// Rows, as far as they are counted.
    pub expected: i64,
    pub direct: bool,
}

/// Writes down that somebody asked for an export. A direct one is under way at once.
pub fn ask<P: InAccount>(tx: &mut Tx<P>, desk: &Desk, wanted: &Wanted) -> Result<ExportId> {
    desk.require_export()?;
    let (account, now) = (tx.account(), tx.now());
    if !wanted.direct {
        let open: i64 = table::table
            .filter(table::account_id.eq(account))
            .filter(table::member_slot.eq(desk.slot()))
            .filter(table::direct.eq(false))
            .filter(table::state.eq_any(["queued", "in progress"]))
            .count()
            .get_result(tx.conn())?;
        if open >= OPEN {
            return Err(Error::refused(
                "Three of your exports are being written. Wait until one of them is done.",
            ));
        }
    }
    let address = tx.actor().address.clone();
    let direct = wanted.direct;
    Ok(diesel::insert_into(table::table)
        .values((
            table::account_id.eq(account),
            table::environment.eq(environment_number(desk.environment())),
            table::object.eq(desk.object().number()),
            table::member_slot.eq(desk.slot()),
            table::address.eq(address),
            table::query.eq(&wanted.query),
            table::filter.eq(&wanted.plan.words),
            table::direct.eq(direct),
            table::state.eq(if direct { "in progress" } else { "queued" }),
            table::reason.eq(""),
            table::attempts.eq(0),
            (
                table::expected.eq(wanted.expected),
                table::written.eq(0_i64),
                table::bytes.eq(0_i64),
            ),
            table::created_at.eq(now),
            table::started_at.eq(direct.then_some(now)),
            table::leased_until.eq(direct.then_some(now + SILENCE)),
        ))
        .returning(table::id)
        .get_result(tx.conn())?)
}

/// An export that the desk's holder asked for here. Those of others do not exist.
pub fn find<P: InAccount>(tx: &mut Tx<P>, desk: &Desk, id: ExportId) -> Result<Export> {
    let account = tx.account();
    let row: Option<Row> = table::table
        .filter(table::account_id.eq(account))
        .filter(table::id.eq(id))
        .filter(table::environment.eq(environment_number(desk.environment())))
        .filter(table::object.eq(desk.object().number()))
        .filter(table::member_slot.eq(desk.slot()))
        .filter(table::direct.eq(false))
        .select(COLUMNS)
        .first(tx.conn())
        .optional()?;
    row.map(export).ok_or(Error::NotFound)
}

/// The last exports that the desk's holder asked for here.
pub fn recent<P: InAccount>(tx: &mut Tx<P>, desk: &Desk) -> Result<Vec<Export>> {
    let account = tx.account();
    let rows: Vec<Row> = table::table
        .filter(table::account_id.eq(account))
        .filter(table::member_slot.eq(desk.slot()))
        .filter(table::environment.eq(environment_number(desk.environment())))
        .filter(table::object.eq(desk.object().number()))
        .filter(table::direct.eq(false))
        .order(table::id.desc())
        .limit(10)
        .select(COLUMNS)
        .load(tx.conn())?;
    Ok(rows.into_iter().map(export).collect())
}

/// An export that somebody works on.
pub(super) struct Claimed {
    pub id: ExportId,
    pub asker: Asker,
    pub environment: Environment,
    pub object: Object,
    pub query: String,
    pub filter: String,
    pub attempts: i32,
    pub lease: Vec<u8>,
}

#[derive(QueryableByName)]
struct ClaimedRow {
    #[diesel(sql_type = BigInt)]
    id: ExportId,
    #[diesel(sql_type = BigInt)]
    account_id: AccountId,
    #[diesel(sql_type = SmallInt)]
    environment: i16,
    #[diesel(sql_type = SmallInt)]
    object: i16,
    #[diesel(sql_type = Integer)]
    member_slot: Slot,
    #[diesel(sql_type = Text)]
    address: String,
    #[diesel(sql_type = Text)]
    query: String,
    #[diesel(sql_type = Text)]
    filter: String,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = BigInt)]
    written: i64,
}

const CLAIMED: &str = "id, account_id, environment, object, member_slot, address, query, filter, attempts, \
                       written";

impl ClaimedRow {
    fn claimed(self, lease: Vec<u8>) -> Result<Claimed> {
        Ok(Claimed {
            id: self.id,
            asker: Asker {
                account: self.account_id,
                slot: self.member_slot,
                address: self.address,
            },
            environment: environment_numbered(self.environment),
            object: Object::numbered(self.object)
                .ok_or_else(|| Error::internal("an export of an object nobody knows"))?,
            query: self.query,
            filter: self.filter,
            attempts: self.attempts,
            lease,
        })
    }
}

/// Takes the oldest export that waits for a worker, or whose worker died.
pub(super) fn claim(app: &App) -> Result<Option<Claimed>> {
    let lease = crate::web::random::<16>().to_vec();
    let row: Option<ClaimedRow> = app.system_write(|tx| {
        let now = tx.now();
        let set = "state = 'in progress', written = 0, bytes = 0";
        let sql = jobs::taking(tx.conn(), "exports", set, "NOT direct", CLAIMED);
        Ok(diesel::sql_query(sql)
            .bind::<BigInt, _>(now + LEASE)
            .bind::<Binary, _>(&lease)
            .bind::<BigInt, _>(now)
            .get_result(tx.conn())
            .optional()?)
    })?;
    row.map(|row| row.claimed(lease)).transpose()
}

/// Says how far a worker has come and keeps its lease. False: another one has taken over.
pub(super) fn progress(app: &App, job: &Claimed, written: i64, bytes: i64) -> Result<bool> {
    app.system_write(|tx| {
        let until = tx.now() + LEASE;
        let held = diesel::update(table::table.filter(table::id.eq(job.id)))
            .filter(table::lease_token.eq(&job.lease))
            .set((
                table::leased_until.eq(until),
                table::written.eq(written),
                table::bytes.eq(bytes),
            ))
            .execute(tx.conn())?;
        Ok(held > 0)
    })
}

/// Gives an export back so that it is begun anew, after `wait`.
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

/// How an export ended.
pub(super) enum Ended<'a> {
    /// With a whole file of this name, or all of it sent.
    Whole(Option<&'a str>),
    /// Before its end, with a sentence for the asker.
    Stopped(&'a str),
}

/// Writes down the end of an export, and tells the audit log in the same transaction. False: it had ended already, or
/// another worker has it.
pub(super) fn finish(
    tx: &mut Tx<System>,
    job: &Claimed,
    written: i64,
    bytes: i64,
    ended: &Ended,
) -> Result<bool> {
    let now = tx.now();
    let (state, reason, file) = match ended {
        Ended::Whole(file) => ("done", "", *file),
        Ended::Stopped(reason) => ("stopped", *reason, None),
    };
    let of = table::table
        .filter(table::id.eq(job.id))
        .filter(table::state.eq("in progress"));
    let set = (
        table::state.eq(state),
        table::reason.eq(reason),
        table::file.eq(file),
        table::written.eq(written),
        table::bytes.eq(bytes),
        table::finished_at.eq(now),
        table::leased_until.eq(None::<Timestamp>),
        table::lease_token.eq(None::<Vec<u8>>),
    );
    let ours = if job.lease.is_empty() {
        diesel::update(of).set(set).execute(tx.conn())?
    } else {
        diesel::update(of.filter(table::lease_token.eq(&job.lease)))
            .set(set)
            .execute(tx.conn())?
    };
    if ours == 0 {
        return Ok(false);
    }
    tx.act_for(&job.asker)?;
    audit::record(
        tx,
        job.asker.account,
        &Event::RecordsExported {
            environment: job.environment.label().to_owned(),
            object: job.object.plural().to_owned(),
            filter: job.filter.clone(),
            rows: written,
            whole: matches!(ended, Ended::Whole(_)),
        },
    )?;
    Ok(true)
}

/// Keeps a direct export from being taken for broken off while it is being sent. False: it has been, and no row more may
/// be sent.
pub(super) fn still_sending(app: &App, id: ExportId, written: i64) -> Result<bool> {
    app.system_write(|tx| {
        let until = tx.now() + SILENCE;
        let open = diesel::update(table::table.filter(table::id.eq(id)))
            .filter(table::state.eq("in progress"))
            .set((table::leased_until.eq(until), table::written.eq(written)))
            .execute(tx.conn())?;
        Ok(open > 0)
    })
}

/// Writes down direct exports whose server died while it sent them, or that nobody read on. Gives their number.
pub fn note_broken_off(app: &App) -> Result<usize> {
    app.system_write(|tx| {
        let now = tx.now();
        let rows: Vec<ClaimedRow> = diesel::sql_query(format!(
            "UPDATE exports SET leased_until = $1 WHERE direct AND finished_at IS NULL AND leased_until <= $2 \
             RETURNING {CLAIMED}"
        ))
        .bind::<BigInt, _>(now + SILENCE)
        .bind::<BigInt, _>(now)
        .load(tx.conn())?;
        let number = rows.len();
        for row in rows {
            let written = row.written;
            let job = row.claimed(Vec::new())?;
            let ended = Ended::Stopped("Nobody read on, or the server stopped while it sent the file.");
            finish(tx, &job, written, 0, &ended)?;
        }
        Ok(number)
    })
}

/// Folder of the files.
pub fn folder(app: &App) -> PathBuf {
    app.config.data_dir.join("exports")
}

/// Deletes files that are older than [`KEPT`], and what dead workers left half written.
pub fn sweep(app: &App) -> Result<usize> {
    let folder = folder(app);
    let (expired, known): (usize, Vec<String>) = app.system_write(|tx| {
        let before = tx.now() - KEPT;
        let expired = diesel::update(table::table)
            .filter(table::file.is_not_null())
            .filter(table::finished_at.le(before))
            .set(table::file.eq(None::<String>))
            .execute(tx.conn())?;
        let files: Vec<Option<String>> = table::table
            .filter(table::file.is_not_null())
            .select(table::file)
            .load(tx.conn())?;
        let open: Vec<(ExportId, Option<Vec<u8>>)> = table::table
            .filter(table::state.eq_any(["queued", "in progress"]))
            .select((table::id, table::lease_token))
            .load(tx.conn())?;
        let written = open
            .into_iter()
            .filter_map(|(id, lease)| Some(file_name(id, &lease?)));
        Ok((
            expired,
            files.into_iter().flatten().chain(written).collect(),
        ))
    })?;
    let Ok(entries) = std::fs::read_dir(&folder) else {
        // Nothing was ever exported here.
        return Ok(expired);
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.ends_with(".csv"));
        if ours && !known.iter().any(|known| name == known.as_str()) {
            remove(&entry.path());
        }
    }
    Ok(expired)
}

/// Deletes a file that nobody needs; one that is gone already is as good.
pub(super) fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, file = %path.display(), "a file of an export could not be deleted");
    }
}

/// The name of the file that the holder of a lease writes: each of two workers has its own.
pub(super) fn file_name(id: ExportId, lease: &[u8]) -> String {
    let lease: String = lease.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{id}-{lease}.csv")
}
