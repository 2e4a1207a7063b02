//! An export straight to the browser. It is written down when it begins, so that also one whose server was killed stands
//! in the audit log, and told to the audit log when it ends, wherever that is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::rows::{Plan, batch};
use super::stored::{self, Claimed, Ended};
use crate::access::{Later, UseRecords};
use crate::records::list::Key;
use crate::web::request::Form;
use crate::{App, Error, Result};

/// Between two times that the row is told that somebody still reads.
const SAY: Duration = Duration::from_secs(30);

/// What is being sent. When it goes, the end is written down: after the last row, after an error, and when the reader
/// hung up.
pub(super) struct Sending {
    app: Arc<App>,
    job: Arc<Claimed>,
    plan: Plan,
    form: Form,
    written: i64,
    said: Instant,
    whole: bool,
}

impl Sending {
    pub(super) fn new(app: Arc<App>, job: Claimed, plan: Plan, form: Form) -> Sending {
        Sending {
            app,
            job: Arc::new(job),
            plan,
            form,
            written: 0,
            said: Instant::now(),
            whole: false,
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
            self.written += i64::try_from(found.rows.len()).unwrap_or(i64::MAX);
            self.whole = found.next.is_none();
            if self.whole || !found.rows.is_empty() {
                if self.said.elapsed() >= SAY {
                    self.said = Instant::now();
                    stored::still_sending(&self.app, self.job.id, self.written)?;
                }
                return Ok((found.rows, found.next));
            }
            after = found.next;
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let (app, job) = (self.app.clone(), self.job.clone());
        let (written, whole) = (self.written, self.whole);
        let note = move || {
            let ended = match whole {
                true => Ended::Whole(None),
                false => Ended::Stopped("The download was broken off."),
            };
            let noted = app.system_write(|tx| stored::finish(tx, &job, written, 0, &ended));
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
