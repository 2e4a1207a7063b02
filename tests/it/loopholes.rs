//! Ways around a rule that were open once, each held shut by a story.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use insight::background;
use insight::db::Conn;
use insight::invitations::reminders;
use reqwest::Method;
use reqwest::header::HeaderValue;

use crate::app::page::Page;
use crate::app::people::{Level, PASSWORD, Person, Role};
use crate::app::steps::{
    INSIGHT_USERS, choose_password, invite, invited, member_action, prove_secret, register,
};
use crate::app::{Backend, OnBackend, Setup, TestApp, texts, wait};
use crate::on_both;

on_both!(
    nonsense_before_our_proxys_line_hides_no_address,
    page_marks_made_by_hand_break_nothing,
    a_bystander_is_in_nobodys_audit_log,
    guesses_of_a_colleague_hold_up_no_known_device,
    a_new_beginning_ends_the_links_of_the_time_before,
    what_a_session_keeps_is_of_no_use_to_another,
    links_are_deleted_when_they_have_expired,
    one_reminder_that_fails_stops_no_other,
);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn nonsense_before_our_proxys_line_hides_no_address(setup: Setup) {
    let app = setup.with("INSIGHT_TRUSTED_PROXIES", "127.0.0.1").start();
    let ada = app.admin("ada").await;
    let eve = app.visitor();
    eve.open("/sign-in").await.expect_status(200);
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("csrf", &eve.form_token())
        .append_pair("email", ada.email())
        .append_pair("password", "wrong")
        .finish();
    let line = HeaderValue::from_bytes(b"\xff\xfe, 203.0.113.9").expect("opaque bytes");
    let request = eve
        .request(Method::POST, "/sign-in")
        .header("Sec-Fetch-Site", "same-origin")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("X-Forwarded-For", line)
        .body(body);
    eve.send(request, "/sign-in").await.expect_status(422);
    let seen = "SELECT COUNT(*) FROM audit_entries WHERE address = '203.0.113.9'";
    assert_eq!(app.number(seen), 1);
}

async fn page_marks_made_by_hand_break_nothing(app: TestApp) {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let ada = app.admin("ada").await;
    invite(&ada, "vera@halden.example").await;
    let add = format!("{INSIGHT_USERS}/subscribers/new");
    ada.post(&add, &[("email", "s@halden.example")]).await;
    for at in [i64::MAX, i64::MIN, -1] {
        for back in [true, false] {
            for (name, key) in [
                ("page", format!("[{},1]", i64::MAX)),
                ("page", "[0,1]".to_owned()),
                ("invitations", format!("[{},1]", i64::MAX)),
                ("invitations", "[0,1]".to_owned()),
                ("subscribers", "\"\"".to_owned()),
                ("subscribers", "\"z\"".to_owned()),
            ] {
                let mark = format!("{{\"back\":{back},\"key\":{key},\"at\":{at}}}");
                let mark = URL_SAFE_NO_PAD.encode(mark);
                let page = ada.open(&format!("{INSIGHT_USERS}?{name}={mark}")).await;
                page.expect_status(200);
            }
        }
    }
}

async fn a_bystander_is_in_nobodys_audit_log(app: TestApp) {
    let ada = app.admin("ada").await;
    let olaf = app.company("Nordic Cargo").admin("olaf");
    // Signed in to his own company, he asks and guesses in the name of somebody of another.
    olaf.post("/forgot-password", &[("email", ada.email())])
        .await;
    olaf.post("/sign-in", &[("email", ada.email()), ("password", "wrong")])
        .await;
    let query = format!(
        "SELECT action || ' ' || actor_name || ' ' || COALESCE(actor_id, 0) AS line FROM audit_entries \
         WHERE account_id = {}",
        ada.account()
    );
    let entries = texts(&mut app.database().connect(), &query);
    assert!(
        entries.iter().filter(|e| e.contains("Insight 0")).count() >= 1,
        "{entries:?}"
    );
    let named = format!(" {}", olaf.user());
    assert!(
        entries
            .iter()
            .all(|e| !e.contains("Olaf") && !e.ends_with(&named)),
        "{entries:?}"
    );
}

async fn guesses_of_a_colleague_hold_up_no_known_device(setup: Setup) {
    let app = setup.with("INSIGHT_TRUSTED_PROXIES", "127.0.0.1").start();
    let bob = app.member("bob", &[]).await.other_browser();
    let eve = app.visitor();
    for browser in [&bob, &eve] {
        browser.always_send("X-Forwarded-For", "203.0.113.7");
    }
    bob.sign_in().await.expect_status(200);
    bob.post("/sign-out", &[]).await;
    for n in 0..51 {
        let email = format!("person{n}@halden.example");
        eve.post("/sign-in", &[("email", &email), ("password", "wrong")])
            .await;
    }
    let other = eve.give_password("one.more@halden.example", "wrong").await;
    other.expect_status(429);
    bob.sign_in().await.expect_status(200);
    bob.open("/security").await.expect_status(200);
}

async fn a_new_beginning_ends_the_links_of_the_time_before(app: TestApp) {
    let ada = app.admin("ada").await;
    let sam = app.member("sam", &[]).await;
    let lost = app.visitor();
    let asked = [("email", sam.email())];
    lost.post("/forgot-password", &asked).await;
    let old = app.last_mail_to(sam.email()).link("/new-password/");
    let page = member_action(&ada, sam.email(), "Remove").await;
    page.press("Remove Sam").await.expect_status(200);
    let link = invited(&app, &ada, sam.email()).await;
    register(&app.visitor(), &link, "Sam Reyes")
        .await
        .expect("Sam Reyes");
    lost.open(&old).await.expect_status(404);
}

async fn what_a_session_keeps_is_of_no_use_to_another(app: TestApp) {
    let ada = app.admin("ada").await;
    let link = invited(&app, &ada, "vera@halden.example").await;
    let vera = app.visitor();
    let page = choose_password(&vera, &link, "Vera").await;
    let codes = prove_secret(&vera, page).await.texts("#codes li");
    assert_eq!(codes.len(), 10);
    let moved = format!(
        "UPDATE sessions SET revealed = (SELECT s.revealed FROM sessions s WHERE s.revealed IS NOT NULL) \
         WHERE user_id = {}",
        ada.user()
    );
    assert_eq!(app.sql(&moved), Ok(1));
    let page = ada.open("/recovery-codes").await;
    assert!(codes.iter().all(|code| !page.source().contains(code)));
    let kept = vera.open("/recovery-codes").await;
    assert_eq!(kept.texts("#codes li"), codes);
}

async fn links_are_deleted_when_they_have_expired(app: TestApp) {
    let ada = app.admin("ada").await;
    let link = invited(&app, &ada, "vera@halden.example").await;
    choose_password(&app.visitor(), &link, "Vera").await;
    let links = || app.number("SELECT COUNT(*) FROM links");
    app.forward(7 * DAY);
    background::keep_house(&app).expect("keeps house");
    assert_eq!(links(), 1, "it expires at this very instant");
    app.forward(Duration::from_micros(1));
    background::keep_house(&app).expect("keeps house");
    assert_eq!(links(), 0, "and what was typed behind it goes with it");
}

async fn one_reminder_that_fails_stops_no_other(app: TestApp) {
    let ada = app.admin("ada").await;
    for address in ["a@x.example", "b@x.example", "c@x.example"] {
        invite(&ada, address).await;
    }
    let broken = "UPDATE invitations SET email = 'no address' WHERE email = 'a@x.example'";
    assert_eq!(app.sql(broken), Ok(1));
    app.forward(3 * DAY);
    assert_eq!(reminders::remind_due(&app).expect("reminds"), 2);
}

#[actix_web::test]
async fn mail_files_are_for_their_owner_alone() {
    let app = <Setup as OnBackend>::on(Backend::Sqlite)
        .with_worker()
        .start();
    let ada = app.admin("ada").await;
    invite(&ada, "vera@halden.example").await;
    let folder = app.config.data_dir.join("mail");
    let found = wait::until(async || std::fs::read_dir(&folder).ok()?.next()).await;
    assert!(found.is_some(), "no mail was written");
    let about = std::fs::metadata(&folder).expect("is there");
    assert_eq!(about.permissions().mode() & 0o777, 0o700);
}

/// Holds the account's row as a change that is under way does, lets somebody ask for something meanwhile, and carries
/// the change out while they wait.
async fn while_waiting(
    app: &TestApp,
    account: impl std::fmt::Display,
    change: &str,
    asked: impl Future<Output = Page>,
) -> Page {
    let mut other = app.database().connect();
    let begun = format!("BEGIN; SELECT id FROM accounts WHERE id = {account} FOR UPDATE;");
    other.batch_execute(&begun).expect("locks");
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
         AND datname = current_database()";
    let turn = async {
        let queued = wait::until(async || (app.number(waiting) > 0).then_some(())).await;
        queued.expect("the request waits for the account");
        other.batch_execute(change).expect("changes");
        let Conn::Pg(c) = &mut other else {
            unreachable!("only Postgres has row locks")
        };
        diesel::sql_query("COMMIT").execute(c).expect("commits");
    };
    futures_util::future::join(asked, turn).await.0
}

#[actix_web::test]
async fn a_right_that_is_taken_away_during_the_wait_is_gone() {
    let app = TestApp::on(Backend::Postgres);
    let ada = app.admin("ada").await;
    let eve = app.admin("eve").await;
    let bob = app.member("bob", &[Role::Viewer]).await;
    let remove = format!("{INSIGHT_USERS}/members/{}/remove", bob.member());
    let demote = format!(
        "UPDATE members SET admin = false WHERE id = {}",
        eve.member()
    );
    let answer = while_waiting(&app, ada.account(), &demote, eve.post(&remove, &[])).await;
    answer.expect_status(403);
    let there = "SELECT COUNT(*) FROM members WHERE removed_at IS NULL";
    assert_eq!(app.number(there), 3);
}

#[actix_web::test]
async fn a_sign_in_that_is_ended_during_the_wait_comes_to_nothing() {
    let app = TestApp::on(Backend::Postgres);
    let bob: Person = app.member("bob", &[]).await;
    bob.start_session(Level::Half);
    let code = bob.code();
    let end = format!("DELETE FROM sessions WHERE user_id = {}", bob.user());
    let fields = [("code", code.as_str())];
    let asked = bob.post("/sign-in/code", &fields);
    let answer = while_waiting(&app, bob.account(), &end, asked).await;
    answer.expect_redirect("/sign-in");
    let sessions = format!(
        "SELECT COUNT(*) FROM sessions WHERE user_id = {}",
        bob.user()
    );
    assert_eq!(app.number(&sessions), 0);
    bob.give_password(bob.email(), PASSWORD)
        .await
        .expect_status(200);
}
