//! Trying out and importing as a job: batch after batch as the asker, each one transaction.

use diesel::prelude::*;

use super::columns::{self, Into};
use super::rows::{self, Asked, Did};
use super::stored::{self, ACCEPTED, Claimed, Import, REJECTED, WAITING};
use crate::access::{InAccount, OnBehalf, Tx};
use crate::audit::{self, Event};
use crate::db::types::{RecordId, Timestamp};
use crate::permissions::Object;
use crate::records::{Desk, environment_numbered};
use crate::schema::{import_rows, imports as table};
use crate::{App, Error, Result};

/// Rows of one transaction. On SQLite nobody else writes meanwhile.
const BATCH: i64 = 200;

/// A worker that failed lets it rest for so long.
const PAUSE: time::Duration = time::Duration::seconds(10);

/// After so many failures without a batch in between an import is given up.
const ATTEMPTS: i32 = 10;

/// An import that this worker has taken.
pub struct Job(Claimed);

/// Takes the next one, if any waits.
pub fn claim(app: &App) -> Result<Option<Job>> {
    Ok(stored::claim(app)?.map(Job))
}

/// What a batch came to.
enum Came {
    On,
    Over,
    /// Another worker has it.
    Away,
}

impl Job {
    /// Works on it until it is done. `stop`: this process is to end, another one shall go on.
    pub fn run(self, app: &App, stop: &dyn Fn() -> bool) -> Result<()> {
        let job = self.0;
        let error = loop {
            if stop() {
                return stored::give_back(app, &job, time::Duration::ZERO);
            }
            match app.write_for(&job.asker, |tx| batch(tx, &job)) {
                Ok(Came::On) => {}
                Ok(Came::Over | Came::Away) => return Ok(()),
                Err(error) => break error,
            }
        };
        let reason = match &error {
            Error::SignIn => "The member who sent it was removed.",
            Error::Forbidden { .. } | Error::NotFound => {
                "The right to import these records was taken away."
            }
            Error::Refused(why) => why,
            _ if job.attempts >= ATTEMPTS => {
                "It could not go on. Tell an administrator, and import the remaining rows again."
            }
            _ => {
                stored::give_back(app, &job, PAUSE)?;
                return Err(error);
            }
        };
        stop_for_good(app, &job, reason)
    }
}

/// Where an import goes.
struct Goal {
    desk: Desk,
    columns: Vec<Into>,
    import: Import,
}

fn batch(tx: &mut Tx<OnBehalf>, job: &Claimed) -> Result<Came> {
    let Some((import, environment, object)) = stored::hold(tx, job)? else {
        return Ok(Came::Away);
    };
    let object = Object::numbered(object)
        .ok_or_else(|| Error::internal("an import into an object nobody knows"))?;
    let desk = stored::desk(tx, environment_numbered(environment), object)?;
    let columns = columns::of_keys(&desk, &import.matched)?;
    let goal = Goal {
        desk,
        columns,
        import,
    };
    let account = tx.account();
    let found: Vec<(i64, String)> = import_rows::table
        .filter(import_rows::account_id.eq(account))
        .filter(import_rows::import_id.eq(job.id))
        .filter(import_rows::number.gt(goal.import.done))
        .order(import_rows::number)
        .limit(BATCH)
        .select((import_rows::number, import_rows::cells))
        .load(tx.conn())?;
    if found.is_empty() && goal.import.done < goal.import.total {
        // Nobody will find them later either.
        return Err(Error::refused(
            "Rows of the file are missing. Send it again.",
        ));
    }
    let dry = goal.import.state == "checking";
    let mut now = goal.import.clone();
    for (number, cells) in found {
        let cells = stored::list(&cells)?;
        let result = if dry {
            rows::read(tx, &goal.desk, &goal.columns, &cells)?.map(|asked| match asked {
                Asked::New(..) => (true, None),
                Asked::Change(..) => (false, None),
            })
        } else {
            rows::import(tx, &goal.desk, &goal.columns, &cells)?.map(|did| match did {
                Did::Created(id) => (true, Some(id)),
                Did::Updated(id) => (false, Some(id)),
            })
        };
        match &result {
            Ok((true, _)) => now.created += 1,
            Ok((false, _)) => now.updated += 1,
            Err(_) => now.rejected += 1,
        }
        note(tx, &goal.import, number, result.map(|(_, id)| id))?;
        now.done = number;
    }
    let over = now.done >= goal.import.total;
    let moment = tx.now();
    let state = match (over, dry, now.accepted(), now.rejected) {
        (false, ..) => goal.import.state.as_str(),
        (true, true, ..) => "checked",
        (true, false, _, 0) => "successful",
        (true, false, 0, _) => "failed",
        (true, false, ..) => "partly failed",
    };
    let of = table::table.filter(table::id.eq(job.id));
    diesel::update(of)
        .set((
            table::state.eq(state),
            table::done.eq(now.done),
            table::created_rows.eq(now.created),
            table::updated_rows.eq(now.updated),
            table::rejected_rows.eq(now.rejected),
        ))
        .execute(tx.conn())?;
    if !over {
        return Ok(Came::On);
    }
    diesel::update(of)
        .set((
            table::finished_at.eq((!dry).then_some(moment)),
            table::leased_until.eq(None::<Timestamp>),
            table::lease_token.eq(None::<Vec<u8>>),
        ))
        .execute(tx.conn())?;
    if !dry {
        let event = event(&now, (goal.desk.environment(), object), true);
        audit::record(tx, account, &event)?;
    }
    Ok(Came::Over)
}

/// Writes down what became of a row. A row that was only tried out and is sound stays as it was.
fn note<P: InAccount>(
    tx: &mut Tx<P>,
    import: &Import,
    number: i64,
    result: Result<Option<RecordId>, String>,
) -> Result<()> {
    let (state, reason, record) = match result {
        Ok(None) => return Ok(()),
        Ok(record) => (ACCEPTED, String::new(), record),
        Err(reason) => (REJECTED, reason, None),
    };
    let account = tx.account();
    diesel::update(import_rows::table)
        .filter(import_rows::account_id.eq(account))
        .filter(import_rows::import_id.eq(import.id))
        .filter(import_rows::number.eq(number))
        .set((
            import_rows::state.eq(state),
            import_rows::reason.eq(reason),
            import_rows::record_id.eq(record),
        ))
        .execute(tx.conn())?;
    Ok(())
}

/// Ends an import before its end; what was imported stays. A trial leads back to matching.
fn stop_for_good(app: &App, job: &Claimed, reason: &str) -> Result<()> {
    app.system_write(|tx| {
        let Some((import, environment, object)) = stored::hold(tx, job)? else {
            return Ok(());
        };
        let now = tx.now();
        let dry = import.state == "checking";
        let state = match (dry, import.accepted()) {
            (true, _) => "matching",
            (false, 0) => "failed",
            (false, _) => "partly failed",
        };
        let rejected = match dry {
            true => 0,
            false => import.total - import.accepted(),
        };
        diesel::update(table::table.filter(table::id.eq(job.id)))
            .set((
                (table::state.eq(state), table::reason.eq(reason)),
                table::rejected_rows.eq(rejected),
                table::finished_at.eq((!dry).then_some(now)),
                table::leased_until.eq(None::<Timestamp>),
                table::lease_token.eq(None::<Vec<u8>>),
            ))
            .execute(tx.conn())?;
        if dry {
            return Ok(());
        }
        diesel::update(import_rows::table)
            .filter(import_rows::account_id.eq(job.asker.account))
            .filter(import_rows::import_id.eq(job.id))
            .filter(import_rows::state.eq(WAITING))
            .set((
                import_rows::state.eq(REJECTED),
                import_rows::reason.eq(format!("Not imported. {reason}")),
            ))
            .execute(tx.conn())?;
        tx.act_for(&job.asker)?;
        let import = Import { rejected, ..import };
        let object = Object::numbered(object)
            .ok_or_else(|| Error::internal("an import into an object nobody knows"))?;
        let event = event(&import, (environment_numbered(environment), object), false);
        audit::record(tx, job.asker.account, &event)
    })
}

fn event(import: &Import, of: (crate::access::Environment, Object), whole: bool) -> Event {
    Event::RecordsImported {
        environment: of.0.label().to_owned(),
        object: of.1.plural().to_owned(),
        number: import.id.0,
        file: import.name.clone(),
        created: import.created,
        updated: import.updated,
        rejected: import.rejected,
        whole,
    }
}
