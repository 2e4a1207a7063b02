//! A forgotten password: asking for a link, and setting a new one with it. The second factor stays as it is and is
//! asked for at the next sign-in.

use std::time::{Duration, Instant};

use askama::Template;

use super::super::proof::new_password;
use super::super::{Person, change_password, devices, notices, person, person_of};
use super::page_or_refused;
use crate::access::{Anyone, Can, Tx};
use crate::accounts;
use crate::audit::{self, Event};
use crate::credentials::email::Email;
use crate::credentials::links::{self, Link, Subject};
use crate::credentials::throttle::{self, Bucket};
use crate::credentials::tokens::TokenKind;
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

/// What asking for a link takes at least, for every address; the work itself is a small part of it.
const SAME_TIME: Duration = Duration::from_millis(100);

#[derive(Template)]
#[template(path = "sign_in/forgot_password.html")]
struct ForgotPage<'a> {
    shell: Shell,
    email: &'a str,
    errors: &'a Errors,
}

#[derive(Template)]
#[template(path = "sign_in/forgot_password_sent.html")]
struct SentPage {
    shell: Shell,
}

#[derive(Template)]
#[template(path = "sign_in/new_password.html")]
struct NewPasswordPage<'a> {
    shell: Shell,
    email: &'a str,
    errors: &'a Errors,
}

/// `GET /forgot-password`
pub fn forgot(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    Answer::page(&ForgotPage {
        shell: can.bare_page(request, "Forgot password?"),
        email: "",
        errors: &Errors::new(),
    })
}

/// `POST /forgot-password`
pub fn ask(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let typed = request.form().one("email")?;
    let email = match Email::parse(typed) {
        Ok(email) => email,
        Err(problem) => {
            let mut errors = Errors::new();
            errors.add("email", problem.to_string());
            let mut shell = can.bare_page(request, "Forgot password?");
            shell.refused = true;
            return Answer::refused(&ForgotPage {
                shell,
                email: typed,
                errors: &errors,
            });
        }
    };
    let started = Instant::now();
    let keys = &can.app().keys;
    let asked = Bucket::asked_mail(keys, &email, request.address());
    let nobody = [Bucket::nobody(keys, &email)];
    can.write(|tx| {
        throttle::attempt(tx, &asked)?;
        match person_of(tx, &email)?.filter(|p| p.account.is_some()) {
            Some(person) => mail_link(tx, request, &person),
            None => throttle::attempt(tx, &nobody),
        }
    })?;
    // A mail is more work than none; the answer waits until neither shows.
    std::thread::sleep(SAME_TIME.saturating_sub(started.elapsed()));
    Answer::page(&SentPage {
        shell: can.bare_page(request, "Look into your mail"),
    })
}

fn mail_link(tx: &mut Tx<Anyone>, request: &Request, person: &Person) -> Result<()> {
    accounts::lock_of_user(tx, person.id)?;
    tx.act_as_nobody();
    let event = Event::NewPasswordAsked {
        email: person.email.to_string(),
    };
    audit::record_for_user(tx, person.id, &event)?;
    // While two-factor is to be set up anew, the password is what proves the person: a mail must not replace it.
    if !person.two_factor {
        return notices::no_new_password(tx, person, request);
    }
    let token = links::issue(tx, Subject::NewPassword(person.id))?;
    let path = format!("/new-password/{}", token.expose());
    let address = tx.app().config.link(&path);
    notices::new_password(tx, person, request, address)
}

/// `GET /new-password/{token}`
pub fn open(_: Can<Anyone>, request: &Request) -> Result<Answer> {
    links::open(request, TokenKind::NewPassword, "/new-password")
}

/// `GET /new-password`
pub fn show(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let (_, person) = can.read(|tx| of_link(tx, request))?;
    page(&can, request, &person, &Errors::new())
}

/// `POST /new-password`
pub fn set(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let app = can.app();
    let (_, person) = can.read(|tx| of_link(tx, request))?;
    let mut errors = Errors::new();
    let Some(password) = new_password(&can, request, &person, &mut errors)? else {
        return page(&can, request, &person, &errors);
    };
    let hash = app
        .passwords
        .hash(&app.keys, &password)
        .map_err(Error::busy)?;
    can.write(|tx| {
        accounts::lock_of_user(tx, person.id)?;
        let (link, person) = of_link(tx, request)?;
        links::consume(tx, link.id)?;
        tx.act_as(person.id, &person.name);
        change_password(tx, person.id, &hash, None)?;
        devices::forget(tx, person.id)?;
        throttle::clear(tx, &[Bucket::password_of(&tx.app().keys, &person.email)])?;
        audit::record_for_user(tx, person.id, &Event::PasswordChanged { by_link: true })?;
        notices::password_changed(tx, &person, request)
    })?;
    Ok(Answer::see_other("/sign-in")
        .clear_cookie(links::COOKIE)
        .flash("Your password was changed. Sign in with the new one."))
}

/// The link in this browser and whose it is. It is dead while its owner could not sign in with a new password.
fn of_link(tx: &mut Tx<Anyone>, request: &Request) -> Result<(Link, Person)> {
    let link = links::of_request(tx, TokenKind::NewPassword, request)?;
    let Subject::NewPassword(user) = link.subject else {
        return Err(Error::LinkNotValid);
    };
    let person = person(tx, user)?;
    if person.two_factor && person.account.is_some() {
        Ok((link, person))
    } else {
        Err(Error::LinkNotValid)
    }
}

fn page(can: &Can<Anyone>, request: &Request, person: &Person, errors: &Errors) -> Result<Answer> {
    let mut shell = can.bare_page(request, "Set a new password");
    shell.refused = !errors.is_empty();
    let page = NewPasswordPage {
        shell,
        email: person.email.as_str(),
        errors,
    };
    page_or_refused(&page, errors)
}
