//! Where a payment provider reports of its own accord.

use super::providers::stripe_events;
use crate::access::{Anyone, Can};
use crate::config::PaymentsSetting;
use crate::web::answer::Answer;
use crate::web::request::Request;
use crate::{Error, Result};

/// `POST /webhooks/stripe`. Without Stripe there is nothing here.
pub fn stripe(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let PaymentsSetting::Stripe(settings) = &can.app().config.payments else {
        return Err(Error::NotFound);
    };
    stripe_events::receive(can.app(), settings, request.body(), request.signature())?;
    Ok(Answer::text(200, "received\n"))
}
