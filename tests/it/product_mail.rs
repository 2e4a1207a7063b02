//! Product updates on their way: one to everybody, once, and a way out in each.

use std::collections::BTreeMap;

use insight::background;
use insight::subscribers::announcements;

use crate::app::people::{Person, client};
use crate::app::smtp::{Received, Smtp};
use crate::app::{Setup, TestApp, wait};
use crate::on_both;

on_both!(
    an_update_reaches_everybody_once_whoever_sends_it,
    one_click_ends_product_updates_without_signing_in,
    an_address_that_is_refused_gets_no_more_updates,
);

fn announce(app: &TestApp, subject: &str) {
    let text = "Import **twice as fast**.\n\n[Read on](https://halden.example/news)";
    let written = announcements::announce_from_cli(app, subject, text, "product-update", None);
    written.expect("writes it down");
}

/// Has everybody addressed and waits until every message is sent or refused.
async fn deliver(app: &TestApp) {
    background::do_due_work(app).expect("works");
    app.mail.wake();
    let mut last = 0;
    let done = wait::until(async || {
        last = app.number("SELECT count(*) FROM outbox WHERE state = 'queued'");
        (last == 0).then_some(())
    });
    assert!(done.await.is_some(), "{last} messages are still there");
}

fn subscribe(app: &TestApp, admin: &Person, emails: &[String]) {
    let (account, member) = (admin.account(), admin.member());
    let now = app.clock.now().0;
    let rows: Vec<String> = emails
        .iter()
        .map(|email| format!("({account}, '{email}', 'active', {member}, {now})"))
        .collect();
    app.sql(&format!(
        "INSERT INTO subscribers (account_id, email, state, added_by, added_at) VALUES {}",
        rows.join(", ")
    ))
    .expect("adds");
}

fn state(app: &TestApp, email: &str) -> String {
    let query =
        format!("SELECT state AS line FROM subscribers WHERE email = '{email}' GROUP BY state");
    crate::app::texts(&mut app.database().connect(), &query).join(", ")
}

async fn an_update_reaches_everybody_once_whoever_sends_it(setup: Setup) {
    let smtp = Smtp::start();
    let mut app = setup.with_smtp(&smtp).start();
    app.work_again();
    let ada = app.admin("ada").await;
    let readers: Vec<String> = (0..300)
        .map(|n| format!("reader{n}@halden.example"))
        .collect();
    subscribe(&app, &ada, &readers);
    // Somebody who is on two lists and has a sign-in is one reader still.
    let other = app.company("Fjord Terminals").admin("eve");
    subscribe(&app, &other, &[readers[0].clone(), ada.email().to_owned()]);
    app.sql("UPDATE users SET product_updates = (email = 'ada@halden.example')")
        .expect("runs");

    announce(&app, "Faster import");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let app: &insight::App = &app;
            scope.spawn(|| background::do_due_work(app).expect("works"));
        }
    });
    deliver(&app).await;
    deliver(&app).await;

    let mut received: BTreeMap<String, usize> = BTreeMap::new();
    for mail in smtp.messages() {
        *received.entry(mail.to.join(" ")).or_default() += 1;
        assert_eq!(mail.subject, "Faster import");
    }
    assert_eq!(received.len(), 301);
    assert!(received.contains_key(ada.email()));
    assert!(received.values().all(|n| *n == 1), "{received:?}");
}

fn unsubscribe_link(mail: &Received) -> String {
    let link = mail
        .header("List-Unsubscribe")
        .trim_matches(['<', '>'])
        .to_owned();
    assert!(
        mail.text.contains(&link) && mail.html.contains(&link),
        "{link}"
    );
    assert_eq!(
        mail.header("List-Unsubscribe-Post"),
        "List-Unsubscribe=One-Click"
    );
    link
}

async fn one_click_ends_product_updates_without_signing_in(setup: Setup) {
    let smtp = Smtp::start();
    let app = setup.with_smtp(&smtp).start();
    let ada = app.admin("ada").await;
    subscribe(
        &app,
        &ada,
        &["board@halden.example", "press@halden.example"].map(str::to_owned),
    );
    app.sql("UPDATE users SET product_updates = (email = 'ada@halden.example')")
        .expect("runs");
    announce(&app, "Faster import");
    deliver(&app).await;

    let mail = smtp.wait_for_mail_to("board@halden.example").await;
    assert!(
        mail.html.contains("<strong>twice as fast</strong>"),
        "{}",
        mail.html
    );
    assert!(mail.text.contains("twice as fast"), "{}", mail.text);
    let links =
        [mail, smtp.wait_for_mail_to(ada.email()).await].map(|mail| unsubscribe_link(&mail));
    for link in &links {
        assert!(
            link.starts_with(&format!("{}/unsubscribe/", app.base())),
            "{link}"
        );
        // Looking changes nothing; mail programs look at every link.
        let look = client().get(link).send().await.expect("answers");
        assert_eq!(look.status(), 200);
        assert_eq!(state(&app, "board@halden.example"), "active");
    }
    for link in &links {
        for _ in 0..2 {
            let click = client().post(link);
            let click = click.header("Content-Type", "application/x-www-form-urlencoded");
            let click = click.body("List-Unsubscribe=One-Click").send().await;
            assert_eq!(click.expect("answers").status(), 200);
        }
    }
    assert_eq!(state(&app, "board@halden.example"), "unsubscribed");
    assert_eq!(state(&app, "press@halden.example"), "active");

    announce(&app, "Even faster");
    deliver(&app).await;
    let second: Vec<Vec<String>> = smtp
        .messages()
        .into_iter()
        .filter(|mail| mail.subject == "Even faster")
        .map(|mail| mail.to)
        .collect();
    assert_eq!(second, [["press@halden.example"]]);
}

async fn an_address_that_is_refused_gets_no_more_updates(setup: Setup) {
    let smtp = Smtp::start();
    let app = setup.with_smtp(&smtp).start();
    let ada = app.admin("ada").await;
    app.sql("UPDATE users SET product_updates = (email <> email)")
        .expect("runs");
    subscribe(
        &app,
        &ada,
        &["bounce@halden.example", "board@halden.example"].map(str::to_owned),
    );
    announce(&app, "Faster import");
    deliver(&app).await;
    assert_eq!(state(&app, "bounce@halden.example"), "bouncing");
    assert_eq!(state(&app, "board@halden.example"), "active");
    let list = ada.open("/shared/insight-users").await;
    list.row("bounce@halden.example").expect("Bouncing");

    announce(&app, "Even faster");
    deliver(&app).await;
    assert_eq!(
        app.number("SELECT count(*) FROM outbox WHERE recipient = 'bounce@halden.example'"),
        1
    );
    let refusals = smtp
        .answers()
        .into_iter()
        .filter(|a| a.answer.starts_with("550"));
    assert_eq!(refusals.count(), 1);
}
