//! What a password and a name have to be when somebody registers (SPEC 3.3).

use crate::app::TestApp;
use crate::app::people::PASSWORD;
use crate::app::steps::{INSIGHT_USERS, everything, invited, prove_secret};
use crate::on_both;

on_both!(
    a_password_has_to_be_good,
    a_password_is_the_same_however_it_is_typed,
    a_name_has_to_be_one,
);

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
