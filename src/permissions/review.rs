//! What a change would do: who gains and who loses how many records of which object, which fields, and what to beware of.
//! Computed from the rules before and after it, without writing anything.
//!
//! Members who hold the same role, profile and Administrator before, and the same after, are decided once; only their
//! own records set them apart.

use std::collections::{BTreeMap, HashMap};

use super::census::{Census, Censuses, Pair};
use super::decide::{Action, Reach};
use super::difference::Held;
use super::model::{Level, Rights, Rules};
use super::objects::Object;
use super::slots::Slots;
use crate::db::types::Slot;

/// Rows that a side lists; the rest is counted.
pub const ROWS: usize = 50;

/// Examples that a row names.
pub const EXAMPLES: usize = 2;

/// Members that a line about fields or a warning names.
pub const NAMED: usize = 3;

/// What a member gains or loses of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub slot: Slot,
    pub object: Object,
    /// Records, by [`Action`].
    pub records: [u64; 3],
    /// The right to make records.
    pub create: bool,
    /// Whose records, for examples: (owner, creator).
    pub of: Vec<Pair>,
}

impl Row {
    /// The most records that any action gains or loses.
    pub fn most(&self) -> u64 {
        self.records.iter().copied().max().unwrap_or(0)
    }
}

/// Everybody who gains, or everybody who loses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    pub members: usize,
    /// Those with the most records first.
    pub rows: Vec<Row>,
    /// Rows that are not listed.
    pub more: usize,
}

/// Fields of an object that members see or may fill in differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    pub object: Object,
    /// Labels.
    pub gained: Vec<String>,
    pub lost: Vec<String>,
    /// Seen as before, and read-only from now on.
    pub locked: Vec<String>,
    /// Seen as before, and no longer read-only.
    pub opened: Vec<String>,
    pub members: usize,
    /// The first of them.
    pub first: Vec<Slot>,
}

/// What is easily overlooked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Whoever makes the change is locked out by it.
    Oneself,
    /// Administrators stop being ones, how many, and the first of them.
    Administrators(usize, Vec<Slot>),
    /// Members become administrators.
    NewAdministrators(usize, Vec<Slot>),
    /// Organization-wide sharing of an object is opened.
    Widened(Object, Level),
    /// Members who may export gain records.
    Export(usize, Vec<Slot>),
    /// No member but administrators reads the object any more.
    Nobody(Object),
    /// So many records are seen by nobody but administrators any more.
    Orphans(Object, u64),
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    pub gains: Side,
    pub loses: Side,
    pub fields: Vec<Fields>,
    pub warnings: Vec<Warning>,
}

/// Members who are decided together, by what they hold before and after.
type Groups = BTreeMap<(Held, Held), Vec<Slot>>;

/// Reviews the way from one set of rules to another, which have the same members. `me` makes the change.
pub fn review(before: &Rules, after: &Rules, me: Slot, censuses: &Censuses) -> Review {
    let mut groups = Groups::new();
    for (was, is) in before.facts().members.iter().zip(&after.facts().members) {
        if is.active {
            let both = (Held::by(was), Held::by(is));
            groups.entry(both).or_default().push(is.slot);
        }
    }
    let mut sides = [Tally::default(), Tally::default()];
    for slots in groups.values() {
        for object in Object::ALL {
            let census = &censuses[object.index()];
            let group = Group::new(before, after, slots[0], object);
            let [gains, loses] = &mut sides;
            group.tally(slots, census, gains);
            group.turned().tally(slots, census, loses);
        }
    }
    let mut warnings = warnings(before, after, me, &groups, &sides[0]);
    for object in Object::ALL {
        let census = &censuses[object.index()];
        warnings.extend(left_alone(before, after, &groups, object, census));
    }
    let [gains, loses] = sides.map(Tally::side);
    Review {
        gains,
        loses,
        fields: fields(before, after, &groups),
        warnings,
    }
}

/// What one group may do with an object before and after.
struct Group {
    object: Object,
    /// (before, after) by [`Action`].
    reach: [(Reach, Reach); 3],
    create: (bool, bool),
}

impl Group {
    fn new(before: &Rules, after: &Rules, slot: Slot, object: Object) -> Group {
        let reach = |rules: &Rules, action: Action| {
            if rules.rights(slot, object).has(action.right()) {
                rules.reach_apart(slot, object, action.level())
            } else {
                Reach::Nothing
            }
        };
        let create = |rules: &Rules| rules.rights(slot, object).has(Rights::CREATE);
        Group {
            object,
            reach: Action::ALL.map(|action| (reach(before, action), reach(after, action))),
            create: (create(before), create(after)),
        }
    }

    /// The way back: what is lost one way is gained the other.
    fn turned(self) -> Group {
        Group {
            reach: self.reach.map(|(before, after)| (after, before)),
            create: (self.create.1, self.create.0),
            ..self
        }
    }

    /// Adds what each member gains.
    fn tally(&self, slots: &[Slot], census: &Census, tally: &mut Tally) {
        let mut named = Vec::new();
        let mut gained = [0; 3];
        let mut differs = [false; 3];
        for (place, (before, after)) in self.reach.iter().enumerate() {
            differs[place] = !same(before, after);
            if !differs[place] {
                continue;
            }
            // The same sets for Edit and Delete, mostly.
            let former = (place > 1 && differs[place - 1])
                .then(|| &self.reach[place - 1])
                .filter(|(b, a)| same(b, before) && same(a, after));
            gained[place] = match former {
                Some(_) => gained[place - 1],
                None => gain(census, before, after, &mut named),
            };
        }
        let create = !self.create.0 && self.create.1;
        if !create && differs == [false; 3] {
            return;
        }
        for slot in slots {
            let mut records = gained;
            for (place, (before, after)) in self.reach.iter().enumerate() {
                if differs[place] {
                    records[place] = own(census, *slot, before, after, gained[place]);
                }
            }
            if create || records != [0; 3] {
                let others = named
                    .iter()
                    .filter(|(owner, creator)| owner != slot && creator != slot);
                let of: Vec<Pair> = match others.copied().take(EXAMPLES).collect::<Vec<_>>() {
                    some if !some.is_empty() => some,
                    _ => census
                        .of(*slot)
                        .map(|(pair, _)| pair)
                        .take(EXAMPLES)
                        .collect(),
                };
                tally.add(Row {
                    slot: *slot,
                    object: self.object,
                    records,
                    create,
                    of,
                });
            }
        }
    }
}

fn same(one: &Reach, other: &Reach) -> bool {
    match (one, other) {
        (Reach::Nothing, Reach::Nothing) | (Reach::Everything, Reach::Everything) => true,
        (Reach::Of(one), Reach::Of(other)) => one.same_as(other),
        _ => false,
    }
}

/// Records that are reached after and not before, apart from the members' own.
fn gain(census: &Census, before: &Reach, after: &Reach, named: &mut Vec<Pair>) -> u64 {
    // One more than is shown on each end: a member's own are no example.
    let most = EXAMPLES * 2;
    let none = Slots::default();
    match (before, after) {
        (_, Reach::Nothing) | (Reach::Everything, _) => 0,
        (Reach::Nothing, Reach::Of(now)) => census.count(now, &none, named, most),
        (Reach::Of(was), Reach::Of(now)) => census.count(now, was, named, most),
        (Reach::Nothing, Reach::Everything) => {
            let pairs = census.pairs().map(|(pair, _)| pair);
            named.extend(pairs.take(most));
            census.total()
        }
        (Reach::Of(was), Reach::Everything) => {
            let hidden = |(owner, creator): &Pair| !was.contains(*owner) && !was.contains(*creator);
            let pairs = census.pairs().map(|(pair, _)| pair);
            named.extend(pairs.filter(hidden).take(most));
            census.total() - census.count(was, &none, &mut Vec::new(), 0)
        }
    }
}

/// What one member gains: as the group, but for the records that are the member's own.
fn own(census: &Census, slot: Slot, before: &Reach, after: &Reach, gained: u64) -> u64 {
    let apart = |reach: &Reach, (owner, creator): Pair| match reach {
        Reach::Nothing => false,
        Reach::Everything => true,
        Reach::Of(slots) => slots.contains(owner) || slots.contains(creator),
    };
    let is = |reach: &Reach| !matches!(reach, Reach::Nothing);
    let mut sum = gained;
    for (pair, count) in census.of(slot) {
        if apart(after, pair) && !apart(before, pair) {
            sum -= count;
        }
        if is(after) && !is(before) {
            sum += count;
        }
    }
    sum
}

/// Collects rows and keeps those with the most records.
#[derive(Default)]
struct Tally {
    members: Slots,
    rows: Vec<Row>,
    all: usize,
}

impl Tally {
    fn add(&mut self, row: Row) {
        self.members.insert(row.slot);
        self.all += 1;
        self.rows.push(row);
        // Now and then the rows that will not be listed go.
        if self.rows.len() > ROWS * 100 {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.rows
            .sort_by_key(|row| (std::cmp::Reverse(row.most()), row.slot, row.object));
        self.rows.truncate(ROWS);
    }

    fn side(mut self) -> Side {
        self.settle();
        Side {
            members: self.members.len(),
            more: self.all - self.rows.len(),
            rows: self.rows,
        }
    }
}

fn warnings(
    before: &Rules,
    after: &Rules,
    me: Slot,
    groups: &Groups,
    gains: &Tally,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let turned = |on: bool| {
        let groups = groups
            .iter()
            .filter(move |((was, is), _)| was.administrator != on && is.administrator == on);
        groups.flat_map(|(_, slots)| slots.iter().copied())
    };
    if turned(false).any(|slot| slot == me) {
        warnings.push(Warning::Oneself);
    }
    let gone: Vec<Slot> = turned(false).filter(|slot| *slot != me).collect();
    if !gone.is_empty() {
        warnings.push(Warning::Administrators(gone.len(), first(gone)));
    }
    let new: Vec<Slot> = turned(true).collect();
    if !new.is_empty() {
        warnings.push(Warning::NewAdministrators(new.len(), first(new)));
    }
    for object in Object::ALL {
        let level = |rules: &Rules| rules.facts().sharing[object.index()];
        if level(after) > level(before) {
            warnings.push(Warning::Widened(object, level(after)));
        }
    }
    let exports = |slot: &Slot| after.may_export(*slot);
    let export: Vec<Slot> = gains.members.iter().filter(exports).collect();
    if !export.is_empty() {
        warnings.push(Warning::Export(export.len(), first(export)));
    }
    warnings
}

fn first(mut slots: Vec<Slot>) -> Vec<Slot> {
    slots.truncate(NAMED);
    slots
}

/// What nobody but administrators sees after the change, and somebody saw before.
fn left_alone(
    before: &Rules,
    after: &Rules,
    groups: &Groups,
    object: Object,
    census: &Census,
) -> Option<Warning> {
    let seen = |rules: &Rules, held: fn(&(Held, Held)) -> Held| {
        let mut readers = false;
        let mut all = false;
        let mut slots = Slots::with_room(rules.slot_count());
        for (both, members) in groups {
            if held(both).administrator {
                continue;
            }
            match rules.reach_apart(members[0], object, Level::Read) {
                Reach::Nothing => continue,
                Reach::Everything => all = true,
                Reach::Of(some) => slots.join(&some),
            }
            readers = true;
            members.iter().for_each(|slot| slots.insert(*slot));
        }
        (readers, all, slots)
    };
    let (read_before, all_before, seen_before) = seen(before, |both| both.0);
    let (reads, all, seen_after) = seen(after, |both| both.1);
    if read_before && !reads {
        return Some(Warning::Nobody(object));
    }
    if all || !read_before {
        return None;
    }
    let alone = if all_before {
        census.total() - census.count(&seen_after, &Slots::default(), &mut Vec::new(), 0)
    } else {
        census.count(&seen_before, &seen_after, &mut Vec::new(), 0)
    };
    (alone > 0).then_some(Warning::Orphans(object, alone))
}

/// Of members who read the object before and after; whoever stops or begins reading it loses or gains all.
fn fields(before: &Rules, after: &Rules, groups: &Groups) -> Vec<Fields> {
    type Labels = Vec<String>;
    let mut lines: BTreeMap<(Object, [Labels; 4]), Vec<Slot>> = BTreeMap::new();
    // Fields depend on profile and Administrator alone.
    let mut by_profile: HashMap<_, Vec<Slot>> = HashMap::new();
    for ((was, is), slots) in groups {
        let key = (was.profile, was.administrator, is.profile, is.administrator);
        by_profile.entry(key).or_default().extend(slots);
    }
    for slots in by_profile.values() {
        let slot = slots[0];
        for object in Object::ALL {
            let reads = |rules: &Rules| rules.rights(slot, object).has(Rights::READ);
            if !reads(before) || !reads(after) {
                continue;
            }
            let (was, is) = (before.fields(slot, object), after.fields(slot, object));
            let label = |shown: &super::fields::Shown| shown.label().to_owned();
            let missing = |from: &super::fields::FieldSet, there: &super::fields::FieldSet| {
                let gone = from.iter().filter(|shown| there.get(shown.key()).is_none());
                gone.map(label).collect::<Labels>()
            };
            let turned = |read_only: bool| {
                let turned = is.iter().filter(|shown| {
                    let former = was.get(shown.key());
                    shown.read_only() == read_only
                        && former.is_some_and(|former| former.read_only() != read_only)
                });
                turned.map(label).collect::<Labels>()
            };
            let what = [
                missing(&is, &was),
                missing(&was, &is),
                turned(true),
                turned(false),
            ];
            if what.iter().any(|labels| !labels.is_empty()) {
                lines.entry((object, what)).or_default().extend(slots);
            }
        }
    }
    lines
        .into_iter()
        .map(|((object, [gained, lost, locked, opened]), mut slots)| {
            slots.sort_unstable();
            Fields {
                object,
                gained,
                lost,
                locked,
                opened,
                members: slots.len(),
                first: first(slots),
            }
        })
        .collect()
}
