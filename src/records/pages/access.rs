//! Who has access: every member who sees a record, what they may do with it, and why. For administrators.

use std::cmp::Ordering;
use std::collections::HashMap;

use askama::Template;
use serde::{Deserialize, Serialize};

use super::{desk, number, path_of, shell};
use crate::access::{Can, Tx, UseRecords};
use crate::db::types::{MemberId, RoleId, Slot};
use crate::permissions::change::rule_sentence;
use crate::permissions::{Action, Because, Grant, Level, Verdict};
use crate::records::people::{self, People};
use crate::records::{Desk, Record, find};
use crate::web::answer::Answer;
use crate::web::paging::{self, PAGE, Place, thousands};
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

/// Place in the list: the name by which it is sorted, and the member.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Key(String, MemberId);

/// Members up to whom all who see a record are read at once, rather than looked for among everybody.
const FEW: usize = 500;

#[derive(Template)]
#[template(path = "records/access.html")]
struct AccessPage {
    shell: Shell,
    what: String,
    list: List,
}

struct List {
    name: String,
    /// "6 of 12 members".
    count: String,
    rows: Vec<Row>,
    range: String,
    previous: Option<String>,
    next: Option<String>,
}

struct Row {
    name: String,
    /// Check access for this person.
    check: String,
    may: String,
    because: Vec<String>,
}

/// `GET /{environment}/records/{object}/{record}/access`
pub fn show(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let (desk, record, list) = can.read(|tx| {
        let desk = desk(tx, request)?;
        if !desk.rules().is_administrator(desk.slot()) {
            return Err(Error::Forbidden {
                section: "Who has access",
                who: "Administrators open it.",
            });
        }
        let record = find(tx, &desk, number(request)?)?;
        let list = load(tx, &desk, &record, request)?;
        Ok((desk, record, list))
    })?;
    let path = path_of(&desk, record.id);
    let below = [(record.name(), path.as_str()), ("Who has access", "")];
    Answer::page(&AccessPage {
        shell: shell(&can, request, &desk, &below)?,
        what: desk.object().word(),
        list,
    })
}

fn load(tx: &mut Tx<UseRecords>, desk: &Desk, record: &Record, request: &Request) -> Result<List> {
    let rules = desk.rules().clone();
    let sees = |slot| rules.level(slot, desk.object(), record.people) > Level::None;
    let members = rules.facts().members.iter().filter(|member| member.active);
    let mut all = 0;
    let mut slots = Vec::new();
    for member in members {
        all += 1;
        if sees(member.slot) {
            slots.push(member.slot);
        }
    }
    let seeing = i64::try_from(slots.len()).unwrap_or(i64::MAX);
    let place: Option<Place<Key>> = Place::read(request.query(), "page");
    let back = place.as_ref().is_some_and(|place| place.back);
    let mut after = place
        .as_ref()
        .map(|place| (place.key.0.clone(), place.key.1));
    let mut found = Vec::new();
    let few = slots.len() <= FEW;
    if few {
        let mut some = people::in_order(tx, &slots)?;
        if let Some((key, member)) = &after {
            some.retain(|person| {
                let place = (&person.key, &person.member).cmp(&(key, member));
                place
                    == if back {
                        Ordering::Less
                    } else {
                        Ordering::Greater
                    }
            });
        }
        if back {
            some.reverse();
        }
        found = some;
    }
    // Many come by name and are looked at in memory, until a page is full.
    while !few && found.len() <= PAGE {
        let some = people::by_name(tx, after.as_ref(), back)?;
        let Some(last) = some.last() else { break };
        after = Some((last.key.clone(), last.member));
        found.extend(some.into_iter().filter(|person| sees(person.slot)));
    }
    found.truncate(PAGE + 1);
    let page = paging::page(
        found,
        PAGE,
        place.as_ref(),
        |person| Key(person.key.clone(), person.member),
        |cursor| paging::with(request.path(), request.query(), &[], "page", cursor),
    );
    let on_it = people::named(tx, record.people.each())?;
    let words = Words { desk, on_it };
    let rows = page
        .rows
        .iter()
        .map(|person| Row {
            name: person.name.clone(),
            check: format!(
                "/settings/check-access?member={}&action=read&record={}",
                person.member, record.id
            ),
            may: words.may(record, person.slot),
            because: words.because(record, person.slot),
        })
        .collect();
    Ok(List {
        name: record.name().to_owned(),
        count: format!(
            "{} of {} member{}",
            thousands(seeing),
            thousands(all),
            if all == 1 { "" } else { "s" }
        ),
        range: page.range(seeing),
        rows,
        previous: page.previous,
        next: page.next,
    })
}

/// Says why.
struct Words<'a> {
    desk: &'a Desk,
    /// The people of the record.
    on_it: People,
}

impl Words<'_> {
    fn may(&self, record: &Record, slot: Slot) -> String {
        let (rules, object) = (self.desk.rules(), self.desk.object());
        let actions = [
            ("Read", Action::Read),
            ("Edit", Action::Edit),
            ("Delete", Action::Delete),
        ];
        let allowed = actions.into_iter().filter(|(_, action)| {
            rules.can(slot, *action, object, record.people) == Verdict::Allowed
        });
        allowed.map(|(word, _)| word).collect::<Vec<_>>().join(", ")
    }

    /// A sentence for each reason, the strongest first; people with one role stand in one sentence.
    fn because(&self, record: &Record, slot: Slot) -> Vec<String> {
        let rules = self.desk.rules();
        let grants = rules.grants(slot, self.desk.object(), record.people);
        let mut people: HashMap<String, Vec<String>> = HashMap::new();
        let mut sentences: Vec<String> = Vec::new();
        for grant in grants {
            let (sentence, person) = self.sentence(slot, grant);
            if !sentences.contains(&sentence) {
                sentences.push(sentence.clone());
            }
            people.entry(sentence).or_default().extend(person);
        }
        sentences
            .into_iter()
            .map(|sentence| match people.get(&sentence).map(Vec::as_slice) {
                None | Some([]) => sentence,
                Some(names) => format!("{sentence} ({})", names.join(", ")),
            })
            .collect()
    }

    /// The sentence of a grant, and the person of the record whom it is about.
    fn sentence(&self, slot: Slot, grant: Grant) -> (String, Option<String>) {
        let rules = self.desk.rules();
        let object = self.desk.object();
        let role_of = |slot| {
            let role = rules.member(slot).and_then(|member| member.role);
            role.map_or_else(String::new, |role| self.role(role))
        };
        let profile = || {
            let member = rules.member(slot);
            let profile = member.and_then(|member| rules.profile_of(member));
            profile.map_or_else(String::new, |profile| profile.name.clone())
        };
        let name = |slot| self.on_it.label(Some(slot));
        match grant.because {
            Because::Administrator => ("Administrator".into(), None),
            Because::ModifyAll => (format!("Modify All in the profile {}", profile()), None),
            Because::ReadAll => (format!("Read All in the profile {}", profile()), None),
            Because::OrganizationWide => {
                let level = match grant.level {
                    Level::Write => "Public Read/Write",
                    _ => "Public Read Only",
                };
                let sharing = "Organization-wide sharing";
                (format!("{sharing}: {} are {level}", object.words()), None)
            }
            Because::Creator => ("Created by this person".into(), None),
            Because::Assigned => ("Assigned to this person".into(), None),
            Because::Above { person, role } => (
                format!("The role {} is above {}", role_of(slot), self.role(role)),
                Some(name(person)),
            ),
            Because::Rule { rule, person } => {
                let sentence = rules.sharing_rule(rule).map_or_else(String::new, |rule| {
                    let says = rule_sentence(rules.facts(), rule);
                    format!("Sharing rule {}: {says}", rule.name)
                });
                (sentence, Some(name(person)))
            }
        }
    }

    fn role(&self, role: RoleId) -> String {
        let role = self.desk.rules().role(role);
        role.map_or_else(String::new, |role| role.name.clone())
    }
}
