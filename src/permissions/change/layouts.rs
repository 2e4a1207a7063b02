//! Page layouts after a change.

use std::collections::HashSet;

use super::super::difference::NEW;
use super::super::model::{Facts, LayoutFact, LayoutField};
use super::super::objects::Object;
use super::taken;
use crate::credentials::names::{NameProblem, SettingName};
use crate::db::types::LayoutId;
use crate::{Error, Result};

/// A copy keeps the places of retired fields, which are on layouts and shown to nobody.
pub(super) fn add(
    facts: &mut Facts,
    object: Object,
    name: &SettingName,
    fields: &[LayoutField],
) -> Result<()> {
    free(facts, object, name, None)?;
    let layouts = facts.layouts.iter().filter(|fact| fact.object == object);
    let known: HashSet<&str> = layouts
        .flat_map(|fact| &fact.fields)
        .map(|field| field.key.as_str())
        .collect();
    let (retired, wanted): (Vec<_>, Vec<_>) = fields.iter().cloned().partition(|field| {
        label_of(facts, object, &field.key).is_none() && known.contains(field.key.as_str())
    });
    let mut fields = check(facts, object, &wanted)?;
    fields.extend(retired);
    facts.layouts.push(LayoutFact {
        id: LayoutId(NEW),
        object,
        name: name.to_string(),
        standard: false,
        fields,
    });
    Ok(())
}

/// The name of a record is on every layout and required; a field that could not be filled in cannot be required. A
/// retired field stays as it was, at the end.
pub(super) fn change(
    facts: &mut Facts,
    layout: LayoutId,
    name: &SettingName,
    wanted: &[LayoutField],
) -> Result<()> {
    let former = of(facts, layout)?;
    let object = former.object;
    free(facts, object, name, Some(layout))?;
    let mut fields = check(facts, object, wanted)?;
    let shown = |field: &&LayoutField| label_of(facts, object, &field.key).is_some();
    // Unless something else changes, retired fields stay in between.
    let same = former.fields.iter().filter(shown).eq(&fields);
    if same {
        fields.clone_from(&former.fields);
    } else {
        let retired = former.fields.iter().filter(|field| !shown(field));
        fields.extend(retired.cloned());
    }
    for fact in facts.layouts.iter_mut().filter(|fact| fact.id == layout) {
        fact.name = name.to_string();
        fact.fields.clone_from(&fields);
    }
    Ok(())
}

pub(super) fn delete(
    facts: &mut Facts,
    layout: LayoutId,
    replacement: Option<LayoutId>,
) -> Result<()> {
    let LayoutFact {
        object,
        name,
        standard,
        ..
    } = of(facts, layout)?;
    let plural = object.plural();
    if *standard {
        return Err(Error::refused(format!(
            "The default layout of {plural} cannot be deleted."
        )));
    }
    if let Some(other) = replacement
        && (other == layout || of(facts, other)?.object != *object)
    {
        return Err(Error::refused(format!(
            "Choose another layout of {plural} as the replacement."
        )));
    }
    let used = users(facts, layout);
    if replacement.is_none() && used > 0 {
        let profiles = if used == 1 {
            "profile uses"
        } else {
            "profiles use"
        };
        return Err(Error::refused(format!(
            "{used} {profiles} {name}. Choose a layout that replaces it."
        )));
    }
    let cells = facts.profiles.iter_mut().flat_map(|fact| &mut fact.objects);
    for cell in cells.filter(|cell| cell.layout == Some(layout)) {
        cell.layout = replacement;
    }
    facts.layouts.retain(|fact| fact.id != layout);
    Ok(())
}

/// A layout that is there.
pub(super) fn of(facts: &Facts, layout: LayoutId) -> Result<&LayoutFact> {
    let found = facts.layouts.iter().find(|fact| fact.id == layout);
    found.ok_or(Error::NotFound)
}

/// How many profiles use a layout.
fn users(facts: &Facts, layout: LayoutId) -> usize {
    let cells = facts.profiles.iter().flat_map(|fact| &fact.objects);
    cells.filter(|cell| cell.layout == Some(layout)).count()
}

/// The label of a field that an object has now.
pub(in super::super) fn label_of(facts: &Facts, object: Object, key: &str) -> Option<String> {
    let mut custom = facts.custom_fields.iter().filter(|(of, _)| *of == object);
    custom
        .find(|(_, field)| field.key == key)
        .map(|(_, field)| field.label.clone())
        .or_else(|| {
            let fields = object.fields();
            let found = fields.iter().find(|field| field.key == key)?;
            Some(found.label.clone())
        })
}

fn free(facts: &Facts, object: Object, name: &SettingName, but: Option<LayoutId>) -> Result<()> {
    let mut others = facts.layouts.iter().filter(|fact| Some(fact.id) != but);
    if others.any(|fact| fact.object == object && fact.name == name.as_str()) {
        return Err(taken("page layout", name));
    }
    Ok(())
}

fn check(facts: &Facts, object: Object, wanted: &[LayoutField]) -> Result<Vec<LayoutField>> {
    let mut fields: Vec<LayoutField> = Vec::with_capacity(wanted.len());
    for field in wanted {
        let label = label_of(facts, object, &field.key)
            .ok_or(Error::BadRequest("There is no such field."))?;
        if fields.iter().any(|other| other.key == field.key) {
            return Err(Error::BadRequest("A field is there twice."));
        }
        let is_name = field.key == "name";
        if field.required && field.read_only && !is_name {
            return Err(Error::refused(format!(
                "{label} cannot be both read-only and required."
            )));
        }
        let section = match SettingName::parse(&field.section) {
            Ok(section) => section.to_string(),
            Err(NameProblem::Empty) => String::new(),
            Err(problem) => {
                return Err(Error::refused(format!("The section of {label}: {problem}")));
            }
        };
        fields.push(LayoutField {
            key: field.key.clone(),
            section,
            // Every record has a name, and whoever makes it types it.
            read_only: field.read_only && !is_name,
            required: field.required || is_name,
        });
    }
    if !fields.iter().any(|field| field.key == "name") {
        return Err(Error::refused("Name is on every page layout."));
    }
    Ok(fields)
}
