//! Stripe: Checkout in set-up mode for cards, PaymentIntents for payments. Written from the public documentation of its
//! API; the address is a setting, so that the tests can stand in for it.

use std::time::Duration;

use serde_json::Value;

use super::{
    Charge, Charged, Progress, Provider, ProviderCard, SetupAsk, SetupStarted, SetupState, Trouble,
    random_name,
};
use crate::App;
use crate::config::StripeSettings;

/// Name of the provider.
pub const NAME: &str = "stripe";

/// The version of the API that this is written for.
const VERSION: &str = "2024-06-20";

/// The longest wait for one answer; shorter than the lease of a payment.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest answer that is read.
const MOST: u64 = 1024 * 1024;

/// A Stripe account.
pub struct Stripe {
    settings: StripeSettings,
    agent: ureq::Agent,
}

/// An answer: status and JSON.
struct Reply {
    status: u16,
    json: Value,
}

impl Stripe {
    /// For these settings.
    pub fn new(settings: StripeSettings) -> Stripe {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("insight/", env!("CARGO_PKG_VERSION")))
            .build();
        Stripe {
            settings,
            agent: config.into(),
        }
    }

    fn url(&self, path: &str) -> String {
        let base = self.settings.api.as_str().trim_end_matches('/');
        format!("{base}/v1/{path}")
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.settings.key)
    }

    fn get(&self, path: &str) -> Result<Reply, Trouble> {
        let sent = self
            .agent
            .get(self.url(path))
            .header("Authorization", self.bearer())
            .header("Stripe-Version", VERSION)
            .call();
        read(sent)
    }

    /// A POST; the same key gets the same answer.
    fn post(&self, path: &str, key: &str, form: &[(&str, &str)]) -> Result<Reply, Trouble> {
        let sent = self
            .agent
            .post(self.url(path))
            .header("Authorization", self.bearer())
            .header("Stripe-Version", VERSION)
            .header("Idempotency-Key", key)
            .send_form(form.iter().copied());
        read(sent)
    }
}

fn read(sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Reply, Trouble> {
    let mut response = sent.map_err(|e| Trouble(format!("no answer: {e}")))?;
    let status = response.status().as_u16();
    let text = response
        .body_mut()
        .with_config()
        .limit(MOST)
        .read_to_string()
        .map_err(|e| Trouble(format!("{status}, broken off: {e}")))?;
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    // Its own trouble, too many calls, the same call under way, or our key: nothing was decided.
    if status >= 500 || matches!(status, 401 | 403 | 409 | 429) {
        return Err(Trouble(format!("{status}: {}", message(&json["error"]))));
    }
    Ok(Reply { status, json })
}

impl Reply {
    fn good(self) -> Result<Value, Trouble> {
        match self.status {
            200 => Ok(self.json),
            status => Err(Trouble(format!(
                "{status}: {}",
                message(&self.json["error"])
            ))),
        }
    }
}

fn text<'a>(json: &'a Value, name: &str) -> Result<&'a str, Trouble> {
    json[name]
        .as_str()
        .ok_or_else(|| Trouble(format!("the answer has no {name}")))
}

/// The sentence of an error, as Stripe writes it for the person with the card.
pub(super) fn message(error: &Value) -> String {
    let said = error["message"].as_str().unwrap_or("");
    let plain: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
    match plain.trim() {
        "" => "The card was declined.".to_owned(),
        said => said.to_owned(),
    }
}

/// A name of Stripe's as part of a path.
fn plain(name: &str) -> Result<&str, Trouble> {
    let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    good.then_some(name)
        .ok_or_else(|| Trouble("an odd name of a thing".into()))
}

/// "visa" as people write it.
fn brand(slug: &str) -> String {
    match slug {
        "amex" => "American Express".into(),
        "unionpay" => "UnionPay".into(),
        "jcb" => "JCB".into(),
        _ => {
            let mut letters = slug.chars();
            letters.next().map_or_else(String::new, |first| {
                first.to_uppercase().chain(letters).collect()
            })
        }
    }
}

fn card(method: &Value) -> Result<ProviderCard, Trouble> {
    let card = &method["card"];
    let number = |name: &str| {
        card[name]
            .as_i64()
            .and_then(|n| i32::try_from(n).ok())
            .ok_or_else(|| Trouble(format!("the card has no {name}")))
    };
    Ok(ProviderCard {
        token: text(method, "id")?.to_owned(),
        brand: brand(text(card, "brand")?),
        last4: text(card, "last4")?.to_owned(),
        exp_year: number("exp_year")?,
        exp_month: number("exp_month")?,
    })
}

/// What a PaymentIntent says.
fn charged(intent: &Value) -> Result<Charged, Trouble> {
    let reference = text(intent, "id")?.to_owned();
    Ok(match text(intent, "status")? {
        "succeeded" => Charged::Paid { reference },
        "processing" => Charged::Waiting { reference },
        "requires_action" => match intent["next_action"]["redirect_to_url"]["url"].as_str() {
            Some(url) => Charged::Confirm {
                reference,
                url: url.to_owned(),
            },
            None => Charged::Declined {
                reference: Some(reference),
                reason: "The bank asks for a confirmation that is not possible here.".into(),
            },
        },
        _ => Charged::Declined {
            reason: message(&intent["last_payment_error"]),
            reference: Some(reference),
        },
    })
}

fn progress(intent: &Value) -> Result<Progress, Trouble> {
    Ok(match text(intent, "status")? {
        "succeeded" => Progress::Paid,
        "processing" | "requires_action" | "requires_confirmation" => Progress::Waiting,
        "canceled" => Progress::Declined("The payment was not confirmed in time.".into()),
        _ => Progress::Declined(message(&intent["last_payment_error"])),
    })
}

impl Provider for Stripe {
    fn name(&self) -> &'static str {
        NAME
    }

    fn page_origin(&self) -> Option<&str> {
        Some(&self.settings.checkout_origin)
    }

    fn start_setup(&self, _: &App, ask: &SetupAsk) -> Result<SetupStarted, Trouble> {
        // A visit that nobody heard of is asked for anew: these keys need not be the same another time.
        let key = format!("insight-{}", random_name());
        let account = ask.account.to_string();
        let customer = match ask.customer {
            "" => {
                let form = [
                    ("name", ask.name),
                    ("email", ask.email),
                    ("metadata[account]", &account),
                ];
                let made = self.post("customers", &format!("{key}-customer"), &form)?;
                text(&made.good()?, "id")?.to_owned()
            }
            known => known.to_owned(),
        };
        let setup = ask.setup.to_string();
        let currency = ask.currency.to_lowercase();
        let form = [
            ("mode", "setup"),
            ("customer", customer.as_str()),
            ("currency", currency.as_str()),
            ("payment_method_types[0]", "card"),
            ("success_url", ask.back),
            ("cancel_url", ask.back),
            ("client_reference_id", setup.as_str()),
        ];
        let session = self.post("checkout/sessions", &key, &form)?.good()?;
        Ok(SetupStarted {
            session: plain(text(&session, "id")?)?.to_owned(),
            url: text(&session, "url")?.to_owned(),
            customer,
        })
    }

    fn setup(&self, _: &App, session: &str) -> Result<SetupState, Trouble> {
        let path = format!(
            "checkout/sessions/{}?expand[]=setup_intent.payment_method",
            plain(session)?
        );
        let session = self.get(&path)?.good()?;
        Ok(match text(&session, "status")? {
            "open" => SetupState::Waiting,
            "complete" => {
                let intent = &session["setup_intent"];
                match text(intent, "status")? {
                    "succeeded" => SetupState::Done(card(&intent["payment_method"])?),
                    _ => SetupState::Waiting,
                }
            }
            _ => SetupState::Over,
        })
    }

    fn charge(&self, _: &App, charge: &Charge) -> Result<Charged, Trouble> {
        let amount = charge.amount.to_string();
        let currency = charge.currency.to_lowercase();
        let mut form = vec![
            ("amount", amount.as_str()),
            ("currency", currency.as_str()),
            ("customer", charge.customer),
            ("payment_method", charge.token),
            ("payment_method_types[0]", "card"),
            ("confirm", "true"),
            ("metadata[key]", charge.key),
        ];
        form.push(match charge.present {
            true => ("return_url", charge.back),
            false => ("off_session", "true"),
        });
        let reply = self.post("payment_intents", charge.key, &form)?;
        let error = &reply.json["error"];
        match reply.status {
            200 => charged(&reply.json),
            402 => Ok(Charged::Declined {
                reference: error["payment_intent"]["id"].as_str().map(str::to_owned),
                reason: match error["code"].as_str() {
                    Some("authentication_required") => {
                        "The bank wants the payment confirmed. Press Pay now to do so.".into()
                    }
                    _ => message(error),
                },
            }),
            // The card is gone there, or the call is wrong: another time would be no better.
            status => {
                tracing::error!(status, message = message(error), "Stripe refused a payment");
                Ok(Charged::Declined {
                    reference: None,
                    reason: "The payment provider refused the card. Give it again.".into(),
                })
            }
        }
    }

    fn progress(&self, _: &App, reference: &str) -> Result<Progress, Trouble> {
        let path = format!("payment_intents/{}", plain(reference)?);
        progress(&self.get(&path)?.good()?)
    }

    fn cancel(&self, app: &App, reference: &str) -> Result<Progress, Trouble> {
        let path = format!("payment_intents/{}/cancel", plain(reference)?);
        let reply = self.post(&path, &format!("cancel-{reference}"), &[])?;
        match reply.status {
            200 => progress(&reply.json),
            // It has come to an end meanwhile.
            _ => self.progress(app, reference),
        }
    }
}
