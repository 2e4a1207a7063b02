//! The page Insight users is kept ready between requests. Nobody can tell: what changes is there at the next request,
//! in every process, and nobody sees what was kept for somebody else.

use std::time::Duration;

use crate::app::TestApp;
use crate::app::contents::tables;
use crate::app::people::{PASSWORD, Role};
use crate::app::steps::{INSIGHT_USERS, confirm_with_code, invite, invited, masked};
use crate::on_both;

on_both!(
    whatever_the_page_shows_moves_the_version,
    every_change_is_there_at_the_next_request,
    every_change_is_there_at_the_other_server,
    what_was_kept_for_one_is_shown_to_no_other,
    a_kept_page_is_the_same_compressed,
    the_activity_of_others_is_at_most_five_seconds_old,
    the_words_for_days_turn_at_midnight,
);

/// Columns of the page's tables that it does not show. One that stands neither here nor in a trigger fails the story.
const NOT_SHOWN: &str = "\
    accounts.id accounts.created_at accounts.member_count accounts.without_two_factor_count accounts.audit_seq \
    accounts.audit_head accounts.people_version accounts.permission_version accounts.next_slot \
    accounts.owner_since accounts.read_only_since \
    billing.account_id billing.plan_name billing.seat_price billing.currency billing.every billing.anchor_day \
    billing.period billing.period_start billing.period_end billing.credit billing.next_number billing.version \
    billing.company billing.address billing.country billing.vat_number billing.extra_text billing.contact \
    billing.provider billing.customer \
    users.password users.totp_secret users.totp_last_step users.totp_failures users.time_zone users.theme \
    users.product_updates users.operator users.created_at \
    members.profile_id members.role_id members.last_activity_at members.slot members.export \
    invitations.profile_id invitations.role_id invitations.reminders \
    outbox.kind outbox.recipient outbox.sealed outbox.priority outbox.created_at outbox.attempts outbox.leased_until \
    outbox.lease_token outbox.finished_at outbox.announcement_id";

async fn whatever_the_page_shows_moves_the_version(app: TestApp) {
    let ada = app.admin("ada").await;
    app.member("bob", &[Role::Viewer]).await;
    invite(&ada, "vera@halden.example").await;
    ada.post(
        &format!("{INSIGHT_USERS}/subscribers/new"),
        &[("email", "s@halden.example")],
    )
    .await;
    let version = || app.number("SELECT people_version FROM accounts");
    let not_shown: Vec<&str> = NOT_SHOWN.split_whitespace().collect();
    let shown = [
        "accounts",
        "billing",
        "users",
        "members",
        "invitations",
        "subscribers",
        "outbox",
    ];
    let everything = tables(&mut app.database().connect());
    let there = |name: &str| {
        let (table, column) = name.split_once('.').expect("a table and a column");
        let columns = everything.iter().find(|(t, _)| t == table);
        columns.is_some_and(|(_, columns)| columns.iter().any(|c| c == column))
    };
    for name in &not_shown {
        assert!(there(name), "{name} is no column any more");
    }
    let one = |table| match table {
        "users" => "id IN (SELECT user_id FROM members WHERE NOT admin)",
        "members" => "NOT admin",
        "outbox" => "invitation_id IS NOT NULL",
        _ => "1 = 1",
    };
    for (table, columns) in everything
        .iter()
        .filter(|(t, _)| shown.contains(&t.as_str()))
    {
        for column in columns {
            let name = format!("{table}.{column}");
            // Where the trigger looks at the value, it has to be another.
            let value = match name.as_str() {
                "members.two_factor" => "NOT two_factor",
                "members.removed_at" => "1",
                _ => column,
            };
            let before = version();
            let of = one(table.as_str());
            let rows = app.sql(&format!("UPDATE {table} SET {column} = {value} WHERE {of}"));
            assert_eq!(rows, Ok(1), "{name}");
            let moves = version() > before;
            assert_eq!(moves, !not_shown.contains(&name.as_str()), "{name}");
        }
    }
    for table in ["subscribers", "members"] {
        let before = version();
        let gone = app.sql(&format!(
            "DELETE FROM {table} WHERE {}",
            match table {
                "members" =>
                    "NOT admin AND id NOT IN (SELECT invited_by FROM invitations) \
                AND user_id NOT IN (SELECT user_id FROM sessions)",
                _ => "1 = 1",
            }
        ));
        assert!(
            gone.is_ok_and(|rows| rows == 0 || version() > before),
            "{table}"
        );
    }
}

async fn every_change_is_there_at_the_next_request(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[Role::Viewer]).await;
    let users = async || ada.open(INSIGHT_USERS).await;
    users().await.row(bob.email()).expect_not("Technician");

    // Time stands still, so a page once kept stays kept unless something changes.
    let roles = users().await.row(bob.email()).press("Manage roles").await;
    roles.tick("Technician").press("Save").await;
    users().await.row(bob.email()).expect("Technician");

    let link = invited(&app, &ada, "vera@halden.example").await;
    users()
        .await
        .row("vera@halden.example")
        .expect("Not opened")
        .expect("Queued");
    let vera = app.visitor();
    let form = vera.open(&link).await;
    users().await.row("vera@halden.example").expect("Opened");
    form.fill("Name", "Vera")
        .fill("Password", PASSWORD)
        .fill("Repeat password", PASSWORD)
        .press("Continue")
        .await;
    users()
        .await
        .row("vera@halden.example")
        .expect("Password set");
    let outbox = |set: &str| {
        let change = format!("UPDATE outbox SET {set} WHERE recipient = 'vera@halden.example'");
        assert_eq!(app.sql(&change), Ok(1));
    };
    outbox("answer = '451 later'");
    users().await.row("vera@halden.example").expect("451 later");
    outbox("state = 'failed', answer = '550 nobody'");
    users()
        .await
        .row("vera@halden.example")
        .expect("Failed")
        .expect("550 nobody");

    let add = users().await.press("Add subscriber").await;
    add.fill("E-mail", "s@halden.example").press("Add").await;
    users()
        .await
        .section("Subscribers")
        .row("s@halden.example")
        .expect("Active");
    let bounced = app.sql("UPDATE subscribers SET state = 'bouncing'");
    assert_eq!(bounced, Ok(1));
    users()
        .await
        .section("Subscribers")
        .row("s@halden.example")
        .expect("Bouncing");

    let renamed = app.sql(&format!(
        "UPDATE users SET name = 'Robert' WHERE id = {}",
        bob.user()
    ));
    assert_eq!(renamed, Ok(1));
    users().await.row(bob.email()).expect("Robert");
    assert_eq!(app.sql("UPDATE accounts SET name = 'Halden & Sons'"), Ok(1));
    users()
        .await
        .expect("Everyone who can sign in to Halden & Sons");

    let remove = users().await.row(bob.email()).press("Remove").await;
    remove.press("Remove Robert").await;
    assert!(!users().await.has_row(bob.email()));
}

async fn every_change_is_there_at_the_other_server(mut app: TestApp) {
    let other = app.serve_again();
    let ada = app.admin("ada").await;
    let eve = app.admin("eve").await;
    eve.use_server(other);
    app.member("bob", &[]).await;
    for admin in [&ada, &eve] {
        admin
            .open(INSIGHT_USERS)
            .await
            .row("bob")
            .expect_not("Technician");
    }
    let roles = ada
        .open(INSIGHT_USERS)
        .await
        .row("bob")
        .press("Manage roles")
        .await;
    roles.tick("Technician").press("Save").await;
    eve.open(INSIGHT_USERS)
        .await
        .row("bob")
        .expect("Technician");
    let remove = eve
        .open(INSIGHT_USERS)
        .await
        .row("bob")
        .press("Remove")
        .await;
    remove.press("Remove Bob").await;
    assert!(!ada.open(INSIGHT_USERS).await.has_row("bob"));
    // The right itself is never kept.
    let demote = ada
        .open(INSIGHT_USERS)
        .await
        .row("eve")
        .press("Manage roles")
        .await;
    demote.untick("Admin").press("Save").await;
    eve.get(INSIGHT_USERS).await.expect_status(403);
}

async fn what_was_kept_for_one_is_shown_to_no_other(app: TestApp) {
    let ada = app.admin("ada").await;
    let eve = app.admin("eve").await;
    let viewer = app.member("bob", &[Role::Viewer]).await;
    let outsider = app.company("Nordic Cargo").admin("olaf");
    let first = ada.open(INSIGHT_USERS).await;
    first.row(ada.email()).expect("You");
    first.row(eve.email()).expect_not("You");
    let second = eve.open(INSIGHT_USERS).await;
    second.row(eve.email()).expect("You");
    second.row(ada.email()).expect_not("You");
    let elsewhere = outsider.open(INSIGHT_USERS).await;
    elsewhere.expect_not("halden.example");
    elsewhere.row(outsider.email()).expect("You");
    viewer
        .get(INSIGHT_USERS)
        .await
        .expect_status(403)
        .expect_not(ada.email());
    app.visitor()
        .get(INSIGHT_USERS)
        .await
        .expect_redirect("/sign-in");

    // One and the same list for the same person, but the token and the nonce are of this answer alone.
    let again = ada.open(INSIGHT_USERS).await;
    assert_eq!(masked(&again), masked(&first));
    assert_ne!(again.source(), first.source());
    let token = |page: &crate::app::page::Page| -> Vec<String> {
        let inputs = page.all("input[name=csrf]");
        inputs
            .iter()
            .filter_map(|i| i.attr("value"))
            .map(str::to_owned)
            .collect()
    };
    assert!(token(&again).iter().all(|one| !token(&first).contains(one)));

    // A session that was moved to another account sees that one.
    let nordic = outsider.account();
    invite(&outsider, ada.email()).await;
    let link = app.last_mail_to(ada.email()).link("/register/");
    ada.open(&link).await.press("Join").await;
    assert_eq!(
        app.number(&format!(
            "SELECT COUNT(*) FROM sessions WHERE user_id = {} AND account_id = {nordic}",
            ada.user()
        )),
        1
    );
    let page = ada.get(INSIGHT_USERS).await;
    page.expect_not(eve.email());
}

async fn a_kept_page_is_the_same_compressed(app: TestApp) {
    let ada = app.admin("ada").await;
    let plain = ada.open(INSIGHT_USERS).await;
    assert_eq!(plain.header("content-encoding"), "");
    ada.always_send("Accept-Encoding", "gzip, deflate");
    for _ in 0..2 {
        let page = ada.open(INSIGHT_USERS).await;
        assert_eq!(page.header("content-encoding"), "gzip");
        assert!(page.header("vary").contains("Accept-Encoding"));
        assert_eq!(masked(&page), masked(&plain));
    }
    app.member("bob", &[Role::Viewer]).await;
    assert!(ada.open(INSIGHT_USERS).await.has_row("bob"));
}

async fn the_activity_of_others_is_at_most_five_seconds_old(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    app.forward(Duration::from_secs(120));
    let users = async || ada.open(INSIGHT_USERS).await;
    users().await.row(ada.email()).expect("Today, 09:43");
    users().await.row(bob.email()).expect("Today, 09:41");
    bob.open("/security").await.expect_status(200);
    app.forward(Duration::from_secs(4));
    users().await.row(bob.email()).expect("Today, 09:41");
    app.forward(Duration::from_secs(1));
    users().await.row(bob.email()).expect("Today, 09:43");
    // One's own is shown at once.
    app.forward(Duration::from_secs(60));
    users().await.row(ada.email()).expect("Today, 09:44");
}

async fn the_words_for_days_turn_at_midnight(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    app.forward(Duration::from_secs((14 * 60 + 18) * 60 + 58));
    ada.start_session(crate::app::people::Level::Full);
    ada.open(INSIGHT_USERS)
        .await
        .row(bob.email())
        .expect("Today, 09:41");
    app.forward(Duration::from_secs(2));
    ada.open(INSIGHT_USERS)
        .await
        .row(bob.email())
        .expect("Yesterday, 09:41");
    let page = ada.open(INSIGHT_USERS).await.press("Invite Member").await;
    if page.path.starts_with("/step-up") {
        confirm_with_code(&ada, page).await.expect_status(200);
    }
}
