//! Registration and joining: the pages behind the link of an invitation.

use askama::Template;

use super::Invitation;
use super::acceptance::{self, Door, Person};
use crate::access::{Anyone, Can, Level, SignedIn};
use crate::credentials::email::Email;
use crate::credentials::enrolment::{self, SecondStep};
use crate::credentials::links;
use crate::credentials::names::PersonName;
use crate::credentials::passwords::Context;
use crate::credentials::sessions;
use crate::credentials::tokens::TokenKind;
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
    match second_step(&door) {
        Some(step) => step.page(&can, request, &Errors::new()),
        None => Ok(Answer::see_other("/register")),
    }
}

/// Nothing for somebody who has a user already, and before the first step.
fn second_step(door: &Door) -> Option<SecondStep<'_>> {
    let pending = door.link.pending.as_ref()?;
    (door.person != Person::Known).then_some(SecondStep {
        path: "/register",
        link: door.link.id,
        expires_at: door.invitation.expires_at,
        email: &door.invitation.email,
        pending,
    })
}

/// `POST /register/two-factor`: with the right code the member exists and is signed in.
pub fn finish(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let door = can.read(|tx| acceptance::door(tx, request))?;
    let Some(second) = second_step(&door) else {
        return Ok(Answer::see_other("/register"));
    };
    let step = match second.prove(&can, request)? {
        Ok(step) => step,
        Err(refused) => return Ok(refused),
    };
    let pending = second.pending;
    let account = door.invitation.account;
    let before = can.who().as_ref().map(|caller| caller.session);
    let (token, device) = can.write(|tx| {
        let (user, token) = acceptance::register(tx, request, account, pending, step)?;
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
