//! Installation > Product updates, for operators.

use askama::Template;

use super::announcements::{self, Kind, Markdown, New, PAGE, Subject};
use super::markdown::Rendered;
use super::past_updates::{self, Announcement};
use crate::Result;
use crate::access::{Can, Operator};
use crate::db::types::{AccountId, AnnouncementId};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::paging::{self, Page, Place};
use crate::web::request::Request;
use crate::web::shell::Shell;

const PATH: &str = "/product-updates";

#[derive(Template)]
#[template(path = "subscribers/updates.html")]
struct ListPage {
    shell: Shell,
    page: Page<Announcement>,
}

#[derive(Template)]
#[template(path = "subscribers/update.html")]
struct ShowPage {
    shell: Shell,
    update: Announcement,
    body: Rendered,
}

#[derive(Template)]
#[template(path = "subscribers/update_new.html")]
struct NewPage {
    shell: Shell,
    errors: Errors,
    kinds: [Kind; 2],
    typed: Typed,
    accounts: Vec<(AccountId, String)>,
    preview: Option<Rendered>,
}

/// The form as it was typed.
#[derive(Default)]
struct Typed {
    kind: Kind,
    subject: String,
    markdown: String,
    /// The number of an account; empty for all.
    account: String,
}

fn shell(can: &Can<Operator>, request: &Request, last: Option<&str>) -> Result<Shell> {
    let mut trail = vec![("Installation", ""), ("Product updates", PATH)];
    trail.extend(last.map(|label| (label, "")));
    can.page(request, &trail)
}

/// `GET /product-updates`
pub fn list(can: Can<Operator>, request: &Request) -> Result<Answer> {
    let place: Option<Place<AnnouncementId>> = Place::read(request.query(), "page");
    let rows = can.read(|tx| past_updates::list(tx, place.as_ref()))?;
    let link = |cursor: &str| paging::with(PATH, request.query(), &[], "page", cursor);
    Answer::page(&ListPage {
        shell: shell(&can, request, None)?,
        page: paging::page(rows, PAGE, place.as_ref(), |row| row.id, link),
    })
}

/// `GET /product-updates/{announcement}`
pub fn show(can: Can<Operator>, request: &Request) -> Result<Answer> {
    let id: AnnouncementId = request.param("announcement")?;
    let update = can.read(|tx| past_updates::find(tx, id))?;
    let shell = shell(&can, request, Some(&update.subject))?;
    Answer::page(&ShowPage {
        shell,
        body: super::markdown::render_in_section(&update.markdown),
        update,
    })
}

/// `GET /product-updates/new`
pub fn new(can: Can<Operator>, request: &Request) -> Result<Answer> {
    Answer::page(&form(&can, request, Typed::default(), Errors::new())?)
}

fn form(can: &Can<Operator>, request: &Request, typed: Typed, errors: Errors) -> Result<NewPage> {
    let mut shell = shell(can, request, Some("New product update"))?;
    shell.refused = !errors.is_empty();
    Ok(NewPage {
        shell,
        errors,
        kinds: Kind::ALL,
        typed,
        accounts: can.read(past_updates::choosable_accounts)?,
        preview: None,
    })
}

/// `POST /product-updates/new`: shows the preview, or sends.
pub fn send(can: Can<Operator>, request: &Request) -> Result<Answer> {
    let sent = request.form();
    let mut errors = Errors::new();
    let kind = sent.one("kind")?.parse().unwrap_or_else(|()| {
        errors.add("kind", "Choose what the update is about.");
        Kind::default()
    });
    let typed = Typed {
        kind,
        subject: sent.one("subject")?.to_owned(),
        markdown: sent.one("markdown")?.to_owned(),
        account: sent.one("account")?.to_owned(),
    };
    let subject = Subject::parse(&typed.subject);
    if let Err(sentence) = &subject {
        errors.add("subject", *sentence);
    }
    let markdown = Markdown::parse(&typed.markdown);
    if let Err(sentence) = &markdown {
        errors.add("markdown", *sentence);
    }
    let account: Option<AccountId> = typed.account.parse().ok();
    let known = match account {
        Some(id) => can.read(|tx| past_updates::account_exists(tx, id))?,
        None => typed.account.is_empty(),
    };
    if !known {
        errors.add("account", "Choose an account of the list.");
    }
    let (Ok(subject), Ok(markdown), true) = (subject, markdown, errors.is_empty()) else {
        return Answer::refused(&form(&can, request, typed, errors)?);
    };
    if sent.ticked("preview") {
        let mut page = form(&can, request, typed, errors)?;
        page.preview = Some(markdown.html());
        return Answer::page(&page);
    }
    let new = New {
        kind,
        subject,
        markdown,
        account,
    };
    let id = can.write(|tx| announcements::announce(tx, &new))?;
    let told = format!("Sent “{}” on its way.", new.subject.as_str());
    Ok(Answer::see_other(format!("{PATH}/{id}")).flash(told))
}
