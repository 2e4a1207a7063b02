//! Add subscriber, Remove subscriber. The list itself is a card on the page of the members.

use askama::Template;

use super::{Added, State};
use crate::Result;
use crate::access::{Can, ManageMembers};
use crate::credentials::email::Email;
use crate::db::types::SubscriberId;
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;

/// The page that shows the list.
const LIST: &str = "/shared/insight-users";
const LIST_CARD: &str = "/shared/insight-users#subscribers";

#[derive(Template)]
#[template(path = "subscribers/add.html")]
struct AddPage {
    shell: Shell,
    errors: Errors,
    email: String,
    /// The address is on the list and bounces: there is something to do.
    bouncing: bool,
    back: &'static str,
}

#[derive(Template)]
#[template(path = "subscribers/remove.html")]
struct RemovePage {
    shell: Shell,
    action: String,
    email: String,
    unsubscribed: bool,
    back: &'static str,
}

fn shell(can: &Can<ManageMembers>, request: &Request, title: &str) -> Result<Shell> {
    let trail = [("Shared", ""), ("Insight users", LIST), (title, "")];
    can.page(request, &trail)
}

/// `GET /shared/insight-users/subscribers/new`
pub fn new(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    Answer::page(&AddPage {
        shell: shell(&can, request, "Add subscriber")?,
        errors: Errors::new(),
        email: String::new(),
        bouncing: false,
        back: LIST_CARD,
    })
}

/// `POST /shared/insight-users/subscribers/new`
pub fn add(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let typed = request.form().one("email")?;
    let mut bouncing = false;
    let sentence = match Email::parse(typed) {
        Err(problem) => problem.to_string(),
        Ok(email) => {
            let activate = request.form().ticked("activate");
            if activate && can.write(|tx| super::activate(tx, &email))? {
                return Ok(Answer::see_other(LIST_CARD).flash(format!("Activated {email} again.")));
            }
            match can.write(|tx| super::add(tx, &email))? {
                Added::New => {
                    return Ok(Answer::see_other(LIST_CARD)
                        .flash(format!("Added {email} to the subscribers.")));
                }
                Added::Already(State::Active) => {
                    format!("{email} is already a subscriber. Nothing was changed.")
                }
                Added::Already(State::Unsubscribed) => format!(
                    "{email} is already a subscriber and has unsubscribed. Nothing was changed: only the person can \
                     subscribe again, with the link in an earlier product update."
                ),
                Added::Already(State::Bouncing) => {
                    bouncing = true;
                    format!(
                        "{email} is already a subscriber, but mail to this address came back. Nothing was changed. \
                         Activate it again once the address works."
                    )
                }
            }
        }
    };
    let mut errors = Errors::new();
    errors.add("email", sentence);
    let mut shell = shell(&can, request, "Add subscriber")?;
    shell.refused = true;
    Answer::refused(&AddPage {
        shell,
        errors,
        email: typed.to_owned(),
        bouncing,
        back: LIST_CARD,
    })
}

/// `GET /shared/insight-users/subscribers/{subscriber}/remove`
pub fn confirm_removal(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let id: SubscriberId = request.param("subscriber")?;
    let (email, state) = can.read(|tx| super::find(tx, id))?;
    Answer::page(&RemovePage {
        shell: shell(&can, request, "Remove subscriber")?,
        action: request.path().to_owned(),
        email,
        unsubscribed: state == State::Unsubscribed,
        back: LIST_CARD,
    })
}

/// `POST /shared/insight-users/subscribers/{subscriber}/remove`
pub fn remove(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let id: SubscriberId = request.param("subscriber")?;
    let email = can.write(|tx| super::remove(tx, id))?;
    Ok(Answer::see_other(LIST_CARD).flash(format!("Removed {email} from the subscribers.")))
}
