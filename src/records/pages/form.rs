//! The form of a record, for a new one and for one that is changed: made of the member's own fields, and read through
//! them. A field that the member does not have is not looked for; a read-only one is refused.

use std::collections::BTreeMap;

use super::lookup::{self, Choice, OFFERED};
use super::sections;
use super::value::Value;
use crate::Result;
use crate::access::{Tx, UseRecords};
use crate::permissions::Shown;
use crate::permissions::objects::{Kind, LONG_TEXT_LIMIT, TEXT_LIMIT};
use crate::records::change::sort_name;
use crate::records::draft::Draft;
use crate::records::links::{self, Targets};
use crate::records::{Desk, Record};
use crate::web::form::Errors;
use crate::web::request::Form;

/// Ending of the name of the control that searches for what a link leads to.
const FIND: &str = ".find";

/// Name of the buttons that search; the value is the key of the link.
const FIND_BUTTON: &str = "find";

/// What was typed, by key: only fields that the member has and the form brought.
#[derive(Debug, Default)]
pub struct Typed {
    values: BTreeMap<String, String>,
    searches: BTreeMap<String, String>,
}

impl Typed {
    /// From a posted form.
    pub fn read(desk: &Desk, form: &Form) -> Result<Typed> {
        let mut typed = Typed::default();
        for field in desk.fields() {
            let key = field.key();
            if form.pairs().iter().any(|(name, _)| name == key) {
                typed
                    .values
                    .insert(key.to_owned(), form.one(key)?.to_owned());
            }
            if matches!(field.field().kind, Kind::Link(_)) {
                let search = form.one(&format!("{key}{FIND}"))?.trim();
                typed.searches.insert(key.to_owned(), search.to_owned());
            }
        }
        Ok(typed)
    }

    /// What was typed for a field, if the form had it.
    pub fn get(&self, field: &Shown) -> Option<&str> {
        self.values.get(field.key()).map(String::as_str)
    }

    fn search(&self, field: &Shown) -> &str {
        self.searches.get(field.key()).map_or("", String::as_str)
    }

    /// The changes that it means to a record, or to none yet, and what is wrong with it.
    pub fn draft(
        &self,
        tx: &mut Tx<UseRecords>,
        desk: &Desk,
        before: Option<&Record>,
    ) -> Result<(Draft, Errors)> {
        let mut draft = Draft::default();
        let mut errors = Errors::new();
        let now = match before {
            Some(record) => links::targets(tx, desk, std::slice::from_ref(record))?,
            None => Targets::default(),
        };
        for field in desk.fields() {
            let Some(typed) = self.get(field) else {
                continue;
            };
            let old = before.map_or("", |record| record.value(field));
            let is_link = matches!(field.field().kind, Kind::Link(_));
            // A link that its editor does not see stands in the form as none, and stays.
            let same = match is_link && now.get(old).is_none() {
                true => typed.is_empty(),
                false => typed.replace("\r\n", "\n") == old,
            };
            if !field.read_only() && before.is_some() && same {
                continue;
            }
            if let Err(why) = draft.set(field, typed) {
                errors.add(field.key(), why);
            }
        }
        for (key, why) in draft.problems(tx, desk, before)? {
            if errors.of(&key).is_none() {
                errors.add(key, why);
            }
        }
        self.check_searches(tx, desk, &mut errors)?;
        Ok((draft, errors))
    }

    /// Letters in a search that are no part of the chosen name were typed to choose by.
    fn check_searches(
        &self,
        tx: &mut Tx<UseRecords>,
        desk: &Desk,
        errors: &mut Errors,
    ) -> Result<()> {
        for field in desk.fields() {
            let search = sort_name(self.search(field));
            if search.is_empty() || field.read_only() || errors.of(field.key()).is_some() {
                continue;
            }
            let id = self.get(field).and_then(|typed| typed.parse().ok());
            let targets = links::visible(tx, desk, id)?;
            let chosen = self.get(field).and_then(|typed| targets.get(typed));
            if chosen.is_none_or(|target| !target.name.to_lowercase().starts_with(&search)) {
                let why = "Choose one of the records found, or empty the search.";
                errors.add(field.key(), why);
            }
        }
        Ok(())
    }
}

/// True when one of the buttons that search was pressed.
pub fn is_search(form: &Form) -> bool {
    form.ticked(FIND_BUTTON)
}

/// A section of the form.
pub struct Section {
    pub heading: String,
    pub controls: Vec<Control>,
}

/// A field of the form.
pub struct Control {
    pub key: String,
    pub label: String,
    pub required: bool,
    pub hint: String,
    pub input: Input,
}

/// How it is filled in.
pub enum Input {
    /// Shown, and not to be changed.
    Fact(Value),
    /// Type and mode of the input, what stands in it, most characters.
    Line {
        kind: &'static str,
        mode: &'static str,
        value: String,
        limit: usize,
    },
    Long {
        value: String,
        limit: usize,
    },
    /// Value, label, chosen.
    Select(Vec<(String, String, bool)>),
    Link {
        options: Vec<(String, String, bool)>,
        search: String,
        what: String,
    },
}

/// The form: of a new record, or of one as it is, with what has been typed.
pub fn load(
    tx: &mut Tx<UseRecords>,
    desk: &Desk,
    before: Option<&Record>,
    typed: &Typed,
) -> Result<Vec<Section>> {
    let ids = desk
        .fields()
        .iter()
        .filter(|field| matches!(field.field().kind, Kind::Link(_)));
    let ids: Vec<_> = ids
        .flat_map(|field| [before.map(|record| record.value(field)), typed.get(field)])
        .filter_map(|kept| kept?.parse().ok())
        .collect();
    let targets = links::visible(tx, desk, ids)?;
    let mut out = Vec::new();
    for (heading, fields) in sections(desk) {
        let mut controls = Vec::new();
        for field in fields {
            controls.push(control(tx, desk, before, typed, &targets, field)?);
        }
        out.push(Section {
            heading: heading.to_owned(),
            controls,
        });
    }
    Ok(out)
}

fn control(
    tx: &mut Tx<UseRecords>,
    desk: &Desk,
    before: Option<&Record>,
    typed: &Typed,
    targets: &Targets,
    field: &Shown,
) -> Result<Control> {
    let old = before.map_or("", |record| record.value(field));
    let value = typed.get(field).unwrap_or(old).to_owned();
    let mut hint = String::new();
    let line = |kind, mode| Input::Line {
        kind,
        mode,
        value: value.clone(),
        limit: TEXT_LIMIT,
    };
    let input = if field.read_only() {
        Input::Fact(Value::of(desk, field, old, targets))
    } else {
        match &field.field().kind {
            Kind::Text => line("text", ""),
            Kind::Phone => line("tel", ""),
            Kind::Email => line("email", ""),
            // The scheme may be left out, which browsers refuse in an input for addresses.
            Kind::Url => line("text", "url"),
            Kind::Number => line("text", "decimal"),
            Kind::Date => line("date", ""),
            Kind::LongText => Input::Long {
                value: value.clone(),
                limit: LONG_TEXT_LIMIT,
            },
            Kind::YesNo => Input::Select(vec![
                (String::new(), "–".into(), value.is_empty()),
                ("yes".into(), "Yes".into(), value == "yes"),
                ("no".into(), "No".into(), value == "no"),
            ]),
            Kind::Choice(values) => {
                let mut options = vec![(String::new(), "–".into(), value.is_empty())];
                // One that was taken away since stays where it is.
                let gone =
                    Some(old).filter(|old| !old.is_empty() && !values.iter().any(|v| v == old));
                let known = values.iter().map(String::as_str).chain(gone);
                options.extend(known.map(|v| (v.to_owned(), v.to_owned(), v == value)));
                Input::Select(options)
            }
            Kind::Link(of) => {
                let search = typed.search(field).to_owned();
                let (found, more) = lookup::search(tx, desk, *of, &search)?;
                if more {
                    hint = format!("The first {OFFERED} by name are offered; find others by name.");
                } else if found.is_empty() && !search.is_empty() {
                    hint = "Nothing that you see begins with this.".into();
                }
                let current = lookup::chosen(targets, &value);
                let letters = sort_name(&search);
                let sought = |choice: &Choice| choice.name.to_lowercase().starts_with(&letters);
                // The only one found is meant, unless what is chosen fits as well.
                let chosen = match (found.as_slice(), current) {
                    (_, Some(current)) if sought(&current) => Some(current),
                    ([one], _) if !search.is_empty() => Some(one.clone()),
                    (_, current) => current,
                };
                Input::Link {
                    options: link_options(*of, found, chosen),
                    search,
                    what: of.map_or_else(|| "record".to_owned(), |object| object.word()),
                }
            }
        }
    };
    Ok(Control {
        key: field.key().to_owned(),
        label: field.label().to_owned(),
        required: field.required(),
        hint,
        input,
    })
}

fn link_options(
    of: Option<crate::permissions::Object>,
    found: Vec<Choice>,
    chosen: Option<Choice>,
) -> Vec<(String, String, bool)> {
    let mut options = vec![(String::new(), "–".to_owned(), chosen.is_none())];
    let beyond = chosen.clone().filter(|chosen| !found.contains(chosen));
    options.extend(beyond.into_iter().chain(found).map(|choice| {
        let on = chosen.as_ref().is_some_and(|chosen| chosen.id == choice.id);
        let label = match of {
            Some(_) => format!("{} ({})", choice.name, choice.id),
            None => format!("{} ({} {})", choice.name, choice.object.word(), choice.id),
        };
        (choice.id.to_string(), label, on)
    }));
    options
}
