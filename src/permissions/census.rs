//! How many records there are of whose: what a review counts with. Filled by [`crate::records::census`].

use std::sync::Arc;

use super::objects::{OBJECTS, Object};
use super::slots::Slots;
use crate::db::types::{Slot, Timestamp};

/// The records of one object by (owner, creator), in both environments.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Records whose owner made them, by slot.
    own: Vec<u64>,
    /// The others, each at its owner and at its creator: (the other one, how many, whether this one is the owner).
    mixed: Vec<Vec<(Slot, u64, bool)>>,
    total: u64,
    /// When the records were counted, unless it was just now.
    as_of: Option<Timestamp>,
}

/// (owner, creator).
pub type Pair = (Slot, Slot);

impl Census {
    /// Of the counts of an object in some environments.
    pub fn new(counts: impl IntoIterator<Item = (Pair, u64)>, as_of: Option<Timestamp>) -> Census {
        let mut census = Census {
            as_of,
            ..Census::default()
        };
        for ((owner, creator), count) in counts {
            census.total += count;
            if owner == creator {
                *at(&mut census.own, owner) += count;
            } else {
                at(&mut census.mixed, owner).push((creator, count, true));
                at(&mut census.mixed, creator).push((owner, count, false));
            }
        }
        census
    }

    /// All records.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// When they were counted, if what is said of them is an estimate.
    pub fn as_of(&self) -> Option<Timestamp> {
        self.as_of
    }

    /// How many have somebody of `seen` and nobody of `apart`; up to `most` of their pairs go into `named`.
    pub(super) fn count(
        &self,
        seen: &Slots,
        apart: &Slots,
        named: &mut Vec<Pair>,
        most: usize,
    ) -> u64 {
        let mut sum = 0;
        let mut add = |pair: Pair, count: u64| {
            sum += count;
            if named.len() < most && !named.contains(&pair) {
                named.push(pair);
            }
        };
        for slot in seen.iter().filter(|slot| !apart.contains(*slot)) {
            let own = self.own.get(slot.index()).copied().unwrap_or(0);
            if own > 0 {
                add((slot, slot), own);
            }
            for (other, count, owner) in self.mixed_of(slot) {
                // Where both are seen, it counts with its owner.
                let twice = !owner && seen.contains(*other);
                if !twice && !apart.contains(*other) {
                    let pair = if *owner {
                        (slot, *other)
                    } else {
                        (*other, slot)
                    };
                    add(pair, *count);
                }
            }
        }
        sum
    }

    /// The records that a member made or owns: each pair once.
    pub(super) fn of(&self, slot: Slot) -> impl Iterator<Item = (Pair, u64)> + '_ {
        let own = self.own.get(slot.index()).copied().unwrap_or(0);
        let own = (own > 0).then_some(((slot, slot), own));
        let mixed = self
            .mixed_of(slot)
            .iter()
            .map(move |(other, count, owner)| {
                let pair = if *owner {
                    (slot, *other)
                } else {
                    (*other, slot)
                };
                (pair, *count)
            });
        own.into_iter().chain(mixed)
    }

    /// Every pair once.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (Pair, u64)> + '_ {
        let slots = self.own.len().max(self.mixed.len());
        let slots = (0..slots).filter_map(|slot| i32::try_from(slot).ok().map(Slot));
        slots.flat_map(|slot| self.of(slot).filter(move |((owner, _), _)| *owner == slot))
    }

    fn mixed_of(&self, slot: Slot) -> &[(Slot, u64, bool)] {
        self.mixed.get(slot.index()).map_or(&[], Vec::as_slice)
    }
}

fn at<T: Default + Clone>(list: &mut Vec<T>, slot: Slot) -> &mut T {
    let index = usize::try_from(slot.0).unwrap_or(0);
    if index >= list.len() {
        list.resize(index + 1, T::default());
    }
    &mut list[index]
}

/// The census of each object, by [`Object::index`].
pub type Censuses = [Arc<Census>; OBJECTS];

/// When the oldest estimate among them was made; nothing when all are exact.
pub fn estimated(censuses: &Censuses) -> Option<Timestamp> {
    let times = Object::ALL
        .iter()
        .filter_map(|object| censuses[object.index()].as_of());
    times.min()
}
