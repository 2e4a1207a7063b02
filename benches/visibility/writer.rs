//! Writing records by the million.

use std::io::Write;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use insight::db::types::{AccountId, Slot};
use insight::db::{Conn, Target};
use insight::schema::records;

use super::Failure;
use super::company::Fact;

/// A record as it is written.
pub struct Row {
    pub environment: i16,
    pub object: i16,
    pub assigned: Option<Slot>,
    pub created_at: i64,
    pub name: String,
    pub data: String,
    pub fact: Fact,
}

/// Writes records past the product, on a connection without its deadlines: indexes are made when all rows are there,
/// foreign keys are checked.
pub struct Writer {
    conn: Conn,
    account: AccountId,
}

#[derive(QueryableByName)]
struct Definition {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    sql: String,
}

impl Writer {
    pub fn open(target: &Target, account: AccountId) -> Result<Writer, Failure> {
        let conn = match target {
            Target::Sqlite(path) => {
                let mut c = SqliteConnection::establish(path)?;
                c.batch_execute(
                    "PRAGMA foreign_keys = ON; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; \
                     PRAGMA busy_timeout = 5000;",
                )?;
                Conn::Sqlite(c)
            }
            Target::Postgres(url) => {
                let mut c = PgConnection::establish(url)?;
                c.batch_execute("SET maintenance_work_mem = '512MB'")?;
                Conn::Pg(c)
            }
        };
        Ok(Writer { conn, account })
    }

    pub fn write(mut self, size: usize, mut next: impl FnMut(usize) -> Row) -> Result<(), Failure> {
        let of = match &self.conn {
            Conn::Sqlite(_) => {
                "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'records' AND sql IS NOT NULL"
            }
            Conn::Pg(_) => {
                "SELECT indexname::text AS name, indexdef AS sql FROM pg_indexes \
                 WHERE tablename = 'records' AND indexname <> 'records_pkey'"
            }
        };
        let indexes: Vec<Definition> = diesel::sql_query(of).load(&mut self.conn)?;
        for index in &indexes {
            self.conn
                .batch_execute(&format!("DROP INDEX {}", index.name))?;
        }
        let account = self.account;
        const CHUNK: usize = 20_000;
        for from in (0..size).step_by(CHUNK) {
            let rows: Vec<Row> = (from..size.min(from + CHUNK)).map(&mut next).collect();
            match &mut self.conn {
                Conn::Sqlite(c) => c.transaction(|c| {
                    for row in &rows {
                        diesel::insert_into(records::table)
                            .values((
                                records::id.eq(row.fact.id),
                                records::account_id.eq(account),
                                records::environment.eq(row.environment),
                                records::object.eq(row.object),
                                records::name.eq(&row.name),
                                records::sort_name.eq(&*row.fact.sort_name),
                                records::creator_slot.eq(row.fact.creator),
                                records::assigned_slot.eq(row.assigned),
                                records::owner_slot.eq(row.fact.owner),
                                records::created_at.eq(row.created_at),
                                records::updated_at.eq(row.fact.updated_at),
                                records::version.eq(1_i64),
                                records::data.eq(&row.data),
                            ))
                            .execute(c)?;
                    }
                    QueryResult::Ok(())
                })?,
                Conn::Pg(c) => {
                    let mut text = Vec::new();
                    for row in &rows {
                        let assigned = row.assigned.map_or("\\N".into(), |s| s.0.to_string());
                        writeln!(
                            text,
                            "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{assigned}\t{}\t{}\t{}\t1\t{}",
                            row.fact.id,
                            account,
                            row.environment,
                            row.object,
                            row.name,
                            row.fact.sort_name,
                            row.fact.creator.0,
                            row.fact.owner.0,
                            row.created_at,
                            row.fact.updated_at,
                            row.data,
                        )?;
                    }
                    diesel::copy_from(records::table)
                        .from_raw_data(records::table, |copy| {
                            copy.write_all(&text)
                                .map_err(|e| diesel::result::Error::SerializationError(e.into()))?;
                            diesel::QueryResult::Ok(())
                        })
                        .execute(c)?;
                }
            }
        }
        for index in &indexes {
            self.conn.batch_execute(&index.sql)?;
        }
        if let Conn::Pg(c) = &mut self.conn {
            c.batch_execute(
                "SELECT setval(pg_get_serial_sequence('records', 'id'), (SELECT max(id) FROM records))",
            )?;
            // On its own: it runs outside of every transaction.
            c.batch_execute("VACUUM (ANALYZE)")?;
        }
        Ok(())
    }
}
