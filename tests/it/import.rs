//! Imports of records: sending a file, matching, checking, importing, and whatever can go wrong in between.

use futures_util::future::join;
use insight::permissions::{Object, Rights};
use insight::records::jobs;
use insight::web::upload::MAX_FILE;
use reqwest::Method;

use crate::app::files::{On, give, record, set_export, set_rights};
use crate::app::page::Page;
use crate::app::people::{Person, Role};
use crate::app::{TestApp, raw, texts, wait};
use crate::on_both;

on_both!(
    a_file_becomes_records_step_by_step,
    rows_with_a_number_change_what_their_sender_may_change,
    what_was_exported_comes_back_unchanged,
    hidden_and_read_only_fields_cannot_be_written,
    rejected_rows_come_back_with_their_reasons,
    a_file_that_is_none_is_refused_in_words,
    too_much_is_refused_while_it_arrives,
    a_file_without_an_end_is_refused_at_its_limit,
    a_file_whose_server_died_can_be_discarded,
    discarding_a_file_while_it_is_kept_ends_that,
    only_who_may_write_may_send_a_file,
    an_import_belongs_to_who_sent_it,
);

pub const LEADS: &str = "/test/records/leads";
pub const ALL: fn() -> Rights = || Rights::READ.and(Rights::CREATE).and(Rights::EDIT);

/// Bob may read, create and edit leads. E-mail is hidden from him, company read-only.
pub async fn bob(app: &TestApp) -> Person {
    app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let fields = [
        ("name", On::Required),
        ("status", On::Shown),
        ("estimated_value", On::Shown),
        ("phone", On::Shown),
        ("notes", On::Shown),
        ("company", On::ReadOnly),
    ];
    give(app, &bob, Object::Lead, ALL(), &fields);
    bob
}

/// Sends a file the way a browser does.
pub async fn send(person: &Person, file: &[u8]) -> Page {
    send_to(person, LEADS, file).await
}

/// The same to the list of any object.
pub async fn send_to(person: &Person, list: &str, file: &[u8]) -> Page {
    send_with(person, &person.form_token(), list, file).await
}

/// What comes before a file.
fn before(token: &str) -> String {
    format!(
        "--border\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{token}\r\n--border\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"leads.csv\"\r\nContent-Type: text/csv\r\n\r\n"
    )
}

async fn send_with(person: &Person, token: &str, list: &str, file: &[u8]) -> Page {
    let mut body = before(token).into_bytes();
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--border--\r\n");
    let path = format!("{list}/import");
    let request = person
        .request(Method::POST, &path)
        .header("Sec-Fetch-Site", "same-origin")
        .header("Content-Type", "multipart/form-data; boundary=border")
        .body(body);
    person.send(request, &path).await
}

/// Sends a file and gives the address of its import.
pub async fn sent(person: &Person, file: &str) -> String {
    let page = send(person, file.as_bytes()).await;
    assert_eq!(page.status, 303, "{}", page.text());
    page.header("location").to_owned()
}

/// Accepts the columns as they were guessed and has the rows checked.
pub async fn check(app: &TestApp, person: &Person, path: &str) -> Page {
    let page = person.open(path).await.press("Check the rows").await;
    assert_eq!(page.status, 200, "{:?}", page.errors());
    jobs::run_due(app).expect("checks");
    person.open(path).await
}

pub async fn import(app: &TestApp, person: &Person, path: &str) -> Page {
    let page = person.post(path, &[("step", "import")]).await;
    page.expect_redirect(path);
    jobs::run_due(app).expect("imports");
    person.open(path).await
}

/// The records, by number.
pub fn leads(app: &TestApp) -> Vec<String> {
    let query = "SELECT name || ' ' || version || ' ' || data AS line FROM records ORDER BY id";
    texts(&mut app.database().connect(), query)
}

pub fn uploads(app: &TestApp) -> usize {
    let folder = std::fs::read_dir(app.config.data_dir.join("imports"));
    folder.map_or(0, Iterator::count)
}

async fn a_file_becomes_records_step_by_step(app: TestApp) {
    let bob = bob(&app).await;
    let form = bob.open(&format!("{LEADS}/import")).await;
    form.expect("Choose a file").expect("100,000 rows");
    let path = sent(
        &bob,
        "\u{feff}name;Status;Estimated value;Assigned to;Colour\r\n\
         Harbour;new;1250,5;bob@halden.example;red\r\n\
         Quay;Qualified;1250.5;BOB@halden.example;blue\r\n\
         ;New;;;\r\n",
    )
    .await;
    assert_eq!(
        uploads(&app),
        0,
        "the file as it arrived is not needed any more"
    );
    let page = bob.open(&path).await;
    page.expect("3 rows were sent").expect("Harbour · Quay");
    for (column, into) in [
        ("name", "name"),
        ("Status", "status"),
        ("Estimated value", "estimated_value"),
        ("Assigned to", "assigned_to"),
        ("Colour", ""),
    ] {
        assert_eq!(page.value(column), into, "{column}");
    }
    let page = check(&app, &bob, &path).await;
    page.expect("1 new, 0 updated, 2 with errors")
        .expect("Estimated value: Type a number")
        .expect("Name is required.");
    assert_eq!(app.number("SELECT count(*) FROM records"), 0);
    let page = import(&app, &bob, &path).await;
    page.expect("Partly failed").expect("1 new, 0 updated");
    assert_eq!(
        leads(&app),
        [r#"Quay 1 {"estimated_value":"1250.5","status":"Qualified"}"#]
    );
    let assigned = "SELECT count(*) FROM records WHERE assigned_slot = creator_slot";
    assert_eq!(app.number(assigned), 1);
    // Pressing twice changes nothing.
    bob.post(&path, &[("step", "import")])
        .await
        .expect_redirect(&path);
    jobs::run_due(&app).expect("has nothing to do");
    assert_eq!(app.number("SELECT count(*) FROM records"), 1);
    bob.open(&format!("{LEADS}/import"))
        .await
        .row("Import 1")
        .expect("Partly failed");
    let auditor = app.member("auditor", &[Role::Admin]).await;
    let log = auditor.open("/settings/audit-log").await;
    log.expect("Imported Leads into TEST from leads.csv (import 1): 1 new, 0 updated, 2 rejected");
}

async fn rows_with_a_number_change_what_their_sender_may_change(app: TestApp) {
    let bob = bob(&app).await;
    let eve = app.member("eve", &[]).await;
    let own = record(
        &app,
        &bob,
        Object::Lead,
        "Own",
        r#"{"email":"canary@halden.example","status":"New","notes":"old"}"#,
    );
    let unseen = record(&app, &eve, Object::Lead, "Unseen", "{}");
    let missing = unseen + 1_000;
    let file = format!(
        "Record number,Name,Status,Notes\n{own},Mine,Qualified,\n{unseen},Stolen,,\n{missing},Nobody's,,\nx,Odd,,\n,Fresh,New,\n"
    );
    let path = sent(&bob, &file).await;
    let page = check(&app, &bob, &path).await;
    page.expect("1 new, 1 updated, 3 with errors")
        .expect(&format!("There is no lead with the number {unseen} here."))
        .expect(&format!("There is no lead with the number {missing} here."))
        .expect("“x” is no record number.");
    import(&app, &bob, &path).await.expect("1 new, 1 updated");
    // An empty cell leaves the value, and a hidden field stays as it was.
    assert_eq!(
        leads(&app),
        [
            r#"Mine 2 {"email":"canary@halden.example","notes":"old","status":"Qualified"}"#,
            "Unseen 1 {}",
            r#"Fresh 1 {"status":"New"}"#,
        ]
    );
    // Without Edit there is no record number to match; without Create a number is needed.
    set_rights(&app, &bob, Object::Lead, Rights::READ.and(Rights::CREATE));
    let path = sent(&bob, &file).await;
    assert_eq!(bob.open(&path).await.value("Record number"), "");
    let number = bob
        .post(
            &path,
            &[("column-0", "record_number"), ("column-1", "name")],
        )
        .await;
    number
        .expect_status(422)
        .expect("Choose one of the fields.");
    set_rights(&app, &bob, Object::Lead, Rights::READ.and(Rights::EDIT));
    let path = sent(&bob, "Name\nA\n").await;
    let page = bob.open(&path).await.press("Check the rows").await;
    page.expect_status(422).expect("You may not create leads.");
    // A record that is seen and not to be changed.
    app.sql("INSERT INTO organization_wide_sharing (account_id, object, level) SELECT account_id, 2, 1 FROM records LIMIT 1")
        .expect("shares");
    let path = sent(
        &bob,
        &format!("Record number,Name\n{unseen},Stolen\n,New one\n"),
    )
    .await;
    let page = check(&app, &bob, &path).await;
    page.expect(&format!("You may not edit the lead {unseen}."))
        .expect("You may not create leads.");
}

async fn what_was_exported_comes_back_unchanged(app: TestApp) {
    let bob = bob(&app).await;
    set_export(&app, &bob, true);
    let data = r#"{"email":"canary@halden.example","notes":"=1+1, \"two\"\nlines","phone":"+47 22 33 44 55"}"#;
    record(&app, &bob, Object::Lead, "@Harbour", data);
    let before = leads(&app);
    let file = bob.post(&format!("{LEADS}/export"), &[]).await;
    assert!(file.source().contains("'+47"));
    let path = sent(&bob, &file.source()).await;
    check(&app, &bob, &path)
        .await
        .expect("0 new, 1 updated, 0 with errors");
    import(&app, &bob, &path).await.expect("Successful");
    assert_eq!(leads(&app), before);
}

async fn hidden_and_read_only_fields_cannot_be_written(app: TestApp) {
    let bob = bob(&app).await;
    let path = sent(
        &bob,
        "Name,E-mail,Company,Custom\nA,a@halden.example,Acme,x\n",
    )
    .await;
    let page = bob.open(&path).await;
    for column in ["E-mail", "Company", "Custom"] {
        assert_eq!(page.value(column), "", "{column}");
    }
    page.expect("Company is read-only for you and is not imported.");
    assert!(!page.source().contains("value=\"email\""));
    for (key, words) in [
        ("company", "Company is read-only for you."),
        ("email", "Choose one of the fields."),
        ("made_up", "Choose one of the fields."),
    ] {
        let fields = [
            ("column-0", "name"),
            ("column-1", key),
            ("column-2", ""),
            ("column-3", ""),
        ];
        let page = bob.post(&path, &fields).await;
        page.expect_status(422);
        assert!(
            page.errors().iter().any(|e| e.contains(words)),
            "{key}: {:?}",
            page.errors()
        );
    }
    let twice = bob
        .post(&path, &[("column-0", "name"), ("column-1", "name")])
        .await;
    twice.expect_status(422).expect("Two columns go into Name.");
    let none = bob.post(&path, &[("column-0", "status")]).await;
    none.expect_status(422).expect("Match a column with Name");
    check(&app, &bob, &path).await.expect("1 new");
    // A field that becomes read-only between check and import stops it.
    let path = sent(&bob, "Name,Status\nB,New\n").await;
    check(&app, &bob, &path).await.expect("1 new");
    app.sql("UPDATE layout_fields SET read_only = TRUE WHERE field = 'status'")
        .expect("changes");
    let page = import(&app, &bob, &path).await;
    page.expect("Failed")
        .expect("The fields you may write changed");
    assert_eq!(app.number("SELECT count(*) FROM records"), 0);
}

async fn rejected_rows_come_back_with_their_reasons(app: TestApp) {
    let bob = bob(&app).await;
    let rows: String = (0..30)
        .map(|n| format!("Lead {n},nonsense,\"=a\"\"b,\nc\"\n"))
        .collect();
    let path = sent(
        &bob,
        &format!("Name,Status,Notes\nGood,New,\n{rows}Short\n"),
    )
    .await;
    check(&app, &bob, &path)
        .await
        .expect("1 new, 0 updated, 31 with errors");
    import(&app, &bob, &path)
        .await
        .expect("The first 20 are shown.");
    let file = bob.get(&format!("{path}/rejected")).await;
    assert_eq!(
        file.header("content-disposition"),
        "attachment; filename=\"import-1-rejected.csv\""
    );
    let text = file.source();
    let reason = "Status: Choose one of: New, Contacted, Qualified, Unqualified.";
    assert!(
        text.starts_with(&format!(
            "Name,Status,Notes,Row,Reason\r\nLead 0,nonsense,\"'=a\"\"b,\nc\",2,\"{reason}\"\r\n"
        )),
        "{text}"
    );
    assert!(
        text.ends_with("Short,,,32,This row has 1 values where the first line has 3.\r\n"),
        "{text}"
    );
    // Mended and sent again, without the columns that were added.
    let mended = text
        .replace("nonsense", "New")
        .replace("Short,,,", "Short,New,,");
    let path = sent(&bob, &mended).await;
    check(&app, &bob, &path)
        .await
        .expect("31 new, 0 updated, 0 with errors");
    import(&app, &bob, &path).await.expect("Successful");
    let notes = leads(&app)
        .iter()
        .filter(|lead| lead.contains(r#"=a\"b,\nc"#))
        .count();
    assert_eq!(notes, 30);
}

async fn a_file_that_is_none_is_refused_in_words(app: TestApp) {
    let bob = bob(&app).await;
    for (file, words) in [
        (&b""[..], "The file is empty."),
        (b"Name\n", "no rows under its first line"),
        (b"Name\nK\xf8benhavn\n", "not text in UTF-8"),
        (b"PK\x03\x04\0\0", "not text in UTF-8"),
        (
            b"Name,Notes\nA,\"no end\nB,x\n",
            "begins in row 1 has no end",
        ),
        (b"Name,Notes\nA,\"x\"y\n", "follows a closing quote"),
    ] {
        let page = send(&bob, file).await;
        page.expect_status(422);
        assert!(
            page.errors().iter().any(|e| e.contains(words)),
            "{words}: {:?}",
            page.errors()
        );
    }
    let page = bob.post(&format!("{LEADS}/import"), &[]).await;
    page.expect_status(422).expect("Choose a CSV file.");
    let json = bob
        .request(Method::POST, &format!("{LEADS}/import"))
        .header("Sec-Fetch-Site", "same-origin")
        .header("Content-Type", "application/json")
        .body("{}");
    bob.send(json, LEADS).await.expect_status(415);
    send_with(&bob, "wrong", LEADS, b"Name\nA\n")
        .await
        .expect_status(403);
    assert_eq!(
        (uploads(&app), app.number("SELECT count(*) FROM imports")),
        (0, 0)
    );
}

async fn too_much_is_refused_while_it_arrives(app: TestApp) {
    let bob = bob(&app).await;
    let rows = |count: usize| format!("Name\n{}", "x\n".repeat(count));
    let page = send(&bob, rows(100_001).as_bytes()).await;
    page.expect_status(422).expect("more than 100,000 rows");
    let wide = format!("Name{}\nx\n", ",a".repeat(200));
    send(&bob, wide.as_bytes())
        .await
        .expect_status(422)
        .expect("more than 200 columns");
    assert_eq!(app.number("SELECT count(*) FROM imports"), 0);
    // Said in the head that it is too large: refused before a byte of it is read.
    let request = bob
        .request(Method::POST, &format!("{LEADS}/import"))
        .header("Sec-Fetch-Site", "same-origin")
        .header("Content-Type", "multipart/form-data; boundary=border")
        .body(vec![b'x'; 51 * 1024 * 1024]);
    if let Ok(answer) = request.send().await {
        assert_eq!(answer.status(), 413);
    }
    assert_eq!(uploads(&app), 0);
    for _ in 0..5 {
        sent(&bob, "Name\nA\n").await;
    }
    send(&bob, b"Name\nA\n")
        .await
        .expect_status(422)
        .expect("Five of your imports");
    let first = bob
        .post(&format!("{LEADS}/import/1"), &[("step", "discard")])
        .await;
    first.expect_status(303);
    sent(&bob, "Name\nA\n").await;
}

async fn a_file_without_an_end_is_refused_at_its_limit(app: TestApp) {
    let bob = bob(&app).await;
    let sid = app.config.cookie_name("sid");
    let cookie = bob.cookie(&sid).expect("a session");
    let head = raw::head(
        &app,
        "POST",
        &format!("{LEADS}/import"),
        &format!(
            "Cookie: {sid}={cookie}\r\nSec-Fetch-Site: same-origin\r\nTransfer-Encoding: chunked\r\n\
             Content-Type: multipart/form-data; boundary=border\r\n"
        ),
    );
    let mut bytes = head.into_bytes();
    let mut chunk = |part: &[u8]| {
        bytes.extend(format!("{:x}\r\n", part.len()).into_bytes());
        bytes.extend(part);
        bytes.extend(b"\r\n");
    };
    chunk(before(&bob.form_token()).as_bytes());
    // No length is said, and the body ends before the file does, which would be another mistake.
    let line = [&b"x".repeat(100_000)[..], b"\n"].concat();
    for _ in 0..=MAX_FILE / line.len() {
        chunk(&line);
    }
    bytes.extend(b"0\r\n\r\n");
    let answer = raw::send(app.address(), bytes).await;
    assert_eq!(answer.status, 413, "{}", answer.body);
    let gone = wait::until(async || (uploads(&app) == 0).then_some(()));
    gone.await.expect("what arrived is deleted");
    assert_eq!(app.number("SELECT count(*) FROM imports"), 0);
}

async fn a_file_whose_server_died_can_be_discarded(app: TestApp) {
    let bob = bob(&app).await;
    for _ in 0..5 {
        sent(&bob, "Name\nA\n").await;
    }
    // As a server leaves them that was killed over it.
    app.sql("UPDATE imports SET state = 'received', total = 500")
        .expect("breaks");
    send(&bob, b"Name\nA\n").await.expect_status(422);
    let page = bob.open(&format!("{LEADS}/import/1")).await;
    page.expect("The file is being kept")
        .expect("500 rows are kept so far.");
    page.press("Discard").await.expect("Discarded leads.csv.");
    assert_eq!(app.number("SELECT count(*) FROM import_rows"), 4);
    sent(&bob, "Name\nA\n").await;
}

async fn discarding_a_file_while_it_is_kept_ends_that(app: TestApp) {
    let bob = bob(&app).await;
    let file = format!("Name\n{}", "x\n".repeat(100_000));
    let discard = async {
        let kept = wait::until(async || {
            let some = "SELECT count(*) FROM imports WHERE state = 'received' AND total > 0";
            (app.number(some) == 1).then_some(())
        });
        kept.await.expect("it is being kept");
        let page = bob.open(&format!("{LEADS}/import/1")).await;
        page.press("Discard").await.expect("Discarded leads.csv.");
    };
    let (answer, ()) = join(send(&bob, file.as_bytes()), discard).await;
    answer.expect_status(422);
    let why = "The import was discarded while its file was being kept.";
    assert!(answer.errors().iter().any(|e| e.contains(why)));
    for table in ["imports", "import_rows"] {
        assert_eq!(app.number(&format!("SELECT count(*) FROM {table}")), 0);
    }
}

async fn only_who_may_write_may_send_a_file(app: TestApp) {
    let bob = bob(&app).await;
    set_rights(&app, &bob, Object::Lead, Rights::READ);
    bob.get(&format!("{LEADS}/import")).await.expect_status(403);
    send(&bob, b"Name\nA\n").await.expect_status(403);
    let eve = app.member("eve", &[]).await;
    send(&eve, b"Name\nA\n").await.expect_status(403);
    let nobody = app.visitor();
    send_with(&nobody, "x", LEADS, b"Name\nA\n")
        .await
        .expect_status(303);
    assert_eq!(
        (uploads(&app), app.number("SELECT count(*) FROM imports")),
        (0, 0)
    );
}

async fn an_import_belongs_to_who_sent_it(app: TestApp) {
    let bob = bob(&app).await;
    let path = sent(&bob, "Name,Status\nA,wrong\n").await;
    check(&app, &bob, &path).await;
    let boss = app.admin("eve").await;
    let outsider = app.company("Other Company").admin("olga");
    for other in [&boss, &outsider] {
        other.get(&path).await.expect_status(404);
        other
            .get(&format!("{path}/rejected"))
            .await
            .expect_status(404);
        other
            .post(&path, &[("step", "import")])
            .await
            .expect_status(404);
        other
            .post(&path, &[("step", "discard")])
            .await
            .expect_status(404);
    }
    bob.get(&path.replace("/test/", "/commercial/"))
        .await
        .expect_status(404);
    set_rights(&app, &bob, Object::Lead, Rights::default());
    bob.get(&path).await.expect_status(403);
    bob.get(&format!("{path}/rejected"))
        .await
        .expect_status(403);
}
