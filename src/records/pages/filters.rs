//! The filters above a list: one for every field the member has.

use crate::Result;
use crate::access::{Tx, UseRecords};
use crate::db::types::MemberId;
use crate::permissions::Shown;
use crate::permissions::objects::{self, Kind};
use crate::records::{Desk, people};
use crate::web::request::Form;

/// Filters that stand beside the search.
const BESIDE: usize = 3;

/// What to type where a day is asked for.
const DAY: &str = "Type the day as year-month-day, such as 2026-11-22.";

/// One filter.
pub struct Filter {
    pub id: String,
    pub label: String,
    /// The label inside a sentence.
    pub word: String,
    /// What else can be typed.
    pub hint: &'static str,
    pub control: Control,
}

/// How it is set.
pub enum Control {
    /// Value, label, chosen.
    Select(Vec<(String, String, bool)>),
    Text(String),
    /// From and to: type of the inputs, and what stands in them.
    Range(&'static str, [End; 2]),
}

/// What is typed for records without a value.
const NONE: &str = "- for none";

/// One end of a range.
pub struct End {
    /// Ending of the name in the query string.
    pub name: &'static str,
    /// In the label.
    pub word: &'static str,
    pub typed: String,
    /// What to type instead; empty while it can be read.
    pub wrong: String,
}

/// All of them.
pub struct Filters {
    /// The few most used.
    pub beside: Vec<Filter>,
    pub more: Vec<Filter>,
    /// One of the others is set.
    pub open: bool,
}

impl Filter {
    fn is_set(&self) -> bool {
        match &self.control {
            Control::Select(options) => options
                .iter()
                .any(|(value, _, on)| *on && !value.is_empty()),
            Control::Text(typed) => !typed.is_empty(),
            Control::Range(_, ends) => ends.iter().any(|end| !end.typed.is_empty()),
        }
    }
}

impl Filters {
    /// With what is set in a query string.
    pub fn load(tx: &mut Tx<UseRecords>, desk: &Desk, query: &Form) -> Result<Filters> {
        let mut beside = Vec::new();
        let mut more = Vec::new();
        for field in desk.fields() {
            // The search looks at the name.
            if field.field().is_name() {
                continue;
            }
            let filter = of_field(field, query)?;
            let is_choice = matches!(field.field().kind, Kind::Choice(_));
            if is_choice && beside.len() < BESIDE {
                beside.push(filter);
            } else {
                more.push(filter);
            }
        }
        let members = people::choices(tx)?;
        // Records of people who left are what somebody looks for to hand them on.
        let removed = match members.len() {
            people::CHOICE_LIMIT.. => Vec::new(),
            _ => people::removed(tx)?,
        };
        let many = members.len().max(removed.len()) >= people::CHOICE_LIMIT;
        let mut person = |id: &str, label: &str, any: &str, nobody: bool| -> Result<Filter> {
            let typed = query.one(id)?;
            let of = |label: String, control| Filter {
                id: id.to_owned(),
                word: lowered(&label),
                hint: "",
                label,
                control,
            };
            if many {
                let or_nobody = if nobody { ", me or nobody" } else { " or me" };
                return Ok(of(
                    format!("{label}: e-mail{or_nobody}"),
                    Control::Text(typed.to_owned()),
                ));
            }
            let mut options = vec![
                (String::new(), any.to_owned()),
                ("me".to_owned(), "Me".to_owned()),
            ];
            if nobody {
                options.push(("nobody".to_owned(), "Nobody".to_owned()));
            }
            let all = || members.iter().chain(&removed);
            let known = typed.parse::<MemberId>().ok();
            let known = known.filter(|id| all().all(|(member, _)| member != id));
            if let Some(slot) = known.and_then(|id| desk.rules().slot_of(id)) {
                let name = people::named(tx, [slot])?.label(Some(slot));
                options.push((typed.to_owned(), name));
            }
            options.extend(all().map(|(id, name)| (id.to_string(), name.clone())));
            let control = Control::Select(chosen(options, typed));
            Ok(of(label.to_owned(), control))
        };
        beside.push(person(
            "assigned",
            "Assigned to",
            "Assigned to anyone",
            true,
        )?);
        more.push(person("created-by", "Created by", "Anyone", false)?);
        for (id, label) in [("created", "Created"), ("updated", "Updated")] {
            let end = |name, word| -> Result<End> {
                let typed = query.one(&format!("{id}.{name}"))?.trim().to_owned();
                let wrong = !typed.is_empty() && objects::day(&typed).is_none();
                Ok(End {
                    name,
                    word,
                    typed,
                    wrong: if wrong { DAY.to_owned() } else { String::new() },
                })
            };
            more.push(Filter {
                id: id.to_owned(),
                label: label.to_owned(),
                word: lowered(label),
                hint: "",
                control: Control::Range("date", [end("min", "from")?, end("max", "to")?]),
            });
        }
        Ok(Filters {
            open: more.iter().any(Filter::is_set),
            beside,
            more,
        })
    }
}

fn chosen(options: Vec<(String, String)>, typed: &str) -> Vec<(String, String, bool)> {
    options
        .into_iter()
        .map(|(value, label)| {
            let on = value == typed;
            (value, label, on)
        })
        .collect()
}

fn of_field(field: &Shown, query: &Form) -> Result<Filter> {
    let id = format!("f.{}", field.key());
    let typed = |end: &str| query.one(&format!("{id}{end}")).map(str::to_owned);
    let option = |value: &str, label: &str| (value.to_owned(), label.to_owned());
    let word = lowered(field.label());
    let any = format!("Any {word}");
    let none = format!("No {word}");
    let control = match &field.field().kind {
        Kind::Choice(values) => {
            let mut options = vec![option("", &any)];
            options.extend(values.iter().map(|value| option(value, value)));
            options.push(option("-", &none));
            Control::Select(chosen(options, &typed("")?))
        }
        Kind::YesNo => {
            let options = vec![
                option("", "Yes or No"),
                option("yes", "Yes"),
                option("no", "No"),
                option("-", "Neither"),
            ];
            Control::Select(chosen(options, &typed("")?))
        }
        kind @ (Kind::Number | Kind::Date) => {
            let end = |name, word| -> Result<End> {
                let typed = typed(&format!(".{name}"))?;
                let wrong = kind.read(&typed).err().unwrap_or_default();
                Ok(End {
                    name,
                    word,
                    typed,
                    wrong,
                })
            };
            let input = if *kind == Kind::Date { "date" } else { "text" };
            Control::Range(input, [end("min", "from")?, end("max", "to")?])
        }
        _ => Control::Text(typed("")?),
    };
    let hint = match (&field.field().kind, &control) {
        (Kind::Link(_), _) => "Name, number, - for none",
        (_, Control::Text(_)) => NONE,
        _ => "",
    };
    Ok(Filter {
        id,
        label: field.label().to_owned(),
        word,
        hint,
        control,
    })
}

/// A label inside a sentence; abbreviations stay.
fn lowered(label: &str) -> String {
    let mut letters = label.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            let rest = &label[first.len_utf8()..];
            first.to_lowercase().chain(rest.chars()).collect()
        }
        _ => label.to_owned(),
    }
}
