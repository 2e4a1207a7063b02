//! What billing does without a request: renewals, payments, visits to the provider's page. Every process may run it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::{cards, payments, renewal};
use crate::db::types::CardSetupId;
use crate::{App, Error, Result};

/// Between two looks for what falls due.
const ROUND: Duration = Duration::from_secs(10);

/// Visits that somebody waits for, at most.
const ASKED: usize = 1_000;

/// Wakes the job of this process; the others find the work in their next round.
#[derive(Default)]
pub struct Wake {
    notify: Notify,
    /// Visits to the provider's page that somebody has come back from.
    asked: Mutex<BTreeSet<CardSetupId>>,
}

impl Wake {
    /// There is something to do.
    pub fn wake(&self) {
        self.notify.notify_one();
    }

    /// Somebody waits to hear how this visit went.
    pub fn ask_about(&self, setup: CardSetupId) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() < ASKED {
            asked.insert(setup);
        }
        drop(asked);
        self.wake();
    }

    fn take(&self) -> BTreeSet<CardSetupId> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Runs until `stop` says so. It has a thread of its own: a provider that answers late holds up nothing else.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let due = app.clone();
        let worked = tokio::task::spawn_blocking(move || run_due(&due))
            .await
            .map_err(Error::internal)
            .and_then(|result| result);
        if let Err(error) = worked {
            tracing::warn!(%error, "billing failed to be worked on; it is tried again");
        }
        tokio::select! {
            () = app.billing.notify.notified() => {}
            () = tokio::time::sleep(ROUND) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Does everything that is due now. One kind of work that fails does not hold up the others.
pub fn run_due(app: &App) -> Result<()> {
    let collected = cards::collect_due(app, app.billing.take());
    let resumed = payments::resume(app);
    let renewed = renewal::renew_due(app);
    payments::pay_due(app)?;
    collected?;
    resumed?;
    renewed?;
    Ok(())
}
