//! What happens without a request: mail, exports and imports, billing, housekeeping. Every process may run it; work is
//! claimed in the database, so that none of it is done twice.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::commands::keys;
use crate::credentials::{links, sessions, throttle};
use crate::sign_in::devices;
use crate::{App, Error, Result, audit, billing, invitations, mail, records, subscribers, web};

/// Between two looks for work that falls due.
const ROUND: Duration = Duration::from_secs(5);

/// Rounds between two turns of housekeeping: an hour.
const HOUSEKEEPING: u64 = 720;

/// Runs the mail worker and the jobs until `stop` says so.
pub async fn run(app: Arc<App>, stop: watch::Receiver<bool>) -> Result<()> {
    let hooks = mail::worker::Hooks {
        on_failed: subscribers::mark_bounced,
        attach: billing::invoices::attachment,
    };
    let (mail, (), (), (), ()) = tokio::join!(
        mail::worker::run(app.clone(), hooks, stop.clone()),
        records::jobs::run(app.clone(), stop.clone()),
        records::list::density::run(app.clone(), stop.clone()),
        billing::jobs::run(app.clone(), stop.clone()),
        jobs(app, stop),
    );
    mail
}

async fn jobs(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut round = 0_u64;
    while !*stop.borrow() {
        let due = app.clone();
        let housekeeping = round.is_multiple_of(HOUSEKEEPING);
        let worked = tokio::task::spawn_blocking(move || {
            if housekeeping {
                keep_house(&due)?;
                // Not at the start: after a rotation every other process must have learnt the new key first.
                if round > 0 {
                    keys::reseal(&due)?;
                }
            }
            do_due_work(&due)
        })
        .await
        .map_err(Error::internal)
        .and_then(|result| result);
        if let Err(error) = worked {
            tracing::warn!(%error, "background work failed; it is tried again");
        }
        round += 1;
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Everything that is due now.
pub fn do_due_work(app: &App) -> Result<()> {
    // One kind of work that fails does not hold up the other.
    let reminded = invitations::reminders::remind_due(app);
    let transferred = records::transfer::carry_on(app);
    subscribers::announcements::address_due(app)?;
    reminded?;
    transferred?;
    Ok(())
}

/// Deletes what is over, and writes the heads of the audit chains to the log, so that a copy of them leaves the
/// database.
pub fn keep_house(app: &App) -> Result<()> {
    let (sessions, links, throttles, browsers) = app.system_write(|tx| {
        Ok((
            sessions::sweep(tx)?,
            links::sweep(tx)?,
            throttle::sweep(tx)?,
            devices::sweep(tx)?,
        ))
    })?;
    let messages = mail::outbox::sweep(app)?;
    let events = app.system_write(billing::payments::sweep)?;
    let exports = records::export::stored::sweep(app)?;
    let imports = records::import::sweep::sweep(app)?;
    let uploads = web::upload::sweep(app);
    let forms = web::once::sweep(app)?;
    tracing::info!(
        sessions, links, throttles, browsers, messages, events, exports, imports, uploads, forms,
        "swept"
    );
    for head in audit::heads(app)? {
        tracing::info!(
            account = head.account.0,
            entries = head.entries,
            head = head.hex(),
            "audit log"
        );
    }
    Ok(())
}
