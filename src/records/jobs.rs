//! Long work on records: exports and imports, at most two at a time in one process, each on a thread of its own.
//! Any number of processes may run them; a row's lease says whose turn it is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::{export, import};
use crate::db::{self, Conn};
use crate::{App, Error, Result};

/// Jobs of one process at the same time.
const AT_ONCE: usize = 2;

/// How often is looked for jobs of other processes, and for those whose worker died.
const ROUND: Duration = Duration::from_secs(5);

/// Wakes the jobs of this process.
#[derive(Default)]
pub struct Wake(Notify);

impl Wake {
    /// There is something to do.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// The statement that takes the oldest job of a table which is `waiting` and has no worker, or one that died; two workers
/// never get the same one. It is given the end of the lease, its token, and now.
pub(super) fn taking(
    conn: &Conn,
    table: &str,
    set: &str,
    waiting: &str,
    returning: &str,
) -> String {
    let locked = db::skip_locked(conn);
    format!(
        "UPDATE {table} SET {set}, leased_until = $1, lease_token = $2, attempts = attempts + 1, \
         started_at = coalesce(started_at, $3) WHERE id IN (\
           SELECT id FROM {table} WHERE finished_at IS NULL AND {waiting} \
           AND (leased_until IS NULL OR leased_until <= $3) ORDER BY id LIMIT 1{locked}) RETURNING {returning}"
    )
}

/// A job that this process has taken.
enum Job {
    Export(export::job::Job),
    Import(import::job::Job),
}

impl Job {
    fn run(self, app: &App, stop: &dyn Fn() -> bool) -> Result<()> {
        match self {
            Job::Export(job) => job.run(app, stop),
            Job::Import(job) => job.run(app, stop),
        }
    }
}

fn claim(app: &App) -> Result<Option<Job>> {
    if let Some(job) = import::job::claim(app)? {
        return Ok(Some(Job::Import(job)));
    }
    Ok(export::job::claim(app)?.map(Job::Export))
}

/// Runs jobs until `stop` says so; those under way are given back at their next batch.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut running = JoinSet::new();
    while !*stop.borrow() {
        match next(&app, running.len()).await {
            Ok(Some(job)) => {
                let (app, stop) = (app.clone(), stop.clone());
                running.spawn_blocking(move || job.run(&app, &|| *stop.borrow()));
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "jobs could not be looked for"),
        }
        tokio::select! {
            Some(ended) = running.join_next() => note(ended),
            () = app.jobs.0.notified() => {}
            () = tokio::time::sleep(ROUND) => {}
            _ = stop.changed() => {}
        }
    }
    while let Some(ended) = running.join_next().await {
        note(ended);
    }
}

async fn next(app: &Arc<App>, running: usize) -> Result<Option<Job>> {
    if running >= AT_ONCE {
        return Ok(None);
    }
    let app = app.clone();
    tokio::task::spawn_blocking(move || {
        export::stored::note_broken_off(&app)?;
        claim(&app)
    })
    .await
    .map_err(Error::internal)?
}

fn note(ended: std::result::Result<Result<()>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "a job failed; it is tried again"),
        Err(error) => tracing::error!(%error, "a job panicked; its lease will run out"),
    }
}

/// Does everything that waits now, one after the other.
pub fn run_due(app: &App) -> Result<()> {
    export::stored::note_broken_off(app)?;
    while let Some(job) = claim(app)? {
        job.run(app, &|| false)?;
    }
    Ok(())
}
