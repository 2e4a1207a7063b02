//! The pages behind the link in a product update. They change nothing until their button is pressed; mail programs
//! press it themselves (RFC 8058).

use askama::Template;

use super::unsubscribe::{self, Deed, Status, Unverified};
use crate::access::{Anyone, Can};
use crate::web::answer::Answer;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "subscribers/unsubscribe.html")]
struct UnsubscribePage {
    shell: Shell,
    /// Whom it is about; "This address" when the entry is gone.
    email: String,
    step: Step,
    /// Where the button leads; empty when there is none.
    action: String,
}

#[derive(PartialEq)]
enum Step {
    Leave,
    Left,
    LeftAsMember,
    Return,
    Returned,
}

/// A token that is not one of ours opens the same page as any dead link.
fn deed(can: &Can<Anyone>, request: &Request) -> Result<Deed> {
    let token: Unverified = request.param("token").map_err(|_| Error::LinkNotValid)?;
    token.verify(&can.app().keys)
}

fn answer(can: &Can<Anyone>, request: &Request, deed: Deed, status: Status) -> Result<Answer> {
    let step = match (deed, status.on) {
        (Deed::Leave(_) | Deed::OptOut(_), true) => Step::Leave,
        (Deed::Leave(_), false) => Step::Left,
        (Deed::OptOut(_), false) => Step::LeftAsMember,
        (Deed::Return(_), true) => Step::Returned,
        (Deed::Return(_), false) => Step::Return,
    };
    let action = match (deed, &step, &status.email) {
        (_, Step::Leave | Step::Return, Some(_)) => request.path().to_owned(),
        (Deed::Leave(id), Step::Left, Some(_)) => Deed::Return(id).path(&can.app().keys),
        _ => String::new(),
    };
    let title = match step {
        Step::Leave => "Unsubscribe from product updates",
        Step::Left | Step::LeftAsMember => "You are unsubscribed",
        Step::Return => "Subscribe to product updates",
        Step::Returned => "You are subscribed",
    };
    Answer::page(&UnsubscribePage {
        shell: can.bare_page(request, title),
        email: status.email.unwrap_or_else(|| "This address".to_owned()),
        step,
        action,
    })
}

/// `GET /unsubscribe/{token}`
pub fn ask(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let deed = deed(&can, request)?;
    let status = can.read(|tx| unsubscribe::status(tx, deed))?;
    answer(&can, request, deed, status)
}

/// `POST /unsubscribe/{token}`: from the page, or from a mail program that has seen no page. No redirect: RFC 8058
/// forbids it.
pub fn carry_out(can: Can<Anyone>, request: &Request) -> Result<Answer> {
    let deed = deed(&can, request)?;
    let status = can.write(|tx| unsubscribe::carry_out(tx, deed))?;
    answer(&can, request, deed, status)
}
