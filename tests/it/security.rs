//! What people change about themselves, and the fresh code that dangerous actions ask for.

use std::time::Duration;

use crate::app::TestApp;
use crate::app::people::{PASSWORD, Person, Role};
use crate::on_both;
use crate::sign_in::{bob, recovery_codes};

on_both!(
    dangerous_pages_ask_for_a_fresh_code_after_fifteen_minutes,
    a_fresh_code_leads_on_to_where_one_was,
    a_form_sent_too_late_changes_nothing,
    a_recovery_code_is_fresh_enough,
    five_wrong_codes_inside_end_the_session,
    a_code_used_to_sign_in_is_no_fresh_code,
    changing_the_password_asks_for_the_present_one_and_ends_other_sessions,
    changing_the_secret_code_asks_for_password_and_code,
    the_new_secret_code_holds_once_it_is_proved,
    the_new_secret_code_belongs_to_one_session,
    recovery_codes_are_shown_until_they_are_saved,
    new_recovery_codes_end_the_old_ones,
    product_updates_can_be_turned_off_and_on,
    times_are_shown_in_the_chosen_zone,
    appearance_follows_the_choice,
    the_pages_of_oneself_need_no_platform_role,
);

const MINUTE: Duration = Duration::from_secs(60);
const FRESH: &str = "seven brave teapots";

/// What `dump` shows of one table.
fn table(app: &TestApp, name: &str) -> Vec<String> {
    let all = crate::app::dump(&mut app.database().connect(), &[]);
    let start = format!("{name}: ");
    all.into_iter()
        .filter(|row| row.starts_with(&start))
        .collect()
}

fn mails(app: &TestApp, person: &Person, kind: &str) -> usize {
    let mail = app.mail_to(person);
    mail.iter().filter(|letter| letter.kind == kind).count()
}

async fn dangerous_pages_ask_for_a_fresh_code_after_fifteen_minutes(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let member = format!("/shared/insight-users/members/{}", bob.member());
    let dangerous = [
        "/security/password".to_owned(),
        "/security/two-factor".to_owned(),
        "/security/recovery-codes".to_owned(),
        format!("{member}/reset-2fa"),
        format!("{member}/remove"),
    ];
    app.forward(MINUTE * 15);
    for path in &dangerous {
        ada.get(path).await.expect_status(200);
    }
    app.forward(Duration::from_millis(1));
    let before = table(&app, "members");
    for path in &dangerous {
        let asked = ada.get(path).await;
        asked.expect_redirect("/step-up");
        let sent = ada.post(path, &[]).await;
        sent.expect_redirect("/step-up");
    }
    assert_eq!(table(&app, "members"), before);
    // Everything else goes on.
    for path in ["/security", "/sessions", "/shared/insight-users"] {
        ada.get(path).await.expect_status(200);
    }
    // Making somebody an administrator asks as well, taking or giving another role does not.
    let roles = ada.open(&format!("{member}/roles")).await;
    let given = roles.clone().tick("Viewer").press_once("Save").await;
    given.expect_redirect("/shared/insight-users");
    let roles = ada.open(&format!("{member}/roles")).await;
    let asked = roles.tick("Admin").press_once("Save").await;
    asked.expect_redirect("/step-up");
}

async fn a_fresh_code_leads_on_to_where_one_was(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    app.forward(MINUTE * 16);
    let path = format!("/shared/insight-users/members/{}/remove", bob.member());
    let asked = ada.open(&path).await;
    assert_eq!(asked.h1(), "Confirm it is you");
    asked.expect("to go on: remove a member");
    let wrong = asked
        .fill("Six-digit code", "000000")
        .press("Continue")
        .await;
    wrong.expect_status(422);
    let there = wrong
        .fill("Six-digit code", ada.code())
        .press("Continue")
        .await;
    assert_eq!(there.path, path);
    there.press("Remove Bob").await.expect_status(200);
    // Now it is fresh for everything.
    app.forward(MINUTE * 14);
    ada.get("/security/two-factor").await.expect_status(200);
    // Nobody is sent elsewhere by it.
    let code = ada.code();
    let fields = [("code", code.as_str()), ("next", "//evil.example")];
    let on = ada.post("/step-up", &fields).await;
    assert_eq!(on.header("location"), "/");
}

async fn a_form_sent_too_late_changes_nothing(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let page = bob.open("/security/password").await;
    let page = page.fill("Current password", PASSWORD);
    let page = page
        .fill("New password", FRESH)
        .fill("Repeat new password", FRESH);
    app.forward(MINUTE * 16);
    let before = table(&app, "users");
    let asked = page.press("Change password").await;
    assert_eq!(asked.h1(), "Confirm it is you");
    assert_eq!(table(&app, "users"), before);
    // One is back at the form, which is empty: passwords are not kept.
    let back = asked
        .fill("Six-digit code", bob.code())
        .press("Continue")
        .await;
    assert_eq!(back.path, "/security/password");
    assert_eq!(back.value("New password"), "");
}

async fn a_recovery_code_is_fresh_enough(app: TestApp) {
    let bob = bob(&app).await;
    let codes = recovery_codes(&bob).await;
    app.forward(MINUTE * 16);
    let asked = bob.open("/security/two-factor").await;
    let asked = asked.press("Use a recovery code").await;
    let there = asked
        .fill("Recovery code", &codes[0])
        .press("Continue")
        .await;
    assert_eq!(there.path, "/security/two-factor");
    app.forward(MINUTE * 16);
    let asked = bob.open("/security/two-factor").await;
    let asked = asked.press("Use a recovery code").await;
    let refused = asked
        .fill("Recovery code", &codes[0])
        .press("Continue")
        .await;
    refused.expect_status(422);
}

async fn five_wrong_codes_inside_end_the_session(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    for _ in 0..4 {
        let wrong = bob.post("/step-up", &[("code", "000000")]).await;
        wrong.expect_status(422);
    }
    let fifth = bob.post("/step-up", &[("code", "000000")]).await;
    fifth.expect_redirect("/sign-in");
    assert!(!bob.is_signed_in().await);
    assert_eq!(mails(&app, &bob, "wrong-codes"), 1);
}

async fn a_code_used_to_sign_in_is_no_fresh_code(app: TestApp) {
    let bob = bob(&app).await;
    let code = bob.code();
    bob.password_is_right().await;
    bob.type_code(&code).await.expect_redirect("/");
    let again = bob.post("/step-up", &[("code", &code)]).await;
    again.expect_status(422);
    let fields = [("current", PASSWORD), ("code", code.as_str())];
    let again = bob.post("/security/two-factor", &fields).await;
    again.expect_status(422);
}

async fn changing_the_password_asks_for_the_present_one_and_ends_other_sessions(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let phone = bob.other_browser();
    phone.sign_in().await.expect_status(200);
    let before = table(&app, "users");
    let page = bob.open("/security").await;
    let page = page
        .fill("New password", FRESH)
        .fill("Repeat new password", FRESH);
    let missing = page.press("Change password").await;
    missing.expect_status(422);
    assert_eq!(missing.errors(), ["Type your current password."]);
    let page = missing.fill("Current password", "a wrong one");
    let page = page
        .fill("New password", FRESH)
        .fill("Repeat new password", FRESH);
    let wrong = page.press("Change password").await;
    assert_eq!(wrong.errors(), ["This is not your current password."]);
    assert_eq!(table(&app, "users"), before);

    let session = bob.cookie("sid");
    let page = wrong.fill("Current password", PASSWORD);
    let page = page
        .fill("New password", FRESH)
        .fill("Repeat new password", FRESH);
    let done = page.press("Change password").await;
    assert_eq!(
        done.flash(),
        "Your password was changed. Your other sessions were ended."
    );
    assert!(!phone.is_signed_in().await);
    assert!(bob.is_signed_in().await);
    assert_ne!(bob.cookie("sid"), session);
    assert_eq!(mails(&app, &bob, "password-changed"), 1);
    let elsewhere = bob.other_browser();
    elsewhere
        .give_password(bob.email(), PASSWORD)
        .await
        .expect_status(422);
    elsewhere.sign_in_with(FRESH).await.expect_status(200);
}

async fn changing_the_secret_code_asks_for_password_and_code(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let before = table(&app, "users");
    for (password, code) in [
        ("", "000000"),
        ("wrong", bob.code().as_str()),
        (PASSWORD, ""),
    ] {
        let fields = [("current", password), ("code", code)];
        let refused = bob.post("/security/two-factor", &fields).await;
        refused.expect_status(422);
        bob.get("/security/two-factor/new")
            .await
            .expect_redirect("/security/two-factor");
    }
    assert_eq!(table(&app, "users"), before);
    let fields = [("current", PASSWORD), ("code", "000000")];
    let refused = bob.post("/security/two-factor", &fields).await;
    refused.expect_status(422);
    // Nobody comes to the second page without the first.
    let tried = bob
        .post("/security/two-factor/new", &[("code", "000000")])
        .await;
    tried.expect_redirect("/security/two-factor");
}

async fn the_new_secret_code_holds_once_it_is_proved(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let old_codes = recovery_codes(&bob).await;
    let phone = bob.other_browser();
    phone.sign_in().await.expect_status(200);
    let page = bob.open("/security").await;
    let page = page.press("Generate a new secret code").await;
    let page = page.fill("Current password", PASSWORD);
    let page = page.fill("Current six-digit code", bob.code());
    let page = page.press("Continue").await;
    let shown = page.texts("#secret");
    // Until it is proved, the present one works, and the page can be left and come back to.
    let elsewhere = bob.other_browser();
    elsewhere.sign_in().await.expect_status(200);
    let page = bob.open("/security/two-factor/new").await;
    assert_eq!(page.texts("#secret"), shown);
    let wrong = page.fill("Six-digit code", "000000").press("Confirm").await;
    wrong.expect_status(422);
    assert_eq!(wrong.texts("#secret"), shown);

    let session = bob.cookie("sid");
    bob.scan(&wrong);
    let done = wrong
        .fill("Six-digit code", bob.code())
        .press("Confirm")
        .await;
    assert_eq!(done.h1(), "Save your recovery codes");
    assert_eq!(done.texts("#codes li").len(), 10);
    assert_ne!(bob.cookie("sid"), session);
    assert_eq!(mails(&app, &bob, "two-factor-set"), 1);
    for ended in [phone, elsewhere] {
        assert!(!ended.is_signed_in().await);
    }
    // Codes and recovery codes of before are worth nothing.
    let browser = bob.other_browser();
    browser.password_is_right().await;
    browser.type_code(&old_codes[0]).await.expect_status(422);
    browser.type_code(&bob.code()).await.expect_redirect("/");
}

async fn the_new_secret_code_belongs_to_one_session(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let other = bob.other_browser();
    other.sign_in().await.expect_status(200);
    let code = bob.code();
    let fields = [("current", PASSWORD), ("code", code.as_str())];
    let begun = bob.post("/security/two-factor", &fields).await;
    begun.expect_redirect("/security/two-factor/new");
    other
        .get("/security/two-factor/new")
        .await
        .expect_redirect("/security/two-factor");
}

async fn recovery_codes_are_shown_until_they_are_saved(app: TestApp) {
    let bob = bob(&app).await;
    let codes = recovery_codes(&bob).await;
    let mut different = codes.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 10);
    assert_eq!(mails(&app, &bob, "recovery-codes"), 1);
    // Another page in between takes nothing away.
    bob.open("/sessions").await.expect_status(200);
    let page = bob.open("/recovery-codes").await;
    assert_eq!(page.texts("#codes li"), codes);
    let refused = page.press("Continue to Insight").await;
    refused.expect_status(422);
    assert_eq!(
        refused.errors(),
        ["Save the codes first, then tick that you have."]
    );
    assert_eq!(refused.texts("#codes li"), codes);

    let file = refused.press("Download").await;
    file.expect_status(200);
    assert_eq!(file.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(
        file.header("content-disposition"),
        "attachment; filename=\"insight-recovery-codes.txt\""
    );
    let text = file.source();
    let lines: Vec<&str> = text.lines().filter(|l| l.contains('-')).collect();
    assert!(
        codes.iter().all(|code| lines.contains(&code.as_str())),
        "{text}"
    );

    let page = bob.open("/recovery-codes").await;
    let page = page.tick("I have saved these codes");
    page.press("Continue to Insight").await.expect_status(200);
    bob.get("/recovery-codes")
        .await
        .expect_redirect("/security");
    let gone = bob.post("/recovery-codes/download", &[]).await;
    gone.expect_redirect("/security");
    // Nothing but hashes is left.
    let rows = crate::app::dump(&mut app.database().connect(), &[]).join("\n");
    assert!(codes.iter().all(|code| !rows.contains(code)));
}

async fn new_recovery_codes_end_the_old_ones(app: TestApp) {
    let bob = bob(&app).await;
    let old = recovery_codes(&bob).await;
    let new = recovery_codes(&bob).await;
    let browser = bob.other_browser();
    browser.password_is_right().await;
    browser.type_code(&old[0]).await.expect_status(422);
    browser.type_code(&new[0]).await.expect_redirect("/");
    let before = table(&app, "recovery_codes");
    for wrong in ["", "wrong"] {
        let fields = [("current", wrong)];
        let refused = browser.post("/security/recovery-codes", &fields).await;
        refused.expect_status(422);
    }
    assert_eq!(table(&app, "recovery_codes"), before);
}

async fn product_updates_can_be_turned_off_and_on(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let label = "E-mail me API changes and important product updates";
    let page = bob.open("/security").await;
    assert!(page.is_ticked(label));
    let off = page.section("Product updates").untick(label);
    let off = off.press("Save").await;
    assert_eq!(off.flash(), "Product updates were turned off.");
    assert!(!off.is_ticked(label));
    let chosen =
        || app.number("SELECT COUNT(*) FROM audit_entries WHERE action = 'product-updates.chosen'");
    assert_eq!(chosen(), 1);
    // Choosing the same once more changes nothing.
    off.section("Product updates")
        .press("Save")
        .await
        .expect_status(200);
    assert_eq!(chosen(), 1);
    let on = off
        .section("Product updates")
        .tick(label)
        .press("Save")
        .await;
    assert!(on.is_ticked(label));
    assert_eq!(chosen(), 2);
}

async fn times_are_shown_in_the_chosen_zone(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let signed_in = |page: &crate::app::page::Page| page.texts("tbody time").join(" | ");
    let utc = bob.open("/sessions").await;
    assert!(signed_in(&utc).contains("09:41"), "{}", signed_in(&utc));
    let page = bob.open("/security").await.section("Display");
    let saved = page
        .choose("Time zone", "Asia/Kathmandu")
        .press("Save")
        .await;
    assert_eq!(saved.flash(), "Time zone and appearance were saved.");
    assert_eq!(saved.value("Time zone"), "Asia/Kathmandu");
    let there = bob.open("/sessions").await;
    assert!(signed_in(&there).contains("15:26"), "{}", signed_in(&there));
    // What machines read stays UTC.
    let at = there.all("tbody time");
    assert!(
        at.iter()
            .all(|t| t.attr("datetime").is_some_and(|d| d.contains("T09:41")))
    );
    // It is the person's, on every device.
    let phone = bob.other_browser();
    phone.sign_in().await.expect_status(200);
    let page = phone.open("/security").await;
    assert_eq!(page.value("Time zone"), "Asia/Kathmandu");
}

async fn appearance_follows_the_choice(app: TestApp) {
    let bob = app.member("bob", &[]).await;
    let theme = |page: &crate::app::page::Page| {
        let html = page.html().root_element();
        html.attr("data-theme").unwrap_or("").to_owned()
    };
    let page = bob.open("/security").await;
    assert!(page.is_ticked("System"));
    assert_eq!(theme(&page), "");
    for (label, name) in [("Dark", "dark"), ("Light", "light"), ("System", "")] {
        let page = bob.open("/security").await.section("Display");
        let saved = page.tick(label).press("Save").await;
        saved.expect_status(200);
        assert!(saved.is_ticked(label));
        assert_eq!(theme(&saved), name, "{label}");
        assert_eq!(theme(&bob.open("/sessions").await), name, "{label}");
        assert_eq!(theme(&bob.open("/no/such/page").await), name, "{label}");
    }
}

async fn the_pages_of_oneself_need_no_platform_role(app: TestApp) {
    let roles = [
        ("nobody", None),
        ("viewer", Some(Role::Viewer)),
        ("technician", Some(Role::Technician)),
    ];
    for (name, role) in roles {
        let person = app.member(name, role.as_slice()).await;
        for path in ["/security", "/sessions", "/accounts", "/security/password"] {
            person.get(path).await.expect_status(200);
        }
        let page = person.open("/security").await;
        for way in ["Security", "Sessions", "Sign out"] {
            assert!(page.offers(way), "{way}");
        }
    }
}
