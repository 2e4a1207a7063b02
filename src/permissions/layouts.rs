//! Page layouts: which fields of an object a profile sees, in which order and sections, and which of them are read-only
//! or required.

use diesel::prelude::*;

use super::model::LayoutField;
use super::objects::{Field, Object};
use super::setup::{Differences, Setup, taken, yes_no};
use crate::access::Proof;
use crate::audit::Event;
use crate::credentials::names::{NameProblem, SettingName};
use crate::db::types::{CustomFieldId, LayoutId};
use crate::schema::{custom_fields, layout_fields, object_permissions, page_layouts};
use crate::{Error, Result, on_each};

/// Adds a layout that says the same as another of its object.
pub fn clone_of<P: Proof>(
    setup: &mut Setup<P>,
    layout: LayoutId,
    name: &SettingName,
) -> Result<LayoutId> {
    let (object, copy_of, _) = setup.layout(layout)?;
    let account = setup.account();
    let fields = fields(setup, layout)?;
    let id: LayoutId = diesel::insert_into(page_layouts::table)
        .values((
            page_layouts::account_id.eq(account),
            page_layouts::object.eq(object.number()),
            page_layouts::name.eq(name.as_str()),
            page_layouts::standard.eq(false),
        ))
        .returning(page_layouts::id)
        .get_result(setup.conn())
        .map_err(taken("page layout", name))?;
    write(setup, id, &fields)?;
    setup.record(&Event::LayoutAdded {
        layout: name.to_string(),
        object: object.plural().to_owned(),
        copy_of,
    })?;
    Ok(id)
}

/// Adds a layout of an object; it begins as a copy of the default one.
pub fn add<P: Proof>(setup: &mut Setup<P>, object: Object, name: &SettingName) -> Result<LayoutId> {
    let like = default_of(setup, object)?;
    clone_of(setup, like, name)
}

/// The default layout of an object.
pub fn default_of<P: Proof>(setup: &mut Setup<P>, object: Object) -> Result<LayoutId> {
    let account = setup.account();
    Ok(page_layouts::table
        .filter(page_layouts::account_id.eq(account))
        .filter(page_layouts::object.eq(object.number()))
        .filter(page_layouts::standard.eq(true))
        .select(page_layouts::id)
        .first(setup.conn())?)
}

/// The fields on a layout, in their order; retired ones keep their place and are shown to nobody.
pub fn fields<P: Proof>(setup: &mut Setup<P>, layout: LayoutId) -> Result<Vec<LayoutField>> {
    let account = setup.account();
    let rows: Vec<(String, String, bool, bool)> = layout_fields::table
        .filter(layout_fields::account_id.eq(account))
        .filter(layout_fields::layout_id.eq(layout))
        .order((layout_fields::position, layout_fields::field))
        .select((
            layout_fields::field,
            layout_fields::section,
            layout_fields::read_only,
            layout_fields::required,
        ))
        .load(setup.conn())?;
    Ok(rows
        .into_iter()
        .map(|(key, section, read_only, required)| LayoutField {
            key,
            section,
            read_only,
            required,
        })
        .collect())
}

/// Renames a layout and sets the fields on it. The name of a record is on every layout and required; a field that
/// could not be filled in cannot be required. A retired field stays as it was. False when nothing is different.
pub fn change<P: Proof>(
    setup: &mut Setup<P>,
    layout: LayoutId,
    name: &SettingName,
    wanted: &[LayoutField],
) -> Result<bool> {
    let (object, former, _) = setup.layout(layout)?;
    let known = Known::load(setup, object)?;
    let before = fields(setup, layout)?;
    let (retired, before): (Vec<_>, Vec<_>) = before
        .into_iter()
        .partition(|field| known.label(&field.key).is_none());
    let after = check(&known, wanted)?;
    let mut changes = Differences::default();
    changes.compare("Name", &former, name.as_str());
    let account = setup.account();
    if !changes.is_empty() {
        diesel::update(page_layouts::table)
            .filter(page_layouts::account_id.eq(account))
            .filter(page_layouts::id.eq(layout))
            .set(page_layouts::name.eq(name.as_str()))
            .execute(setup.conn())
            .map_err(taken("page layout", name))?;
    }
    if before != after {
        let labels = |fields: &[LayoutField]| -> String {
            let labels = fields.iter().filter_map(|field| known.label(&field.key));
            labels.collect::<Vec<_>>().join(", ")
        };
        changes.compare("Fields", &labels(&before), &labels(&after));
        for field in &after {
            let Some(was) = before.iter().find(|was| was.key == field.key) else {
                continue;
            };
            let label = known.label(&field.key).unwrap_or_default();
            changes
                .compare(format!("Section of {label}"), &was.section, &field.section)
                .compare(
                    format!("{label} is read-only"),
                    yes_no(was.read_only),
                    yes_no(field.read_only),
                )
                .compare(
                    format!("{label} is required"),
                    yes_no(was.required),
                    yes_no(field.required),
                );
        }
        diesel::delete(
            layout_fields::table
                .filter(layout_fields::account_id.eq(account))
                .filter(layout_fields::layout_id.eq(layout)),
        )
        .execute(setup.conn())?;
        let all: Vec<LayoutField> = after.into_iter().chain(retired).collect();
        write(setup, layout, &all)?;
    }
    if changes.is_empty() {
        return Ok(false);
    }
    setup.record(&Event::LayoutChanged {
        layout: former,
        object: object.plural().to_owned(),
        changes: changes.list(),
    })?;
    Ok(true)
}

/// Sets the fields on a layout; see [`change`].
pub fn set_fields<P: Proof>(
    setup: &mut Setup<P>,
    layout: LayoutId,
    wanted: &[LayoutField],
) -> Result<bool> {
    let (_, name, _) = setup.layout(layout)?;
    let name = SettingName::parse(&name).map_err(Error::internal)?;
    change(setup, layout, &name, wanted)
}

/// Deletes a layout, never the default one. Profiles that use it get the replacement; without any none is needed. It is
/// asked for rather than guessed: the default layout may show what this one hid.
pub fn delete<P: Proof>(
    setup: &mut Setup<P>,
    layout: LayoutId,
    replacement: Option<LayoutId>,
) -> Result<()> {
    let (object, name, standard) = setup.layout(layout)?;
    if standard {
        return Err(Error::refused(format!(
            "The default layout of {} cannot be deleted.",
            object.plural()
        )));
    }
    let account = setup.account();
    let other = match replacement {
        Some(other) => {
            let (of, other_name, _) = setup.layout(other)?;
            if other == layout || of != object {
                return Err(Error::refused(format!(
                    "Choose another layout of {} as the replacement.",
                    object.plural()
                )));
            }
            Some((other, other_name))
        }
        None => None,
    };
    let used: i64 = object_permissions::table
        .filter(object_permissions::account_id.eq(account))
        .filter(object_permissions::layout_id.eq(layout))
        .count()
        .get_result(setup.conn())?;
    let mut changes = Differences::default();
    if used > 0 {
        let Some((other, other_name)) = &other else {
            let profiles = if used == 1 {
                "profile uses"
            } else {
                "profiles use"
            };
            return Err(Error::refused(format!(
                "{used} {profiles} {name}. Choose a layout that replaces it."
            )));
        };
        diesel::update(
            object_permissions::table
                .filter(object_permissions::account_id.eq(account))
                .filter(object_permissions::layout_id.eq(layout)),
        )
        .set(object_permissions::layout_id.eq(*other))
        .execute(setup.conn())?;
        let (before, after) = (
            format!("{used} use {name}"),
            format!("{used} use {other_name}"),
        );
        changes.compare("Profiles", &before, &after);
    }
    diesel::delete(
        page_layouts::table
            .filter(page_layouts::account_id.eq(account))
            .filter(page_layouts::id.eq(layout)),
    )
    .execute(setup.conn())?;
    setup.record(&Event::LayoutDeleted {
        layout: name,
        object: object.plural().to_owned(),
        replacement: other.filter(|_| used > 0).map(|(_, name)| name),
        changes: changes.list(),
    })
}

/// The fields an object has now: (key, label).
struct Known(Vec<(String, String)>);

impl Known {
    fn load<P: Proof>(setup: &mut Setup<P>, object: Object) -> Result<Known> {
        let account = setup.account();
        let custom: Vec<(CustomFieldId, String)> = custom_fields::table
            .filter(custom_fields::account_id.eq(account))
            .filter(custom_fields::object.eq(object.number()))
            .filter(custom_fields::retired_at.is_null())
            .select((custom_fields::id, custom_fields::label))
            .load(setup.conn())?;
        let built_in = object.fields().into_iter();
        let built_in = built_in.map(|field| (field.key.to_string(), field.label.clone()));
        let custom = custom
            .into_iter()
            .map(|(id, label)| (Field::custom_key(id), label));
        Ok(Known(built_in.chain(custom).collect()))
    }

    fn label(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == key);
        found.map(|(_, label)| label.as_str())
    }
}

fn check(known: &Known, wanted: &[LayoutField]) -> Result<Vec<LayoutField>> {
    let mut fields: Vec<LayoutField> = Vec::with_capacity(wanted.len());
    for field in wanted {
        let label = known
            .label(&field.key)
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
            read_only: field.read_only,
            required: field.required || is_name,
        });
    }
    if !fields.iter().any(|field| field.key == "name") {
        return Err(Error::refused("Name is on every page layout."));
    }
    Ok(fields)
}

fn write<P: Proof>(setup: &mut Setup<P>, layout: LayoutId, fields: &[LayoutField]) -> Result<()> {
    let account = setup.account();
    let rows: Vec<_> = (1..)
        .zip(fields)
        .map(|(position, field)| {
            (
                layout_fields::account_id.eq(account),
                layout_fields::layout_id.eq(layout),
                layout_fields::field.eq(field.key.clone()),
                layout_fields::position.eq(position),
                layout_fields::section.eq(field.section.clone()),
                layout_fields::read_only.eq(field.read_only),
                layout_fields::required.eq(field.required),
            )
        })
        .collect();
    on_each!(setup.conn(), c => diesel::insert_into(layout_fields::table).values(rows).execute(c))?;
    Ok(())
}
