//! The list of members (SPEC 3.5): search, filters, sort orders, pages, counts, CSV.

use std::collections::HashSet;
use std::time::Duration;

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::{Company, Person, Role};
use crate::app::steps::{INSIGHT_USERS, assert_newest, audit_sentences, everything, member_action};
use crate::on_both;

on_both!(
    a_row_tells_who_somebody_is,
    search_finds_parts_of_names_and_addresses,
    every_filter_narrows_the_list,
    every_column_sorts_both_ways,
    pages_show_everybody_once_forth_and_back,
    the_csv_holds_what_the_list_shows,
    the_csv_holds_all_pages,
    a_spreadsheet_calculates_nothing,
    odd_questions_get_an_ordinary_answer,
    the_list_shows_one_company_alone,
);

const CSV: &str = "/shared/insight-users/members.csv";

/// The addresses that the list shows, in its order.
fn listed(page: &Page) -> Vec<String> {
    page.texts("table[aria-label=Members] tbody th .sub:not(.only-sm)")
}

/// Their parts before the at sign, joined by spaces.
fn who(page: &Page) -> String {
    let names: Vec<String> = listed(page)
        .iter()
        .map(|email| email.split('@').next().unwrap_or("").to_owned())
        .collect();
    names.join(" ")
}

async fn list(by: &Person, query: &str) -> Page {
    let page = by.open(&format!("{INSIGHT_USERS}?{query}")).await;
    page.expect_status(200);
    page
}

async fn searched(by: &Person, typed: &str) -> String {
    let page = by.open(INSIGHT_USERS).await;
    let page = page.fill("Name or e-mail", typed).press("Filter").await;
    page.expect_status(200);
    assert_eq!(page.value("Name or e-mail"), typed.trim());
    who(&page)
}

fn records(page: &Page) -> Vec<Vec<String>> {
    page.expect_status(200);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(page.body.as_ref());
    reader
        .records()
        .map(|record| record.expect("CSV").iter().map(str::to_owned).collect())
        .collect()
}

async fn a_row_tells_who_somebody_is(app: TestApp) {
    let erika = app.admin("erika").await;
    app.forward(Duration::from_secs(24 * 60 * 60));
    let sam = app.member("sam", &[Role::Viewer, Role::Technician]).await;
    app.member("nora", &[]).await;
    erika.start_session(crate::app::people::Level::Full);
    app.forward(Duration::from_secs(120));
    let page = list(&erika, "").await;
    assert_eq!(page.texts("#h-members .count"), ["3"]);
    let row = page.section("Members").row(erika.email());
    for words in [
        "Erika",
        "You",
        "Account owner",
        "Admin",
        "On",
        "Today, 09:43",
        "3 Mar 2026",
    ] {
        row.expect(words);
    }
    let row = page.section("Members").row(sam.email());
    for words in ["Sam", "Viewer Technician", "On", "4 Mar 2026"] {
        row.expect(words);
    }
    row.expect_not("Account owner");
    for action in ["Manage roles", "Reset 2FA", "Remove"] {
        assert!(row.offers(action), "{action}");
    }
    page.section("Members")
        .row("nora@halden.example")
        .expect("None");
    let times = row.all("time[datetime]");
    assert!(
        times
            .iter()
            .any(|t| t.attr("datetime") == Some("2026-03-04T09:41:00Z"))
    );
    page.expect("Times are shown in UTC");
    // Nobody needs set-up, so nothing warns.
    page.expect_not("2FA set-up");
    let reset = member_action(&erika, sam.email(), "Reset 2FA").await;
    reset.press("Reset 2FA").await;
    let page = list(&erika, "").await;
    page.section("Members")
        .row(sam.email())
        .expect("Needs set-up");
    let warned = page.press("1 needs 2FA set-up").await;
    assert_eq!(who(&warned), "sam");
}

async fn search_finds_parts_of_names_and_addresses(app: TestApp) {
    let erika = app.admin("erika").await;
    let halden = app.halden().await;
    for (name, email) in [
        ("Zoë Müller-Öz", "zm@halden.example"),
        ("Per % Cent", "percent@halden.example"),
        ("Under_score", "under@halden.example"),
        ("Back\\slash", "back@halden.example"),
        ("Plain Person", "plain_x@other.example"),
        ("O'Neil \"Q\"", "oneil@halden.example"),
    ] {
        halden.person(name, email, &[]);
    }
    for (typed, found) in [
        ("müller", "zm"),
        ("MÜLLER-ÖZ", "zm"),
        ("Mu\u{308}ller", "zm"),
        ("zoë m", "zm"),
        ("lain", "plain_x"),
        ("PLAIN_X@", "plain_x"),
        ("other.example", "plain_x"),
        ("%", "percent"),
        ("r % c", "percent"),
        ("\\", "back"),
        ("k\\s", "back"),
        ("r_s", "under"),
        ("l%n", ""),
        ("p_ain", ""),
        ("'", "oneil"),
        ("\"q\"", "oneil"),
        ("'; DROP TABLE members; --", ""),
        ("  erika  ", "erika"),
        ("zzz", ""),
    ] {
        assert_eq!(searched(&erika, typed).await, found, "{typed:?}");
    }
    assert_eq!(searched(&erika, "_").await.split(' ').count(), 2);
    let nothing = list(&erika, "q=zzz").await;
    nothing.expect("No members match these filters.");
    assert_eq!(
        nothing.texts("#h-members .count"),
        ["7"],
        "the count is of everybody"
    );
    let all = nothing.section("Members").press("Clear filters").await;
    assert_eq!(listed(&all).len(), 7);
}

async fn every_filter_narrows_the_list(app: TestApp) {
    let halden = app.halden().await;
    let erika = app.admin("erika").await;
    let day = Duration::from_secs(24 * 60 * 60);
    halden.member("still", &[Role::Viewer]);
    app.forward(91 * day);
    halden.member("month", &[Role::Viewer, Role::Technician]);
    app.forward(31 * day);
    halden.member("none", &[]);
    halden.member("tech", &[Role::Technician]);
    erika.start_session(crate::app::people::Level::Full);
    app.forward(Duration::from_secs(120));
    erika.open("/security").await;
    for (query, found) in [
        ("role=viewer", "month still"),
        ("role=technician", "month tech"),
        ("role=admin", "erika"),
        ("role=none", "none"),
        ("inactive=30", "month still"),
        ("inactive=90", "still"),
        ("inactive=180", ""),
        ("two-factor=on", "erika month none still tech"),
        ("two-factor=needs-set-up", ""),
        ("role=viewer&inactive=90", "still"),
        ("role=technician&inactive=90", ""),
        (
            "q=halden&role=technician&two-factor=on&inactive=30",
            "month",
        ),
    ] {
        let page = list(&erika, &format!("{query}&sort=name")).await;
        assert_eq!(who(&page), found, "{query}");
    }
    let page = erika.open(INSIGHT_USERS).await;
    let page = page
        .choose("Platform role", "Technician")
        .choose("2FA", "2FA: on")
        .choose("Last activity", "None for 30 days")
        .press("Filter")
        .await;
    assert_eq!(who(&page), "month");
    page.expect("1–1 of 1");
    let reset = member_action(&erika, "tech@halden.example", "Reset 2FA").await;
    reset.press("Reset 2FA").await;
    assert_eq!(who(&list(&erika, "two-factor=needs-set-up").await), "tech");
    let on = list(&erika, "two-factor=on&sort=name").await;
    assert_eq!(who(&on), "erika month none still");
}

async fn every_column_sorts_both_ways(app: TestApp) {
    let halden = app.halden().await;
    let erika = app.admin("erika").await;
    let mut people = Vec::new();
    for name in ["bert", "dora", "carl"] {
        app.forward(Duration::from_secs(60));
        people.push(halden.member(name, &[]));
    }
    for person in people.iter().rev() {
        app.forward(Duration::from_secs(120));
        person.open("/security").await;
    }
    app.forward(Duration::from_secs(120));
    let page = list(&erika, "").await;
    assert_eq!(who(&page), "erika bert dora carl", "last activity first");
    let head = |page: &Page| page.texts("th[aria-sort]").join(" ");
    assert_eq!(head(&page), "Last activity");
    let page = page.press("Last activity").await;
    assert_eq!(who(&page), "carl dora bert erika");
    let page = page.press("Name").await;
    assert_eq!(who(&page), "bert carl dora erika");
    assert_eq!(page.all("th[aria-sort=ascending]").len(), 1);
    let page = page.press("Name").await;
    assert_eq!(who(&page), "erika dora carl bert");
    assert_eq!(page.all("th[aria-sort=descending]").len(), 1);
    let page = page.press("Joined").await;
    assert_eq!(who(&page), "carl dora bert erika");
    let page = page.press("Joined").await;
    assert_eq!(who(&page), "erika bert dora carl");
    let page = page.fill("Name or e-mail", "r").press("Filter").await;
    assert_eq!(
        who(&page),
        "erika bert dora carl",
        "a filter keeps the order"
    );
}

/// A hundred and twenty people: names in twelves, all of one minute in thirds.
fn crowd(app: &TestApp, halden: &Company) {
    for n in 0..120 {
        if n % 40 == 0 {
            app.forward(Duration::from_secs(60));
        }
        let email = format!("p{n:03}@halden.example");
        halden.person(&format!("Twin {}", n % 10), &email, &[Role::Viewer]);
    }
}

async fn pages_show_everybody_once_forth_and_back(app: TestApp) {
    let erika = app.admin("erika").await;
    crowd(&app, app.halden().await);
    for query in [
        "",
        "sort=activity",
        "sort=name",
        "sort=-name",
        "sort=joined",
        "sort=-joined",
        "sort=name&role=viewer&q=twin",
    ] {
        let all = if query.contains("role") { 120 } else { 121 };
        let mut page = list(&erika, query).await;
        let mut pages = vec![listed(&page)];
        let pager = async |page: &Page, to: &str| {
            let links = page.all("nav[aria-label='Members pages'] a[href]");
            let link = links
                .into_iter()
                .find(|a| a.text().collect::<String>() == to)?;
            let href = link.attr("href")?.to_owned();
            Some(erika.open(&href).await)
        };
        page.expect(&format!("1–50 of {all}"));
        while let Some(next) = pager(&page, "Next").await {
            page = next;
            pages.push(listed(&page));
        }
        assert_eq!(pages.len(), 3, "{query}");
        page.expect(&format!("101–{all} of {all}"));
        let everybody: HashSet<&String> = pages.iter().flatten().collect();
        assert_eq!(everybody.len(), all, "{query}: each once");
        assert_eq!(pages.concat().len(), all, "{query}");
        for earlier in pages.iter().rev().skip(1) {
            page = pager(&page, "Previous").await.expect("leads back");
            assert_eq!(listed(&page), *earlier, "{query}");
        }
        assert!(
            pager(&page, "Previous").await.is_none(),
            "{query}: this is the first page"
        );
    }
}

async fn the_csv_holds_what_the_list_shows(app: TestApp) {
    let halden = app.halden().await;
    let erika = app.admin("erika").await;
    halden.person(
        "Zoë, \"Z\" Müller",
        "zm@halden.example",
        &[Role::Viewer, Role::Technician],
    );
    halden.member("nora", &[]);
    let page = list(&erika, "sort=name").await;
    let all = page.press("Export CSV").await;
    assert_eq!(all.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(
        all.header("content-disposition"),
        "attachment; filename=\"members.csv\""
    );
    let rows = records(&all);
    assert_eq!(
        rows[0],
        [
            "Name",
            "E-mail",
            "Platform roles",
            "2FA",
            "Last activity (UTC)",
            "Joined (UTC)"
        ]
    );
    let emails: Vec<&String> = rows[1..].iter().map(|r| &r[1]).collect();
    assert_eq!(emails, listed(&page).iter().collect::<Vec<_>>());
    assert_eq!(
        rows[3],
        [
            "Zoë, \"Z\" Müller",
            "zm@halden.example",
            "Viewer, Technician",
            "On",
            "2026-03-03T09:41:00Z",
            "2026-03-03T09:41:00Z"
        ]
    );
    assert_newest(
        &audit_sentences(&erika).await,
        "Exported 3 members as CSV (all)",
    );

    let page = list(&erika, "role=technician&q=m%C3%BCller").await;
    let rows = records(&page.press("Export CSV").await);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1][1], "zm@halden.example");
    assert_newest(
        &audit_sentences(&erika).await,
        "Exported 1 member as CSV (name or e-mail contains “müller”, platform role technician)",
    );
}

async fn the_csv_holds_all_pages(app: TestApp) {
    let erika = app.admin("erika").await;
    crowd(&app, app.halden().await);
    for query in ["", "?sort=name", "?sort=-joined"] {
        let rows = records(&erika.get(&format!("{CSV}{query}")).await);
        let everybody: HashSet<&String> = rows[1..].iter().map(|r| &r[1]).collect();
        assert_eq!((rows.len(), everybody.len()), (122, 121), "{query}");
    }
}

async fn a_spreadsheet_calculates_nothing(app: TestApp) {
    let halden = app.halden().await;
    let erika = app.admin("erika").await;
    for (n, name) in [
        "=HYPERLINK(\"http://evil.example\")",
        "+1",
        "-1",
        "@SUM(A1)",
    ]
    .iter()
    .enumerate()
    {
        halden.person(name, &format!("={n}@halden.example"), &[]);
    }
    let page = erika.get(&format!("{CSV}?role=none")).await;
    for row in &records(&page)[1..] {
        for cell in row {
            assert!(
                !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "{cell}"
            );
        }
    }
    assert!(page.source().contains("'=0@halden.example"));
}

async fn odd_questions_get_an_ordinary_answer(app: TestApp) {
    let erika = app.admin("erika").await;
    app.member("sam", &[Role::Viewer]).await;
    let before = everything(&app);
    let long = format!("q={}", "x".repeat(3000));
    for query in [
        "sort=password",
        "sort=--name",
        "page=x",
        "page=e30",
        "page=%00",
        "inactive=-1",
        "inactive=x",
        "role=owner",
        "two-factor=x",
        "invitations=x",
        "subscribers=%FF",
        "subscribers=x",
        "unknown=1",
        "q=%00",
        "q=%F0%9F%92%A1",
        &long,
        // A cursor of another order, and one that names nothing.
        "sort=name&page=eyJiYWNrIjpmYWxzZSwia2V5IjpbMSwxXSwiYXQiOjB9",
        "page=eyJiYWNrIjp0cnVlLCJrZXkiOls5MjIzMzcyMDM2ODU0Nzc1ODA3LDFdLCJhdCI6LTk5fQ",
    ] {
        let page = erika.get(&format!("{INSIGHT_USERS}?{query}")).await;
        assert!(matches!(page.status, 200 | 400), "{query}: {}", page.status);
    }
    for twice in ["q=a&q=b", "sort=name&sort=name", "role=viewer&role=admin"] {
        erika
            .get(&format!("{INSIGHT_USERS}?{twice}"))
            .await
            .expect_status(400);
        erika
            .get(&format!("{CSV}?{twice}"))
            .await
            .expect_status(400);
    }
    assert_eq!(everything(&app), before);
}

async fn the_list_shows_one_company_alone(app: TestApp) {
    let erika = app.admin("erika").await;
    let other = app.company("Other Company");
    let boss = other.admin("boss");
    let both = other.member("both", &[Role::Viewer]);
    app.halden().await.add(&both, &[Role::Technician]);
    assert_eq!(who(&list(&erika, "sort=name").await), "both erika");
    assert_eq!(who(&list(&boss, "sort=name").await), "boss both");
    let here = list(&erika, "q=both").await.section("Members").row("both");
    here.expect("Technician").expect_not("Viewer");
    assert_eq!(records(&erika.get(CSV).await).len(), 3);
    assert_eq!(records(&boss.get(&format!("{CSV}?q=erika")).await).len(), 1);
}
