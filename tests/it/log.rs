//! What the log says, and what it never says.

use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::app::TestApp;
use crate::app::billing::DECLINES;
use crate::app::people::PASSWORD;
use crate::on_both;

on_both!(the_log_names_requests_and_holds_no_secret);

/// Everything logged by this test process since the first call.
fn log() -> String {
    static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    static STARTED: OnceLock<()> = OnceLock::new();
    struct Lines;
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
            lines.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    STARTED.get_or_init(|| {
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_env_filter("info,insight=trace")
            .with_writer(|| Lines)
            .init();
    });
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&lines).into_owned()
}

async fn the_log_names_requests_and_holds_no_secret(app: TestApp) {
    log();
    let ada = app.admin("ada").await;
    let browser = ada.other_browser();
    let mut secrets = vec![PASSWORD.to_owned(), "not the password".to_owned()];

    let refused = browser.give_password(ada.email(), "not the password").await;
    refused.expect_status(422);
    let code_page = browser.give_password(ada.email(), PASSWORD).await;
    let code = browser.code();
    code_page
        .fill("Six-digit code", code.clone())
        .press("Sign in")
        .await
        .expect_status(200);
    secrets.push(code);
    secrets.push(browser.cookie("sid").expect("is signed in"));

    let people = browser.open("/shared/insight-users").await;
    let invite = people.press("Invite Member").await;
    let sent = invite
        .fill("E-mail addresses", "guest@elsewhere.example")
        .press("Send")
        .await;
    sent.expect_status(200);
    let link = app
        .last_mail_to("guest@elsewhere.example")
        .link("/register/");
    let guest = app.visitor();
    let form = guest.open(&link).await;
    form.expect("Halden Logistics");
    secrets.push(link.rsplit('/').next().unwrap_or_default().to_owned());
    let chosen = "nine wooden lanterns";
    let two_factor = form
        .fill("Name", "Gwen Guest")
        .fill("Password", chosen)
        .fill("Repeat password", chosen)
        .press("Continue")
        .await;
    two_factor.expect_status(200);
    guest.scan(&two_factor);
    secrets.push(chosen.to_owned());
    secrets.push(two_factor.texts("#secret").join("").replace(' ', ""));
    let code = guest.code();
    let saved = two_factor
        .fill("Six-digit code", code.clone())
        .press("Confirm")
        .await;
    secrets.push(code);
    let codes = saved.texts(".codes li");
    assert_eq!(codes.len(), 10, "{}", saved.text());
    secrets.extend(codes);

    // A card whose payment fails says most.
    browser.give_card(DECLINES).await;
    browser.order("Team", "5").await;
    app.bill();
    assert!(app.invoices(ada.account())[0].contains("open"));
    secrets.extend([DECLINES.to_owned(), DECLINES.replace(' ', "")]);

    // The number that an error page shows finds its line.
    let missing = guest.get("/no/such/page").await;
    let number = missing.texts(".hint .mono").join("");
    let log = log();
    assert!(log.contains(&number), "{number} is not in the log");
    for secret in secrets {
        // Six digits stand in the log by chance; a word of their own they are not.
        let found = log.lines().find(|line| match secret.len() {
            6 => line
                .split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| word == secret),
            _ => line.contains(&secret),
        });
        assert_eq!(found, None, "{secret} is in the log");
    }
}
