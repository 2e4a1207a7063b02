//! Access after an administrator's reset: the mailed link and the password prove the person, who then binds a new
//! second factor. A link alone opens nothing, unless the password was discarded as well.

use askama::Template;
use subtle::ConstantTimeEq;

use super::super::proof::{check_password, new_password, password_buckets, refused};
use super::super::{Person, change_password, devices, mark_active, notices, person};
use super::page_or_refused;
use crate::access::{Anyone, Can, Proof, Tx};
use crate::accounts;
use crate::audit::{self, Event};
use crate::credentials::enrolment::{self, Place, WRONG_CODE};
use crate::credentials::links::{self, Link, Pending, Subject};
use crate::credentials::passwords::Verdict;
use crate::credentials::second_factor;
use crate::credentials::sessions::{self, Revealed};
use crate::credentials::throttle::{self, Bucket};
use crate::credentials::tokens::{Token, TokenKind};
use crate::credentials::totp::{self, Secret};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

/// The cookie of the browser in which the password was proved: somebody else with the same mail has to prove it too.
const COOKIE: &str = "access";

#[derive(Template)]
#[template(path = "sign_in/set_up_access.html")]
struct SetUpAccessPage<'a> {
    shell: Shell,
    email: &'a str,
    /// The password was discarded, so a new one is chosen.
    choose: bool,
    errors: &'a Errors,
}

/// `GET /set-up-access/{token}`
pub fn open(_: Can<Anyone>, request: &Request) -> Result<Answer> {
    links::open(request, TokenKind::SetUpAccess, "/set-up-access")
}

/// `GET /set-up-access`
pub fn show(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let (_, person) = can.read(|tx| of_link(tx, request))?;
    page(&can, request, &person, &Errors::new())
}

/// `POST /set-up-access`
pub fn prove(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let (_, person) = can.read(|tx| of_link(tx, request))?;
    let mut errors = Errors::new();
    let Some(password) = proved(&can, request, &person, &mut errors)? else {
        return page(&can, request, &person, &errors);
    };
    let browser = Token::new(TokenKind::SetUpAccess);
    can.write(|tx| {
        let (link, now) = of_link(tx, request)?;
        // Discarded or changed while it was being checked.
        if now.password != person.password {
            return Err(Error::LinkNotValid);
        }
        let pending = Pending {
            password,
            secret: Secret::generate().as_bytes().to_vec(),
            browser: browser.hash().to_vec(),
            ..Pending::default()
        };
        links::keep(tx, link.id, &pending)
    })?;
    Ok(Answer::see_other("/set-up-access/two-factor").set_cookie(
        COOKIE,
        browser.expose(),
        Some(time::Duration::minutes(30)),
    ))
}

/// The hash of a newly chosen password, or nothing but the proof of the present one; none when neither was right.
fn proved(
    can: &Can<Anyone>,
    request: &Request,
    person: &Person,
    errors: &mut Errors,
) -> Result<Option<String>> {
    let app = can.app();
    if person.password.is_none() {
        let Some(password) = new_password(can, request, person, errors)? else {
            return Ok(None);
        };
        let hash = app.passwords.hash(&app.keys, &password);
        return hash.map(Some).map_err(Error::busy);
    }
    let typed = request.form().one("password")?;
    let checked = check_password(can, request, &person.email, typed, |p| p.account.is_some())?;
    if let Verdict::Right { .. } = checked.verdict {
        return Ok(Some(String::new()));
    }
    refused(can, &person.email, Some(person))?;
    errors.add("password", "The password is not right.");
    Ok(None)
}

/// `GET /set-up-access/two-factor`
pub fn show_two_factor(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    match can.read(|tx| proved_link(tx, request))? {
        Some((_, person, pending)) => {
            two_factor_page(&can, request, &person, &pending, &Errors::new())
        }
        None => Ok(Answer::see_other("/set-up-access")),
    }
}

/// `POST /set-up-access/two-factor`
pub fn bind(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let Some((link, person, pending)) = can.read(|tx| proved_link(tx, request))? else {
        return Ok(Answer::see_other("/set-up-access"));
    };
    let typed = request.form().one("code")?;
    let bucket = [Bucket::code(&can.app().keys, person.id)];
    can.write(|tx| throttle::attempt(tx, &bucket))?;
    let secret = secret_of(&pending)?;
    let Some(step) = totp::check(&secret, typed, can.now().unix()) else {
        can.write(|tx| links::count_wrong_code(tx, link.id))?;
        let mut errors = Errors::new();
        errors.add("code", WRONG_CODE);
        return two_factor_page(&can, request, &person, &pending, &errors);
    };
    let (token, device) = can.write(|tx| {
        accounts::lock_of_user(tx, person.id)?;
        // Decided again: the link may have been used or replaced since.
        let Some((link, person, pending)) = proved_link(tx, request)? else {
            return Err(Error::LinkNotValid);
        };
        if pending.secret != secret.as_bytes() {
            return Err(Error::LinkNotValid);
        }
        let account = person.account.ok_or(Error::LinkNotValid)?;
        links::consume(tx, link.id)?;
        tx.act_as(person.id, &person.name);
        if pending.password.is_empty() {
            sessions::end_all(tx, person.id, None)?;
            links::revoke(tx, Subject::NewPassword(person.id))?;
        } else {
            change_password(tx, person.id, &pending.password, None)?;
            let by_link = Event::PasswordChanged { by_link: true };
            audit::record_for_user(tx, person.id, &by_link)?;
        }
        let codes = second_factor::bind(tx, person.id, &secret, step)?;
        // Whoever was signed in in this browser is not any more.
        if let Some(earlier) = can.who().as_ref() {
            sessions::end(tx, earlier.session)?;
        }
        let token = sessions::start(tx, person.id, account, request)?;
        sessions::reveal(tx, &token, &Revealed::RecoveryCodes(codes))?;
        mark_active(tx, account, person.id)?;
        devices::forget(tx, person.id)?;
        let device = devices::remember(tx, person.id, request)?;
        throttle::clear(tx, &bucket)?;
        throttle::clear(tx, &password_buckets(&can, &person.email, request, None))?;
        audit::record_for_user(tx, person.id, &Event::TwoFactorSet { after_reset: true })?;
        notices::two_factor_set(tx, &person, request)?;
        Ok((token, device))
    })?;
    let answer = Answer::see_other("/recovery-codes")
        .start_session(token)
        .clear_cookie(links::COOKIE)
        .clear_cookie(COOKIE);
    Ok(devices::with_cookie(answer, device))
}

/// The link in this browser and whose it is. It is dead for somebody who is no member any more or has set up access.
fn of_link<P: Proof>(tx: &mut Tx<P>, request: &Request) -> Result<(Link, Person)> {
    let link = links::of_request(tx, TokenKind::SetUpAccess, request)?;
    let Subject::SetUpAccess(user) = link.subject else {
        return Err(Error::LinkNotValid);
    };
    let person = person(tx, user)?;
    if person.two_factor || person.account.is_none() {
        return Err(Error::LinkNotValid);
    }
    Ok((link, person))
}

/// The same, if the password step was done in this browser.
fn proved_link<P: Proof>(
    tx: &mut Tx<P>,
    request: &Request,
) -> Result<Option<(Link, Person, Pending)>> {
    let (mut link, person) = of_link(tx, request)?;
    let proof = request.token_cookie(COOKIE, TokenKind::SetUpAccess);
    Ok(match (link.pending.take(), proof) {
        (Some(pending), Some(proof))
            if bool::from(pending.browser.as_slice().ct_eq(&proof.hash())) =>
        {
            Some((link, person, pending))
        }
        _ => None,
    })
}

fn secret_of(pending: &Pending) -> Result<Secret> {
    pending
        .secret()
        .ok_or_else(|| Error::internal("a pending TOTP secret has a wrong length"))
}

fn two_factor_page(
    can: &Can<Anyone>,
    request: &Request,
    person: &Person,
    pending: &Pending,
    errors: &Errors,
) -> Result<Answer> {
    let place = Place {
        step: "",
        action: "/set-up-access/two-factor",
        foot: String::new(),
    };
    let shell = can.bare_page(request, "Set up two-factor");
    let secret = secret_of(pending)?;
    enrolment::page(shell, place, &secret, person.email.as_str(), errors)
}

fn page(can: &Can<Anyone>, request: &Request, person: &Person, errors: &Errors) -> Result<Answer> {
    let mut shell = can.bare_page(request, "Set up access");
    shell.refused = !errors.is_empty();
    let page = SetUpAccessPage {
        shell,
        email: person.email.as_str(),
        choose: person.password.is_none(),
        errors,
    };
    page_or_refused(&page, errors)
}
