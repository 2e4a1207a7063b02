//! The program at a terminal.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use insight::permissions::Object;
use reqwest::Method;

use crate::app::people::{PASSWORD, Person};
use crate::app::program::{Installation, Ran};
use crate::app::smtp::Smtp;
use crate::app::{Backend, texts, wait};
use crate::on_both;

on_both!(
    migrating_twice_is_migrating_once,
    the_first_start_prints_a_link_that_sets_insight_up,
    a_further_company_is_opened_by_its_first_administrator,
    a_log_that_was_changed_is_named,
    keys_are_rotated_under_people_who_stay_signed_in,
    an_update_is_announced_from_the_terminal_by_operators_too,
);

const USERS: &str = "/shared/insight-users";

/// Asserts that a command did what it should; gives what it printed.
#[track_caller]
fn good(ran: Ran) -> String {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout
}

/// Asserts that a command refused, with one sentence; gives it.
#[track_caller]
fn refused(ran: Ran) -> String {
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let sentence = ran.stderr.trim();
    assert_eq!(sentence.lines().count(), 1, "{ran:?}");
    sentence
        .strip_prefix("insight: ")
        .expect("it says who speaks")
        .to_owned()
}

fn mode(path: &Path) -> u32 {
    let about = std::fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    about.permissions().mode() & 0o777
}

/// A code of the authenticator app that has not been typed yet: the machine's clock cannot be moved, but a code may be
/// half a minute early.
fn next_code(person: &Person, installation: &Installation) -> String {
    let now = installation.app().clock.now().unix();
    person.code_at(now + 30)
}

/// Signs in through the pages of a server, with the code of now.
async fn sign_in(person: &Person, code: &str) {
    let page = person.give_password(person.email(), PASSWORD).await;
    let page = page.fill("Six-digit code", code).press("Sign in").await;
    page.expect_status(200);
    assert!(!page.path.starts_with("/sign-in"), "{}", page.text());
}

async fn migrating_twice_is_migrating_once(backend: Backend) {
    let installation = Installation::empty(backend);
    let first = good(installation.run(&["migrate"]));
    assert_ne!(first, "0 migrations ran.\n");
    assert!(first.ends_with(" migrations ran.\n"), "{first}");
    assert_eq!(good(installation.run(&["migrate"])), "0 migrations ran.\n");
    // It touches nothing else.
    assert!(!installation.folder().join("keys").exists());
}

async fn the_first_start_prints_a_link_that_sets_insight_up(backend: Backend) {
    let installation = Installation::empty(backend).with("INSIGHT_LOG", "info");
    let mut server = installation.start();
    let said = server.log();
    let link = said
        .split_whitespace()
        .find(|word| word.contains("/setup/"));
    let link = link.unwrap_or_else(|| panic!("no link in {said}"));
    let path = link
        .strip_prefix(&installation.base())
        .expect("it leads to the base URL");
    let ada = installation.context().visitor();
    let form = ada.open(path).await;
    let two_factor = form
        .fill("Company name", "Halden Logistics")
        .fill("Name", "Ada")
        .fill("E-mail", "ada@halden.example")
        .fill("Password", PASSWORD)
        .fill("Repeat password", PASSWORD)
        .press("Continue")
        .await;
    ada.scan(&two_factor);
    let done = two_factor
        .fill("Six-digit code", ada.code())
        .press("Confirm")
        .await;
    done.expect_status(200);
    assert_eq!(
        installation.number("SELECT count(*) FROM members WHERE admin"),
        1
    );

    // What holds secrets is private from the beginning.
    assert_eq!(mode(&installation.folder().join("keys")), 0o600);
    if backend == Backend::Sqlite {
        for file in ["insight.db", "insight.db-wal"] {
            let path = installation.database.target();
            let insight::db::Target::Sqlite(path) = path else {
                unreachable!("it is SQLite")
            };
            let path = Path::new(&path).with_file_name(file);
            assert_eq!(mode(&path), 0o600, "{file}");
        }
    }
    // The next start has nothing to set up.
    assert_eq!(server.end_with("INT"), Some(0));
    server.start_again();
    assert_eq!(server.log(), said);
    let late = installation.context().visitor();
    late.open(path).await.expect_status(404);
}

async fn a_further_company_is_opened_by_its_first_administrator(backend: Backend) {
    let smtp = Smtp::start();
    let installation = Installation::new(backend).with("INSIGHT_SMTP_URL", smtp.url());
    installation
        .context()
        .company("Halden Logistics")
        .admin("ada");
    let create = |company: &str, admin: &str| {
        installation.run(&["account", "create", "--company", company, "--admin", admin])
    };
    assert!(refused(create("Fjord", "eve at fjord")).starts_with("--admin: "));
    assert!(refused(create(" ", "eve@fjord.example")).starts_with("--company: "));
    let said = good(create("Fjord Terminals", "eve@fjord.example"));
    assert!(said.contains("Fjord Terminals is account"), "{said}");
    assert!(said.contains("eve@fjord.example"), "{said}");

    let _server = installation.start();
    let mail = smtp.wait_for_mail_to("eve@fjord.example").await;
    assert!(mail.subject.contains("Fjord Terminals"), "{}", mail.subject);
    let eve = installation.context().visitor();
    let link = mail.link("/register/");
    let form = eve
        .open(
            link.strip_prefix(&installation.base())
                .expect("it leads here"),
        )
        .await;
    let two_factor = form
        .fill("Name", "Eve")
        .fill("Password", PASSWORD)
        .fill("Repeat password", PASSWORD)
        .press("Continue")
        .await;
    eve.scan(&two_factor);
    let done = two_factor
        .fill("Six-digit code", eve.code())
        .press("Confirm")
        .await;
    done.expect_status(200);
    let users = eve.open(USERS).await;
    users.expect("Eve").expect_not("ada@halden.example");
    let owners = "SELECT a.name || ': ' || u.name AS line FROM accounts a \
                  JOIN members m ON m.id = a.owner_member_id JOIN users u ON u.id = m.user_id ORDER BY a.id";
    assert_eq!(
        texts(&mut installation.database.connect(), owners),
        ["Halden Logistics: Ada", "Fjord Terminals: Eve"]
    );
}

async fn a_log_that_was_changed_is_named(backend: Backend) {
    let installation = Installation::new(backend);
    let context = installation.context();
    context.company("Halden Logistics").admin("ada");
    context.company("Fjord Terminals").admin("eve");
    for _ in 0..2 {
        good(installation.run(&["operator", "add", "eve@fjord.example"]));
    }
    let said = good(installation.run(&["audit", "verify"]));
    assert!(
        said.contains("Halden Logistics: 1 entries hold, head "),
        "{said}"
    );
    assert!(
        said.contains("Fjord Terminals: 2 entries hold, head "),
        "{said}"
    );

    // A head that was written down is found again when the log has grown, and missed when something was cut off.
    let head = said
        .lines()
        .find_map(|line| line.strip_prefix("Fjord Terminals: 2 entries hold, head "))
        .expect("a head");
    good(installation.run(&["operator", "add", "eve@fjord.example"]));
    good(installation.run(&["audit", "verify", "--expect-head", head]));
    let cut = head.replacen(":2:", ":3:", 1);
    let ran = installation.run(&["audit", "verify", "--expect-head", &cut]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains(&format!("{cut}: BROKEN")), "{ran:?}");

    let unprotect = match backend {
        Backend::Sqlite => "DROP TRIGGER audit_entries_no_update",
        Backend::Postgres => "ALTER TABLE audit_entries DISABLE TRIGGER USER",
    };
    installation.sql(unprotect);
    installation.sql("UPDATE audit_entries SET actor_name = 'Somebody else' WHERE seq = 2");
    let ran = installation.run(&["audit", "verify"]);
    assert!(
        ran.stdout.contains("Fjord Terminals: BROKEN at entry 2: "),
        "{ran:?}"
    );
    assert!(
        ran.stdout.contains("Halden Logistics: 1 entries hold"),
        "{ran:?}"
    );
    refused(ran);
}

async fn keys_are_rotated_under_people_who_stay_signed_in(backend: Backend) {
    let installation = Installation::new(backend);
    let ada = installation
        .context()
        .company("Halden Logistics")
        .admin("ada");
    let status = || good(installation.run(&["keys", "status"]));
    let key_lines = |text: &str| -> Vec<Vec<String>> {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        let keys = text
            .lines()
            .skip(1)
            .filter(|line| !line.starts_with("Older"));
        keys.map(words).collect()
    };
    let before = key_lines(&status());
    assert_eq!(before.len(), 1);
    assert_eq!(before[0][1..], ["1", "1", "active"]);

    let mut server = installation.start();
    ada.open(USERS).await.expect("Ada");
    good(installation.run(&["keys", "rotate"]));
    assert_eq!(mode(&installation.folder().join("keys")), 0o600);
    assert_eq!(server.end_with("TERM"), Some(0));
    server.start_again();
    let said = good(installation.run(&["keys", "reseal"]));
    assert!(
        said.contains("1 two-factor secrets were sealed with"),
        "{said}"
    );
    let after = key_lines(&status());
    assert_eq!(after.len(), 2);
    assert_eq!(after[0][1..], ["1", "0", "active"]);
    assert_eq!(after[1][..], [before[0][0].as_str(), "0", "1"]);

    // The session is good still, so are password and authenticator; signing in brings the password over.
    let browser = ada.other_browser();
    browser.set_cookie("sid", ada.cookie("sid").as_deref());
    browser.open(USERS).await.expect("Ada");
    browser.set_cookie("sid", None);
    sign_in(&browser, &next_code(&ada, &installation)).await;
    browser.open(USERS).await.expect("Ada");
    assert_eq!(key_lines(&status())[0][1..], ["1", "1", "active"]);
    good(installation.run(&["audit", "verify"]));

    // A key that is taken out although something needs it is missed.
    let file = installation.folder().join("keys");
    let keys = std::fs::read_to_string(&file).expect("reads");
    let oldest = keys.lines().last().expect("a key");
    std::fs::write(&file, format!("{oldest}\n")).expect("writes");
    let missed = installation.run(&["keys", "status"]);
    assert!(refused(missed).contains("not in the file"));
}

async fn an_update_is_announced_from_the_terminal_by_operators_too(backend: Backend) {
    let smtp = Smtp::start();
    let installation = Installation::new(backend).with("INSIGHT_SMTP_URL", smtp.url());
    let context = installation.context();
    let ada = context.company("Halden Logistics").admin("ada");
    context.company("Fjord Terminals").admin("eve");
    installation.sql("UPDATE users SET product_updates = (email = email)");
    let said = refused(installation.run(&["operator", "add", "nobody@halden.example"]));
    assert!(
        said.contains("Nobody signs in as nobody@halden.example"),
        "{said}"
    );
    let said = good(installation.run(&["operator", "add", " ADA@halden.example"]));
    assert_eq!(said, "Ada (ada@halden.example) is an operator now.\n");
    let said = good(installation.run(&["operator", "add", "ada@halden.example"]));
    assert_eq!(said, "Ada (ada@halden.example) is an operator already.\n");

    let file = installation.folder().join("update.md");
    let file = file.to_str().expect("UTF-8");
    let announce = |more: &[&str]| {
        let arguments = ["announce", "--subject", "Faster import", "--file", file];
        installation.run(&[&arguments[..], more].concat())
    };
    assert!(refused(announce(&["--kind", "product-update"])).starts_with("--file: "));
    std::fs::write(file, "Import *twice* as fast.\n").expect("writes");
    refused(announce(&["--kind", "gossip"]));
    refused(announce(&["--kind", "api-change", "--account", "Nobody"]));
    good(announce(&[
        "--kind",
        "api-change",
        "--account",
        "Halden Logistics",
    ]));

    let _server = installation.start();
    let mail = smtp.wait_for_mail_to("ada@halden.example").await;
    assert_eq!(mail.subject, "Faster import");
    assert!(mail.html.contains("<em>twice</em>"), "{}", mail.html);
    let list = ada.open("/product-updates").await;
    list.expect("Faster import").expect("the command line");
    assert_eq!(installation.number("SELECT count(*) FROM outbox"), 1);
}

#[actix_web::test]
async fn a_backup_made_while_the_server_runs_can_be_started_from() {
    let installation = Installation::new(Backend::Sqlite);
    let ada = installation
        .context()
        .company("Halden Logistics")
        .admin("ada");
    let server = installation.start();
    ada.post(
        &format!("{USERS}/subscribers/new"),
        &[("email", "board@halden.example")],
    )
    .await
    .expect_status(303);
    let file = installation.folder().join("backup.db");
    let name = file.to_str().expect("UTF-8");
    let said = good(installation.run(&["backup", name]));
    assert!(said.contains("keys apart from it"), "{said}");
    assert_eq!(mode(&file), 0o600);
    assert!(!file.with_extension("part").exists());
    assert!(refused(installation.run(&["backup", name])).ends_with("exists already."));
    // What happens afterwards is not in it.
    ada.post(
        &format!("{USERS}/subscribers/new"),
        &[("email", "late@halden.example")],
    )
    .await
    .expect_status(303);
    drop(server);

    let restored = installation.with("DATABASE_URL", format!("sqlite:{name}"));
    let _server = restored.start();
    let browser = ada.other_browser();
    sign_in(&browser, &next_code(&ada, &restored)).await;
    let list = browser.open(USERS).await;
    list.expect("board@halden.example")
        .expect_not("late@halden.example");
    good(restored.run(&["audit", "verify"]));
}

#[actix_web::test]
async fn a_backup_of_postgres_is_left_to_its_own_tools() {
    let installation = Installation::new(Backend::Postgres);
    let file = installation.folder().join("backup.db");
    let said = refused(installation.run(&["backup", file.to_str().expect("UTF-8")]));
    assert!(said.contains("pg_dump"), "{said}");
    assert!(!file.exists());
}

#[actix_web::test]
async fn the_doctor_says_what_is_well_and_what_is_not() {
    let smtp = Smtp::start();
    let installation = Installation::empty(Backend::Postgres).with("INSIGHT_SMTP_URL", smtp.url());
    let said = good(installation.run(&["doctor"]));
    for line in [
        "settings: all readable",
        "key file: ",
        "will be made at the first start",
        "database: Postgres; it will be migrated at the next start",
        "answers, without encryption",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("PROBLEM"), "{said}");
    good(installation.run(&["migrate"]));
    let said = good(installation.run(&["doctor"]));
    assert!(said.contains("its schema is up to date"), "{said}");

    // Everything that is wrong is told at once.
    let keys = installation.folder().join("keys");
    std::fs::write(&keys, "no key\n").expect("writes");
    std::fs::set_permissions(&keys, PermissionsExt::from_mode(0o644)).expect("is ours");
    let sick = installation
        .with("INSIGHT_SMTP_URL", "smtp://127.0.0.1:1")
        .with(
            "DATABASE_URL",
            "postgres://nobody:secret@127.0.0.1:1/nothing",
        );
    let ran = sick.run(&["doctor"]);
    for what in ["key file", "database", "mail"] {
        assert!(
            ran.stdout.contains(&format!("PROBLEM  {what}: ")),
            "{ran:?}"
        );
    }
    assert!(!ran.stdout.contains("secret"), "{ran:?}");
    assert_eq!(refused(ran), "3 things need mending.");
}

#[actix_web::test]
async fn a_wrong_setting_ends_every_command_with_one_sentence_that_names_it() {
    for (name, value) in [
        ("DATABASE_URL", "mysql://halden"),
        ("INSIGHT_LISTEN", "8080"),
        ("INSIGHT_BASE_URL", "insight.example"),
        ("INSIGHT_SMTP_URL", "mail.example"),
        ("INSIGHT_TRUSTED_PROXIES", "everybody"),
        ("INSIGHT_LOG_FORMAT", "xml"),
        ("INSIGHT_LOG", "loud,=,"),
        ("INSIGHT_SMTP_URL_FILE", "/nowhere/at/all"),
    ] {
        let installation = Installation::new(Backend::Sqlite).with(name, value);
        let said = refused(installation.run(&[]));
        assert!(said.contains(name), "{name}={value}: {said}");
        assert!(
            !installation.folder().join("keys").exists(),
            "{name}={value}"
        );
    }
    // So does an address that is taken.
    let installation = Installation::new(Backend::Sqlite);
    let _server = installation.start();
    let said = refused(installation.run(&["serve"]));
    assert!(said.contains("INSIGHT_LISTEN"), "{said}");
}

#[actix_web::test]
async fn the_demo_can_be_entered_and_leaves_nothing_behind() {
    let installation = Installation::new(Backend::Sqlite);
    let mut demo = installation.launch(&["demo"], installation.port());
    let mut after = |label: &str| {
        let line = demo.wait_for_line(label);
        let (_, value) = line.split_once(label).expect("it is there");
        value.trim().to_owned()
    };
    let email = after("administrator ");
    let password = after("password ");
    let secret: String = after("authenticator ").split(' ').collect();

    let visitor = installation.context().visitor();
    let up = wait::until(async || {
        let request = visitor.request(Method::GET, "/health/ready");
        request.send().await.ok().filter(|a| a.status() == 200)
    });
    assert!(up.await.is_some(), "the demo does not serve");
    let page = visitor.give_password(&email, &password).await;
    visitor.learn(&secret);
    let code = visitor.code_at(installation.app().clock.now().unix());
    let page = page.fill("Six-digit code", code).press("Sign in").await;
    page.expect_status(200)
        .expect("Erika Moss")
        .expect("Halden Logistics");
    visitor
        .open(USERS)
        .await
        .expect("Amira Haddad")
        .expect("Subscribers");
    for environment in ["test", "commercial"] {
        let mut records = 0;
        for object in Object::ALL {
            let list = format!("/{environment}/records/{}", object.slug());
            let total = visitor.open(&list).await.texts("header .muted b").concat();
            records += total.replace(',', "").parse::<usize>().expect("a count");
        }
        assert_eq!(records, 20_000, "{environment}");
    }
    let profiles = visitor.open("/settings/permissions/profiles").await;
    assert!(profiles.texts("tbody tr").len() >= 3);
    let rules = visitor.open("/settings/permissions/sharing-rules").await;
    assert!(!rules.texts("tbody tr").is_empty());

    let left = || -> Vec<_> {
        let there = std::fs::read_dir(installation.folder()).expect("reads");
        there
            .map(|entry| {
                entry
                    .expect("reads")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .filter(|name| name.starts_with("insight-demo"))
            .collect()
    };
    assert_eq!(left().len(), 1);
    assert_eq!(demo.end_with("INT"), Some(0));
    assert_eq!(left(), [""; 0]);
}
