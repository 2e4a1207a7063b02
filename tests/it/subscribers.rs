//! Addresses that receive product updates and have no sign-in (SPEC 3.6).

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::{PASSWORD, Person, Role};
use crate::app::steps::{INSIGHT_USERS, assert_newest, audit_sentences, everything};
use crate::on_both;

on_both!(
    a_subscriber_is_added_and_shown,
    adding_twice_says_so_and_changes_nothing,
    what_is_no_address_is_not_added,
    a_removal_asks_first,
    who_has_unsubscribed_stays_away,
    a_bouncing_address_is_activated_again,
    many_subscribers_are_shown_in_pages,
    only_administrators_look_after_subscribers,
);

const NEW: &str = "/shared/insight-users/subscribers/new";

async fn add(by: &Person, address: &str) -> Page {
    let page = by.open(INSIGHT_USERS).await.press("Add subscriber").await;
    page.fill("E-mail", address).press("Add").await
}

fn addresses(page: &Page) -> Vec<String> {
    page.texts("table[aria-label=Subscribers] tbody .name")
}

async fn a_subscriber_is_added_and_shown(app: TestApp) {
    let erika = app.admin("erika").await;
    let page = erika.open(INSIGHT_USERS).await;
    page.section("Subscribers").expect("Nobody is subscribed.");
    let list = add(&erika, " News@Partner.Example ").await;
    assert_eq!(
        list.flash(),
        "Added news@partner.example to the subscribers."
    );
    let row = list.row("news@partner.example");
    for words in ["Active", "Erika", "3 Mar 2026"] {
        row.expect(words);
    }
    assert_eq!(list.texts("#h-subs .count"), ["1"]);
    assert!(app.mail().is_empty(), "nobody is written to yet");
    assert_newest(
        &audit_sentences(&erika).await,
        "Added the subscriber news@partner.example",
    );
    // No sign-in comes with it.
    let unknown = app
        .visitor()
        .give_password("nobody@partner.example", PASSWORD)
        .await;
    let page = app
        .visitor()
        .give_password("news@partner.example", PASSWORD)
        .await;
    assert_eq!(
        (page.status, page.errors()),
        (unknown.status, unknown.errors())
    );
}

async fn adding_twice_says_so_and_changes_nothing(app: TestApp) {
    let erika = app.admin("erika").await;
    let jon = app.admin("jon").await;
    add(&erika, "news@partner.example").await;
    let before = everything(&app);
    for typed in ["news@partner.example", "NEWS@Partner.example"] {
        let page = add(&jon, typed).await;
        page.expect_status(422);
        assert_eq!(
            page.errors(),
            ["news@partner.example is already a subscriber. Nothing was changed."]
        );
        assert_eq!(page.value("E-mail"), typed);
    }
    assert_eq!(everything(&app), before);
    // A member may be subscribed as well.
    add(&jon, jon.email())
        .await
        .expect("Added jon@halden.example to the subscribers.");
}

async fn what_is_no_address_is_not_added(app: TestApp) {
    let erika = app.admin("erika").await;
    let before = everything(&app);
    for typed in [
        "",
        "x",
        "a@b",
        "a@b.example, c@d.example",
        "a b@c.example",
        "<a@b.example>",
        "a@b.example\u{202e}",
        "@b.example",
        "a@",
        "a@127.0.0.1",
        "'=1+1'@@x.example",
    ] {
        let page = add(&erika, typed).await;
        page.expect_status(422);
        assert_eq!(
            page.errors(),
            ["Type an e-mail address such as name@company.com."],
            "{typed}"
        );
        assert_eq!(page.value("E-mail"), typed, "what was typed is kept");
    }
    erika.post(NEW, &[]).await.expect_status(422);
    erika
        .post(NEW, &[("email", "a@x.example"), ("email", "b@x.example")])
        .await
        .expect_status(400);
    erika
        .post(NEW, &[("email", ""), ("activate", "1")])
        .await
        .expect_status(422);
    assert_eq!(everything(&app), before);
}

async fn a_removal_asks_first(app: TestApp) {
    let erika = app.admin("erika").await;
    add(&erika, "news@partner.example").await;
    add(&erika, "other@partner.example").await;
    let page = erika.open(INSIGHT_USERS).await.row("news@partner.example");
    let page = page.press("Remove news@partner.example").await;
    assert_eq!(page.h1(), "Remove news@partner.example?");
    page.expect("gets no more product updates through it");
    let path = page.path.clone();
    let list = page.press("Cancel").await;
    assert_eq!(addresses(&list).len(), 2);
    let list = page.press("Remove news@partner.example").await;
    assert_eq!(
        list.flash(),
        "Removed news@partner.example from the subscribers."
    );
    assert_eq!(addresses(&list), ["other@partner.example"]);
    assert_newest(
        &audit_sentences(&erika).await,
        "Removed the subscriber news@partner.example",
    );
    let before = everything(&app);
    erika.get(&path).await.expect_status(404);
    erika.post(&path, &[]).await.expect_status(404);
    assert_eq!(everything(&app), before, "removed once");
    add(&erika, "news@partner.example")
        .await
        .expect("Added news@partner.example");
}

async fn who_has_unsubscribed_stays_away(app: TestApp) {
    let erika = app.admin("erika").await;
    add(&erika, "news@partner.example").await;
    app.sql("UPDATE subscribers SET state = 'unsubscribed'")
        .expect("unsubscribes");
    erika
        .open(INSIGHT_USERS)
        .await
        .row("news@partner.example")
        .expect("Unsubscribed");
    let before = everything(&app);
    let page = add(&erika, "news@partner.example").await;
    assert!(
        page.errors()[0].contains("only the person can subscribe again"),
        "{:?}",
        page.errors()
    );
    assert!(!page.offers("Activate again"));
    let fields = [("email", "news@partner.example"), ("activate", "1")];
    erika.post(NEW, &fields).await.expect_status(422);
    assert_eq!(everything(&app), before);
    let page = erika.open(INSIGHT_USERS).await.row("news@partner.example");
    let page = page.press("Remove news@partner.example").await;
    page.expect("Removing the entry forgets that");
}

async fn a_bouncing_address_is_activated_again(app: TestApp) {
    let erika = app.admin("erika").await;
    add(&erika, "news@partner.example").await;
    app.sql("UPDATE subscribers SET state = 'bouncing'")
        .expect("bounces");
    erika
        .open(INSIGHT_USERS)
        .await
        .row("news@partner.example")
        .expect("Bouncing");
    let page = add(&erika, "news@partner.example").await;
    page.expect("mail to this address came back");
    let list = page.press("Activate again").await;
    assert_eq!(list.flash(), "Activated news@partner.example again.");
    list.row("news@partner.example").expect("Active");
    let log = erika.open("/settings/audit-log").await;
    let entry = log.row("Activated the subscriber news@partner.example again");
    assert_eq!(
        (entry.texts("del"), entry.texts("ins")),
        (vec!["Bouncing".into()], vec!["Active".into()])
    );
}

async fn many_subscribers_are_shown_in_pages(app: TestApp) {
    let erika = app.admin("erika").await;
    for n in (0..55).rev() {
        erika
            .post(NEW, &[("email", &format!("s{n:02}@x.example"))])
            .await;
    }
    let page = erika.open(INSIGHT_USERS).await;
    assert_eq!(page.texts("#h-subs .count"), ["55"]);
    let pager = async |page: &Page, to: &str| {
        let links = page.all("nav[aria-label='Subscribers pages'] a[href]");
        let link = links
            .into_iter()
            .find(|a| a.text().collect::<String>() == to);
        let href = link
            .and_then(|a| a.attr("href"))
            .expect("leads on")
            .to_owned();
        assert!(href.ends_with("#subscribers"), "to the card: {href}");
        erika.open(href.split('#').next().unwrap_or_default()).await
    };
    let next = pager(&page, "Next").await;
    let all: Vec<String> = addresses(&page)
        .into_iter()
        .chain(addresses(&next))
        .collect();
    let wanted: Vec<String> = (0..55).map(|n| format!("s{n:02}@x.example")).collect();
    assert_eq!(all, wanted, "by address, each once");
    next.expect("51–55 of 55");
    assert_eq!(addresses(&pager(&next, "Previous").await), addresses(&page));
}

async fn only_administrators_look_after_subscribers(app: TestApp) {
    let erika = app.admin("erika").await;
    add(&erika, "news@partner.example").await;
    let path = erika
        .open(INSIGHT_USERS)
        .await
        .row("news@partner.example")
        .all("a")[0]
        .attr("href")
        .expect("leads on")
        .to_owned();
    let sam = app.member("sam", &[Role::Viewer, Role::Technician]).await;
    let before = everything(&app);
    for path in [NEW, &path] {
        sam.get(path).await.expect_status(403);
        sam.post(path, &[("email", "x@x.example")])
            .await
            .expect_status(403);
    }
    assert_eq!(everything(&app), before);
}
