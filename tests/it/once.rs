//! A form that makes a record makes one, however often it is sent.

use std::time::Duration;

use diesel::prelude::*;
use futures_util::future::join_all;
use insight::background;
use insight::db::types::{Slot, Timestamp};
use insight::schema::saved_forms;

use crate::app::TestApp;
use crate::app::page::{Page, css};
use crate::app::people::Person;
use crate::app::records::{facts, names};
use crate::on_both;

on_both!(
    the_same_form_sent_again_makes_no_second_record,
    the_same_form_sent_many_times_at_once_makes_one_record,
    a_form_that_is_shown_again_keeps_its_value,
    a_form_with_something_else_in_it_asks_before_it_makes_another,
    a_refused_form_sent_at_once_with_a_good_one_holds_nothing_up,
    the_value_is_each_members_own,
    a_form_without_a_value_is_saved_each_time,
    what_was_sent_is_forgotten_after_a_day,
);

const LEADS: &str = "/test/records/leads";
const NEW: &str = "/test/records/leads/new";

/// The value that the form on a page carries.
fn once(page: &Page) -> String {
    let html = page.html();
    let field = html
        .select(&css("form input[type=hidden][name=once]"))
        .next();
    let value = field.and_then(|field| field.attr("value"));
    value.expect("the form carries a value").to_owned()
}

fn kept(app: &TestApp) -> i64 {
    app.number("SELECT count(*) FROM saved_forms")
}

fn records(app: &TestApp) -> i64 {
    app.number("SELECT count(*) FROM records")
}

async fn the_same_form_sent_again_makes_no_second_record(app: TestApp) {
    let ada = app.admin("ada").await;
    let form = ada.open(NEW).await.fill("Name", "Fjordline");
    let mut led = Vec::new();
    for _ in 0..3 {
        let answer = form.press_once("Save").await;
        answer.expect_status(303);
        led.push(answer.header("location").to_owned());
        let page = answer.follow().await;
        assert_eq!(page.h1(), "Fjordline");
        assert_eq!(page.flash(), "Lead Fjordline was created.");
    }
    assert_eq!([&led[1], &led[2]], [&led[0], &led[0]]);
    assert_eq!(records(&app), 1);
    assert_eq!(app.number("SELECT count(*) FROM record_changes"), 1);

    // Also when it could not be saved any more.
    let chosen = app.member("bob", &[]).await;
    let form = ada.open(NEW).await;
    let form = form
        .fill("Name", "Second")
        .choose("Assigned to (optional)", "Bob");
    let first = form.press_once("Save").await;
    ada.post(
        &format!("/shared/insight-users/members/{}/remove", chosen.member()),
        &[],
    )
    .await
    .expect_status(303);
    let again = form.press_once("Save").await;
    assert_eq!(again.header("location"), first.header("location"));

    // Two forms with the same in them are two records.
    for _ in 0..2 {
        let form = ada.open(NEW).await.fill("Name", "Twin");
        form.press("Save").await.expect_status(200);
    }
    assert_eq!(names(&ada.open(LEADS).await).len(), 4);
}

async fn the_same_form_sent_many_times_at_once_makes_one_record(app: TestApp) {
    let ada = app.admin("ada").await;
    for round in 1..=4 {
        let form = ada.open(NEW).await.fill("Name", format!("Lead {round}"));
        let answers = join_all((0..6).map(|_| form.press_once("Save"))).await;
        for answer in &answers {
            answer.expect_status(303);
            assert_eq!(answer.header("location"), answers[0].header("location"));
        }
        assert_eq!(records(&app), round);
        assert_eq!(kept(&app), round);
    }
}

async fn a_form_that_is_shown_again_keeps_its_value(app: TestApp) {
    let ada = app.admin("ada").await;
    let form = ada.open("/test/records/projects/new").await;
    let value = once(&form);
    assert_eq!(value.len(), 22, "128 bits");
    assert_ne!(once(&ada.open(NEW).await), value);

    let found = form.press("Find organization").await;
    assert_eq!(once(&found), value);
    let refused = found.press("Save").await;
    refused.expect_status(422);
    assert_eq!(once(&refused), value);
    assert_eq!(kept(&app), 0, "nothing was saved");

    let form = refused.fill("Name", "Harbour");
    let first = form.press_once("Save").await;
    let again = form.press_once("Save").await;
    first.expect_status(303);
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!((records(&app), kept(&app)), (1, 1));

    let edit = first.follow().await.press("Edit").await;
    assert!(!edit.source().contains("name=\"once\""));
}

async fn a_form_with_something_else_in_it_asks_before_it_makes_another(app: TestApp) {
    let ada = app.admin("ada").await;
    let form = ada.open(NEW).await.fill("Name", "Fjordline");
    form.press("Save").await.expect_status(200);
    let form = form.fill("Name", "Fjordline Seafood");
    let asked = form.press_once("Save").await;
    asked.expect_status(422);
    assert_eq!(
        asked.errors(),
        [
            "This form made a lead before, with something else in it. Save again to make another one."
        ]
    );
    assert_eq!(asked.value("Name"), "Fjordline Seafood");
    assert_eq!(records(&app), 1);

    let first = asked.press_once("Save").await;
    let again = asked.press_once("Save").await;
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(facts(&first.follow().await)["Version"], "1");
    assert_eq!(
        names(&ada.open(LEADS).await),
        ["Fjordline Seafood", "Fjordline"]
    );
}

async fn a_refused_form_sent_at_once_with_a_good_one_holds_nothing_up(app: TestApp) {
    let ada = app.admin("ada").await;
    for round in 1..=4 {
        let value = once(&ada.open(NEW).await);
        let send = |n: usize| {
            let (ada, value) = (ada.clone(), value.clone());
            async move {
                let name = if n.is_multiple_of(2) { "" } else { "Good" };
                ada.post(NEW, &[("name", name), ("once", &value)]).await
            }
        };
        let answers = join_all((0..6).map(send)).await;
        let made: Vec<&Page> = answers.iter().filter(|page| page.status == 303).collect();
        assert_eq!(made.len(), 3);
        for page in &answers {
            assert!(matches!(page.status, 303 | 422), "{}", page.status);
        }
        assert_eq!(records(&app), round);
    }
}

async fn the_value_is_each_members_own(app: TestApp) {
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    app.standard("Sales", &[&bob]);
    let far = app.company("Fjord").admin("far");
    let value = once(&ada.open(NEW).await);
    let fields = [("name", "Same"), ("once", value.as_str())];
    let mut seen = Vec::new();
    for person in [&ada, &bob, &far, &ada, &bob, &far] {
        let answer = person.post(NEW, &fields).await;
        answer.expect_status(303);
        seen.push(answer.header("location").to_owned());
    }
    assert_eq!(seen[..3], seen[3..]);
    assert_eq!((records(&app), kept(&app)), (3, 3));
}

async fn a_form_without_a_value_is_saved_each_time(app: TestApp) {
    let ada = app.admin("ada").await;
    let long = "A".repeat(4_000);
    let mut made = 0;
    for value in ["", "AAAA", "not base64", &long] {
        for _ in 0..2 {
            let fields = [("name", "Plain"), ("once", value)];
            ada.post(NEW, &fields).await.expect_status(303);
            made += 1;
        }
    }
    assert_eq!((records(&app), kept(&app)), (made, 0));
    let refused = ada.post(NEW, &[("once", &long)]).await;
    refused.expect_status(422);
    assert_eq!(once(&refused).len(), 22, "the next try is safe");
    let twice = [("name", "Plain"), ("once", "AAAA"), ("once", "AAAA")];
    ada.post(NEW, &twice).await.expect_status(400);
}

async fn what_was_sent_is_forgotten_after_a_day(app: TestApp) {
    let ada = app.admin("ada").await;
    let save = |person: Person| async move {
        let form = person.open(NEW).await.fill("Name", "Fjordline");
        form.press("Save").await.expect_status(200);
    };
    save(ada.clone()).await;
    app.forward(Duration::from_secs(60));
    save(ada.clone()).await;
    assert_eq!(kept(&app), 2);
    // More than go in one transaction.
    let (account, slot) = (ada.account(), Slot(0));
    let many = app.system_write(|tx| {
        for n in 0..2_500_i64 {
            diesel::insert_into(saved_forms::table)
                .values((
                    saved_forms::account_id.eq(account),
                    saved_forms::member_slot.eq(slot),
                    saved_forms::token.eq(n.to_be_bytes().to_vec()),
                    saved_forms::content.eq(Vec::new()),
                    saved_forms::path.eq(LEADS),
                    saved_forms::created_at.eq(Timestamp(n)),
                ))
                .execute(tx.conn())?;
        }
        Ok(())
    });
    many.expect("keeps what was sent");
    background::keep_house(&app).expect("keeps house");
    assert_eq!(kept(&app), 2);
    app.forward(Duration::from_secs(24 * 60 * 60 - 60));
    background::keep_house(&app).expect("keeps house");
    assert_eq!(kept(&app), 2, "not before a day");
    app.forward(Duration::from_secs(1));
    background::keep_house(&app).expect("keeps house");
    assert_eq!(kept(&app), 1, "the younger one stays");
    assert_eq!(records(&app), 2);
}
