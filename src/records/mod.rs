//! Records of the six objects, per environment: finding, making, changing, assigning, deleting, and what was changed.
//!
//! Nothing here decides. A [`Desk`] is one object in one environment as the caller has it, made of what
//! [`crate::permissions`] says; every function asks for one, rows are looked up inside what it reaches, and a value
//! comes out of a [`Record`] only for a field that the caller has.

pub mod census;
pub mod change;
pub mod draft;
pub mod export;
pub mod history;
pub mod import;
pub mod jobs;
pub mod links;
pub mod list;
pub mod pages;
pub mod people;
mod rows;
pub mod transfer;

use std::collections::BTreeMap;
use std::sync::Arc;

use diesel::prelude::*;

use crate::access::{Environment, InAccount, Tx};
use crate::db::types::{RecordId, Slot, Timestamp};
use crate::permissions::slots::Slots;
use crate::permissions::{
    self, Action, FieldSet, Level, Object, People, Reach, Rights, Rules, Shown, Verdict,
};
use crate::schema::records;
use crate::{Error, Result};

/// Kept texts by key of their field.
pub(crate) type Values = BTreeMap<String, String>;

/// One object in one environment as the caller has it.
pub struct Desk {
    environment: Environment,
    object: Object,
    rules: Arc<Rules>,
    slot: Slot,
    rights: Rights,
    fields: FieldSet,
    reach: Reach,
}

impl Desk {
    /// Opens it; refused to whoever cannot Read the object.
    pub fn open<P: InAccount>(
        tx: &mut Tx<P>,
        environment: Environment,
        object: Object,
    ) -> Result<Desk> {
        let rules = permissions::rules(tx)?;
        let slot = tx.me().slot;
        Desk::of(rules, slot, environment, object).ok_or_else(|| refused(object))
    }

    /// The desk of a member; nothing for whoever cannot Read the object.
    pub fn of(
        rules: Arc<Rules>,
        slot: Slot,
        environment: Environment,
        object: Object,
    ) -> Option<Desk> {
        let rights = rules.rights(slot, object);
        rights.has(Rights::READ).then(|| Desk {
            environment,
            object,
            slot,
            rights,
            fields: rules.fields(slot, object),
            reach: rules.reach(slot, object, Level::Read),
            rules,
        })
    }

    /// The same desk with nothing but the records of some members, of those that the member sees.
    #[must_use]
    pub fn with_only(&self, of: Slots) -> Desk {
        Desk {
            environment: self.environment,
            object: self.object,
            rules: self.rules.clone(),
            slot: self.slot,
            rights: self.rights,
            fields: self.fields.clone(),
            reach: match &self.reach {
                Reach::Nothing => Reach::Nothing,
                Reach::Everything => Reach::Of(Arc::new(of)),
                Reach::Of(seen) => Reach::Of(Arc::new(
                    of.iter().filter(|slot| seen.contains(*slot)).collect(),
                )),
            },
        }
    }

    /// TEST or COMMERCIAL.
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// The kind of record.
    pub fn object(&self) -> Object {
        self.object
    }

    /// The rules it was made of.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// The member it belongs to.
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// The fields the member has.
    pub fn fields(&self) -> &FieldSet {
        &self.fields
    }

    /// Which records the member sees.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// True when the member may make records.
    pub fn may_create(&self) -> bool {
        self.rights.has(Rights::CREATE)
    }

    /// True when the member may take the list out of the house.
    pub fn may_export(&self) -> bool {
        self.rules.may_export(self.slot)
    }

    /// True when the member may do this with a record they see.
    pub fn may(&self, action: Action, record: &Record) -> bool {
        self.rules
            .can(self.slot, action, self.object, record.people)
            == Verdict::Allowed
    }

    /// Refuses whoever may not make records.
    pub fn require_create(&self) -> Result<()> {
        if self.may_create() {
            Ok(())
        } else {
            Err(refused(self.object))
        }
    }

    /// Refuses whoever may not export.
    pub fn require_export(&self) -> Result<()> {
        if self.may_export() {
            Ok(())
        } else {
            Err(Error::Forbidden {
                section: "Export",
                who: "Members with the Export permission open it.",
            })
        }
    }

    /// Path of the list.
    pub fn path(&self) -> String {
        format!(
            "/{}/records/{}",
            self.environment.slug(),
            self.object.slug()
        )
    }
}

/// The refusal of something that the profile does not allow.
fn refused(object: Object) -> Error {
    Error::Forbidden {
        section: object.plural(),
        who: "Members whose profile and sharing allow this open it.",
    }
}

/// The environment with a number in the database.
pub(crate) fn environment_numbered(number: i16) -> Environment {
    match number {
        0 => Environment::Test,
        _ => Environment::Commercial,
    }
}

/// Number of an environment in the database.
pub(crate) fn environment_number(environment: Environment) -> i16 {
    match environment {
        Environment::Test => 0,
        Environment::Commercial => 1,
    }
}

/// A record that the holder of a desk sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub id: RecordId,
    pub people: People,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: i64,
    name: String,
    data: Values,
}

impl Record {
    /// The name, which is on every layout.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kept text of a field; empty for none.
    pub fn value(&self, field: &Shown) -> &str {
        if field.field().is_name() {
            &self.name
        } else {
            self.data.get(field.key()).map_or("", String::as_str)
        }
    }
}

/// The columns of a [`Record`].
pub(crate) type Row = (
    RecordId,
    (Slot, Option<Slot>),
    (Timestamp, Timestamp, i64),
    (String, String),
);

/// See [`Row`].
pub(crate) type Columns = (
    records::id,
    (records::creator_slot, records::assigned_slot),
    (records::created_at, records::updated_at, records::version),
    (records::name, records::data),
);

/// See [`Row`].
pub(crate) const COLUMNS: Columns = (
    records::id,
    (records::creator_slot, records::assigned_slot),
    (records::created_at, records::updated_at, records::version),
    (records::name, records::data),
);

/// A row as a record.
pub(crate) fn record((id, people, times, texts): Row) -> Result<Record> {
    Ok(Record {
        id,
        people: People {
            creator: people.0,
            assigned: people.1,
        },
        created_at: times.0,
        updated_at: times.1,
        version: times.2,
        name: texts.0,
        data: serde_json::from_str(&texts.1).map_err(Error::internal)?,
    })
}

/// A record by its number. One of another account, environment or object, and one out of sight, does not exist.
pub fn find<P: InAccount>(tx: &mut Tx<P>, desk: &Desk, id: RecordId) -> Result<Record> {
    let account = tx.account();
    let one = || {
        records::table
            .filter(records::account_id.eq(account))
            .filter(records::id.eq(id))
            .filter(records::environment.eq(environment_number(desk.environment)))
            .filter(records::object.eq(desk.object.number()))
    };
    let seen = |(creator, assigned)| desk.reach.admits(People { creator, assigned });
    if !matches!(desk.reach, Reach::Everything) {
        // Long texts are fetched only for who sees them: what is out of sight costs what does not exist costs.
        let people: Option<(Slot, Option<Slot>)> = one()
            .select((records::creator_slot, records::assigned_slot))
            .first(tx.conn())
            .optional()?;
        people
            .filter(|people| seen(*people))
            .ok_or(Error::NotFound)?;
    }
    let row: Option<Row> = one().select(COLUMNS).first(tx.conn()).optional()?;
    // Somebody may have assigned it elsewhere since.
    record(row.filter(|row| seen(row.1)).ok_or(Error::NotFound)?)
}

/// A record to do something with: hidden ones do not exist, others are refused when the member may not.
pub fn find_for<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    id: RecordId,
    action: Action,
) -> Result<Record> {
    let record = find(tx, desk, id)?;
    if desk.may(action, &record) {
        Ok(record)
    } else {
        Err(refused(desk.object))
    }
}

/// A record found by its number alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub id: RecordId,
    pub environment: Environment,
    pub object: Object,
    pub people: People,
    pub name: String,
}

impl Found {
    /// Path of its page.
    pub fn path(&self) -> String {
        let (environment, object) = (self.environment.slug(), self.object.slug());
        format!("/{environment}/records/{object}/{}", self.id)
    }
}

/// A record of any object that a member sees, by its number. One out of sight is not there, after the same work.
pub fn seen<P: InAccount>(
    tx: &mut Tx<P>,
    rules: &Rules,
    slot: Slot,
    id: RecordId,
) -> Result<Option<Found>> {
    type Row = ((i16, i16), (Slot, Option<Slot>), String);
    let account = tx.account();
    let row: Option<Row> = records::table
        .filter(records::account_id.eq(account))
        .filter(records::id.eq(id))
        .select((
            (records::environment, records::object),
            (records::creator_slot, records::assigned_slot),
            records::name,
        ))
        .first(tx.conn())
        .optional()?;
    let found = row.and_then(|((environment, object), (creator, assigned), name)| {
        Some(Found {
            id,
            environment: environment_numbered(environment),
            object: Object::numbered(object)?,
            people: People { creator, assigned },
            name,
        })
    });
    let sees = |found: &Found| rules.level(slot, found.object, found.people) > Level::None;
    Ok(found.filter(sees))
}
