//! Companies and the people in them, each with a browser of their own.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actix_web::cookie::{Cookie, CookieJar, Key};
use diesel::prelude::*;
use flate2::read::GzDecoder;
use insight::App;
use insight::access::PlatformRoles;
use insight::accounts::{self, Grants};
use insight::credentials::email::Email;
use insight::credentials::keys::Purpose;
use insight::credentials::passwords::{self, Password};
use insight::credentials::second_factor;
use insight::credentials::tokens::{Token, TokenKind};
use insight::credentials::totp::Secret;
use insight::db::types::{AccountId, MemberId, UserId};
use insight::schema::{accounts as accounts_table, sessions, users};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};

use super::page::{Page, Submission};
use super::rules;

/// Everybody's password in the beginning.
pub const PASSWORD: &str = "thirty-four quiet plinths";

/// A platform role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Viewer,
    Technician,
    Admin,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Between password and code.
    Half,
    Full,
}

/// What everybody shares: the application, its clock, its address.
#[derive(Clone)]
pub struct Context {
    pub app: Arc<App>,
    clock: Arc<AtomicI64>,
    pub address: SocketAddr,
}

impl Context {
    pub(super) fn new(app: Arc<App>, clock: Arc<AtomicI64>, address: SocketAddr) -> Context {
        Context {
            app,
            clock,
            address,
        }
    }

    pub(super) fn forward(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).expect("not that long");
        self.clock.fetch_add(micros, Ordering::SeqCst);
    }

    pub fn company(&self, name: &str) -> Company {
        let id = self.app.system_write(|tx| accounts::create(tx, name));
        Company {
            context: self.clone(),
            id: id.expect("makes a company"),
            name: name.to_owned(),
        }
    }

    pub fn visitor(&self) -> Person {
        Person(Rc::new(Inner {
            context: self.clone(),
            client: client(),
            server: Cell::new(self.address),
            cookies: RefCell::default(),
            headers: RefCell::default(),
            secret: Rc::default(),
            last_step: Rc::default(),
            identity: None,
        }))
    }

    /// Starts a session past the pages and gives its token. The pages of signing in are the business of their own
    /// tests; everybody else's would only get slower, and break with them.
    pub fn session(&self, user: UserId, account: AccountId, level: Level) -> Token {
        let token = Token::new(TokenKind::Session);
        let (number, life) = match level {
            Level::Half => (1, insight::credentials::sessions::HALF_LIFETIME),
            Level::Full => (2, insight::credentials::sessions::LIFETIME),
        };
        self.app
            .system_write(|tx| {
                let now = tx.now();
                diesel::insert_into(sessions::table)
                    .values((
                        sessions::token_hash.eq(token.hash().to_vec()),
                        sessions::user_id.eq(user),
                        sessions::account_id.eq(account),
                        sessions::level.eq(number),
                        sessions::created_at.eq(now),
                        sessions::last_seen_at.eq(now),
                        sessions::expires_at.eq(now + life),
                        sessions::code_at.eq(now),
                        sessions::address.eq("127.0.0.1"),
                        sessions::device.eq("Chrome on Windows"),
                    ))
                    .execute(tx.conn())?;
                Ok(())
            })
            .expect("starts a session");
        token
    }

    /// The cookie of a session, as `name=value`.
    pub fn session_cookie(&self, token: &Token) -> String {
        let key = Key::derive_from(self.app.keys.oldest(Purpose::Cookie).as_slice());
        let name = self.app.config.cookie_name("sid");
        let mut jar = CookieJar::new();
        jar.signed_mut(&key)
            .add(Cookie::new(name.clone(), token.expose().to_owned()));
        let signed = jar.get(&name).expect("was just added");
        signed.stripped().encoded().to_string()
    }
}

/// A browser's own way to the server: nothing is followed, kept or retried that a test did not ask for.
pub fn client() -> Client {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(super::wait::DEADLINE)
        .build()
        .expect("a client")
}

/// An account.
#[derive(Clone)]
pub struct Company {
    context: Context,
    pub id: AccountId,
    pub name: String,
}

impl Company {
    /// An administrator, signed in; the first one of a company is its account owner.
    pub fn admin(&self, name: &str) -> Person {
        self.member(name, &[Role::Admin])
    }

    /// A member with these platform roles, signed in. "bob" of Halden Logistics is Bob, bob@halden.example.
    pub fn member(&self, name: &str, roles: &[Role]) -> Person {
        let domain = self.name.split(' ').next().unwrap_or("company");
        let email = format!("{name}@{}.example", domain.to_lowercase());
        let mut letters = name.chars();
        let name = letters.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(letters).collect()
        });
        self.person(&name, &email, roles)
    }

    /// The same with a name and an address of choice.
    pub fn person(&self, name: &str, email: &str, roles: &[Role]) -> Person {
        let app = &self.context.app;
        let address = Email::parse(email).unwrap_or_else(|e| panic!("{email}: {e}"));
        let context = passwords::Context {
            email: &address,
            companies: &[&self.name],
        };
        let password = Password::new(PASSWORD, &context).expect("a good password");
        let hash = app.passwords.hash(&app.keys, &password).expect("hashes");
        let secret = Secret::generate();
        let step = app.clock.now().unix() / 30;
        let (user, member) = app
            .system_write(|tx| {
                let user = accounts::create_user(tx, &address, name, &hash, self.id)?;
                second_factor::bind(tx, user, &secret, step)?;
                let member = accounts::add_member(tx, self.id, user, grants(roles))?;
                let owner: Option<MemberId> = accounts_table::table
                    .filter(accounts_table::id.eq(self.id))
                    .select(accounts_table::owner_member_id)
                    .first(tx.conn())?;
                if owner.is_none() && roles.contains(&Role::Admin) {
                    accounts::set_owner(tx, self.id, member)?;
                }
                Ok((user, member))
            })
            .expect("makes a member");
        let person = Person(Rc::new(Inner {
            context: self.context.clone(),
            client: client(),
            server: Cell::new(self.context.address),
            cookies: RefCell::default(),
            headers: RefCell::default(),
            secret: Rc::new(RefCell::new(Some(secret.base32().to_string()))),
            last_step: Rc::new(Cell::new(step)),
            identity: Some(Identity {
                name: name.to_owned(),
                email: email.to_owned(),
                user,
                member,
                account: self.id,
            }),
        }));
        person.start_session(Level::Full);
        person
    }

    /// Makes somebody of another company a member of this one too.
    pub fn add(&self, person: &Person, roles: &[Role]) -> MemberId {
        let user = person.user();
        let added = self
            .context
            .app
            .system_write(|tx| accounts::add_member(tx, self.id, user, grants(roles)));
        added.expect("makes a member")
    }
}

fn grants(roles: &[Role]) -> Grants {
    Grants {
        roles: PlatformRoles {
            viewer: roles.contains(&Role::Viewer),
            technician: roles.contains(&Role::Technician),
            admin: roles.contains(&Role::Admin),
        },
        profile: None,
        role: None,
    }
}

/// Somebody with a browser. Clones share the browser.
#[derive(Clone)]
pub struct Person(Rc<Inner>);

struct Inner {
    context: Context,
    client: Client,
    server: Cell<SocketAddr>,
    cookies: RefCell<BTreeMap<String, String>>,
    headers: RefCell<Vec<(String, String)>>,
    /// What the authenticator app holds, in base32; one app serves all browsers of a person.
    secret: Rc<RefCell<Option<String>>>,
    last_step: Rc<Cell<u64>>,
    identity: Option<Identity>,
}

struct Identity {
    name: String,
    email: String,
    user: UserId,
    member: MemberId,
    account: AccountId,
}

impl AsRef<str> for Person {
    /// The e-mail address.
    fn as_ref(&self) -> &str {
        self.email()
    }
}

impl Person {
    fn identity(&self) -> &Identity {
        let identity = self.0.identity.as_ref();
        identity.expect("a visitor has no user")
    }

    pub fn name(&self) -> &str {
        &self.identity().name
    }

    pub fn email(&self) -> &str {
        &self.identity().email
    }

    pub fn user(&self) -> UserId {
        self.identity().user
    }

    /// The membership in the company that made this person.
    pub fn member(&self) -> MemberId {
        self.identity().member
    }

    pub fn account(&self) -> AccountId {
        self.identity().account
    }

    /// Marks the user as an operator of the installation.
    pub fn make_operator(&self) {
        let user = self.user();
        self.0
            .context
            .app
            .system_write(|tx| {
                diesel::update(users::table.filter(users::id.eq(user)))
                    .set(users::operator.eq(true))
                    .execute(tx.conn())?;
                Ok(())
            })
            .expect("marks");
    }

    /// Puts a fresh session into the browser; see [`Context::session`].
    pub fn start_session(&self, level: Level) {
        let context = &self.0.context;
        let token = context.session(self.user(), self.account(), level);
        let cookie = context.session_cookie(&token);
        self.keep_cookie(&cookie);
    }

    /// The same person in another browser, in which nobody is signed in.
    pub fn other_browser(&self) -> Person {
        let identity = self.identity();
        Person(Rc::new(Inner {
            context: self.0.context.clone(),
            client: client(),
            server: Cell::new(self.0.server.get()),
            cookies: RefCell::default(),
            headers: RefCell::default(),
            secret: self.0.secret.clone(),
            last_step: self.0.last_step.clone(),
            identity: Some(Identity {
                name: identity.name.clone(),
                email: identity.email.clone(),
                ..*identity
            }),
        }))
    }

    /// From now on this browser is led to another process of the same installation.
    pub fn use_server(&self, address: SocketAddr) {
        self.0.server.set(address);
    }

    /// Signs in through the pages.
    pub async fn sign_in(&self) -> Page {
        self.sign_in_with(PASSWORD).await
    }

    /// The same with another password.
    pub async fn sign_in_with(&self, password: &str) -> Page {
        let email = self.email().to_owned();
        let code_page = self.give_password(&email, password).await;
        code_page.expect_status(200);
        code_page
            .fill("Six-digit code", self.code())
            .press("Sign in")
            .await
    }

    /// The first step of signing in.
    pub async fn give_password(&self, email: &str, password: &str) -> Page {
        let page = self.open("/sign-in").await;
        page.fill("E-mail", email)
            .fill("Password", password)
            .press("Sign in")
            .await
    }

    /// Puts the secret that a page shows as text into the authenticator app.
    pub fn scan(&self, page: &Page) {
        self.scan_text(&page.texts("#secret").join(""));
    }

    /// The same for a secret read off a page, in groups of letters.
    pub fn scan_text(&self, shown: &str) {
        let secret: String = shown.split_whitespace().collect();
        assert_eq!(secret.len(), 32, "\"{shown}\" is not a secret");
        self.learn(&secret);
    }

    /// The same with a secret from elsewhere, in base32.
    pub fn learn(&self, secret: &str) {
        *self.0.secret.borrow_mut() = Some(secret.to_owned());
        self.0.last_step.set(0);
    }

    /// What the authenticator app shows. A code works once, so time goes on to the next one when this one was given.
    pub fn code(&self) -> String {
        let context = &self.0.context;
        let mut now = context.app.clock.now().unix();
        if now / 30 <= self.0.last_step.get() {
            context.forward(Duration::from_secs(30 - now % 30));
            now = context.app.clock.now().unix();
        }
        self.0.last_step.set(now / 30);
        self.code_at(now)
    }

    /// The code of some second since 1970.
    pub fn code_at(&self, unix: u64) -> String {
        let secret = self.0.secret.borrow();
        let secret = secret.as_deref().expect("nothing was scanned");
        let secret = totp_rs::Secret::try_from_base32(secret).expect("base32");
        totp_rs::Builder::new()
            .with_algorithm(totp_rs::Algorithm::SHA1)
            .with_digits(6)
            .with_step_duration(30)
            .with_secret(secret)
            .build_noncompliant()
            .generate(unix)
            .to_string()
    }

    /// One GET; a redirect is not followed.
    pub async fn get(&self, path: &str) -> Page {
        let request = self.request(Method::GET, path);
        let request = request
            .header("Sec-Fetch-Site", "same-origin")
            .header("Sec-Fetch-Dest", "document");
        self.send(request, path).await
    }

    /// Opens a page and goes wherever it leads.
    pub async fn open(&self, path: &str) -> Page {
        self.get(path).await.follow().await
    }

    /// Posts fields without a page, with a good token, as a script of our own site could.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let mut fields: Vec<(String, String)> = fields
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        fields.push(("csrf".to_owned(), self.form_token()));
        let submission = Submission {
            method: Method::POST,
            action: path.to_owned(),
            fields,
        };
        self.submit(&submission, path).await
    }

    /// A token for forms of this browser.
    pub fn form_token(&self) -> String {
        let context = &self.0.context;
        let cookies = self.0.cookies.borrow();
        let name = context.app.config.cookie_name("sid");
        let binding = match cookies.get(&name) {
            Some(value) => {
                let cookie = Cookie::parse_encoded(format!("{name}={value}")).expect("a cookie");
                // The signature is 44 characters of base64.
                cookie.value()[44..].to_owned()
            }
            None => {
                drop(cookies);
                let name = context.app.config.cookie_name("form");
                let mut cookies = self.0.cookies.borrow_mut();
                let seed = cookies.entry(name).or_insert_with(|| "seed".to_owned());
                seed.clone()
            }
        };
        insight::web::csrf::token(&context.app.keys, &binding)
    }

    /// Sends what pressing a button of a page sends.
    pub async fn submit(&self, submission: &Submission, from: &str) -> Page {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&submission.fields)
            .finish();
        let action = match submission.action.as_str() {
            "" => from,
            action => action,
        };
        if submission.method == Method::GET {
            let path = action.split(['?', '#']).next().unwrap_or("");
            return match body.as_str() {
                "" => self.get(action.split('#').next().unwrap_or("")).await,
                body => self.get(&format!("{path}?{body}")).await,
            };
        }
        let request = self
            .request(Method::POST, action)
            .header("Origin", format!("http://{}", self.0.context.address))
            .header("Sec-Fetch-Site", "same-origin")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body);
        self.send(request, action).await
    }

    /// A request of this browser, to be completed.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        assert!(path.starts_with('/'), "{path} is not a path");
        let cookies: Vec<String> = self
            .0
            .cookies
            .borrow()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = self
            .0
            .client
            .request(method, format!("http://{}{path}", self.0.server.get()))
            .header("Host", self.0.context.address.to_string())
            .header("User-Agent", USER_AGENT);
        for (name, value) in self.0.headers.borrow().iter() {
            request = request.header(name, value);
        }
        match cookies.as_slice() {
            [] => request,
            cookies => request.header("Cookie", cookies.join("; ")),
        }
    }

    /// Sends a request, keeps the cookies, and holds the answer against the rules of every answer.
    pub async fn send(&self, request: RequestBuilder, path: &str) -> Page {
        let answer = request.send().await;
        let answer = answer.unwrap_or_else(|e| panic!("{path}: {e:?}"));
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        self.keep_cookies(&headers);
        let body = answer.bytes().await;
        let mut body = body.unwrap_or_else(|e| panic!("{path}: {e:?}")).to_vec();
        let is = |name: &str, begins: &[u8]| {
            let value = headers.get(name);
            value.is_some_and(|value| value.as_bytes().starts_with(begins))
        };
        if is("content-encoding", b"gzip") && is("content-type", b"text/html") {
            let packed = std::mem::take(&mut body);
            let inflated = GzDecoder::new(&packed[..]).read_to_end(&mut body);
            inflated.unwrap_or_else(|e| panic!("{path}: {e:?}"));
        }
        let page = Page::new(self.clone(), status, headers, path.to_owned(), body);
        rules::check(&page);
        page
    }

    fn keep_cookies(&self, headers: &HeaderMap) {
        for cookie in headers.get_all("set-cookie") {
            let line = cookie.to_str().expect("cookies are ASCII");
            self.keep_cookie(line);
        }
    }

    fn keep_cookie(&self, line: &str) {
        let cookie = Cookie::parse(line.to_owned()).expect("a cookie");
        let over = cookie.max_age().is_some_and(|age| age.is_zero()) || cookie.value().is_empty();
        let mut cookies = self.0.cookies.borrow_mut();
        if over {
            cookies.remove(cookie.name());
        } else {
            cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
        }
    }

    /// Adds a header to every request of this browser, as a proxy on the way would.
    pub fn always_send(&self, name: &str, value: &str) {
        let mut headers = self.0.headers.borrow_mut();
        headers.push((name.to_owned(), value.to_owned()));
    }

    /// The value of a cookie as it is sent, if the browser has it.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.0.cookies.borrow().get(name).cloned()
    }

    /// Puts a cookie into the browser, or takes it out.
    pub fn set_cookie(&self, name: &str, value: Option<&str>) {
        let mut cookies = self.0.cookies.borrow_mut();
        match value {
            Some(value) => cookies.insert(name.to_owned(), value.to_owned()),
            None => cookies.remove(name),
        };
    }
}

const USER_AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
