//! Whether anything reads all records, and the plans that the databases make, for a closer look.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use diesel::connection::{Connection, InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use insight::App;
use insight::access::{Tx, UseRecords};
use insight::db::Conn;
use insight::db::types::RecordId;
use insight::records::{self, Desk};

use super::company::{Company, ENVIRONMENT};
use super::{Answer, Ask, Failure, Kind, answer, guard};

/// What was found out of all lists, counts and lookups of a run.
#[derive(Default)]
pub struct Plans {
    answers: usize,
    /// How often the table of records was read from one end to the other.
    whole: i64,
    /// SQLite: each different statement about records, with the steps it takes.
    statements: BTreeMap<String, Vec<String>>,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

/// How often a statement was planned for its values, and how often once for all.
#[derive(QueryableByName)]
struct Planned {
    #[diesel(sql_type = diesel::sql_types::Text)]
    statement: String,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    generic_plans: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    custom_plans: i64,
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = diesel::sql_types::Text)]
    detail: String,
}

impl Plans {
    /// Lets a kind of member ask once more, and looks at what the database does for it; then looks up what the records
    /// found are called, as links do.
    pub fn watch(
        &mut self,
        tx: &mut Tx<UseRecords>,
        company: &Company,
        kind: &Kind,
        ask: Ask,
    ) -> insight::Result<()> {
        let ask = |tx: &mut Tx<UseRecords>| {
            let desk = Desk::open(tx, ENVIRONMENT, kind.object)?;
            let ids = match answer(tx, &desk, ask, &company.by_update[0])?.0 {
                Answer::Ids(ids) => ids,
                Answer::Number(..) => vec![RecordId(1)],
            };
            records::links::visible(tx, &desk, ids)
        };
        self.answers += 1;
        if matches!(tx.conn(), Conn::Pg(_)) {
            let before = scans(tx)?;
            ask(tx)?;
            self.whole += scans(tx)? - before;
            return Ok(());
        }
        let sent = Arc::new(Mutex::new(Vec::new()));
        let kept = sent.clone();
        tx.conn()
            .set_instrumentation(move |event: InstrumentationEvent<'_>| {
                if let InstrumentationEvent::StartQuery { query, .. } = event
                    && let Ok(mut kept) = kept.lock()
                {
                    kept.push(query.to_string());
                }
            });
        let asked = ask(tx);
        tx.conn()
            .set_instrumentation(|_: InstrumentationEvent<'_>| {});
        asked?;
        let sent = sent
            .lock()
            .map_err(|e| insight::Error::internal(e.to_string()))?;
        for text in sent.iter().filter(|text| text.contains("records")) {
            let text = text.split(" -- binds:").next().unwrap_or_default();
            if self.statements.contains_key(text) {
                continue;
            }
            let steps: Vec<Step> =
                diesel::sql_query(format!("EXPLAIN QUERY PLAN {text}")).load(tx.conn())?;
            let steps: Vec<String> = steps.into_iter().map(|step| step.detail).collect();
            self.whole += i64::from(steps.iter().any(|step| reads_all(step)));
            self.statements.insert(text.to_owned(), steps);
        }
        Ok(())
    }

    /// Prints what was found; every different plan with `all`.
    pub fn report(&self, name: &str, all: bool) {
        let of = match self.statements.len() {
            0 => format!("{} answers", self.answers),
            n => format!("{n} statements of {} answers", self.answers),
        };
        println!(
            "{name}: all records read from one end to the other {} times in {of}",
            self.whole
        );
        for (statement, steps) in self.statements.iter().filter(|_| all) {
            println!("== {statement}\n  {}", steps.join("\n  "));
        }
    }
}

/// "SCAN records", also along an index; a range of one is "SEARCH", but all that an account has is no range.
fn reads_all(step: &str) -> bool {
    let all = ["(account_id=?)", "(account_id=? AND environment=?)"];
    step.starts_with("SCAN records")
        || (step.starts_with("SEARCH records") && all.iter().any(|all| step.ends_with(all)))
}

/// How often this transaction has read the table of records as a whole, on Postgres.
fn scans(tx: &mut Tx<UseRecords>) -> insight::Result<i64> {
    let of = "SELECT pg_stat_get_xact_numscans('records'::regclass) AS n";
    Ok(diesel::sql_query(of).get_result::<Number>(tx.conn())?.n)
}

/// Prints the plans that Postgres made for some kinds of member, as its module `auto_explain` writes them into the
/// server's log.
pub fn explained(
    app: &Arc<App>,
    company: &Company,
    kinds: &[Kind],
    of: &str,
) -> Result<(), Failure> {
    #[derive(QueryableByName)]
    struct Folder {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    for kind in kinds
        .iter()
        .filter(|kind| of.split(',').any(|label| kind.label == label))
    {
        let can = guard(app, company, kind.slot)?;
        for ask in Ask::ALL {
            let log = can.read(|tx| {
                let folder: Folder =
                    diesel::sql_query("SELECT current_setting('data_directory') AS name")
                        .get_result(tx.conn())?;
                tx.conn().batch_execute(
                    "LOAD 'auto_explain'; SET LOCAL auto_explain.log_analyze = on; \
                     SET LOCAL auto_explain.log_buffers = on; SET LOCAL auto_explain.log_timing = off; \
                     SET LOCAL auto_explain.log_min_duration = 0",
                )?;
                let desk = Desk::open(tx, ENVIRONMENT, kind.object)?;
                let file = std::path::Path::new(&folder.name).with_file_name("log");
                let read = || std::fs::read_to_string(&file).map_err(insight::Error::internal);
                let before = read()?.len();
                answer(tx, &desk, ask, &company.by_update[0])?;
                tx.conn().batch_execute("SET LOCAL auto_explain.log_min_duration = -1")?;
                Ok(read()?.split_off(before))
            })?;
            println!("== {}, {}\n{log}", kind.label, ask.label());
        }
        let planned: Vec<Planned> = can.read(|tx| {
            let all = "SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements \
                       WHERE statement LIKE '%records%' ORDER BY custom_plans DESC";
            Ok(diesel::sql_query(all).load(tx.conn())?)
        })?;
        for of in planned {
            println!(
                "planned anew {} times, {} times not: {}",
                of.custom_plans, of.generic_plans, of.statement
            );
        }
    }
    Ok(())
}
