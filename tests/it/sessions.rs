//! Sessions live on the server: how long, how many, where, and what ends them.

use std::time::Duration;

use diesel::prelude::*;
use insight::schema::sessions;

use crate::app::people::{PASSWORD, Person, Role};
use crate::app::{Setup, TestApp, raw};
use crate::on_both;
use crate::sign_in::bob;

on_both!(
    an_hour_without_activity_ends_a_session,
    a_session_lives_a_day_at_most,
    what_is_over_is_swept_away,
    ten_sessions_at_once_and_the_oldest_goes_first,
    the_sessions_page_tells_them_apart,
    one_session_can_be_ended,
    all_other_sessions_can_be_ended,
    nobody_elses_session_can_be_ended,
    signing_in_gives_a_new_session_id,
    a_fresh_code_gives_a_new_session_id,
    entering_another_account_gives_a_new_session_id,
    a_removed_member_is_out_at_the_next_request,
    a_changed_role_holds_at_the_next_request,
    only_the_hash_of_a_session_is_stored,
    cookies_say_how_they_may_be_used,
    behind_https_cookies_never_leave_it,
);

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

impl Person {
    /// Opens nothing any more with the present cookie.
    async fn is_out(&self) {
        let page = self.get("/sessions").await;
        page.expect_redirect("/sign-in");
    }

    /// A browser that holds a copy of this one's session cookie.
    fn copy_of_cookie(&self) -> Person {
        let thief = self.other_browser();
        thief.set_cookie("sid", self.cookie("sid").as_deref());
        thief
    }
}

/// The same person, signed in on one more device.
async fn on(person: &Person, user_agent: &str) -> Person {
    let browser = person.other_browser();
    let fields = [("email", person.email()), ("password", PASSWORD)];
    for (path, fields) in [
        ("/sign-in", fields.as_slice()),
        ("/sign-in/code", &[("code", person.code().as_str())]),
    ] {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        body.append_pair("csrf", &browser.form_token());
        let mut request = browser
            .request(reqwest::Method::POST, path)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body.finish())
            .build()
            .expect("a request");
        let name = user_agent.parse().expect("a header");
        request.headers_mut().insert("user-agent", name);
        let request = reqwest::RequestBuilder::from_parts(crate::app::people::client(), request);
        browser.send(request, path).await.expect_status(303);
    }
    browser
}

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1";
const LAPTOP: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";

async fn an_hour_without_activity_ends_a_session(app: TestApp) {
    let bob = bob(&app).await;
    bob.sign_in().await.expect_status(200);
    for _ in 0..3 {
        app.forward(HOUR - SECOND);
        bob.get("/sessions").await.expect_status(200);
    }
    app.forward(HOUR);
    bob.is_out().await;
    // It does not come back.
    app.forward(SECOND);
    bob.is_out().await;
}

async fn a_session_lives_a_day_at_most(app: TestApp) {
    let bob = bob(&app).await;
    bob.sign_in().await.expect_status(200);
    for hour in 1..24 {
        app.forward(HOUR - SECOND);
        // A fresh code is a new session id, not a new day.
        if hour == 20 {
            let code = bob.code();
            let fresh = bob.post("/step-up", &[("code", &code)]).await;
            fresh.expect_redirect("/");
        }
        bob.get("/sessions").await.expect_status(200);
    }
    app.forward(HOUR - SECOND);
    app.forward(SECOND * 25);
    bob.is_out().await;
}

async fn what_is_over_is_swept_away(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    app.forward(HOUR * 25);
    let ada = app.admin("ada").await;
    let swept = app.system_write(insight::credentials::sessions::sweep);
    assert_eq!(swept.expect("sweeps"), 1);
    ada.get("/sessions").await.expect_status(200);
    bob.is_out().await;
}

async fn ten_sessions_at_once_and_the_oldest_goes_first(app: TestApp) {
    let bob = bob(&app).await;
    let mut browsers = Vec::new();
    for _ in 0..10 {
        let browser = bob.other_browser();
        browser.sign_in().await.expect_status(200);
        browsers.push(browser);
    }
    for browser in &browsers {
        assert!(browser.is_signed_in().await);
    }
    // The one not seen for longest goes, which is the second once the first has been used again.
    app.forward(SECOND * 90);
    for browser in browsers.iter().enumerate().filter(|(n, _)| *n != 1) {
        assert!(browser.1.is_signed_in().await);
    }
    bob.sign_in().await.expect_status(200);
    let rows = bob.open("/sessions").await.texts("tbody tr");
    assert_eq!(rows.len(), 10);
    browsers.remove(1).is_out().await;
    for browser in &browsers {
        assert!(browser.is_signed_in().await);
    }
}

async fn the_sessions_page_tells_them_apart(app: TestApp) {
    let bob = bob(&app).await;
    on(&bob, PHONE).await;
    app.forward(Duration::from_secs(600));
    let laptop = on(&bob, LAPTOP).await;
    let page = laptop.open("/sessions").await;
    let rows = page.texts("tbody tr");
    assert_eq!(rows.len(), 2, "{rows:?}");
    // Last seen first.
    let this = page.row("Firefox on Linux");
    this.expect("This session").expect("Now");
    assert!(!this.offers("Sign out"));
    let phone = page.row("Safari on iPhone");
    phone.expect_not("This session").expect("127.0.0.1");
    let seen = phone.all("time[datetime]");
    let at = seen.first().and_then(|t| t.attr("datetime"));
    assert!(
        at.is_some_and(|at| at.starts_with("2026-03-03T09:4")),
        "{at:?}"
    );
}

async fn one_session_can_be_ended(app: TestApp) {
    let bob = bob(&app).await;
    let phone = on(&bob, PHONE).await;
    let laptop = on(&bob, LAPTOP).await;
    let page = laptop.open("/sessions").await;
    let after = page.row("Safari on iPhone").press("Sign out").await;
    assert_eq!(after.flash(), "The session Safari on iPhone was ended.");
    assert_eq!(after.texts("tbody tr").len(), 1);
    phone.is_out().await;
    // Ended twice, or never there: nothing.
    let again = page.row("Safari on iPhone").press("Sign out").await;
    again.expect_status(404);
    assert_eq!(
        app.number("SELECT COUNT(*) FROM audit_entries WHERE action = 'sessions.ended'"),
        1
    );
}

async fn all_other_sessions_can_be_ended(app: TestApp) {
    let bob = bob(&app).await;
    let phone = on(&bob, PHONE).await;
    let other = on(&bob, PHONE).await;
    let half = bob.other_browser();
    half.password_is_right().await;
    let laptop = on(&bob, LAPTOP).await;
    let page = laptop.open("/sessions").await;
    let after = page.press("Sign out all others").await;
    after.expect_status(200);
    assert!(!after.offers("Sign out all others"));
    for gone in [phone, other] {
        gone.is_out().await;
    }
    half.get("/sign-in/code").await.expect_redirect("/sign-in");
    assert!(laptop.is_signed_in().await);
}

async fn nobody_elses_session_can_be_ended(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let hers = app.number(&format!(
        "SELECT id FROM sessions WHERE user_id = {}",
        ada.user()
    ));
    let tried = bob.post(&format!("/sessions/{hers}/end"), &[]).await;
    tried.expect_status(404);
    bob.post("/sessions/end-others", &[])
        .await
        .expect_redirect("/sessions");
    assert!(ada.is_signed_in().await);
}

async fn signing_in_gives_a_new_session_id(app: TestApp) {
    let bob = bob(&app).await;
    bob.password_is_right().await;
    let half = bob.cookie("sid");
    let thief = bob.copy_of_cookie();
    bob.type_code(&bob.code()).await.expect_redirect("/");
    assert_ne!(bob.cookie("sid"), half);
    thief.is_out().await;
    thief.get("/sign-in/code").await.expect_redirect("/sign-in");

    // A cookie that was there before signing in is not taken over.
    let victim = bob.other_browser();
    victim.set_cookie("sid", half.as_deref());
    victim.sign_in().await.expect_status(200);
    assert_ne!(victim.cookie("sid"), half);
    // Giving the password again in the same browser ends what it began before.
    let again = bob.other_browser();
    again.password_is_right().await;
    let before = again.copy_of_cookie();
    again.password_is_right().await;
    before
        .get("/sign-in/code")
        .await
        .expect_redirect("/sign-in");
}

async fn a_fresh_code_gives_a_new_session_id(app: TestApp) {
    let bob = bob(&app).await;
    bob.sign_in().await.expect_status(200);
    let thief = bob.copy_of_cookie();
    assert!(thief.is_signed_in().await);
    let code = bob.code();
    let fresh = bob.post("/step-up", &[("code", &code)]).await;
    fresh.expect_redirect("/");
    thief.is_out().await;
    assert!(bob.is_signed_in().await);
    assert_eq!(app.number("SELECT COUNT(*) FROM sessions"), 1);
}

async fn entering_another_account_gives_a_new_session_id(app: TestApp) {
    let bob = app.member("bob", &[Role::Admin]).await;
    let other = app.company("Orbis Freight");
    other.add(&bob, &[Role::Viewer]);
    let thief = bob.copy_of_cookie();
    let page = bob.open("/accounts").await;
    let there = page.row("Orbis Freight").press("Switch").await;
    there.expect("Orbis Freight");
    thief.is_out().await;
    // The rights are those of the account one is in.
    bob.get("/shared/insight-users").await.expect_status(403);
    // No way into an account one does not belong to.
    let strange = app.company("Strangers").id.to_string();
    let tried = bob.post("/accounts/switch", &[("account", &strange)]).await;
    tried.expect_status(404);
}

async fn a_removed_member_is_out_at_the_next_request(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[Role::Admin]).await;
    let page = bob.open("/shared/insight-users/invite").await;
    let path = format!("/shared/insight-users/members/{}/remove", bob.member());
    let removed = ada.open(&path).await.press("Remove Bob").await;
    removed.expect_status(200);
    // Also with a form that was open before.
    let late = page.fill("E-mail addresses", "mole@halden.example");
    let late = late.press_once("Send").await;
    late.expect_redirect("/sign-in");
    bob.is_out().await;
    assert!(app.mail_to("mole@halden.example").is_empty());
}

async fn a_changed_role_holds_at_the_next_request(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[Role::Admin]).await;
    bob.get("/settings/audit-log").await.expect_status(200);
    let path = format!("/shared/insight-users/members/{}/roles", bob.member());
    let page = ada.open(&path).await.untick("Admin");
    page.press("Save").await.expect_status(200);
    bob.get("/settings/audit-log").await.expect_status(403);
    let page = ada.open(&path).await.tick("Admin");
    page.press("Save").await.expect_status(200);
    bob.get("/settings/audit-log").await.expect_status(200);
}

async fn only_the_hash_of_a_session_is_stored(app: TestApp) {
    let bob = bob(&app).await;
    bob.sign_in().await.expect_status(200);
    let cookie = bob.cookie("sid").expect("is signed in");
    let token = &percent_decoded(&cookie)[44..];
    let hashes: Vec<Vec<u8>> = app
        .system_read(|tx| {
            Ok(sessions::table
                .select(sessions::token_hash)
                .load(tx.conn())?)
        })
        .expect("reads");
    assert_eq!(hashes.len(), 1);
    assert_eq!(hashes[0].len(), 32);
    for row in crate::app::dump(&mut app.database().connect(), &[]) {
        assert!(!row.contains(token), "{row}");
    }
    // 256 random bits in base64.
    assert_eq!(token.strip_prefix("ses_").map(str::len), Some(43));
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .expect("is text")
        .into_owned()
}

async fn cookies_say_how_they_may_be_used(app: TestApp) {
    let bob = bob(&app).await;
    let half = bob
        .post(
            "/sign-in",
            &[("email", bob.email()), ("password", PASSWORD)],
        )
        .await;
    let full = bob.type_code(&bob.code()).await;
    for (page, wanted) in [(&half, vec!["sid"]), (&full, vec!["device", "sid"])] {
        let mut names = Vec::new();
        for cookie in page.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().expect("is ASCII");
            let (name, _) = cookie.split_once('=').expect("a cookie");
            for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(cookie.contains(part), "{cookie}");
            }
            // Plain http is for this machine; a browser would not send a Secure cookie there.
            assert!(!cookie.contains("Secure"), "{cookie}");
            // The session ends with the browser, the memory of the device does not.
            assert_eq!(cookie.contains("Max-Age"), name == "device", "{cookie}");
            names.push(name.to_owned());
        }
        names.sort();
        assert_eq!(names, wanted);
    }
}

async fn behind_https_cookies_never_leave_it(setup: Setup) {
    let app = setup
        .with("INSIGHT_BASE_URL", "https://insight.example")
        .start();
    let bob = app.member("bob", &[]).await;
    let mut jar: Vec<(String, String)> = Vec::new();
    let mut answers = Vec::new();
    let code = bob.code();
    for (path, fields) in [
        (
            "/sign-in",
            format!(
                "email={}&password={}",
                bob.email(),
                PASSWORD.replace(' ', "+")
            ),
        ),
        ("/sign-in/code", format!("code={code}")),
    ] {
        // The page gives the form's token, the form gives the session.
        for post in [false, true] {
            let cookies: Vec<String> = jar.iter().map(|(n, v)| format!("{n}={v}")).collect();
            let cookies = cookies.join("; ");
            let head =
                format!("Host: insight.example\r\nCookie: {cookies}\r\nConnection: close\r\n");
            let request = match (post, answers.last()) {
                (true, Some(page)) => {
                    let body = format!("{fields}&csrf={}", token_of(page));
                    format!(
                        "POST {path} HTTP/1.1\r\n{head}Origin: https://insight.example\r\n\
                         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    )
                }
                _ => format!("GET {path} HTTP/1.1\r\n{head}\r\n"),
            };
            let answer = raw::send(app.address(), request).await;
            assert_eq!(
                answer.status,
                if post { 303 } else { 200 },
                "{}",
                answer.head
            );
            for line in answer.head.lines() {
                let Some(cookie) = line.strip_prefix("set-cookie: ") else {
                    continue;
                };
                assert!(cookie.starts_with("__Host-"), "{cookie}");
                for part in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
                    assert!(cookie.contains(part), "{part} in {cookie}");
                }
                assert!(!cookie.to_lowercase().contains("domain="), "{cookie}");
                let (pair, _) = cookie.split_once(';').expect("has flags");
                let (name, value) = pair.split_once('=').expect("a cookie");
                jar.retain(|(n, _)| n != name);
                jar.push((name.to_owned(), value.to_owned()));
            }
            answers.push(answer);
        }
    }
    let names: Vec<&str> = jar.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["__Host-sid", "__Host-device"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let moved = answers.last().expect("four of them").header("location");
    assert_eq!(moved, "/");
}

fn token_of(page: &raw::Answer) -> &str {
    let (_, rest) = page
        .body
        .split_once("name=\"csrf\" value=\"")
        .expect("a form");
    rest.split('"').next().expect("a token")
}
