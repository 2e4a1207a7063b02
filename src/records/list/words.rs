//! Words that are looked for in every field the reader has.

use std::collections::BTreeSet;

use crate::Result;
use crate::permissions::Shown;
use crate::permissions::objects::{self, Kind};
use crate::records::change::sort_name;
use crate::records::links::Targets;
use crate::records::{Desk, Record};
use crate::web::request::Form;
use crate::web::times;

/// Characters that are looked for at most.
pub const TYPED: usize = 200;

/// The words, and where they are looked for.
#[derive(Clone, Debug)]
pub struct Words {
    /// As typed.
    pub typed: String,
    /// In lower case.
    text: String,
    /// With the hyphen as minus, as numbers are kept.
    number: String,
    fields: Vec<Shown>,
    /// The reader has more fields.
    narrowed: bool,
}

/// The same words in the same fields, whatever these are called.
impl PartialEq for Words {
    fn eq(&self, other: &Words) -> bool {
        self.typed == other.typed && self.keys() == other.keys()
    }
}

impl Eq for Words {}

impl Words {
    /// From a query string: `any`, and `any.in` the keys of the fields, where they are fewer than the reader has. Nothing
    /// when nothing is looked for.
    pub fn read(desk: &Desk, form: &Form) -> Result<Option<Words>> {
        let only = form.one("any.in")?;
        let keys: BTreeSet<&str> = only.split(',').collect();
        let mut words = Words::in_fields_of(desk, form.one("any")?);
        if let (Some(words), false) = (&mut words, only.is_empty()) {
            let all = words.fields.len();
            words.fields.retain(|shown| keys.contains(shown.key()));
            words.narrowed = words.fields.len() < all;
        }
        Ok(words)
    }

    /// These words in the fields of a desk; nothing when there are none.
    pub fn in_fields_of(desk: &Desk, typed: &str) -> Option<Words> {
        let typed: String = typed.trim().chars().take(TYPED).collect();
        let text = sort_name(&typed);
        (!typed.is_empty()).then(|| Words {
            number: text.replace('−', "-"),
            text,
            typed,
            fields: desk.fields().iter().cloned().collect(),
            narrowed: false,
        })
    }

    /// The condition in words.
    pub fn sentence(&self) -> String {
        let labels: Vec<&str> = self.fields.iter().map(Shown::label).collect();
        let fields = match (self.narrowed, labels.is_empty()) {
            (false, _) => "Any field".to_owned(),
            (true, false) => format!("One of {}", labels.join(", ")),
            (true, true) => "No field".to_owned(),
        };
        format!("{fields} contains “{}”", self.typed)
    }

    /// The keys of the fields.
    pub fn keys(&self) -> BTreeSet<&str> {
        self.fields.iter().map(Shown::key).collect()
    }

    /// True for a record that has them in a field that holds its value itself, as it is kept or as pages show it.
    pub fn are_in(&self, record: &Record) -> bool {
        let text = &self.text;
        self.fields.iter().any(|shown| {
            let kept = record.value(shown);
            if kept.is_empty() {
                return false;
            }
            match &shown.field().kind {
                // "no" is in too many other words.
                Kind::YesNo | Kind::Link(_) => false,
                Kind::Number => {
                    let shown = objects::grouped(kept).replace('−', "-");
                    kept.contains(&self.number) || shown.contains(&self.number)
                }
                Kind::Date => {
                    let day = objects::day(kept).map(times::day).unwrap_or_default();
                    kept.contains(text) || day.to_lowercase().contains(text)
                }
                Kind::LongText => {
                    let kept = kept.to_lowercase();
                    kept.contains(text) || objects::one_line(&kept).contains(text)
                }
                _ => kept.to_lowercase().contains(text),
            }
        })
    }

    /// True for a record with a link to one that has them in its name. `targets`: what the links lead to for the reader.
    pub fn are_in_links(&self, record: &Record, targets: &Targets) -> bool {
        self.fields
            .iter()
            .filter(|shown| matches!(shown.field().kind, Kind::Link(_)))
            .filter_map(|shown| targets.get(record.value(shown)))
            .any(|target| sort_name(&target.name).contains(&self.text))
    }
}
