//! Debian's Chromium, driven through chromedriver, as a person would use it: by the words on the page.
//!
//! One chromedriver serves the test process; each [`Browser`] is a session with a profile of its own.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use super::process::{self, Server};
use super::wait;

/// Headless, as any user, and without a request to anything but the page.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--lang=en-US",
];

/// Where files go, in the profile.
const DOWNLOADS: &str = "downloads";

/// What axe looks at: WCAG A and AA up to 2.2, and what axe itself calls best practice.
const AXE: &str = r#"
const done = arguments[arguments.length - 1];
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const only = arguments[0] ? { type: "rule", values: arguments[0] } : { type: "tag", values: tags };
axe.run(document, { runOnly: only, resultTypes: ["violations"] }).then(
  found => done(found.violations.flatMap(v => v.nodes.map(n => `${v.id}: ${v.help}: ${n.target.join(" ")}: ${n.html}`))),
  problem => done([`axe failed: ${problem}`]));
"#;

/// What kind of browser a person has.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Size of the page in CSS pixels.
    pub width: u32,
    pub height: u32,
    /// The system prefers dark.
    pub dark: bool,
    /// False: JavaScript is switched off in the browser's settings.
    pub javascript: bool,
    /// A phone: touch, and a viewport that obeys the page's `meta`.
    pub mobile: bool,
    /// Letters twice as large, by the browser's settings. Stays as it was opened.
    pub large_text: bool,
}

impl Options {
    /// A desktop, light, with JavaScript.
    pub const DESKTOP: Options = Options {
        width: 1280,
        height: 800,
        dark: false,
        javascript: true,
        mobile: false,
        large_text: false,
    };
    /// A phone, light, with JavaScript.
    pub const PHONE: Options = Options {
        width: 390,
        height: 844,
        mobile: true,
        ..Options::DESKTOP
    };

    /// The same in dark.
    pub fn dark(self) -> Options {
        Options { dark: true, ..self }
    }

    /// The same with JavaScript switched off.
    pub fn without_javascript(self) -> Options {
        Options {
            javascript: false,
            ..self
        }
    }
}

/// A browser window with a fresh profile. Closed with its value.
pub struct Browser {
    /// For what the methods here do not cover.
    pub client: Client,
    session: String,
    profile: TempDir,
}

impl Browser {
    /// Opens a window.
    pub async fn open(options: Options) -> Browser {
        let driver = driver();
        let profile = TempDir::new_in(&driver.dir).expect("cannot make a profile folder");
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(options, profile.path()))
            .connect(&driver.address())
            .await
            .unwrap_or_else(|e| panic!("Chromium does not start: {e}"));
        let session = client.session_id().await.ok().flatten();
        let browser = Browser {
            client,
            session: session.expect("a new session has an id"),
            profile,
        };
        browser.emulate(options).await;
        browser
    }

    /// Changes size and colour scheme of an open window; JavaScript stays as it was opened.
    pub async fn emulate(&self, options: Options) {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": options.width, "height": options.height, "deviceScaleFactor": 1, "mobile": options.mobile}),
        )
        .await;
        self.devtools(
            "Emulation.setTouchEmulationEnabled",
            json!({"enabled": options.mobile}),
        )
        .await;
        let scheme = if options.dark { "dark" } else { "light" };
        // Without motion a screenshot or a look at the colours never falls into a transition.
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({"features": [
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ]}),
        )
        .await;
    }

    /// Opens an address; one that starts with `/` is on the server of the current page.
    pub async fn goto(&self, address: &str) {
        let gone = self.client.goto(address).await;
        gone.unwrap_or_else(|e| panic!("cannot open {address}: {e}"));
    }

    /// The words a person can see.
    pub async fn text(&self) -> String {
        let text = async || {
            let body = self.client.find(Locator::Css("body")).await.ok()?;
            body.text().await.ok()
        };
        wait::until(text).await.unwrap_or_default()
    }

    /// Waits until the words are on the page.
    pub async fn see(&self, words: &str) {
        let seen = wait::until(async || self.text().await.contains(words).then_some(())).await;
        if seen.is_none() {
            self.fail(&format!("\"{words}\" is not to be seen")).await;
        }
    }

    /// The words of the first element that fits a CSS selector, as soon as it is there.
    pub async fn words(&self, selector: &str) -> String {
        let words = wait::until(async || {
            let found = self.client.find(Locator::Css(selector)).await.ok()?;
            found.text().await.ok()
        });
        match words.await {
            Some(words) => words,
            None => self.fail(&format!("no {selector}")).await,
        }
    }

    /// Puts a cookie, `name=value`, into the browser for the server at this address.
    pub async fn set_cookie(&self, server: &str, cookie: &str) {
        let (name, value) = cookie.split_once('=').expect("a cookie has a name");
        self.devtools(
            "Network.setCookie",
            json!({"url": server, "name": name, "value": value}),
        )
        .await;
    }

    /// Presses keys, as WebDriver names them, wherever the focus is.
    pub async fn keys(&self, keys: &str) {
        let pressed = async {
            let focused = self.client.active_element().await?;
            focused.send_keys(keys).await
        };
        if let Err(e) = pressed.await {
            self.fail(&format!("cannot press keys: {e}")).await;
        }
    }

    /// The path of the current page, without its query.
    pub async fn current_path(&self) -> String {
        let url = self.client.current_url().await;
        url.expect("a page has an address").path().to_owned()
    }

    /// Waits until the page is the one at this path.
    pub async fn wait_for_path(&self, path: &str) {
        let there = wait::until(async || (self.current_path().await == path).then_some(())).await;
        if there.is_none() {
            self.fail(&format!("never came to {path}")).await;
        }
    }

    /// Types into the field with this label, in place of what is there. A name that starts with `#`, `.` or `[` is a CSS selector.
    pub async fn fill(&self, field: &str, value: &str) {
        let found = self.field(field).await;
        let typed = async {
            if found.attr("type").await?.as_deref() != Some("file") {
                found.clear().await?;
            }
            found.send_keys(value).await
        };
        if let Err(e) = typed.await {
            self.fail(&format!("cannot type into \"{field}\": {e}"))
                .await;
        }
    }

    /// Chooses an entry of the list with this label.
    pub async fn choose(&self, field: &str, entry: &str) {
        if let Err(e) = self.field(field).await.select_by_label(entry).await {
            self.fail(&format!("cannot choose \"{entry}\" in \"{field}\": {e}"))
                .await;
        }
    }

    /// Ticks, or unticks, the box with this label, or picks the radio button.
    pub async fn tick(&self, field: &str, ticked: bool) {
        let found = self.field(field).await;
        let changed = async {
            if found.is_selected().await? != ticked {
                found.click().await?;
            }
            Ok::<_, CmdError>(())
        };
        if let Err(e) = changed.await {
            self.fail(&format!("cannot tick \"{field}\": {e}")).await;
        }
    }

    /// What is in the field with this label.
    pub async fn value(&self, field: &str) -> String {
        let value = self.field(field).await.prop("value").await;
        value.ok().flatten().unwrap_or_default()
    }

    /// Presses the visible button, or follows the link, with these words (or this `aria-label`) as soon as it is there.
    pub async fn press(&self, words: &str) {
        let words = quoted(words);
        let path = format!(
            "//*[self::a or self::button or self::summary or @role='button']\
               [normalize-space()={words} or normalize-space(@aria-label)={words}]\
             | //input[@type='submit'][@value={words}]"
        );
        let mut problem = String::from("there is none");
        let pressed = wait::until(async || {
            let button = self.first_visible(&path).await?;
            match button.click().await {
                Ok(()) => Some(()),
                Err(e) => {
                    problem = e.to_string();
                    None
                }
            }
        })
        .await;
        if pressed.is_none() {
            self.fail(&format!("cannot press {words}: {problem}")).await;
        }
    }

    /// The bytes of a file that was downloaded under this name, as soon as it is there.
    pub async fn downloaded(&self, name: &str) -> Vec<u8> {
        let file = self.profile.path().join(DOWNLOADS).join(name);
        // It has another name until it is whole.
        match wait::until(async || std::fs::read(&file).ok()).await {
            Some(bytes) => bytes,
            None => self.fail(&format!("{name} was not downloaded")).await,
        }
    }

    /// Saves a picture of the whole page, as long as it is.
    pub async fn screenshot(&self, path: &Path) {
        let page = self.devtools("Page.getLayoutMetrics", json!({})).await;
        let size = &page["cssContentSize"];
        let shot = json!({
            "captureBeyondViewport": true,
            "clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1},
        });
        let shot = self.devtools("Page.captureScreenshot", shot).await;
        let png =
            base64::prelude::BASE64_STANDARD.decode(shot["data"].as_str().unwrap_or_default());
        std::fs::create_dir_all(path.parent().unwrap_or(path)).expect("cannot make a folder");
        std::fs::write(path, png.expect("a picture is base64")).expect("cannot save a picture");
    }

    /// What axe has against the page: one line for each element, none when all is well. Needs JavaScript.
    pub async fn axe(&self) -> Vec<String> {
        self.run_axe(Value::Null).await
    }

    /// The same for what can differ when only the colours have changed since.
    pub async fn axe_of_colours(&self) -> Vec<String> {
        self.run_axe(json!(["color-contrast", "link-in-text-block"]))
            .await
    }

    async fn run_axe(&self, rules: Value) -> Vec<String> {
        let run = async {
            // Scripts of the driver are outside the page's content security policy.
            self.client.execute(axe_source(), vec![]).await?;
            self.client.execute_async(AXE, vec![rules]).await
        };
        let found = run
            .await
            .unwrap_or_else(|e| panic!("axe does not run: {e}"));
        serde_json::from_value(found).expect("axe's answer is a list of lines")
    }

    /// True when the page is wider than the window: a person would have to scroll sideways.
    pub async fn overflows(&self) -> bool {
        let page = self.devtools("Page.getLayoutMetrics", json!({})).await;
        page["cssContentSize"]["width"].as_f64() > page["cssLayoutViewport"]["clientWidth"].as_f64()
    }

    /// Warnings and errors the browser wrote to its console since the last call: script errors, violations of the content
    /// security policy, files that did not load. That a *page* was answered with an error status is not one.
    pub async fn problems(&self) -> Vec<String> {
        let log = self.command("se/log", json!({"type": "browser"})).await;
        let lines = log.as_array().into_iter().flatten();
        lines
            .filter(|line| matches!(line["level"].as_str(), Some("WARNING" | "SEVERE")))
            .filter_map(|line| {
                let message = line["message"].as_str().unwrap_or_default();
                (line["source"] != "network" || names_a_file(message)).then(|| message.to_owned())
            })
            .collect()
    }

    /// Sends a command of Chromium's own protocol and gives its answer.
    pub async fn devtools(&self, command: &str, params: Value) -> Value {
        self.command(
            "goog/cdp/execute",
            json!({"cmd": command, "params": params}),
        )
        .await
    }

    async fn command(&self, path: &'static str, body: Value) -> Value {
        let name = body.to_string();
        let answer = self.client.issue_cmd(Extension { path, body }).await;
        answer.unwrap_or_else(|e| panic!("chromedriver refuses {name}: {e}"))
    }

    async fn field(&self, name: &str) -> Element {
        let found = wait::until(async || {
            if name.starts_with(['#', '.', '[']) {
                return self.client.find(Locator::Css(name)).await.ok();
            }
            let words = quoted(name);
            // The exact label first; else one that goes on, as with "(optional)" or a hint.
            for label in [
                format!("normalize-space()={words}"),
                format!("starts-with(normalize-space(), {words})"),
            ] {
                let path = format!(
                    "//*[self::input or self::select or self::textarea]\
                       [@id=//label[{label}]/@for or ancestor::label[{label}] or normalize-space(@aria-label)={words}]"
                );
                if let Some(found) = self.first_visible(&path).await {
                    return Some(found);
                }
            }
            None
        })
        .await;
        match found {
            Some(found) => found,
            None => self.fail(&format!("no field \"{name}\"")).await,
        }
    }

    async fn first_visible(&self, path: &str) -> Option<Element> {
        for element in self.client.find_all(Locator::XPath(path)).await.ok()? {
            if element.is_displayed().await.unwrap_or(false) {
                return Some(element);
            }
        }
        None
    }

    /// Ends the test with what a person would see now.
    async fn fail(&self, what: &str) -> ! {
        let address = self.client.current_url().await;
        let address = address.map(String::from).unwrap_or_default();
        panic!("{what} on {address}:\n{}", self.text().await)
    }
}

impl Drop for Browser {
    /// Closes the window. `Client` would do it in its own time, and not at all when the runtime ends first.
    fn drop(&mut self) {
        let close = || {
            let mut driver = TcpStream::connect(("127.0.0.1", driver().port))?;
            driver.set_read_timeout(Some(Duration::from_secs(10)))?;
            write!(
                driver,
                "DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                self.session
            )?;
            // Its answer comes when the window is closed; the connection stays open after it.
            driver.read(&mut [0; 512])
        };
        let _ = close();
    }
}

/// A command beyond the WebDriver standard.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.path
        ))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

struct Driver {
    dir: PathBuf,
    port: u16,
    _server: Server,
}

impl Driver {
    fn address(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

fn driver() -> &'static Driver {
    static DRIVER: OnceLock<Driver> = OnceLock::new();
    DRIVER.get_or_init(|| {
        let program = process::program("chromedriver");
        let dir = process::folder("browser", None);
        let mut server = Server::start(
            &dir,
            "TERM",
            None,
            &[program.as_ref(), OsStr::new("--port=0")],
        );
        // "ChromeDriver was started successfully on port 34567."
        let port = loop {
            let line = server.line();
            let line = line.unwrap_or_else(|| panic!("no chromedriver: {}", process::log(&dir)));
            if let Some((_, port)) = line.split_once("successfully on port ") {
                break port.trim_end_matches('.').parse().expect("a port");
            }
        };
        Driver {
            dir,
            port,
            _server: server,
        }
    })
}

fn capabilities(options: Options, profile: &Path) -> Capabilities {
    let mut flags: Vec<String> = FLAGS.map(str::to_owned).into();
    flags.push(format!("--user-data-dir={}", profile.display()));
    flags.push(format!(
        "--window-size={},{}",
        options.width, options.height
    ));
    let mut chrome = json!({"args": flags, "binary": process::program("chromium")});
    let mut prefs = json!({"download.default_directory": profile.join(DOWNLOADS)});
    if !options.javascript {
        prefs["profile.managed_default_content_settings.javascript"] = json!(2);
    }
    if options.large_text {
        prefs["webkit.webprefs.default_font_size"] = json!(32);
    }
    chrome["prefs"] = prefs;
    Capabilities::from_iter([
        ("goog:chromeOptions".to_owned(), chrome),
        ("goog:loggingPrefs".to_owned(), json!({"browser": "ALL"})),
    ])
}

/// axe-core, which the test command puts beside the test program's build.
fn axe_source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let test = std::env::current_exe().unwrap_or_default();
        let file = test.ancestors().find_map(|dir| {
            let file = dir.join("axe/axe.min.js");
            file.is_file().then_some(file)
        });
        let file = file.unwrap_or_else(|| panic!("axe-core is missing: {}", process::INSTALL));
        std::fs::read_to_string(file).expect("cannot read axe-core")
    })
}

/// Whether the address a console line begins with is that of a file (`/static/ui.css`) and not of a page.
fn names_a_file(message: &str) -> bool {
    let address = message.split(' ').next().and_then(|a| Url::parse(a).ok());
    address.is_none_or(|address| {
        let last = address
            .path_segments()
            .and_then(|mut parts| parts.next_back());
        last.is_some_and(|last| last.contains('.'))
    })
}

/// The words as a string of XPath, which knows no escapes.
fn quoted(words: &str) -> String {
    if words.contains('"') {
        format!("'{words}'")
    } else {
        format!("\"{words}\"")
    }
}
