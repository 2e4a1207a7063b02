//! A kept text as a page shows it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::db::types::Timestamp;
use crate::permissions::Shown;
use crate::permissions::objects::{self, Kind};
use crate::records::links::Targets;
use crate::records::list::Column;
use crate::records::people::People;
use crate::records::{Desk, Record};
use crate::web::times::{self, Zone};

/// A value, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Nothing,
    Text(String),
    /// Several lines.
    Lines(String),
    Number(String),
    /// Text and class of the badge.
    Badge(String, &'static str),
    Mail {
        address: String,
        href: String,
    },
    Web {
        url: String,
        label: String,
    },
    Record {
        href: String,
        name: String,
    },
    Moment(Timestamp),
}

/// What an address keeps as it is behind `mailto:`; everything else could add a subject or a copy.
const ADDRESS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'@')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'+');

/// Characters of a long text in a list.
const CUT: usize = 80;

impl Value {
    /// The value of a field.
    pub fn of(desk: &Desk, field: &Shown, kept: &str, targets: &Targets) -> Value {
        if kept.is_empty() {
            return Value::Nothing;
        }
        let text = || kept.to_owned();
        match &field.field().kind {
            Kind::Text | Kind::Phone => Value::Text(text()),
            Kind::LongText => Value::Lines(text()),
            Kind::Number => Value::Number(objects::grouped(kept)),
            Kind::Date => Value::Text(objects::day(kept).map_or_else(text, times::day)),
            Kind::YesNo => Value::Text(if kept == "yes" { "Yes" } else { "No" }.to_owned()),
            Kind::Choice(_) if matches!(field.key(), "status" | "stage") => {
                Value::Badge(text(), colour(kept))
            }
            Kind::Choice(_) => Value::Text(text()),
            Kind::Email => Value::Mail {
                address: text(),
                href: format!("mailto:{}", utf8_percent_encode(kept, ADDRESS)),
            },
            Kind::Url if kept.starts_with("https://") || kept.starts_with("http://") => {
                let label = kept.trim_start_matches("https://").trim_end_matches('/');
                Value::Web {
                    url: text(),
                    label: label.to_owned(),
                }
            }
            Kind::Url => Value::Text(text()),
            Kind::Link(_) => match targets.get(kept) {
                Some(target) => Value::Record {
                    href: format!(
                        "/{}/records/{}/{}",
                        desk.environment().slug(),
                        target.object.slug(),
                        target.id
                    ),
                    name: target.name.clone(),
                },
                None => Value::Nothing,
            },
        }
    }

    /// What a column shows of a record.
    pub fn in_column(
        desk: &Desk,
        column: &Column,
        record: &Record,
        targets: &Targets,
        people: &People,
    ) -> Value {
        let person = |name: String| {
            if name.is_empty() {
                Value::Nothing
            } else {
                Value::Text(name)
            }
        };
        match column {
            Column::Field(field) => match Value::of(desk, field, record.value(field), targets) {
                Value::Lines(text) => Value::Text(cut(&text)),
                value => value,
            },
            Column::AssignedTo => person(people.label(record.people.assigned)),
            Column::CreatedBy => person(people.label(Some(record.people.creator))),
            Column::Created => Value::Moment(record.created_at),
            Column::Updated => Value::Moment(record.updated_at),
        }
    }

    /// Nothing to show.
    pub fn is_nothing(&self) -> bool {
        *self == Value::Nothing
    }

    /// As plain words.
    pub fn words(&self, zone: &Zone) -> String {
        match self {
            Value::Nothing => String::new(),
            Value::Text(text)
            | Value::Lines(text)
            | Value::Number(text)
            | Value::Badge(text, _)
            | Value::Mail { address: text, .. }
            | Value::Web { label: text, .. }
            | Value::Record { name: text, .. } => text.clone(),
            Value::Moment(at) => times::date(zone, *at),
        }
    }
}

/// The beginning of a long text, on one line.
fn cut(text: &str) -> String {
    let line = objects::one_line(text);
    match line.char_indices().nth(CUT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// How far something has come, in a colour beside its word.
fn colour(state: &str) -> &'static str {
    match state {
        "Qualified" | "Won" | "Completed" | "Done" => "is-ok",
        "Contacted" | "Qualification" | "Proposal" | "Negotiation" | "In progress" => "is-info",
        "Unqualified" | "On hold" | "Waiting" => "is-warn",
        "Lost" | "Cancelled" => "is-bad",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_one_line_of_a_list() {
        assert_eq!(cut("two\nlines"), "two lines");
        assert_eq!(cut(&"ø".repeat(100)), format!("{}…", "ø".repeat(80)));
    }
}
