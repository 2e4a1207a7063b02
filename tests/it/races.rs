//! What happens at the same moment: one of two wins, and the rules hold afterwards.

use futures_util::future::{join, join_all};
use insight::accounts::first_start;

use crate::app::page::Page;
use crate::app::people::{Level, Person, Role};
use crate::app::{TestApp, texts};
use crate::on_both;

on_both!(
    a_hundred_administrators_who_leave_at_once_leave_one_behind,
    administrators_who_remove_each_other_leave_one_behind,
    the_account_owner_survives_everybody,
    one_invitation_makes_one_member,
    one_invitation_makes_one_membership_of_somebody_with_a_sign_in,
    one_address_is_invited_once,
    an_invitation_sent_again_while_it_is_accepted_is_one_or_the_other,
    two_first_set_ups_make_one_account,
    a_link_for_a_new_password_works_once,
    a_subscriber_is_added_once,
);

/// What pressing this button on each of the pages at once gives; no redirect is followed.
async fn press_all(pages: &[Page], words: &str) -> Vec<Page> {
    join_all(pages.iter().map(|page| page.press_once(words))).await
}

/// How many of the answers have this status; there is never one that calls it our fault.
fn with_status(pages: &[Page], status: u16) -> usize {
    for page in pages {
        assert!(page.status < 500, "{} {}", page.status, page.text());
    }
    pages.iter().filter(|page| page.status == status).count()
}

fn administrators(app: &TestApp, company: impl std::fmt::Display) -> i64 {
    app.number(&format!(
        "SELECT count(*) FROM members WHERE account_id = {company} AND admin AND removed_at IS NULL"
    ))
}

fn path_of(person: &Person, what: &str) -> String {
    format!("/shared/insight-users/members/{}/{what}", person.member())
}

async fn a_hundred_administrators_who_leave_at_once_leave_one_behind(app: TestApp) {
    let company = app.company("Halden Logistics");
    let people: Vec<Person> = (0..100)
        .map(|n| company.admin(&format!("admin{n}")))
        .collect();
    // The first one owns the account and cannot be removed; being an administrator can be given up by everybody.
    let leave = people.iter().enumerate().map(|(n, person)| async move {
        if n % 2 == 0 {
            let kept = [("platform_role", "viewer"), ("own", "on")];
            person.post(&path_of(person, "roles"), &kept).await
        } else {
            let sure = [("own", "on")];
            person.post(&path_of(person, "remove"), &sure).await
        }
    });
    let answers = join_all(leave).await;

    assert_eq!(with_status(&answers, 303), 99);
    let refused: Vec<&Page> = answers.iter().filter(|a| a.status == 422).collect();
    assert_eq!(refused.len(), 1);
    let errors = refused[0].errors().join(" ");
    assert!(errors.contains("is the last administrator"), "{errors}");
    assert_eq!(administrators(&app, company.id), 1);
    let told =
        "SELECT count(*) FROM audit_entries WHERE action IN ('member.removed', 'member.roles')";
    assert_eq!(app.number(told), 99, "{:?}", actions(&app));
}

fn actions(app: &TestApp) -> Vec<String> {
    texts(
        &mut app.database().connect(),
        "SELECT action || ' ' || CAST(count(*) AS TEXT) AS line FROM audit_entries GROUP BY action",
    )
}

async fn administrators_who_remove_each_other_leave_one_behind(app: TestApp) {
    for round in 0..3 {
        let company = app.company(&format!("Company{round} of rivals"));
        // Somebody has to own the account, and is no administrator.
        let owner = company.admin("owner");
        let people: Vec<Person> = (0..6)
            .map(|n| company.admin(&format!("rival{n}")))
            .collect();
        let demoted = owner
            .post(&path_of(&owner, "roles"), &[("own", "on")])
            .await;
        demoted.expect_status(303);

        // Everybody goes for everybody else, the next one first.
        let all = people.iter().enumerate().map(|(n, person)| {
            let others: Vec<&Person> = (1..people.len())
                .map(|k| &people[(n + k) % people.len()])
                .collect();
            async move {
                let mut answers = Vec::new();
                for other in others {
                    answers.push(person.post(&path_of(other, "remove"), &[]).await);
                }
                answers
            }
        });
        let answers: Vec<Page> = join_all(all).await.into_iter().flatten().collect();
        assert_eq!(with_status(&answers, 303) - away(&answers), 5);
        assert_eq!(administrators(&app, company.id), 1);
    }
}

/// Answers to people who were signed out before they pressed.
fn away(answers: &[Page]) -> usize {
    answers
        .iter()
        .filter(|a| a.header("location").starts_with("/sign-in"))
        .count()
}

async fn the_account_owner_survives_everybody(app: TestApp) {
    let company = app.company("Halden Logistics");
    let owner = company.admin("ada");
    let others: Vec<Person> = (0..8)
        .map(|n| company.admin(&format!("rival{n}")))
        .collect();
    let (to_owner, to_others) = join(
        join_all(
            others
                .iter()
                .map(|other| async { other.post(&path_of(&owner, "remove"), &[]).await }),
        ),
        join_all(
            others
                .iter()
                .map(|other| async { owner.post(&path_of(other, "remove"), &[]).await }),
        ),
    )
    .await;
    assert_eq!(with_status(&to_others, 303), 8);
    assert_eq!(with_status(&to_owner, 303), away(&to_owner));
    for page in to_owner.iter().filter(|page| page.status == 422) {
        page.expect("The account owner cannot be removed.");
    }
    assert_eq!(administrators(&app, company.id), 1);
    owner.open("/shared/insight-users").await.expect("Ada");
}

/// An invitation of this address by an administrator of Halden Logistics; gives the path of its link.
async fn invite(app: &TestApp, admin: &Person, email: &str) -> String {
    let form = admin.open("/shared/insight-users/invite").await;
    let result = form.fill("E-mail addresses", email).press("Send").await;
    result.expect_status(200).expect("1 of 1");
    app.last_mail_to(email).link("/register/")
}

/// A new person who has come as far as the second factor, and what is typed there.
async fn ready_to_register(person: &Person, link: &str, name: &str) -> Page {
    let form = person.open(link).await;
    // Whoever comes second finds the first one's name and password and may change them.
    let form = match form.offers("Back") {
        true => form.press("Back").await,
        false => form,
    };
    let two_factor = form
        .fill("Name", name)
        .fill("Password", "nine slow copper kettles")
        .fill("Repeat password", "nine slow copper kettles")
        .press("Continue")
        .await;
    person.scan(&two_factor);
    two_factor.fill("Six-digit code", person.code())
}

async fn one_invitation_makes_one_member(app: TestApp) {
    let ada = app.admin("ada").await;
    let link = invite(&app, &ada, "bob@halden.example").await;
    let mut pages = Vec::new();
    for n in 0..6 {
        pages.push(ready_to_register(&app.visitor(), &link, &format!("Bob {n}")).await);
    }
    let answers = press_all(&pages, "Confirm").await;

    assert_eq!(with_status(&answers, 303), 1);
    assert_eq!(with_status(&answers, 404), 5);
    assert_eq!(
        app.number("SELECT count(*) FROM users WHERE email = 'bob@halden.example'"),
        1
    );
    assert_eq!(app.number("SELECT count(*) FROM members"), 2);
    assert_eq!(
        app.number("SELECT count(*) FROM audit_entries WHERE action = 'member.joined'"),
        1,
        "{:?}",
        actions(&app)
    );
    // Whoever lost has no session.
    assert_eq!(app.number("SELECT count(*) FROM sessions"), 2);
}

async fn one_invitation_makes_one_membership_of_somebody_with_a_sign_in(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app
        .company("Fjord Terminals")
        .member("bob", &[Role::Viewer]);
    let link = invite(&app, &ada, bob.email()).await;
    let mut pages = Vec::new();
    for _ in 0..4 {
        let browser = bob.other_browser();
        browser.start_session(Level::Full);
        pages.push(browser.open(&link).await);
    }
    let answers = press_all(&pages, "Join").await;

    assert_eq!(with_status(&answers, 303), 1);
    let memberships = format!(
        "SELECT count(*) FROM members WHERE user_id = {}",
        bob.user()
    );
    assert_eq!(app.number(&memberships), 2);
}

async fn one_address_is_invited_once(app: TestApp) {
    let ada = app.admin("ada").await;
    let form = ada.open("/shared/insight-users/invite").await;
    let form = form.fill("E-mail addresses", "bob@halden.example, BOB@halden.example");
    let answers = press_all(&vec![form; 8], "Send").await;

    assert_eq!(with_status(&answers, 200), 8);
    let sent = |page: &&Page| page.text().contains("1 of 1 invitation was sent");
    assert_eq!(answers.iter().filter(sent).count(), 1);
    for other in answers.iter().filter(|page| !sent(page)) {
        other.expect("Already invited by Ada");
    }
    assert_eq!(app.number("SELECT count(*) FROM invitations"), 1);
    assert_eq!(app.mail_to("bob@halden.example").len(), 1);
}

async fn an_invitation_sent_again_while_it_is_accepted_is_one_or_the_other(app: TestApp) {
    let ada = app.admin("ada").await;
    for round in 0..4 {
        let email = format!("bob{round}@halden.example");
        let link = invite(&app, &ada, &email).await;
        let page = ready_to_register(&app.visitor(), &link, "Bob").await;
        let list = ada.open("/shared/insight-users").await.row(&email);
        let (joined, again) = join(page.press_once("Confirm"), list.press_once("Resend")).await;

        let members = app.number(&format!(
            "SELECT count(*) FROM members m JOIN users u ON u.id = m.user_id WHERE u.email = '{email}'"
        ));
        match (joined.status, again.status) {
            (303, 404) => {
                assert_eq!(members, 1);
                assert!(app.mail_to(&email).is_empty(), "a dead link would be sent");
            }
            (404, 303) => {
                assert_eq!(members, 0);
                // The new link works.
                let link = app.last_mail_to(&email).link("/register/");
                let page = ready_to_register(&app.visitor(), &link, "Bob").await;
                page.press_once("Confirm").await.expect_status(303);
            }
            other => panic!("{other:?}: {} {}", joined.text(), again.text()),
        }
    }
}

async fn two_first_set_ups_make_one_account(app: TestApp) {
    let link = first_start::link(&app)
        .expect("makes a link")
        .expect("there is no account");
    let path = link.strip_prefix(&app.base()).expect("it leads here");
    let mut pages = Vec::new();
    for name in ["Ada", "Eve", "Ivo"] {
        let visitor = app.visitor();
        let form = visitor.open(path).await;
        let form = match form.offers("Back") {
            true => form.press("Back").await,
            false => form,
        };
        let two_factor = form
            .fill("Company name", format!("Company of {name}"))
            .fill("Name", name)
            .fill("E-mail", format!("{name}@halden.example"))
            .fill("Password", "nine slow copper kettles")
            .fill("Repeat password", "nine slow copper kettles")
            .press("Continue")
            .await;
        visitor.scan(&two_factor);
        pages.push(two_factor.fill("Six-digit code", visitor.code()));
    }
    let answers = press_all(&pages, "Confirm").await;

    assert_eq!(with_status(&answers, 303), 1);
    assert_eq!(with_status(&answers, 404), 2);
    for table in ["accounts", "users", "members", "sessions"] {
        let count = app.number(&format!("SELECT count(*) FROM {table}"));
        assert_eq!(count, 1, "{table}");
    }
    assert_eq!(first_start::link(&app).expect("answers"), None);
}

async fn a_link_for_a_new_password_works_once(app: TestApp) {
    let ada = app.admin("ada").await;
    let form = ada.other_browser().open("/forgot-password").await;
    let form = form.fill("E-mail", ada.email());
    form.press("Send the link").await.expect_status(200);
    let link = app.last_mail_to(&ada).link("/new-password/");
    let mut pages = Vec::new();
    for n in 0..3 {
        let page = app.visitor().open(&link).await;
        let password = format!("{n} slow copper kettles");
        let page = page.fill("New password", &password);
        pages.push(page.fill("Repeat new password", password));
    }
    let answers = press_all(&pages, "Change password").await;

    assert_eq!(with_status(&answers, 303), 1);
    assert_eq!(with_status(&answers, 404), 2);
    let winner = answers.iter().position(|a| a.status == 303);
    let password = format!("{} slow copper kettles", winner.expect("one won"));
    let start = ada.other_browser().sign_in_with(&password).await;
    start.expect_status(200);
    assert_eq!(
        app.number("SELECT count(*) FROM audit_entries WHERE action = 'password.changed'"),
        1,
        "{:?}",
        actions(&app)
    );
}

async fn a_subscriber_is_added_once(app: TestApp) {
    let ada = app.admin("ada").await;
    let form = ada.open("/shared/insight-users/subscribers/new").await;
    let form = form.fill("E-mail", "board@halden.example");
    let answers = press_all(&vec![form; 8], "Add").await;

    assert_eq!(with_status(&answers, 303), 1);
    assert_eq!(with_status(&answers, 422), 7);
    assert_eq!(app.number("SELECT count(*) FROM subscribers"), 1);
    assert_eq!(
        app.number("SELECT count(*) FROM audit_entries WHERE action = 'subscriber.added'"),
        1,
        "{:?}",
        actions(&app)
    );
}
