//! Which fields a member has: the only way to select, filter, sort, search, show, change, export or import one.
//!
//! A field that is not in the set does not exist for the member. Whoever wants a value of a record needs a [`Shown`]
//! for it, and only a set gives those out.

use std::sync::Arc;

use super::model::LayoutFact;
use super::objects::{Field, Object};

/// The fields of one object as one member has them, in the order of their layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSet {
    object: Object,
    fields: Arc<Vec<Shown>>,
}

/// A field the member may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    field: Arc<Field>,
    section: String,
    read_only: bool,
    required: bool,
}

impl Shown {
    /// What it is and holds.
    pub fn field(&self) -> &Arc<Field> {
        &self.field
    }

    /// Its stable name.
    pub fn key(&self) -> &str {
        &self.field.key
    }

    /// As it is called on pages.
    pub fn label(&self) -> &str {
        &self.field.label
    }

    /// Heading on the record's page; empty for none.
    pub fn section(&self) -> &str {
        &self.section
    }

    /// Shown, and a write to it is refused.
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// A record cannot be saved without it.
    pub fn required(&self) -> bool {
        self.required
    }
}

impl FieldSet {
    /// Every field of an object: built in and added. Only the name is required.
    pub(super) fn all(object: Object, custom: &[(Object, Arc<Field>)]) -> FieldSet {
        let custom = custom.iter().filter(|(of, _)| *of == object);
        let fields = object
            .fields()
            .into_iter()
            .chain(custom.map(|(_, field)| field.clone()))
            .map(|field| Shown {
                required: field.is_name(),
                read_only: false,
                section: String::new(),
                field,
            })
            .collect();
        FieldSet {
            object,
            fields: Arc::new(fields),
        }
    }

    /// What a layout shows of them. The name is always there, always required and never read-only: without it no record
    /// could be told from another.
    pub(super) fn of_layout(layout: &LayoutFact, all: &FieldSet) -> FieldSet {
        let mut fields: Vec<Shown> = layout
            .fields
            .iter()
            .filter_map(|on| {
                let known = all.get(&on.key)?;
                Some(Shown {
                    field: known.field.clone(),
                    section: on.section.clone(),
                    read_only: on.read_only && !known.field.is_name(),
                    required: on.required || known.field.is_name(),
                })
            })
            .collect();
        if !fields.iter().any(|shown| shown.field.is_name()) {
            let name = all.fields.iter().filter(|shown| shown.field.is_name());
            fields.splice(0..0, name.cloned());
        }
        FieldSet {
            object: layout.object,
            fields: Arc::new(fields),
        }
    }

    /// No field at all.
    pub(super) fn none(object: Object) -> FieldSet {
        FieldSet {
            object,
            fields: Arc::new(Vec::new()),
        }
    }

    /// Whose fields they are.
    pub fn object(&self) -> Object {
        self.object
    }

    /// The field with a key, if the member has it.
    pub fn get(&self, key: &str) -> Option<&Shown> {
        self.fields.iter().find(|shown| shown.key() == key)
    }

    /// All, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Shown> {
        self.fields.iter()
    }
}

impl<'a> IntoIterator for &'a FieldSet {
    type Item = &'a Shown;
    type IntoIter = std::slice::Iter<'a, Shown>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
