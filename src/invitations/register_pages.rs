//! Registration and joining: the pages behind the link of an invitation.

use askama::Template;

use super::Invitation;
use super::acceptance::{self, Door, Person};
use crate::access::{Anyone, Can, Level, SignedIn};
use crate::credentials::email::Email;
use crate::credentials::enrolment::{self, Place};
use crate::credentials::links::{self, Pending};
use crate::credentials::names::PersonName;
use crate::credentials::passwords::Context;
use crate::credentials::sessions;
use crate::credentials::tokens::TokenKind;
use crate::credentials::totp;
use crate::sign_in::devices;
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "invitations/register.html")]
struct RegisterPage<'a> {
    shell: Shell,
    errors: Errors,
    invitation: &'a Invitation,
    name: String,
}

/// How the page offers to join.
enum Way {
    /// Signed in with the invited address.
    Join,
    /// Not signed in.
    SignIn,
    /// Signed in as somebody else.
    Other(String),
}

#[derive(Template)]
#[template(path = "invitations/join.html")]
struct JoinPage<'a> {
    shell: Shell,
    invitation: &'a Invitation,
    way: Way,
}

/// `GET /register/{token}`: the token goes into a cookie.
pub fn open(_can: Can<Anyone>, request: &Request) -> Result<Answer> {
    links::open(request, TokenKind::Invitation, "/register")
}

fn title(invitation: &Invitation) -> String {
    format!("Join {}", invitation.account_name)
}

/// `GET /register`: the first step, or **Join** for somebody who can sign in.
pub fn show(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let Door {
        link,
        invitation,
        person,
    } = can.read(|tx| acceptance::door(tx, request))?;
    if invitation.opened_at.is_none() {
        can.write(|tx| acceptance::mark_opened(tx, &invitation))?;
    }
    if person == Person::Known {
        return join_page(&can, request, &invitation);
    }
    let pending = link.pending.unwrap_or_default();
    if !pending.password.is_empty() && !request.query().ticked("change") {
        return Ok(Answer::see_other("/register/two-factor"));
    }
    Answer::page(&RegisterPage {
        shell: can.bare_page(request, &title(&invitation)),
        errors: Errors::new(),
        name: if pending.name.is_empty() {
            invitation.name.clone()
        } else {
            pending.name
        },
        invitation: &invitation,
    })
}

fn join_page(can: &Can<Anyone>, request: &Request, invitation: &Invitation) -> Result<Answer> {
    let signed_in = can.who().as_ref().filter(|c| c.level == Level::Full);
    Answer::page(&JoinPage {
        shell: can.bare_page(request, &title(invitation)),
        invitation,
        way: match signed_in {
            None => Way::SignIn,
            Some(caller) if caller.email == invitation.email => Way::Join,
            Some(caller) => Way::Other(caller.email.clone()),
        },
    })
}

/// `POST /register`: name and password. Address, roles and account come from the invitation alone.
pub fn save(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let Door {
        invitation, person, ..
    } = can.read(|tx| acceptance::door(tx, request))?;
    if person == Person::Known {
        return Ok(Answer::see_other("/register"));
    }
    let form = request.form();
    let mut errors = Errors::new();
    let name = PersonName::parse(form.one("name")?)
        .map_err(|problem| errors.add("name", problem.to_string()));
    let email = Email::parse(&invitation.email).map_err(Error::internal)?;
    let context = Context {
        email: &email,
        companies: &[&invitation.account_name],
    };
    let password = enrolment::chosen_password(can.app(), form, &context, &mut errors)?;
    if let (Ok(name), true) = (name, errors.is_empty()) {
        can.write(|tx| acceptance::keep(tx, request, invitation.account, name.into(), password))?;
        return Ok(Answer::see_other("/register/two-factor"));
    }
    let mut shell = can.bare_page(request, &title(&invitation));
    shell.refused = true;
    Answer::refused(&RegisterPage {
        shell,
        errors,
        name: form.one("name")?.to_owned(),
        invitation: &invitation,
    })
}

/// `GET /register/two-factor`.
pub fn two_factor(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let door = can.read(|tx| acceptance::door(tx, request))?;
    match &door.link.pending {
        Some(pending) if door.person != Person::Known => {
            two_factor_page(&can, request, &door.invitation, pending, &Errors::new())
        }
        _ => Ok(Answer::see_other("/register")),
    }
}

fn two_factor_page(
    can: &Can<Anyone>,
    request: &Request,
    invitation: &Invitation,
    pending: &Pending,
    errors: &Errors,
) -> Result<Answer> {
    let shell = can.bare_page(request, "Set up two-factor");
    let secret = pending.secret().ok_or(Error::LinkNotValid)?;
    let place = Place {
        step: "Step 2 of 3: ",
        action: "/register/two-factor",
        foot: format!(
            "You can leave now and come back with the same link until it expires on {}.",
            shell.date(&invitation.expires_at)
        ),
    };
    enrolment::page_with_back(
        shell,
        place,
        "/register?change=1",
        &secret,
        &invitation.email,
        errors,
    )
}

/// `POST /register/two-factor`: with the right code the member exists and is signed in.
pub fn finish(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let door = can.read(|tx| acceptance::door(tx, request))?;
    let pending = match door.link.pending {
        Some(pending) if door.person != Person::Known => pending,
        _ => return Ok(Answer::see_other("/register")),
    };
    let secret = pending.secret().ok_or(Error::LinkNotValid)?;
    let typed = request.form().one("code")?;
    let Some(step) = totp::check(&secret, typed, can.now().unix()) else {
        can.write(|tx| links::count_wrong_code(tx, door.link.id))?;
        let mut errors = Errors::new();
        errors.add("code", enrolment::WRONG_CODE);
        return two_factor_page(&can, request, &door.invitation, &pending, &errors);
    };
    let account = door.invitation.account;
    let before = can.who().as_ref().map(|caller| caller.session);
    let (token, device) = can.write(|tx| {
        let (user, token) = acceptance::register(tx, request, account, &pending, step)?;
        // Whoever was signed in on this browser: the cookie is about to change hands.
        if let Some(session) = before {
            sessions::end(tx, session)?;
        }
        // Somebody who comes back begins anew: a browser from before is as new as any other.
        devices::forget(tx, user)?;
        Ok((token, devices::remember(tx, user, request)?))
    })?;
    let answer = Answer::see_other("/recovery-codes")
        .start_session(token)
        .clear_cookie(links::COOKIE);
    Ok(devices::with_cookie(answer, device))
}

/// `POST /register/join`: for somebody who has a sign-in already.
pub fn join(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let door = can.read(|tx| acceptance::door(tx, request))?;
    let account = door.invitation.account;
    let (company, token) = can.write(|tx| acceptance::join(tx, request, account))?;
    Ok(Answer::see_other("/")
        .start_session(token)
        .clear_cookie(links::COOKIE)
        .flash(format!("You joined {company}.")))
}
