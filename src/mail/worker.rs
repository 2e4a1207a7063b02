//! The worker: takes messages from the outbox, several at a time, until it is told to stop. Any number of processes
//! may run one.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::outbox::{self, Claimed, Failed};
use super::transport::Transport;
use crate::access::{System, Tx};
use crate::{App, Error, Result};

/// Conversations at the same time.
const AT_ONCE: i64 = 8;

/// How often the outbox is looked at when nobody wakes the worker: retries that fall due, messages of other
/// processes.
const ROUND: Duration = Duration::from_secs(5);

/// What a feature does when a message has failed for good, in the same transaction.
pub type OnFailed = fn(&mut Tx<System>, &Failed) -> Result<()>;

/// Runs until `stop` says so; a conversation under way is finished first.
pub async fn run(
    app: Arc<App>,
    on_failed: OnFailed,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let transport = Arc::new(Transport::open(&app.config)?);
    loop {
        let sent = match round(&app, &transport, on_failed).await {
            Ok(sent) => sent,
            Err(error) => {
                tracing::warn!(%error, "the outbox could not be worked on");
                0
            }
        };
        if *stop.borrow() {
            return Ok(());
        }
        if sent == 0 {
            tokio::select! {
                () = app.mail.woken() => {}
                () = tokio::time::sleep(ROUND) => {}
                _ = stop.changed() => return Ok(()),
            }
        }
    }
}

/// Claims and delivers one batch; gives how many messages it tried.
async fn round(app: &Arc<App>, transport: &Arc<Transport>, on_failed: OnFailed) -> Result<usize> {
    let claimed = on_blocking_thread({
        let app = app.clone();
        move || outbox::claim(&app, AT_ONCE)
    })
    .await?;
    let tried = claimed.len();
    let deliveries = claimed
        .into_iter()
        .map(|mail| deliver(app.clone(), transport.clone(), mail, on_failed));
    for result in futures_util::future::join_all(deliveries).await {
        if let Err(error) = result {
            tracing::warn!(%error, "a delivery could not be recorded; its lease will run out");
        }
    }
    Ok(tried)
}

async fn deliver(
    app: Arc<App>,
    transport: Arc<Transport>,
    mail: Claimed,
    on_failed: OnFailed,
) -> Result<()> {
    // lettre has panicked on odd input before; the thread keeps that away from the worker.
    on_blocking_thread(move || {
        let outcome = transport.deliver(&app.config, &mail);
        outbox::finish(&app, &mail, &outcome, on_failed)
    })
    .await
}

async fn on_blocking_thread<T: Send + 'static>(
    f: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(f)
        .await
        .map_err(Error::internal)?
}
