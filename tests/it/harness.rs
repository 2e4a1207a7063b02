//! The servers the tests stand on do what the tests take for granted, and the checks that find nothing can find something.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use diesel::{Connection, PgConnection, RunQueryDsl};
use lettre::message::MultiPart;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};

use crate::app::browser::{Browser, Options};
use crate::app::postgres;
use crate::app::smtp::{Security, Smtp};
use crate::app::{Backend, Database};

fn run(url: &str, statement: &str) -> usize {
    let mut connection = PgConnection::establish(url).expect("connects");
    let rows = diesel::sql_query(statement).execute(&mut connection);
    rows.expect("runs")
}

#[test]
fn each_test_has_a_postgres_database_of_its_own() {
    let [a, b] = [(), ()].map(|()| Database::migrated(Backend::Postgres));
    let insert = "INSERT INTO throttles VALUES ('name', 1, 0, 0)";
    assert_eq!(run(&a.url(), insert), 1);
    assert_eq!(run(&b.url(), "DELETE FROM throttles"), 0);

    let empty = postgres::empty_database();
    run(empty.url(), "CREATE TABLE people (name text)");
    let _still_connected = PgConnection::establish(empty.url()).expect("connects");
}

fn letter(to: &str) -> Message {
    let to = to.parse().expect("an address");
    Message::builder()
        .from("Insight <insight@example.org>".parse().expect("an address"))
        .to(to)
        .subject("Grüße an alle, die hier sind, und noch viel mehr Text")
        .message_id(Some("<1@example.org>".into()))
        .multipart(MultiPart::alternative_plain_html(
            "Größe: https://example.org/register/abc?x=1\n".to_owned(),
            "<p>Größe</p>".to_owned(),
        ))
        .expect("a message")
}

fn client(smtp: &Smtp) -> SmtpTransport {
    let url = smtp.url();
    let server = url.split('?').next().unwrap_or_default();
    SmtpTransport::from_url(server)
        .expect("a URL")
        .timeout(Some(Duration::from_millis(500)))
        .build()
}

#[actix_web::test]
async fn the_mail_server_gives_a_message_back_as_it_was_sent() {
    let smtp = Smtp::start();
    client(&smtp)
        .send(&letter("ada@example.org"))
        .expect("accepted");

    let mail = smtp.wait_for_mail_to("ada@example.org").await;
    assert_eq!(mail.from, "insight@example.org");
    assert_eq!(mail.message_id, "1@example.org");
    assert_eq!(
        mail.subject,
        "Grüße an alle, die hier sind, und noch viel mehr Text"
    );
    assert_eq!(mail.html, "<p>Größe</p>");
    assert_eq!(
        mail.link("/register/"),
        "https://example.org/register/abc?x=1"
    );
    assert_eq!(mail.header("to"), "ada@example.org");
    assert!(
        mail.raw
            .contains("Content-Transfer-Encoding: quoted-printable\r\n")
    );
    assert!(
        mail.at
            .elapsed()
            .is_ok_and(|age| age < Duration::from_secs(60))
    );
}

#[actix_web::test]
async fn the_mail_server_answers_as_the_recipient_asks() {
    let mut smtp = Smtp::start();
    let client = client(&smtp);
    let send = |to: &str| client.send(&letter(to));

    assert!(send("bounce@example.org").is_err_and(|e| e.is_permanent()));
    assert!(send("later@example.org").is_err_and(|e| e.is_transient()));
    smtp.accept_later();
    send("later@example.org").expect("accepted");

    assert!(send("slow@example.org").is_err_and(|e| !e.is_permanent()));
    assert!(send("unanswered@example.org").is_err_and(|e| !e.is_permanent()));
    smtp.wait_for_mail_to("unanswered@example.org").await;
    smtp.wait_for_answer(|a| a.to == ["slow@example.org"] && a.answer == "client gave up")
        .await;
    smtp.release();
    send("slow.but.released@example.org").expect("accepted");
    smtp.hold();
    assert!(send("slow@example.org").is_err());

    smtp.refuse("421 4.3.2 Closing down");
    assert!(send("ada@example.org").is_err_and(|e| e.is_transient()));
    smtp.accept();

    smtp.stop();
    assert!(send("ada@example.org").is_err());
    smtp.start_again();
    send("ada@example.org").expect("accepted");

    let there: Vec<_> = smtp
        .messages()
        .into_iter()
        .flat_map(|mail| mail.to)
        .collect();
    let local: Vec<_> = there.iter().filter_map(|to| to.split('@').next()).collect();
    assert_eq!(local, ["later", "unanswered", "slow.but.released", "ada"]);
}

#[test]
fn the_mail_server_can_demand_encryption() {
    let smtp = Smtp::start_with(Security::StartTls);
    let port = smtp
        .url()
        .split([':', '?'])
        .nth(2)
        .and_then(|p| p.parse().ok())
        .expect("a port");
    let pem = std::fs::read(smtp.authority()).expect("reads");
    let builder = || SmtpTransport::builder_dangerous("127.0.0.1").port(port);

    let plain = builder().build();
    assert!(plain.send(&letter("ada@example.org")).is_err());
    let stranger = builder()
        .tls(Tls::Required(
            TlsParameters::new("127.0.0.1".into()).expect("parameters"),
        ))
        .build();
    assert!(stranger.send(&letter("ada@example.org")).is_err());
    let trusted = TlsParameters::builder("127.0.0.1".into())
        .add_root_certificate(Certificate::from_pem(&pem).expect("PEM"))
        .build()
        .expect("parameters");
    let trusted = builder().tls(Tls::Required(trusted)).build();
    trusted.send(&letter("ada@example.org")).expect("accepted");
    assert_eq!(smtp.messages().len(), 1);
}

/// A form that comes back with what was sent.
const GOOD: &str = r#"<!doctype html><html lang="en"><head><title>Form</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width"><style nonce="n">:root { color-scheme: light dark } #dark { display: none }
@media (prefers-color-scheme: dark) { #dark { display: block } }</style></head><body><main><h1>Form</h1>
<p>Sent: SENT</p><p id="dark">It is dark</p><p id="script"></p><noscript><p>No script</p></noscript>
<form method="post" action="/sent"><p><label for="name">Full name <small>(optional)</small></label> <input id="name" name="name" value="old"></p>
<p><label><input type="checkbox" name="viewer"> Viewer</label></p>
<p><label for="role">Role</label> <select id="role" name="role"><option value="1">One</option><option value="2">Two</option></select></p>
<p><button>Save &amp; close</button></p></form></main>
<script nonce="n">document.getElementById("script").textContent = "Script ran, " + innerWidth + " wide"</script></body></html>"#;

/// A page that breaks the policy, is too wide, and cannot be used without eyes.
const BAD: &str = r#"<!doctype html><html lang="en"><head><title>Bad</title></head><body><main><h1>Bad</h1><input>
<script>alert(1)</script><img src="/missing.png" alt="" width="3000" height="20"></main></body></html>"#;

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut first)?;
    while reader.read_line(&mut line)? > 2 {
        if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    let mut sent = vec![0; length];
    reader.read_exact(&mut sent)?;
    let (status, body) = match first.split(' ').nth(1) {
        Some("/form") => ("200 OK", GOOD.to_owned()),
        Some("/sent") => (
            "422 Unprocessable Content",
            GOOD.replace("SENT", &String::from_utf8_lossy(&sent)),
        ),
        Some("/bad") => ("200 OK", BAD.to_owned()),
        _ => ("404 Not Found", String::new()),
    };
    let policy = "default-src 'none'; script-src 'nonce-n'; style-src 'nonce-n'; img-src 'self' data:; form-action 'self'; require-trusted-types-for 'script'";
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Security-Policy: {policy}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// Serves the two pages for as long as the tests run, and gives its address.
fn page_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A browser opens connections that it may never use.
            std::thread::spawn(move || serve(stream));
        }
    });
    format!("http://{address}")
}

#[actix_web::test]
async fn the_browser_is_what_was_asked_for_and_sees_what_is_wrong() {
    let base = page_server();
    for options in [Options::PHONE, Options::DESKTOP.dark().without_javascript()] {
        let browser = Browser::open(options).await;
        browser.goto(&format!("{base}/form")).await;
        let text = browser.text().await;
        let script = format!("Script ran, {} wide", options.width);
        assert_eq!(text.contains(&script), options.javascript, "{text}");
        assert_eq!(text.contains("No script"), !options.javascript, "{text}");
        assert_eq!(text.contains("It is dark"), options.dark, "{text}");

        browser.fill("Full name", "Ada \"L\"").await;
        browser.tick("Viewer", true).await;
        browser.choose("Role", "Two").await;
        browser.press("Save & close").await;
        browser.see("Sent: name=Ada+%22L%22&viewer=on&role=2").await;
        browser.wait_for_path("/sent").await;
        assert_eq!(browser.value("Full name").await, "old");
        assert!(!browser.overflows().await);
        assert_eq!(browser.problems().await, [""; 0]);
        let picture =
            std::env::temp_dir().join(format!("insight-picture-{}.png", std::process::id()));
        browser.screenshot(&picture).await;
        assert!(std::fs::read(&picture).is_ok_and(|png| png.starts_with(b"\x89PNG")));
        let _ = std::fs::remove_file(picture);
        if options.javascript {
            assert_eq!(browser.axe().await, [""; 0]);
            browser.emulate(options.dark()).await;
            browser.see("It is dark").await;
        }

        browser.goto("/bad").await;
        assert!(browser.overflows().await);
        let problems = browser.problems().await.join("\n");
        assert!(problems.contains("missing.png"), "{problems}");
        if options.javascript {
            assert!(problems.contains("Content Security Policy"), "{problems}");
            let found = browser.axe().await.join("\n");
            assert!(found.contains("label"), "{found}");
        }
    }
}
