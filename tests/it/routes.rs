//! Every route of the table, asked for by every kind of caller, from our own pages and from elsewhere. A new route is
//! covered by being in the table; a new kind of path parameter needs a line in [`Fixture::value`].

use std::time::Duration;

use insight::access::Needs;
use insight::routes::{self, Method, Route};

use crate::app::page::Page;
use crate::app::people::{Level, Person};
use crate::app::{TestApp, dump};
use crate::on_both;
use crate::route_values::{Fixture, parameters};

on_both!(
    every_route_answers_every_kind_of_caller,
    a_stale_code_leads_to_the_step_up_page,
);

/// What may change although nothing happened: somebody was seen.
const SEEN: &[&str] = &[
    "sessions.last_seen_at",
    "sessions.environment",
    "members.last_activity_at",
];

pub const MADE_UP: &str = "987654321";

#[test]
fn the_table_is_sound() {
    let mut seen = std::collections::HashSet::new();
    for route in routes::table() {
        let Route { method, path, .. } = route;
        assert!(
            seen.insert((*path, *method == Method::Get)),
            "{path} stands twice"
        );
        assert!(
            path.starts_with('/') && (*path == "/" || !path.ends_with('/')),
            "{path}"
        );
        let form = *method == Method::Post && route.fresh_code;
        assert!(
            !form || routes::find(Method::Get, path).is_some(),
            "POST {path} asks for a fresh code, and there is no page to come back to"
        );
        let signed = route.signed.is_some();
        assert!(
            !signed || (*method == Method::Post && route.needs == Needs::Nothing),
            "{path}: signed posts are for other servers"
        );
        let one_click = route.one_click;
        assert!(
            !one_click || (*method == Method::Post && route.needs == Needs::Nothing),
            "{path}: one click is for posts of strangers"
        );
        assert!(
            !one_click || path.contains("{token}"),
            "{path}: nothing proves who clicks"
        );
        assert!(
            route.menu.is_none() || *method == Method::Get,
            "POST {path} is in the menu"
        );
        assert!(
            !route.fresh_code || route.needs != Needs::Nothing,
            "{path}: whose code?"
        );
        assert!(route.max_body <= 1024 * 1024, "{path} reads very much");
    }
    assert!(seen.len() > 40, "only {} routes", seen.len());
}

pub fn is_of_an_account(parameter: &str) -> bool {
    !matches!(
        parameter,
        "environment" | "object" | "token" | "announcement"
    )
}

/// The people who ask.
struct Cast {
    /// Every right in Halden Logistics, and operator.
    with: Person,
    /// A member of Halden Logistics without a platform role, and without a profile: they read no record.
    without: Person,
    /// Every right in another company, and operator.
    outsider: Person,
}

impl Cast {
    async fn new(app: &TestApp) -> Cast {
        let cast = Cast {
            with: app.admin("ada").await,
            without: app.member("bob", &[]).await,
            outsider: app.company("Other Company").admin("olga"),
        };
        cast.with.make_operator();
        cast.outsider.make_operator();
        // Administrators need the permission to export as well.
        for person in [&cast.with, &cast.outsider] {
            crate::app::files::set_export(app, person, true);
        }
        // Never the last administrator.
        app.admin("amy").await;
        cast
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    OurPage,
    /// Our page, but the hidden field is missing.
    WithoutToken,
    Elsewhere,
}

async fn ask(person: &Person, route: &Route, path: &str, from: From) -> Page {
    let site = if from == From::Elsewhere {
        "cross-site"
    } else {
        "same-origin"
    };
    if route.method == Method::Get {
        let request = person.request(reqwest::Method::GET, path);
        return person
            .send(request.header("Sec-Fetch-Site", site), path)
            .await;
    }
    // Elsewhere even has a good token: then only the origin can tell. Asking for one may put a cookie into the browser,
    // so it comes before the request.
    let body = match from {
        From::WithoutToken => String::new(),
        From::OurPage | From::Elsewhere => format!("csrf={}", person.form_token()),
    };
    let mut request = person
        .request(reqwest::Method::POST, path)
        .header("Sec-Fetch-Site", site)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body);
    if from == From::Elsewhere {
        request = request.header("Origin", "https://elsewhere.example");
    }
    person.send(request, path).await
}

fn admits_members(needs: Needs) -> bool {
    matches!(needs, Needs::Nothing | Needs::SignedIn)
}

/// What differs between two answers that say the same: marks of the request, and the address itself.
pub fn masked(page: &Page, path: &str) -> String {
    // The switch leads to the same page of the other environment.
    let elsewhere = path.replacen("/test/", "/commercial/", 1);
    let mut text = page
        .source()
        .replace(path, "PATH")
        .replace(&elsewhere, "ELSEWHERE");
    for (start, end) in [
        ("nonce=\"", '"'),
        ("name=\"csrf\" value=\"", '"'),
        ("Request <span class=\"mono\">", '<'),
    ] {
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once(start) {
            out += before;
            out += start;
            rest = after.find(end).map_or("", |at| &after[at..]);
        }
        text = out + rest;
    }
    let location = page.header("location").replace(path, "PATH");
    format!("{} {location}\n{text}", page.status)
}

async fn every_route_answers_every_kind_of_caller(app: TestApp) {
    let cast = Cast::new(&app).await;
    let mut conn = app.database().connect();
    let mut problems = Vec::new();
    for (number, route) in routes::table().iter().enumerate() {
        let name = format!("{:?} {}", route.method, route.path);
        let mut wrong = |problem: String| problems.push(format!("{name}: {problem}"));
        let fixture = Fixture {
            app: &app,
            admin: &cast.with,
            number,
        };
        let (path, made_up) = fixture.paths(route.path).await;
        let nobody = app.visitor();
        // Sessions of their own, so that a route that ends one takes nobody else's.
        let half = cast.without.other_browser();
        half.start_session(Level::Half);
        for person in [&cast.with, &cast.without, &cast.outsider] {
            person.start_session(Level::Full);
        }
        let everybody = [
            ("nobody", &nobody),
            ("half signed in", &half),
            ("an outsider", &cast.outsider),
            ("a member without the right", &cast.without),
            ("a member with the right", &cast.with),
        ];

        let before = dump(&mut conn, SEEN);
        let post = route.method == Method::Post;
        for (who, person) in everybody {
            if post && !route.one_click && route.signed.is_none() {
                for from in [From::Elsewhere, From::WithoutToken] {
                    let page = ask(person, route, &path, from).await;
                    // Without a token the guard may have been first.
                    let refused =
                        page.status == 403 || (from == From::WithoutToken && page.status == 303);
                    if !refused {
                        wrong(format!("{who}, {from:?}: {} instead of 403", page.status));
                    }
                }
            }
            let sites = if post {
                &[From::OurPage][..]
            } else {
                &[From::OurPage, From::Elsewhere]
            };
            for from in sites {
                if let Some(expected) = refusal(route, who, &path) {
                    let page = ask(person, route, &path, *from).await;
                    let got = format!("{} {}", page.status, page.header("location"));
                    if got.trim() != expected {
                        wrong(format!("{who}, {from:?}: {got} instead of {expected}"));
                    }
                }
            }
        }
        let in_account = parameters(route.path).any(is_of_an_account);
        if in_account && route.needs != Needs::Nothing {
            let page = ask(&cast.outsider, route, &path, From::OurPage).await;
            let nothing = ask(&cast.outsider, route, &made_up, From::OurPage).await;
            if page.status != 404 {
                wrong(format!("an outsider: {} instead of 404", page.status));
            }
            if masked(&page, &path) != masked(&nothing, &made_up) {
                wrong(format!(
                    "an outsider can tell what is there from what is not:\n{}\n--- and\n{}",
                    masked(&page, &path),
                    masked(&nothing, &made_up)
                ));
            }
            let nothing = ask(&cast.with, route, &made_up, From::OurPage).await;
            if nothing.status != 404 {
                wrong(format!(
                    "a made-up number: {} instead of 404",
                    nothing.status
                ));
            }
            for odd in [
                "0",
                "-1",
                "x",
                "1x",
                "%31%00",
                "99999999999999999999",
                "1%2f2",
            ] {
                let odd = made_up.replace(MADE_UP, odd);
                let page = ask(&cast.with, route, &odd, From::OurPage).await;
                if !matches!(page.status, 404 | 400) {
                    wrong(format!("{odd}: {} instead of 404", page.status));
                }
            }
        }
        if dump(&mut conn, SEEN) != before {
            wrong(format!(
                "was refused and changed {:#?}",
                difference(&before, &dump(&mut conn, SEEN))
            ));
        }

        // Now those who may.
        let mut allowed = vec![];
        match route.needs {
            Needs::Nothing => allowed.extend(everybody),
            Needs::HalfSession => allowed.push(everybody[1]),
            needs => {
                if admits_members(needs) {
                    allowed.push(everybody[3]);
                }
                allowed.push(everybody[4]);
            }
        }
        for (who, person) in allowed {
            let page = ask(person, route, &path, From::OurPage).await;
            // The pages behind a mailed link are for those who bring one.
            let no_link = route.needs == Needs::Nothing
                && page.status == 404
                && page.h1() == "This link is not valid any more";
            let good = match route.method {
                Method::Get => matches!(page.status, 200 | 303) || no_link,
                // An empty form is seldom a good one, but never our fault.
                Method::Post => page.status < 500 && page.status != 403,
            };
            if !good {
                wrong(format!("{who}: {} {}", page.status, page.h1()));
            }
            if route.method == Method::Get {
                let request = person.request(reqwest::Method::HEAD, &path);
                let head = person.send(request, &path).await;
                if (head.status, head.body.len()) != (page.status, 0) {
                    wrong(format!(
                        "{who}: HEAD answers {} where GET answers {}",
                        head.status, page.status
                    ));
                }
            }
        }
        if route.method == Method::Get {
            // A download is written to the audit log.
            let before = but_audit(&before);
            let after = but_audit(&dump(&mut conn, SEEN));
            if before != after {
                wrong(format!(
                    "only reads, and changed {:#?}",
                    difference(&before, &after)
                ));
            }
        }
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let known = match method {
                "GET" => routes::find(Method::Get, route.path).is_some(),
                "POST" => routes::find(Method::Post, route.path).is_some(),
                _ => false,
            };
            if !known {
                let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
                let page = nobody
                    .send(nobody.request(method.clone(), &path), &path)
                    .await;
                if page.status != 405 || page.header("allow").is_empty() {
                    wrong(format!("{method}: {} instead of 405", page.status));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The rows without what an entry of the audit log changes.
fn but_audit(rows: &[String]) -> Vec<String> {
    let mut rows: Vec<String> = rows
        .iter()
        .filter(|row| !row.starts_with("audit_entries: "))
        .map(|row| {
            row.split(' ')
                .filter(|part| !part.starts_with("audit_seq=") && !part.starts_with("audit_head="))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    rows.sort();
    rows
}

fn difference(before: &[String], after: &[String]) -> Vec<String> {
    let gone = before
        .iter()
        .filter(|row| !after.contains(row))
        .map(|row| format!("- {row}"));
    let new = after
        .iter()
        .filter(|row| !before.contains(row))
        .map(|row| format!("+ {row}"));
    gone.chain(new).collect()
}

/// Status and `Location` for somebody who may not, or nothing for somebody who may.
fn refusal(route: &Route, who: &str, path: &str) -> Option<String> {
    let to_sign_in = || {
        let has_page = routes::find(Method::Get, route.path).is_some();
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("next", path)
            .finish();
        match has_page && path != "/" {
            true => format!("303 /sign-in?{query}"),
            false => "303 /sign-in".to_owned(),
        }
    };
    match (route.needs, who) {
        (Needs::Nothing, _) => None,
        (_, "nobody") => Some(to_sign_in()),
        (Needs::HalfSession, "half signed in") => None,
        (Needs::HalfSession, _) => Some("303 /".to_owned()),
        (_, "half signed in") => Some("303 /sign-in/code".to_owned()),
        (needs, "a member without the right") if !admits_members(needs) => Some("403".to_owned()),
        _ => None,
    }
}

async fn a_stale_code_leads_to_the_step_up_page(app: TestApp) {
    let cast = Cast::new(&app).await;
    let mut conn = app.database().connect();
    let fresh: Vec<&Route> = routes::table()
        .iter()
        .filter(|route| route.fresh_code)
        .collect();
    assert!(!fresh.is_empty());
    let mut paths = Vec::new();
    for (number, route) in fresh.iter().enumerate() {
        let fixture = Fixture {
            app: &app,
            admin: &cast.with,
            number,
        };
        paths.push(fixture.paths(route.path).await.0);
    }
    cast.with.start_session(Level::Full);
    app.forward(Duration::from_secs(15 * 60 + 1));
    let before = dump(&mut conn, SEEN);
    for (route, path) in fresh.iter().zip(&paths) {
        let page = ask(&cast.with, route, path, From::OurPage).await;
        let next = form_urlencoded::Serializer::new(String::new())
            .append_pair("next", path)
            .finish();
        page.expect_redirect(&format!("/step-up?{next}"));
    }
    assert_eq!(dump(&mut conn, SEEN), before);
}
