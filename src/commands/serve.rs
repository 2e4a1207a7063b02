//! `insight serve`: the web server and its background work, until a signal ends it in good order.

use std::net::TcpListener;
use std::sync::Arc;

use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use super::Sentence;
use crate::App;
use crate::accounts::first_start;
use crate::background;
use crate::config::Config;
use crate::web::server;

pub(super) fn run(config: Config) -> Result<(), Sentence> {
    start_log(&config)?;
    let app = super::open(config)?;
    serve(app, |app| {
        if let Some(link) = first_start::link(app)? {
            tracing::info!(
                link,
                "there is no account yet: the set-up link makes the first one"
            );
            eprintln!(
                "There is no account yet. This link sets Insight up, once and within 7 days:\n\n  {link}\n"
            );
        }
        Ok(())
    })
}

/// Log lines on standard output; JSON escapes what a visitor may have put into them, and so does the text format.
pub(super) fn start_log(config: &Config) -> Result<(), Sentence> {
    let filter = EnvFilter::try_new(&config.log)
        .map_err(|_| Sentence("INSIGHT_LOG is not right: give a level such as info.".into()))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    if config.log_json {
        log.json().init();
    } else {
        log.with_ansi(false).init();
    }
    Ok(())
}

/// Serves an application until SIGTERM or Ctrl-C. `ready` runs once the address is taken.
pub(super) fn serve(
    app: Arc<App>,
    ready: impl FnOnce(&App) -> Result<(), Sentence>,
) -> Result<(), Sentence> {
    let listener = listen("INSIGHT_LISTEN", app.config.listen)?;
    let metrics = match app.config.metrics_listen {
        Some(address) => Some(listen("INSIGHT_METRICS_LISTEN", address)?),
        None => None,
    };
    ready(&app)?;
    actix_web::rt::System::new().block_on(async move {
        // Before anybody is told that it serves: a signal that comes at once is obeyed in good order too.
        let mut signal = signals()?;
        let (stop, stopped) = watch::channel(false);
        let (server, handle) = server::serve(app.clone(), listener, super::cores())?;
        let metrics = match metrics {
            Some(listener) => {
                let server = server::serve_metrics(app.clone(), listener)?;
                let handle = server.handle();
                tokio::spawn(server);
                Some(handle)
            }
            None => None,
        };
        let work = tokio::spawn(background::run(app.clone(), stopped));
        tracing::info!(address = %app.config.listen, "serving at {}", app.config.base_url);
        let serving = tokio::spawn(server);
        signal.recv().await;
        tracing::info!("stopping: requests under way are finished");
        handle.stop(true).await;
        if let Some(metrics) = metrics {
            metrics.stop(false).await;
        }
        serving.await??;
        // The other side may be gone already if background work ended with an error.
        let _gone = stop.send(true);
        work.await??;
        tracing::info!("stopped");
        Ok(())
    })
}

fn listen(setting: &str, address: std::net::SocketAddr) -> Result<TcpListener, Sentence> {
    TcpListener::bind(address)
        .map_err(|e| Sentence(format!("{setting}: {address} cannot be listened on: {e}")))
}

/// One channel for the signals that end a server.
fn signals() -> std::io::Result<tokio::sync::mpsc::Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            signals.recv().await;
            // A full channel means that the server is stopping already.
            let _already_stopping = sender.try_send(());
        });
    }
    Ok(receiver)
}
