//! The sandbox plays the payment provider: cards with test numbers, no money. Its page for cards is served here, and a
//! number is looked at there and nowhere kept.

use diesel::prelude::*;

use super::schema::{sandbox_cards as cards, sandbox_charges as charges};
use super::{
    Charge, Charged, Progress, Provider, ProviderCard, SetupAsk, SetupStarted, SetupState, Trouble,
    random_name,
};
use crate::on_each;
use crate::{App, Result};

/// The sandbox.
pub struct Sandbox;

/// Name of the provider.
pub const NAME: &str = "sandbox";

/// What a card does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Pays,
    /// Refused on the page for cards already.
    Refused,
    /// Taken, and every payment is declined.
    Declines,
    /// Taken, and every payment finds it expired.
    Expired,
    /// The bank asks for a confirmation, now and for every payment.
    Confirms,
}

/// (number, brand, what it does, the same in words).
pub const NUMBERS: [(&str, &str, Behaviour, &str); 6] = [
    (
        "4242424242424242",
        "Visa",
        Behaviour::Pays,
        "Every payment succeeds.",
    ),
    (
        "5555555555554444",
        "Mastercard",
        Behaviour::Pays,
        "Every payment succeeds.",
    ),
    (
        "4000000000000002",
        "Visa",
        Behaviour::Refused,
        "The card is declined on this page.",
    ),
    (
        "4000000000000341",
        "Visa",
        Behaviour::Declines,
        "The card is taken; every payment is declined.",
    ),
    (
        "4000000000000069",
        "Visa",
        Behaviour::Expired,
        "The card is taken; every payment finds it expired.",
    ),
    (
        "4000002760003184",
        "Visa",
        Behaviour::Confirms,
        "The bank asks for a confirmation, now and for every payment.",
    ),
];

impl Behaviour {
    fn word(self) -> &'static str {
        match self {
            Behaviour::Pays => "pays",
            Behaviour::Refused => "refused",
            Behaviour::Declines => "declines",
            Behaviour::Expired => "expired",
            Behaviour::Confirms => "confirms",
        }
    }

    /// A name for a card that does this.
    pub fn token(self) -> String {
        format!("sbx_{}_{}", self.word(), random_name())
    }

    /// Of a card, by the sandbox's name for it.
    fn of(token: &str) -> Option<Behaviour> {
        let word = token.split('_').nth(1)?;
        NUMBERS
            .iter()
            .map(|(_, _, behaviour, _)| *behaviour)
            .find(|behaviour| behaviour.word() == word)
    }
}

/// A card as it was typed on the sandbox's page. It is dropped with the request.
pub struct Typed {
    pub brand: &'static str,
    pub last4: String,
    pub behaviour: Behaviour,
}

/// Looks a number up, spaces left out.
pub fn number(typed: &str) -> Option<Typed> {
    let digits: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    let (number, brand, behaviour, _) = NUMBERS.iter().find(|(n, ..)| *n == digits)?;
    Some(Typed {
        brand,
        last4: number.chars().skip(12).collect(),
        behaviour: *behaviour,
    })
}

/// Month and year of "08/28" or "08 / 2028".
pub fn expiry(typed: &str) -> Option<(i32, i32)> {
    let (month, year) = typed.split_once('/')?;
    let (month, year) = (month.trim(), year.trim());
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !plain(month) || !plain(year) || !matches!(year.len(), 2 | 4) || month.len() > 2 {
        return None;
    }
    let (month, year): (i32, i32) = (month.parse().ok()?, year.parse().ok()?);
    let year = if year < 100 { year + 2000 } else { year };
    (1..=12).contains(&month).then_some((year, month))
}

/// A visit whose card the bank wants confirmed first.
fn unconfirmed(session: &str) -> String {
    format!("{session}?")
}

/// Takes a card, in the books of the sandbox. One that the bank wants confirmed is taken by [`confirm`].
pub fn take(app: &App, session: &str, card: &Typed, expires: (i32, i32)) -> Result<()> {
    let session = match card.behaviour {
        Behaviour::Confirms => unconfirmed(session),
        _ => session.to_owned(),
    };
    let token = card.behaviour.token();
    app.system_write(|tx| {
        diesel::delete(cards::table.filter(cards::session.eq(&session))).execute(tx.conn())?;
        diesel::insert_into(cards::table)
            .values((
                cards::session.eq(&session),
                cards::token.eq(token),
                cards::brand.eq(card.brand),
                cards::last4.eq(&card.last4),
                cards::exp_year.eq(expires.0),
                cards::exp_month.eq(expires.1),
            ))
            .execute(tx.conn())?;
        Ok(())
    })
}

/// The bank's confirmation for the card of a visit. False when there is nothing to confirm.
pub fn confirm(app: &App, session: &str) -> Result<bool> {
    app.system_write(|tx| {
        let waiting = cards::table.filter(cards::session.eq(unconfirmed(session)));
        let moved = diesel::update(waiting)
            .set(cards::session.eq(session))
            .execute(tx.conn())?;
        Ok(moved == 1)
    })
}

/// The bank's confirmation of a payment, or its refusal.
pub fn answer(app: &App, reference: &str, yes: bool) -> Result<()> {
    let (state, reason) = match yes {
        true => ("succeeded", ""),
        false => ("failed", "The payment was not confirmed."),
    };
    app.system_write(|tx| {
        diesel::update(charges::table.filter(charges::key.eq(reference)))
            .filter(charges::state.eq("waiting"))
            .set((charges::state.eq(state), charges::reason.eq(reason)))
            .execute(tx.conn())?;
        Ok(())
    })
}

impl Provider for Sandbox {
    fn name(&self) -> &'static str {
        NAME
    }

    fn page_origin(&self) -> Option<&str> {
        None
    }

    fn start_setup(&self, _: &App, ask: &SetupAsk) -> Result<SetupStarted, Trouble> {
        Ok(SetupStarted {
            customer: match ask.customer {
                "" => format!("sbx_customer_{}", random_name()),
                known => known.to_owned(),
            },
            session: format!("sbx_visit_{}", random_name()),
            url: format!("/billing/sandbox/cards/{}", ask.setup),
        })
    }

    fn setup(&self, app: &App, session: &str) -> Result<SetupState, Trouble> {
        type Row = (String, String, String, i32, i32);
        let found: Result<Option<Row>> = app.system_read(|tx| {
            Ok(cards::table
                .filter(cards::session.eq(session))
                .select((
                    cards::token,
                    cards::brand,
                    cards::last4,
                    cards::exp_year,
                    cards::exp_month,
                ))
                .first(tx.conn())
                .optional()?)
        });
        Ok(match found.map_err(trouble)? {
            None => SetupState::Waiting,
            Some((token, brand, last4, exp_year, exp_month)) => SetupState::Done(ProviderCard {
                token,
                brand,
                last4,
                exp_year,
                exp_month,
            }),
        })
    }

    fn charge(&self, app: &App, charge: &Charge) -> Result<Charged, Trouble> {
        let declined = |reason: &str| ("failed", reason.to_owned());
        let (state, reason) = match Behaviour::of(charge.token) {
            Some(Behaviour::Pays) => ("succeeded", String::new()),
            Some(Behaviour::Confirms) if charge.present => ("waiting", String::new()),
            Some(Behaviour::Confirms) => {
                declined("The bank wants the payment confirmed. Press Pay now to do so.")
            }
            Some(Behaviour::Expired) => declined("The card has expired."),
            Some(Behaviour::Declines | Behaviour::Refused) | None => {
                declined("The card was declined.")
            }
        };
        let kept: Result<(String, String)> = app.system_write(|tx| {
            on_each!(tx.conn(), c => diesel::insert_into(charges::table)
                .values((
                    charges::key.eq(charge.key),
                    charges::token.eq(charge.token),
                    charges::amount.eq(charge.amount),
                    charges::currency.eq(charge.currency),
                    charges::state.eq(state),
                    charges::reason.eq(&reason),
                ))
                .on_conflict_do_nothing()
                .execute(c))?;
            Ok(charges::table
                .filter(charges::key.eq(charge.key))
                .select((charges::state, charges::reason))
                .first(tx.conn())?)
        });
        let (state, reason) = kept.map_err(trouble)?;
        let reference = charge.key.to_owned();
        Ok(match state.as_str() {
            "succeeded" => Charged::Paid { reference },
            "waiting" => Charged::Confirm {
                url: format!("/billing/sandbox/payments/{}", charge.payment),
                reference,
            },
            _ => Charged::Declined {
                reference: Some(reference),
                reason,
            },
        })
    }

    fn progress(&self, app: &App, reference: &str) -> Result<Progress, Trouble> {
        let kept: Result<Option<(String, String)>> = app.system_read(|tx| {
            Ok(charges::table
                .filter(charges::key.eq(reference))
                .select((charges::state, charges::reason))
                .first(tx.conn())
                .optional()?)
        });
        Ok(match kept.map_err(trouble)? {
            Some((state, _)) if state == "succeeded" => Progress::Paid,
            Some((state, _)) if state == "waiting" => Progress::Waiting,
            Some((_, reason)) => Progress::Declined(reason),
            None => Progress::Declined("The sandbox knows nothing of this payment.".into()),
        })
    }

    fn cancel(&self, app: &App, reference: &str) -> Result<Progress, Trouble> {
        answer(app, reference, false).map_err(trouble)?;
        self.progress(app, reference)
    }
}

fn trouble(error: crate::Error) -> Trouble {
    Trouble(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_numbers_are_read_as_people_type_them() {
        let card = number("4242 4242 4242 4242").unwrap();
        assert_eq!((card.brand, card.last4.as_str()), ("Visa", "4242"));
        assert!(number("4242 4242 4242 4243").is_none());
        assert_eq!(expiry("08/28"), Some((2028, 8)));
        assert_eq!(expiry(" 8 / 2028 "), Some((2028, 8)));
        for wrong in ["13/28", "0/28", "08", "08/2", "+8/28", "08/208"] {
            assert_eq!(expiry(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_behaviour_is_found_again_in_its_token() {
        for (_, _, behaviour, _) in NUMBERS {
            let token = behaviour.token();
            assert_eq!(Behaviour::of(&token), Some(behaviour));
        }
    }
}
