//! Guessing gets slow, and nobody can use that to shut somebody else out.

use std::time::Duration;

use insight::App;
use insight::credentials::email::Email;
use insight::credentials::throttle::{self, Bucket};

use crate::app::people::{PASSWORD, Person};
use crate::app::{Setup, TestApp};
use crate::on_both;
use crate::sign_in::bob;

on_both!(
    guessing_one_address_gets_slow_after_five_attempts,
    waiting_out_a_block_does_not_make_it_longer,
    failures_are_forgotten_after_a_day,
    a_success_forgets_only_its_own_failures,
    guessing_from_many_networks_gets_slow_too,
    guessing_many_addresses_from_one_network_gets_slow,
    parallel_guesses_do_not_slip_past,
    the_owner_on_a_known_device_is_not_locked_out,
    a_stolen_device_cookie_does_not_help_with_other_addresses,
    a_hundred_wrong_passwords_shut_the_password_until_a_mailed_link,
    a_hundred_wrong_codes_shut_the_factor_until_it_is_reset,
    ten_wrong_codes_slow_down_whatever_the_session,
    the_password_asked_for_inside_counts_at_the_same_counter,
    counters_outlive_the_process,
);

const SECOND: Duration = Duration::from_secs(1);
const QUARTER: Duration = Duration::from_secs(15 * 60);

impl Person {
    /// One attempt to sign in; gives the status.
    async fn guess(&self, email: &str, password: &str) -> u16 {
        let fields = [("email", email), ("password", password)];
        self.post("/sign-in", &fields).await.status
    }

    /// Somebody with a browser of their own in another network.
    fn from(self, address: &str) -> Person {
        self.always_send("X-Forwarded-For", address);
        self
    }
}

/// An Insight behind a proxy, so that visitors have addresses.
fn behind_proxy(setup: Setup) -> TestApp {
    setup.with("INSIGHT_TRUSTED_PROXIES", "127.0.0.1").start()
}

async fn guessing_one_address_gets_slow_after_five_attempts(app: TestApp) {
    let bob = bob(&app).await;
    let eve = app.visitor();
    for _ in 0..5 {
        assert_eq!(eve.guess(bob.email(), "wrong").await, 422);
    }
    // From the same network not even the right password is looked at.
    let fields = [("email", bob.email()), ("password", PASSWORD)];
    let blocked = eve.post("/sign-in", &fields).await;
    blocked.expect_status(429);
    blocked.expect("Too many attempts");
    assert!(eve.cookie("sid").is_none());
    // The wait doubles: one second, two, four, up to a quarter of an hour.
    for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900] {
        app.forward(Duration::from_secs(seconds) - Duration::from_millis(1));
        assert_eq!(eve.guess(bob.email(), "wrong").await, 429, "{seconds}");
        app.forward(Duration::from_millis(1));
        assert_eq!(eve.guess(bob.email(), "wrong").await, 422, "{seconds}");
    }
    // Somebody else is not concerned.
    assert_eq!(eve.guess("nobody@halden.example", "wrong").await, 422);
}

async fn waiting_out_a_block_does_not_make_it_longer(app: TestApp) {
    let bob = bob(&app).await;
    for _ in 0..5 {
        bob.guess(bob.email(), "wrong").await;
    }
    for _ in 0..10 {
        assert_eq!(bob.guess(bob.email(), PASSWORD).await, 429);
    }
    app.forward(SECOND);
    assert_eq!(bob.guess(bob.email(), PASSWORD).await, 303);
}

async fn failures_are_forgotten_after_a_day(app: TestApp) {
    let bob = bob(&app).await;
    for _ in 0..5 {
        bob.guess(bob.email(), "wrong").await;
    }
    app.forward(SECOND * 24 * 3600 + SECOND);
    for _ in 0..5 {
        assert_eq!(bob.guess(bob.email(), "wrong").await, 422);
    }
    assert_eq!(bob.guess(bob.email(), "wrong").await, 429);
}

async fn a_success_forgets_only_its_own_failures(app: TestApp) {
    let bob = bob(&app).await;
    let eve = app.halden().await.member("eve", &[]).other_browser();
    for _ in 0..4 {
        assert_eq!(eve.guess(eve.email(), "wrong").await, 422);
        assert_eq!(bob.guess(bob.email(), "wrong").await, 422);
    }
    bob.password_is_right().await;
    // The password alone proves nothing yet: whoever knows it may not go on guessing for free.
    assert_eq!(bob.other_browser().guess(bob.email(), "wrong").await, 429);
    app.forward(SECOND);
    bob.type_code(&bob.code()).await.expect_redirect("/");
    let again = bob.other_browser();
    for _ in 0..5 {
        assert_eq!(again.guess(bob.email(), "wrong").await, 422);
    }
    assert_eq!(again.guess(bob.email(), "wrong").await, 429);
    // Eve's own count went on from four.
    assert_eq!(eve.guess(eve.email(), "wrong").await, 422);
    assert_eq!(eve.guess(eve.email(), "wrong").await, 429);
}

async fn guessing_from_many_networks_gets_slow_too(setup: Setup) {
    let app = behind_proxy(setup);
    let bob = bob(&app).await;
    for n in 0..20 {
        let eve = app.visitor().from(&format!("198.51.{n}.7"));
        assert_eq!(eve.guess(bob.email(), "wrong").await, 422, "{n}");
    }
    let eve = app.visitor().from("203.0.113.7");
    assert_eq!(eve.guess(bob.email(), PASSWORD).await, 429);
    // Addresses of one IPv6 network are one visitor.
    for n in 0..5 {
        let eve = app.visitor().from(&format!("2001:db8:1:2:{n}::1"));
        assert_eq!(eve.guess("x@halden.example", "wrong").await, 422, "{n}");
    }
    let eve = app.visitor().from("2001:db8:1:2:ffff::1");
    assert_eq!(eve.guess("x@halden.example", "wrong").await, 429);
    let eve = app.visitor().from("2001:db8:1:3::1");
    assert_eq!(eve.guess("x@halden.example", "wrong").await, 422);
}

async fn guessing_many_addresses_from_one_network_gets_slow(setup: Setup) {
    let app = behind_proxy(setup);
    let eve = app.visitor().from("203.0.113.7");
    for n in 0..50 {
        let email = format!("person{n}@halden.example");
        assert_eq!(eve.guess(&email, "wrong").await, 422, "{n}");
    }
    assert_eq!(eve.guess("one.more@halden.example", "wrong").await, 429);
    let other = app.visitor().from("198.51.100.7");
    assert_eq!(other.guess("one.more@halden.example", "wrong").await, 422);
}

async fn parallel_guesses_do_not_slip_past(app: TestApp) {
    let bob = bob(&app).await;
    let browsers: Vec<Person> = (0..12).map(|_| app.visitor()).collect();
    let guesses = browsers.iter().map(|b| b.guess(bob.email(), "wrong"));
    let answers = futures_util::future::join_all(guesses).await;
    let looked_at = answers.iter().filter(|status| **status == 422).count();
    assert_eq!(looked_at, 5, "{answers:?}");
    assert!(
        answers.iter().all(|s| matches!(s, 422 | 429)),
        "{answers:?}"
    );
}

async fn the_owner_on_a_known_device_is_not_locked_out(setup: Setup) {
    let app = behind_proxy(setup);
    let bob = bob(&app).await.from("192.0.2.1");
    bob.sign_in().await.expect_status(200);
    bob.sign_out().await;
    // An outsider does what they can, also from Bob's own network.
    for n in 0..30 {
        let eve = app.visitor().from(&format!("198.51.{n}.7"));
        eve.guess(bob.email(), "wrong").await;
        let eve = app.visitor().from("192.0.2.1");
        eve.guess(bob.email(), "wrong").await;
    }
    let elsewhere = bob.other_browser().from("203.0.113.7");
    assert_eq!(elsewhere.guess(bob.email(), PASSWORD).await, 429);
    bob.sign_in().await.expect_status(200);
    bob.sign_out().await;
    // The device has a counter of its own.
    for _ in 0..10 {
        assert_eq!(bob.guess(bob.email(), "wrong").await, 422);
    }
    assert_eq!(bob.guess(bob.email(), PASSWORD).await, 429);
    app.forward(SECOND);
    bob.sign_in().await.expect_status(200);
}

async fn a_stolen_device_cookie_does_not_help_with_other_addresses(app: TestApp) {
    let bob = bob(&app).await;
    bob.sign_in().await.expect_status(200);
    let eve = app.visitor();
    eve.set_cookie("device", bob.cookie("device").as_deref());
    for _ in 0..5 {
        assert_eq!(eve.guess("ada@halden.example", "wrong").await, 422);
    }
    assert_eq!(eve.guess("ada@halden.example", "wrong").await, 429);
}

/// Wrong passwords for an address from as many networks, each as late as the throttling asks.
fn wrong_passwords(app: &App, clock: &TestApp, email: &str, times: u32) {
    let email = Email::parse(email).expect("an address");
    for n in 0..times {
        let from = std::net::IpAddr::from([198, 51, u8::try_from(n).unwrap_or(255), 7]);
        let buckets = Bucket::password(&app.keys, &email, from, None);
        let counted = app.system_write(|tx| throttle::attempt(tx, &buckets));
        counted.expect("is counted");
        clock.forward(QUARTER);
    }
}

async fn a_hundred_wrong_passwords_shut_the_password_until_a_mailed_link(app: TestApp) {
    let known = bob(&app).await;
    known.sign_in().await.expect_status(200);
    known.sign_out().await;
    wrong_passwords(&app, &app, known.email(), 99);
    let bob = known.other_browser();
    assert_eq!(bob.guess(bob.email(), "wrong").await, 422);
    app.forward(QUARTER * 4 * 24 * 30);
    assert_eq!(bob.guess(bob.email(), PASSWORD).await, 429, "a month later");
    // Not on the device that has signed in before.
    assert_eq!(known.guess(known.email(), PASSWORD).await, 303);

    let page = bob.open("/forgot-password").await;
    let page = page.fill("E-mail", bob.email());
    page.press("Send the link").await.expect_status(200);
    let link = app.last_mail_to(&bob).link("/new-password/");
    let page = bob.open(&link).await;
    let fresh = "seven brave teapots";
    let page = page.fill("New password", fresh);
    let page = page.fill("Repeat new password", fresh);
    page.press("Change password").await.expect_status(200);
    bob.sign_in_with(fresh).await.expect_status(200);
}

async fn a_hundred_wrong_codes_shut_the_factor_until_it_is_reset(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = bob(&app).await;
    let codes = crate::sign_in::recovery_codes(&bob).await;
    bob.sign_out().await;
    // Ninety-five of them have been typed over the weeks.
    app.sql("UPDATE users SET totp_failures = 95 WHERE email = 'bob@halden.example'")
        .expect("runs");
    bob.password_is_right().await;
    for _ in 0..4 {
        bob.type_code("000000").await.expect_status(422);
    }
    bob.type_code("000000").await.expect_redirect("/sign-in");
    bob.password_is_right().await;
    bob.type_code(&bob.code()).await.expect_status(422);
    bob.type_code(&codes[0]).await.expect_status(422);
    assert!(!bob.is_signed_in().await);

    ada.start_session(crate::app::people::Level::Full);
    let path = format!("/shared/insight-users/members/{}/reset-2fa", bob.member());
    let reset = ada.open(&path).await.press("Reset 2FA").await;
    reset.expect_status(200);
    let link = app.last_mail_to(&bob).link("/set-up-access/");
    let page = bob.open(&link).await.fill("Password", PASSWORD);
    let page = page.press("Continue").await;
    bob.scan(&page);
    let page = page.fill("Six-digit code", bob.code());
    page.press("Confirm").await.expect_status(200);
    bob.sign_out().await;
    bob.sign_in().await.expect_status(200);
}

async fn ten_wrong_codes_slow_down_whatever_the_session(app: TestApp) {
    let bob = bob(&app).await;
    for _ in 0..2 {
        bob.password_is_right().await;
        for _ in 0..5 {
            bob.type_code("000000").await;
        }
    }
    bob.password_is_right().await;
    bob.type_code(&bob.code_at(app.clock.now().unix()))
        .await
        .expect_status(429);
    app.forward(SECOND);
    bob.type_code(&bob.code()).await.expect_redirect("/");
}

async fn the_password_asked_for_inside_counts_at_the_same_counter(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    for n in 0..5 {
        let wrong = [
            ("current", "wrong"),
            ("password", "seven brave teapots"),
            ("repeat", "seven brave teapots"),
        ];
        let path = ["/security/password", "/security/recovery-codes"][n % 2];
        bob.post(path, &wrong).await.expect_status(422);
    }
    let outside = bob.other_browser();
    assert_eq!(outside.guess(bob.email(), PASSWORD).await, 429);
    let inside = bob.post("/security/recovery-codes", &[("current", PASSWORD)]);
    inside.await.expect_status(429);
    app.forward(SECOND);
    let inside = bob.post("/security/recovery-codes", &[("current", PASSWORD)]);
    inside.await.expect_redirect("/recovery-codes");
}

async fn counters_outlive_the_process(mut app: TestApp) {
    let bob = bob(&app).await;
    for _ in 0..5 {
        assert_eq!(bob.guess(bob.email(), "wrong").await, 422);
    }
    let again = app.serve_again();
    app.stop().await;
    bob.use_server(again);
    assert_eq!(bob.guess(bob.email(), PASSWORD).await, 429);
    app.forward(SECOND);
    assert_eq!(bob.guess(bob.email(), PASSWORD).await, 303);
}
