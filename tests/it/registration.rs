//! From the link in a mail to a member (SPEC 3.3): registering, joining, and every way in which neither happens.

use std::time::Duration;

use insight::credentials::tokens::{Token, TokenKind};

use crate::app::TestApp;
use crate::app::people::PASSWORD;
use crate::app::steps::{
    INSIGHT_USERS, choose_password, everything, invited, masked, member_action, prove_secret,
    register,
};
use crate::on_both;

on_both!(
    a_new_person_registers_in_three_steps,
    leaving_early_leaves_an_invitation_that_can_be_resumed,
    a_wrong_code_makes_nobody,
    a_hundred_wrong_codes_end_a_link,
    what_the_form_does_not_ask_is_not_read,
    the_steps_only_work_in_order,
    every_dead_link_gives_the_same_page_and_creates_nothing,
    of_two_browsers_with_one_link_one_becomes_the_member,
    the_invitation_decides_what_the_member_may_do,
);

const LINK_COOKIE: &str = "link";

fn people(app: &TestApp) -> (i64, i64) {
    (
        app.number("SELECT COUNT(*) FROM users"),
        app.number("SELECT COUNT(*) FROM members WHERE removed_at IS NULL"),
    )
}

async fn a_new_person_registers_in_three_steps(app: TestApp) {
    let erika = app.admin("erika").await;
    let link = invited(&app, &erika, "vera@halden.example").await;
    let before = people(&app);
    let vera = app.visitor();

    let page = vera.open(&link).await;
    assert_eq!(
        page.path, "/register",
        "the token is not in the address any more"
    );
    assert_eq!(page.h1(), "Join Halden Logistics");
    page.expect("Step 1 of 3")
        .expect("Invited by Erika")
        .expect("vera@halden.example");
    assert!(!page.source().contains("inv_"));
    let page = choose_password(&vera, &link, " Vera  Lind ").await;
    page.expect("Step 2 of 3");
    assert_eq!(page.all("svg.qr, svg[role=img]").len(), 1, "a QR code");
    assert_eq!(
        people(&app),
        before,
        "nobody exists before the code was right"
    );
    let codes = prove_secret(&vera, page).await;
    assert_eq!(codes.path, "/recovery-codes");
    assert_eq!(codes.texts("#codes li").len(), 10);
    let shown = codes.texts("#codes li");
    codes.press("Continue to Insight").await.expect_status(422);
    let home = vera.open("/recovery-codes").await;
    let home = if home.path == "/recovery-codes" && !home.all("#codes").is_empty() {
        home.tick("I have saved these codes")
            .press("Continue to Insight")
            .await
    } else {
        home
    };
    home.expect("Vera Lind").expect("Halden Logistics");
    let later = vera.open("/recovery-codes").await;
    assert!(!later.source().contains(&shown[0]), "they are shown once");
    assert_eq!(people(&app), (before.0 + 1, before.1 + 1));
    assert!(vera.cookie(LINK_COOKIE).is_none());

    let letter = app.last_mail_to(&erika);
    assert_eq!(letter.subject, "Vera Lind has joined Halden Logistics");
    let log = erika.open("/settings/audit-log").await;
    let joined = log.row("Joined as Vera Lind (vera@halden.example) with Viewer");
    joined.expect("Vera Lind").expect("127.0.0.1");
    assert!(!log.source().contains("inv_"));

    let page = app
        .visitor()
        .give_password("vera@halden.example", PASSWORD)
        .await;
    page.fill("Six-digit code", vera.code())
        .press("Sign in")
        .await
        .expect("Vera Lind");
    assert_eq!(vera.open(&link).await.status, 404, "a link works once");
}

async fn leaving_early_leaves_an_invitation_that_can_be_resumed(app: TestApp) {
    let erika = app.admin("erika").await;
    let link = invited(&app, &erika, "vera@halden.example").await;
    let first = choose_password(&app.visitor(), &link, "Vera Lind").await;
    let secret = first.texts("#secret");
    first.expect("You can leave now and come back with the same link until it expires on");
    app.forward(Duration::from_secs(2 * 24 * 60 * 60));

    let phone = app.visitor();
    let page = phone.open(&link).await;
    page.expect("Step 2 of 3");
    assert_eq!(
        page.texts("#secret"),
        secret,
        "the same secret until the code is right"
    );
    let back = page.press("Back").await;
    assert_eq!(back.value("Name"), "Vera Lind");
    assert_eq!(back.value("Password"), "");
    let page = back
        .fill("Name", "Vera Lindqvist")
        .fill("Password", "an altogether other one")
        .fill("Repeat password", "an altogether other one")
        .press("Continue")
        .await;
    assert_eq!(page.texts("#secret"), secret);
    prove_secret(&phone, page).await.expect_status(200);
    let page = app
        .visitor()
        .give_password("vera@halden.example", PASSWORD)
        .await;
    page.expect_status(422);
    let page = app
        .visitor()
        .give_password("vera@halden.example", "an altogether other one")
        .await;
    assert_eq!(page.path, "/sign-in/code");
}

async fn a_wrong_code_makes_nobody(app: TestApp) {
    let erika = app.admin("erika").await;
    let link = invited(&app, &erika, "vera@halden.example").await;
    let vera = app.visitor();
    let page = choose_password(&vera, &link, "Vera").await;
    vera.scan(&page);
    let before = people(&app);
    let now = app.clock.now().unix();
    let right = vera.code_at(now);
    let old = vera.code_at(now - 90);
    for wrong in [
        "",
        "000000x",
        "12345",
        &old,
        &format!("{right}0"),
        "１２３４５６",
    ] {
        let answer = page
            .clone()
            .fill("Six-digit code", wrong)
            .press("Confirm")
            .await;
        answer.expect_status(422);
        assert_eq!(
            answer.errors(),
            ["This code is not right. Codes change every 30 seconds."]
        );
        assert_eq!(answer.texts("#secret"), page.texts("#secret"));
        assert!(vera.cookie("sid").is_none());
    }
    assert_eq!(people(&app), before);
    let spaced = format!(" {} {} ", &right[..3], &right[3..]);
    let codes = page.fill("Six-digit code", spaced).press("Confirm").await;
    assert_eq!(codes.texts("#codes li").len(), 10);
}

async fn a_hundred_wrong_codes_end_a_link(app: TestApp) {
    let erika = app.admin("erika").await;
    let link = invited(&app, &erika, "vera@halden.example").await;
    let vera = app.visitor();
    let page = choose_password(&vera, &link, "Vera").await;
    vera.scan(&page);
    app.sql("UPDATE links SET failures = 99").expect("counts");
    page.clone()
        .fill("Six-digit code", "000000")
        .press("Confirm")
        .await
        .expect_status(422);
    page.fill("Six-digit code", vera.code())
        .press("Confirm")
        .await
        .expect_status(404);
    vera.open(&link).await.expect_status(404);
    let row = erika.open(INSIGHT_USERS).await.row("vera@halden.example");
    row.press("Resend").await;
    let fresh = app.last_mail_to("vera@halden.example").link("/register/");
    register(&app.visitor(), &fresh, "Vera")
        .await
        .expect("Vera");
}

async fn what_the_form_does_not_ask_is_not_read(app: TestApp) {
    let erika = app.admin("erika").await;
    let elsewhere = app.company("Other Company");
    let link = invited(&app, &erika, "vera@halden.example").await;
    let vera = app.visitor();
    vera.open(&link).await;
    let elsewhere = elsewhere.id.to_string();
    let foreign = [
        ("email", "eve@evil.example"),
        ("username", "eve@evil.example"),
        ("account", &elsewhere),
        ("account_id", &elsewhere),
        ("invited_by", "1"),
        ("role", "admin"),
        ("roles", "admin"),
        ("platform_role", "admin"),
        ("admin", "1"),
        ("operator", "1"),
        ("secret", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"),
    ];
    let mut fields = vec![
        ("name", "Vera"),
        ("password", PASSWORD),
        ("repeat", PASSWORD),
    ];
    fields.extend(foreign);
    let page = vera.post("/register", &fields).await.follow().await;
    vera.scan(&page);
    let code = vera.code();
    let mut fields = vec![("code", code.as_str())];
    fields.extend(foreign);
    vera.post("/register/two-factor", &fields)
        .await
        .expect_redirect("/recovery-codes");

    let row = erika
        .open(INSIGHT_USERS)
        .await
        .section("Members")
        .row("vera@halden.example");
    row.expect("Viewer").expect_not("Admin");
    assert_eq!(
        app.number("SELECT COUNT(*) FROM users WHERE email LIKE 'eve%'"),
        0
    );
    assert_eq!(
        app.number(&format!(
            "SELECT COUNT(*) FROM members WHERE account_id = {elsewhere}"
        )),
        0
    );
    vera.get(INSIGHT_USERS).await.expect_status(403);
    vera.get("/product-updates").await.expect_status(403);
}

async fn the_steps_only_work_in_order(app: TestApp) {
    let erika = app.admin("erika").await;
    let link = invited(&app, &erika, "vera@halden.example").await;
    let other = invited(&app, &erika, "nils@halden.example").await;
    let vera = app.visitor();
    let before = people(&app);
    // Nothing without a link.
    for path in ["/register", "/register/two-factor"] {
        vera.get(path).await.expect_status(404);
        vera.post(path, &[("code", "123456")])
            .await
            .expect_status(404);
    }
    // The code before the password.
    vera.open(&link).await;
    vera.get("/register/two-factor")
        .await
        .expect_redirect("/register");
    vera.post("/register/two-factor", &[("code", "123456")])
        .await
        .expect_redirect("/register");
    vera.post("/register/join", &[])
        .await
        .expect_redirect("/sign-in");
    vera.get("/recovery-codes")
        .await
        .expect_redirect("/sign-in");
    // The secret of one invitation does not finish another.
    let page = choose_password(&vera, &link, "Vera").await;
    vera.scan(&page);
    let code = vera.code();
    let nils = app.visitor();
    choose_password(&nils, &other, "Nils").await;
    nils.post("/register/two-factor", &[("code", &code)])
        .await
        .expect_status(422);
    assert_eq!(people(&app), before);
    // A step that was finished cannot be done again.
    vera.post("/register/two-factor", &[("code", &code)])
        .await
        .expect_redirect("/recovery-codes");
    vera.post("/register/two-factor", &[("code", &code)])
        .await
        .expect_status(404);
    assert_eq!(people(&app), (before.0 + 1, before.1 + 1));
}

async fn every_dead_link_gives_the_same_page_and_creates_nothing(app: TestApp) {
    let erika = app.admin("erika").await;
    let jon = app.admin("jon").await;
    let expired = invited(&app, &erika, "expired@x.example").await;
    app.forward(Duration::from_secs(7 * 24 * 60 * 60));
    erika.start_session(crate::app::people::Level::Full);
    jon.start_session(crate::app::people::Level::Full);
    let used = invited(&app, &erika, "used@x.example").await;
    register(&app.visitor(), &used, "Used").await;
    let revoked = invited(&app, &erika, "revoked@x.example").await;
    let page = erika
        .open(INSIGHT_USERS)
        .await
        .row("revoked@x.example")
        .press("Revoke")
        .await;
    page.press("Revoke invitation to revoked@x.example")
        .await
        .expect_status(200);
    let replaced = invited(&app, &erika, "replaced@x.example").await;
    erika
        .open(INSIGHT_USERS)
        .await
        .row("replaced@x.example")
        .press("Resend")
        .await;
    let unvouched = invited(&app, &jon, "unvouched@x.example").await;
    let page = member_action(&erika, jon.email(), "Manage roles").await;
    page.untick("Admin").press("Save").await.expect_status(200);
    let token = |kind| Token::new(kind).expose().to_owned();
    let unknown = format!("/register/{}", token(TokenKind::Invitation));
    let other_door = format!("/register/{}", token(TokenKind::NewPassword));
    let mut links = vec![
        expired,
        used,
        revoked,
        replaced,
        unvouched,
        unknown.clone(),
        other_door,
    ];
    links.extend(
        [
            "/register/x",
            "/register/inv_",
            "/register/inv_%00",
            "/register/%F0%9F%98%80",
        ]
        .map(str::to_owned),
    );
    links.push(format!("{unknown}x"));
    links.push(unknown[..unknown.len() - 1].to_owned());
    links.push("/register".to_owned());
    links.push(
        unknown
            .replace("/register/", "/new-password/")
            .replace("inv_", "rst_"),
    );

    let before = everything(&app);
    let mut pages = Vec::new();
    for link in &links {
        let visitor = app.visitor();
        let page = visitor.open(link).await;
        page.expect("Ask an administrator of the company for a new invitation");
        let fields = [
            ("name", "Eve"),
            ("password", PASSWORD),
            ("repeat", PASSWORD),
            ("code", "1"),
        ];
        let posted = visitor.post("/register", &fields).await;
        let code = visitor.post("/register/two-factor", &fields).await;
        pages.push((link, masked(&page), masked(&posted), masked(&code)));
    }
    let (_, same, ..) = pages[0].clone();
    assert!(same.starts_with("404 "));
    for (link, shown, posted, code) in &pages {
        assert_eq!(*shown, same, "{link}");
        assert_eq!(*posted, same, "{link}, posted");
        assert_eq!(*code, same, "{link}, code");
    }
    // Nor can somebody who is signed in use one.
    erika.post("/register/join", &[]).await.expect_status(404);
    assert_eq!(everything(&app), before);
}

async fn of_two_browsers_with_one_link_one_becomes_the_member(app: TestApp) {
    let erika = app.admin("erika").await;
    let link = invited(&app, &erika, "vera@halden.example").await;
    let before = people(&app);
    let (one, two) = (app.visitor(), app.visitor());
    let first = choose_password(&one, &link, "Vera").await;
    let second = two.open(&link).await;
    one.scan(&first);
    let code = one.code();
    let (a, b) = (
        first.fill("Six-digit code", code.clone()),
        second.fill("Six-digit code", code),
    );
    let (a, b) = tokio::join!(a.press_once("Confirm"), b.press_once("Confirm"));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 404]);
    assert_eq!(people(&app), (before.0 + 1, before.1 + 1));
    assert_eq!(one.cookie("sid").is_some(), a.status == 303);
    assert_eq!(two.cookie("sid").is_some(), b.status == 303);
}

async fn the_invitation_decides_what_the_member_may_do(app: TestApp) {
    let erika = app.admin("erika").await;
    let form = erika.open(INSIGHT_USERS).await.press("Invite Member").await;
    assert!(form.is_ticked("Viewer") && !form.is_ticked("Technician") && !form.is_ticked("Admin"));
    form.clone()
        .fill("E-mail addresses", "both@x.example")
        .tick("Technician")
        .press("Send")
        .await;
    form.clone()
        .fill("E-mail addresses", "none@x.example")
        .untick("Viewer")
        .press("Send")
        .await;
    form.fill("E-mail addresses", "boss@x.example")
        .fill("Name", "The Boss")
        .tick("Admin")
        .press("Send")
        .await;
    for (address, roles) in [
        ("both@x.example", "Viewer Technician"),
        ("none@x.example", "None"),
        ("boss@x.example", "Viewer Admin"),
    ] {
        let link = app.last_mail_to(address).link("/register/");
        let person = app.visitor();
        let page = person.open(&link).await;
        let name = if address == "boss@x.example" {
            "The Boss"
        } else {
            ""
        };
        assert_eq!(page.value("Name"), name, "the name the inviter typed");
        register(&person, &link, "Somebody")
            .await
            .expect_status(200);
        let row = erika
            .open(INSIGHT_USERS)
            .await
            .section("Members")
            .row(address);
        assert_eq!(row.texts("td")[0], roles, "{address}");
    }
    let standard = app.number(&format!(
        "SELECT COUNT(*) FROM members m JOIN profiles p ON p.id = m.profile_id WHERE m.account_id = {} AND p.name = 'Standard User'",
        erika.account()
    ));
    assert_eq!(standard, 3);
}
