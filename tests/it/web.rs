//! What holds for every page: headers, origins, sessions, static files, health, links.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use insight::db::Target;
use insight::web::assets;
use reqwest::Method;

use crate::app::people::{Level, Person};
use crate::app::{Backend, Database, OnBackend, Setup, TestApp, dump, raw, wait};
use crate::on_both;

on_both!(
    a_form_from_elsewhere_changes_nothing,
    a_database_that_is_away_means_503_until_it_is_back,
    the_address_of_a_client_is_believed_from_our_proxies_only,
    a_session_cookie_that_was_changed_is_none,
    every_link_on_every_page_leads_somewhere,
);

fn app() -> TestApp {
    TestApp::on(Backend::Sqlite)
}

#[actix_web::test]
async fn every_kind_of_answer_defends_the_browser() {
    // Each answer is held against `app::rules`; here are the kinds that no story meets.
    let app = app();
    let ada = app.admin("ada").await;
    for person in [app.visitor(), ada] {
        for path in [
            "/sign-in",
            "/no/such/page",
            "/sign-in?next=%FF",
            "/static/0/ui.css",
            assets::url("ui.css"),
            "/health/live",
            "/health/ready",
        ] {
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
                let method = Method::from_bytes(method.as_bytes()).expect("a method");
                let page = person
                    .send(person.request(method.clone(), path), path)
                    .await;
                assert!(page.status < 500, "{method} {path}: {}", page.status);
                let good = matches!(method, Method::GET | Method::HEAD);
                assert!(good || page.status != 200, "{method} {path} works");
            }
        }
    }
}

#[actix_web::test]
async fn each_answer_has_a_nonce_of_its_own() {
    let app = app();
    let visitor = app.visitor();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..5 {
        let page = visitor.get("/no/such/page").await;
        assert!(seen.insert(page.header("content-security-policy").to_owned()));
    }
}

#[actix_web::test]
async fn behind_https_cookies_and_headers_say_so() {
    let app = Setup::on(Backend::Sqlite)
        .with("INSIGHT_BASE_URL", "https://insight.example")
        .start();
    let request = "GET /sign-in HTTP/1.1\r\nHost: insight.example\r\nConnection: close\r\n\r\n";
    let page = raw::send(app.address(), request).await;
    assert_eq!(page.status, 200);
    let hsts = page.header("strict-transport-security");
    assert_eq!(hsts, "max-age=31536000; includeSubDomains");
    let cookie = page.header("set-cookie");
    assert!(cookie.starts_with("__Host-form="), "{cookie}");
    for part in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
}

#[actix_web::test]
async fn static_files_are_kept_for_good_and_nothing_else_is_there() {
    let app = app();
    let visitor = app.visitor();
    for name in ["ui.css", "ui.js", "icons.svg", "favicon.svg"] {
        let path = assets::url(name);
        let asset = assets::find(path).expect("is there");
        for (accepted, encoding, bytes) in [
            ("", "", Some(asset.raw)),
            ("gzip", "gzip", asset.gz),
            ("gzip, deflate, br", "br", asset.br),
        ] {
            let request = visitor.request(Method::GET, path);
            let file = visitor
                .send(request.header("Accept-Encoding", accepted), path)
                .await;
            file.expect_status(200);
            assert_eq!(
                file.header("cache-control"),
                "public, max-age=31536000, immutable"
            );
            assert_eq!(file.header("vary"), "Accept-Encoding");
            if let Some(bytes) = bytes {
                assert_eq!(file.header("content-encoding"), encoding, "{name}");
                assert_eq!(*file.body, *bytes, "{name}");
            }
        }
    }
    let hashed = assets::url("ui.css");
    for path in [
        "/static/",
        "/static/ui.css",
        "/static/0/ui.css",
        &hashed.replace("ui.css", "ui.js"),
        &format!("{hashed}/"),
        &hashed.replace("/static/", "/static//"),
        &hashed.replace("ui.css", "../ui.css"),
        &hashed.replace("ui.css", "%2e%2e/ui.css"),
        "/static/../Cargo.toml",
        "/static/%2e%2e/Cargo.toml",
        "/static/..%2fCargo.toml",
        "/.git/config",
        "/ui.css",
    ] {
        let request = raw::head(&app, "GET", path, "");
        let answer = raw::send(app.address(), request).await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[actix_web::test]
async fn what_is_not_there_says_so_with_the_number_of_the_request() {
    let app = app();
    let ada = app.admin("ada").await;
    for person in [app.visitor(), ada] {
        let page = person.get("/no/such/page").await;
        page.expect_status(404).expect("There is nothing here");
        assert_eq!(page.h1(), "There is nothing here");
        let [id] = page.texts(".hint .mono").try_into().expect("one number");
        assert_eq!(id.len(), 16, "{id}");
        // The number is of this request alone.
        let again = person.get("/no/such/page").await;
        assert_ne!(again.texts(".hint .mono"), [id]);
    }
}

async fn a_form_from_elsewhere_changes_nothing(app: TestApp) {
    let ada = app.admin("ada").await;
    let eve = app.member("eve", &[]).await;
    let own = format!("http://{}", app.address());
    let before = dump(&mut app.database().connect(), &[]);
    let form = |token: &str| format!("theme=dark&csrf={token}");
    let send = async |headers: &[(&str, &str)], body: String| {
        let mut request = ada.request(Method::POST, "/sign-out").body(body);
        request = request.header("Content-Type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        ada.send(request, "/sign-out").await
    };
    for headers in [
        &[("Origin", "https://evil.example")][..],
        &[("Origin", "null")],
        &[("Origin", "")],
        &[("Origin", "http://127.0.0.1")],
        &[("Origin", &own), ("Sec-Fetch-Site", "cross-site")],
        &[("Origin", &own), ("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "cross-site")],
    ] {
        let page = send(headers, form(&ada.form_token())).await;
        page.expect_status(403);
        assert_eq!(
            page.h1(),
            "The form was not sent from this site",
            "{headers:?}"
        );
    }
    let good = ada.form_token();
    for token in [
        "",
        "x",
        &good[1..],
        &good.chars().rev().collect::<String>(),
        &eve.form_token(),
        &app.visitor().form_token(),
        &"A".repeat(good.len()),
    ] {
        send(&[("Origin", &own)], form(token))
            .await
            .expect_status(403);
    }
    send(&[("Origin", &own)], format!("{}&csrf={good}", form(&good)))
        .await
        .expect_status(403);
    assert_eq!(dump(&mut app.database().connect(), &[]), before);

    // Old browsers send neither header; the token alone carries them.
    send(&[], form(&ada.form_token())).await.expect_status(303);
}

#[actix_web::test]
async fn pages_are_compressed() {
    let app = app();
    let visitor = app.visitor();
    for encoding in ["br", "gzip"] {
        let request = visitor.request(Method::GET, "/no/such/page");
        let request = request.header("Accept-Encoding", encoding);
        let answer = request.send().await.expect("answers");
        assert_eq!(answer.headers()["content-encoding"], encoding);
        assert!(
            answer.headers()["vary"]
                .to_str()
                .is_ok_and(|v| v.eq_ignore_ascii_case("accept-encoding"))
        );
    }
}

async fn a_database_that_is_away_means_503_until_it_is_back(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.get("/health/live").await.expect_status(200);
    assert_eq!(
        ada.get("/health/ready").await.expect_status(200).source(),
        "ready\n"
    );
    // A file does not go away.
    let Database::Postgres(database) = app.database() else {
        return;
    };
    database.shut();
    // A connection that was cut is noticed by the request that gets it; none may be worse than "try again".
    for path in ["/security", "/security", "/no/such/page", "/health/ready"] {
        let page = ada.get(path).await;
        page.expect_status(503);
        assert!(!page.source().contains("connection"), "{}", page.source());
    }
    ada.get("/health/live").await.expect_status(200);
    database.open();
    let back = wait::until(async || (ada.get("/health/ready").await.status == 200).then_some(()));
    assert!(back.await.is_some(), "never ready again");
    ada.open("/security").await.expect_status(200);
}

#[actix_web::test]
async fn figures_are_served_on_an_address_of_their_own() {
    let app = app();
    let ada = app.admin("ada").await;
    ada.get("/no/such/page").await.expect_status(404);
    app.visitor().get("/metrics").await.expect_status(404);
    ada.get("/metrics").await.expect_status(404);

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    let server = insight::web::server::serve_metrics(std::sync::Arc::clone(&app), listener);
    let server = actix_web::rt::spawn(server.expect("serves"));
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let figures = raw::send(address, ask("/metrics")).await;
    assert_eq!(figures.status, 200);
    for line in [
        "http_requests_total{method=\"GET\",route=\"none\",status=\"404\"}",
        "http_request_seconds_count",
        "db_connections",
        "mail_outbox",
    ] {
        assert!(figures.body.contains(line), "{line} in\n{}", figures.body);
    }
    // Names and addresses of people have no place there.
    for secret in ["ada", "halden", "/no/such"] {
        assert!(!figures.body.contains(secret), "{secret}");
    }
    assert_eq!(raw::send(address, ask("/sign-in")).await.status, 404);
    server.abort();
}

/// What the sessions page of a person says about addresses after signing in with these headers.
async fn seen_from(person: &Person, headers: &[(&'static str, &str)]) -> Vec<String> {
    let browser = person.other_browser();
    for (name, value) in headers {
        browser.always_send(name, value);
    }
    browser.sign_in().await.expect_status(200);
    let sessions = browser.open("/sessions").await;
    sessions.expect_status(200);
    sessions.texts("tbody tr")
}

async fn the_address_of_a_client_is_believed_from_our_proxies_only(backend: Backend) {
    let app = TestApp::on(backend);
    let ada = app.admin("ada").await;
    let lies = [
        ("X-Forwarded-For", "198.51.100.7"),
        ("Forwarded", "for=198.51.100.7"),
        ("X-Real-IP", "198.51.100.7"),
    ];
    let rows = seen_from(&ada, &lies).await.join("\n");
    assert!(
        rows.contains("127.0.0.1") && !rows.contains("198.51.100.7"),
        "{rows}"
    );

    let app = Setup::on(backend)
        .with("INSIGHT_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8")
        .start();
    let ada = app.admin("ada").await;
    let way = [
        ("X-Forwarded-For", "192.0.2.66, 198.51.100.7, 10.2.3.4"),
        ("X-Real-IP", "192.0.2.67"),
    ];
    let rows = seen_from(&ada, &way).await.join("\n");
    assert!(rows.contains("198.51.100.7"), "{rows}");
    assert!(
        !rows.contains("192.0.2.") && !rows.contains("10.2.3.4"),
        "{rows}"
    );
}

async fn a_session_cookie_that_was_changed_is_none(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.open("/security").await.expect_status(200);
    let cookie = ada.cookie("sid").expect("is signed in");
    let (first, rest) = cookie.split_at(1);
    let other = if first == "A" { "B" } else { "A" };
    let longer = format!("{cookie}A");
    for changed in [
        "",
        "x",
        &format!("{other}{rest}"),
        &longer,
        &cookie[44..],
        &"A".repeat(5_000),
    ] {
        ada.set_cookie("sid", Some(changed));
        ada.get("/security").await.expect_redirect("/sign-in");
    }
    // Signed by another installation.
    let elsewhere = app_of_the_same_backend(&app);
    let eve = elsewhere.admin("eve").await;
    ada.set_cookie("sid", eve.cookie("sid").as_deref());
    ada.get("/security").await.expect_redirect("/sign-in");

    ada.set_cookie("sid", Some(&cookie));
    ada.get("/security").await.expect_status(200);
    app.forward(Duration::from_secs(3_601));
    ada.get("/security").await.expect_redirect("/sign-in");
    ada.start_session(Level::Full);
    for _ in 0..24 {
        ada.get("/security").await.expect_status(200);
        app.forward(Duration::from_secs(3_599));
    }
    app.forward(Duration::from_secs(24));
    ada.get("/security").await.expect_redirect("/sign-in");
}

fn app_of_the_same_backend(app: &TestApp) -> TestApp {
    TestApp::on(match app.database().target() {
        Target::Sqlite(_) => Backend::Sqlite,
        Target::Postgres(_) => Backend::Postgres,
    })
}

async fn every_link_on_every_page_leads_somewhere(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.make_operator();
    app.member("bob", &[]).await;
    app.company("Other Company").add(&ada, &[]);
    let mut found = vec!["/".to_owned(), "/sign-in".to_owned()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        next += 1;
        let page = ada.open(&path).await;
        assert_eq!(page.status, 200, "{path}");
        if !page.is_html() {
            continue;
        }
        for link in page.all("a[href]") {
            let href = link.attr("href").unwrap_or("");
            let (to, fragment) = href.split_once('#').unwrap_or((href, ""));
            if to.is_empty() && !fragment.is_empty() {
                let target = format!("[id=\"{fragment}\"]");
                assert!(
                    !page.all(&target).is_empty(),
                    "{path}: {href} leads nowhere"
                );
            }
            let to = match to.strip_prefix('?') {
                Some(query) => format!("{}?{query}", page.path.split('?').next().unwrap_or("")),
                None => to.to_owned(),
            };
            // Every kind of thing once is enough: lists link to themselves in many orders.
            if to.starts_with('/') && !found.contains(&to) && found.len() < 150 {
                found.push(to);
            }
        }
    }
}
