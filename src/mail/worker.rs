//! The worker: takes messages from the outbox, several at a time, until it is told to stop. Any number of processes
//! may run one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use super::outbox::{self, Claimed, Failed, Outcome};
use super::transport::Transport;
use crate::access::{System, Tx};
use crate::{App, Error, Result};

/// Conversations at the same time.
const AT_ONCE: usize = 8;

/// How often the outbox is looked at when nobody wakes the worker: retries that fall due, messages of other
/// processes.
const ROUND: Duration = Duration::from_secs(5);

/// What a feature does when a message has failed for good, in the same transaction.
pub type OnFailed = fn(&mut Tx<System>, &Failed) -> Result<()>;

/// Makes the file behind the key of an attachment.
pub type Attach = fn(&App, &str) -> Result<Vec<u8>>;

/// What features do for the worker.
#[derive(Clone, Copy)]
pub struct Hooks {
    pub on_failed: OnFailed,
    pub attach: Attach,
}

/// Runs until `stop` says so; a conversation under way is finished first.
pub async fn run(app: Arc<App>, hooks: Hooks, mut stop: watch::Receiver<bool>) -> Result<()> {
    let transport = Arc::new(Transport::open(&app.config)?);
    let mut under_way = FuturesUnordered::new();
    let mut stopping = *stop.borrow();
    loop {
        // A conversation that hangs keeps its own place and nobody else's; the others are taken again as soon as half
        // of them are free, so that a claim still fetches several.
        let mut claimed_some = false;
        if !stopping && under_way.len() <= AT_ONCE / 2 {
            match claim(&app, AT_ONCE - under_way.len()).await {
                Ok(claimed) => {
                    claimed_some = !claimed.is_empty();
                    under_way.extend(
                        claimed
                            .into_iter()
                            .map(|mail| deliver(app.clone(), transport.clone(), mail, hooks)),
                    );
                }
                Err(error) => tracing::warn!(%error, "the outbox could not be worked on"),
            }
        }
        if stopping && under_way.is_empty() {
            return Ok(());
        }
        if claimed_some && under_way.len() <= AT_ONCE / 2 {
            // There is room still, and there may be more.
            continue;
        }
        tokio::select! {
            Some(result) = under_way.next() => {
                if let Err(error) = result {
                    tracing::warn!(%error, "a delivery could not be recorded; its lease will run out");
                }
            }
            () = app.mail.woken(), if !stopping => {}
            () = tokio::time::sleep(ROUND) => {}
            // Whoever could say stop is gone: the same.
            changed = stop.changed(), if !stopping => {
                stopping = changed.is_err() || *stop.borrow();
            }
        }
    }
}

/// Takes up to `limit` messages.
async fn claim(app: &Arc<App>, limit: usize) -> Result<Vec<Claimed>> {
    let app = app.clone();
    on_blocking_thread(move || {
        let limit = i64::try_from(limit).map_err(Error::internal)?;
        outbox::claim(&app, limit)
    })
    .await
}

async fn deliver(
    app: Arc<App>,
    transport: Arc<Transport>,
    mail: Claimed,
    hooks: Hooks,
) -> Result<()> {
    // lettre has panicked on odd input before; the thread keeps that away from the worker.
    on_blocking_thread(move || {
        let file = match &mail.content.attachment {
            None => Ok(None),
            Some(attachment) => (hooks.attach)(&app, &attachment.key).map(Some),
        };
        let outcome = match file {
            Ok(file) => transport.deliver(&app.config, &mail, file),
            Err(error) => {
                tracing::error!(mail = mail.id.0, %error, "an attachment could not be made");
                Outcome::Later("The attachment could not be made.".into())
            }
        };
        outbox::finish(&app, &mail, &outcome, hooks.on_failed)
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
