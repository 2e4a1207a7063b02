//! The protocol under the pages: methods, lengths, kinds of content, hosts, connections.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::raw::{self, FORM, head, post};
use crate::app::{Backend, OnBackend, Setup, TestApp, wait};

fn app() -> TestApp {
    TestApp::on(Backend::Sqlite)
}

#[actix_web::test]
async fn only_declared_methods_work() {
    let app = app();
    for method in [
        "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get",
    ] {
        let answer = raw::send(app.address(), head(&app, method, "/sign-in", "")).await;
        assert!(
            matches!(answer.status, 405 | 501 | 400),
            "{method}: {}",
            answer.status
        );
        if answer.status == 405 {
            assert_eq!(answer.header("allow"), "GET, HEAD, POST", "{method}");
        }
    }
    let answer = raw::send(app.address(), head(&app, "POST", "/health/live", "")).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
}

#[actix_web::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let app = Setup::on(Backend::Sqlite)
        .with_body_deadline(Duration::from_millis(50))
        .start();
    let half = head(
        &app,
        "POST",
        "/sign-in",
        &format!("{FORM}Content-Length: 100\r\n"),
    );
    let answer = raw::send(app.address(), format!("{half}email=")).await;
    assert_eq!(answer.status, 408);
    assert!(answer.body.contains("The request took too long"));
}

#[actix_web::test]
async fn a_body_has_a_limit_however_it_is_sent() {
    let app = app();
    let small = format!("email={}", "a".repeat(16 * 1024 - 6));
    let answer = post(&app, "/sign-in", FORM, small.as_bytes()).await;
    // Small enough to be read: it is the missing token that is refused.
    assert_eq!(answer.status, 403);
    let large = format!("{small}a");
    let answer = post(&app, "/sign-in", FORM, large.as_bytes()).await;
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("This is too large"));

    // Declared only: the server need not wait for the rest.
    let declared = head(
        &app,
        "POST",
        "/sign-in",
        &format!("{FORM}Content-Length: 999999999\r\n"),
    );
    assert_eq!(raw::send(app.address(), declared).await.status, 413);

    // Not declared at all.
    let mut chunked = head(
        &app,
        "POST",
        "/sign-in",
        &format!("{FORM}Transfer-Encoding: chunked\r\n"),
    );
    for _ in 0..5 {
        chunked += &format!("1000\r\n{}\r\n", "a".repeat(0x1000));
    }
    chunked += "0\r\n\r\n";
    assert_eq!(raw::send(app.address(), chunked).await.status, 413);
    let chunked = head(
        &app,
        "POST",
        "/sign-in",
        &format!("{FORM}Transfer-Encoding: chunked\r\n"),
    );
    let answer = raw::send(app.address(), chunked + "3\r\na=b\r\n0\r\n\r\n").await;
    assert_eq!(answer.status, 403);
}

#[actix_web::test]
async fn only_forms_are_read() {
    let app = app();
    for headers in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/json\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n",
        "Content-Type: application/x-www-form-urlencoded; charset=iso-8859-1\r\n",
        "Content-Type: application/x-www-form-urlencodedx\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Encoding: gzip\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Encoding: br\r\n",
    ] {
        let answer = post(&app, "/sign-in", headers, b"email=a").await;
        assert_eq!(answer.status, 415, "{headers}");
    }
    for headers in [
        "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n",
        "Content-Type: Application/X-WWW-Form-Urlencoded;charset=\"utf-8\"\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Encoding: identity\r\n",
    ] {
        let answer = post(&app, "/sign-in", headers, b"email=a").await;
        assert_eq!(answer.status, 403, "{headers}");
    }
}

#[actix_web::test]
async fn a_form_that_cannot_be_read_is_refused_not_repaired() {
    let app = app();
    let many = "a&".repeat(2_001);
    for body in [
        &b"email=\xff"[..],
        b"email=%FF",
        b"email=%C3%28",
        b"%FF=1",
        b"email=a%00b",
        b"email=a\0b",
        many.as_bytes(),
    ] {
        let answer = post(&app, "/sign-in", FORM, body).await;
        assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(body));
    }
    let visitor = app.visitor();
    for query in ["next=%FF", "next=%00", "next=/a&next=/b"] {
        visitor
            .get(&format!("/sign-in?{query}"))
            .await
            .expect_status(400);
    }
    let twice = [
        ("email", "a@halden.example"),
        ("email", "b@halden.example"),
        ("password", "x"),
    ];
    visitor.post("/sign-in", &twice).await.expect_status(400);
}

#[actix_web::test]
async fn messages_have_one_meaning_or_none() {
    let app = app();
    let ambiguous = [
        format!("{FORM}Content-Length: 3\r\nContent-Length: 4\r\n"),
        format!("{FORM}Content-Length: +3\r\n"),
        format!("{FORM}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
        format!("{FORM}Transfer-Encoding: gzip, identity\r\n"),
        format!("{FORM}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        "Host: elsewhere.example\r\n".to_owned(),
    ];
    for headers in ambiguous {
        let request = head(&app, "POST", "/sign-in", &headers) + "a=b";
        let answer = raw::send(app.address(), request).await;
        assert!(
            matches!(answer.status, 400 | 421 | 501),
            "{headers}: {}",
            answer.status
        );
    }
}

#[actix_web::test]
async fn the_server_answers_under_its_own_name_only() {
    let app = app();
    let port = app.address().port();
    for host in [
        "evil.example",
        "127.0.0.1",
        "localhost",
        "127.0.0.1:1",
        "",
        &format!("[::1]:{port}"),
    ] {
        let request = format!("GET /sign-in HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = raw::send(app.address(), request).await;
        assert_eq!(answer.status, 421, "{host}");
        assert!(answer.body.contains(&app.base()), "{}", answer.body);
        assert!(!answer.body.contains("evil"), "{}", answer.body);
        assert_eq!(answer.header("set-cookie"), "");
    }
    let answer = raw::send(app.address(), "GET /sign-in HTTP/1.0\r\n\r\n").await;
    assert_eq!(answer.status, 421);

    // A load balancer asks for health by address.
    let request = "GET /health/live HTTP/1.1\r\nHost: 10.0.0.7\r\nConnection: close\r\n\r\n";
    assert_eq!(raw::send(app.address(), request).await.status, 200);

    // Behind a proxy of ours, which may rename the host.
    let app = Setup::on(Backend::Sqlite)
        .with("INSIGHT_TRUSTED_PROXIES", "127.0.0.0/8")
        .start();
    let request = "GET /sign-in HTTP/1.1\r\nHost: inside.example\r\nConnection: close\r\n\r\n";
    assert_eq!(raw::send(app.address(), request).await.status, 200);
}

#[actix_web::test]
async fn connections_are_kept_alive() {
    let app = app();
    let mut stream = TcpStream::connect(app.address()).await.expect("connects");
    let once = format!(
        "GET /health/live HTTP/1.1\r\nHost: {}\r\n\r\n",
        app.address()
    );
    for _ in 0..2 {
        stream.write_all(once.as_bytes()).await.expect("writes");
        let answer = read_until(&mut stream, "live\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut buffer = [0; 4096];
        let read = tokio::time::timeout(wait::DEADLINE, stream.read(&mut buffer)).await;
        let n = read.expect("in time").expect("reads");
        assert!(n > 0, "closed after {text}");
        text += &String::from_utf8_lossy(&buffer[..n]);
    }
    text
}

#[actix_web::test]
async fn a_stop_finishes_what_is_under_way() {
    let app = app();
    let mut stream = TcpStream::connect(app.address()).await.expect("connects");
    let body = "email=nobody";
    let headers = format!(
        "{FORM}Expect: 100-continue\r\nContent-Length: {}\r\n",
        body.len()
    );
    let request = head(&app, "POST", "/sign-in", &headers);
    stream.write_all(request.as_bytes()).await.expect("writes");
    // The request is under way: the server asks for its body.
    let asked = read_until(&mut stream, "\r\n\r\n").await;
    assert!(asked.starts_with("HTTP/1.1 100"), "{asked}");

    let address = app.address();
    let (stopped, answered) = tokio::join!(app.stop(), async {
        // The server takes nobody new any more.
        let closed = wait::until(async || TcpStream::connect(address).await.is_err().then_some(()));
        assert!(closed.await.is_some(), "the server still listens");
        stream.write_all(body.as_bytes()).await.expect("writes");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("reads");
        raw::parse(&answer)
    });
    let () = stopped;
    assert_eq!(answered.status, 403);
    assert!(answered.body.trim_end().ends_with("</html>"));
}
