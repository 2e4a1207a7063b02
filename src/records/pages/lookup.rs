//! Choosing the record at the other end of a link: what begins with some letters, as far as the person sees it.

use crate::Result;
use crate::access::{Tx, UseRecords};
use crate::db::types::RecordId;
use crate::permissions::Object;
use crate::records::Desk;
use crate::records::links::Targets;
use crate::records::list::{self, By, ListQuery, Sort};

/// Records offered at a time.
pub const OFFERED: usize = 50;

/// A record to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub id: RecordId,
    pub object: Object,
    pub name: String,
}

/// The first records by name that begin with `prefix`, of one object or of all, and whether there are more.
pub fn search(
    tx: &mut Tx<UseRecords>,
    desk: &Desk,
    of: Option<Object>,
    prefix: &str,
) -> Result<(Vec<Choice>, bool)> {
    let objects = match of {
        Some(object) => vec![object],
        None => Object::ALL.to_vec(),
    };
    let query = ListQuery {
        prefix: prefix.trim().to_owned(),
        sort: Sort {
            by: By::Name,
            descending: false,
        },
        ..ListQuery::default()
    };
    let mut found = Vec::new();
    for object in objects {
        // What the person cannot Read offers nothing.
        let Some(theirs) = Desk::of(
            desk.rules().clone(),
            desk.slot(),
            desk.environment(),
            object,
        ) else {
            continue;
        };
        let part = list::part(tx, &theirs, &query, None, false, OFFERED + 1)?;
        found.extend(part.records.into_iter().map(|record| Choice {
            id: record.id,
            object,
            name: record.name().to_owned(),
        }));
    }
    found.sort_by_cached_key(|choice| (choice.name.to_lowercase(), choice.id));
    let more = found.len() > OFFERED;
    found.truncate(OFFERED);
    Ok((found, more))
}

/// What a kept number leads to, if the person sees it.
pub fn chosen(targets: &Targets, kept: &str) -> Option<Choice> {
    targets.get(kept).map(|target| Choice {
        id: target.id,
        object: target.object,
        name: target.name.clone(),
    })
}
