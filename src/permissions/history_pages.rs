//! Permissions > History: every applied change under its number, and the way back.

use askama::Template;
use serde::{Deserialize, Serialize};

use super::apply;
use super::pages::Tab;
use super::proposals;
use super::review_pages::propose;
use crate::access::{Can, ManagePermissions};
use crate::db::types::{PermissionChangeId, Timestamp};
use crate::web::answer::Answer;
use crate::web::paging::{self, PAGE, Place};
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

/// Where the history is.
const PATH: &str = "/settings/permissions/history";

/// Id of the form that the buttons of the rows belong to.
const FORM: &str = "act";

/// Place in the list: the number of a change.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Key(i64);

#[derive(Template)]
#[template(path = "permissions/history.html")]
struct HistoryPage {
    shell: Shell,
    rows: Vec<Row>,
    range: String,
    newer: Option<String>,
    older: Option<String>,
}

struct Row {
    /// Where its Revert leads.
    revert: String,
    number: String,
    sentence: String,
    at: Timestamp,
    by: String,
    /// The change that took it back.
    reverted_by: Option<i64>,
}

/// `GET /settings/permissions/history`
pub fn show(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let place: Option<Place<Key>> = Place::read(request.query(), "page");
    let (entries, names, total) = can.read(|tx| {
        let from = place.as_ref().map(|place| place.key.0);
        let back = place.as_ref().is_some_and(|place| place.back);
        let size = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
        let entries = proposals::history(tx, from, back, size)?;
        let account = tx.account();
        let names = apply::named(tx.conn(), account, entries.iter().map(|entry| &entry.by))?;
        Ok((entries, names, proposals::applied(tx)?))
    })?;
    let page = paging::page(
        entries,
        PAGE,
        place.as_ref(),
        |entry| Key(entry.number),
        |cursor| paging::with(request.path(), request.query(), &[], "page", cursor),
    );
    let range = page.range(total);
    let rows = page.rows.into_iter().map(|entry| Row {
        revert: format!("{PATH}/{}/revert", entry.id),
        number: entry.number.to_string(),
        sentence: entry.sentence,
        at: entry.applied_at,
        by: names.get(&entry.by).cloned().unwrap_or_default(),
        reverted_by: entry.reverted_by,
    });
    Answer::page(&HistoryPage {
        shell: Tab::History.page(&can, request, &[])?,
        rows: rows.collect(),
        range,
        newer: page.previous,
        older: page.next,
    })
}

/// `POST /settings/permissions/history/{change}/revert`
pub fn revert(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let id: PermissionChangeId = request.param("change")?;
    let change = can.read(|tx| proposals::revert_of(tx, id))?;
    match propose(&can, request, change, PATH) {
        Err(Error::Refused(why)) => Ok(Answer::see_other(PATH).flash_warning(why)),
        other => other,
    }
}
