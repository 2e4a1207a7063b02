//! The first account of an installation, and further ones from a terminal (SPEC 3.1).

use std::time::Duration;

use insight::accounts::{self, first_start};
use insight::credentials::email::Email;
use insight::credentials::names::{CompanyName, PersonName};
use insight::credentials::tokens::{Token, TokenKind};

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::{PASSWORD, Person, Role};
use crate::app::steps::{INSIGHT_USERS, everything, masked, prove_secret, register};
use crate::on_both;

on_both!(
    a_set_up_link_makes_the_company_and_its_owner,
    what_was_begun_can_be_resumed_with_the_same_link,
    a_newer_set_up_link_replaces_the_older,
    a_set_up_link_is_valid_for_seven_days,
    with_an_account_there_is_no_set_up,
    of_two_set_ups_at_once_one_wins,
    a_refused_set_up_keeps_what_was_typed,
    nothing_can_be_opened_before_the_set_up,
    a_further_company_begins_with_an_invitation,
    a_further_company_may_begin_with_somebody_who_has_a_sign_in,
);

fn set_up_link(app: &TestApp) -> String {
    let link = first_start::link(app)
        .expect("makes a link")
        .expect("there is no account");
    link.strip_prefix(&app.base())
        .expect("a link to here")
        .to_owned()
}

fn accounts_there(app: &TestApp) -> i64 {
    app.number("SELECT COUNT(*) FROM accounts")
}

async fn first_page(person: &Person, link: &str) -> Page {
    let page = person.open(link).await;
    page.expect_status(200);
    page.fill("Company name", "Halden Logistics")
        .fill("Name", "Erika Moss")
        .fill("E-mail", "Erika@Halden.example")
        .fill("Password", PASSWORD)
        .fill("Repeat password", PASSWORD)
        .press("Continue")
        .await
}

async fn a_set_up_link_makes_the_company_and_its_owner(app: TestApp) {
    let link = set_up_link(&app);
    let erika = app.visitor();
    let page = erika.open(&link).await;
    assert_eq!(
        (page.path.as_str(), page.h1().as_str()),
        ("/setup", "Set up Insight")
    );
    let page = first_page(&erika, &link).await;
    page.expect("Step 2 of 3");
    assert_eq!(
        accounts_there(&app),
        0,
        "nothing exists before the code was right"
    );
    assert_eq!(app.number("SELECT COUNT(*) FROM users"), 0);
    let codes = prove_secret(&erika, page).await;
    assert_eq!(codes.texts("#codes li").len(), 10);
    let page = codes
        .tick("I have saved these codes")
        .press("Continue to Insight")
        .await;
    assert_eq!(page.path, INSIGHT_USERS);
    let row = page.section("Members").row("erika@halden.example");
    row.expect("Erika Moss")
        .expect("Admin")
        .expect("Account owner")
        .expect("On");
    assert_eq!(
        app.number("SELECT COUNT(*) FROM profiles WHERE name = 'Standard User'"),
        1
    );
    let log = erika.open("/settings/audit-log").await;
    log.row("Created the account Halden Logistics");
    log.row("Joined as Erika Moss (erika@halden.example) with Admin")
        .expect("127.0.0.1");
    assert!(
        first_start::link(&app).expect("reads").is_none(),
        "no further link is printed"
    );
    app.visitor().open(&link).await.expect_status(404);
    let page = app
        .visitor()
        .give_password("erika@halden.example", PASSWORD)
        .await;
    assert_eq!(page.path, "/sign-in/code");
}

async fn what_was_begun_can_be_resumed_with_the_same_link(app: TestApp) {
    let link = set_up_link(&app);
    let page = first_page(&app.visitor(), &link).await;
    let secret = page.texts("#secret");
    app.forward(Duration::from_secs(60 * 60));
    let erika = app.visitor();
    let page = erika.open(&link).await;
    assert_eq!(page.texts("#secret"), secret);
    let back = page.press("Back").await;
    assert_eq!(back.value("Company name"), "Halden Logistics");
    assert_eq!(back.value("E-mail"), "erika@halden.example");
    let page = back
        .fill("Company name", "Halden Freight")
        .fill("Password", PASSWORD)
        .fill("Repeat password", PASSWORD)
        .press("Continue")
        .await;
    assert_eq!(page.texts("#secret"), secret);
    let wrong = page
        .clone()
        .fill("Six-digit code", "000000")
        .press("Confirm")
        .await;
    wrong.expect_status(422);
    assert_eq!(accounts_there(&app), 0);
    prove_secret(&erika, page).await.expect_status(200);
    assert_eq!(
        app.number("SELECT COUNT(*) FROM accounts WHERE name = 'Halden Freight'"),
        1
    );
}

async fn a_newer_set_up_link_replaces_the_older(app: TestApp) {
    let (old, new) = (set_up_link(&app), set_up_link(&app));
    app.visitor().open(&old).await.expect_status(404);
    app.visitor().open(&new).await.expect_status(200);
}

async fn a_set_up_link_is_valid_for_seven_days(app: TestApp) {
    let link = set_up_link(&app);
    app.forward(Duration::from_secs(7 * 24 * 60 * 60) - Duration::from_micros(1));
    app.visitor().open(&link).await.expect_status(200);
    app.forward(Duration::from_micros(1));
    app.visitor().open(&link).await.expect_status(404);
}

async fn with_an_account_there_is_no_set_up(app: TestApp) {
    let link = set_up_link(&app);
    let begun = app.visitor();
    let page = first_page(&begun, &link).await;
    begun.scan(&page);
    app.company("Halden Logistics");
    let unknown = format!("/setup/{}", Token::new(TokenKind::Setup).expose());
    let before = everything(&app);
    page.fill("Six-digit code", begun.code())
        .press("Confirm")
        .await
        .expect_status(404);
    let dead = masked(&app.visitor().open(&unknown).await);
    for link in [
        link.as_str(),
        "/setup",
        "/setup/two-factor",
        "/setup/x",
        &link.replace("/setup/", "/register/"),
    ] {
        assert_eq!(masked(&app.visitor().open(link).await), dead, "{link}");
    }
    let eve = app.visitor();
    eve.get(&link).await;
    let fields = [
        ("company", "E"),
        ("name", "Eve"),
        ("email", "eve@x.example"),
        ("password", PASSWORD),
        ("repeat", PASSWORD),
    ];
    eve.post("/setup", &fields).await.expect_status(404);
    eve.post("/setup/two-factor", &[("code", "1")])
        .await
        .expect_status(404);
    assert_eq!(everything(&app), before);
}

async fn of_two_set_ups_at_once_one_wins(app: TestApp) {
    let link = set_up_link(&app);
    let (one, two) = (app.visitor(), app.visitor());
    let first = first_page(&one, &link).await;
    let second = two.open(&link).await;
    one.scan(&first);
    let code = one.code();
    let first = first.fill("Six-digit code", code.clone());
    let second = second.fill("Six-digit code", code);
    let (a, b) = tokio::join!(first.press_once("Confirm"), second.press_once("Confirm"));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 404]);
    assert_eq!(accounts_there(&app), 1);
    assert_eq!(app.number("SELECT COUNT(*) FROM users"), 1);
}

async fn a_refused_set_up_keeps_what_was_typed(app: TestApp) {
    let link = set_up_link(&app);
    let erika = app.visitor();
    let page = erika.open(&link).await;
    let before = everything(&app);
    let long = "x".repeat(101);
    for (label, typed, problem) in [
        ("Company name", "", "Type a name."),
        ("Company name", &long, "Use at most 100 characters."),
        (
            "Company name",
            "A\u{202e}B",
            "Leave control characters out of the name.",
        ),
        ("Name", " ", "Type a name."),
        (
            "E-mail",
            "",
            "Type an e-mail address such as name@company.com.",
        ),
        (
            "E-mail",
            "erika@localhost",
            "Type an e-mail address such as name@company.com.",
        ),
        (
            "E-mail",
            "erika@x.example, b@x.example",
            "Type an e-mail address such as name@company.com.",
        ),
        (
            "Password",
            "short",
            "Use at least 12 characters. A few unrelated words work well.",
        ),
        (
            "Password",
            "the halden LOGISTICS way",
            "Leave the company name out of the password.",
        ),
        (
            "Repeat password",
            "something else",
            "Type the same password twice.",
        ),
    ] {
        let mut form = page
            .clone()
            .fill("Company name", "Halden Logistics")
            .fill("Name", "Erika Moss")
            .fill("E-mail", "erika@halden.example")
            .fill("Password", PASSWORD)
            .fill("Repeat password", PASSWORD);
        form = form.fill(label, typed);
        let answer = form.press("Continue").await;
        answer.expect_status(422);
        assert_eq!(answer.errors(), [problem], "{label}: {typed}");
        for (field, kept) in [
            ("Company name", "Halden Logistics"),
            ("Name", "Erika Moss"),
            ("E-mail", "erika@halden.example"),
        ] {
            let wanted = if field == label { typed } else { kept };
            assert_eq!(answer.value(field), wanted);
        }
        assert_eq!(answer.value("Password"), "");
    }
    assert_eq!(everything(&app), before);
}

async fn nothing_can_be_opened_before_the_set_up(app: TestApp) {
    let visitor = app.visitor();
    for path in ["/", INSIGHT_USERS, "/settings/audit-log", "/security"] {
        visitor.get(path).await.expect_redirect("/sign-in");
    }
    for (email, password) in [
        ("admin@example.com", "admin"),
        ("admin@localhost", ""),
        ("root@example.com", "changeme"),
    ] {
        visitor
            .give_password(email, password)
            .await
            .expect_status(422);
    }
}

fn create(app: &TestApp, company: &str, admin: &str) {
    let company = CompanyName::parse(company).expect("a name");
    let admin = Email::parse(admin).expect("an address");
    let name = PersonName::parse("Nils Berg").expect("a name");
    accounts::create_with_invitation(app, &company, &admin, Some(&name)).expect("creates");
}

async fn a_further_company_begins_with_an_invitation(app: TestApp) {
    app.admin("erika").await;
    create(&app, "Norden AB", "nils@norden.example");
    let letter = app.last_mail_to("nils@norden.example");
    assert_eq!(
        letter.subject,
        "Insight invites you to join Norden AB on Insight"
    );
    let nils = app.visitor();
    let page = nils.open(&letter.link("/register/")).await;
    assert_eq!(page.value("Name"), "Nils Berg");
    let page = register(&nils, &letter.link("/register/"), "Nils Berg").await;
    let row = page.section("Members").row("nils@norden.example");
    row.expect("Admin").expect("Account owner");
    page.expect_not("erika@halden.example");
    let log = nils.open("/settings/audit-log").await;
    log.row("Invited nils@norden.example with Admin")
        .expect("Insight");
    log.row("Created the account Norden AB").expect("Insight");
}

async fn a_further_company_may_begin_with_somebody_who_has_a_sign_in(app: TestApp) {
    let sam = app.member("sam", &[Role::Viewer]).await;
    create(&app, "Norden AB", sam.email());
    let link = app.last_mail_to(&sam).link("/register/");
    let page = sam.open(&link).await.press("Join").await;
    assert_eq!(page.flash(), "You joined Norden AB.");
    page.section("Members")
        .row(sam.email())
        .expect("Account owner");
}
