//! From the link in a mail to a member (SPEC 3.3): registering, joining, and every way in which neither happens.

use std::time::Duration;

use insight::credentials::tokens::{Token, TokenKind};

use crate::app::TestApp;
use crate::app::people::{PASSWORD, Role};
use crate::app::steps::{
    INSIGHT_USERS, assert_newest, audit_sentences, choose_password, everything, invited, masked,
    member_action, prove_secret, register,
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
    a_password_has_to_be_good,
    a_password_is_the_same_however_it_is_typed,
    a_name_has_to_be_one,
    somebody_with_a_sign_in_joins,
    somebody_signs_in_to_join,
    an_invitation_is_for_one_person_alone,
    an_invitation_holds_as_long_as_its_inviter_is_an_administrator,
    inviting_a_removed_member_brings_them_back,
    whoever_was_signed_in_before_is_signed_out,
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

async fn a_password_has_to_be_good(app: TestApp) {
    let erika = app.admin("erika").await;
    let link = invited(&app, &erika, "veralind@halden.example").await;
    let vera = app.visitor();
    let page = vera.open(&link).await;
    let before = everything(&app);
    let short = "Use at least 12 characters. A few unrelated words work well.";
    for (password, repeat, problem) in [
        ("", "", short),
        ("eleven char", "eleven char", short),
        ("🔒🔒🔒🔒🔒🔒🔒🔒🔒🔒🔒", "", short),
        (&"x".repeat(129), "", "Use at most 128 characters."),
        (
            "passwordpassword",
            "passwordpassword",
            "This password is on the list of common passwords.",
        ),
        (
            "PasswordPassword",
            "",
            "This password is on the list of common passwords.",
        ),
        (
            "my VeraLind pass",
            "",
            "Leave your e-mail name out of the password.",
        ),
        (
            "halden logistics 7",
            "",
            "Leave the company name out of the password.",
        ),
        (
            "HALDEN LOGISTICS!",
            "",
            "Leave the company name out of the password.",
        ),
        (
            "deep insight 123",
            "",
            "Leave the name Insight out of the password.",
        ),
        (PASSWORD, "", "Type the same password twice."),
        (
            PASSWORD,
            "thirty-four quiet plinthS",
            "Type the same password twice.",
        ),
    ] {
        let answer = page
            .clone()
            .fill("Name", "Vera Lind")
            .fill("Password", password)
            .fill("Repeat password", repeat)
            .press("Continue")
            .await;
        answer.expect_status(422);
        let errors = answer.errors();
        assert!(
            errors.len() == 1 && errors[0].starts_with(problem),
            "{password}: {errors:?}"
        );
        assert_eq!(answer.value("Name"), "Vera Lind", "what was typed is kept");
        assert_eq!(answer.value("Password"), "", "but never a password");
        assert_eq!(answer.value("Repeat password"), "");
    }
    let all = page
        .clone()
        .fill("Name", "")
        .fill("Password", "x")
        .press("Continue")
        .await;
    assert_eq!(all.errors().len(), 2, "everything that is wrong at once");
    assert_eq!(everything(&app), before);
    for good in [
        "twelve chars",
        &"ж".repeat(128),
        " spaces at both ends ",
        "💡🔧🪜🧹🧺🧻🪣🧽🪥🧴🧷🧼",
    ] {
        let answer = page
            .clone()
            .fill("Name", "Vera Lind")
            .fill("Password", good)
            .fill("Repeat password", good)
            .press("Continue")
            .await;
        assert_eq!(
            (answer.status, answer.path.as_str()),
            (200, "/register/two-factor"),
            "{good}"
        );
    }
}

async fn a_password_is_the_same_however_it_is_typed(app: TestApp) {
    let erika = app.admin("erika").await;
    let link = invited(&app, &erika, "vera@halden.example").await;
    let vera = app.visitor();
    let page = vera.open(&link).await;
    let decomposed = " Cafe\u{301} zur schwarzen Mu\u{308}hle ";
    let page = page
        .fill("Name", "Vera")
        .fill("Password", decomposed)
        .fill("Repeat password", decomposed)
        .press("Continue")
        .await;
    prove_secret(&vera, page).await.expect_status(200);
    for (typed, right) in [
        (" Caf\u{e9} zur schwarzen M\u{fc}hle ", true),
        (decomposed, true),
        ("Caf\u{e9} zur schwarzen M\u{fc}hle", false),
        (" caf\u{e9} zur schwarzen M\u{fc}hle ", false),
    ] {
        let page = app
            .visitor()
            .give_password("vera@halden.example", typed)
            .await;
        assert_eq!(page.path == "/sign-in/code", right, "{typed:?}");
    }
}

async fn a_name_has_to_be_one(app: TestApp) {
    let erika = app.admin("erika").await;
    let link = invited(&app, &erika, "vera@halden.example").await;
    let vera = app.visitor();
    let page = vera.open(&link).await;
    let before = everything(&app);
    let long = "é".repeat(101);
    for (name, problem) in [
        ("", "Type a name."),
        ("   ", "Type a name."),
        ("\u{3164}", "Type a name."),
        (long.as_str(), "Use at most 100 characters."),
        (
            "Vera\r\nBcc: eve@x.example",
            "Leave control characters out of the name.",
        ),
        ("\u{202e}areV", "Leave control characters out of the name."),
    ] {
        let fields = [("name", name), ("password", PASSWORD), ("repeat", PASSWORD)];
        let answer = vera.post("/register", &fields).await;
        answer.expect_status(422);
        assert_eq!(answer.errors(), [problem], "{name:?}");
    }
    assert_eq!(everything(&app), before);
    let name = "<b>Zoë</b> & “O'Neil” {{7*7}}";
    let page = page
        .fill("Name", name)
        .fill("Password", PASSWORD)
        .fill("Repeat password", PASSWORD)
        .press("Continue")
        .await;
    prove_secret(&vera, page).await;
    let list = erika.open(INSIGHT_USERS).await;
    list.section("Members")
        .row("vera@halden.example")
        .expect(name);
    assert!(app.last_mail_to(&erika).text.contains(name));
    assert!(
        app.last_mail_to(&erika).html.contains("&#60;b&#62;Zoë")
            || app.last_mail_to(&erika).html.contains("&lt;b&gt;Zoë")
    );
}

async fn somebody_with_a_sign_in_joins(app: TestApp) {
    let erika = app.admin("erika").await;
    let known = app.company("Other Company").member("known", &[Role::Admin]);
    let link = invited(&app, &erika, known.email()).await;
    let before = people(&app);
    let page = known.open(&link).await;
    assert_eq!(page.h1(), "Join Halden Logistics");
    page.expect("Invited by Erika")
        .expect("You keep your password and two-factor");
    assert!(
        page.all("input[type=password]").is_empty(),
        "no second password"
    );
    // The first step of registration is closed to them.
    let fields = [
        ("name", "Eve"),
        ("password", PASSWORD),
        ("repeat", PASSWORD),
    ];
    known
        .post("/register", &fields)
        .await
        .expect_redirect("/register");
    known
        .post("/register/two-factor", &[("code", "1")])
        .await
        .expect_redirect("/register");
    let session = known.cookie("sid");

    let home = page.press("Join").await;

    assert_eq!(home.flash(), "You joined Halden Logistics.");
    home.expect("Halden Logistics").expect("Other Company");
    assert_ne!(known.cookie("sid"), session, "a new session id");
    assert_eq!(
        people(&app),
        (before.0, before.1 + 1),
        "a member more, and no user"
    );
    known.get(INSIGHT_USERS).await.expect_status(403);
    assert_newest(
        &audit_sentences(&erika).await,
        "Joined as Known (known@other.example) with Viewer",
    );
    assert_eq!(
        app.last_mail_to(&erika).subject,
        "Known has joined Halden Logistics"
    );
    known.open(&link).await.expect_status(404);
    let other = known.account().to_string();
    let back = known.post("/accounts/switch", &[("account", &other)]).await;
    back.follow().await.expect("You are now in Other Company.");
}

async fn somebody_signs_in_to_join(app: TestApp) {
    let erika = app.admin("erika").await;
    let known = app
        .company("Other Company")
        .member("known", &[Role::Viewer]);
    let link = invited(&app, &erika, known.email()).await;
    let laptop = known.other_browser();
    let page = laptop.open(&link).await;
    page.expect("There is an Insight sign-in with this e-mail already");
    let page = page.press("Sign in to join").await;
    let page = page
        .fill("E-mail", known.email())
        .fill("Password", PASSWORD)
        .press("Sign in")
        .await;
    // Half a sign-in does not join.
    laptop
        .post("/register/join", &[])
        .await
        .expect_redirect("/sign-in/code");
    let page = page
        .fill("Six-digit code", laptop.code())
        .press("Sign in")
        .await;
    assert_eq!(page.h1(), "Join Halden Logistics");
    let home = page.press("Join").await;
    assert_eq!(home.flash(), "You joined Halden Logistics.");
}

async fn an_invitation_is_for_one_person_alone(app: TestApp) {
    let erika = app.admin("erika").await;
    let other = app.company("Other Company");
    let known = other.member("known", &[Role::Viewer]);
    let eve = other.member("eve", &[Role::Admin]);
    let link = invited(&app, &erika, known.email()).await;
    let page = eve.open(&link).await;
    page.expect(
        "This invitation is for known@other.example, and you are signed in as eve@other.example",
    );
    assert!(!page.offers("Join"));
    let before = everything(&app);
    eve.post("/register/join", &[]).await.expect_status(422);
    eve.post("/register/join", &[("email", known.email()), ("user", "1")])
        .await
        .expect_status(422);
    assert_eq!(everything(&app), before);
    page.press("Sign out").await;
    let page = eve.open(&link).await;
    page.expect("Sign in to join");
}

async fn an_invitation_holds_as_long_as_its_inviter_is_an_administrator(app: TestApp) {
    let erika = app.admin("erika").await;
    let demoted = app.admin("demoted").await;
    let removed = app.admin("removed").await;
    let one = invited(&app, &demoted, "one@x.example").await;
    let two = invited(&app, &removed, "two@x.example").await;
    let vera = app.visitor();
    let under_way = choose_password(&vera, &one, "Vera").await;
    vera.scan(&under_way);
    let page = member_action(&erika, demoted.email(), "Manage roles").await;
    page.untick("Admin").press("Save").await.expect_status(200);
    let page = member_action(&erika, removed.email(), "Remove").await;
    page.untick("Revoke: two@x.example")
        .press("Remove Removed")
        .await
        .expect_status(200);

    let before = people(&app);
    app.visitor().open(&one).await.expect_status(404);
    app.visitor().open(&two).await.expect_status(404);
    under_way
        .fill("Six-digit code", vera.code())
        .press("Confirm")
        .await
        .expect_status(404);
    assert_eq!(people(&app), before, "nobody comes in on a lost right");
    let list = erika.open(INSIGHT_USERS).await;
    list.row("one@x.example")
        .expect("the inviter is no longer an administrator");
    list.row("two@x.example")
        .expect("Removed (removed)")
        .expect("Resend to make it valid");

    list.row("one@x.example").press("Resend").await;
    let fresh = app.last_mail_to("one@x.example").link("/register/");
    register(&app.visitor(), &fresh, "Vera")
        .await
        .expect_status(200);
    assert_eq!(people(&app), (before.0 + 1, before.1 + 1));
}

async fn inviting_a_removed_member_brings_them_back(app: TestApp) {
    let erika = app.admin("erika").await;
    // Somebody of this company alone, and somebody who has another one to go on with.
    let sam = app.member("sam", &[Role::Viewer]).await;
    let both = app.company("Other Company").member("both", &[Role::Viewer]);
    let there = app.halden().await.add(&both, &[Role::Technician]);
    for person in [&sam, &both] {
        let page = member_action(&erika, person.email(), "Remove").await;
        page.press(&format!("Remove {}", person.name()))
            .await
            .expect_status(200);
    }
    let users = app.number("SELECT COUNT(*) FROM users");

    let link = invited(&app, &erika, sam.email()).await;
    let again = app.visitor();
    let page = again.open(&link).await;
    page.expect("Step 1 of 3");
    register(&again, &link, "Sam Reyes")
        .await
        .expect("Sam Reyes");
    let link = invited(&app, &erika, both.email()).await;
    both.open(&link)
        .await
        .press("Join")
        .await
        .expect("You joined Halden Logistics.");

    assert_eq!(
        app.number("SELECT COUNT(*) FROM users"),
        users,
        "the same users"
    );
    for member in [sam.member(), there] {
        let active =
            format!("SELECT COUNT(*) FROM members WHERE id = {member} AND removed_at IS NULL");
        assert_eq!(app.number(&active), 1, "the same member");
    }
    let list = erika.open(&format!("{INSIGHT_USERS}?q=reyes")).await;
    list.section("Members").row(sam.email()).expect("Sam Reyes");
    let old = sam.other_browser();
    old.get("/").await.expect_redirect("/sign-in");
    sam.get("/").await.expect_redirect("/sign-in");
}

async fn whoever_was_signed_in_before_is_signed_out(app: TestApp) {
    let erika = app.admin("erika").await;
    let link = invited(&app, &erika, "vera@halden.example").await;
    let old = erika.cookie("sid").expect("signed in");
    register(&erika, &link, "Vera").await.expect("Vera");
    let thief = app.visitor();
    thief.set_cookie("sid", Some(&old));
    thief.get("/").await.expect_redirect("/sign-in");
}
