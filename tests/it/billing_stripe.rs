//! Stripe as the payment provider, played by a server of the tests: what was not run against the real one is said in the
//! README.

use insight::billing::INVOICES;
use serde_json::{Value, json};

use crate::app::billing::DAY;
use crate::app::page::Page;
use crate::app::people::Person;
use crate::app::steps::everything;
use crate::app::stripe::{Fault, KEY, SECRET, Stripe, sign};
use crate::app::{Setup, TestApp};
use crate::on_both;

on_both!(
    a_card_and_a_payment_go_over_stripe,
    only_signed_and_recent_events_are_taken_in,
    events_count_once_and_in_any_order,
    an_event_that_has_come_counts_no_more_whatever_it_says,
    an_answer_that_is_lost_is_asked_for_again_not_paid_again,
    a_declined_card_and_one_that_asks,
    with_the_sandbox_there_are_no_events,
    a_visit_that_nobody_reported_is_looked_after,
    settings_are_complete_or_stop_the_start,
);

/// Begins a visit; gives its session.
async fn visit(ada: &Person, stripe: &Stripe) -> String {
    let page = ada.open("/billing/invoices/card").await;
    let policy = page.header("content-security-policy").to_owned();
    let form_action = format!("form-action 'self' {};", stripe.origin());
    assert!(policy.contains(&form_action), "{policy}");
    let answer = page.press_once("Continue to the payment provider").await;
    answer.expect_status(303);
    let session = stripe.ids("cs_").pop().expect("a session");
    let url = format!("{}/c/pay/{session}", stripe.origin());
    assert_eq!(answer.header("location"), url);
    session
}

/// An event as Stripe would send it.
async fn send(app: &TestApp, event: &Value) -> Page {
    let body = event.to_string();
    let header = sign(SECRET, app.clock.now().unix(), &body);
    deliver(app, &body, &header).await
}

async fn deliver(app: &TestApp, body: &str, signature: &str) -> Page {
    let path = "/webhooks/stripe";
    let visitor = app.visitor();
    let request = visitor
        .request(reqwest::Method::POST, path)
        .header("Content-Type", "application/json; charset=utf-8")
        .header("Stripe-Signature", signature)
        .body(body.to_owned());
    visitor.send(request, path).await
}

fn event(id: &str, kind: &str, object: Value) -> Value {
    json!({ "id": id, "object": "event", "type": kind, "data": { "object": object } })
}

/// Gives the card on Stripe's page and lets its event arrive.
async fn give(app: &TestApp, stripe: &Stripe, ada: &Person, method: &str) {
    let session = visit(ada, stripe).await;
    stripe.complete(&session, method);
    let about = event(
        &format!("evt_{session}"),
        "checkout.session.completed",
        json!({ "id": session }),
    );
    send(app, &about).await.expect_status(200);
    app.bill();
}

async fn a_card_and_a_payment_go_over_stripe(setup: Setup) {
    let stripe = Stripe::start();
    let app = stripe.settings(setup).start();
    let ada = app.admin("ada").await;
    let session = visit(&ada, &stripe).await;
    // Back before it is done.
    let back = stripe.thing(&session)["back"]
        .as_str()
        .expect("a way back")
        .to_owned();
    let back = back
        .strip_prefix(&app.base())
        .expect("leads here")
        .to_owned();
    ada.open(&back)
        .await
        .expect("The payment provider is asked for the card.");
    app.bill();
    ada.open(INVOICES).await.expect("There is no card on file.");
    // Done; the person's coming back is enough, an event may come later.
    stripe.complete(&session, "pm_pays");
    ada.open(&back).await;
    app.bill();
    let page = ada.open(&back).await;
    assert_eq!(page.flash(), "Visa ending in 4242 is the card on file.");
    ada.order("Business", "20").await;
    app.bill();
    assert_eq!(app.invoices(ada.account()), ["1 invoice paid 36000"]);
    let intents = stripe.ids("pi_");
    assert_eq!(intents.len(), 1);
    let intent = stripe.thing(&intents[0]);
    assert_eq!(
        (intent["amount"].as_i64(), intent["currency"].as_str()),
        (Some(36_000), Some("eur"))
    );
    assert_eq!(intent["customer"], stripe.ids("cus_")[0].as_str());
    // One customer, also for the next card.
    give(&app, &stripe, &ada, "pm_other").await;
    assert_eq!(stripe.ids("cus_").len(), 1);
    let rows = everything(&app).join("\n");
    assert!(
        !rows.contains(KEY) && !rows.contains(SECRET),
        "secrets are in no table"
    );
}

async fn only_signed_and_recent_events_are_taken_in(setup: Setup) {
    let stripe = Stripe::start();
    let app = stripe.settings(setup).start();
    app.admin("ada").await;
    let before = everything(&app);
    let body = event("evt_1", "payment_intent.succeeded", json!({ "id": "pi_1" })).to_string();
    let now = app.clock.now().unix();
    for (signature, why) in [
        (String::new(), "none"),
        ("v1=00".into(), "no time"),
        (format!("t={now}"), "no signature"),
        (format!("t={now},v1=zz"), "no hex"),
        (sign("whsec_other", now, &body), "another secret"),
        (sign(SECRET, now, "{}"), "another body"),
        (sign(SECRET, now - 301, &body), "old"),
        (sign(SECRET, now + 301, &body), "from the future"),
        (
            sign(SECRET, now, &body).replace(&format!("t={now}"), &format!("t={}", now - 1)),
            "another time",
        ),
    ] {
        let page = deliver(&app, &body, &signature).await;
        assert_eq!(page.status, 400, "{why}");
    }
    for odd in ["", "{", "[]", "{\"id\":1}", "\u{0}"] {
        let page = deliver(&app, odd, &sign(SECRET, now, odd)).await;
        assert_eq!(page.status, 400, "{odd}");
    }
    assert_eq!(everything(&app), before);
    let large = "x".repeat(600 * 1024);
    assert_eq!(
        deliver(&app, &large, &sign(SECRET, now, &large))
            .await
            .status,
        413
    );
    // Good ones: the newest of several signatures, and one that is 299 seconds old.
    let good = format!("{},v1=00", sign(SECRET, now - 299, &body));
    deliver(&app, &body, &good).await.expect_status(200);
    // What we do not know is taken in and does nothing.
    for kind in ["customer.created", "payment_intent.dancing"] {
        let unknown = event(&format!("evt_{kind}"), kind, json!({ "id": "x" }));
        send(&app, &unknown).await.expect_status(200);
    }
    assert_eq!(app.number("SELECT count(*) FROM provider_events"), 3);
}

async fn events_count_once_and_in_any_order(setup: Setup) {
    let stripe = Stripe::start();
    let app = stripe.settings(setup).start();
    let ada = app.admin("ada").await;
    give(&app, &stripe, &ada, "pm_asks").await;
    ada.order("Team", "5").await;
    app.bill();
    let page = ada
        .open(INVOICES)
        .await
        .section("Invoices")
        .press("Pay now")
        .await;
    page.press("Pay now")
        .await
        .expect("Your bank wants this payment confirmed.");
    let id = stripe.ids("pi_").pop().expect("an intent");
    let thing = stripe.thing(&id);
    let won = event("evt_won", "payment_intent.succeeded", thing.clone());
    let mut lost = event("evt_lost", "payment_intent.payment_failed", thing.clone());
    lost["data"]["object"]["last_payment_error"] = json!({ "message": "Wrong code." });
    // The failure of an earlier try comes after the success, everything comes twice.
    for event in [&won, &lost, &won, &lost] {
        send(&app, event).await.expect_status(200);
    }
    assert_eq!(app.invoices(ada.account()), ["1 invoice paid 6000"]);
    assert_eq!(
        app.number("SELECT count(*) FROM provider_events WHERE id IN ('evt_won', 'evt_lost')"),
        2
    );
    let paid = "SELECT count(*) FROM audit_entries WHERE action = 'billing.paid'";
    assert_eq!(app.number(paid), 1);

    // The other way round: what was given up is paid after all.
    app.forward(DAY * 31);
    app.bill();
    let id = app.number("SELECT max(id) FROM invoices");
    let pay = format!("{INVOICES}/{id}/pay");
    ada.again().post(&pay, &[]).await.expect_status(303);
    let id = stripe.ids("pi_").pop().expect("an intent");
    let thing = stripe.thing(&id);
    let mut lost = event("evt_lost_2", "payment_intent.payment_failed", thing.clone());
    lost["data"]["object"]["last_payment_error"] = json!({ "message": "Wrong code." });
    send(&app, &lost).await.expect_status(200);
    ada.open(INVOICES).await.expect("Wrong code.");
    let won = event("evt_won_2", "payment_intent.succeeded", thing);
    send(&app, &won).await.expect_status(200);
    assert_eq!(
        app.invoices(ada.account()),
        ["1 invoice paid 6000", "2 invoice paid 6000"]
    );
    // Somebody else's payment in the same Stripe account is none of ours.
    let before = app.number("SELECT count(*) FROM audit_entries");
    let other = event(
        "evt_other",
        "payment_intent.succeeded",
        json!({ "id": "pi_777", "metadata": { "key": "shop-1" } }),
    );
    send(&app, &other).await.expect_status(200);
    assert_eq!(app.number("SELECT count(*) FROM audit_entries"), before);
}

async fn an_event_that_has_come_counts_no_more_whatever_it_says(setup: Setup) {
    let stripe = Stripe::start();
    let app = stripe.settings(setup).start();
    let ada = app.admin("ada").await;
    give(&app, &stripe, &ada, "pm_asks").await;
    ada.order("Team", "5").await;
    app.bill();
    let id = app.number("SELECT id FROM invoices");
    ada.post(&format!("{INVOICES}/{id}/pay"), &[])
        .await
        .expect_status(303);
    let thing = stripe.thing(&stripe.ids("pi_").pop().expect("an intent"));
    let first = event("evt_1", "payment_intent.created", thing.clone());
    send(&app, &first).await.expect_status(200);
    let before = everything(&app);
    let again = event("evt_1", "payment_intent.succeeded", thing.clone());
    send(&app, &again).await.expect_status(200);
    assert_eq!(everything(&app), before);
    let new = event("evt_2", "payment_intent.succeeded", thing);
    send(&app, &new).await.expect_status(200);
    assert_eq!(app.invoices(ada.account()), ["1 invoice paid 6000"]);
}

async fn an_answer_that_is_lost_is_asked_for_again_not_paid_again(setup: Setup) {
    let stripe = Stripe::start();
    let app = stripe.settings(setup).start();
    let ada = app.admin("ada").await;
    give(&app, &stripe, &ada, "pm_pays").await;
    for (n, fault) in [Fault::Before, Fault::After].into_iter().enumerate() {
        stripe.fail_next(fault);
        ada.order("Team", &(n + 2).to_string()).await;
        app.bill();
        let open = format!("{} invoice open", n + 1);
        assert!(
            app.invoices(ada.account())[n].starts_with(&open),
            "{fault:?}"
        );
        // Not before its pause; then with the same key.
        app.bill();
        let tries = |stripe: &Stripe| {
            let asked = stripe.asked();
            asked
                .iter()
                .filter(|a| a.contains("POST /v1/payment_intents"))
                .count()
        };
        let before = tries(&stripe);
        app.forward(std::time::Duration::from_secs(61));
        app.bill();
        assert_eq!(tries(&stripe), before + 1);
        assert!(app.invoices(ada.account())[n].contains("paid"), "{fault:?}");
        assert_eq!(stripe.ids("pi_").len(), n + 1, "{fault:?}: paid once");
    }
    // The event may come before we ask again.
    stripe.fail_next(Fault::After);
    ada.order("Team", "4").await;
    app.bill();
    let id = stripe.ids("pi_").pop().expect("an intent");
    let won = event("evt_early", "payment_intent.succeeded", stripe.thing(&id));
    send(&app, &won).await.expect_status(200);
    assert!(app.invoices(ada.account())[2].contains("paid"));
    app.forward(std::time::Duration::from_secs(121));
    app.bill();
    assert_eq!(stripe.ids("pi_").len(), 3);
    assert_eq!(app.number("SELECT count(*) FROM payments"), 3);
}

async fn a_declined_card_and_one_that_asks(setup: Setup) {
    let stripe = Stripe::start();
    let app = stripe.settings(setup).start();
    let ada = app.admin("ada").await;
    give(&app, &stripe, &ada, "pm_declined").await;
    ada.order("Team", "5").await;
    app.bill();
    ada.open(INVOICES).await.expect("Your card was declined.");
    give(&app, &stripe, &ada, "pm_asks").await;
    app.bill();
    let page = ada.open(INVOICES).await;
    page.expect("The bank wants the payment confirmed.");
    let page = page
        .section("Invoices")
        .press("Pay now")
        .await
        .press("Pay now")
        .await;
    let id = stripe.ids("pi_").pop().expect("an intent");
    let link = page.submission("Go on to the confirmation").action;
    assert_eq!(link, format!("{}/3ds/{id}", stripe.origin()));
    // The event is lost; the look after five minutes makes up for it.
    stripe.confirm(&id);
    app.forward(std::time::Duration::from_secs(301));
    app.bill();
    assert_eq!(app.invoices(ada.account()), ["1 invoice paid 6000"]);
}

async fn with_the_sandbox_there_are_no_events(app: TestApp) {
    app.admin("ada").await;
    let body = "{}";
    let header = sign(SECRET, app.clock.now().unix(), body);
    deliver(&app, body, &header).await.expect_status(404);
}

async fn a_visit_that_nobody_reported_is_looked_after(setup: Setup) {
    let stripe = Stripe::start();
    let app = stripe.settings(setup).start();
    let ada = app.admin("ada").await;
    let session = visit(&ada, &stripe).await;
    stripe.complete(&session, "pm_pays");
    app.forward(std::time::Duration::from_secs(601));
    app.bill();
    ada.open(INVOICES).await.expect("Visa ending in 4242");
    // The sandbox's pages are not there.
    let setup = app.number("SELECT max(id) FROM card_setups");
    ada.get(&format!("/billing/sandbox/cards/{setup}"))
        .await
        .expect_status(404);
}

async fn settings_are_complete_or_stop_the_start(app: TestApp) {
    drop(app);
    use insight::config::Config;
    let read = |pairs: &[(&str, &str)]| {
        let found = |name: &str| {
            let pair = pairs.iter().find(|(n, _)| *n == name);
            pair.map(|(_, v)| (*v).to_owned())
        };
        Config::read(&found).err().map(|e| e.to_string())
    };
    for (pairs, says) in [
        (
            &[("INSIGHT_PAYMENTS", "paypal")][..],
            "INSIGHT_PAYMENTS is not right",
        ),
        (
            &[("INSIGHT_PAYMENTS", "stripe")],
            "INSIGHT_STRIPE_KEY is missing",
        ),
        (
            &[("INSIGHT_PAYMENTS", "stripe"), ("INSIGHT_STRIPE_KEY", "k")],
            "INSIGHT_STRIPE_WEBHOOK_SECRET is missing",
        ),
        (
            &[
                ("INSIGHT_PAYMENTS", "stripe"),
                ("INSIGHT_STRIPE_KEY", "k"),
                ("INSIGHT_STRIPE_WEBHOOK_SECRET", "s"),
                ("INSIGHT_STRIPE_URL", "http://stripe.example"),
            ],
            "INSIGHT_STRIPE_URL is not right",
        ),
        (
            &[("INSIGHT_PLANS_FILE", "/no/such/file")],
            "INSIGHT_PLANS_FILE names a file",
        ),
    ] {
        let error = read(pairs).expect("is refused");
        assert!(error.starts_with(says), "{error}");
    }
}
