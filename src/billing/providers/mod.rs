//! Payment providers: whoever has the cards and takes the money. Insight knows brand, last four digits and expiry of a
//! card, and the provider's name for it.
//!
//! No call is made inside a database transaction. What is to be called is written down first, with an idempotency key,
//! and what came of it afterwards: a process may die in between, and the same call is made again.

pub mod sandbox;
pub mod schema;
pub mod stripe;
pub mod stripe_events;

use crate::App;
use crate::config::{Config, PaymentsSetting};
use crate::db::types::{AccountId, CardSetupId, PaymentId};

/// What may be known of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderCard {
    /// The provider's name for it.
    pub token: String,
    pub brand: String,
    pub last4: String,
    pub exp_year: i32,
    pub exp_month: i32,
}

/// A wish to give a card on the provider's page.
pub struct SetupAsk<'a> {
    pub account: AccountId,
    pub setup: CardSetupId,
    /// The account's number at the provider, or "".
    pub customer: &'a str,
    pub name: &'a str,
    pub email: &'a str,
    pub currency: &'a str,
    /// Where the person comes back to.
    pub back: &'a str,
}

/// The visit to the provider's page.
#[derive(Clone, Debug)]
pub struct SetupStarted {
    pub customer: String,
    pub session: String,
    pub url: String,
}

/// How a visit went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetupState {
    Waiting,
    Done(ProviderCard),
    /// No card will come of it.
    Over,
}

/// A wish to be paid.
pub struct Charge<'a> {
    /// The same for every time that this call is made.
    pub key: &'a str,
    pub payment: PaymentId,
    pub customer: &'a str,
    pub token: &'a str,
    pub amount: i64,
    pub currency: &'a str,
    /// Somebody is there to confirm it, and comes back to `back`.
    pub present: bool,
    pub back: &'a str,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charged {
    Paid {
        reference: String,
    },
    /// The reason is a sentence.
    Declined {
        reference: Option<String>,
        reason: String,
    },
    /// The provider works on it.
    Waiting {
        reference: String,
    },
    /// The person has to confirm it on this page.
    Confirm {
        reference: String,
        url: String,
    },
}

/// Where a payment is that had to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    Waiting,
    Paid,
    Declined(String),
}

/// The provider did not answer, or not in a way that says what happened.
#[derive(Debug)]
pub struct Trouble(pub String);

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One payment provider.
pub trait Provider: Send + Sync {
    /// As it is stored beside everything that belongs to it.
    fn name(&self) -> &'static str;
    /// Origin of its page for cards, when that is another server.
    fn page_origin(&self) -> Option<&str>;
    /// Begins a visit to its page for cards.
    fn start_setup(&self, app: &App, ask: &SetupAsk) -> Result<SetupStarted, Trouble>;
    /// How a visit went.
    fn setup(&self, app: &App, session: &str) -> Result<SetupState, Trouble>;
    /// Takes money from a card; once, however often it is called with the same key.
    fn charge(&self, app: &App, charge: &Charge) -> Result<Charged, Trouble>;
    /// Where a payment is that has to be confirmed.
    fn progress(&self, app: &App, reference: &str) -> Result<Progress, Trouble>;
    /// Gives such a payment up, unless it has been confirmed meanwhile.
    fn cancel(&self, app: &App, reference: &str) -> Result<Progress, Trouble>;
}

/// The provider of an installation.
pub struct Payments(Box<dyn Provider>);

impl Payments {
    /// As the settings say.
    pub fn open(config: &Config) -> Payments {
        Payments(match &config.payments {
            PaymentsSetting::Sandbox => Box::new(sandbox::Sandbox),
            PaymentsSetting::Stripe(settings) => Box::new(stripe::Stripe::new(settings.clone())),
        })
    }
}

impl std::ops::Deref for Payments {
    type Target = dyn Provider;
    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

/// Letters that nobody can guess.
pub(super) fn random_name() -> String {
    crate::web::random::<12>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
