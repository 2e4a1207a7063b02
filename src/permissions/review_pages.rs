//! Review change: what a change of permissions would do, before it does.

use askama::Template;

use super::census::{self, Censuses};
use super::change::Change;
use super::difference::Difference;
use super::model::Rules;
use super::objects::Object;
use super::proposals::{self, Outcome, Proposal};
use super::review::review;
use super::review_words::Reviewed;
use super::{apply as applying, events};
use crate::access::{Can, ManagePermissions, Tx};
use crate::audit::Change as Changed;
use crate::db::types::{PermissionChangeId, Timestamp};
use crate::web::answer::Answer;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result, records};

/// Where the tabs are.
const PERMISSIONS: &str = super::pages::PATH;

/// Values that the page lists; a change of many members names the first.
const VALUES: usize = 50;

#[derive(Template)]
#[template(path = "permissions/review.html")]
struct ReviewPage {
    shell: Shell,
    action: String,
    sentence: String,
    back: String,
    /// The change came to this page again because the rules moved meanwhile.
    moved: bool,
    outlook: Outlook,
}

/// What would come of it.
enum Outlook {
    /// It was applied, under this number.
    Applied(i64),
    /// It cannot be made any more, and why.
    Refused(String),
    /// Nothing would change any more.
    Nothing,
    Open(Box<Open>),
}

struct Open {
    version: i64,
    values: Vec<Changed>,
    more: usize,
    reviewed: Reviewed,
    /// When the records of large objects were counted.
    as_of: Option<Timestamp>,
}

/// Ends every form that changes access: checks the change, keeps it as a proposal and leads to Review change. A refusal is
/// an error for the form to show; a change that changes nothing leads `back`.
pub fn propose(
    can: &Can<ManagePermissions>,
    _request: &Request,
    change: Change,
    back: &str,
) -> Result<Answer> {
    Ok(
        match can.write(|tx| proposals::propose(tx, &change, back))? {
            Some(id) => Answer::see_other(path_of(id)),
            None => Answer::see_other(back).flash("Nothing was changed."),
        },
    )
}

fn path_of(id: PermissionChangeId) -> String {
    format!("/settings/permissions/review/{id}")
}

/// `GET /settings/permissions/review/{change}`
pub fn show(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let id: PermissionChangeId = request.param("change")?;
    Answer::page(&page(&can, request, id, false)?)
}

/// `POST /settings/permissions/review/{change}`
pub fn apply(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let id: PermissionChangeId = request.param("change")?;
    let proposal = can.read(|tx| proposals::find(tx, id))?;
    let version: i64 = request
        .form()
        .one("version")?
        .parse()
        .map_err(|_| Error::BadRequest("The form does not say which rules were reviewed."))?;
    if makes_administrators(&proposal.change) {
        can.require_fresh_code(request.path())?;
    }
    let to = Answer::see_other(proposal.back.as_str());
    match can.write(|tx| proposals::carry_out(tx, id, version)) {
        Ok(Outcome::Applied(number)) => {
            // What was added has a page of its own by now.
            let to = can.read(|tx| Ok(proposals::find(tx, id)?.back))?;
            let done = format!("Applied change {number}: {}.", proposal.sentence);
            Ok(Answer::see_other(to).flash(done))
        }
        Ok(Outcome::Already(number)) => Ok(to.flash(format!(
            "This was applied already, as change {number}: {}.",
            proposal.sentence
        ))),
        Ok(Outcome::Nothing) => Ok(to.flash("Nothing was changed.")),
        // What is refused by now, or not there any more, is told on the page.
        Ok(Outcome::Moved) | Err(Error::Refused(_) | Error::NotFound) => {
            Answer::conflict(&page(&can, request, id, true)?)
        }
        Err(other) => Err(other),
    }
}

/// True for a revert that gives Administrator back, which asks for a code like everywhere.
fn makes_administrators(change: &Change) -> bool {
    match change {
        Change::Revert { difference, .. } => difference
            .members
            .iter()
            .any(|moved| moved.after.administrator && !moved.before.administrator),
        _ => false,
    }
}

fn page(
    can: &Can<ManagePermissions>,
    request: &Request,
    id: PermissionChangeId,
    moved: bool,
) -> Result<ReviewPage> {
    let (proposal, outlook) = can.read(|tx| {
        let proposal = proposals::find(tx, id)?;
        let outlook = outlook(tx, &proposal)?;
        Ok((proposal, outlook))
    })?;
    let trail = [
        ("System Settings", ""),
        ("Permissions", PERMISSIONS),
        ("Review change", ""),
    ];
    Ok(ReviewPage {
        shell: can.page(request, &trail)?,
        action: request.path().to_owned(),
        sentence: proposal.sentence,
        back: proposal.back,
        moved,
        outlook,
    })
}

fn outlook(tx: &mut Tx<ManagePermissions>, proposal: &Proposal) -> Result<Outlook> {
    if let Some(number) = proposal.number {
        return Ok(Outlook::Applied(number));
    }
    let (account, now) = (tx.account(), tx.now());
    let rules = super::rules(tx)?;
    let around = applying::around(tx.conn(), account, now)?;
    let after = match proposal.change.on(rules.facts(), &around) {
        Ok(after) => after,
        Err(Error::Refused(why)) => return Ok(Outlook::Refused(why)),
        Err(Error::NotFound) => {
            let why = "What it changes is not there any more.";
            return Ok(Outlook::Refused(why.to_owned()));
        }
        Err(other) => return Err(other),
    };
    let me = tx.me().slot;
    let difference = Difference::between(rules.facts(), &after);
    if difference.is_empty() {
        return Ok(Outlook::Nothing);
    }
    let moved = difference.members.iter().flat_map(|moved| &moved.members);
    let people = applying::named(tx.conn(), account, moved.take(VALUES))?;
    let mut values = events::everything(rules.facts(), &after, &people);
    let unnamed = difference.member_count().saturating_sub(people.len());
    let more = unnamed + values.len().saturating_sub(VALUES);
    values.truncate(VALUES);
    let after = Rules::new(after, rules.version(), now);
    let mut censuses = Censuses::default();
    for object in Object::ALL {
        censuses[object.index()] = records::census::of(tx, object)?;
    }
    let found = review(&rules, &after, me, &censuses);
    Ok(Outlook::Open(Box::new(Open {
        version: rules.version(),
        values,
        more,
        reviewed: Reviewed::of(tx, &after, found, &censuses)?,
        as_of: census::estimated(&censuses),
    })))
}
