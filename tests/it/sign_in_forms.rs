//! Bad input in the forms of signing in and of oneself: an answer that says so, keeps what was typed but for secrets,
//! and changes nothing.

use reqwest::Method;

use crate::app::page::Page;
use crate::app::people::{Level, PASSWORD, Person};
use crate::app::{TestApp, dump};
use crate::lost_access::{link_to_new_password, reset};
use crate::on_both;
use crate::sign_in::bob;

on_both!(
    the_forms_of_signing_in_take_nothing_else,
    the_forms_of_lost_access_take_nothing_else,
    the_forms_of_oneself_take_nothing_else,
    what_was_typed_is_kept_but_for_secrets,
    numbers_that_name_nothing_are_not_found,
);

/// What a field takes, and so what it does not.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Email,
    /// Compared with the one that is stored.
    Password,
    NewPassword,
    Repeat,
    Code,
    Zone,
    Theme,
}

impl Kind {
    fn bad_values(self) -> Vec<String> {
        let long = "1".repeat(5_000);
        let more: &[&str] = match self {
            Kind::Email => &[
                "bob",
                "bob@@halden.example",
                "bob\u{1}@halden.example",
                "bob@halden.example\r\nBcc: eve@evil.example",
                "'; DROP TABLE users; --",
            ],
            Kind::Password => &["wrong", "\u{7}\u{1b}[2J", " thirty-four quiet plinths"],
            Kind::NewPassword => &["short", "password1234", "\u{1}"],
            Kind::Repeat => &["something else", "\u{1}"],
            Kind::Code => &[
                "abcdef",
                "12345",
                "-12345",
                "1234567",
                "12\u{7}3456",
                "１２３４５６",
                "1e5",
            ],
            Kind::Zone => &["Mars/Olympus", "UTC\u{1}", "../../etc/passwd"],
            Kind::Theme => &["purple", "dark\u{1}", "1"],
        };
        let more = more.iter().map(|value| (*value).to_owned());
        [String::new(), long].into_iter().chain(more).collect()
    }
}

/// A form: where it goes, and a good value for each field.
struct Form<'a> {
    path: &'a str,
    fields: Vec<(&'static str, &'a str, Kind)>,
}

impl Form<'_> {
    /// Sends everything that is wrong, one field at a time. Nothing but counters may change by it.
    async fn refuses_bad_input(&self, app: &TestApp, person: &Person) {
        let before = lasting(app);
        for (name, _, kind) in &self.fields {
            for bad in kind.bad_values() {
                let fields: Vec<(&str, &str)> = self
                    .fields
                    .iter()
                    .map(|(n, good, _)| (*n, if n == name { bad.as_str() } else { *good }))
                    .collect();
                let page = person.post(self.path, &fields).await;
                let what = format!("{} {name}={bad:.40}", self.path);
                assert_eq!(page.status, 422, "{what}: {}", page.text());
                assert!(page.title().starts_with("Error: "), "{what}");
                assert!(!page.errors().is_empty(), "{what}");
                self.shows_no_secret(&page, &fields);
                forget_counters(app);
            }
            for (raw, status) in [
                (format!("{name}=a&{name}=b"), 400),
                (format!("{name}=%00"), 400),
                (format!("{name}=%ff"), 400),
                (format!("{name}={}", "1".repeat(17_000)), 413),
            ] {
                let page = self.post_raw(person, name, &raw).await;
                assert_eq!(page.status, status, "{} {raw:.40}", self.path);
                forget_counters(app);
            }
        }
        let mut changed = lasting(app);
        assert_eq!(changed.len(), before.len(), "{}", self.path);
        changed.retain(|row| !before.contains(row));
        assert!(changed.is_empty(), "{}: {changed:#?}", self.path);
    }

    /// The other fields are good.
    async fn post_raw(&self, person: &Person, name: &str, raw: &str) -> Page {
        let mut body = form_urlencoded::Serializer::new(String::new());
        for (other, good, _) in self.fields.iter().filter(|(n, ..)| *n != name) {
            body.append_pair(other, good);
        }
        body.append_pair("csrf", &person.form_token());
        let request = person
            .request(Method::POST, self.path)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(format!("{}&{raw}", body.finish()));
        person.send(request, self.path).await
    }

    fn shows_no_secret(&self, page: &Page, sent: &[(&str, &str)]) {
        for (field, (_, value)) in self.fields.iter().zip(sent) {
            let public = matches!(field.2, Kind::Email | Kind::Zone | Kind::Theme);
            // Short ones stand in any page by chance.
            if !public && value.len() > 7 {
                assert!(
                    !page.source().contains(value),
                    "{} shows {value:.40}",
                    self.path
                );
            }
        }
    }
}

/// Everything but counters of attempts, what is told about them, and when somebody was last seen.
fn lasting(app: &TestApp) -> Vec<String> {
    let except = [
        "users.totp_failures",
        "sessions.code_failures",
        "sessions.last_seen_at",
        "members.last_activity_at",
        "links.failures",
        "accounts.audit_seq",
        "accounts.audit_head",
    ];
    let passing = ["throttles: ", "outbox: ", "audit_entries: "];
    let mut rows = dump(&mut app.database().connect(), &except);
    rows.retain(|row| !passing.iter().any(|table| row.starts_with(table)));
    rows
}

/// Guessing has tests of its own.
fn forget_counters(app: &TestApp) {
    for statement in [
        "DELETE FROM throttles",
        "UPDATE sessions SET code_failures = 0",
        "UPDATE users SET totp_failures = 0",
        "UPDATE links SET failures = 0",
    ] {
        app.sql(statement).expect("runs");
    }
}

async fn the_forms_of_signing_in_take_nothing_else(app: TestApp) {
    let bob = bob(&app).await;
    let sign_in = Form {
        path: "/sign-in",
        fields: vec![
            ("email", bob.email(), Kind::Email),
            ("password", PASSWORD, Kind::Password),
        ],
    };
    sign_in.refuses_bad_input(&app, &bob).await;
    let forgot = Form {
        path: "/forgot-password",
        fields: vec![("email", bob.email(), Kind::Email)],
    };
    forgot.refuses_bad_input(&app, &bob).await;
    bob.password_is_right().await;
    let code = Form {
        path: "/sign-in/code",
        fields: vec![("code", "000000", Kind::Code)],
    };
    code.refuses_bad_input(&app, &bob).await;
    // After all that the right ones still work.
    bob.type_code(&bob.code()).await.expect_redirect("/");
}

async fn the_forms_of_lost_access_take_nothing_else(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = bob(&app).await;
    let fresh = "seven brave teapots";
    let both = vec![
        ("password", fresh, Kind::NewPassword),
        ("repeat", fresh, Kind::Repeat),
    ];
    let sent = link_to_new_password(&app, &bob).await;
    bob.open(&sent).await.expect_status(200);
    let new_password = Form {
        path: "/new-password",
        fields: both.clone(),
    };
    new_password.refuses_bad_input(&app, &bob).await;

    let sent = reset(&app, &ada, &bob, false).await;
    bob.open(&sent).await.expect_status(200);
    let prove = Form {
        path: "/set-up-access",
        fields: vec![("password", PASSWORD, Kind::Password)],
    };
    prove.refuses_bad_input(&app, &bob).await;
    let proved = bob.post("/set-up-access", &[("password", PASSWORD)]).await;
    let page = proved.follow().await;
    bob.scan(&page);
    let bind = Form {
        path: "/set-up-access/two-factor",
        fields: vec![("code", "000000", Kind::Code)],
    };
    bind.refuses_bad_input(&app, &bob).await;
    let page = page.fill("Six-digit code", bob.code());
    page.press("Confirm").await.expect_status(200);

    let sent = reset(&app, &ada, &bob, true).await;
    let lost = bob.other_browser();
    lost.open(&sent).await.expect_status(200);
    let choose = Form {
        path: "/set-up-access",
        fields: both,
    };
    choose.refuses_bad_input(&app, &lost).await;
}

async fn the_forms_of_oneself_take_nothing_else(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let fresh = "seven brave teapots";
    let current = ("current", PASSWORD, Kind::Password);
    for (path, fields) in [
        ("/step-up", vec![("code", "000000", Kind::Code)]),
        (
            "/security/password",
            vec![
                current,
                ("password", fresh, Kind::NewPassword),
                ("repeat", fresh, Kind::Repeat),
            ],
        ),
        ("/security/recovery-codes", vec![current]),
        (
            "/security/two-factor",
            vec![current, ("code", "000000", Kind::Code)],
        ),
        (
            "/security/display",
            vec![
                ("zone", "Asia/Tokyo", Kind::Zone),
                ("theme", "dark", Kind::Theme),
            ],
        ),
    ] {
        let form = Form { path, fields };
        form.refuses_bad_input(&app, &bob).await;
        bob.start_session(Level::Full);
    }
    let code = bob.code();
    let fields = [("current", PASSWORD), ("code", code.as_str())];
    let page = bob
        .post("/security/two-factor", &fields)
        .await
        .follow()
        .await;
    page.expect_status(200);
    let bind = Form {
        path: "/security/two-factor/new",
        fields: vec![("code", "000000", Kind::Code)],
    };
    bind.refuses_bad_input(&app, &bob).await;
    bob.scan(&page);
    let page = page.fill("Six-digit code", bob.code());
    page.press("Confirm").await.expect_status(200);
}

async fn what_was_typed_is_kept_but_for_secrets(app: TestApp) {
    let bob = bob(&app).await;
    for typed in ["bob@nowhere", "<b>\"bob\"</b> & 'co'", "bob@halden.example"] {
        let page = bob.give_password(typed, "a wrong password 7").await;
        page.expect_status(422);
        assert_eq!(page.value("E-mail"), typed);
        assert_eq!(page.value("Password"), "");
        assert!(!page.source().contains("a wrong password 7"));
    }
    let page = bob.open("/forgot-password").await;
    let page = page
        .fill("E-mail", "bob at halden")
        .press("Send the link")
        .await;
    page.expect_status(422);
    assert_eq!(page.value("E-mail"), "bob at halden");

    let bob = app.halden().await.member("bea", &[]);
    let fields = [("zone", "Asia/Tokyo"), ("theme", "purple")];
    let page = bob.post("/security/display", &fields).await;
    assert_eq!(page.errors(), ["Choose an appearance."]);
    assert_eq!(page.value("Time zone"), "Asia/Tokyo");
    let fields = [("zone", "Mars/Olympus"), ("theme", "dark")];
    let page = bob.post("/security/display", &fields).await;
    assert_eq!(page.errors(), ["Choose a time zone from the list."]);
    assert!(page.is_ticked("Dark"));
}

async fn numbers_that_name_nothing_are_not_found(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let before = lasting(&app);
    for number in [
        "0",
        "-1",
        "x",
        "1e3",
        "99999999999999999999",
        "%00",
        "1%2f2",
    ] {
        let page = bob.post(&format!("/sessions/{number}/end"), &[]).await;
        assert!(
            matches!(page.status, 400 | 404),
            "{number}: {}",
            page.status
        );
        let page = bob.post("/accounts/switch", &[("account", number)]).await;
        page.expect_status(404);
    }
    bob.post("/accounts/switch", &[]).await.expect_status(404);
    let own = bob.account().to_string();
    let twice = [("account", own.as_str()), ("account", "1")];
    bob.post("/accounts/switch", &twice)
        .await
        .expect_status(400);
    assert_eq!(lasting(&app), before);
}
