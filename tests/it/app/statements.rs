//! What the database does for a statement, and which ones are sent.

use std::sync::{Arc, Mutex};

use diesel::connection::{Connection, InstrumentationEvent};
use diesel::prelude::*;
use insight::access::{Proof, Tx};
use insight::db::Conn;

/// How often this transaction has read a table, or an index, on Postgres: a table from one end to the other.
pub fn scans_of_all(conn: &mut Conn, of: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Scans {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    diesel::sql_query(format!(
        "SELECT pg_stat_get_xact_numscans('{of}'::regclass) AS n"
    ))
    .get_result::<Scans>(conn)
    .expect("counts")
    .n
}

/// The statements about a table that are sent meanwhile, each once.
pub fn statements_of<P: Proof>(
    tx: &mut Tx<P>,
    table: &str,
    f: impl FnOnce(&mut Tx<P>) -> insight::Result<()>,
) -> insight::Result<Vec<String>> {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let kept = sent.clone();
    tx.conn()
        .set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                let text = query.to_string();
                let text = text
                    .split(" -- binds:")
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                kept.lock().expect("not poisoned").push(text);
            }
        });
    let done = f(tx);
    tx.conn()
        .set_instrumentation(|_: InstrumentationEvent<'_>| {});
    done?;
    let mut statements = sent.lock().expect("not poisoned").clone();
    statements.retain(|text| text.contains(table));
    statements.sort();
    statements.dedup();
    Ok(statements)
}

/// The steps in which SQLite carries a statement out.
pub fn explained(conn: &mut Conn, statement: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}"))
        .load::<Step>(conn)
        .unwrap_or_else(|e| panic!("{statement}: {e}"))
        .into_iter()
        .map(|step| step.detail)
        .collect()
}

/// All that an account has, or has in one environment: no range to speak of where there is much.
pub fn reads_account(step: &str, table: &str) -> bool {
    let all = ["(account_id=?)", "(account_id=? AND environment=?)"];
    step.starts_with(&format!("SEARCH {table}")) && all.iter().any(|all| step.ends_with(all))
}

/// "SCAN records", also along an index; a range of one is "SEARCH".
pub fn reads_all(step: &str, table: &str) -> bool {
    step.starts_with(&format!("SCAN {table}")) || step.starts_with(&format!("SCAN \"{table}\""))
}
