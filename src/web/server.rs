//! The actix side: reads a request within its limits, runs its route in one hop on a blocking thread, writes the
//! answer with every header a browser needs to defend its user.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_session::config::CookieContentSecurity;
use actix_session::{Session, SessionMiddleware};
use actix_web::body::BodyStream;
use actix_web::cookie::{Cookie, Key, SameSite};
use actix_web::dev::{Server, ServerHandle};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpServer, guard, middleware, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::answer::{self, Answer, Body, SessionChange};
use super::body::{read_body, read_form};
use super::pieces::Pieces;
use super::policy::{default_policy, header_value, policy};
use super::request::{Form, Request};
use super::session_store::{TOKEN, TokenStore};
use super::{address, assets, csrf, errors, frame, upload};
use crate::access::Visit;
use crate::credentials::keys::Purpose;
use crate::credentials::tokens::{Token, TokenKind};
use crate::routes::{self, Method, Route};
use crate::{App, Error, Result};

/// Blocking threads per worker. More would only queue up before the database pool.
const BLOCKING_THREADS: usize = 32;

/// How long a connection may wait for its next request. Longer than proxies keep theirs (nginx 60 s, Caddy 120 s): the side
/// that sends must be the one that gives up, or a request crosses the end of its connection and is lost.
const KEEP_ALIVE: Duration = Duration::from_secs(150);

/// Serves on an open listener until the handle is stopped. `workers` is the number of event loops.
pub fn serve(
    app: Arc<App>,
    listener: TcpListener,
    workers: usize,
) -> std::io::Result<(Server, ServerHandle)> {
    let factory = {
        let app = app.clone();
        move || {
            actix_web::App::new()
                .app_data(web::Data::new(app.clone()))
                .wrap(middleware::from_fn(defences))
                .service(readable("/static/{hash}/{name:.*}", static_file))
                .service(readable("/health/live", || async { "live\n" }))
                .service(readable("/health/ready", ready))
                .service(pages(&app))
        }
    };
    let server = HttpServer::new(factory)
        .workers(workers)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(10)
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    Ok((server, handle))
}

/// Something outside the table that can be read and nothing else.
fn readable<F, Args>(path: &str, handler: F) -> actix_web::Resource
where
    F: actix_web::Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    web::resource(path)
        .route(
            web::route()
                .guard(guard::Any(guard::Get()).or(guard::Head()))
                .to(handler),
        )
        .default_service(web::to(|| async {
            HttpResponse::MethodNotAllowed()
                .insert_header((header::ALLOW, READ))
                .finish()
        }))
}

/// Serves `/metrics` alone.
pub fn serve_metrics(app: Arc<App>, listener: TcpListener) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        let app = app.clone();
        actix_web::App::new().route(
            "/metrics",
            web::get().to(move || {
                let app = app.clone();
                async move {
                    match web::block(move || app.metrics.render(&app)).await {
                        Ok(Ok(text)) => HttpResponse::Ok()
                            .content_type("text/plain; version=0.0.4")
                            .body(text),
                        _ => HttpResponse::ServiceUnavailable().finish(),
                    }
                }
            }),
        )
    });
    Ok(server.workers(1).disable_signals().listen(listener)?.run())
}

/// All routes of the table, behind the session cookie.
fn pages(
    app: &App,
) -> actix_web::Scope<
    impl actix_web::dev::ServiceFactory<
        actix_web::dev::ServiceRequest,
        Config = (),
        Response = actix_web::dev::ServiceResponse<impl actix_web::body::MessageBody + use<>>,
        Error = actix_web::Error,
        InitError = (),
    > + use<>,
> {
    let mut scope = web::scope("");
    let mut paths: Vec<&str> = routes::table().iter().map(|r| r.path).collect();
    paths.sort_unstable();
    paths.dedup();
    // actix takes the first pattern that fits: plain words before parameters.
    paths.sort_by_key(|path| path.matches('{').count());
    for path in paths {
        // Any other first word is not a page, whoever asks.
        let mut resource =
            web::resource(path.replace("{environment}", "{environment:test|commercial}"));
        let allowed = allowed(path);
        for route in routes::table().iter().filter(|r| r.path == path) {
            let methods = match route.method {
                Method::Get => guard::Any(guard::Get()).or(guard::Head()),
                Method::Post => guard::Any(guard::Post()),
            };
            resource = resource.route(web::route().guard(methods).to(
                move |req, payload, session| handle(Goal::Route(route), req, payload, session),
            ));
        }
        scope = scope.service(
            resource.default_service(web::to(move |req, payload, session| {
                handle(Goal::WrongMethod(allowed), req, payload, session)
            })),
        );
    }
    scope
        .default_service(web::to(|req, payload, session| {
            handle(Goal::Nothing, req, payload, session)
        }))
        .wrap(middleware::Compress::default())
        .wrap(sessions(app))
}

fn sessions(app: &App) -> SessionMiddleware<TokenStore> {
    // The oldest key: adding a key must not sign everybody out.
    let secret = app.keys.oldest(Purpose::Cookie);
    SessionMiddleware::builder(TokenStore, Key::derive_from(secret.as_slice()))
        .cookie_name(app.config.cookie_name("sid"))
        .cookie_secure(app.config.secure())
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .cookie_path("/".to_owned())
        .cookie_content_security(CookieContentSecurity::Signed)
        .build()
}

/// What a request is for.
#[derive(Clone, Copy)]
enum Goal {
    Route(&'static Route),
    /// With what is allowed, for the header that has to say so.
    WrongMethod(&'static str),
    Nothing,
}

const READ: &str = "GET, HEAD";

/// The methods of a path of the table, as the `Allow` header lists them.
fn allowed(path: &str) -> &'static str {
    let has = |method| routes::find(method, path).is_some();
    match (has(Method::Get), has(Method::Post)) {
        (true, true) => "GET, HEAD, POST",
        (true, false) => READ,
        (false, _) => "POST",
    }
}

async fn handle(
    goal: Goal,
    req: HttpRequest,
    payload: web::Payload,
    session: Session,
) -> HttpResponse {
    let started = Instant::now();
    let Some(app) = req.app_data::<web::Data<Arc<App>>>() else {
        return HttpResponse::InternalServerError().finish();
    };
    let app = Arc::clone(app);
    let (mut request, refused) = match read(goal, &app, &req, payload, &session).await {
        Ok(request) => (request, None),
        Err((request, error)) => (request, Some(error)),
    };
    request.id = BASE64.encode(super::random::<12>());
    request.nonce = BASE64.encode(super::random::<16>());
    let (id, nonce) = (request.id.clone(), request.nonce.clone());
    let worked = web::block({
        let app = app.clone();
        // What is no page is compressed on its way out.
        let gzip = assets::accepts(accepted_encodings(&req), "gzip");
        move || {
            let answer = answer(goal, &app, &request, refused);
            if gzip { answer.deflated() } else { answer }
        }
    })
    .await;
    let answer = worked.unwrap_or_else(|_| {
        tracing::error!(request = %id, "a request panicked");
        errors::last_resort(&id)
    });
    let status = answer.status;
    let policy = policy(&nonce, answer.form_target.as_deref());
    let mut response = write(&app, answer, &session, &id);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, header_value(&policy));
    let route = match goal {
        Goal::Route(route) => route.path,
        Goal::WrongMethod(_) | Goal::Nothing => "none",
    };
    if let Goal::WrongMethod(allowed) = goal {
        let allowed = HeaderValue::from_static(allowed);
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    let took = started.elapsed();
    app.metrics
        .answered(route, req.method().as_str(), status, took.as_secs_f64());
    tracing::info!(
        request = %id, method = %req.method(), route, status,
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX), "answered"
    );
    response
}

/// The part on the blocking thread: the caller, the route, and a page for whatever went wrong.
fn answer(goal: Goal, app: &Arc<App>, request: &Request, refused: Option<Error>) -> Answer {
    let environment = request
        .path
        .split('/')
        .nth(1)
        .and_then(|first| first.parse().ok());
    let visit = Visit::open(
        app,
        request.session.as_ref().map(Token::hash),
        request.address.to_string(),
        environment,
    );
    let (visit, opened) = match visit {
        Ok(visit) => (Rc::new(visit), Ok(())),
        Err(e) => (Rc::new(Visit::blank(app)), Err(e)),
    };
    let result = match (opened, refused, goal) {
        (Err(e), _, _) | (_, Some(e), _) => Err(e),
        (_, _, Goal::Route(route)) => route.run(visit.clone(), request),
        (_, _, Goal::WrongMethod(_)) => Err(Error::WrongMethod),
        (_, _, Goal::Nothing) => Err(Error::NotFound),
    };
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => errors::answer(&visit, request, error),
    };
    frame::settle(&visit, request, answer)
}

/// Reads and checks everything of a request that needs no database. A refusal still comes with a request to answer.
async fn read(
    goal: Goal,
    app: &Arc<App>,
    req: &HttpRequest,
    payload: web::Payload,
    session: &Session,
) -> Result<Request, (Request, Error)> {
    let text = |name: HeaderName| req.headers().get(name).and_then(|v| v.to_str().ok());
    let prefix = app.config.cookie_name("");
    let mut request = Request {
        path: req.path().to_owned(),
        params: req
            .match_info()
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        query: Form::default(),
        form: Form::default(),
        upload: None,
        cookies: req
            .cookies()
            .map(|cookies| {
                cookies
                    .iter()
                    .filter_map(|c| Some((c.name().strip_prefix(&prefix)?, c.value())))
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect()
            })
            .unwrap_or_default(),
        user_agent: text(header::USER_AGENT)
            .unwrap_or("")
            .chars()
            .filter(|c| !c.is_control())
            .take(400)
            .collect(),
        address: client_address(app, req),
        session: session
            .get::<String>(TOKEN)
            .ok()
            .flatten()
            .and_then(|token| Token::parse(TokenKind::Session, &token)),
        body: Vec::new(),
        signature: String::new(),
        id: String::new(),
        nonce: String::new(),
    };
    if let Err(error) = check_host(app, req) {
        return Err((request, error));
    }
    match Form::parse(req.query_string().as_bytes()) {
        Ok(query) => request.query = query,
        Err(error) => return Err((request, error)),
    }
    if let Goal::Route(route) = goal
        && route.method == Method::Post
    {
        let fetch_site = req
            .headers()
            .get("sec-fetch-site")
            .and_then(|v| v.to_str().ok());
        let origin = text(header::ORIGIN);
        if let Some(name) = route.signed {
            request.signature = req
                .headers()
                .get(name)
                .and_then(|v| v.to_str().ok())
                .unwrap_or("")
                .to_owned();
            match read_body(route, payload, app.config.body_deadline).await {
                Ok(body) => request.body = body,
                Err(error) => return Err((request, error)),
            }
            return Ok(request);
        }
        if !route.one_click && !csrf::same_origin(fetch_site, origin, &app.config.base_url) {
            return Err((request, Error::CrossSite));
        }
        let kind = text(header::CONTENT_TYPE).unwrap_or("");
        if route.upload && upload::is_multipart(kind) {
            let length = text(header::CONTENT_LENGTH).and_then(|v| v.parse().ok());
            let encoded = req.headers().contains_key(header::CONTENT_ENCODING);
            let taken = match encoded {
                true => Err(Error::WrongType),
                false => upload::read(app, req, payload, length, &mut request).await,
            };
            if let Err(error) = taken {
                return Err((request, error));
            }
            return Ok(request);
        }
        match read_form(route, req, payload, app.config.body_deadline).await {
            Ok(form) => request.form = form,
            Err(error) => return Err((request, error)),
        }
    }
    Ok(request)
}

fn client_address(app: &App, req: &HttpRequest) -> IpAddr {
    // Only a Unix socket has no peer address, and we listen on none.
    let peer = req
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |a| a.ip());
    // Lossy: a visitor's own nonsense in front must not hide what our proxy has added to the same line.
    let forwarded: Vec<_> = req
        .headers()
        .get_all("x-forwarded-for")
        .map(|v| String::from_utf8_lossy(v.as_bytes()))
        .collect();
    let forwarded: Vec<&str> = forwarded.iter().map(|line| &**line).collect();
    address::client(peer, &forwarded, &app.config.trusted_proxies)
}

/// The Host header must be ours (DNS rebinding), unless one of our own proxies, which may rename it, sent it.
fn check_host(app: &App, req: &HttpRequest) -> Result<()> {
    let peer = req.peer_addr().map(|a| a.ip().to_canonical());
    if peer.is_some_and(|ip| app.config.trusted_proxies.iter().any(|n| n.contains(&ip))) {
        return Ok(());
    }
    let base = &app.config.base_url;
    let ours = match (base.host_str(), base.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    };
    let sent = req
        .headers()
        .get(header::HOST)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    if sent.eq_ignore_ascii_case(&ours) {
        Ok(())
    } else {
        Err(Error::WrongHost)
    }
}

fn write(app: &App, answer: Answer, session: &Session, id: &str) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut out = HttpResponse::build(status);
    for (name, value) in &answer.headers {
        out.insert_header((*name, value.as_str()));
    }
    out.insert_header((header::CACHE_CONTROL, "no-store"));
    for cookie in answer.cookies {
        let mut c = Cookie::build(app.config.cookie_name(cookie.name), cookie.value)
            .path("/")
            .http_only(true)
            .secure(app.config.secure())
            .same_site(SameSite::Lax);
        if let Some(age) = cookie.max_age {
            c = c.max_age(actix_web::cookie::time::Duration::seconds(
                age.whole_seconds(),
            ));
        }
        out.cookie(c.finish());
    }
    match answer.session {
        SessionChange::Keep => {}
        SessionChange::Start(token) => {
            session.renew();
            if session.insert(TOKEN, token.expose()).is_err() {
                tracing::error!(request = %id, "a session could not be put into its cookie");
            }
        }
        SessionChange::End => {
            session.purge();
            out.insert_header(("Clear-Site-Data", "\"cache\", \"storage\""));
        }
    }
    match answer.body {
        Body::Empty => out.finish(),
        Body::Text { mime, content } => out.content_type(mime).body(content),
        Body::Around {
            before,
            part,
            after,
        } => {
            let pieces = [before.into(), part.into_bytes(), after.into()];
            out.content_type(answer::HTML).body(Pieces::new(pieces))
        }
        Body::Gzip(bytes) => {
            out.insert_header((header::CONTENT_ENCODING, "gzip"));
            out.insert_header((header::VARY, "Accept-Encoding"));
            out.content_type(answer::HTML).body(bytes)
        }
        Body::Bytes { mime, content } => out.content_type(mime).body(content),
        Body::Stream { mime, next } => {
            let id = id.to_owned();
            let pieces = futures_util::stream::unfold(Some(next), move |state| {
                let id = id.clone();
                async move {
                    let mut next = state?;
                    let worked = web::block(move || (next(), next)).await;
                    let Ok((piece, next)) = worked else {
                        // A silent end would look like a whole file.
                        tracing::error!(request = %id, "a download panicked");
                        let broken = std::io::Error::other("download broke off");
                        return Some((Err(broken), None));
                    };
                    match piece {
                        Ok(None) => None,
                        Ok(Some(bytes)) => Some((Ok(web::Bytes::from(bytes)), Some(next))),
                        Err(error) => {
                            // The head is out already: only breaking off tells the client.
                            tracing::error!(request = %id, %error, "a download broke off");
                            let broken = std::io::Error::other("download broke off");
                            Some((Err(broken), None))
                        }
                    }
                }
            });
            out.content_type(mime)
                .body(BodyStream::new(Box::pin(pieces)))
        }
    }
}

fn accepted_encodings(req: &HttpRequest) -> &str {
    let header = req.headers().get(header::ACCEPT_ENCODING);
    header.and_then(|v| v.to_str().ok()).unwrap_or("")
}

async fn static_file(req: HttpRequest) -> HttpResponse {
    let Some(asset) = assets::find(req.path()) else {
        return HttpResponse::NotFound().finish();
    };
    let (bytes, encoding) = asset.encoded(accepted_encodings(&req));
    let mut out = HttpResponse::Ok();
    out.content_type(asset.mime)
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((header::VARY, "Accept-Encoding"));
    if let Some(encoding) = encoding {
        out.insert_header((header::CONTENT_ENCODING, encoding));
    }
    out.body(bytes)
}

const PLAIN: &str = "text/plain; charset=utf-8";

/// 200 while this process can do its work: its database answers.
async fn ready(app: web::Data<Arc<App>>) -> HttpResponse {
    let app = Arc::clone(&app);
    match web::block(move || app.db.ping()).await {
        Ok(Ok(())) => HttpResponse::Ok().content_type(PLAIN).body("ready\n"),
        _ => HttpResponse::ServiceUnavailable()
            .insert_header((header::RETRY_AFTER, "5"))
            .content_type(PLAIN)
            .body("the database does not answer\n"),
    }
}

/// Headers of every response, whatever made it.
async fn defences(
    req: actix_web::dev::ServiceRequest,
    next: middleware::Next<impl actix_web::body::MessageBody>,
) -> Result<actix_web::dev::ServiceResponse<impl actix_web::body::MessageBody>, actix_web::Error> {
    let secure = req
        .app_data::<web::Data<Arc<App>>>()
        .is_some_and(|app| app.config.secure());
    let mut res = next.call(req).await?;
    let headers = res.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    };
    set("x-content-type-options", "nosniff");
    set("referrer-policy", "same-origin");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    set("x-frame-options", "DENY");
    set(
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=()",
    );
    if secure {
        set(
            "strict-transport-security",
            "max-age=31536000; includeSubDomains",
        );
    }
    default_policy(headers);
    // Only what a handler calls cacheable is.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(res)
}
