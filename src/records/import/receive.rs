//! Keeping a file that arrived: its rows go into the database.

use std::fs::File;
use std::io::{BufReader, Read};

use diesel::prelude::*;

use super::columns;
use super::stored::{WAITING, delete, desk, json, keys};
use crate::access::{Can, Environment, Tx, UseRecords};
use crate::db::types::ImportId;
use crate::permissions::Object;
use crate::records::environment_number;
use crate::schema::{import_rows, imports as table};
use crate::web::upload::Upload;
use crate::{Error, Result, on_each};

/// Unfinished imports that one member may have.
const OPEN: i64 = 5;

/// Most columns of a file.
const COLUMNS: usize = 200;

/// Rows written in one statement.
const PIECE: usize = 500;

/// Keeps a file that arrived: its rows go into the database, part by part, so that from then on every process can work
/// on them. Gives the number of the import.
pub fn receive(
    can: &Can<UseRecords>,
    environment: Environment,
    object: Object,
    upload: &Upload,
) -> Result<ImportId> {
    let checked = upload.checked.clone().map_err(Error::Refused)?;
    let mut file = upload.open()?;
    let mut skipped = vec![0; checked.skip];
    file.read_exact(&mut skipped).map_err(Error::internal)?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(checked.delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(BufReader::new(file));
    let mut rows = Rows(reader.records());
    let heads = rows
        .next()
        .ok_or_else(|| Error::refused("The file is empty."))??;
    if heads.len() > COLUMNS {
        return Err(Error::refused(format!(
            "The file has more than {COLUMNS} columns."
        )));
    }
    let heads: Vec<String> = (1..)
        .zip(heads)
        .map(|(number, head)| match head.trim() {
            "" => format!("Column {number}"),
            head => head.chars().take(250).collect(),
        })
        .collect();
    let id = can.write(|tx| begin(tx, environment, object, &upload.name, &heads))?;
    let kept = fill(can, (environment, object), id, &heads, rows);
    if kept.is_err() {
        // Nobody goes on with it. What cannot be deleted now, its sender can discard, and the sweep does.
        let deleted = can.write(|tx| delete(tx, id, &["received"]));
        if let Err(error) = deleted {
            tracing::warn!(%error, "an import that was not kept could not be deleted");
        }
    }
    kept.map(|()| id)
}

/// Keeps the rows of an import and makes it ready to be matched.
fn fill(
    can: &Can<UseRecords>,
    of: (Environment, Object),
    id: ImportId,
    heads: &[String],
    mut rows: Rows,
) -> Result<()> {
    let mut number = 0;
    let mut first: Option<Vec<String>> = None;
    loop {
        let piece: Vec<Vec<String>> = rows.by_ref().take(PIECE).collect::<Result<_>>()?;
        if piece.is_empty() {
            break;
        }
        if first.is_none() {
            first = piece.first().cloned();
        }
        let written = i64::try_from(piece.len()).unwrap_or(i64::MAX);
        can.write(|tx| keep(tx, id, number, &piece))?;
        number += written;
    }
    can.write(|tx| {
        let desk = desk(tx, of.0, of.1)?;
        let guessed = columns::guess(&desk, heads, &first.unwrap_or_default());
        received(tx, id, number)?;
        let account = tx.account();
        diesel::update(table::table)
            .filter(table::account_id.eq(account))
            .filter(table::id.eq(id))
            .set((
                table::state.eq("matching"),
                table::matched.eq(keys(&guessed)?),
            ))
            .execute(tx.conn())?;
        Ok(())
    })
}

/// Says how many rows of an import are there. Refused when somebody discarded it meanwhile; from here to the end of the
/// transaction nobody can.
fn received(tx: &mut Tx<UseRecords>, id: ImportId, rows: i64) -> Result<()> {
    let account = tx.account();
    let there = diesel::update(table::table)
        .filter(table::account_id.eq(account))
        .filter(table::id.eq(id))
        .filter(table::state.eq("received"))
        .set(table::total.eq(rows))
        .execute(tx.conn())?;
    match there {
        0 => Err(Error::refused(
            "The import was discarded while its file was being kept.",
        )),
        _ => Ok(()),
    }
}

/// Records of a file as texts.
struct Rows<'r>(csv::StringRecordsIter<'r, BufReader<File>>);

impl Iterator for Rows<'_> {
    type Item = Result<Vec<String>>;
    fn next(&mut self) -> Option<Self::Item> {
        let record = self.0.next()?;
        Some(match record {
            Ok(cells) => Ok(cells.iter().map(str::to_owned).collect()),
            Err(error) => Err(Error::refused(format!("The file cannot be read: {error}"))),
        })
    }
}

fn begin(
    tx: &mut Tx<UseRecords>,
    environment: Environment,
    object: Object,
    name: &str,
    heads: &[String],
) -> Result<ImportId> {
    let desk = desk(tx, environment, object)?;
    let (account, now) = (tx.account(), tx.now());
    let open: i64 = table::table
        .filter(table::account_id.eq(account))
        .filter(table::member_slot.eq(desk.slot()))
        .filter(table::finished_at.is_null())
        .count()
        .get_result(tx.conn())?;
    if open >= OPEN {
        return Err(Error::refused(
            "Five of your imports are not finished. Finish or discard one of them first.",
        ));
    }
    let address = tx.actor().address.clone();
    Ok(diesel::insert_into(table::table)
        .values((
            table::account_id.eq(account),
            table::environment.eq(environment_number(environment)),
            table::object.eq(object.number()),
            table::member_slot.eq(desk.slot()),
            table::address.eq(address),
            (
                table::source.eq("csv"),
                table::name.eq(name),
                table::external_id.eq(""),
                table::state.eq("received"),
                table::reason.eq(""),
            ),
            table::attempts.eq(0),
            (table::heads.eq(json(heads)?), table::matched.eq("[]")),
            (
                table::total.eq(0_i64),
                table::done.eq(0_i64),
                table::created_rows.eq(0_i64),
                table::updated_rows.eq(0_i64),
                table::rejected_rows.eq(0_i64),
            ),
            table::created_at.eq(now),
        ))
        .returning(table::id)
        .get_result(tx.conn())?)
}

fn keep(tx: &mut Tx<UseRecords>, id: ImportId, after: i64, piece: &[Vec<String>]) -> Result<()> {
    received(tx, id, after)?;
    let account = tx.account();
    let rows = (after + 1..)
        .zip(piece)
        .map(|(number, cells)| {
            Ok((
                import_rows::account_id.eq(account),
                import_rows::import_id.eq(id),
                import_rows::number.eq(number),
                import_rows::cells.eq(json(cells)?),
                import_rows::state.eq(WAITING),
                import_rows::reason.eq(""),
            ))
        })
        .collect::<Result<Vec<_>>>()?;
    on_each!(tx.conn(), c => diesel::insert_into(import_rows::table).values(rows).execute(c))?;
    Ok(())
}
