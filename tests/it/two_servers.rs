//! Several servers on one database, killed at any moment: nothing that was answered is lost.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use crate::app::people::{PASSWORD, Person, Role};
use crate::app::program::{Installation, Running};
use crate::app::smtp::Smtp;
use crate::app::{Backend, texts, wait};

const USERS: &str = "/shared/insight-users";

#[actix_web::test]
async fn what_one_server_does_the_other_knows_at_once() {
    let smtp = Smtp::start();
    let installation = Installation::new(Backend::Postgres).with("INSIGHT_SMTP_URL", smtp.url());
    let company = installation.context().company("Halden Logistics");
    let ada = company.admin("ada");
    let eve = company.admin("eve");
    let _first = installation.start();
    let second = installation.start_another();

    // A session is good on both, and an invitation sent through one is accepted through the other.
    let form = ada.open("/shared/insight-users/invite").await;
    let result = form
        .fill("E-mail addresses", "bob@halden.example")
        .press("Send")
        .await;
    result.expect("1 of 1 invitation was sent");
    let link = smtp
        .wait_for_mail_to("bob@halden.example")
        .await
        .link("/register/");
    let path = link
        .strip_prefix(&installation.base())
        .expect("it leads to the base URL");
    let bob = installation.context().visitor();
    bob.use_server(second.address);
    let two_factor = bob
        .open(path)
        .await
        .fill("Name", "Bob")
        .fill("Password", PASSWORD)
        .fill("Repeat password", PASSWORD)
        .press("Continue")
        .await;
    bob.scan(&two_factor);
    let codes = two_factor
        .fill("Six-digit code", bob.code())
        .press("Confirm")
        .await;
    codes.expect_status(200);
    ada.open(USERS)
        .await
        .expect("Bob")
        .expect("bob@halden.example");
    ada.use_server(second.address);
    ada.open(USERS).await.expect("Bob");

    // Roles that one takes away are gone at the other's very next request.
    eve.use_server(second.address);
    eve.open(USERS).await.expect_status(200);
    ada.use_server(_first.address);
    let roles = format!("{USERS}/members/{}/roles", eve.member());
    ada.post(&roles, &[("platform_role", "viewer")])
        .await
        .expect_redirect(USERS);
    eve.get(USERS).await.expect_status(403);
    let remove = format!("{USERS}/members/{}/remove", eve.member());
    ada.post(&remove, &[]).await.expect_redirect(USERS);
    eve.get(USERS).await.expect_redirect("/sign-in");

    // Guesses at both count together: five are free.
    let guesser = ada.other_browser();
    for n in 0..5 {
        guesser.use_server([_first.address, second.address][n % 2]);
        guesser
            .give_password(ada.email(), "not the password")
            .await
            .expect_status(422);
    }
    for server in [&_first, &second] {
        guesser.use_server(server.address);
        guesser
            .give_password(ada.email(), PASSWORD)
            .await
            .expect_status(429);
    }
}

#[actix_web::test]
async fn two_servers_that_start_at_once_on_nothing_share_tables_keys_and_people() {
    let installation = Installation::empty(Backend::Postgres);
    let first = installation.launch_another();
    let second = installation.launch_another();
    let (first, second) = (first.ready(), second.ready());
    for server in [&first, &second] {
        assert_eq!(server.status_of("/health/ready").await, Some(200));
        let said = server.log();
        assert!(said.contains("There is no account yet."), "{said}");
        assert!(
            said.contains(&format!("{}/setup/", installation.base())),
            "{said}"
        );
    }
    let keys = std::fs::read_to_string(installation.folder().join("keys"));
    assert_eq!(keys.expect("a key file").lines().count(), 1);
    let ada = installation
        .context()
        .company("Halden Logistics")
        .admin("ada");
    for server in [&first, &second] {
        ada.use_server(server.address);
        ada.open(USERS).await.expect("Ada");
    }
}

#[actix_web::test]
async fn a_server_that_is_told_to_stop_finishes_what_it_does() {
    let smtp = Smtp::start();
    let installation = Installation::new(Backend::Sqlite).with("INSIGHT_SMTP_URL", smtp.url());
    let ada = installation
        .context()
        .company("Halden Logistics")
        .admin("ada");
    let mut server = installation.start();
    // A hundred invitations in one request take a while; the signal arrives in the middle of them.
    let people: Vec<String> = (0..100).map(|n| format!("bob{n}@halden.example")).collect();
    let form = ada.open("/shared/insight-users/invite").await;
    let form = form.fill("E-mail addresses", people.join(" "));
    let sending = tokio::task::LocalSet::new();
    let answer = sending
        .run_until(async {
            let answer = tokio::task::spawn_local(async move { form.press("Send").await });
            let begun = wait::until(async || {
                let sent = installation.number("SELECT count(*) FROM invitations");
                (sent > 0).then_some(sent)
            });
            assert!(
                begun.await.is_some_and(|sent| sent < 100),
                "it was too fast"
            );
            let ended = tokio::task::spawn_blocking(move || server.end_with("TERM"));
            let answer = answer.await.expect("an answer");
            assert_eq!(ended.await.expect("it ends"), Some(0));
            answer
        })
        .await;
    answer
        .expect_status(200)
        .expect("100 of 100 invitations were sent");
    assert_eq!(installation.number("SELECT count(*) FROM invitations"), 100);
}

#[actix_web::test]
async fn killing_either_of_two_servers_loses_nothing_acknowledged() {
    kill_in_a_loop(Backend::Postgres, 2).await;
}

#[actix_web::test]
async fn killing_the_only_server_loses_nothing_acknowledged() {
    kill_in_a_loop(Backend::Sqlite, 1).await;
}

/// An administrator who invites people, one after the other, through a server that may die.
struct Inviter<'a> {
    person: Person,
    fields: Vec<(String, String)>,
    acknowledged: &'a RefCell<BTreeSet<String>>,
}

impl Inviter<'_> {
    /// Sends one invitation; true when the server said that it is sent.
    async fn invite(&self, email: &str) -> bool {
        let fields = self.fields.iter().map(|(name, value)| {
            let value = if name == "emails" {
                email
            } else {
                value.as_str()
            };
            (name.as_str(), value)
        });
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let path = "/shared/insight-users/invite";
        let request = self.person.request(Method::POST, path).body(body);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = request.header("Sec-Fetch-Site", "same-origin").send().await;
        let Ok(answer) = answer else { return false };
        let Ok(text) = answer.text().await else {
            return false;
        };
        let sent = text.contains("1 of 1 invitation was sent");
        if sent {
            self.acknowledged.borrow_mut().insert(email.to_owned());
        }
        sent
    }
}

const ROUNDS: usize = 8;

async fn kill_in_a_loop(backend: Backend, servers: usize) {
    let smtp = Smtp::start();
    let installation = Installation::new(backend).with("INSIGHT_SMTP_URL", smtp.url());
    let company = installation.context().company("Halden Logistics");
    let acknowledged = RefCell::default();
    let mut running: Vec<Running> = vec![installation.start()];
    running.extend((1..servers).map(|_| installation.start_another()));
    let mut inviters = Vec::new();
    for n in 0..4 {
        let person = company.member(&format!("admin{n}"), &[Role::Admin]);
        let form = person.open("/shared/insight-users/invite").await;
        person.use_server(running[n % servers].address);
        inviters.push(Inviter {
            person,
            fields: form.submission("Send").fields,
            acknowledged: &acknowledged,
        });
    }
    // What a server had in hand when it was killed: nobody can know whether it was sent.
    let mut in_flight = BTreeSet::new();
    for round in 0..ROUNDS {
        // Every other time in the middle of a conversation with the mail server, after it has the message.
        let silent = format!("unanswered.{round}@halden.example");
        if round % 2 == 1 {
            assert!(inviters[round / 2 % 4].invite(&silent).await);
            smtp.wait_for_mail_to(&silent).await;
        }
        // Otherwise after a few answers, a different number each time, in the middle of the next.
        let victim = RefCell::new(&mut running[round % servers]);
        let (left, dead) = (Cell::new(1 + 3 * round), Cell::new(false));
        let invite = |(n, inviter)| {
            let (victim, left, dead) = (&victim, &left, &dead);
            let inviter: &Inviter = inviter;
            async move {
                for m in 0..20 {
                    if dead.get() {
                        break;
                    }
                    let email = format!("bob.{round}.{n}.{m}@halden.example");
                    let sent = inviter.invite(&email).await;
                    assert!(sent || dead.get(), "{email} was not invited");
                    left.set(left.get().saturating_sub(1));
                    if left.get() == 0 && !dead.replace(true) {
                        victim.borrow_mut().kill();
                    }
                }
            }
        };
        join_all(inviters.iter().enumerate().map(invite)).await;
        let leased = "SELECT recipient AS line FROM outbox WHERE state = 'queued' AND lease_token IS NOT NULL";
        in_flight.extend(texts(&mut installation.database.connect(), leased));
        running[round % servers].start_again();
    }
    smtp.release();
    for server in &mut running {
        let ended = server.end_with("TERM");
        assert_eq!(ended, Some(0), "{}", server.log());
    }
    installation.let_waiting_mail_go();
    running[0].start_again();
    installation
        .wait_for_number("SELECT count(*) FROM outbox WHERE state <> 'sent'", 0)
        .await;

    let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for mail in smtp.messages() {
        sent.entry(mail.to.join(" "))
            .or_default()
            .push(mail.message_id);
    }
    let acknowledged = acknowledged.into_inner();
    assert!(acknowledged.len() >= ROUNDS * 5, "{}", acknowledged.len());
    let invited = "SELECT email AS line FROM invitations";
    let invited: BTreeSet<String> = texts(&mut installation.database.connect(), invited)
        .into_iter()
        .collect();
    for email in &acknowledged {
        assert!(invited.contains(email), "the invitation of {email} is lost");
        assert!(sent.contains_key(email), "the mail to {email} is lost");
    }
    for (email, ids) in &sent {
        assert!(
            invited.contains(email),
            "{email} was written to and is not invited"
        );
        assert!(
            ids.len() == 1 || in_flight.contains(email),
            "{email} was written to {} times, and nothing was in doubt",
            ids.len()
        );
        assert!(ids.iter().all(|id| id == &ids[0]), "{email}: {ids:?}");
    }
    // The kills did meet conversations.
    assert!(
        in_flight
            .iter()
            .any(|email| sent.get(email).is_some_and(|ids| ids.len() > 1))
    );
}
