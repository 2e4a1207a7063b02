//! System Settings > Users: what each person may do, two switches, and where they are signed in.

use std::time::Duration;

use insight::permissions::{Level, Object};

use crate::app::TestApp;
use crate::app::people::{Person, Role};
use crate::app::steps::{assert_newest, audit_sentences, confirm_with_code, everything};
use crate::on_both;

on_both!(
    the_list_says_who_holds_what,
    the_list_is_filtered_sorted_and_paged,
    a_switch_is_one_press,
    making_an_administrator_asks_for_a_fresh_code,
    the_last_administrator_stays_one,
    oneself_is_asked_first,
    the_details_say_what_somebody_sees_and_why,
    role_and_profile_of_one_person_go_through_review,
    somebody_is_signed_out_everywhere,
);

const USERS: &str = "/settings/users";

fn page_of(person: &Person) -> String {
    format!("{USERS}/{}", person.member())
}

async fn the_list_says_who_holds_what(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[Role::Viewer]).await;
    app.role("Rep", None, &[&bob]);
    app.standard("Sales", &[&bob]);
    crate::app::steps::invite(&ada, "new@halden.example")
        .await
        .expect("Sent");
    let page = ada.open(USERS).await;
    page.expect("2 users, 1 invited");
    let row = page.row("bob@halden.example");
    row.expect("Rep").expect("Sales");
    assert_eq!(row.texts("[role=switch]"), ["Off", "Off"]);
    let row = page.row("ada@halden.example");
    row.expect("You")
        .expect("Account owner")
        .expect("Does not apply");
    page.row("new@halden.example")
        .expect("After registration")
        .expect("Standard User");
}

async fn the_list_is_filtered_sorted_and_paged(app: TestApp) {
    let ada = app.admin("ada").await;
    let company = app.halden().await;
    for number in 0..60 {
        company.person(
            &format!("Person {number:02}"),
            &format!("p{number:02}@halden.example"),
            &[],
        );
    }
    let bob = app.member("bob", &[]).await;
    app.role("Rep", None, &[&bob]);
    app.let_export(&bob);
    let names = |page: &crate::app::page::Page| page.texts("tbody a.name");
    let page = ada.open(&format!("{USERS}?sort=name")).await;
    page.expect("1–50 of 62");
    assert_eq!(names(&page)[..2], ["Ada", "Bob"]);
    let next = page.press("Next").await;
    assert_eq!(names(&next).len(), 12);
    for (query, found) in [
        ("q=bob@", vec!["Bob"]),
        ("export=yes", vec!["Bob"]),
        ("administrator=yes", vec!["Ada"]),
        ("q=person+07", vec!["Person 07"]),
        ("administrator=yes&export=yes", vec![]),
    ] {
        assert_eq!(
            names(&ada.open(&format!("{USERS}?{query}")).await),
            found,
            "{query}"
        );
    }
    let page = ada
        .open(USERS)
        .await
        .choose("Role", "Rep")
        .press("Filter")
        .await;
    assert_eq!(names(&page), ["Bob"]);
    ada.open(&format!("{USERS}?role=none&q=bob"))
        .await
        .expect("No users match these filters.");
    ada.get(&format!("{USERS}?role=boss"))
        .await
        .expect_status(404);
}

async fn a_switch_is_one_press(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[Role::Viewer]).await;
    let page = ada
        .open(&format!("{USERS}?q=bob"))
        .await
        .press("Export: Bob")
        .await;
    assert_eq!(
        page.path,
        format!("{USERS}?q=bob"),
        "back where it was pressed"
    );
    assert_eq!(page.flash(), "Bob may export what they see.");
    assert_newest(
        &audit_sentences(&ada).await,
        "Gave Bob (bob@halden.example) the Export permission",
    );
    let page = page.press("Export: Bob").await;
    assert_eq!(page.flash(), "Bob may not export any more.");
    let page = page.press("Administrator: Bob").await;
    assert!(page.flash().starts_with("Bob is an administrator"));
    assert_eq!(page.texts("[role=switch][aria-checked=true]").len(), 1);
    bob.get(USERS).await.expect_status(200);
    let page = page.press("Administrator: Bob").await;
    assert!(
        page.flash()
            .starts_with("Bob is no administrator any more.")
    );
    bob.get(USERS).await.expect_status(403);
    // The other platform roles are what they were.
    ada.open(&page_of(&bob))
        .await
        .section("Person")
        .expect("Platform roles Viewer");
    // Nobody is led elsewhere.
    let fields = [
        ("on", "1"),
        ("back", "https://elsewhere.example/settings/users"),
    ];
    let answer = ada
        .post(&format!("{}/export", page_of(&bob)), &fields)
        .await;
    answer.expect_redirect(USERS);
}

async fn making_an_administrator_asks_for_a_fresh_code(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    app.forward(Duration::from_secs(16 * 60));
    let page = ada
        .open(&format!("{USERS}?q=bob"))
        .await
        .press("Administrator: Bob")
        .await;
    let page = confirm_with_code(&ada, page).await;
    assert_eq!(page.h1(), "Make Bob an administrator?");
    bob.get(USERS).await.expect_status(403);
    let page = page.press("Make administrator").await;
    assert_eq!(page.path, format!("{USERS}?q=bob"));
    assert!(page.flash().starts_with("Bob is an administrator"));
    // Taking it away is no danger, and asks for none.
    app.forward(Duration::from_secs(16 * 60));
    let page = page.press("Administrator: Bob").await;
    assert!(page.flash().starts_with("Bob is no administrator"));
}

async fn the_last_administrator_stays_one(app: TestApp) {
    let ada = app.admin("ada").await;
    let page = ada.open(USERS).await;
    page.row("ada@halden.example")
        .expect("The last one who can sign in");
    assert!(
        !page.offers("Administrator: Ada"),
        "the switch is off limits"
    );
    let before = everything(&app);
    let path = format!("{}/administrator", page_of(&ada));
    let page = ada.post(&path, &[("on", "0"), ("own", "1")]).await;
    page.expect_status(422);
    let why =
        "Ada is the last administrator who can sign in. Make somebody else an administrator first.";
    assert_eq!(page.errors(), [why]);
    assert_eq!(everything(&app), before);
}

async fn oneself_is_asked_first(app: TestApp) {
    let ada = app.admin("ada").await;
    let amy = app.admin("amy").await;
    let page = amy.open(USERS).await.press("Administrator: Amy").await;
    page.expect_status(422);
    assert_eq!(
        page.errors(),
        ["Tick this to take Administrator away from yourself"]
    );
    amy.get(USERS).await.expect_status(200);
    let page = page.tick("I am taking Administrator away from myself");
    let page = page.press("Take Administrator away").await;
    assert_eq!(page.flash(), "You are no administrator any more.");
    amy.get(USERS).await.expect_status(403);
    ada.open(USERS)
        .await
        .row("amy@halden.example")
        .expect("Off");
}

async fn the_details_say_what_somebody_sees_and_why(app: TestApp) {
    let ada = app.admin("ada").await;
    let company = app.halden().await;
    let [bob, rep, pm] = ["bob", "rep", "pm"].map(|name| company.member(name, &[]));
    let director = app.role("Director", None, &[&bob]);
    app.role("Rep", Some(director), &[&rep]);
    let other = app.role("PM", None, &[&pm]);
    app.standard("Sales", &[&bob, &rep, &pm]);
    app.share(&ada, Object::Lead, other, director, Level::Read);
    for (person, count) in [(&bob, 1), (&rep, 2), (&pm, 3)] {
        for number in 0..count {
            let name = format!("{} {number}", person.name());
            person.make("test/leads", &[("name", name.as_str())]).await;
        }
    }
    let page = ada.open(&page_of(&bob)).await;
    page.section("Person").expect("Role Director");
    page.section("May do").expect("by the profile Sales");
    let leads = page.section("Sees").row("Leads 6");
    leads.expect("Created by or assigned to them · 1");
    leads.expect("Of people in roles below · 2");
    leads.expect("By sharing rule, Read Only: Leads shared · 3");
    page.section("Sees").expect("Tasks 0");
    let page = page.section("Sees").press("COMMERCIAL").await;
    page.section("Sees").expect("Leads 0");
    // The path of roles from the top, and what an administrator sees.
    ada.open(&page_of(&rep))
        .await
        .section("Person")
        .expect("Role Director › Rep");
    let page = ada.open(&page_of(&ada)).await;
    page.section("Sees")
        .expect("Leads 6 Administrator: every record");
    page.section("May do")
        .expect("Administrator")
        .expect("Every field");
    // The numbers are those of the person's own lists.
    assert_eq!(
        crate::app::records::names(&bob.open("/test/records/leads").await).len(),
        6
    );
    app.open_to_all(&ada, Object::Lead, Level::Read);
    let page = ada.open(&page_of(&rep)).await;
    page.section("Sees")
        .expect("Leads 6 Organization-Wide Sharing, Public Read Only: every record");
}

async fn role_and_profile_of_one_person_go_through_review(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    app.standard("Sales", &[&bob]);
    app.set_up(&ada, |setup| {
        let name = crate::app::records::called("Rep");
        insight::permissions::roles::add(setup, &name, None)
    });
    let page = ada.open(&page_of(&bob)).await.choose("Role", "Rep");
    let review = page.press("Review change of role").await;
    review.expect("Bob gets the role Rep");
    let page = review.press("Apply").await;
    assert_eq!(page.path, page_of(&bob));
    page.section("Person").expect("Role Rep");
    let page = page
        .choose("Profile", "Standard User")
        .press("Review change of profile")
        .await;
    let page = page.press("Apply").await;
    page.section("May do")
        .expect("by the profile Standard User");
    // The last administrator keeps it.
    let page = ada.open(&page_of(&ada)).await.choose("Profile", "Sales");
    let page = page.press("Review change of profile").await;
    page.expect_status(422);
    assert!(
        page.errors()[0].contains("is the last administrator"),
        "{:?}",
        page.errors()
    );
}

async fn somebody_is_signed_out_everywhere(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[Role::Viewer]).await;
    let phone = bob.other_browser();
    phone.start_session(crate::app::people::Level::Full);
    // A session in another company is none of this one's business.
    let other = app.company("Other Company");
    other.add(&bob, &[]);
    app.context()
        .session(bob.user(), other.id, crate::app::people::Level::Full);
    let page = ada.open(&page_of(&bob)).await;
    page.section("Sessions").expect("Sessions 2");
    let page = page.press("Sign out everywhere Bob").await;
    assert_eq!(
        page.flash(),
        "Bob was signed out everywhere. 2 sessions were ended."
    );
    assert_newest(&audit_sentences(&ada).await, "Ended 2 sessions of Bob");
    for browser in [&bob, &phone] {
        browser.get("/test").await.expect_status(303);
    }
    let left = app.number(&format!(
        "SELECT count(*) FROM sessions WHERE user_id = {}",
        bob.user()
    ));
    assert_eq!(left, 1, "the one in the other company");
    let page = ada.open(&page_of(&bob)).await;
    page.expect("Not signed in to this account at the moment.");
    assert!(!page.offers("Sign out everywhere Bob"));
    // One's own have a page of their own.
    ada.open(&page_of(&ada))
        .await
        .section("Sessions")
        .press("Your sessions")
        .await
        .expect("This session");
}
