//! Fields that administrators add to an object. A retired one is out of sight everywhere; its values stay on the records
//! and its places on the layouts, so that restoring it brings everything back.

use diesel::prelude::*;

use super::change::taken;
use super::objects::{Field, Kind, Object, TEXT_LIMIT};
use super::setup::{Differences, Setup};
use crate::access::{ManagePermissions, Proof, Tx};
use crate::audit::Event;
use crate::credentials::names::SettingName;
use crate::db::Conn;
use crate::db::types::{AccountId, CustomFieldId, LayoutId, Timestamp};
use crate::schema::{custom_fields as custom, layout_fields, page_layouts};
use crate::{Error, Result, on_each};

/// Fields that one object may have beside its own: each is a column of every list and file.
pub const MAX_PER_OBJECT: usize = 100;
/// Values of one choice.
pub const MAX_CHOICES: usize = 200;

/// Adds a field of a kind from [`Kind::CUSTOM`], at the end of every layout of the object. `choices` is one per line;
/// only a choice has any.
pub fn add<P: Proof>(
    setup: &mut Setup<P>,
    object: Object,
    label: &SettingName,
    kind: &str,
    choices: &str,
) -> Result<CustomFieldId> {
    let (account, now) = (setup.account(), setup.now());
    let (_, kind_label) = Kind::CUSTOM
        .into_iter()
        .find(|(slug, _)| *slug == kind)
        .ok_or(Error::BadRequest("There is no such kind of field."))?;
    let choices = read_choices(kind, choices)?;
    not_built_in(object, label)?;
    let others = in_use(setup, object)?;
    room(object, &others)?;
    free(label, others.iter())?;
    let id: CustomFieldId = diesel::insert_into(custom::table)
        .values((
            custom::account_id.eq(account),
            custom::object.eq(object.number()),
            custom::label.eq(label.as_str()),
            custom::kind.eq(kind),
            custom::choices.eq(&choices),
            custom::created_at.eq(now),
        ))
        .returning(custom::id)
        .get_result(setup.conn())?;
    put_on_layouts(setup, object, id)?;
    let mut changes = Differences::default();
    changes
        .compare("Kind", "", kind_label)
        .compare("Choices", "", &in_a_line(&choices));
    setup.record(&Event::FieldAdded {
        field: label.to_string(),
        object: object.plural().to_owned(),
        changes: changes.list(),
    })?;
    Ok(id)
}

fn put_on_layouts<P: Proof>(
    setup: &mut Setup<P>,
    object: Object,
    field: CustomFieldId,
) -> Result<()> {
    let account = setup.account();
    let layouts: Vec<LayoutId> = page_layouts::table
        .filter(page_layouts::account_id.eq(account))
        .filter(page_layouts::object.eq(object.number()))
        .select(page_layouts::id)
        .load(setup.conn())?;
    let places: Vec<(LayoutId, i32)> = layout_fields::table
        .filter(layout_fields::account_id.eq(account))
        .filter(layout_fields::layout_id.eq_any(&layouts))
        .select((layout_fields::layout_id, layout_fields::position))
        .load(setup.conn())?;
    let rows: Vec<_> = layouts
        .into_iter()
        .map(|layout| {
            let on = places.iter().filter(|(of, _)| *of == layout);
            let last = on.map(|(_, position)| *position).max();
            (
                layout_fields::account_id.eq(account),
                layout_fields::layout_id.eq(layout),
                layout_fields::field.eq(Field::custom_key(field)),
                layout_fields::position.eq(last.unwrap_or(0) + 1),
                layout_fields::section.eq(""),
                layout_fields::read_only.eq(false),
                layout_fields::required.eq(false),
            )
        })
        .collect();
    on_each!(setup.conn(), c => diesel::insert_into(layout_fields::table).values(rows).execute(c))?;
    Ok(())
}

/// Renames a field and sets its choices. A value that is no choice any more stays on its records. False when nothing
/// is different.
pub fn change<P: Proof>(
    setup: &mut Setup<P>,
    field: CustomFieldId,
    label: &SettingName,
    choices: &str,
) -> Result<bool> {
    let found = find(setup, field)?;
    let choices = read_choices(&found.kind, choices)?;
    let mut changes = Differences::default();
    changes
        .compare("Name", &found.label, label.as_str())
        .compare("Choices", &in_a_line(&found.choices), &in_a_line(&choices));
    if found.label == label.as_str() && found.choices == choices {
        return Ok(false);
    }
    if found.label != label.as_str() {
        not_built_in(found.object, label)?;
    }
    if found.label != label.as_str() && found.retired_at.is_none() {
        let others = in_use(setup, found.object)?;
        free(label, others.iter().filter(|(id, _)| *id != field))?;
    }
    let account = setup.account();
    diesel::update(row(account, field))
        .set((
            custom::label.eq(label.as_str()),
            custom::choices.eq(&choices),
        ))
        .execute(setup.conn())?;
    setup.record(&Event::FieldChanged {
        field: found.label,
        object: found.object.plural().to_owned(),
        changes: changes.list(),
    })?;
    Ok(true)
}

/// Takes a field out of sight. False when it is already.
pub fn retire<P: Proof>(setup: &mut Setup<P>, field: CustomFieldId) -> Result<bool> {
    let found = find(setup, field)?;
    if found.retired_at.is_some() {
        return Ok(false);
    }
    let (account, now) = (setup.account(), setup.now());
    diesel::update(row(account, field))
        .set(custom::retired_at.eq(Some(now)))
        .execute(setup.conn())?;
    setup.record(&Event::FieldRetired {
        field: found.label,
        object: found.object.plural().to_owned(),
    })?;
    Ok(true)
}

/// Brings a retired field back to where it was. False when it is not retired.
pub fn restore<P: Proof>(setup: &mut Setup<P>, field: CustomFieldId) -> Result<bool> {
    let found = find(setup, field)?;
    if found.retired_at.is_none() {
        return Ok(false);
    }
    let label = SettingName::parse(&found.label).map_err(Error::internal)?;
    let others = in_use(setup, found.object)?;
    room(found.object, &others)?;
    free(&label, others.iter())?;
    let account = setup.account();
    diesel::update(row(account, field))
        .set(custom::retired_at.eq(None::<Timestamp>))
        .execute(setup.conn())?;
    setup.record(&Event::FieldRestored {
        field: found.label,
        object: found.object.plural().to_owned(),
    })?;
    Ok(true)
}

/// A field that an administrator added, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    pub id: CustomFieldId,
    pub object: Object,
    pub label: String,
    /// Of [`Kind::CUSTOM`].
    pub kind: String,
    /// One per line.
    pub choices: String,
    pub retired_at: Option<Timestamp>,
}

type Row = (
    CustomFieldId,
    i16,
    String,
    String,
    String,
    Option<Timestamp>,
);

const COLUMNS: (
    custom::id,
    custom::object,
    custom::label,
    custom::kind,
    custom::choices,
    custom::retired_at,
) = (
    custom::id,
    custom::object,
    custom::label,
    custom::kind,
    custom::choices,
    custom::retired_at,
);

fn of_row((id, object, label, kind, choices, retired_at): Row) -> Option<Custom> {
    Some(Custom {
        id,
        object: Object::numbered(object)?,
        label,
        kind,
        choices,
        retired_at,
    })
}

/// Every field that was ever added, retired ones too, in the order of the adding.
pub fn all<P: Proof>(setup: &mut Setup<P>) -> Result<Vec<Custom>> {
    let account = setup.account();
    all_of(setup.conn(), account)
}

/// The same for a page that changes nothing, and so locks nothing.
pub fn list(tx: &mut Tx<ManagePermissions>) -> Result<Vec<Custom>> {
    let account = tx.account();
    all_of(tx.conn(), account)
}

fn all_of(conn: &mut Conn, account: AccountId) -> Result<Vec<Custom>> {
    let rows: Vec<Row> = custom::table
        .filter(custom::account_id.eq(account))
        .order(custom::id)
        .select(COLUMNS)
        .load(conn)?;
    Ok(rows.into_iter().filter_map(of_row).collect())
}

/// One of them.
pub fn find<P: Proof>(setup: &mut Setup<P>, field: CustomFieldId) -> Result<Custom> {
    let account = setup.account();
    one_of(setup.conn(), account, field)
}

/// The same for a page.
pub fn one(tx: &mut Tx<ManagePermissions>, field: CustomFieldId) -> Result<Custom> {
    let account = tx.account();
    one_of(tx.conn(), account, field)
}

fn one_of(conn: &mut Conn, account: AccountId, field: CustomFieldId) -> Result<Custom> {
    let found: Option<Row> = row(account, field).select(COLUMNS).first(conn).optional()?;
    found.and_then(of_row).ok_or(Error::NotFound)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn row(account: AccountId, field: CustomFieldId) -> _ {
    custom::table
        .filter(custom::account_id.eq(account))
        .filter(custom::id.eq(field))
}

/// The fields of an object that are not retired, with their labels.
fn in_use<P: Proof>(setup: &mut Setup<P>, object: Object) -> Result<Vec<(CustomFieldId, String)>> {
    let account = setup.account();
    Ok(custom::table
        .filter(custom::account_id.eq(account))
        .filter(custom::object.eq(object.number()))
        .filter(custom::retired_at.is_null())
        .select((custom::id, custom::label))
        .load(setup.conn())?)
}

fn room(object: Object, others: &[(CustomFieldId, String)]) -> Result<()> {
    if others.len() < MAX_PER_OBJECT {
        return Ok(());
    }
    Err(Error::refused(format!(
        "{} have {MAX_PER_OBJECT} added fields already. Retire one first.",
        object.plural()
    )))
}

/// Refuses a label that another field has, in whatever case: the two would be one column to whoever reads a file. The
/// account is locked, so that nobody else gives it meanwhile; the unique index knows the same case only.
fn free<'o>(
    label: &SettingName,
    mut others: impl Iterator<Item = &'o (CustomFieldId, String)>,
) -> Result<()> {
    let lower = label.as_str().to_lowercase();
    match others.find(|(_, other)| other.to_lowercase() == lower) {
        Some((_, other)) => Err(taken("field", other)),
        None => Ok(()),
    }
}

fn not_built_in(object: Object, label: &SettingName) -> Result<()> {
    let same = |other: &str| other.to_lowercase() == label.as_str().to_lowercase();
    // Columns that every list has beside the fields of its object.
    let columns = ["Number", "Created by", "Assigned to", "Created", "Updated"];
    if object.fields().iter().any(|field| same(&field.label)) || columns.into_iter().any(same) {
        return Err(Error::refused(format!(
            "{} have a field {label} already. Choose another name.",
            object.plural()
        )));
    }
    Ok(())
}

/// One choice per line, each cleaned like a name and there once; none for any other kind.
pub fn read_choices(kind: &str, typed: &str) -> Result<String> {
    if kind != "choice" {
        return match typed.trim() {
            "" => Ok(String::new()),
            _ => Err(Error::refused("Only a choice has choices.")),
        };
    }
    let mut choices: Vec<String> = Vec::new();
    for line in typed.lines().filter(|line| !line.trim().is_empty()) {
        let choice = Kind::Text.read(line).map_err(Error::refused)?;
        let lower = choice.to_lowercase();
        if choices.iter().any(|other| other.to_lowercase() == lower) {
            return Err(Error::refused(format!("{choice} is there twice.")));
        }
        choices.push(choice);
    }
    if choices.is_empty() {
        return Err(Error::refused("Type at least one choice, one per line."));
    }
    if choices.len() > MAX_CHOICES {
        return Err(Error::refused(format!(
            "Use at most {MAX_CHOICES} choices of at most {TEXT_LIMIT} characters."
        )));
    }
    Ok(choices.join("\n"))
}

fn in_a_line(choices: &str) -> String {
    choices.replace('\n', ", ")
}
