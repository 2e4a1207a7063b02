//! An export as a job: a worker writes the file, batch after batch, with the asker's rights as they are at each.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::time::{Duration, Instant};

use super::rows::{Batch, Plan, batch};
use super::stored::{self, Claimed, Ended};
use crate::records::list::Key;
use crate::web::{csv, request::Form};
use crate::{App, Error, Result};

/// Between two times that a worker says how far it has come.
const SAY: Duration = Duration::from_millis(500);

/// A worker that failed lets it rest for so long.
const PAUSE: time::Duration = time::Duration::seconds(10);

/// After so many beginnings an export is given up.
const ATTEMPTS: i32 = 10;

/// An export that this worker has taken.
pub struct Job(Claimed);

/// Takes the next one, if any waits.
pub fn claim(app: &App) -> Result<Option<Job>> {
    Ok(stored::claim(app)?.map(Job))
}

/// How a file ended that was not written to its end.
enum Broke {
    /// Another worker has it, or this process stops.
    Away,
    Failed(Error),
}

impl From<Error> for Broke {
    fn from(error: Error) -> Broke {
        Broke::Failed(error)
    }
}

impl From<std::io::Error> for Broke {
    fn from(error: std::io::Error) -> Broke {
        Broke::Failed(Error::internal(format!("the file of an export: {error}")))
    }
}

impl Job {
    /// Writes the file. `stop`: this process is to end, another one shall go on.
    pub fn run(self, app: &App, stop: &dyn Fn() -> bool) -> Result<()> {
        let job = self.0;
        let name = stored::file_name(job.id, &job.lease);
        let path = stored::folder(app).join(&name);
        let mut count = (0, 0);
        let error = match write(app, &job, &path, &mut count, stop) {
            Ok(()) => {
                let ended = Ended::Whole(Some(&name));
                let ours =
                    app.system_write(|tx| stored::finish(tx, &job, count.0, count.1, &ended))?;
                if !ours {
                    stored::remove(&path);
                }
                return Ok(());
            }
            Err(Broke::Away) => {
                stored::remove(&path);
                return stored::give_back(app, &job, time::Duration::ZERO);
            }
            Err(Broke::Failed(error)) => error,
        };
        stored::remove(&path);
        let reason = match &error {
            Error::SignIn | Error::Forbidden { .. } | Error::NotFound => {
                "You lost the right to export these records while the file was written."
            }
            Error::Refused(why) => why,
            _ if job.attempts >= ATTEMPTS => {
                "The file could not be written. Ask for it again, or tell an administrator."
            }
            _ => {
                stored::give_back(app, &job, PAUSE)?;
                return Err(error);
            }
        };
        let ended = Ended::Stopped(reason);
        app.system_write(|tx| stored::finish(tx, &job, count.0, count.1, &ended))?;
        Ok(())
    }
}

fn write(
    app: &App,
    job: &Claimed,
    path: &std::path::Path,
    (written, bytes): &mut (i64, i64),
    stop: &dyn Fn() -> bool,
) -> Result<(), Broke> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(stored::folder(app))?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let mut out = BufWriter::with_capacity(64 * 1024, file);
    let form = Form::parse(job.query.as_bytes())?;
    let mut first: Option<Plan> = None;
    let mut place: Option<Key> = None;
    let mut said = Instant::now();
    loop {
        if stop() {
            return Err(Broke::Away);
        }
        let Batch { plan, rows, next } = app.read_for(&job.asker, |tx| {
            batch(
                tx,
                (job.environment, job.object),
                &form,
                first.as_ref(),
                place.as_ref(),
            )
        })?;
        if first.is_none() {
            if plan.conditions() != form.one("conditions")? {
                return Err(Broke::Failed(Error::refused(
                    "Fields or records that you asked by changed since you asked for the export. Ask for it anew.",
                )));
            }
            put(&mut out, &plan.header(), bytes)?;
            first = Some(plan);
        }
        for row in &rows {
            put(&mut out, row, bytes)?;
        }
        *written += i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let Some(next) = next else { break };
        place = Some(next);
        if said.elapsed() >= SAY {
            said = Instant::now();
            if !stored::progress(app, job, *written, *bytes)? {
                return Err(Broke::Away);
            }
        }
    }
    let file: File = out
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?;
    // What is said to be done is on the disk, the name of the file included.
    file.sync_all()?;
    File::open(stored::folder(app))?.sync_all()?;
    Ok(())
}

fn put(out: &mut impl Write, row: &[String], bytes: &mut i64) -> std::io::Result<()> {
    let line = csv::record(row.iter().map(String::as_str));
    *bytes += i64::try_from(line.len()).unwrap_or(i64::MAX);
    out.write_all(&line)
}
