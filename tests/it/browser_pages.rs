//! Every page a person can open, as a person may look at it: light and dark, on a desk and on a phone, in a very narrow
//! window, with text twice as large. axe finds nothing, the browser complains of nothing, nothing is wider than the
//! window. The pages are the same on both databases, so one of them is enough.

use std::io::Write;

use fantoccini::Locator;
use flate2::Compression;
use flate2::write::GzEncoder;
use insight::access::Needs;
use insight::accounts::first_start;
use insight::routes::{self, Method, Route};
use insight::subscribers::unsubscribe::Deed;

use crate::app::browser::{Browser, Options};
use crate::app::people::{Level, PASSWORD, Person, Role};
use crate::app::{Backend, OnBackend, TestApp, wait};
use crate::route_values::Fixture;

/// Files: a browser keeps them instead of showing them.
const DOWNLOADS: &[&str] = &[
    "/{environment}/records/{object}/export/{export}/file",
    "/{environment}/records/{object}/import/{import}/rejected",
];

/// Pages that are a step of some way and not there without the step before; the tests of this file go those ways.
const ON_THE_WAY: &[&str] = &[
    "/setup",
    "/setup/two-factor",
    "/register",
    "/register/two-factor",
    "/new-password",
    "/set-up-access",
    "/set-up-access/two-factor",
    "/recovery-codes",
    "/security/two-factor/new",
    "/shared/insight-users/invitations/{invitation}/copy-link",
];

/// A window somebody looks at pages with, and what was wrong with them.
pub struct Look<'a> {
    app: &'a TestApp,
    pub browser: Browser,
    /// The same person's browser with letters twice as large.
    large: Option<Browser>,
    problems: Vec<String>,
}

impl<'a> Look<'a> {
    async fn new(app: &'a TestApp) -> Look<'a> {
        let browser = Browser::open(Options::DESKTOP).await;
        Look {
            app,
            browser,
            large: None,
            problems: Vec::new(),
        }
    }

    /// With a session of this person.
    pub async fn of(app: &'a TestApp, person: &Person, level: Level) -> Look<'a> {
        let look = Look::new(app).await;
        look.sign_in(person, level).await;
        look
    }

    /// Looks at pages with large letters too.
    pub async fn with_large_text(mut self) -> Look<'a> {
        let large = Options {
            large_text: true,
            ..Options::DESKTOP
        };
        self.large = Some(Browser::open(large).await);
        self
    }

    async fn sign_in(&self, person: &Person, level: Level) {
        let context = self.app.context();
        for browser in [Some(&self.browser), self.large.as_ref()]
            .into_iter()
            .flatten()
        {
            let token = context.session(person.user(), person.account(), level);
            let cookie = context.session_cookie(&token);
            browser.set_cookie(&self.app.base(), &cookie).await;
        }
    }

    fn address(&self, path: &str) -> String {
        match path.starts_with('/') {
            true => format!("{}{path}", self.app.base()),
            false => path.to_owned(),
        }
    }

    pub async fn goto(&self, path: &str) {
        self.browser.goto(&self.address(path)).await;
    }

    /// Opens a page and looks at it from all sides.
    pub async fn page(&mut self, path: &str, status: u16) {
        self.goto(path).await;
        self.here(path, status).await;
        if let Some(large) = &self.large {
            large.goto(&self.address(path)).await;
            if large.overflows().await {
                self.wrong(path, "letters twice as large: wider than the window");
            }
        }
    }

    /// Looks at the page that is open.
    pub async fn here(&mut self, name: &str, status: u16) {
        const STATUS: &str = "return performance.getEntriesByType('navigation')[0].responseStatus";
        // A form that was sent may still be on its way.
        let mut got = serde_json::Value::Null;
        let arrived = wait::until(async || {
            got = self.script(STATUS).await;
            (got == u64::from(status)).then_some(())
        })
        .await;
        if arrived.is_none() {
            let heading = self.browser.words("h1").await;
            self.wrong(name, &format!("{got} \"{heading}\" instead of {status}"));
        }
        for options in [Options::DESKTOP, Options::PHONE.dark()] {
            self.browser.emulate(options).await;
            self.state(name, options).await;
            let other = Options {
                dark: !options.dark,
                ..options
            };
            self.browser.emulate(other).await;
            let found = self.browser.axe_of_colours().await;
            self.found(name, other, found);
        }
        let narrow = Options {
            width: 320,
            // A phone would shrink the page until it fits, and nothing would be too wide.
            mobile: false,
            ..Options::PHONE
        };
        self.browser.emulate(narrow).await;
        self.width(name, "320 px wide").await;
        self.browser.emulate(Options::DESKTOP).await;
        for problem in self.browser.problems().await {
            self.wrong(name, &problem);
        }
    }

    /// Looks at the page as it is, with whatever is open on it.
    pub async fn state(&mut self, name: &str, options: Options) {
        let found = self.browser.axe().await;
        self.found(name, options, found);
        self.width(name, &format!("{} px", options.width)).await;
    }

    fn found(&mut self, name: &str, options: Options, found: Vec<String>) {
        let light = if options.dark { "dark" } else { "light" };
        for found in found {
            self.wrong(name, &format!("{light}, {} px: {found}", options.width));
        }
    }

    async fn width(&mut self, name: &str, how: &str) {
        if self.browser.overflows().await {
            self.wrong(name, &format!("{how}: wider than the window"));
        }
    }

    async fn script(&self, script: &str) -> serde_json::Value {
        let done = self.browser.client.execute(script, vec![]).await;
        done.unwrap_or_else(|e| panic!("{script}: {e}"))
    }

    fn wrong(&mut self, name: &str, problem: &str) {
        self.problems.push(format!("{name}: {problem}"));
    }

    pub fn done(self) {
        assert!(self.problems.is_empty(), "{}", self.problems.join("\n"));
    }
}

fn sqlite() -> TestApp {
    TestApp::on(Backend::Sqlite)
}

/// GET pages with these needs.
fn pages(wanted: impl Fn(Needs) -> bool) -> impl Iterator<Item = (usize, &'static Route)> {
    routes::table()
        .iter()
        .enumerate()
        .filter(move |(_, route)| {
            route.method == Method::Get
                && wanted(route.needs)
                && !ON_THE_WAY.contains(&route.path)
                && !route.path.ends_with(".csv")
                && !DOWNLOADS.contains(&route.path)
                && route.path != "/"
        })
}

#[actix_web::test]
async fn every_page_of_an_administrator_is_for_everybody() {
    let app = sqlite();
    let ada = app.admin("ada").await;
    ada.make_operator();
    app.let_export(&ada);
    let look = Look::new(&app).await;
    let mut look = look.with_large_text().await;
    look.sign_in(&ada, Level::Full).await;
    for (number, route) in pages(|n| !matches!(n, Needs::Nothing | Needs::HalfSession)) {
        let fixture = Fixture {
            app: &app,
            admin: &ada,
            number,
        };
        let (path, _) = fixture.paths(route.path).await;
        look.page(&path, 200).await;
    }
    look.page("/commercial", 200).await;
    // One's own row.
    for action in ["roles", "reset-2fa", "remove"] {
        let path = format!("/shared/insight-users/members/{}/{action}", ada.member());
        look.page(&path, 200).await;
    }
    look.done();
}

#[actix_web::test]
async fn every_page_before_signing_in_is_for_everybody() {
    let app = sqlite();
    let ada = app.admin("ada").await;
    let mut look = Look::new(&app).await.with_large_text().await;
    for (number, route) in pages(|needs| needs == Needs::Nothing) {
        let fixture = Fixture {
            app: &app,
            admin: &ada,
            number,
        };
        // No link of a mail is what the fixture makes up: these are the pages of dead links.
        let status = if route.path.contains("{token}") {
            404
        } else {
            200
        };
        let (path, _) = fixture.paths(route.path).await;
        look.page(&path, status).await;
    }
    let leave = Deed::OptOut(ada.user()).path(&app.keys);
    look.page(&leave, 200).await;
    look.browser.press("Unsubscribe").await;
    look.here("unsubscribed", 200).await;

    look.goto("/sign-in").await;
    look.browser.press("Sign in").await;
    look.here("a refused sign-in", 422).await;
    look.goto("/forgot-password").await;
    look.browser.fill("E-mail", ada.email()).await;
    look.browser.press("Send the link").await;
    look.here("a link on its way", 200).await;
    look.goto(&app.last_mail_to(&ada).link("/new-password/"))
        .await;
    look.here("a new password", 200).await;
    look.page("/nothing", 404).await;

    look.sign_in(&ada, Level::Half).await;
    for (_, route) in pages(|needs| needs == Needs::HalfSession) {
        look.page(route.path, 200).await;
    }
    look.browser.press("Use a recovery code").await;
    look.here("a recovery code instead", 200).await;
    look.browser.press("Sign in").await;
    look.here("a refused recovery code", 422).await;
    look.done();
}

#[actix_web::test]
async fn every_step_of_setting_up_is_for_everybody() {
    let app = sqlite();
    let mut look = Look::new(&app).await;
    let link = first_start::link(&app).expect("asks the database");
    look.page(&link.expect("there is no account yet"), 200)
        .await;
    look.browser.press("Continue").await;
    look.here("a refused set-up", 422).await;
    for (field, value) in [
        ("Company name", "Halden Logistics"),
        ("Name", "Ada Lind"),
        ("E-mail", "ada@halden.example"),
        ("Password", PASSWORD),
        ("Repeat password", PASSWORD),
    ] {
        look.browser.fill(field, value).await;
    }
    look.browser.press("Continue").await;
    look.here("/setup/two-factor", 200).await;
    look.browser.press("Confirm").await;
    look.here("a refused code", 422).await;
    prove(&mut look, &app.visitor()).await;
    // Nobody else, nobody invited, nobody subscribed.
    look.here("a new company", 200).await;
    look.done();
}

/// Types a code of the secret on the page, looks at the recovery codes and goes on.
async fn prove(look: &mut Look<'_>, authenticator: &Person) {
    authenticator.scan_text(&look.browser.words("#secret").await);
    let code = authenticator.code();
    look.browser.fill("Six-digit code", &code).await;
    look.browser.press("Confirm").await;
    look.browser.wait_for_path("/recovery-codes").await;
    look.here("/recovery-codes", 200).await;
    look.browser.tick("I have saved these codes", true).await;
    look.browser.press("Continue to Insight").await;
}

#[actix_web::test]
async fn every_step_of_inviting_and_registering_is_for_everybody() {
    let app = sqlite();
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[]).await;
    let mut look = Look::of(&app, &ada, Level::Full).await;
    look.goto("/shared/insight-users/invite").await;
    look.browser.press("Send").await;
    look.here("a refused invitation", 422).await;
    let addresses = format!("new@halden.example, {}, nonsense", bob.email());
    look.browser.fill("E-mail addresses", &addresses).await;
    look.browser.press("Send").await;
    look.here("results of inviting", 200).await;
    look.goto("/shared/insight-users").await;
    look.browser
        .press("More actions for the invitation to new@halden.example")
        .await;
    look.browser.press("Copy link").await;
    look.here("a copied link", 200).await;
    let link = look.browser.words("#link").await;

    let mut colleague = Look::new(&app).await;
    colleague.page(&link, 200).await;
    colleague.browser.press("Continue").await;
    colleague.here("a refused registration", 422).await;
    colleague.browser.fill("Name", "Nia New").await;
    colleague.browser.fill("Password", PASSWORD).await;
    colleague.browser.fill("Repeat password", PASSWORD).await;
    colleague.browser.press("Continue").await;
    colleague.here("/register/two-factor", 200).await;
    prove(&mut colleague, &app.visitor()).await;
    colleague.here("a colleague's first page", 200).await;
    colleague.page("/shared/insight-users", 403).await;
    colleague.done();

    // Joining a second company.
    let other = app.company("Other Company").admin("olga");
    let form = other.open("/shared/insight-users/invite").await;
    let form = form.fill("E-mail addresses", ada.email());
    form.press("Send").await.expect_status(200);
    look.page(&app.last_mail_to(&ada).link("/register/"), 200)
        .await;
    look.done();
}

#[actix_web::test]
async fn every_step_of_proving_oneself_is_for_everybody() {
    let app = sqlite();
    let ada = app.admin("ada").await;
    let bob = app.member("bob", &[Role::Viewer]).await;
    let mut look = Look::of(&app, &ada, Level::Full).await;
    look.goto("/security/two-factor").await;
    look.browser.press("Continue").await;
    look.here("a refused change of two-factor", 422).await;
    look.browser.fill("Current password", PASSWORD).await;
    look.browser
        .fill("Current six-digit code", &ada.code())
        .await;
    look.browser.press("Continue").await;
    look.here("/security/two-factor/new", 200).await;
    prove(&mut look, &ada).await;

    let reset = format!("/shared/insight-users/members/{}/reset-2fa", bob.member());
    app.forward(std::time::Duration::from_secs(16 * 60));
    look.goto(&reset).await;
    look.browser.wait_for_path("/step-up").await;
    look.here("a fresh code", 200).await;
    look.browser.press("Continue").await;
    look.here("a refused fresh code", 422).await;
    look.browser.fill("Six-digit code", &ada.code()).await;
    look.browser.press("Continue").await;
    look.browser.tick("The password is lost too", true).await;
    look.browser.press("Reset 2FA").await;
    look.here("after a reset", 200).await;
    look.page(&reset, 200).await;

    let mut colleague = Look::new(&app).await;
    let link = app.last_mail_to(&bob).link("/set-up-access/");
    colleague.page(&link, 200).await;
    colleague.browser.fill("New password", PASSWORD).await;
    colleague
        .browser
        .fill("Repeat new password", PASSWORD)
        .await;
    colleague.browser.press("Continue").await;
    colleague.here("/set-up-access/two-factor", 200).await;
    colleague.done();
    look.done();
}

/// More people than fit on one page, with long names.
async fn crowd(app: &TestApp) -> Person {
    let ada = app.admin("ada").await;
    let company = app.halden().await;
    for number in 0..59 {
        let email = format!("somebody.with.a.rather.long.address.{number}@halden.example");
        let roles = [Role::Viewer, Role::Technician, Role::Admin];
        company.person(
            &format!("Maximiliane Konstantinopolitanska-Wolff {number}"),
            &email,
            &roles[..number % 4],
        );
    }
    ada
}

#[actix_web::test]
async fn long_lists_and_open_menus_are_for_everybody() {
    let app = sqlite();
    let ada = crowd(&app).await;
    ada.make_operator();
    for number in 0..55 {
        let fixture = Fixture {
            app: &app,
            admin: &ada,
            number,
        };
        fixture
            .paths("/{invitation}/{subscriber}/{announcement}/{field}")
            .await;
    }
    app.company("Other Company").add(&ada, &[Role::Viewer]);
    let mut look = Look::new(&app).await.with_large_text().await;
    look.sign_in(&ada, Level::Full).await;
    let long = "One of several long choices; ".repeat(8);
    app.sql(&format!(
        "UPDATE custom_fields SET kind = 'choice', choices = '{long}' WHERE label = 'Field 1'"
    ))
    .expect("a choice");
    app.sql("UPDATE custom_fields SET retired_at = 1 WHERE label IN ('Field 2', 'Field 3')")
        .expect("retired fields");
    let people = "/shared/insight-users";
    let fields = "/settings/permissions/fields?object=leads";
    for path in [people, fields, "/settings/audit-log", "/product-updates"] {
        look.page(path, 200).await;
    }
    look.page("/shared/insight-users?q=nobody-is-called-this", 200)
        .await;

    let name = "Maximiliane Konstantinopolitanska-Wolff 58";
    for options in [Options::DESKTOP, Options::PHONE.dark()] {
        look.browser.emulate(options).await;
        look.goto(&format!("{people}?q=wolff+58")).await;
        look.browser.press(&format!("Actions for {name}")).await;
        look.browser.see("Manage roles").await;
        look.state("an open row menu", options).await;
        look.goto(people).await;
        let me = look.browser.client.find(Locator::Css("[popovertarget=me]"));
        let me = me.await.expect("one's own name");
        me.click().await.expect("opens the menu");
        look.browser.see("Sign out").await;
        look.state("the open menu of oneself", options).await;
        look.goto(people).await;
        if options.mobile {
            look.browser.press("Open menu").await;
            look.browser.see("Switch account").await;
            look.state("the open drawer", options).await;
            look.browser.press("Switch account").await;
        } else {
            look.browser.press("Halden Logistics, switch account").await;
        }
        look.browser.see("Other Company").await;
        look.state("the open menu of accounts", options).await;
    }
    let complaints = look.browser.problems().await;
    look.problems.extend(complaints);
    look.done();
}

pub fn gzipped(bytes: &[u8]) -> usize {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).expect("writes to memory");
    out.finish().expect("writes to memory").len()
}

#[actix_web::test]
async fn a_page_of_fifty_people_is_light() {
    let app = sqlite();
    let ada = crowd(&app).await;
    let page = ada.get("/shared/insight-users").await;
    page.expect_status(200);
    assert_eq!(page.section("Members").all("tbody tr th .person").len(), 50);
    let html = gzipped(&page.body);
    assert!(html < 30_000, "{html} bytes of HTML");
    let nodes = page.all("*").len();
    let mut files = 0;
    for (selector, attribute) in [("link[rel=stylesheet]", "href"), ("script[src]", "src")] {
        for file in page.all(selector) {
            let file = ada.get(file.attr(attribute).unwrap_or_default()).await;
            file.expect_status(200);
            files += gzipped(&file.body);
        }
    }
    assert!(files < 40_000, "{files} bytes of style sheets and scripts");
    assert!(nodes < 2_500, "{nodes} elements");
}
