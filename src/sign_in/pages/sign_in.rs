//! Signing in with e-mail and password, and signing out.

use askama::Template;

use super::super::proof::{check_password, refused};
use super::super::{Person, person, rehash};
use super::{next_of, onward, with_next};
use crate::access::{Anyone, Can, Level};
use crate::accounts;
use crate::credentials::email::Email;
use crate::credentials::passwords::Verdict;
use crate::credentials::sessions;
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

const NOT_RIGHT: &str = "E-mail or password is not right.";

#[derive(Template)]
#[template(path = "sign_in/sign_in.html")]
struct SignInPage<'a> {
    shell: Shell,
    next: &'a str,
    email: &'a str,
    errors: &'a Errors,
}

/// `GET /sign-in`
pub fn show(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let next = next_of(request.query())?;
    if let Some(elsewhere) = signed_in_already(&can, &next) {
        return Ok(elsewhere);
    }
    Answer::page(&SignInPage {
        shell: can.bare_page(request, "Sign in"),
        next: &next,
        email: "",
        errors: &Errors::new(),
    })
}

/// `POST /sign-in`
pub fn sign_in(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let next = next_of(request.form())?;
    if let Some(elsewhere) = signed_in_already(&can, &next) {
        return Ok(elsewhere);
    }
    let typed = request.form().one("email")?;
    let token = match Email::parse(typed) {
        Ok(email) => half_session(&can, request, &email)?,
        // Nobody has such an address, so there is nothing to keep quiet about.
        Err(_) => None,
    };
    if let Some(token) = token {
        return Ok(Answer::see_other(with_next("/sign-in/code", &next)).start_session(token));
    }
    let mut errors = Errors::new();
    errors.add("email", NOT_RIGHT);
    let mut shell = can.bare_page(request, "Sign in");
    shell.refused = true;
    Answer::refused(&SignInPage {
        shell,
        next: &next,
        email: typed,
        errors: &errors,
    })
}

fn signed_in_already(can: &Can<Anyone>, next: &str) -> Option<Answer> {
    let full = can.who().as_ref().is_some_and(|c| c.level == Level::Full);
    full.then(|| Answer::see_other(onward(next.to_owned())))
}

/// The session between password and code; none when the password is not right.
fn half_session(
    can: &Can<Anyone>,
    request: &Request,
    email: &Email,
) -> Result<Option<crate::credentials::tokens::Token>> {
    let app = can.app();
    let typed = request.form().one("password")?;
    let checked = check_password(can, request, email, typed, Person::can_sign_in)?;
    let (Some(known), Verdict::Right { rehash: again }) = (&checked.person, checked.verdict) else {
        refused(can, email, checked.person.as_ref())?;
        return Ok(None);
    };
    let fresh = match again {
        true => Some(
            app.passwords
                .rehash(&app.keys, typed)
                .map_err(Error::busy)?,
        ),
        false => None,
    };
    can.write(|tx| {
        // Things may have changed while the password was being checked; under the lock they change no more.
        accounts::lock_of_user(tx, known.id)?;
        let now = person(tx, known.id)?;
        let (true, Some(account)) = (
            now.can_sign_in() && now.password == known.password,
            now.account,
        ) else {
            return Ok(None);
        };
        if let (Some(before), Some(after)) = (&known.password, &fresh) {
            rehash(tx, now.id, before, after)?;
        }
        // This browser's earlier attempt is over.
        if let Some(earlier) = can.who().as_ref() {
            sessions::end(tx, earlier.session)?;
        }
        sessions::start_half(tx, now.id, account, request).map(Some)
    })
}

/// `POST /sign-out`
pub fn sign_out(can: Can<Anyone>, _: &Request) -> Result<Answer> {
    if let Some(caller) = can.who() {
        let session = caller.session;
        can.write(|tx| sessions::end(tx, session))?;
    }
    Ok(Answer::see_other("/sign-in")
        .end_session()
        .flash("You are signed out."))
}
