//! What can be done with an invitation, and what becomes of it, until the person has joined (SPEC 3.2).

use std::time::Duration;

use insight::invitations::reminders;

use crate::app::TestApp;
use crate::app::steps::{
    INSIGHT_USERS, assert_newest, audit_sentences, everything, invite, invited, register,
};
use crate::on_both;

on_both!(
    a_resend_makes_a_new_link_and_kills_the_old_one,
    a_copied_link_is_shown_once,
    a_revoked_invitation_is_gone_with_its_link_and_its_mail,
    any_administrator_looks_after_the_invitations_of_others,
    an_invitation_lives_exactly_seven_days,
    two_reminders_go_out_while_the_invitation_is_pending,
    nobody_is_reminded_after_the_end,
    a_row_tells_how_far_the_person_has_come,
    one_address_cannot_be_flooded,
    many_invitations_are_shown_in_pages,
    old_invitations_cannot_be_acted_on,
);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// True when the link opens the first step of registration.
async fn opens(app: &TestApp, link: &str) -> bool {
    let page = app.visitor().open(link).await;
    assert!(matches!(page.status, 200 | 404), "{}", page.status);
    page.status == 200
}

fn remind(app: &TestApp) -> usize {
    reminders::remind_due(app).expect("reminds")
}

async fn a_resend_makes_a_new_link_and_kills_the_old_one(app: TestApp) {
    let erika = app.admin("erika").await;
    let old = invited(&app, &erika, "vera@halden.example").await;
    app.forward(4 * DAY);
    erika.start_session(crate::app::people::Level::Full);
    let list = erika.open(INSIGHT_USERS).await;
    list.row("vera@halden.example").expect("Expires in 3 days");

    let list = list.row("vera@halden.example").press("Resend").await;

    assert_eq!(
        list.flash(),
        "The invitation to vera@halden.example was sent again."
    );
    list.row("vera@halden.example").expect("Expires in 7 days");
    let letters = app.mail_to("vera@halden.example");
    assert_eq!(
        letters.len(),
        1,
        "the old letter was withdrawn, as it had not left"
    );
    let new = letters[0].link("/register/");
    assert_ne!(new, old);
    assert!(!opens(&app, &old).await, "the old link is dead");
    assert!(opens(&app, &new).await);
    assert_newest(
        &audit_sentences(&erika).await,
        "Sent the invitation to vera@halden.example again",
    );
    app.forward(4 * DAY);
    assert!(opens(&app, &new).await, "seven new days");
}

async fn a_copied_link_is_shown_once(app: TestApp) {
    let erika = app.admin("erika").await;
    let mailed = invited(&app, &erika, "vera@halden.example").await;
    let page = erika.open(INSIGHT_USERS).await;
    let page = page.row("vera@halden.example").press("Copy link").await;
    page.expect_status(200);
    let shown = page.texts("#link").join("");
    let path = shown
        .strip_prefix(&app.base())
        .expect("a link to here")
        .to_owned();
    assert!(path.starts_with("/register/inv_"), "{path}");
    assert_ne!(path, mailed);

    let again = erika.open(&page.path).await;
    assert!(!again.source().contains("inv_"), "a link is shown once");
    again.expect("A link is shown once. Press Copy link for a fresh link");
    again.row("vera@halden.example").expect("Link copied");
    assert!(!opens(&app, &mailed).await, "the mailed link is dead");
    assert!(
        app.mail_to("vera@halden.example").is_empty(),
        "and its letter withdrawn"
    );
    let entries = audit_sentences(&erika).await;
    assert_newest(
        &entries,
        "Made a fresh invitation link for vera@halden.example",
    );
    assert!(!entries.concat().contains("inv_"));

    let home = register(&app.visitor(), &path, "Vera Lind").await;
    home.expect("Vera Lind");
}

async fn a_revoked_invitation_is_gone_with_its_link_and_its_mail(app: TestApp) {
    let erika = app.admin("erika").await;
    let link = invited(&app, &erika, "vera@halden.example").await;
    let page = erika.open(INSIGHT_USERS).await;
    let page = page.row("vera@halden.example").press("Revoke").await;
    page.expect("Every link of this invitation stops working at once");
    assert!(opens(&app, &link).await, "asking changes nothing");

    let list = page.press("Revoke invitation to vera@halden.example").await;

    assert_eq!(
        list.flash(),
        "The invitation to vera@halden.example was revoked."
    );
    assert!(!list.has_row("vera@halden.example"));
    assert_eq!(list.texts("#h-pending .count"), ["0"]);
    list.expect("Nobody is invited at the moment");
    assert!(!opens(&app, &link).await);
    assert!(
        app.mail_to("vera@halden.example").is_empty(),
        "the letter does not go out any more"
    );
    assert_newest(
        &audit_sentences(&erika).await,
        "Revoked the invitation to vera@halden.example",
    );
    let fresh = invited(&app, &erika, "vera@halden.example").await;
    assert!(
        opens(&app, &fresh).await,
        "the address can be invited again"
    );
}

async fn any_administrator_looks_after_the_invitations_of_others(app: TestApp) {
    let erika = app.admin("erika").await;
    let jon = app.admin("jon").await;
    for address in ["a@x.example", "b@x.example", "c@x.example"] {
        invite(&erika, address).await;
    }
    let row = async |address| jon.open(INSIGHT_USERS).await.row(address);
    let resent = row("a@x.example").await.press("Resend").await;
    resent.row("a@x.example").expect("Jon");
    let letter = app.last_mail_to("a@x.example");
    assert!(
        letter.subject.starts_with("Jon invites you"),
        "{}",
        letter.subject
    );
    row("b@x.example")
        .await
        .press("Copy link")
        .await
        .expect("It is not shown again");
    let page = row("c@x.example").await.press("Revoke").await;
    page.press("Revoke invitation to c@x.example")
        .await
        .expect("was revoked");
}

async fn an_invitation_lives_exactly_seven_days(app: TestApp) {
    let erika = app.admin("erika").await;
    let link = invited(&app, &erika, "vera@halden.example").await;
    let vera = app.visitor();
    app.forward(7 * DAY - Duration::from_micros(1));
    let page = vera.open(&link).await;
    page.expect_status(200);
    app.forward(Duration::from_micros(1));
    assert!(!opens(&app, &link).await);
    // Even for somebody who stands on the page already.
    let before = everything(&app);
    page.fill("Name", "Vera")
        .fill("Password", crate::app::people::PASSWORD)
        .fill("Repeat password", crate::app::people::PASSWORD)
        .press("Continue")
        .await
        .expect_status(404);
    assert_eq!(everything(&app), before);
    erika.start_session(crate::app::people::Level::Full);
    let list = erika.open(INSIGHT_USERS).await;
    list.row("vera@halden.example").expect("Expired today");
    app.forward(DAY);
    erika.start_session(crate::app::people::Level::Full);
    let list = erika.open(INSIGHT_USERS).await;
    list.row("vera@halden.example").expect("Expired yesterday");
    invite(&erika, "vera@halden.example")
        .await
        .expect("Already invited");
    list.row("vera@halden.example")
        .press("Resend")
        .await
        .expect("Expires in 7 days");
    let fresh = app.last_mail_to("vera@halden.example").link("/register/");
    assert!(opens(&app, &fresh).await);
}

async fn two_reminders_go_out_while_the_invitation_is_pending(app: TestApp) {
    let erika = app.admin("erika").await;
    let first = invited(&app, &erika, "vera@halden.example").await;
    let mut links = vec![first];
    let letters = || app.mail_to("vera@halden.example").len();
    app.forward(3 * DAY - Duration::from_secs(1));
    assert_eq!((remind(&app), letters()), (0, 1));
    for _ in 0..2 {
        app.forward(Duration::from_secs(1));
        assert_eq!(remind(&app), 1);
        assert_eq!(remind(&app), 0, "once each");
        let letter = app.last_mail_to("vera@halden.example");
        assert_eq!(letter.subject, "Reminder: join Halden Logistics on Insight");
        links.push(letter.link("/register/"));
        app.forward(3 * DAY - Duration::from_secs(1));
        assert_eq!(remind(&app), 0);
    }
    assert_eq!(letters(), 3);
    app.forward(DAY);
    assert_eq!(remind(&app), 0, "nothing after the last day");

    // Until then all three letters lead to one and the same registration.
    let fresh = app.admin("jon").await;
    let link = invited(&app, &fresh, "nils@halden.example").await;
    app.forward(3 * DAY);
    remind(&app);
    let reminder = app.last_mail_to("nils@halden.example").link("/register/");
    assert!(opens(&app, &link).await && opens(&app, &reminder).await);
    register(&app.visitor(), &reminder, "Nils Berg")
        .await
        .expect("Nils Berg");
    assert!(!opens(&app, &link).await && !opens(&app, &reminder).await);
    for link in links {
        assert!(
            !opens(&app, &link).await,
            "a reminder does not lengthen the seven days"
        );
    }
}

async fn nobody_is_reminded_after_the_end(app: TestApp) {
    let erika = app.admin("erika").await;
    let jon = app.admin("jon").await;
    let joined = invited(&app, &erika, "joined@x.example").await;
    invite(&erika, "revoked@x.example").await;
    invite(&jon, "unvouched@x.example").await;
    register(&app.visitor(), &joined, "Joined").await;
    let page = erika
        .open(INSIGHT_USERS)
        .await
        .row("revoked@x.example")
        .press("Revoke")
        .await;
    page.press("Revoke invitation to revoked@x.example").await;
    app.sql(&format!(
        "UPDATE members SET admin = {} WHERE id = {}",
        no(&app),
        jon.member()
    ))
    .expect("demotes");
    for _ in 0..7 {
        app.forward(DAY);
        assert_eq!(remind(&app), 0);
    }
}

/// "No" in SQL.
fn no(app: &TestApp) -> &'static str {
    match app.database().target() {
        insight::db::Target::Sqlite(_) => "0",
        insight::db::Target::Postgres(_) => "false",
    }
}

async fn a_row_tells_how_far_the_person_has_come(app: TestApp) {
    let erika = app.admin("erika").await;
    let link = invited(&app, &erika, "vera@halden.example").await;
    let row = async || erika.open(INSIGHT_USERS).await.row("vera@halden.example");
    row().await.expect("Not opened");
    let vera = app.visitor();
    vera.get(&link).await.expect_redirect("/register");
    row().await.expect("Not opened");
    vera.open("/register").await;
    row().await.expect("Opened");
    let page = crate::app::steps::choose_password(&vera, &link, "Vera Lind").await;
    row().await.expect("Password set");
    crate::app::steps::prove_secret(&vera, page).await;
    let list = erika.open(INSIGHT_USERS).await;
    assert_eq!(list.texts("#h-pending .count"), ["0"]);
    list.section("Members")
        .row("vera@halden.example")
        .expect("Vera Lind");
}

async fn one_address_cannot_be_flooded(app: TestApp) {
    let erika = app.admin("erika").await;
    invite(&erika, "vera@halden.example").await;
    let mut status = 200;
    for _ in 0..15 {
        let row = erika.open(INSIGHT_USERS).await.row("vera@halden.example");
        status = row.press("Resend").await.status;
        if status != 200 {
            break;
        }
    }
    assert_eq!(status, 429);
    assert_eq!(app.mail_to("vera@halden.example").len(), 1);
    let link = app.last_mail_to("vera@halden.example").link("/register/");
    assert!(
        opens(&app, &link).await,
        "a refused resend leaves the last link alive"
    );
    invite(&erika, "other@halden.example").await.expect("Sent");
}

async fn many_invitations_are_shown_in_pages(app: TestApp) {
    let erika = app.admin("erika").await;
    let some = |from: usize, to: usize| -> String {
        (from..to).map(|n| format!("p{n}@x.example ")).collect()
    };
    invite(&erika, &some(0, 60)).await;
    let first = erika.open(INSIGHT_USERS).await;
    assert_eq!(first.texts("#h-pending .count"), ["60"]);
    let addresses = |page: &crate::app::page::Page| {
        page.texts("table[aria-label='Pending invitations'] tbody .name")
    };
    assert_eq!(addresses(&first).len(), 50);
    first.expect("1–50 of 60");
    let next = first.all("nav[aria-label='Pending invitations pages'] a")[1]
        .attr("href")
        .expect("leads on")
        .split('#')
        .next()
        .unwrap_or_default()
        .to_owned();
    let second = erika.open(&next).await;
    assert_eq!(addresses(&second).len(), 10);
    second.expect("51–60 of 60");
    let all: std::collections::HashSet<String> = addresses(&first)
        .into_iter()
        .chain(addresses(&second))
        .collect();
    assert_eq!(all.len(), 60, "each once");
}

async fn old_invitations_cannot_be_acted_on(app: TestApp) {
    let erika = app.admin("erika").await;
    let link = invited(&app, &erika, "joined@x.example").await;
    let joined = app.number("SELECT MAX(id) FROM invitations");
    register(&app.visitor(), &link, "Joined").await;
    invite(&erika, "revoked@x.example").await;
    let revoked = app.number("SELECT MAX(id) FROM invitations");
    erika
        .post(
            &format!("{INSIGHT_USERS}/invitations/{revoked}/revoke"),
            &[],
        )
        .await
        .expect_redirect(INSIGHT_USERS);
    let before = everything(&app);
    for id in [joined, revoked, 999_999] {
        for action in ["resend", "copy-link", "revoke"] {
            let path = format!("{INSIGHT_USERS}/invitations/{id}/{action}");
            erika.post(&path, &[]).await.expect_status(404);
            if action != "resend" {
                erika.get(&path).await.expect_status(404);
            }
        }
    }
    assert_eq!(everything(&app), before);
}
