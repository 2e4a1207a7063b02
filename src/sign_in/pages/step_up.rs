//! A fresh code before something dangerous.

use askama::Template;

use super::super::proof::{Code, check_code, wrong_code};
use super::{ended, next_of, onward, other_kind, page_or_refused};
use crate::Result;
use crate::access::{Can, SignedIn};
use crate::credentials::sessions;
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;

#[derive(Template)]
#[template(path = "sign_in/step_up.html")]
struct StepUpPage<'a> {
    shell: Shell,
    next: &'a str,
    /// What follows, in words; empty when it has none.
    then: &'static str,
    cancel: &'static str,
    recovery: bool,
    other: String,
    errors: &'a Errors,
}

/// `GET /step-up`
pub fn show(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let next = next_of(request.query())?;
    let recovery = request.query().ticked("recovery");
    page(&can, request, &next, recovery, &Errors::new())
}

/// `POST /step-up`
pub fn confirm(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let form = request.form();
    let (next, recovery) = (next_of(form)?, form.ticked("recovery"));
    let mut errors = Errors::new();
    let typed = form.one("code")?;
    if typed.trim().is_empty() {
        errors.add("code", "Type the code.");
        return page(&can, request, &next, recovery, &errors);
    }
    let caller = can.me().clone();
    match check_code(&can, request, &caller, typed, |tx, _, _| {
        sessions::renew(tx, true)
    })? {
        Code::Right(token) => Ok(Answer::see_other(onward(next)).start_session(token)),
        Code::Wrong => {
            errors.add("code", wrong_code(recovery));
            page(&can, request, &next, recovery, &errors)
        }
        Code::Ended => Ok(ended(&next)),
    }
}

fn page(
    can: &Can<SignedIn>,
    request: &Request,
    next: &str,
    recovery: bool,
    errors: &Errors,
) -> Result<Answer> {
    let mut shell = can.bare_page(request, "Confirm it is you");
    shell.refused = !errors.is_empty();
    let (then, cancel) = leads_to(next);
    let page = StepUpPage {
        shell,
        next,
        then,
        cancel,
        recovery,
        other: other_kind("/step-up", next, recovery),
        errors,
    };
    page_or_refused(&page, errors)
}

/// What a path is about, and the page to go back to instead.
fn leads_to(next: &str) -> (&'static str, &'static str) {
    let path = next.split('?').next().unwrap_or("");
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match parts.as_slice() {
        ["security", "password"] => ("change your password", "/security"),
        ["security", "two-factor", ..] => ("generate a new secret code", "/security"),
        ["security", "recovery-codes"] => ("regenerate your recovery codes", "/security"),
        ["shared", "insight-users", rest @ ..] => (
            match rest {
                ["invite"] => "invite members",
                ["members", _, "roles", ..] => "manage the roles of a member",
                ["members", _, "reset-2fa", ..] => "reset 2FA of a member",
                ["members", _, "remove", ..] => "remove a member",
                ["invitations", ..] => "change an invitation",
                _ => "change Insight users",
            },
            "/shared/insight-users",
        ),
        ["billing", "account-owner", ..] => ("change the account owner", "/billing/account-owner"),
        ["billing", "plan", ..] => ("order a plan", "/billing/plan"),
        ["billing", ..] => ("update the card", "/billing/invoices"),
        ["security", ..] => ("", "/security"),
        ["sessions", ..] => ("", "/sessions"),
        _ => ("", "/"),
    }
}

#[cfg(test)]
mod tests {
    use super::leads_to;

    #[test]
    fn the_page_names_what_follows() {
        let (then, cancel) = leads_to("/shared/insight-users/members/7/reset-2fa?again=1");
        assert_eq!(then, "reset 2FA of a member");
        assert_eq!(cancel, "/shared/insight-users");
        assert_eq!(leads_to(""), ("", "/"));
    }
}
