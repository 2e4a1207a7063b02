//! Error pages: what went wrong in words for the visitor, causes for the log only.

use std::rc::Rc;

use askama::Template;

use super::answer::Answer;
use super::frame;
use super::request::{Request, query_string};
use super::shell::Shell;
use crate::access::{Environment, Level, Visit};
use crate::routes::{self, Method};
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "error.html")]
struct FramedPage<'a> {
    shell: Shell,
    heading: &'a str,
    text: &'a str,
    request_id: &'a str,
}

#[derive(Template)]
#[template(path = "error_bare.html")]
struct BarePage<'a> {
    shell: Shell,
    heading: &'a str,
    text: &'a str,
    request_id: &'a str,
}

/// The answer to an error.
pub(super) fn answer(visit: &Rc<Visit>, request: &Request, error: Error) -> Answer {
    match &error {
        Error::Internal(cause) => {
            tracing::error!(request = request.id(), cause, "a request failed");
        }
        Error::Busy(cause) => tracing::warn!(request = request.id(), cause, "at a limit"),
        _ => {}
    }
    match error {
        Error::SignIn => Answer::see_other(sign_in_path(request)),
        Error::Code => Answer::see_other("/sign-in/code"),
        Error::SignedInAlready => Answer::see_other("/"),
        Error::StepUp { next } => Answer::see_other(format!(
            "/step-up?{}",
            query_string([("next", next.as_str())])
        )),
        Error::WrongHost => {
            let ours = visit.app().config.link("/");
            Answer::text(421, format!("This server is reached at {ours}\n"))
        }
        error => {
            let (status, heading, text) = words(&error);
            let page = page(visit, request, status, heading, &text)
                .unwrap_or_else(|_| last_resort(request.id()));
            match error {
                Error::Limited { retry_after } => {
                    page.header("Retry-After", retry_after.as_secs().max(1).to_string())
                }
                Error::Busy(_) => page.header("Retry-After", "5"),
                _ => page,
            }
        }
    }
}

/// (status, heading, text).
fn words(error: &Error) -> (u16, &'static str, String) {
    match error {
        Error::LinkNotValid => (
            404,
            "This link is not valid any more",
            "It may have expired, been used already, or been replaced by a newer one. Ask an administrator of the \
             company for a new invitation."
                .into(),
        ),
        Error::Forbidden { section, who } => (
            403,
            "You may not open this",
            format!("{section} is not part of what you may open. {who}"),
        ),
        Error::ReadOnly => (
            403,
            "This account is read-only",
            "Nothing was changed: an invoice has not been paid. The account owner and the administrators can pay it \
             under Billing & Account > Invoices and Payments."
                .into(),
        ),
        Error::CrossSite => (
            403,
            "The form was not sent from this site",
            "Nothing was changed. Open the page again and send the form from there. If you signed in or out in \
             another window meanwhile, that is the reason."
                .into(),
        ),
        Error::BadRequest(why) => (400, "The request could not be read", (*why).into()),
        Error::TooLarge => (
            413,
            "This is too large",
            "The form holds more than this page accepts. Nothing was changed.".into(),
        ),
        Error::WrongType => (
            415,
            "This kind of content is not read here",
            "The page accepts ordinary forms in UTF-8 only. Nothing was changed.".into(),
        ),
        Error::WrongMethod => (
            405,
            "This address does not work that way",
            "Open it as a page, or send the form that belongs to it.".into(),
        ),
        Error::TooSlow => (
            408,
            "The request took too long",
            "It did not arrive in 30 seconds. Nothing was changed.".into(),
        ),
        Error::Limited { retry_after } => (
            429,
            "Too many attempts",
            format!("Wait {} and try again.", wait(retry_after.as_secs())),
        ),
        Error::Refused(why) => (422, "This was not done", why.clone()),
        Error::Busy(_) => (
            503,
            "Too busy just now",
            "Nothing was changed. Try again in a few seconds.".into(),
        ),
        Error::Internal(_) => (
            500,
            "Something went wrong on our side",
            "Nothing was changed. Try again; if it happens again, tell the person who runs this server the number \
             below."
                .into(),
        ),
        // Redirects and the wrong host have been answered before; what is left does not exist.
        _ => (
            404,
            "There is nothing here",
            "The address may be mistyped, or what was here is gone or not shared with you.".into(),
        ),
    }
}

fn wait(seconds: u64) -> String {
    match seconds {
        0..=1 => "a second".into(),
        2..=90 => format!("{seconds} seconds"),
        91..=5_400 => format!("{} minutes", seconds.div_ceil(60)),
        _ => format!("{} hours", seconds.div_ceil(3_600)),
    }
}

fn page(
    visit: &Visit,
    request: &Request,
    status: u16,
    heading: &str,
    text: &str,
) -> Result<Answer> {
    let request_id = request.id();
    if visit.caller().is_some_and(|c| c.level == Level::Full) {
        Answer::page_with(
            status,
            &FramedPage {
                shell: frame::framed(visit, request, &[(heading, "")])?,
                heading,
                text,
                request_id,
            },
        )
    } else {
        Answer::page_with(
            status,
            &BarePage {
                shell: frame::bare(visit, request, heading),
                heading,
                text,
                request_id,
            },
        )
    }
}

/// When not even the error page can be made.
pub(super) fn last_resort(id: &str) -> Answer {
    Answer::text(
        500,
        format!("Something went wrong on our side. Request {id}\n"),
    )
}

/// The sign-in page, with the way back: the page itself, or for a form the page it stands on.
fn sign_in_path(request: &Request) -> String {
    // A path that stands in the table as it is is no value of a parameter.
    let literal = routes::table().iter().any(|r| r.path == request.path());
    let has_page = routes::table().iter().any(|r| {
        r.method == Method::Get
            && match literal {
                true => r.path == request.path(),
                false => fits(r.path, request.path()),
            }
    });
    let query = query_string(
        request
            .query()
            .pairs()
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str())),
    );
    let next = match (has_page, request.path(), query.as_str()) {
        (false, ..) | (true, "/", _) => return "/sign-in".into(),
        (true, path, "") => path.to_owned(),
        (true, path, query) => format!("{path}?{query}"),
    };
    format!("/sign-in?{}", query_string([("next", next.as_str())]))
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some("{environment}"), Some(have)) if have.parse::<Environment>().is_ok() => {}
            (Some("{environment}"), _) => return false,
            (Some(p), Some(have)) if p == have || p.starts_with('{') => {}
            _ => return false,
        }
    }
}
