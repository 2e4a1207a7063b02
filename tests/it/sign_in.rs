//! Signing in: password, then a code; and what each of them is worth.

use std::time::Duration;

use futures_util::future::join_all;

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::{Level, PASSWORD, Person, Role};
use crate::on_both;
use crate::routes::masked;

on_both!(
    password_and_code_lead_where_one_was_going,
    a_way_out_of_the_site_is_not_followed,
    between_the_two_steps_only_the_code_page_opens,
    half_a_sign_in_is_over_after_ten_minutes,
    somebody_who_is_signed_in_is_not_asked_again,
    an_address_is_compared_without_case_and_space,
    every_reason_for_a_refusal_gets_the_same_answer,
    asking_again_and_again_tells_nothing_either,
    a_code_works_once,
    a_code_may_be_one_step_early_or_late,
    a_code_older_than_the_last_one_is_refused,
    of_parallel_uses_of_one_code_one_signs_in,
    a_recovery_code_replaces_a_code_once,
    of_parallel_uses_of_one_recovery_code_one_signs_in,
    recovery_codes_may_be_typed_as_people_type,
    five_wrong_codes_end_the_attempt,
    a_removed_member_cannot_finish_signing_in,
    signing_out_ends_the_session_on_the_server,
);

const STEP: Duration = Duration::from_secs(30);

/// A member who is signed in nowhere, and a browser of theirs.
pub async fn bob(app: &TestApp) -> Person {
    let bob = app.member("bob", &[Role::Viewer]).await;
    bob.post("/sessions/end-others", &[]).await;
    bob.sign_out().await;
    bob.other_browser()
}

impl Person {
    /// Signs out, without a page.
    pub async fn sign_out(&self) {
        let page = self.post("/sign-out", &[]).await;
        page.expect_redirect("/sign-in");
    }

    /// Types a code into the page that asks for it, without following where that leads.
    pub async fn type_code(&self, code: &str) -> Page {
        self.post("/sign-in/code", &[("code", code)]).await
    }

    /// Whether this browser has a full session.
    pub async fn is_signed_in(&self) -> bool {
        self.get("/sessions").await.status == 200
    }

    /// The first step, without a page.
    pub async fn password_is_right(&self) {
        let half = self
            .post(
                "/sign-in",
                &[("email", self.email()), ("password", PASSWORD)],
            )
            .await;
        half.expect_redirect("/sign-in/code");
    }
}

async fn password_and_code_lead_where_one_was_going(app: TestApp) {
    let bob = bob(&app).await;
    let asked = bob.open("/sessions?from=menu").await;
    assert_eq!(asked.path, "/sign-in?next=%2Fsessions%3Ffrom%3Dmenu");
    assert_eq!(asked.h1(), "Sign in");

    let code_page = asked
        .fill("E-mail", bob.email())
        .fill("Password", PASSWORD)
        .press("Sign in")
        .await;
    assert_eq!(code_page.h1(), "Enter your code");
    code_page.expect(bob.email());

    // A wrong code does not lose the way.
    let again = code_page.fill("Six-digit code", "000000");
    let again = again.press("Sign in").await;
    again.expect_status(422);
    let arrived = again.fill("Six-digit code", bob.code());
    let arrived = arrived.press("Sign in").await;
    arrived.expect_status(200);
    assert_eq!(arrived.path, "/sessions?from=menu");

    let said = app.number("SELECT COUNT(*) FROM audit_entries WHERE action = 'sign-in'");
    assert_eq!(said, 1);
}

async fn a_way_out_of_the_site_is_not_followed(app: TestApp) {
    let bob = bob(&app).await;
    for elsewhere in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\r\nSet-Cookie: a=b",
    ] {
        let browser = bob.other_browser();
        let half = [
            ("email", bob.email()),
            ("password", PASSWORD),
            ("next", elsewhere),
        ];
        let half = browser.post("/sign-in", &half).await;
        half.expect_status(303);
        assert_eq!(half.header("location"), "/sign-in/code", "{elsewhere}");
        let code = bob.code();
        let fields = [("code", code.as_str()), ("next", elsewhere)];
        let full = browser.post("/sign-in/code", &fields).await;
        full.expect_status(303);
        assert_eq!(full.header("location"), "/", "{elsewhere}");
    }
}

async fn between_the_two_steps_only_the_code_page_opens(app: TestApp) {
    let ada = app.admin("ada").await.other_browser();
    ada.password_is_right().await;
    ada.get("/sign-in/code").await.expect_status(200);
    for path in [
        "/",
        "/test",
        "/security",
        "/sessions",
        "/step-up",
        "/recovery-codes",
        "/accounts",
        "/shared/insight-users",
        "/shared/insight-users/members.csv",
        "/settings/audit-log",
    ] {
        ada.get(path).await.expect_redirect("/sign-in/code");
    }
    for path in [
        "/step-up",
        "/recovery-codes",
        "/security/display",
        "/sessions/end-others",
        "/shared/insight-users/invite",
    ] {
        ada.post(path, &[]).await.expect_redirect("/sign-in/code");
    }
    // The start page knows nobody by name.
    ada.open("/").await.expect_not("Halden Logistics");
    ada.type_code(&ada.code()).await.expect_redirect("/");
    ada.get("/shared/insight-users").await.expect_status(200);
}

async fn half_a_sign_in_is_over_after_ten_minutes(app: TestApp) {
    let bob = bob(&app).await;
    bob.password_is_right().await;
    app.forward(Duration::from_secs(10 * 60 - 1));
    bob.get("/sign-in/code").await.expect_status(200);
    // Asking for the page does not prolong it.
    app.forward(Duration::from_secs(2));
    let late = bob.type_code(&bob.code()).await;
    late.expect_redirect("/sign-in");
    assert!(!bob.is_signed_in().await);
}

async fn somebody_who_is_signed_in_is_not_asked_again(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    bob.get("/sign-in").await.expect_redirect("/");
    bob.get("/sign-in?next=%2Fsessions")
        .await
        .expect_redirect("/sessions");
    bob.get("/sign-in/code").await.expect_redirect("/");
}

async fn an_address_is_compared_without_case_and_space(app: TestApp) {
    let bob = bob(&app).await;
    let page = bob.give_password("  BOB@Halden.Example ", PASSWORD).await;
    assert_eq!(page.h1(), "Enter your code");
    page.expect("bob@halden.example");
}

/// One refusal: status, everything but the address on the page, and the headers that do not differ by request.
async fn refusal(person: &Person, email: &str, password: &str) -> (String, Vec<String>) {
    let fields = [("email", email), ("password", password)];
    let page = person.post("/sign-in", &fields).await;
    let mut headers: Vec<String> = page
        .headers
        .iter()
        .filter(|(name, _)| {
            !matches!(
                name.as_str(),
                "date" | "content-security-policy" | "x-request-id" | "content-length"
            )
        })
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    (masked(&page, email), headers)
}

/// Addresses that nobody can sign in with for different reasons, with the password that would be theirs.
async fn refused_people(app: &TestApp) -> Vec<(&'static str, String, &'static str)> {
    let ada = app.admin("ada").await;
    let halden = app.halden().await;
    let wrong = halden.person("Walt", "wrong@halden.example", &[]);
    let removed = halden.person("Rem", "removed@halden.example", &[]);
    let reset = halden.person("Res", "reset@halden.example", &[]);
    let lost = halden.person("Los", "lost@halden.example", &[]);
    for (person, action, button, password_too) in [
        (&removed, "remove", "Remove Rem", false),
        (&reset, "reset-2fa", "Reset 2FA", false),
        (&lost, "reset-2fa", "Reset 2FA", true),
    ] {
        let path = format!("/shared/insight-users/members/{}/{action}", person.member());
        let mut page = ada.open(&path).await;
        if password_too {
            page = page.tick("The password is lost too");
        }
        page.press(button).await.expect_status(200);
    }
    let invite = ada.open("/shared/insight-users/invite").await;
    let invite = invite.fill("E-mail addresses", "pending@halden.example");
    invite.press("Send").await.expect_status(200);
    vec![
        ("nobody", "nobody@halden.example".into(), PASSWORD),
        (
            "wrong password",
            wrong.email().into(),
            "another password 17",
        ),
        ("removed", removed.email().into(), PASSWORD),
        ("2FA reset", reset.email().into(), PASSWORD),
        ("2FA and password reset", lost.email().into(), PASSWORD),
        ("invited", "pending@halden.example".into(), PASSWORD),
        ("not an address", "no-address".into(), PASSWORD),
        ("no password", ada.email().into(), ""),
    ]
}

async fn every_reason_for_a_refusal_gets_the_same_answer(app: TestApp) {
    let people = refused_people(&app).await;
    let mut first: Option<(String, Vec<String>)> = None;
    for (why, email, password) in people {
        let visitor = app.visitor();
        let answer = refusal(&visitor, &email, password).await;
        assert!(answer.0.starts_with("422"), "{why}: {}", answer.0);
        assert!(answer.0.contains("E-mail or password is not right."));
        assert_eq!(
            &answer,
            first.get_or_insert_with(|| answer.clone()),
            "{why}"
        );
        visitor
            .get("/sign-in/code")
            .await
            .expect_redirect("/sign-in");
        assert_eq!(
            app.mail_to(&email)
                .iter()
                .filter(|m| m.kind == "half-signed-in")
                .count(),
            0
        );
    }
}

async fn asking_again_and_again_tells_nothing_either(app: TestApp) {
    let people = refused_people(&app).await;
    let mut first: Option<Vec<(String, Vec<String>)>> = None;
    for (why, email, password) in people.into_iter().take(6) {
        let visitor = app.visitor();
        let mut answers = Vec::new();
        for _ in 0..7 {
            answers.push(refusal(&visitor, &email, password).await);
        }
        assert!(answers[6].0.starts_with("429"), "{why}: {}", answers[6].0);
        assert_eq!(
            &answers,
            first.get_or_insert_with(|| answers.clone()),
            "{why}"
        );
    }
}

async fn a_code_works_once(app: TestApp) {
    let bob = bob(&app).await;
    let code = bob.code();
    bob.password_is_right().await;
    bob.type_code(&code).await.expect_redirect("/");
    assert!(bob.is_signed_in().await);

    let other = bob.other_browser();
    other.password_is_right().await;
    let replayed = other.type_code(&code).await;
    replayed.expect_status(422);
    assert_eq!(replayed.errors().len(), 1);
    assert!(!other.is_signed_in().await);
    // Also not when the step has moved on and the code would still be within the allowed skew.
    app.forward(STEP);
    other.type_code(&code).await.expect_status(422);
    other.type_code(&bob.code()).await.expect_redirect("/");
}

async fn a_code_may_be_one_step_early_or_late(app: TestApp) {
    let bob = bob(&app).await;
    // Far from what was bound, so that only the distance from now decides.
    app.forward(STEP * 100);
    let now = app.clock.now().unix();
    for (seconds, right) in [
        (-60, false),
        (60, false),
        (-30, true),
        (0, true),
        (30, true),
    ] {
        let browser = bob.other_browser();
        browser.password_is_right().await;
        let code = bob.code_at(now.checked_add_signed(seconds).expect("a time"));
        let answer = browser.type_code(&code).await;
        assert_eq!(
            answer.status,
            if right { 303 } else { 422 },
            "{seconds} seconds away"
        );
    }
}

async fn a_code_older_than_the_last_one_is_refused(app: TestApp) {
    let bob = bob(&app).await;
    app.forward(STEP * 100);
    let now = app.clock.now().unix();
    for (seconds, right) in [(30, true), (0, false), (-30, false)] {
        let browser = bob.other_browser();
        browser.password_is_right().await;
        let code = bob.code_at(now.checked_add_signed(seconds).expect("a time"));
        let answer = browser.type_code(&code).await;
        assert_eq!(answer.status, if right { 303 } else { 422 }, "{seconds}");
    }
}

/// Types one code into several browsers at the same time; gives how many got in.
async fn at_the_same_time(person: &Person, code: &str) -> usize {
    let browsers: Vec<Person> = (0..4).map(|_| person.other_browser()).collect();
    for browser in &browsers {
        browser.password_is_right().await;
    }
    let answers = join_all(browsers.iter().map(|b| b.type_code(code))).await;
    let mut inside = 0;
    for (browser, answer) in browsers.iter().zip(answers) {
        assert!(matches!(answer.status, 303 | 422), "{}", answer.status);
        assert_eq!(browser.is_signed_in().await, answer.status == 303);
        inside += usize::from(answer.status == 303);
    }
    inside
}

async fn of_parallel_uses_of_one_code_one_signs_in(app: TestApp) {
    let bob = bob(&app).await;
    let code = bob.code();
    assert_eq!(at_the_same_time(&bob, &code).await, 1);
    assert_eq!(
        app.number("SELECT COUNT(*) FROM sessions WHERE level = 2"),
        1
    );
}

/// The ten recovery codes of a person, made anew through the pages.
pub async fn recovery_codes(person: &Person) -> Vec<String> {
    person.start_session(Level::Full);
    let page = person.open("/security/recovery-codes").await;
    let page = page.fill("Current password", PASSWORD);
    let page = page.press("Regenerate recovery codes").await;
    page.expect_status(200);
    let codes = page.texts("#codes li");
    assert_eq!(codes.len(), 10);
    codes
}

async fn a_recovery_code_replaces_a_code_once(app: TestApp) {
    let bob = bob(&app).await;
    let codes = recovery_codes(&bob).await;
    bob.sign_out().await;

    let page = bob.give_password(bob.email(), PASSWORD).await;
    let page = page.press("Use a recovery code").await;
    let inside = page.fill("Recovery code", &codes[3]).press("Sign in").await;
    inside.expect_status(200);
    inside.expect("You used a recovery code. 9 are left.");
    bob.open("/security").await.expect("9 of 10 left");
    bob.sign_out().await;

    let page = bob.give_password(bob.email(), PASSWORD).await;
    let page = page.press("Use a recovery code").await;
    let refused = page.fill("Recovery code", &codes[3]).press("Sign in").await;
    refused.expect_status(422);
    refused.expect("This recovery code is not right, or it has been used.");
    // Somebody else's recovery codes are worth nothing here.
    let eve = app.member("eve", &[]).await;
    let hers = recovery_codes(&eve).await;
    let refused = refused.fill("Recovery code", &hers[0]);
    refused.press("Sign in").await.expect_status(422);
    bob.type_code(&codes[4]).await.expect_redirect("/");
}

async fn of_parallel_uses_of_one_recovery_code_one_signs_in(app: TestApp) {
    let bob = bob(&app).await;
    let codes = recovery_codes(&bob).await;
    bob.sign_out().await;
    assert_eq!(at_the_same_time(&bob, &codes[0]).await, 1);
}

async fn recovery_codes_may_be_typed_as_people_type(app: TestApp) {
    let bob = bob(&app).await;
    let codes = recovery_codes(&bob).await;
    let sloppy = [
        codes[0].to_uppercase(),
        codes[1].replace('-', " "),
        format!("  {}  ", codes[2].replace('-', "")),
        codes[3].replace('0', "O").replace('1', "l"),
    ];
    for typed in sloppy {
        let browser = bob.other_browser();
        browser.password_is_right().await;
        browser.type_code(&typed).await.expect_redirect("/");
    }
    // Six digits with the gap that apps show.
    let browser = bob.other_browser();
    browser.password_is_right().await;
    let code = bob.code();
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    browser.type_code(&spaced).await.expect_redirect("/");
}

async fn five_wrong_codes_end_the_attempt(app: TestApp) {
    let bob = bob(&app).await;
    bob.password_is_right().await;
    for _ in 0..4 {
        bob.type_code("000000").await.expect_status(422);
    }
    let fifth = bob.type_code("000000").await;
    fifth.expect_redirect("/sign-in");
    fifth.follow().await.expect("Five codes were wrong.");
    // The password has to be given again, even with the right code at hand.
    bob.type_code(&bob.code()).await.expect_redirect("/sign-in");
    let kinds: Vec<String> = app.mail_to(&bob).into_iter().map(|m| m.kind).collect();
    assert_eq!(kinds, ["half-signed-in", "wrong-codes"]);

    // That locked nobody out.
    bob.password_is_right().await;
    bob.type_code(&bob.code()).await.expect_redirect("/");
}

async fn a_removed_member_cannot_finish_signing_in(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = bob(&app).await;
    bob.password_is_right().await;
    let path = format!("/shared/insight-users/members/{}/remove", bob.member());
    let removed = ada.open(&path).await.press("Remove Bob").await;
    removed.expect_status(200);
    let refused = bob.type_code(&bob.code()).await;
    refused.expect_redirect("/sign-in");
    assert!(!bob.is_signed_in().await);
}

async fn signing_out_ends_the_session_on_the_server(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let cookie = bob.cookie("sid");
    let page = bob.open("/security").await;
    let out = page.press_once("Sign out").await;
    out.expect_redirect("/sign-in");
    let cleared = out.header("clear-site-data");
    assert!(cleared.contains("cache"), "Clear-Site-Data: {cleared}");
    assert_eq!(bob.cookie("sid"), None);
    out.follow().await.expect("You are signed out.");
    // Whoever kept the cookie has nothing.
    bob.set_cookie("sid", cookie.as_deref());
    bob.get("/security").await.expect_redirect("/sign-in");
    assert_eq!(app.number("SELECT COUNT(*) FROM sessions"), 0);
}
