//! The pages of the first start.

use askama::Template;

use super::first_start;
use crate::Result;
use crate::access::{Anyone, Can};
use crate::credentials::email::Email;
use crate::credentials::enrolment::{self, SecondStep};
use crate::credentials::links::{self, Link, Pending};
use crate::credentials::names::{CompanyName, PersonName};
use crate::credentials::passwords::Context;
use crate::credentials::tokens::TokenKind;
use crate::sign_in::devices;
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;

#[derive(Template)]
#[template(path = "accounts/setup.html")]
struct SetupPage {
    shell: Shell,
    errors: Errors,
    company: String,
    name: String,
    email: String,
}

/// `GET /setup/{token}`: the token goes into a cookie.
pub fn open(_can: Can<Anyone>, request: &Request) -> Result<Answer> {
    links::open(request, TokenKind::Setup, "/setup")
}

/// `GET /setup`: company and owner. Who has come further continues there, unless this page is asked for.
pub fn show(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let link = can.read(|tx| first_start::door(tx, request))?;
    let pending = link.pending.unwrap_or_default();
    if !pending.password.is_empty() && !request.query().ticked("change") {
        return Ok(Answer::see_other("/setup/two-factor"));
    }
    Answer::page(&SetupPage {
        shell: can.bare_page(request, "Set up Insight"),
        errors: Errors::new(),
        company: pending.company,
        name: pending.name,
        email: pending.email,
    })
}

/// `POST /setup`.
pub fn save(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    can.read(|tx| first_start::door(tx, request))?;
    let form = request.form();
    let mut errors = Errors::new();
    let company = CompanyName::parse(form.one("company")?)
        .map_err(|problem| errors.add("company", problem.to_string()));
    let name = PersonName::parse(form.one("name")?)
        .map_err(|problem| errors.add("name", problem.to_string()));
    let email = Email::parse(form.one("email")?)
        .map_err(|problem| errors.add("email", problem.to_string()));
    if let Ok(email) = &email {
        let companies: Vec<&str> = company.iter().map(CompanyName::as_str).collect();
        let context = Context {
            email,
            companies: &companies,
        };
        let password = enrolment::chosen_password(can.app(), form, &context, &mut errors)?;
        if let (Ok(company), Ok(name), true) = (&company, &name, errors.is_empty()) {
            let pending = Pending {
                company: company.to_string(),
                name: name.to_string(),
                email: email.to_string(),
                password,
                secret: Vec::new(),
                ..Pending::default()
            };
            can.write(|tx| first_start::keep(tx, request, pending))?;
            return Ok(Answer::see_other("/setup/two-factor"));
        }
    }
    let mut shell = can.bare_page(request, "Set up Insight");
    shell.refused = true;
    Answer::refused(&SetupPage {
        shell,
        errors,
        company: form.one("company")?.to_owned(),
        name: form.one("name")?.to_owned(),
        email: form.one("email")?.to_owned(),
    })
}

/// `GET /setup/two-factor`.
pub fn two_factor(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let link = can.read(|tx| first_start::door(tx, request))?;
    match &link.pending {
        Some(pending) => second_step(&link, pending).page(&can, request, &Errors::new()),
        None => Ok(Answer::see_other("/setup")),
    }
}

fn second_step<'a>(link: &Link, pending: &'a Pending) -> SecondStep<'a> {
    SecondStep {
        path: "/setup",
        link: link.id,
        expires_at: link.expires_at,
        email: &pending.email,
        pending,
    }
}

/// `POST /setup/two-factor`: with the right code the account exists and its owner is signed in.
pub fn finish(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let link = can.read(|tx| first_start::door(tx, request))?;
    let Some(pending) = &link.pending else {
        return Ok(Answer::see_other("/setup"));
    };
    let step = match second_step(&link, pending).prove(&can, request)? {
        Ok(step) => step,
        Err(refused) => return Ok(refused),
    };
    let (token, device) = can.write(|tx| {
        let (user, token) = first_start::set_up(tx, request, pending, step)?;
        Ok((token, devices::remember(tx, user, request)?))
    })?;
    let answer = Answer::see_other("/recovery-codes")
        .start_session(token)
        .clear_cookie(links::COOKIE);
    Ok(devices::with_cookie(answer, device))
}
