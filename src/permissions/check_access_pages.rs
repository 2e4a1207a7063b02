//! System Settings > Check access: may this member do this with this record, why, and what would change it. And for
//! everybody else a page about oneself, which never tells a record out of sight from one that is not there.

use askama::Template;
use diesel::prelude::*;
use serde::Serialize;

use super::change::Change;
use super::explain::{Asked, State};
use super::explain_words::{Told, Words};
use super::review_pages::propose;
use super::ways::{Question, ways};
use super::{Rules, apply, explain_self};
use crate::access::{Can, InAccount, ManagePermissions, SignedIn, Tx};
use crate::db::types::{MemberId, RecordId, Slot};
use crate::records::people;
use crate::records::{self, Found};
use crate::schema::{members, users};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::{Form, Request, query_string};
use crate::web::shell::Shell;
use crate::{Error, Result};

/// Where it is.
const PATH: &str = "/settings/check-access";

/// The page about oneself.
const OWN_PATH: &str = "/check-access";

#[derive(Template)]
#[template(path = "permissions/check_access.html")]
struct CheckPage {
    shell: Shell,
    action: &'static str,
    /// The page is about oneself.
    own: bool,
    errors: Errors,
    typed: Typed,
    /// Whom to choose from; empty when there are too many, and an address is typed.
    members: Vec<(MemberId, String)>,
    answer: Option<Shown>,
}

struct Shown {
    told: Told,
    text: String,
    /// Who has access to the record; empty on the page about oneself.
    access: String,
    json: String,
}

/// What the form says.
#[derive(Default)]
struct Typed {
    member: String,
    action: String,
    record: String,
}

impl Typed {
    fn read(query: &Form) -> Result<Typed> {
        Ok(Typed {
            member: query.one("member")?.trim().to_owned(),
            action: query.one("action")?.to_owned(),
            record: query.one("record")?.trim().to_owned(),
        })
    }

    fn nothing(&self) -> bool {
        self.member.is_empty() && self.record.is_empty()
    }

    fn asked(&self) -> Result<Asked> {
        match self.action.as_str() {
            "" => Ok(Asked::Read),
            slug => slug
                .parse()
                .map_err(|()| Error::BadRequest("There is no such action.")),
        }
    }
}

/// `GET /settings/check-access`
pub fn show(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let typed = Typed::read(request.query())?;
    let (members, answer) = can.read(|tx| {
        let members = people::choices(tx)?;
        let answer = match typed.nothing() {
            true => None,
            false => Some(answer(tx, &typed)?),
        };
        Ok((members, answer))
    })?;
    let typed_in = members.len() >= people::CHOICE_LIMIT;
    let (answer, errors) = match answer {
        None => (None, Errors::new()),
        Some(Ok((told, found))) => {
            let path = found.path();
            let query = query_string([
                ("member", typed.member.as_str()),
                ("action", typed.action.as_str()),
                ("record", typed.record.as_str()),
            ]);
            let shown = Shown {
                text: told.text(),
                told,
                access: format!("{path}/access"),
                json: format!("{PATH}.json?{query}"),
            };
            (Some(shown), Errors::new())
        }
        Some(Err(errors)) => (None, errors),
    };
    let mut shell = can.page(request, &[("System Settings", ""), ("Check access", PATH)])?;
    shell.refused = !errors.is_empty();
    let page = CheckPage {
        shell,
        action: PATH,
        own: false,
        errors,
        typed,
        members: if typed_in { Vec::new() } else { members },
        answer,
    };
    Answer::form(&page, page.shell.refused)
}

/// `GET /settings/check-access.json`
pub fn json(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let typed = Typed::read(request.query())?;
    if typed.nothing() {
        return Ok(Answer::see_other(PATH));
    }
    match can.read(|tx| answer(tx, &typed))? {
        Ok((told, found)) => {
            let record = found.id.0;
            Answer::json(&Json { record, told })
        }
        Err(errors) => Err(match errors.of("record") {
            Some(_) => Error::NotFound,
            None => Error::BadRequest("Name a member of this account."),
        }),
    }
}

#[derive(Serialize)]
struct Json {
    record: i64,
    #[serde(flatten)]
    told: Told,
}

/// `POST /settings/check-access`: takes one of the changes that would allow it to Review change.
pub fn change(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let change: Change = serde_json::from_str(request.form().one("change")?)
        .map_err(|_| Error::BadRequest("The form does not say what to change."))?;
    // What a revert puts back comes from the history alone.
    if matches!(change, Change::Revert { .. }) {
        return Err(Error::BadRequest("The form does not say what to change."));
    }
    match propose(&can, request, change, PATH) {
        Err(Error::Refused(why)) => Ok(Answer::see_other(PATH).flash_warning(why)),
        other => other,
    }
}

/// What is told about the record; or what is wrong with the question.
fn answer(tx: &mut Tx<ManagePermissions>, typed: &Typed) -> Result<Result<(Told, Found), Errors>> {
    let mut errors = Errors::new();
    let asked = typed.asked()?;
    let rules = super::rules(tx)?;
    let slot = member(tx, &rules, &typed.member)?;
    if slot.is_none() {
        errors.add("member", "Choose a member of this account.");
    }
    let me = tx.me().slot;
    let found = record(tx, &rules, me, &typed.record)?;
    if found.is_none() {
        errors.add(
            "record",
            "There is no record with this number. Paste the number or the link of a record.",
        );
    }
    let (Some(slot), Some(found)) = (slot, found) else {
        return Ok(Err(errors));
    };
    let explained = rules.explain(slot, asked, found.object, found.people);
    let measured = if explained.allowed {
        Vec::new()
    } else {
        let (account, now) = (tx.account(), tx.now());
        let around = apply::around(tx.conn(), account, now)?;
        let census = records::census::of(tx, found.object)?;
        let question = Question {
            slot,
            asked,
            object: found.object,
            people: found.people,
        };
        ways(&rules, &around, question, &census, now)
    };
    let names = people::named(tx, found.people.each().chain([slot]))?;
    let account = tx.me().account_name.clone();
    let words = Words {
        rules: &rules,
        account: &account,
        slot,
        object: found.object,
        people: found.people,
        names: &names,
        record: &found.name,
        path: &found.path(),
    };
    Ok(Ok((words.told(&explained, &measured), found)))
}

/// A member, removed ones too, by number or e-mail address.
fn member(tx: &mut Tx<ManagePermissions>, rules: &Rules, typed: &str) -> Result<Option<Slot>> {
    if let Ok(id) = typed.parse::<MemberId>() {
        return Ok(rules.slot_of(id));
    }
    let account = tx.account();
    Ok(members::table
        .inner_join(users::table)
        .filter(members::account_id.eq(account))
        .filter(users::email.eq(typed.to_lowercase()))
        .select(members::slot)
        .first(tx.conn())
        .optional()?)
}

/// A record that a member sees, by its number or a pasted link.
fn record<P: InAccount>(
    tx: &mut Tx<P>,
    rules: &Rules,
    slot: Slot,
    typed: &str,
) -> Result<Option<Found>> {
    let Some((id, place)) = read_link(typed) else {
        return Ok(None);
    };
    let found = records::seen(tx, rules, slot, id)?;
    Ok(found.filter(|found| match &place {
        None => true,
        Some((environment, object)) => {
            found.environment.slug() == environment && found.object.slug() == object
        }
    }))
}

/// A number, or the number in a link with the environment and the object that the link names.
fn read_link(typed: &str) -> Option<(RecordId, Option<(String, String)>)> {
    if let Ok(id) = typed.parse() {
        return Some((id, None));
    }
    let path = typed.split(['?', '#']).next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let at = parts.iter().position(|part| *part == "records")?;
    let environment = parts.get(at.checked_sub(1)?)?;
    let (object, id) = (parts.get(at + 1)?, parts.get(at + 2)?);
    let place = ((*environment).to_owned(), (*object).to_owned());
    Some((id.parse().ok()?, Some(place)))
}

/// `GET /check-access`: the same about oneself. A record out of sight gets the answer of one that is not there.
pub fn own(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let typed = Typed::read(request.query())?;
    let asked = typed.asked()?;
    let answer = match typed.nothing() {
        true => None,
        false => Some(can.read(|tx| {
            let rules = super::rules(tx)?;
            let me = tx.me().slot;
            let Some(found) = record(tx, &rules, me, &typed.record)? else {
                return Ok(explain_self::nothing());
            };
            let explained = rules.explain(me, asked, found.object, found.people);
            let names = people::named(tx, found.people.each())?;
            Ok(explain_self::told(&rules, me, &found, &explained, &names))
        })?),
    };
    let answer = answer.map(|told| Shown {
        text: told.text(),
        told,
        access: String::new(),
        json: String::new(),
    });
    Answer::page(&CheckPage {
        shell: can.page(request, &[("Check access", OWN_PATH)])?,
        action: OWN_PATH,
        own: true,
        errors: Errors::new(),
        typed,
        members: Vec::new(),
        answer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_named_by_its_number_or_any_link_to_it() {
        let number = Some((RecordId(17), None));
        assert_eq!(read_link("17"), number);
        let place = Some(("test".to_owned(), "leads".to_owned()));
        for link in [
            "/test/records/leads/17",
            "https://insight.example/test/records/leads/17/edit?x=1#history",
            "test/records/leads/17/access",
        ] {
            assert_eq!(
                read_link(link),
                Some((RecordId(17), place.clone())),
                "{link}"
            );
        }
        for wrong in [
            "",
            "x",
            "-1",
            "017",
            "/test/records/leads",
            "records/leads/17",
        ] {
            assert_eq!(read_link(wrong), None, "{wrong}");
        }
    }
}
