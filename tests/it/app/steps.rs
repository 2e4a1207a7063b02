//! What people of Halden Logistics do again and again, told once.

use super::page::Page;
use super::people::{PASSWORD, Person};
use super::{TestApp, dump};

/// The page of members, invitations and subscribers.
pub const INSIGHT_USERS: &str = "/shared/insight-users";

/// What may change although nothing was done: somebody was seen.
pub const SEEN: &[&str] = &[
    "sessions.last_seen_at",
    "sessions.environment",
    "members.last_activity_at",
];

/// Everything in the database but who was seen when, so that "nothing was changed" can be said.
pub fn everything(app: &TestApp) -> Vec<String> {
    dump(&mut app.database().connect(), SEEN)
}

/// The page without what differs from answer to answer.
pub fn masked(page: &Page) -> String {
    let mut text = page.source();
    for (start, end) in [
        ("nonce=\"", '"'),
        ("name=\"csrf\" value=\"", '"'),
        ("Request <span class=\"mono\">", '<'),
    ] {
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once(start) {
            out += before;
            out += start;
            rest = after.find(end).map_or("", |at| &after[at..]);
        }
        text = out + rest;
    }
    format!("{} {text}", page.status)
}

/// Invites with what the form offers by itself; gives the page with the results.
pub async fn invite(by: &Person, addresses: &str) -> Page {
    let form = by.open(INSIGHT_USERS).await.press("Invite Member").await;
    form.fill("E-mail addresses", addresses).press("Send").await
}

/// Invites one address and gives the link of its mail.
pub async fn invited(app: &TestApp, by: &Person, address: &str) -> String {
    invite(by, address).await.expect("Sent");
    app.last_mail_to(address).link("/register/")
}

/// Fills in the first step of registration.
pub async fn choose_password(person: &Person, link: &str, name: &str) -> Page {
    let page = person.open(link).await;
    page.expect_status(200);
    page.fill("Name", name)
        .fill("Password", PASSWORD)
        .fill("Repeat password", PASSWORD)
        .press("Continue")
        .await
}

/// The second step: scans the secret and proves it. Ends on the page of recovery codes.
pub async fn prove_secret(person: &Person, page: Page) -> Page {
    person.scan(&page);
    page.fill("Six-digit code", person.code())
        .press("Confirm")
        .await
}

/// Registers a new person all the way into Insight.
pub async fn register(person: &Person, link: &str, name: &str) -> Page {
    let page = choose_password(person, link, name).await;
    let codes = prove_secret(person, page).await;
    codes
        .tick("I have saved these codes")
        .press("Continue to Insight")
        .await
}

/// Types a fresh code where one is asked for.
pub async fn confirm_with_code(person: &Person, page: Page) -> Page {
    assert!(page.path.starts_with("/step-up"), "{}", page.path);
    page.fill("Six-digit code", person.code())
        .press("Continue")
        .await
}

/// Presses something in the row of a member, and types a fresh code if it is asked for.
pub async fn member_action(by: &Person, email: &str, action: &str) -> Page {
    let list = by.open(&format!("{INSIGHT_USERS}?q={email}")).await;
    let page = list.section("Members").row(email).press(action).await;
    if page.path.starts_with("/step-up") {
        confirm_with_code(by, page).await
    } else {
        page
    }
}

/// The sentences of the audit log, newest first, as this administrator reads them on its first page.
pub async fn audit_sentences(by: &Person) -> Vec<String> {
    let page = by.open("/settings/audit-log").await;
    page.texts("tbody tr td:nth-child(4)")
}

/// Asserts that the newest entry of the audit log begins with this sentence and names this actor.
#[track_caller]
pub fn assert_newest(entries: &[String], sentence: &str) {
    let newest = entries.first().map_or("", String::as_str);
    assert!(
        newest.starts_with(sentence),
        "{sentence:?} is not the newest of {entries:#?}"
    );
}
