//! What somebody typed for a record, read field by field through the member's own fields.

use std::collections::BTreeMap;

use super::links;
use super::{Desk, Record};
use crate::Result;
use crate::access::{InAccount, Tx};
use crate::permissions::Shown;
use crate::permissions::objects::Kind;

/// Values to write. Only a field that the member has and that is not read-only can be put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    values: BTreeMap<String, String>,
}

impl Draft {
    /// Reads what was typed for a field. The error is a sentence for the page.
    pub fn set(&mut self, field: &Shown, typed: &str) -> Result<(), String> {
        if field.read_only() {
            return Err(format!("{} is read-only for you.", field.label()));
        }
        let kept = field.field().kind.read(typed)?;
        self.values.insert(field.key().to_owned(), kept);
        Ok(())
    }

    /// The text to keep for a field, if one was put in.
    pub fn get(&self, field: &Shown) -> Option<&str> {
        self.values.get(field.key()).map(String::as_str)
    }

    /// The name that was put in; empty for none.
    pub fn name(&self) -> &str {
        self.values.get("name").map_or("", String::as_str)
    }

    pub(super) fn into_values(self) -> BTreeMap<String, String> {
        self.values
    }

    /// What keeps the draft from being saved, as (key of the field, sentence): required fields without a value, links to
    /// records that the member does not see. `before` is the record that is changed.
    pub fn problems<P: InAccount>(
        &self,
        tx: &mut Tx<P>,
        desk: &Desk,
        before: Option<&Record>,
    ) -> Result<Vec<(String, String)>> {
        let mut problems = Vec::new();
        let mut new_links = Vec::new();
        for field in desk.fields() {
            let old = before.map_or("", |record| record.value(field));
            let put_in = self.get(field);
            let value = put_in.unwrap_or(old);
            let link = matches!(field.field().kind, Kind::Link(_));
            // One that is left as it was may lead out of sight, or nowhere: asking for it would tell which.
            let left = link && put_in.is_none() && before.is_some();
            // A read-only field is somebody else's to fill.
            if field.required() && !field.read_only() && value.is_empty() && !left {
                problems.push((
                    field.key().to_owned(),
                    format!("{} is required.", field.label()),
                ));
            }
            if let Kind::Link(object) = field.field().kind
                && let Some(value) = put_in
                && let Ok(id) = value.parse()
            {
                // Also the number that stands there: it may lead out of sight, and must not be guessed.
                new_links.push((field, object, id, value.to_owned()));
            }
        }
        let ids = new_links.iter().map(|(_, _, id, _)| *id);
        let seen = links::visible(tx, desk, ids)?;
        for (field, object, _, value) in new_links {
            let found = seen.get(&value);
            if found.is_none_or(|target| object.is_some_and(|object| target.object != object)) {
                let what = object.map_or_else(|| "record".to_owned(), |object| object.word());
                problems.push((
                    field.key().to_owned(),
                    format!("There is no {what} with the number {value} here."),
                ));
            }
        }
        Ok(problems)
    }
}
