//! What Stripe sends of its own accord. An event must carry a signature that is right and not old; it counts once,
//! however often it comes, and in whatever order: each says what became of one thing, and what is paid stays paid.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::Progress;
use super::stripe::{NAME, message};
use crate::billing::{cards, payments};
use crate::config::StripeSettings;
use crate::db::types::Timestamp;
use crate::{App, Error, Result};

/// Signatures are good for this long, before and after.
const TOLERANCE: u64 = 300;

/// Takes an event in: its body and the header `Stripe-Signature`.
pub fn receive(app: &App, settings: &StripeSettings, body: &[u8], signature: &str) -> Result<()> {
    if !signed(&settings.webhook_secret, body, signature, app.clock.now()) {
        return Err(Error::BadRequest(
            "The event does not carry a good and recent signature.",
        ));
    }
    const UNREADABLE: Error = Error::BadRequest("The event cannot be read.");
    let event: Value = serde_json::from_slice(body).map_err(|_| UNREADABLE)?;
    let (Some(id), Some(kind)) = (event["id"].as_str(), event["type"].as_str()) else {
        return Err(UNREADABLE);
    };
    let object = &event["data"]["object"];
    let thing = object["id"].as_str().unwrap_or("");
    app.system_write(|tx| {
        if !payments::first_time(tx, NAME, id, kind)? {
            return Ok(());
        }
        let progress = match kind {
            "checkout.session.completed" | "checkout.session.expired" => {
                // What came of it is asked, not believed: the event does not hold the card.
                cards::look_soon(tx, NAME, thing)?;
                return Ok(());
            }
            "payment_intent.succeeded" => Progress::Paid,
            "payment_intent.payment_failed" => {
                Progress::Declined(message(&object["last_payment_error"]))
            }
            "payment_intent.canceled" => {
                Progress::Declined("The payment was not confirmed in time.".into())
            }
            _ => return Ok(()),
        };
        let key = object["metadata"]["key"].as_str().unwrap_or("");
        payments::report(tx, NAME, thing, key, &progress)?;
        Ok(())
    })?;
    app.billing.wake();
    Ok(())
}

/// `t=…,v1=…`: an HMAC over time and body; one of several signatures may be made with the right secret.
fn signed(secret: &str, body: &[u8], header: &str, now: Timestamp) -> bool {
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) => time = Some(value),
            Some(("v1", value)) => signatures.push(value),
            _ => {}
        }
    }
    let Some((time, seconds)) = time.and_then(|t| Some((t, t.parse::<u64>().ok()?))) else {
        return false;
    };
    if now.unix().abs_diff(seconds) > TOLERANCE {
        return false;
    }
    signatures.into_iter().any(|signature| {
        let Some(bytes) = unhex(signature) else {
            return false;
        };
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
            return false;
        };
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(body);
        mac.verify_slice(&bytes).is_ok()
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}
