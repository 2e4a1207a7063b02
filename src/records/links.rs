//! Links from one record to another. A link never grants access: it shows a record that its reader sees, and nothing at
//! all for every other one.

use std::collections::{BTreeSet, HashMap};

use super::{Desk, Record, environment_number, rows};
use crate::Result;
use crate::access::{InAccount, Tx};
use crate::db::types::RecordId;
use crate::permissions::objects::Kind;
use crate::permissions::{Level, Object, People, Shown};

/// A record at the other end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub id: RecordId,
    pub object: Object,
    pub name: String,
}

/// The records at the other ends, as far as the reader sees them.
#[derive(Clone, Debug, Default)]
pub struct Targets(HashMap<RecordId, Target>);

impl Targets {
    /// What a kept link leads to for this reader.
    pub fn get(&self, kept: &str) -> Option<&Target> {
        self.0.get(&kept.parse().ok()?)
    }
}

/// What the links among the desk's fields lead to for its holder.
pub fn targets<'r, P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    of: impl IntoIterator<Item = &'r Record>,
) -> Result<Targets> {
    let links: Vec<&Shown> = desk
        .fields()
        .iter()
        .filter(|shown| matches!(shown.field().kind, Kind::Link(_)))
        .collect();
    let ids = of
        .into_iter()
        .flat_map(|record| links.iter().map(|shown| record.value(shown)))
        .filter_map(|kept| kept.parse().ok());
    visible(tx, desk, ids)
}

/// Those of some records, of whatever object, that the desk's holder sees in its environment.
pub fn visible<P: InAccount>(
    tx: &mut Tx<P>,
    desk: &Desk,
    ids: impl IntoIterator<Item = RecordId>,
) -> Result<Targets> {
    let wanted: Vec<RecordId> = ids
        .into_iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    if wanted.is_empty() {
        return Ok(Targets::default());
    }
    let here = environment_number(desk.environment());
    let (rules, slot) = (desk.rules(), desk.slot());
    let reach = Object::ALL.map(|object| rules.reach(slot, object, Level::Read));
    let mut targets = HashMap::new();
    for (id, (environment, object), (creator, assigned), name) in rows::linked(tx, &wanted)? {
        let people = People { creator, assigned };
        if environment == here
            && let Some(object) = Object::numbered(object)
            && reach[object.index()].admits(people)
        {
            targets.insert(id, Target { id, object, name });
        }
    }
    Ok(Targets(targets))
}
