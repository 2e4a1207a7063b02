//! A Stripe to test against, written from the public documentation of its API: customers, Checkout in set-up mode,
//! PaymentIntents, idempotency keys, signed events.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::{HttpRequest, HttpResponse, HttpServer, web};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::Setup;

pub const KEY: &str = "sk_test_of_the_stories";
pub const SECRET: &str = "whsec_of_the_stories";

/// What goes wrong with the next payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not taken in.
    Before,
    /// It is carried out, and the answer is lost.
    After,
}

#[derive(Default)]
struct State {
    things: HashMap<String, Value>,
    /// Answers by key, with what was asked.
    answers: HashMap<String, (String, u16, Value)>,
    fault: Option<Fault>,
    asked: Vec<String>,
    count: u32,
}

/// A running server. It stops with its value.
pub struct Stripe {
    state: Arc<Mutex<State>>,
    base: String,
    handle: ServerHandle,
}

impl Stripe {
    pub fn start() -> Stripe {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State::default()));
        let (send, receive) = std::sync::mpsc::channel();
        let (shared, origin) = (state.clone(), base.clone());
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    let (shared, origin) = (shared.clone(), origin.clone());
                    actix_web::App::new().default_service(web::to(
                        move |req: HttpRequest, body: web::Bytes| {
                            let (shared, origin) = (shared.clone(), origin.clone());
                            async move { answer(&shared, &origin, &req, &body) }
                        },
                    ))
                })
                .workers(1)
                .disable_signals()
                .listen(listener)
                .expect("listens")
                .run();
                send.send(server.handle()).expect("the test waits");
                server.await
            })
        });
        Stripe {
            state,
            base,
            handle: receive.recv().expect("starts"),
        }
    }

    /// Settings of an Insight that uses it.
    pub fn settings(&self, setup: Setup) -> Setup {
        setup
            .with("INSIGHT_PAYMENTS", "stripe")
            .with("INSIGHT_STRIPE_KEY", KEY)
            .with("INSIGHT_STRIPE_WEBHOOK_SECRET", SECRET)
            .with("INSIGHT_STRIPE_URL", self.base.clone())
            .with("INSIGHT_STRIPE_CHECKOUT_ORIGIN", self.base.clone())
    }

    pub fn origin(&self) -> &str {
        &self.base
    }

    pub fn fail_next(&self, fault: Fault) {
        self.state.lock().expect("whole").fault = Some(fault);
    }

    /// Somebody gives a card on the page of a session.
    pub fn complete(&self, session: &str, method: &str) {
        let mut state = self.state.lock().expect("whole");
        let thing = state.things.get_mut(session).expect("a session");
        thing["status"] = json!("complete");
        thing["setup_intent"] = json!({ "id": "seti_1", "status": "succeeded", "payment_method": {
            "id": method, "card": { "brand": "visa", "last4": "4242", "exp_month": 8, "exp_year": 2030 } } });
    }

    /// The person's bank says yes.
    pub fn confirm(&self, intent: &str) {
        let mut state = self.state.lock().expect("whole");
        state.things.get_mut(intent).expect("an intent")["status"] = json!("succeeded");
    }

    pub fn thing(&self, id: &str) -> Value {
        self.state.lock().expect("whole").things[id].clone()
    }

    /// Ids of one kind, in the order in which they were made.
    pub fn ids(&self, start: &str) -> Vec<String> {
        let state = self.state.lock().expect("whole");
        let mut ids: Vec<String> = state
            .things
            .keys()
            .filter(|id| id.starts_with(start))
            .cloned()
            .collect();
        ids.sort_by_key(|id| (id.len(), id.clone()));
        ids
    }

    /// Method and path of every call, and what was sent.
    pub fn asked(&self) -> Vec<String> {
        self.state.lock().expect("whole").asked.clone()
    }
}

impl Drop for Stripe {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

/// Header `Stripe-Signature` for a body.
pub fn sign(secret: &str, time: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(format!("{time}.{body}").as_bytes());
    let hex: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("t={time},v1={hex},v0=00")
}

fn answer(state: &Mutex<State>, origin: &str, req: &HttpRequest, body: &[u8]) -> HttpResponse {
    let header = |name: &str| {
        req.headers()
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("")
    };
    let say = |status: u16, json: &Value| {
        let status = actix_web::http::StatusCode::from_u16(status).expect("a status");
        HttpResponse::build(status).json(json)
    };
    if header("authorization") != format!("Bearer {KEY}") {
        return say(401, &json!({ "error": { "message": "Invalid API Key" } }));
    }
    assert!(
        !header("stripe-version").is_empty(),
        "the version is pinned"
    );
    let mut state = state.lock().expect("whole");
    let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
    let text = String::from_utf8_lossy(body).into_owned();
    state
        .asked
        .push(format!("{} {} {text}", req.method(), req.path()));
    let path = req.path().strip_prefix("/v1/").unwrap_or("");
    if req.method() == actix_web::http::Method::GET {
        let id = path.rsplit('/').next().unwrap_or("");
        return match state.things.get(id) {
            Some(thing) => say(200, thing),
            None => say(404, &json!({ "error": { "message": "No such thing" } })),
        };
    }
    let key = header("idempotency-key").to_owned();
    assert!(!key.is_empty(), "POST {path} has an idempotency key");
    if let Some((asked, status, json)) = state.answers.get(&key) {
        let same = *asked == format!("{path} {text}");
        return match same {
            true => say(*status, json),
            false => say(
                400,
                &json!({ "error": { "type": "idempotency_error", "message": "other parameters" } }),
            ),
        };
    }
    let fault = match path {
        "payment_intents" => state.fault.take(),
        _ => None,
    };
    if fault == Some(Fault::Before) {
        return say(503, &json!({ "error": { "message": "not now" } }));
    }
    state.count += 1;
    let n = state.count;
    let (status, json) = match path {
        "customers" => (
            200,
            json!({ "id": format!("cus_{n}"), "object": "customer" }),
        ),
        "checkout/sessions" => {
            assert_eq!(form["mode"], "setup");
            let id = format!("cs_test_{n}");
            let url = format!("{origin}/c/pay/{id}");
            (
                200,
                json!({ "id": id, "url": url, "status": "open", "customer": form["customer"], "back": form["success_url"] }),
            )
        }
        "payment_intents" => intent(&form, origin, n),
        path if path.ends_with("/cancel") => {
            let id = path.split('/').nth(1).unwrap_or("").to_owned();
            let mut thing = state.things[&id].clone();
            thing["status"] = json!("canceled");
            (200, thing)
        }
        other => panic!("nobody should ask for {other}"),
    };
    let thing = match json["error"]["payment_intent"].is_object() {
        true => json["error"]["payment_intent"].clone(),
        false => json.clone(),
    };
    if let Some(id) = thing["id"].as_str() {
        state.things.insert(id.to_owned(), thing.clone());
    }
    state
        .answers
        .insert(key, (format!("{path} {text}"), status, json.clone()));
    match fault {
        Some(_) => say(502, &json!({ "error": { "message": "lost" } })),
        None => say(status, &json),
    }
}

fn intent(form: &HashMap<String, String>, origin: &str, n: u32) -> (u16, Value) {
    let id = format!("pi_{n}");
    let amount: i64 = form["amount"].parse().expect("minor units");
    let made = |status: &str| {
        json!({ "id": id, "status": status, "amount": amount, "currency": form["currency"],
            "customer": form["customer"], "metadata": { "key": form["metadata[key]"] } })
    };
    assert_eq!(form["confirm"], "true");
    let refused = |code: &str, message: &str| {
        (
            402,
            json!({ "error": { "type": "card_error", "code": code, "message": message,
            "payment_intent": made("requires_payment_method") } }),
        )
    };
    match form["payment_method"].as_str() {
        "pm_declined" => refused("card_declined", "Your card was declined."),
        "pm_asks" if form.contains_key("off_session") => refused(
            "authentication_required",
            "Your card was declined. This transaction requires authentication.",
        ),
        "pm_asks" => {
            assert!(form["return_url"].contains("/billing/invoices/"));
            let mut intent = made("requires_action");
            let url = format!("{origin}/3ds/{id}");
            intent["next_action"] =
                json!({ "type": "redirect_to_url", "redirect_to_url": { "url": url } });
            (200, intent)
        }
        _ => (200, made("succeeded")),
    }
}
