//! A review as its page says it: names for slots, records for examples, sentences for warnings.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::census::{Censuses, Pair};
use super::change::and;
use super::model::Rules;
use super::objects::Object;
use super::organization_wide;
use super::review::{EXAMPLES, Fields, Review, Row, Side, Warning};
use crate::Result;
use crate::access::{ManagePermissions, Tx};
use crate::db::types::Slot;
use crate::records::census::{self, Example};
use crate::records::people::{self, People};
use crate::web::paging::thousands;

/// A review with everything that its page shows.
pub(super) struct Reviewed {
    pub warnings: Vec<String>,
    pub gains: Shown,
    pub loses: Shown,
    pub fields: Vec<FieldLine>,
}

/// One side.
pub(super) struct Shown {
    /// "3 members".
    pub count: String,
    pub rows: Vec<Line>,
    /// "and 12 more rows"; empty when all are listed.
    pub more: String,
}

/// What a member gains or loses of one object.
pub(super) struct Line {
    pub name: String,
    pub role: String,
    pub object: &'static str,
    /// "+214", "about −1,200"; empty for a right that concerns no record yet.
    pub records: String,
    /// "Read, Edit".
    pub may: String,
    /// (path, name).
    pub examples: Vec<(String, String)>,
}

/// Fields that some members see differently.
pub(super) struct FieldLine {
    pub object: &'static str,
    /// "Ada Lind, Emil Sandvik and 3 more".
    pub who: String,
    /// (what happens, labels), as in ("Gain", "E-mail, Phone").
    pub what: Vec<(&'static str, String)>,
}

impl Reviewed {
    /// `after` are the rules that the change would make.
    pub(super) fn of(
        tx: &mut Tx<ManagePermissions>,
        after: &Rules,
        review: Review,
        censuses: &Censuses,
    ) -> Result<Reviewed> {
        let people = people::named(tx, slots(&review))?;
        let mut examples: HashMap<(Object, Pair), Vec<Example>> = HashMap::new();
        for row in review.gains.rows.iter().chain(&review.loses.rows) {
            let wanted = i64::try_from(EXAMPLES).unwrap_or(1);
            for pair in &row.of {
                let key = (row.object, *pair);
                if let Entry::Vacant(place) = examples.entry(key) {
                    place.insert(census::examples(tx, row.object, *pair, wanted)?);
                }
            }
        }
        let words = Words {
            after,
            censuses,
            people: &people,
            examples: &examples,
        };
        Ok(Reviewed {
            warnings: review.warnings.iter().map(|w| words.warning(w)).collect(),
            gains: words.side(review.gains, '+'),
            loses: words.side(review.loses, '−'),
            fields: review
                .fields
                .iter()
                .map(|line| words.fields(line))
                .collect(),
        })
    }

    /// True when nobody's records or fields change.
    pub(super) fn nobody(&self) -> bool {
        self.gains.rows.is_empty() && self.loses.rows.is_empty() && self.fields.is_empty()
    }
}

/// Everybody who is named.
fn slots(review: &Review) -> Vec<Slot> {
    let rows = review.gains.rows.iter().chain(&review.loses.rows);
    let mut slots: Vec<Slot> = rows.map(|row| row.slot).collect();
    slots.extend(review.fields.iter().flat_map(|line| &line.first));
    for warning in &review.warnings {
        if let Warning::Administrators(_, some)
        | Warning::NewAdministrators(_, some)
        | Warning::Export(_, some) = warning
        {
            slots.extend(some);
        }
    }
    slots
}

struct Words<'a> {
    after: &'a Rules,
    censuses: &'a Censuses,
    people: &'a People,
    examples: &'a HashMap<(Object, Pair), Vec<Example>>,
}

impl Words<'_> {
    fn side(&self, side: Side, sign: char) -> Shown {
        Shown {
            count: members(side.members),
            rows: side.rows.iter().map(|row| self.row(row, sign)).collect(),
            more: match side.more {
                0 => String::new(),
                1 => "and 1 more row".to_owned(),
                n => format!("and {} more rows", number(n)),
            },
        }
    }

    fn row(&self, row: &Row, sign: char) -> Line {
        let most = row.most();
        let about = self.about(row.object);
        let records = match most {
            0 => String::new(),
            n => format!("{about}{sign}{}", number(n)),
        };
        let mut may: Vec<String> = ["Read", "Edit", "Delete"]
            .into_iter()
            .zip(row.records)
            .filter(|(_, count)| *count > 0)
            .map(|(verb, count)| match count == most {
                true => verb.to_owned(),
                false => format!("{verb} {}", number(count)),
            })
            .collect();
        if row.create {
            may.push("Create".to_owned());
        }
        let found = row
            .of
            .iter()
            .filter_map(|pair| self.examples.get(&(row.object, *pair)).map(Vec::as_slice));
        let examples = found.flatten().filter(|_| most > 0).take(EXAMPLES);
        let role = self.after.member(row.slot).and_then(|member| member.role);
        let role = role.and_then(|role| self.after.role(role));
        Line {
            name: self.people.label(Some(row.slot)),
            role: role.map_or_else(|| "No role".to_owned(), |role| role.name.clone()),
            object: row.object.plural(),
            records,
            may: may.join(", "),
            examples: examples
                .map(|example| {
                    let (environment, object) = (example.environment.slug(), row.object.slug());
                    let path = format!("/{environment}/records/{object}/{}", example.id);
                    (path, example.name.clone())
                })
                .collect(),
        }
    }

    fn about(&self, object: Object) -> &'static str {
        match self.censuses[object.index()].as_of() {
            Some(_) => "about ",
            None => "",
        }
    }

    /// "Ada Lind, Emil Sandvik and 3 more".
    fn who(&self, members: usize, first: &[Slot]) -> String {
        let mut names: Vec<String> = first
            .iter()
            .map(|slot| self.people.label(Some(*slot)))
            .collect();
        if members > first.len() {
            names.push(format!("{} more", number(members - first.len())));
        }
        and(&names)
    }

    fn fields(&self, line: &Fields) -> FieldLine {
        let what = [
            ("Gain", &line.gained),
            ("Lose", &line.lost),
            ("Read-only from now on", &line.locked),
            ("No longer read-only", &line.opened),
        ];
        FieldLine {
            object: line.object.plural(),
            who: self.who(line.members, &line.first),
            what: what
                .into_iter()
                .filter(|(_, labels)| !labels.is_empty())
                .map(|(what, labels)| (what, labels.join(", ")))
                .collect(),
        }
    }

    fn warning(&self, warning: &Warning) -> String {
        match warning {
            Warning::Oneself => {
                "You stop being an administrator: you will not be able to open this page any more."
                    .to_owned()
            }
            Warning::Administrators(count, first) => format!(
                "{} {} being {}.",
                self.who(*count, first),
                if *count == 1 { "stops" } else { "stop" },
                if *count == 1 {
                    "an administrator"
                } else {
                    "administrators"
                }
            ),
            Warning::NewAdministrators(count, first) => format!(
                "{} {}: all records, users, permissions and billing.",
                self.who(*count, first),
                if *count == 1 {
                    "becomes an administrator"
                } else {
                    "become administrators"
                }
            ),
            Warning::Widened(object, level) => format!(
                "All {} become {}, for everybody whose profile reads {}.",
                object.words(),
                organization_wide::label(*level),
                object.words()
            ),
            Warning::Export(count, first) => format!(
                "{} may export what {} here.",
                self.who(*count, first),
                if *count == 1 {
                    "this person gains"
                } else {
                    "they gain"
                }
            ),
            Warning::Nobody(object) => format!(
                "Nobody but administrators will read {} any more.",
                object.words()
            ),
            Warning::Orphans(object, count) => {
                let what = match count {
                    1 => format!("1 {}", object.word()),
                    n => format!("{} {}", number(*n), object.words()),
                };
                let about = self.about(*object);
                let mut sentence =
                    format!("{about}{what} will be seen by nobody but administrators any more.");
                if let Some(letter) = sentence.get(..1).map(str::to_uppercase) {
                    sentence.replace_range(..1, &letter);
                }
                sentence
            }
        }
    }
}

/// "1 member", "1,204 members".
fn members(count: usize) -> String {
    match count {
        1 => "1 member".to_owned(),
        n => format!("{} members", number(n)),
    }
}

fn number(count: impl TryInto<i64>) -> String {
    thousands(count.try_into().unwrap_or(i64::MAX))
}
