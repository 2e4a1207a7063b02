//! A new secret code: password and a code of the present secret, then the new secret, kept with the session until a
//! code proves it. Until then the present one stays.

use askama::Template;

use super::super::proof::{Code, check_code, check_own_password, wrong_code};
use super::super::{notices, person};
use super::{ended, own_page, page_or_refused};
use crate::access::{Can, SignedIn};
use crate::accounts;
use crate::audit::{self, Event};
use crate::credentials::enrolment::{self, Place};
use crate::credentials::links::{self, Subject};
use crate::credentials::second_factor;
use crate::credentials::sessions::{self, Revealed};
use crate::credentials::throttle::{self, Bucket};
use crate::credentials::totp::{self, Secret};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

const START: &str = "/security/two-factor";

#[derive(Template)]
#[template(path = "sign_in/two_factor.html")]
struct StartPage<'a> {
    shell: Shell,
    errors: &'a Errors,
}

/// `GET /security/two-factor`
pub fn ask(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    start_page(&can, request, &Errors::new())
}

/// `POST /security/two-factor`
pub fn start(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let mut errors = Errors::new();
    let caller = can.me().clone();
    let typed = request.form().one("code")?;
    if typed.trim().is_empty() {
        errors.add("code", "Type the code.");
        return start_page(&can, request, &errors);
    }
    if check_own_password(&can, request, &caller, &mut errors)?.is_none() {
        return start_page(&can, request, &errors);
    }
    let checked = check_code(&can, request, &caller, typed, |tx, _, _| {
        let secret = Secret::generate().as_bytes().to_vec();
        let token = sessions::renew(tx, true)?;
        sessions::reveal(tx, &token, &Revealed::NewSecret { secret })?;
        Ok(token)
    })?;
    match checked {
        Code::Right(token) => {
            Ok(Answer::see_other("/security/two-factor/new").start_session(token))
        }
        Code::Wrong => {
            errors.add("code", wrong_code(false));
            start_page(&can, request, &errors)
        }
        Code::Ended => Ok(ended("/security")),
    }
}

/// `GET /security/two-factor/new`
pub fn show(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    match kept(&can)? {
        Some(secret) => page(&can, request, &secret, &Errors::new()),
        None => Ok(Answer::see_other(START)),
    }
}

/// `POST /security/two-factor/new`
pub fn bind(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let Some(secret) = kept(&can)? else {
        return Ok(Answer::see_other(START));
    };
    let user = can.me().user;
    let typed = request.form().one("code")?;
    let bucket = [Bucket::code(&can.app().keys, user)];
    can.write(|tx| throttle::attempt(tx, &bucket))?;
    let Some(step) = totp::check(&secret, typed, can.now().unix()) else {
        let mut errors = Errors::new();
        errors.add("code", enrolment::WRONG_CODE);
        return page(&can, request, &secret, &errors);
    };
    let token = can.write(|tx| {
        accounts::lock_of_user(tx, user)?;
        // Decided again: it may have been bound, given up or replaced since.
        if !matches!(sessions::revealed(tx)?, Some(Revealed::NewSecret { secret: kept }) if kept == secret.as_bytes())
        {
            return Err(Error::refused(
                "Another secret code was asked for meanwhile. Start again under Security.",
            ));
        }
        let person = person(tx, user)?;
        let codes = second_factor::bind(tx, user, &secret, step)?;
        let session = tx.me().session;
        sessions::end_all(tx, user, Some(session))?;
        links::revoke(tx, Subject::NewPassword(user))?;
        let token = sessions::renew(tx, true)?;
        sessions::reveal(tx, &token, &Revealed::RecoveryCodes(codes))?;
        throttle::clear(tx, &bucket)?;
        audit::record_for_user(tx, user, &Event::TwoFactorSet { after_reset: false })?;
        notices::two_factor_set(tx, &person, request)?;
        Ok(token)
    })?;
    Ok(Answer::see_other("/recovery-codes").start_session(token))
}

fn kept(can: &Can<SignedIn>) -> Result<Option<Secret>> {
    Ok(match can.read(sessions::revealed)? {
        Some(Revealed::NewSecret { secret }) => Secret::from_bytes(&secret),
        _ => None,
    })
}

fn page(
    can: &Can<SignedIn>,
    request: &Request,
    secret: &Secret,
    errors: &Errors,
) -> Result<Answer> {
    let place = Place {
        step: "",
        action: "/security/two-factor/new",
        foot: "Your present secret code works until you confirm the new one.".into(),
    };
    let shell = can.bare_page(request, "Set up two-factor");
    enrolment::page(shell, place, secret, &can.me().email, errors)
}

fn start_page(can: &Can<SignedIn>, request: &Request, errors: &Errors) -> Result<Answer> {
    let trail = [
        ("Security", "/security"),
        ("Generate a new secret code", ""),
    ];
    let mut shell = own_page(can, request, &trail)?;
    shell.refused = !errors.is_empty();
    page_or_refused(&StartPage { shell, errors }, errors)
}
