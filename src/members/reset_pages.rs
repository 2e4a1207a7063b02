//! Reset 2FA.

use askama::Template;

use super::reset::{self, Wish};
use super::{Member, PATH, Rules, find};
use crate::access::{Can, ManageMembers};
use crate::db::types::MemberId;
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "members/reset.html")]
struct ResetPage {
    shell: Shell,
    member: Member,
    me: bool,
    password_lost: bool,
    /// Why it cannot be done.
    refused: Option<String>,
    errors: Errors,
}

/// The control behind the error about oneself.
const OWN: &str = "own";

/// `GET /shared/insight-users/members/{member}/reset-2fa`
pub fn show(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let page = page(&can, request, Errors::new())?;
    Answer::page(&page)
}

/// `POST /shared/insight-users/members/{member}/reset-2fa`
pub fn act(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let id: MemberId = request.param("member")?;
    let own = id == can.me().member;
    let form = request.form();
    if own && !form.ticked(OWN) {
        let mut errors = Errors::new();
        errors.add(OWN, "Tick this to reset your own 2FA");
        return Answer::refused(&page(&can, request, errors)?);
    }
    let wish = Wish {
        resend: form.ticked("resend"),
        password_lost: form.ticked("password_lost"),
    };
    let member = match can.write(|tx| reset::reset(tx, id, wish)) {
        Err(Error::Refused(why)) => {
            let mut errors = Errors::new();
            errors.add("reset", why);
            let page = page(&can, request, errors)?;
            // In other accounts of the person this is nobody's right; the rest depends on how things stand.
            let status = if page.member.home { 422 } else { 403 };
            return Answer::page_with(status, &page);
        }
        done => done?,
    };
    if own {
        return Ok(Answer::see_other("/sign-in")
            .end_session()
            .flash("Your 2FA was reset. A set-up link is on its way to your e-mail address."));
    }
    let text = match wish {
        Wish {
            password_lost: true,
            ..
        } => format!("2FA and password of {} were reset.", member.name),
        Wish { resend: true, .. } => format!("A new set-up link for {} was made.", member.name),
        _ => format!("2FA of {} was reset.", member.name),
    };
    Ok(Answer::see_other(PATH).flash(format!(
        "{text} The link is on its way to {} and works for 24 hours.",
        member.email
    )))
}

fn page(can: &Can<ManageMembers>, request: &Request, errors: Errors) -> Result<ResetPage> {
    let id: MemberId = request.param("member")?;
    let (member, rules) = can.read(|tx| Ok((find(tx, id)?, Rules::load(tx)?)))?;
    let trail = [
        ("Shared", ""),
        ("Insight users", PATH),
        (member.name.as_str(), ""),
        ("Reset 2FA", ""),
    ];
    let mut shell = can.page(request, &trail)?;
    shell.refused = !errors.is_empty();
    Ok(ResetPage {
        shell,
        me: id == can.me().member,
        password_lost: request.form().ticked("password_lost"),
        refused: rules.reset_refused(&member),
        member,
        errors,
    })
}
