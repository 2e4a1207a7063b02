//! Checking what a person typed. Every door uses these, so that all share counters, order and answers: the attempt is
//! counted in a transaction of its own, then the credential is checked, then the counters are cleared or somebody is
//! told.

use super::{Person, devices, notices, person, person_of};
use crate::access::{Admit, Caller, Can, Level};
use crate::accounts;
use crate::audit::{self, Event};
use crate::credentials::email::Email;
use crate::credentials::passwords::{Context, Password, Verdict};
use crate::credentials::second_factor::{self, Proved};
use crate::credentials::throttle::{self, Bucket};
use crate::credentials::{enrolment, sessions};
use crate::db::types::UserId;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::{Error, Result};

/// Wrong codes in a row after which a session ends.
pub const MAX_CODES: i32 = 5;

/// A typed password and what became of it.
pub struct Typed {
    pub person: Option<Person>,
    pub verdict: Verdict,
}

/// Checks the password of an address. `eligible` says whose password counts; for anybody else the work is the same and
/// the verdict is wrong.
pub fn check_password<P: Admit>(
    can: &Can<P>,
    request: &Request,
    email: &Email,
    typed: &str,
    eligible: fn(&Person) -> bool,
) -> Result<Typed> {
    let keys = &can.app().keys;
    let person = can.write(|tx| {
        let person = person_of(tx, email)?;
        let user = person.as_ref().map_or(UserId(0), |p| p.id);
        let device = devices::known(tx, user, request)?;
        throttle::attempt(tx, &password_buckets(can, email, request, device))?;
        Ok(person)
    })?;
    let stored = person
        .as_ref()
        .filter(|p| eligible(p))
        .and_then(|p| p.password.as_deref());
    let verdict = can
        .app()
        .passwords
        .verify(keys, stored, typed)
        .map_err(Error::busy)?;
    Ok(Typed { person, verdict })
}

/// The counters of a password typed in this browser.
pub fn password_buckets<P: Admit>(
    can: &Can<P>,
    email: &Email,
    request: &Request,
    device: Option<i64>,
) -> Vec<Bucket> {
    let device = device.map(|id| id.to_string());
    Bucket::password(&can.app().keys, email, request.address(), device.as_deref())
}

/// Writes down that a sign-in was refused. For an address without a member behind it something is written as well, so
/// that both take the same time.
pub fn refused<P: Admit>(can: &Can<P>, email: &Email, person: Option<&Person>) -> Result<()> {
    let nobody = [Bucket::nobody(&can.app().keys, email)];
    can.write(|tx| match person {
        Some(person) if person.account.is_some() => {
            tx.act_as_nobody();
            let event = Event::SignInRefused {
                email: email.to_string(),
                code: false,
            };
            audit::record_for_user(tx, person.id, &event)
        }
        _ => throttle::attempt(tx, &nobody),
    })
}

/// Checks the present password of somebody who is signed in. A wrong one becomes an error of the field `current`.
pub fn check_own_password<P: Admit>(
    can: &Can<P>,
    request: &Request,
    caller: &Caller,
    errors: &mut Errors,
) -> Result<Option<Person>> {
    let typed = request.form().one("current")?;
    if typed.is_empty() {
        errors.add("current", "Type your current password.");
        return Ok(None);
    }
    let email = Email::parse(&caller.email).map_err(Error::internal)?;
    let checked = check_password(can, request, &email, typed, |_| true)?;
    match (checked.person, checked.verdict) {
        (Some(person), Verdict::Right { .. }) => {
            can.write(|tx| {
                let device = devices::known(tx, person.id, request)?;
                throttle::clear(tx, &password_buckets(can, &email, request, device))
            })?;
            Ok(Some(person))
        }
        _ => {
            errors.add("current", "This is not your current password.");
            Ok(None)
        }
    }
}

/// What became of a typed code.
pub enum Code<T> {
    Right(T),
    Wrong,
    /// Wrong once too often: the session is over.
    Ended,
}

/// Checks a code typed in a session, and in the same transaction does what a right one allows.
pub fn check_code<P: Admit, T>(
    can: &Can<P>,
    request: &Request,
    caller: &Caller,
    typed: &str,
    then: impl FnOnce(&mut crate::access::Tx<P>, &Person, Proved) -> Result<T>,
) -> Result<Code<T>> {
    let bucket = [Bucket::code(&can.app().keys, caller.user)];
    let tries = can.write(|tx| {
        throttle::attempt(tx, &bucket)?;
        sessions::count_code(tx, caller.session)
    })?;
    can.write(|tx| {
        accounts::lock_of_user(tx, caller.user)?;
        let person = person(tx, caller.user)?;
        if tries <= MAX_CODES
            && let Some(proved) = second_factor::check(tx, caller.user, typed)?
        {
            throttle::clear(tx, &bucket)?;
            return then(tx, &person, proved).map(Code::Right);
        }
        if caller.level == Level::Half {
            let event = Event::SignInRefused {
                email: caller.email.clone(),
                code: true,
            };
            audit::record_for_user(tx, caller.user, &event)?;
            if tries == 1 {
                notices::half_signed_in(tx, &person, request)?;
            }
        }
        if tries < MAX_CODES {
            return Ok(Code::Wrong);
        }
        if tries == MAX_CODES {
            notices::wrong_codes(tx, &person, request)?;
        }
        sessions::end(tx, caller.session)?;
        Ok(Code::Ended)
    })
}

/// What a wrong code is answered with.
pub fn wrong_code(recovery: bool) -> &'static str {
    if recovery {
        "This recovery code is not right, or it has been used."
    } else {
        enrolment::WRONG_CODE
    }
}

/// Reads a new password from the fields `password` and `repeat`. What is wrong with it becomes errors.
pub fn new_password<P: Admit>(
    can: &Can<P>,
    request: &Request,
    person: &Person,
    errors: &mut Errors,
) -> Result<Option<Password>> {
    let companies = can.read(|tx| super::companies_of(tx, person.id))?;
    let names: Vec<&str> = companies.iter().map(String::as_str).collect();
    let context = Context {
        email: &person.email,
        companies: &names,
    };
    let typed = request.form().one("password")?;
    let password = match Password::new(typed, &context) {
        Ok(password) => password,
        Err(problem) => {
            errors.add("password", problem.to_string());
            return Ok(None);
        }
    };
    if request.form().one("repeat")? != typed {
        errors.add("repeat", "Type the same password twice.");
        return Ok(None);
    }
    Ok(Some(password))
}
