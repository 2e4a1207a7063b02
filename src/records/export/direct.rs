//! An export straight to the browser. It is written down when it begins, so that also one whose server was killed stands
//! in the audit log, and told to the audit log when it ends, wherever that is.

use std::sync::Arc;

use super::rows::{Plan, batch};
use super::stored::{self, Claimed, Ended};
use crate::access::{Later, UseRecords};
use crate::db::types::Timestamp;
use crate::records::list::Key;
use crate::web::request::Form;
use crate::{App, Error, Result};

/// Between two times that the row is told that somebody still reads.
const SAY: time::Duration = time::Duration::seconds(30);

/// The row is told of at most so many rows before they are sent.
const AHEAD: i64 = 50_000;

/// What the row says, which is what the audit log will say when this server dies, or when the reader stops reading for
/// so long that it is taken for dead.
///
/// The row says at no time fewer rows than went out: otherwise somebody could have all of them and stand in the audit log
/// with none. To tell it of every batch would be exact, and at 200,000 rows a second 200 transactions of SQLite's one
/// writer, each of them synced to the disk. So it is told of rows in advance, of as many again as are made by then, and of
/// no more than [`AHEAD`]. An end that this server sees itself is written down with the rows that were made, the last of
/// which a reader who hung up may not have had.
struct Told {
    rows: i64,
    at: Timestamp,
}

impl Told {
    /// What the row has to be told before `sent` rows are out. Nothing while what it says holds, and its lease as well.
    fn due(&self, sent: i64, now: Timestamp) -> Option<i64> {
        let holds = sent <= self.rows && (now - self.at).abs() < SAY;
        (!holds).then(|| sent.saturating_add(sent.min(AHEAD)))
    }
}

/// What is being sent. Its end is written down before the last rows go out, and otherwise when it goes: after an error,
/// and when the reader hung up.
pub(super) struct Sending {
    app: Arc<App>,
    job: Arc<Claimed>,
    plan: Plan,
    form: Form,
    sent: i64,
    told: Told,
    over: bool,
}

impl Sending {
    pub(super) fn new(app: Arc<App>, job: Claimed, plan: Plan, form: Form) -> Sending {
        let told = Told {
            rows: 0,
            at: app.clock.now(),
        };
        Sending {
            app,
            job: Arc::new(job),
            plan,
            form,
            sent: 0,
            told,
            over: false,
        }
    }

    /// The next rows, never none before the end.
    pub(super) fn next(
        &mut self,
        can: &Later<UseRecords>,
        mut after: Option<Key>,
    ) -> Result<(Vec<Vec<String>>, Option<Key>)> {
        loop {
            let of = (self.job.environment, self.job.object);
            let found = can.read(|tx| batch(tx, of, &self.form, Some(&self.plan), after.as_ref()));
            let found = found.map_err(|error| match error {
                Error::Forbidden { .. } | Error::SignIn | Error::Code => {
                    Error::refused("the right to it was taken away")
                }
                error => error,
            })?;
            let sent = self.sent + i64::try_from(found.rows.len()).unwrap_or(i64::MAX);
            if found.next.is_none() {
                self.end(sent)?;
            } else {
                // Also where nothing was found: a rare filter walks for long from one row to the next.
                self.go_on(sent)?;
            }
            if self.over || !found.rows.is_empty() {
                self.sent = sent;
                return Ok((found.rows, found.next));
            }
            after = found.next;
        }
    }

    /// Tells the row, as far as it has to know, that so many rows will be out.
    fn go_on(&mut self, sent: i64) -> Result<()> {
        let now = self.app.clock.now();
        let Some(rows) = self.told.due(sent, now) else {
            return Ok(());
        };
        if !stored::still_sending(&self.app, self.job.id, rows)? {
            return Err(noted());
        }
        self.told = Told { rows, at: now };
        Ok(())
    }

    /// Writes down that it is whole. Before the last rows go out, because a slow reader may take longer for them than a
    /// lease lasts.
    fn end(&mut self, sent: i64) -> Result<()> {
        let ended = Ended::Whole(None);
        let app = &self.app;
        let ours = app.system_write(|tx| stored::finish(tx, &self.job, sent, 0, &ended))?;
        if !ours {
            return Err(noted());
        }
        self.over = true;
        Ok(())
    }
}

/// Nothing may go out after what the audit log says.
fn noted() -> Error {
    Error::refused("nobody read on for so long that it was written down as broken off")
}

impl Drop for Sending {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let (app, job, sent) = (self.app.clone(), self.job.clone(), self.sent);
        let note = move || {
            let ended = Ended::Stopped("The download was broken off.");
            let noted = app.system_write(|tx| stored::finish(tx, &job, sent, 0, &ended));
            if let Err(error) = noted {
                // Its lease runs out, then it is noted as broken off.
                tracing::warn!(%error, "the end of a download could not be written down");
            }
        };
        // A reader who hangs up is noticed on an event loop, which must not wait for a database.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(note)),
            Err(_) => note(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_says_never_fewer_rows_than_are_out_and_few_more() {
        let now = Timestamp(0);
        let mut told = Told { rows: 0, at: now };
        let mut times = 0;
        for sent in (1_000..=1_000_000).step_by(1_000) {
            if let Some(rows) = told.due(sent, now) {
                told = Told { rows, at: now };
                times += 1;
            }
            assert!(told.rows >= sent, "{sent}");
            assert!(told.rows <= 2 * sent && told.rows <= sent + AHEAD, "{sent}");
        }
        assert!(times < 30, "{times}");
    }

    #[test]
    fn the_lease_is_kept_while_nothing_is_found() {
        let told = Told {
            rows: 2_000,
            at: Timestamp(0),
        };
        let (soon, late) = (Timestamp(0) + SAY / 2, Timestamp(0) + SAY);
        assert_eq!(told.due(1_000, soon), None);
        assert_eq!(told.due(1_000, late), Some(2_000));
        // Somebody set the clock back, on which leases are counted.
        assert_eq!(told.due(1_000, Timestamp(0) - SAY), Some(2_000));
        assert!(SAY * 2 < stored::SILENCE);
    }
}
