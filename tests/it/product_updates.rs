//! Product updates: writing one, who gets it, and how to stop getting them (SPEC 3.6).

use insight::subscribers::announcements;
use insight::{background, operators};
use reqwest::Method;

use crate::app::page::Page;
use crate::app::people::{Person, Role};
use crate::app::steps::{assert_newest, audit_sentences, everything, masked, member_action};
use crate::app::{Letter, TestApp};
use crate::on_both;

on_both!(
    only_operators_write_product_updates,
    an_operator_is_marked_on_the_host,
    a_preview_sends_nothing,
    an_update_reaches_everybody_once,
    an_update_may_go_to_one_account_alone,
    a_refused_update_keeps_what_was_typed_and_sends_nothing,
    markdown_becomes_mail_without_markup_of_its_own,
    past_updates_are_listed_with_what_became_of_them,
    opening_an_unsubscribe_link_changes_nothing,
    a_mail_program_unsubscribes_with_one_click,
    a_token_of_one_subscriber_does_nothing_to_another,
    a_member_turns_updates_off_and_on,
    an_update_may_be_written_on_the_command_line,
);

const NEW: &str = "/product-updates/new";

async fn operator(app: &TestApp) -> Person {
    let erika = app.admin("erika").await;
    erika.make_operator();
    erika
}

async fn subscribe(by: &Person, address: &str) {
    let answer = by
        .post(
            "/shared/insight-users/subscribers/new",
            &[("email", address)],
        )
        .await;
    answer.expect_redirect("/shared/insight-users#subscribers");
}

async fn written(by: &Person, subject: &str, text: &str) -> Page {
    let page = by.open(NEW).await;
    page.fill("Subject", subject).fill("Text", text)
}

/// Sends an update to everybody and lets the background job do its work.
async fn announce(app: &TestApp, by: &Person, subject: &str) -> Page {
    let page = written(by, subject, "Good *news*.")
        .await
        .press("Send")
        .await;
    page.expect_status(200);
    background::do_due_work(app).expect("works");
    page
}

fn updates(app: &TestApp) -> Vec<Letter> {
    app.mail()
        .into_iter()
        .filter(|letter| letter.unsubscribe.is_some())
        .collect()
}

fn receivers(app: &TestApp) -> Vec<String> {
    let mut to: Vec<String> = updates(app).into_iter().map(|letter| letter.to).collect();
    to.sort();
    to
}

fn unsubscribe_link(app: &TestApp, address: &str) -> String {
    let letter = app.last_mail_to(address);
    let link = letter.link("/unsubscribe/");
    assert_eq!(
        letter.unsubscribe,
        Some(format!("{}{link}", app.base())),
        "the header says the same"
    );
    link
}

fn states(app: &TestApp) -> Vec<String> {
    let query = "SELECT email || ' ' || state AS line FROM subscribers ORDER BY email";
    crate::app::texts(&mut app.database().connect(), query)
}

/// What a mail program sends: no cookie, no page before it.
async fn one_click(app: &TestApp, path: &str, body: &'static str) -> Page {
    let program = app.visitor();
    let request = program
        .request(Method::POST, path)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body);
    program.send(request, path).await
}

async fn only_operators_write_product_updates(app: TestApp) {
    let erika = app.admin("erika").await;
    let before = everything(&app);
    for path in ["/product-updates", NEW, "/product-updates/1"] {
        erika.get(path).await.expect_status(403);
        app.visitor().get(path).await.expect_redirect("/sign-in");
    }
    let fields = [
        ("kind", "product-update"),
        ("subject", "S"),
        ("markdown", "T"),
        ("account", ""),
    ];
    erika.post(NEW, &fields).await.expect_status(403);
    assert_eq!(everything(&app), before);
    let sam = app.member("sam", &[]).await;
    sam.make_operator();
    sam.get(NEW).await.expect_status(200);
}

async fn an_operator_is_marked_on_the_host(app: TestApp) {
    let erika = app.admin("erika").await;
    let marked = operators::mark(&app, "ERIKA@halden.example").expect("marks");
    assert_eq!((marked.already, marked.name.as_str()), (false, "Erika"));
    assert!(
        operators::mark(&app, "erika@halden.example")
            .expect("marks")
            .already
    );
    erika.get("/product-updates").await.expect_status(200);
    assert_newest(
        &audit_sentences(&erika).await,
        "Marked Erika (erika@halden.example) as an operator",
    );
    for nobody in ["nobody@halden.example", "x", ""] {
        assert!(operators::mark(&app, nobody).is_err(), "{nobody}");
    }
}

async fn a_preview_sends_nothing(app: TestApp) {
    let erika = operator(&app).await;
    let before = everything(&app);
    let page = written(&erika, "API v2", "It is **here**.\n\n- one").await;
    let page = page.tick("API change").press("Preview").await;
    page.expect_status(200);
    page.expect("Nothing has been sent. Subject: API v2");
    assert_eq!(page.texts("#h-preview"), ["Preview"]);
    assert_eq!(page.section("Preview").texts("strong"), ["here"]);
    background::do_due_work(&app).expect("works");
    assert_eq!(everything(&app), before);
    assert!(page.is_ticked("API change"));
    let sent = page.press("Send").await;
    assert_eq!(sent.flash(), "Sent “API v2” on its way.");
    sent.expect("API change");
}

async fn an_update_reaches_everybody_once(app: TestApp) {
    let erika = operator(&app).await;
    let nils = app.company("Norden AB").admin("nils");
    let off = app.member("off", &[]).await;
    let removed = app.member("removed", &[]).await;
    let page = off.open("/security").await;
    page.untick("E-mail me API changes and important product updates")
        .section("Product updates")
        .press("Save")
        .await;
    let page = member_action(&erika, removed.email(), "Remove").await;
    page.press("Remove Removed").await;
    for address in [
        "active@x.example",
        "twice@x.example",
        "left@x.example",
        "bounced@x.example",
        "erika@halden.example",
    ] {
        subscribe(&erika, address).await;
    }
    subscribe(&nils, "twice@x.example").await;
    for (address, state) in [("left", "unsubscribed"), ("bounced", "bouncing")] {
        app.sql(&format!(
            "UPDATE subscribers SET state = '{state}' WHERE email = '{address}@x.example'"
        ))
        .expect("runs");
    }
    announce(&app, &erika, "News").await;
    let everybody = [
        "active@x.example",
        "erika@halden.example",
        "nils@norden.example",
        "twice@x.example",
    ];
    assert_eq!(receivers(&app), everybody);
    background::do_due_work(&app).expect("works");
    assert_eq!(
        receivers(&app),
        everybody,
        "once, however often the job runs"
    );
    let links: std::collections::HashSet<_> =
        updates(&app).into_iter().map(|l| l.unsubscribe).collect();
    assert_eq!(links.len(), 4, "everybody has a link of their own");
    let letter = app.last_mail_to("active@x.example");
    assert_eq!(letter.subject, "News");
    assert!(letter.text.contains("Product update from Insight."));
    announce(&app, &erika, "More news").await;
    assert_eq!(receivers(&app).len(), 8, "the next one is another one");
}

async fn an_update_may_go_to_one_account_alone(app: TestApp) {
    let erika = operator(&app).await;
    let nils = app.company("Norden AB").admin("nils");
    subscribe(&nils, "theirs@x.example").await;
    subscribe(&erika, "ours@x.example").await;
    let page = written(&erika, "News", "T")
        .await
        .choose("Account", "Norden AB")
        .press("Send")
        .await;
    page.expect("Norden AB");
    background::do_due_work(&app).expect("works");
    assert_eq!(receivers(&app), ["nils@norden.example", "theirs@x.example"]);
}

async fn a_refused_update_keeps_what_was_typed_and_sends_nothing(app: TestApp) {
    let erika = operator(&app).await;
    let before = everything(&app);
    let (long, much) = ("x".repeat(151), "x".repeat(20_001));
    for (field, value, problem) in [
        ("subject", "", "Type a subject."),
        ("subject", " ", "Type a subject."),
        (
            "subject",
            "a\r\nBcc: eve@x.example",
            "Write the subject on one line.",
        ),
        (
            "subject",
            &long,
            "Use at most 150 characters for the subject.",
        ),
        ("markdown", " \r\n ", "Write the text of the update."),
        (
            "markdown",
            "a\u{7}b",
            "Leave control characters out of the text.",
        ),
        ("markdown", &much, "Use at most 20,000 characters."),
        ("kind", "x", "Choose what the update is about."),
        ("kind", "", "Choose what the update is about."),
        ("account", "987654", "Choose an account of the list."),
        ("account", "x", "Choose an account of the list."),
    ] {
        for button in ["preview", "send"] {
            let mut fields = vec![
                ("kind", "product-update"),
                ("subject", "Subject"),
                ("markdown", "Text"),
                ("account", ""),
            ];
            fields.retain(|(name, _)| *name != field);
            fields.extend([(field, value), (button, "1")]);
            let page = erika.post(NEW, &fields).await;
            page.expect_status(422);
            assert_eq!(page.errors(), [problem], "{field}");
            if field != "subject" {
                assert_eq!(page.value("Subject"), "Subject");
            }
            if field != "markdown" {
                assert_eq!(page.value("Text"), "Text");
            }
        }
    }
    erika
        .post(NEW, &[("subject", "a"), ("subject", "b")])
        .await
        .expect_status(400);
    for odd in [
        "/product-updates/987654",
        "/product-updates/x",
        "/product-updates/0",
    ] {
        erika.get(odd).await.expect_status(404);
    }
    background::do_due_work(&app).expect("works");
    assert_eq!(everything(&app), before);
}

async fn markdown_becomes_mail_without_markup_of_its_own(app: TestApp) {
    let erika = operator(&app).await;
    let text = "# Hello\n\nNow <script>alert(1)</script> [bad](javascript:alert(1)) <b>bold</b>";
    let page = written(&erika, "<i>News</i>", text).await;
    let page = page.press("Preview").await;
    let preview = page.section("Preview");
    preview.expect("Now <script>alert(1)</script> bad <b>bold</b>");
    assert_eq!(
        preview.texts("h3"),
        ["Hello"],
        "below the headings of the page"
    );
    let sent = page.press("Send").await;
    sent.expect("<i>News</i>");
    let more = "[good](https://x.example/a) ![words](https://x.example/pixel.png)";
    announcements::announce_from_cli(&app, "More", more, "api-change", None).expect("writes");
    background::do_due_work(&app).expect("works");
    let letters = updates(&app);
    for letter in &letters {
        for never in ["<script", "javascript:", "<b>", "<img", "pixel.png", "<i>"] {
            assert!(!letter.html.contains(never), "{never} in {}", letter.html);
        }
    }
    assert_eq!(letters[0].subject, "<i>News</i>");
    assert!(
        letters[1]
            .html
            .contains("<a href=\"https://x.example/a\">good</a> words")
    );
}

async fn past_updates_are_listed_with_what_became_of_them(app: TestApp) {
    let erika = operator(&app).await;
    let page = erika.open("/product-updates").await;
    page.expect("Nothing has been sent yet.");
    for address in ["a@x.example", "b@x.example", "c@x.example"] {
        subscribe(&erika, address).await;
    }
    announce(&app, &erika, "News").await;
    app.sql("UPDATE outbox SET state = 'sent' WHERE recipient IN ('a@x.example', 'b@x.example')")
        .expect("sends");
    app.sql("UPDATE outbox SET state = 'failed' WHERE recipient = 'c@x.example'")
        .expect("fails");
    let list = erika.open("/product-updates").await;
    let row = list.row("News");
    assert_eq!(
        row.texts("td.num"),
        ["2", "1", "1"],
        "sent, failed, pending"
    );
    row.expect("Erika").expect("Product update");
    let page = list.press("News").await;
    page.expect("Sent 2")
        .expect("Failed 1")
        .expect("Pending 1")
        .expect("Good news.");
    for n in 0..21 {
        app.forward(std::time::Duration::from_secs(1));
        let (subject, fields) = (
            format!("Update {n}"),
            [("kind", "api-change"), ("markdown", "T"), ("account", "")],
        );
        let mut fields = fields.to_vec();
        fields.push(("subject", &subject));
        erika.post(NEW, &fields).await;
    }
    let page = erika.open("/product-updates").await;
    assert_eq!(page.texts("tbody tr").len(), 20, "newest first");
    assert!(page.texts("tbody tr")[0].contains("Update 20"));
    let older = page.press("Older").await;
    assert_eq!(older.texts("tbody tr").len(), 2);
    assert_eq!(older.press("Newer").await.texts("tbody tr").len(), 20);
}

async fn opening_an_unsubscribe_link_changes_nothing(app: TestApp) {
    let erika = operator(&app).await;
    subscribe(&erika, "news@x.example").await;
    announce(&app, &erika, "News").await;
    let link = unsubscribe_link(&app, "news@x.example");
    let before = everything(&app);
    let reader = app.visitor();
    let page = reader.open(&link).await;
    page.expect("news@x.example will get no more product updates");
    let head = reader.request(Method::HEAD, &link);
    reader.send(head, &link).await.expect_status(200);
    assert_eq!(everything(&app), before, "a mail scanner opens links");
    let page = page.press("Unsubscribe").await;
    assert_eq!(page.h1(), "You are unsubscribed");
    assert_eq!(states(&app), ["news@x.example unsubscribed"]);
    let log = erika.open("/settings/audit-log").await;
    log.row("Unsubscribed news@x.example from product updates")
        .expect("news@x.example");
    announce(&app, &erika, "More").await;
    assert!(
        app.mail_to("news@x.example").is_empty(),
        "what waited is withdrawn, and nothing more comes"
    );
    let page = page.press("Subscribe again").await;
    assert_eq!(page.h1(), "You are subscribed");
    assert_eq!(states(&app), ["news@x.example active"]);
}

async fn a_mail_program_unsubscribes_with_one_click(app: TestApp) {
    let erika = operator(&app).await;
    subscribe(&erika, "news@x.example").await;
    announce(&app, &erika, "News").await;
    let link = unsubscribe_link(&app, "news@x.example");
    let page = one_click(&app, &link, "List-Unsubscribe=One-Click").await;
    page.expect_status(200)
        .expect("gets no more product updates");
    assert_eq!(states(&app), ["news@x.example unsubscribed"]);
    assert!(
        app.mail_to("news@x.example").is_empty(),
        "what waits in the outbox stays here"
    );
    let before = everything(&app);
    one_click(&app, &link, "List-Unsubscribe=One-Click")
        .await
        .expect_status(200);
    assert_eq!(
        everything(&app),
        before,
        "again changes nothing, and leaves one entry"
    );
    // A member's link opts the person out, in whatever browser.
    let link = unsubscribe_link(&app, erika.email());
    one_click(&app, &link, "List-Unsubscribe=One-Click")
        .await
        .expect_status(200);
    let page = erika.open("/security").await;
    assert!(!page.is_ticked("E-mail me API changes and important product updates"));
}

async fn a_token_of_one_subscriber_does_nothing_to_another(app: TestApp) {
    let erika = operator(&app).await;
    for address in ["a@x.example", "b@x.example"] {
        subscribe(&erika, address).await;
    }
    announce(&app, &erika, "News").await;
    let (a, b) = (
        unsubscribe_link(&app, "a@x.example"),
        unsubscribe_link(&app, "b@x.example"),
    );
    let head = "/unsubscribe/uns_".len();
    let mixed = [
        format!("{}{}", &a[..head + 12], &b[head + 12..]),
        format!("{}{}", &b[..head + 12], &a[head + 12..]),
        a.replace("uns_", "inv_"),
        a[..a.len() - 1].to_owned(),
        format!("{a}A"),
        "/unsubscribe/uns_".to_owned(),
        "/unsubscribe/1".to_owned(),
    ];
    let before = everything(&app);
    let dead = masked(&app.visitor().open("/register").await);
    for link in &mixed {
        assert_eq!(masked(&app.visitor().open(link).await), dead, "{link}");
        one_click(&app, link, "List-Unsubscribe=One-Click")
            .await
            .expect_status(404);
        one_click(&app, link, "email=b@x.example")
            .await
            .expect_status(404);
    }
    assert_eq!(everything(&app), before);
    one_click(&app, &a, "email=b@x.example&subscriber=2")
        .await
        .expect_status(200);
    assert_eq!(
        states(&app),
        ["a@x.example unsubscribed", "b@x.example active"]
    );
    // The link outlives the entry without harm.
    let rows = erika.open("/shared/insight-users").await.row("a@x.example");
    rows.press("Remove a@x.example")
        .await
        .press("Remove a@x.example")
        .await;
    app.visitor().open(&a).await.expect_not("a@x.example");
    one_click(&app, &a, "").await.expect_status(200);
    assert_eq!(states(&app), ["b@x.example active"]);
}

async fn a_member_turns_updates_off_and_on(app: TestApp) {
    let erika = operator(&app).await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let choose = async |on: bool| {
        let label = "E-mail me API changes and important product updates";
        let page = sam.open("/security").await;
        let page = if on {
            page.tick(label)
        } else {
            page.untick(label)
        };
        page.section("Product updates")
            .press("Save")
            .await
            .expect_status(200);
    };
    choose(false).await;
    assert_newest(&audit_sentences(&erika).await, "Turned product updates off");
    announce(&app, &erika, "One").await;
    assert!(app.mail_to(&sam).is_empty());
    choose(true).await;
    announce(&app, &erika, "Two").await;
    assert_eq!(app.mail_to(&sam).len(), 1);
    let page = app
        .visitor()
        .open(&unsubscribe_link(&app, sam.email()))
        .await;
    page.press("Unsubscribe")
        .await
        .expect("You can turn them on again under Security.");
    announce(&app, &erika, "Three").await;
    assert!(app.mail_to(&sam).is_empty(), "even what was waiting");
}

async fn an_update_may_be_written_on_the_command_line(app: TestApp) {
    let erika = operator(&app).await;
    let norden = app.company("Norden AB");
    norden.admin("nils");
    let write = |kind: &str, account: Option<&str>| {
        announcements::announce_from_cli(&app, "News", "Text.", kind, account)
    };
    assert!(write("rumour", None).is_err());
    assert!(write("api-change", Some("Nobody")).is_err());
    write("api-change", Some("Norden AB")).expect("writes");
    write("product-update", Some(&norden.id.to_string())).expect("writes");
    background::do_due_work(&app).expect("works");
    assert_eq!(
        receivers(&app),
        ["nils@norden.example", "nils@norden.example"]
    );
    write("product-update", None).expect("writes");
    background::do_due_work(&app).expect("works");
    assert_eq!(receivers(&app).len(), 4);
    let list = erika.open("/product-updates").await;
    assert_eq!(list.texts("tbody tr").len(), 3);
    app.company("Norden AB");
    assert!(
        write("api-change", Some("Norden AB")).is_err(),
        "two of one name"
    );
}
