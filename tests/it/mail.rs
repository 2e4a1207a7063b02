//! Mail: written with the change it tells about, handed over later, whatever the mail server does.

use std::time::Duration;

use insight::mail::outbox::{self, Outcome};
use insight::subscribers;

use crate::app::page::Page;
use crate::app::people::{Level, Person, Role};
use crate::app::program::Installation;
use crate::app::smtp::{Security, Smtp};
use crate::app::{Backend, OnBackend, Setup, TestApp, dump, texts, wait};
use crate::on_both;

on_both!(
    an_invitation_arrives_with_a_text_and_a_page,
    a_mail_server_that_is_down_is_tried_again,
    a_server_that_says_later_is_asked_less_and_less_often,
    a_message_is_given_up_after_a_day,
    a_refusal_is_final_and_told_on_the_row,
    no_page_waits_for_the_mail_server,
    a_silent_conversation_holds_up_no_other,
    a_name_cannot_become_a_header,
    without_a_mail_server_messages_are_files,
    a_worker_that_died_is_replaced_when_its_lease_has_run_out,
    what_a_message_says_cannot_be_read_in_the_database,
);

const USERS: &str = "/shared/insight-users";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

async fn invite(admin: &Person, emails: &str) -> Page {
    // Time flies in these stories; an earlier session may be over.
    admin.start_session(Level::Full);
    let form = admin.open("/shared/insight-users/invite").await;
    let result = form.fill("E-mail addresses", emails).press("Send").await;
    result.expect_status(200).expect("Sent.");
    result
}

/// The row of a pending invitation, as soon as it says this.
async fn row(admin: &Person, email: &str, words: &str) -> String {
    admin.start_session(Level::Full);
    let mut last = String::new();
    let found = wait::until(async || {
        last = admin.open(USERS).await.row(email).text();
        last.contains(words).then_some(())
    });
    assert!(found.await.is_some(), "\"{words}\" never stood in: {last}");
    last
}

/// Number and time of the message to this address, as the outbox has them.
fn in_outbox(app: &TestApp, email: &str, what: &str) -> i64 {
    app.number(&format!(
        "SELECT CAST({what} AS BIGINT) FROM outbox WHERE recipient = '{email}'"
    ))
}

/// Waits until so many attempts at a message are over.
async fn attempts(app: &TestApp, email: &str, wanted: i64) {
    let over = "attempts * CASE WHEN leased_until IS NULL THEN 1 ELSE 0 END";
    let mut last = 0;
    let reached = wait::until(async || {
        last = in_outbox(app, email, over);
        (last == wanted).then_some(())
    });
    assert!(reached.await.is_some(), "{last} attempts, not {wanted}");
}

/// Lets time pass and the worker see what is due.
fn pass(app: &TestApp, by: Duration) {
    app.forward(by);
    app.mail.wake();
}

/// Has the worker look through everything that is due now; a message that is not due must stay where it is.
async fn look(app: &TestApp, smtp: &Smtp, admin: &Person) {
    let marker = format!("marker{}@halden.example", smtp.messages().len());
    invite(admin, &marker).await;
    smtp.wait_for_mail_to(&marker).await;
    attempts(app, &marker, 1).await;
}

async fn an_invitation_arrives_with_a_text_and_a_page(setup: Setup) {
    let smtp = Smtp::start();
    let app = setup
        .with_smtp(&smtp)
        .with("INSIGHT_MAIL_FROM", "Insight <insight@halden.example>")
        .start();
    let ada = app.admin("ada").await;
    invite(&ada, "bob@halden.example").await;
    let mail = smtp.wait_for_mail_to("bob@halden.example").await;

    assert_eq!(mail.from, "insight@halden.example");
    assert_eq!(mail.to, ["bob@halden.example"]);
    assert_eq!(
        mail.subject,
        "Ada invites you to join Halden Logistics on Insight"
    );
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    let kind = mail.header("Content-Type");
    assert!(kind.starts_with("multipart/alternative"), "{kind}");
    let id = in_outbox(&app, "bob@halden.example", "id");
    let written = in_outbox(&app, "bob@halden.example", "created_at");
    assert_eq!(mail.message_id, format!("{id}.{written}@halden.example"));

    let link = mail.link("/register/");
    for part in [&mail.text, &mail.html] {
        assert!(part.contains(&link), "{part}");
        for at in part.match_indices("http").map(|(at, _)| at) {
            let base = part[at..].starts_with(&format!("{}/", app.base()));
            assert!(base, "leads elsewhere: {}", &part[at..]);
        }
    }
    let path = link.strip_prefix(&app.base()).expect("it leads here");
    let page = app.visitor().open(path).await;
    page.expect_status(200).expect("bob@halden.example");
    row(&ada, "bob@halden.example", "Sent").await;
}

async fn a_mail_server_that_is_down_is_tried_again(setup: Setup) {
    let mut smtp = Smtp::start();
    let app = setup.with_smtp(&smtp).start();
    let ada = app.admin("ada").await;
    smtp.stop();
    invite(&ada, "bob@halden.example").await;
    let said = row(&ada, "bob@halden.example", "next try").await;
    assert!(said.contains("Queued"), "{said}");
    assert!(
        said.contains("The mail server could not be reached"),
        "{said}"
    );

    smtp.start_again();
    pass(&app, 2 * MINUTE);
    smtp.wait_for_mail_to("bob@halden.example").await;
    let said = row(&ada, "bob@halden.example", "Sent").await;
    assert!(!said.contains("Queued"), "{said}");
    assert_eq!(smtp.messages().len(), 1);
}

async fn a_server_that_says_later_is_asked_less_and_less_often(setup: Setup) {
    let smtp = Smtp::start();
    let app = setup.with_smtp(&smtp).start();
    let ada = app.admin("ada").await;
    let later = "later@halden.example";
    invite(&ada, later).await;
    let mut attempt = 0;
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
        attempt += 1;
        attempts(&app, later, attempt).await;
        let wait = in_outbox(&app, later, "available_at") - app.clock.now().0;
        // Spread over a few seconds, so that many do not come back at once.
        let whole = minutes * 60_000_000;
        assert!(
            (whole..whole + 15_000_000).contains(&wait),
            "{attempt}: {wait}"
        );
        if minutes < 4 {
            pass(&app, Duration::from_micros(wait.unsigned_abs() - 1));
            look(&app, &smtp, &ada).await;
            attempts(&app, later, attempt).await;
            pass(&app, Duration::from_micros(1));
        } else {
            pass(&app, Duration::from_micros(wait.unsigned_abs()));
        }
    }
    let said = row(&ada, later, "next try").await;
    assert!(said.contains("451 4.3.0 Try again later"), "{said}");

    smtp.accept_later();
    attempts(&app, later, 9).await;
    pass(&app, 2 * HOUR);
    smtp.wait_for_mail_to(later).await;
    row(&ada, later, "Sent").await;
}

async fn a_message_is_given_up_after_a_day(setup: Setup) {
    let smtp = Smtp::start();
    let app = setup.with_smtp(&smtp).start();
    let ada = app.admin("ada").await;
    let later = "later@halden.example";
    invite(&ada, later).await;
    attempts(&app, later, 1).await;
    pass(&app, 24 * HOUR - MINUTE);
    attempts(&app, later, 2).await;
    let said = row(&ada, later, "next try").await;
    assert!(said.contains("Queued"), "{said}");

    pass(&app, 3 * MINUTE);
    attempts(&app, later, 3).await;
    let said = row(&ada, later, "Failed").await;
    assert!(said.contains("451 4.3.0 Try again later"), "{said}");
    assert_eq!(in_outbox(&app, later, "count(sealed)"), 0);
}

async fn a_refusal_is_final_and_told_on_the_row(setup: Setup) {
    let smtp = Smtp::start();
    let app = setup.with_smtp(&smtp).start();
    let ada = app.admin("ada").await;
    let nobody = "bounce@halden.example";
    invite(&ada, nobody).await;
    let said = row(&ada, nobody, "Failed").await;
    assert!(said.contains("550 5.1.1 No such user here"), "{said}");
    assert_eq!(in_outbox(&app, nobody, "count(sealed)"), 0);

    pass(&app, 2 * HOUR);
    look(&app, &smtp, &ada).await;
    assert_eq!(in_outbox(&app, nobody, "attempts"), 1);
    let answers = smtp.answers();
    assert_eq!(answers.iter().filter(|a| a.to == [nobody]).count(), 1);
    // An address that has no invitation of its own is none's business: nobody was marked.
    assert_eq!(app.number("SELECT count(*) FROM subscribers"), 0);
}

async fn no_page_waits_for_the_mail_server(setup: Setup) {
    let smtp = Smtp::start();
    let app = setup.with_smtp(&smtp).start();
    let ada = app.admin("ada").await;
    invite(&ada, "slow@halden.example").await;
    let taken = "CASE WHEN leased_until IS NULL THEN 0 ELSE 1 END";
    let talking =
        wait::until(async || (in_outbox(&app, "slow@halden.example", taken) == 1).then_some(()));
    assert!(talking.await.is_some(), "the worker never took it");
    for n in 0..3 {
        invite(&ada, &format!("slow{n}@halden.example")).await;
        ada.open(USERS).await.expect("Queued").expect_status(200);
        app.visitor().open("/sign-in").await.expect_status(200);
    }
    // Nothing of that made the mail server answer.
    assert!(smtp.answers().is_empty(), "{:?}", smtp.answers());
    smtp.release();
    for email in ["slow@halden.example", "slow2@halden.example"] {
        smtp.wait_for_mail_to(email).await;
        row(&ada, email, "Sent").await;
    }
    assert_eq!(smtp.messages().len(), 4);
}

async fn a_silent_conversation_holds_up_no_other(setup: Setup) {
    let smtp = Smtp::start();
    let app = setup.with_smtp(&smtp).start();
    let ada = app.admin("ada").await;
    invite(&ada, "unanswered@halden.example").await;
    smtp.wait_for_mail_to("unanswered@halden.example").await;
    let others: Vec<String> = (0..12).map(|n| format!("bob{n}@halden.example")).collect();
    invite(&ada, &others.join(" ")).await;
    for email in &others {
        smtp.wait_for_mail_to(email).await;
    }
    assert_eq!(
        in_outbox(&app, "unanswered@halden.example", "attempts"),
        1,
        "it is waited for still"
    );
    smtp.release();
}

async fn a_name_cannot_become_a_header(setup: Setup) {
    let smtp = Smtp::start();
    let app = setup.with_smtp(&smtp).start();
    let company =
        app.company("Øst & Vest: \"Gods\" <a@b.example>, =?utf-8?q?=0ABcc:_x=40y.example?=");
    let ada = company.person(
        "Ada, To: \"all\" <c@d.example>; Ünlü",
        "ada@halden.example",
        &[Role::Admin],
    );
    let form = ada.open("/shared/insight-users/invite").await;
    let form = form.fill("E-mail addresses", "bob@halden.example");
    for name in [
        "Bob\r\nBcc: eve@evil.example",
        "Bob\nBcc: eve@evil.example",
        "Bob\rX: y",
        "Bob\u{2028}Bcc: eve@evil.example",
    ] {
        let answer = form.clone().fill("Name", name).press("Send").await;
        answer.expect_status(422);
        assert_eq!(
            answer.errors(),
            ["Leave control characters out of the name."]
        );
    }
    for address in [
        "bob@halden.example%0aBcc:eve",
        "<bob@halden.example>bcc:eve@evil.example",
    ] {
        let form = form.clone().fill("E-mail addresses", address);
        form.press("Send").await.expect_status(422);
    }
    assert_eq!(app.number("SELECT count(*) FROM outbox"), 0);

    let sent = form
        .fill("Name", "Bob \"x\" <e@f.example>")
        .press("Send")
        .await;
    sent.expect("1 of 1");
    let mail = smtp.wait_for_mail_to("bob@halden.example").await;
    let mut names: Vec<String> = mail.headers.iter().map(|(n, _)| n.to_lowercase()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "auto-submitted",
            "content-type",
            "date",
            "from",
            "message-id",
            "mime-version",
            "subject",
            "to"
        ]
    );
    assert_eq!(mail.header("To"), "bob@halden.example");
    assert_eq!(mail.to, ["bob@halden.example"]);
    assert!(
        mail.subject
            .starts_with("Ada, To: \"all\" <c@d.example>; Ünlü invites you")
    );
    assert!(
        mail.text.contains("Hello Bob \"x\" <e@f.example>,"),
        "{}",
        mail.text
    );
    assert!(mail.html.contains("&#60;e@f.example&#62;"), "{}", mail.html);
}

async fn without_a_mail_server_messages_are_files(setup: Setup) {
    let app = setup.with_worker().start();
    let ada = app.admin("ada").await;
    invite(&ada, "bob@halden.example").await;
    row(&ada, "bob@halden.example", "Sent").await;
    let files = std::fs::read_dir(app.config.mail_dir()).expect("the folder is there");
    let files: Vec<_> = files.map(|file| file.expect("reads").path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(
        files[0].extension().is_some_and(|e| e == "eml"),
        "{files:?}"
    );
    let text = std::fs::read_to_string(&files[0]).expect("reads");
    for line in [
        "To: bob@halden.example",
        "Auto-Submitted: auto-generated",
        "/register/",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

async fn a_worker_that_died_is_replaced_when_its_lease_has_run_out(app: TestApp) {
    let ada = app.admin("ada").await;
    invite(&ada, "bob@halden.example").await;
    let claim = || outbox::claim(&app, 10).expect("claims");
    let dead = claim();
    assert_eq!(dead.len(), 1);
    assert!(claim().is_empty(), "somebody holds it");
    app.forward(6 * MINUTE - Duration::from_secs(1));
    assert!(claim().is_empty(), "somebody may hold it still");
    app.forward(Duration::from_secs(1));
    let taken = claim();
    assert_eq!(taken.len(), 1);
    assert_eq!(
        (taken[0].id, taken[0].created_at),
        (dead[0].id, dead[0].created_at)
    );

    // Whoever comes back from the dead has no say any more.
    let finish = |mail, outcome| {
        outbox::finish(&app, mail, &outcome, subscribers::mark_bounced).expect("records");
        texts(
            &mut app.database().connect(),
            "SELECT state AS line FROM outbox",
        )
        .join(" ")
    };
    assert_eq!(
        finish(&dead[0], Outcome::Refused("550 no".into())),
        "queued"
    );
    assert_eq!(finish(&dead[0], Outcome::Later("451 no".into())), "queued");
    assert!(claim().is_empty());
    assert_eq!(finish(&taken[0], Outcome::Sent), "sent");
    assert_eq!(finish(&taken[0], Outcome::Refused("550 no".into())), "sent");
    app.forward(HOUR);
    assert!(claim().is_empty(), "it is sent");
}

async fn what_a_message_says_cannot_be_read_in_the_database(setup: Setup) {
    let smtp = Smtp::start();
    let app = setup.with_smtp(&smtp).start();
    let ada = app.admin("ada").await;
    for email in ["later@halden.example", "bob@halden.example"] {
        invite(&ada, email).await;
        attempts(&app, email, 1).await;
    }
    let hex = |text: &str| -> String { text.bytes().map(|b| format!("{b:02x}")).collect() };
    let rows = dump(&mut app.database().connect(), &[])
        .join("\n")
        .to_lowercase();
    for secret in ["/register/", "invites you to join"] {
        assert!(!rows.contains(secret), "{secret}");
        assert!(!rows.contains(&hex(secret)), "{secret} in hex");
    }
    let link = smtp
        .wait_for_mail_to("bob@halden.example")
        .await
        .link("/register/");
    let token = link.rsplit('/').next().expect("a token").to_lowercase();
    assert!(!rows.contains(&token) && !rows.contains(&hex(&token)));
    assert_eq!(in_outbox(&app, "later@halden.example", "count(sealed)"), 1);
    assert_eq!(in_outbox(&app, "bob@halden.example", "count(sealed)"), 0);
    // Revoking takes the one that waits back, and its content with it.
    let list = ada
        .open(USERS)
        .await
        .row("later@halden.example")
        .press("Revoke")
        .await;
    list.press("Revoke invitation to later@halden.example")
        .await
        .expect_status(200);
    assert_eq!(in_outbox(&app, "later@halden.example", "count(sealed)"), 0);
    smtp.accept_later();
    pass(&app, 2 * MINUTE);
    look(&app, &smtp, &ada).await;
    assert_eq!(in_outbox(&app, "later@halden.example", "attempts"), 1);
}

#[actix_web::test]
async fn mail_is_never_sent_in_the_clear_when_encryption_is_asked_for() {
    let smtp = Smtp::start();
    let app = Setup::on(Backend::Sqlite)
        .with_smtp(&smtp)
        .with("INSIGHT_SMTP_URL", smtp.url().replace("none", "required"))
        .start();
    let ada = app.admin("ada").await;
    invite(&ada, "bob@halden.example").await;
    let said = row(&ada, "bob@halden.example", "next try").await;
    assert!(said.contains("Queued"), "{said}");
    assert!(smtp.messages().is_empty() && smtp.answers().is_empty());
}

#[actix_web::test]
async fn mail_goes_over_tls_to_a_server_that_can_be_trusted_and_to_no_other() {
    let smtp = Smtp::start_with(Security::StartTls);
    let installation = Installation::new(Backend::Sqlite).with("INSIGHT_SMTP_URL", smtp.url());
    let doubted = installation.run(&["doctor"]);
    assert_eq!(doubted.code, Some(1), "{doubted:?}");
    assert!(
        doubted.stdout.contains("PROBLEM  mail: 127.0.0.1"),
        "{doubted:?}"
    );

    let authority = smtp.authority().display().to_string();
    let installation = installation.with("SSL_CERT_FILE", authority);
    let trusted = installation.run(&["doctor"]);
    assert_eq!(trusted.code, Some(0), "{trusted:?}");
    assert!(trusted.stdout.contains("answers over TLS"), "{trusted:?}");
    let ada = installation
        .context()
        .company("Halden Logistics")
        .admin("ada");
    let _server = installation.start();
    invite(&ada, "bob@halden.example").await;
    smtp.wait_for_mail_to("bob@halden.example").await;
}
