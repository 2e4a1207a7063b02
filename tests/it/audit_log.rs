//! What the audit log says, and to whom (SPEC 8).

use std::time::Duration;

use insight::audit;

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::{Level, PASSWORD, Person, Role};
use crate::app::steps::{INSIGHT_USERS, everything, invite, invited, member_action, register};
use crate::on_both;

on_both!(
    each_action_leaves_one_entry,
    an_entry_says_when_who_from_where_and_what,
    what_was_refused_leaves_no_entry,
    the_log_is_filtered_by_person_kind_and_day,
    a_filter_that_is_not_right_says_so,
    the_log_is_shown_in_pages,
    the_csv_holds_what_is_filtered_and_the_chain,
    nothing_secret_is_in_the_log,
    the_log_belongs_to_one_account,
);

const LOG: &str = "/settings/audit-log";
const CSV: &str = "/settings/audit-log.csv";

fn sentences(page: &Page) -> Vec<String> {
    let cells = page.texts("tbody tr td:nth-child(4)");
    let sentence = |cell: String| {
        let end = cell.find(" Before and after").or(cell.rfind(", from "));
        let text = end.map_or(cell.as_str(), |end| &cell[..end]);
        text.to_owned()
    };
    cells.into_iter().map(sentence).collect()
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

/// Kind, actor and sentence of every entry of an account, oldest first, past the pages.
fn kinds(app: &TestApp, by: &Person) -> Vec<String> {
    let query = format!(
        "SELECT action || ' by ' || actor_name AS line FROM audit_entries WHERE account_id = {} ORDER BY seq",
        by.account()
    );
    crate::app::texts(&mut app.database().connect(), &query)
}

async fn subscriber(by: &Person, address: &str) {
    by.post(
        "/shared/insight-users/subscribers/new",
        &[("email", address)],
    )
    .await;
}

async fn each_action_leaves_one_entry(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let start = kinds(&app, &erika).len();
    let mut seen = start;
    let mut expect = |app: &TestApp, wanted: &[&str]| {
        let all = kinds(app, &erika);
        assert_eq!(all[seen..], *wanted);
        seen = all.len();
    };
    let press = async |row: &str, action: &str| {
        erika.open(INSIGHT_USERS).await.row(row).press(action).await
    };
    let link = invited(&app, &erika, "vera@x.example").await;
    expect(&app, &["invitation.sent by Erika"]);
    register(&app.visitor(), &link, "Vera Lind").await;
    expect(&app, &["member.joined by Vera Lind"]);
    invite(&erika, "nils@x.example, ole@x.example").await;
    expect(&app, &["invitation.sent by Erika"; 2]);
    press("nils@x.example", "Resend").await;
    expect(&app, &["invitation.resent by Erika"]);
    press("nils@x.example", "Copy link").await;
    expect(&app, &["invitation.link by Erika"]);
    press("nils@x.example", "Revoke")
        .await
        .press("Revoke invitation to nils@x.example")
        .await;
    expect(&app, &["invitation.revoked by Erika"]);
    let page = member_action(&erika, sam.email(), "Manage roles").await;
    page.tick("Technician").press("Save").await;
    expect(&app, &["member.roles by Erika"]);
    let page = member_action(&erika, sam.email(), "Reset 2FA").await;
    page.press("Reset 2FA").await;
    expect(&app, &["member.2fa-reset by Erika"]);
    let page = member_action(&erika, sam.email(), "Reset 2FA").await;
    page.press("Send the link again").await;
    expect(&app, &["member.2fa-link by Erika"]);
    let page = member_action(&erika, sam.email(), "Remove").await;
    page.press("Remove Sam").await;
    expect(&app, &["member.removed by Erika"]);
    erika.open("/shared/insight-users/members.csv").await;
    expect(&app, &["members.exported by Erika"]);
    subscriber(&erika, "news@x.example").await;
    expect(&app, &["subscriber.added by Erika"]);
    press("news@x.example", "Remove news@x.example")
        .await
        .press("Remove news@x.example")
        .await;
    expect(&app, &["subscriber.removed by Erika"]);
    erika.open(CSV).await;
    expect(&app, &["audit-log.exported by Erika"]);
    let laptop = erika.other_browser();
    laptop.sign_in().await.expect_status(200);
    expect(&app, &["sign-in by Erika"]);
    laptop
        .give_password(erika.email(), "not the password")
        .await;
    erika.open("/").await;
    let entries = audit::verify(&app, erika.account())
        .expect("reads")
        .expect("is whole");
    assert_eq!(entries, kinds(&app, &erika).len() as i64);
}

async fn an_entry_says_when_who_from_where_and_what(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    erika
        .post(
            "/security/display",
            &[("zone", "Europe/Berlin"), ("theme", "system")],
        )
        .await;
    let page = member_action(&erika, sam.email(), "Manage roles").await;
    page.tick("Technician").press("Save").await;
    let row = erika
        .open(LOG)
        .await
        .row("Changed the platform roles of Sam (sam@halden.example)");
    assert_eq!(row.texts("td")[..2], ["Erika", "127.0.0.1"]);
    let time = row.all("time")[0].attr("datetime").map(str::to_owned);
    assert_eq!(
        time.as_deref(),
        Some("2026-03-03T09:41:00Z"),
        "stored in UTC"
    );
    row.expect("10:41");
    assert_eq!(row.texts("dt"), ["Platform roles"]);
    assert_eq!(row.texts("del"), ["Viewer"]);
    assert!(row.texts("ins")[0].contains("Technician"));
}

async fn what_was_refused_leaves_no_entry(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let before = kinds(&app, &erika);
    invite(&erika, "no-address").await;
    invite(&erika, sam.email()).await;
    subscriber(&erika, "x").await;
    for action in ["remove", "reset-2fa"] {
        let path = format!("{INSIGHT_USERS}/members/{}/{action}", erika.member());
        erika.post(&path, &[("own", "1")]).await.expect_status(422);
    }
    sam.get(LOG).await.expect_status(403);
    sam.get(CSV).await.expect_status(403);
    erika.open(LOG).await;
    assert_eq!(kinds(&app, &erika), before);
}

async fn the_log_is_filtered_by_person_kind_and_day(app: TestApp) {
    let erika = app.admin("erika").await;
    let jon = app.admin("jon").await;
    subscriber(&erika, "one@x.example").await;
    app.forward(Duration::from_secs(24 * 60 * 60));
    for admin in [&erika, &jon] {
        admin.start_session(Level::Full);
    }
    subscriber(&erika, "two@x.example").await;
    subscriber(&jon, "three@x.example").await;
    invite(&jon, "four@x.example").await;
    let added = |names: &[&str]| -> Vec<String> {
        names
            .iter()
            .map(|n| format!("Added the subscriber {n}@x.example"))
            .collect()
    };
    let asked = async |query: &str| sentences(&erika.open(&format!("{LOG}?{query}")).await);
    assert_eq!(asked("who=Erika").await, added(&["two", "one"]));
    assert_eq!(asked("who=+ERIKA+").await, added(&["two", "one"]));
    assert_eq!(
        asked("who=erika%40halden.example").await,
        added(&["two", "one"])
    );
    assert_eq!(
        asked("who=Jon&what=subscriber.added").await,
        added(&["three"])
    );
    assert_eq!(
        asked("what=subscriber.added").await,
        added(&["three", "two", "one"])
    );
    assert_eq!(
        asked("what=subscriber.added&to=2026-03-03").await,
        added(&["one"])
    );
    assert_eq!(
        asked("what=subscriber.added&from=2026-03-04").await,
        added(&["three", "two"])
    );
    assert_eq!(
        asked("what=subscriber.added&from=2026-03-03&to=2026-03-04")
            .await
            .len(),
        3
    );
    assert_eq!(asked("from=2026-03-05").await, added(&[]));
    assert_eq!(
        asked("who=Insight").await,
        ["Created the account Halden Logistics"]
    );
    assert_eq!(asked("who=nobody%40x.example").await, added(&[]));
    assert_eq!(asked("who=%25").await, added(&[]));
    let page = erika.open(LOG).await;
    let page = page
        .fill("Name or e-mail of a member", "Jon")
        .choose("What", "Member invited")
        .press("Filter")
        .await;
    assert_eq!(sentences(&page).len(), 1);
    assert!(sentences(&page)[0].starts_with("Invited four@x.example with Viewer"));
    let all = page.press("Clear filters").await;
    assert_eq!(sentences(&all).len(), 5);
    // Somebody who was removed is found by address.
    let page = member_action(&erika, jon.email(), "Remove").await;
    page.press("Remove Jon").await;
    assert_eq!(asked("who=jon%40halden.example").await.len(), 2);
}

async fn a_filter_that_is_not_right_says_so(app: TestApp) {
    let erika = app.admin("erika").await;
    let before = everything(&app);
    for (query, problem) in [
        (
            "from=x",
            "Type the day as year-month-day, such as 2026-11-22.",
        ),
        (
            "to=2026-02-30",
            "Type the day as year-month-day, such as 2026-11-22.",
        ),
        (
            "from=2026-03-05&to=2026-03-03",
            "The last day is before the first.",
        ),
        ("what=everything", "Choose one of the kinds in the list."),
    ] {
        let page = erika.open(&format!("{LOG}?{query}")).await;
        page.expect_status(422);
        assert_eq!(page.errors(), [problem], "{query}");
        erika
            .get(&format!("{CSV}?{query}"))
            .await
            .expect_status(400);
    }
    for odd in [
        "page=x",
        "page=e30",
        "unknown=1",
        "who=%00",
        "who=%E2%80%AE",
    ] {
        let page = erika.get(&format!("{LOG}?{odd}")).await;
        assert!(matches!(page.status, 200 | 400), "{odd}: {}", page.status);
    }
    erika
        .get(&format!("{LOG}?who=a&who=b"))
        .await
        .expect_status(400);
    assert_eq!(everything(&app), before);
}

async fn the_log_is_shown_in_pages(app: TestApp) {
    let erika = app.admin("erika").await;
    for n in 0..120 {
        // Several in one instant: the number of the entry keeps them apart.
        if n % 30 == 0 {
            app.forward(Duration::from_secs(1));
        }
        subscriber(&erika, &format!("s{n}@x.example")).await;
    }
    let mut page = erika.open(LOG).await;
    page.expect("121 entries in all");
    let mut pages = vec![sentences(&page)];
    while page.offers("Older") {
        page = page.press("Older").await;
        pages.push(sentences(&page));
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 21]);
    let mut wanted: Vec<String> = (0..120)
        .rev()
        .map(|n| format!("Added the subscriber s{n}@x.example"))
        .collect();
    wanted.push("Created the account Halden Logistics".to_owned());
    assert_eq!(pages.concat(), wanted);
    for earlier in pages.iter().rev().skip(1) {
        page = page.press("Newer").await;
        assert_eq!(sentences(&page), *earlier);
    }
    assert!(!page.offers("Newer"));
}

async fn the_csv_holds_what_is_filtered_and_the_chain(app: TestApp) {
    let erika = app.admin("erika").await;
    let halden = app.halden().await;
    let evil = halden.person(
        "=HYPERLINK(\"http://evil.example\")",
        "evil@halden.example",
        &[Role::Admin],
    );
    subscriber(&evil, "a@x.example").await;
    subscriber(&erika, "b@x.example").await;
    let page = erika.open(&format!("{LOG}?what=subscriber.added")).await;
    let csv = page.press("Export CSV").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(
        csv.header("content-disposition"),
        "attachment; filename=\"audit-log.csv\""
    );
    let rows = records(&csv);
    assert_eq!(
        rows[0],
        [
            "Number",
            "When (UTC)",
            "Who",
            "From",
            "Kind",
            "What",
            "Before",
            "After",
            "Hash"
        ]
    );
    assert_eq!(rows.len(), 3);
    assert_eq!(
        rows[1][..8],
        [
            "3",
            "2026-03-03T09:41:00Z",
            "Erika",
            "127.0.0.1",
            "Subscriber added",
            "Added the subscriber b@x.example",
            "",
            "State: Active"
        ]
    );
    assert_eq!(rows[2][2], "'=HYPERLINK(\"http://evil.example\")");
    for row in &rows[1..] {
        assert!(
            row[8].len() == 64 && row[8].bytes().all(|b| b.is_ascii_hexdigit()),
            "{}",
            row[8]
        );
        assert!(
            row.iter()
                .all(|cell| !cell.starts_with(['=', '+', '-', '@']))
        );
    }
    let all = records(&erika.open(CSV).await);
    assert_eq!(
        all[1][5], "Exported the audit log as CSV (all entries)",
        "the export itself is in it"
    );
    assert_eq!(
        all[2][5],
        "Exported the audit log as CSV (kind Subscriber added)"
    );
}

async fn nothing_secret_is_in_the_log(app: TestApp) {
    let erika = app.admin("erika").await;
    let sam = app.member("sam", &[Role::Viewer]).await;
    let link = invited(&app, &erika, "vera@x.example").await;
    let vera = app.visitor();
    let page = crate::app::steps::choose_password(&vera, &link, "Vera").await;
    let secret = page.texts("#secret").join("");
    let codes = crate::app::steps::prove_secret(&vera, page)
        .await
        .texts("#codes li");
    let page = member_action(&erika, sam.email(), "Reset 2FA").await;
    page.press("Reset 2FA").await;
    invite(&erika, "nils@x.example").await;
    let copied = erika
        .open(INSIGHT_USERS)
        .await
        .row("nils@x.example")
        .press("Copy link")
        .await;
    let copied = copied.texts("#link").join("");
    let reset = app.last_mail_to(&sam).link("/set-up-access/");
    let session = erika.cookie("sid").expect("signed in");
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let mut secrets = vec![
        last(&link),
        last(&copied),
        last(&reset),
        session,
        PASSWORD.to_owned(),
    ];
    secrets.push(secret.replace(' ', ""));
    secrets.push(secret);
    secrets.extend(codes);
    let mut conn = app.database().connect();
    let rows = crate::app::texts(
        &mut conn,
        "SELECT data || actor_name || address AS line FROM audit_entries",
    )
    .concat();
    let shown = erika.open(LOG).await.source() + &erika.open(CSV).await.source();
    for secret in &secrets {
        assert!(secret.len() > 8, "{secret}");
        assert!(
            !rows.contains(secret) && !shown.contains(secret),
            "{secret} is in the log"
        );
    }
    for prefix in ["inv_", "rst_", "ses_", "acc_", "$argon2"] {
        assert!(!rows.contains(prefix), "{prefix}");
    }
}

async fn the_log_belongs_to_one_account(app: TestApp) {
    let erika = app.admin("erika").await;
    let norden = app.company("Norden AB");
    let nils = norden.admin("nils");
    subscriber(&nils, "theirs@x.example").await;
    subscriber(&erika, "ours@x.example").await;
    for path in [
        LOG,
        CSV,
        "/settings/audit-log?who=nils%40norden.example",
        "/settings/audit-log?who=Nils",
    ] {
        assert!(
            !erika.open(path).await.text().contains("theirs@x.example"),
            "{path}"
        );
    }
    let page = nils.open(LOG).await;
    page.expect("theirs@x.example").expect_not("ours@x.example");
    page.expect("2 entries in all");
}
