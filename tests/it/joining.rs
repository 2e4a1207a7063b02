//! An invitation and somebody who is known already: with a sign-in, with another one, or removed before (SPEC 3.3).

use crate::app::TestApp;
use crate::app::people::{PASSWORD, Role};
use crate::app::steps::{
    INSIGHT_USERS, assert_newest, audit_sentences, choose_password, everything, invited,
    member_action, register,
};
use crate::on_both;

fn people(app: &TestApp) -> (i64, i64) {
    (
        app.number("SELECT COUNT(*) FROM users"),
        app.number("SELECT COUNT(*) FROM members WHERE removed_at IS NULL"),
    )
}

on_both!(
    somebody_with_a_sign_in_joins,
    somebody_signs_in_to_join,
    an_invitation_is_for_one_person_alone,
    an_invitation_holds_as_long_as_its_inviter_is_an_administrator,
    inviting_a_removed_member_brings_them_back,
    whoever_was_signed_in_before_is_signed_out,
);

async fn somebody_with_a_sign_in_joins(app: TestApp) {
    let erika = app.admin("erika").await;
    let known = app.company("Other Company").member("known", &[Role::Admin]);
    let link = invited(&app, &erika, known.email()).await;
    let before = people(&app);
    let page = known.open(&link).await;
    assert_eq!(page.h1(), "Join Halden Logistics");
    page.expect("Invited by Erika")
        .expect("You keep your password and two-factor");
    assert!(
        page.all("input[type=password]").is_empty(),
        "no second password"
    );
    // The first step of registration is closed to them.
    let fields = [
        ("name", "Eve"),
        ("password", PASSWORD),
        ("repeat", PASSWORD),
    ];
    known
        .post("/register", &fields)
        .await
        .expect_redirect("/register");
    known
        .post("/register/two-factor", &[("code", "1")])
        .await
        .expect_redirect("/register");
    let session = known.cookie("sid");

    let home = page.press("Join").await;

    assert_eq!(home.flash(), "You joined Halden Logistics.");
    home.expect("Halden Logistics").expect("Other Company");
    assert_ne!(known.cookie("sid"), session, "a new session id");
    assert_eq!(
        people(&app),
        (before.0, before.1 + 1),
        "a member more, and no user"
    );
    known.get(INSIGHT_USERS).await.expect_status(403);
    assert_newest(
        &audit_sentences(&erika).await,
        "Joined as Known (known@other.example) with Viewer",
    );
    assert_eq!(
        app.last_mail_to(&erika).subject,
        "Known has joined Halden Logistics"
    );
    known.open(&link).await.expect_status(404);
    let other = known.account().to_string();
    let back = known.post("/accounts/switch", &[("account", &other)]).await;
    back.follow().await.expect("You are now in Other Company.");
}

async fn somebody_signs_in_to_join(app: TestApp) {
    let erika = app.admin("erika").await;
    let known = app
        .company("Other Company")
        .member("known", &[Role::Viewer]);
    let link = invited(&app, &erika, known.email()).await;
    let laptop = known.other_browser();
    let page = laptop.open(&link).await;
    page.expect("There is an Insight sign-in with this e-mail already");
    let page = page.press("Sign in to join").await;
    let page = page
        .fill("E-mail", known.email())
        .fill("Password", PASSWORD)
        .press("Sign in")
        .await;
    // Half a sign-in does not join.
    laptop
        .post("/register/join", &[])
        .await
        .expect_redirect("/sign-in/code");
    let page = page
        .fill("Six-digit code", laptop.code())
        .press("Sign in")
        .await;
    assert_eq!(page.h1(), "Join Halden Logistics");
    let home = page.press("Join").await;
    assert_eq!(home.flash(), "You joined Halden Logistics.");
}

async fn an_invitation_is_for_one_person_alone(app: TestApp) {
    let erika = app.admin("erika").await;
    let other = app.company("Other Company");
    let known = other.member("known", &[Role::Viewer]);
    let eve = other.member("eve", &[Role::Admin]);
    let link = invited(&app, &erika, known.email()).await;
    let page = eve.open(&link).await;
    page.expect(
        "This invitation is for known@other.example, and you are signed in as eve@other.example",
    );
    assert!(!page.offers("Join"));
    let before = everything(&app);
    eve.post("/register/join", &[]).await.expect_status(422);
    eve.post("/register/join", &[("email", known.email()), ("user", "1")])
        .await
        .expect_status(422);
    assert_eq!(everything(&app), before);
    page.press("Sign out").await;
    let page = eve.open(&link).await;
    page.expect("Sign in to join");
}

async fn an_invitation_holds_as_long_as_its_inviter_is_an_administrator(app: TestApp) {
    let erika = app.admin("erika").await;
    let demoted = app.admin("demoted").await;
    let removed = app.admin("removed").await;
    let one = invited(&app, &demoted, "one@x.example").await;
    let two = invited(&app, &removed, "two@x.example").await;
    let vera = app.visitor();
    let under_way = choose_password(&vera, &one, "Vera").await;
    vera.scan(&under_way);
    let page = member_action(&erika, demoted.email(), "Manage roles").await;
    page.untick("Admin").press("Save").await.expect_status(200);
    let page = member_action(&erika, removed.email(), "Remove").await;
    page.untick("Revoke: two@x.example")
        .press("Remove Removed")
        .await
        .expect_status(200);

    let before = people(&app);
    app.visitor().open(&one).await.expect_status(404);
    app.visitor().open(&two).await.expect_status(404);
    under_way
        .fill("Six-digit code", vera.code())
        .press("Confirm")
        .await
        .expect_status(404);
    assert_eq!(people(&app), before, "nobody comes in on a lost right");
    let list = erika.open(INSIGHT_USERS).await;
    list.row("one@x.example")
        .expect("the inviter is no longer an administrator");
    list.row("two@x.example")
        .expect("Removed (removed)")
        .expect("Resend to make it valid");

    list.row("one@x.example").press("Resend").await;
    let fresh = app.last_mail_to("one@x.example").link("/register/");
    register(&app.visitor(), &fresh, "Vera")
        .await
        .expect_status(200);
    assert_eq!(people(&app), (before.0 + 1, before.1 + 1));
}

async fn inviting_a_removed_member_brings_them_back(app: TestApp) {
    let erika = app.admin("erika").await;
    // Somebody of this company alone, and somebody who has another one to go on with.
    let sam = app.member("sam", &[Role::Viewer]).await;
    let both = app.company("Other Company").member("both", &[Role::Viewer]);
    let there = app.halden().await.add(&both, &[Role::Technician]);
    for person in [&sam, &both] {
        let page = member_action(&erika, person.email(), "Remove").await;
        page.press(&format!("Remove {}", person.name()))
            .await
            .expect_status(200);
    }
    let users = app.number("SELECT COUNT(*) FROM users");

    let link = invited(&app, &erika, sam.email()).await;
    let again = app.visitor();
    let page = again.open(&link).await;
    page.expect("Step 1 of 3");
    register(&again, &link, "Sam Reyes")
        .await
        .expect("Sam Reyes");
    let link = invited(&app, &erika, both.email()).await;
    both.open(&link)
        .await
        .press("Join")
        .await
        .expect("You joined Halden Logistics.");

    assert_eq!(
        app.number("SELECT COUNT(*) FROM users"),
        users,
        "the same users"
    );
    for member in [sam.member(), there] {
        let active =
            format!("SELECT COUNT(*) FROM members WHERE id = {member} AND removed_at IS NULL");
        assert_eq!(app.number(&active), 1, "the same member");
    }
    let list = erika.open(&format!("{INSIGHT_USERS}?q=reyes")).await;
    list.section("Members").row(sam.email()).expect("Sam Reyes");
    let old = sam.other_browser();
    old.get("/").await.expect_redirect("/sign-in");
    sam.get("/").await.expect_redirect("/sign-in");
}

async fn whoever_was_signed_in_before_is_signed_out(app: TestApp) {
    let erika = app.admin("erika").await;
    let link = invited(&app, &erika, "vera@halden.example").await;
    let old = erika.cookie("sid").expect("signed in");
    register(&erika, &link, "Vera").await.expect("Vera");
    let thief = app.visitor();
    thief.set_cookie("sid", Some(&old));
    thief.get("/").await.expect_redirect("/sign-in");
}
