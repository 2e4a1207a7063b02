//! The rules of one account in memory: the role hierarchy, members, profiles, layouts, sharing. Loaded once per
//! `permission_version`, shared by all requests. Knows neither SQL nor HTTP.
//!
//! [`Facts`] is what the database says; [`Rules`] is the same, put in order for deciding.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::fields::{FieldSet, Shown};
use super::objects::{Field, OBJECTS, Object};
use super::slots::Slots;
use crate::db::types::{LayoutId, MemberId, ProfileId, RoleId, SharingRuleId, Slot, Timestamp};

/// How much a member may do with one record: none, read, write.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Level {
    #[default]
    None,
    Read,
    Write,
}

impl Level {
    /// Number in the database.
    pub fn number(self) -> i16 {
        self as i16
    }

    /// The level with a number of the database; an unknown one gives nothing away.
    pub fn numbered(number: i16) -> Level {
        match number {
            1 => Level::Read,
            2 => Level::Write,
            _ => Level::None,
        }
    }
}

/// What a profile lets its members do with an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rights(u8);

impl Rights {
    pub const NONE: Rights = Rights(0);
    pub const READ: Rights = Rights(1);
    pub const CREATE: Rights = Rights(2);
    pub const EDIT: Rights = Rights(4);
    pub const DELETE: Rights = Rights(8);
    pub const READ_ALL: Rights = Rights(16);
    pub const MODIFY_ALL: Rights = Rights(32);
    /// Read, Create, Edit, Delete: what Standard User has.
    pub const STANDARD: Rights = Rights(15);
    pub const ALL: Rights = Rights(63);

    /// All six with their labels, in the order of the matrix.
    pub const EACH: [(Rights, &'static str); 6] = [
        (Rights::READ, "Read"),
        (Rights::CREATE, "Create"),
        (Rights::EDIT, "Edit"),
        (Rights::DELETE, "Delete"),
        (Rights::READ_ALL, "Read All"),
        (Rights::MODIFY_ALL, "Modify All"),
    ];

    /// From the database or a form, with everything that the ticks imply: Create, Edit, Delete and Read All imply Read;
    /// Modify All implies all five.
    pub fn of_bits(bits: i16) -> Rights {
        let given = Rights(u8::try_from(bits & 63).unwrap_or(0));
        if given.has(Rights::MODIFY_ALL) {
            Rights::ALL
        } else if given == Rights::NONE {
            Rights::NONE
        } else {
            given.and(Rights::READ)
        }
    }

    /// For the database.
    pub fn bits(self) -> i16 {
        i16::from(self.0)
    }

    /// True when all of `other` is held.
    pub fn has(self, other: Rights) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }
}

/// A role of the hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleFact {
    pub id: RoleId,
    pub name: String,
    /// Reports to.
    pub parent: Option<RoleId>,
}

/// A member, active or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberFact {
    pub id: MemberId,
    pub slot: Slot,
    pub role: Option<RoleId>,
    pub profile: Option<ProfileId>,
    pub administrator: bool,
    pub export: bool,
    /// Not removed.
    pub active: bool,
}

/// A profile with its rights and layout for each object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileFact {
    pub id: ProfileId,
    pub name: String,
    pub standard: bool,
    /// By [`Object::index`].
    pub objects: [ObjectFact; OBJECTS],
}

/// What a profile says about one object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectFact {
    pub rights: Rights,
    pub layout: Option<LayoutId>,
}

/// A page layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayoutFact {
    pub id: LayoutId,
    pub object: Object,
    pub name: String,
    pub standard: bool,
    /// In their order.
    pub fields: Vec<LayoutField>,
}

/// A field on a page layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayoutField {
    pub key: String,
    pub section: String,
    pub read_only: bool,
    pub required: bool,
}

/// "Leads of Sales Rep are visible to Project Manager".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharingRule {
    pub id: SharingRuleId,
    pub name: String,
    /// Nothing: every object.
    pub object: Option<Object>,
    pub source: RoleId,
    pub source_below: bool,
    pub target: RoleId,
    pub target_below: bool,
    pub level: Level,
    pub active: bool,
    /// The rule holds until this instant.
    pub ends_at: Option<Timestamp>,
}

/// What the database says about one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub roles: Vec<RoleFact>,
    pub members: Vec<MemberFact>,
    pub profiles: Vec<ProfileFact>,
    pub layouts: Vec<LayoutFact>,
    /// Fields that administrators added and did not retire.
    pub custom_fields: Vec<(Object, Arc<Field>)>,
    /// Organization-wide sharing, by [`Object::index`].
    pub sharing: [Level; OBJECTS],
    pub rules: Vec<SharingRule>,
}

/// A role, in its place of the pre-order walk through the hierarchy.
#[derive(Clone, Debug)]
pub(super) struct RoleNode {
    pub fact: RoleFact,
    /// Place of the role it reports to.
    pub parent: Option<usize>,
    /// Place after the last role below it.
    pub end: usize,
    /// Steps from the top.
    pub depth: usize,
}

/// A sharing rule in force, by places of the hierarchy.
#[derive(Debug)]
pub(super) struct InForce {
    /// Among the facts.
    pub rule: usize,
    /// Nothing: every object.
    pub object: Option<Object>,
    pub level: Level,
    /// Roles whose records it opens, and those it opens them to.
    pub source: Range<usize>,
    pub target: Range<usize>,
}

/// See the module. Made by [`Rules::new`]; decides in [`super::decide`].
#[derive(Debug)]
pub struct Rules {
    version: i64,
    as_of: Timestamp,
    pub(super) facts: Facts,
    /// Pre-order.
    pub(super) roles: Vec<RoleNode>,
    role_places: HashMap<RoleId, usize>,
    pub(super) in_force: Vec<InForce>,
    /// Index into `facts.members` and place of the role, by slot.
    members: Vec<Option<(usize, Option<usize>)>>,
    slots: HashMap<MemberId, Slot>,
    profiles: HashMap<ProfileId, usize>,
    /// Members with a role, in the order of their roles, and where each role begins among them.
    pub(super) holders: Vec<Slot>,
    pub(super) holders_from: Vec<usize>,
    /// By role, object and level; each on first use.
    pub(super) sets: Vec<OnceLock<Arc<Slots>>>,
    fields: HashMap<LayoutId, FieldSet>,
    all_fields: [FieldSet; OBJECTS],
}

impl Rules {
    /// Puts facts in order. `version` is the account's `permission_version`; rules that have ended at `now` do not count.
    pub fn new(facts: Facts, version: i64, now: Timestamp) -> Rules {
        let roles = in_pre_order(&facts.roles);
        let role_places: HashMap<RoleId, usize> = roles
            .iter()
            .enumerate()
            .map(|(place, node)| (node.fact.id, place))
            .collect();
        let places = |role, below: bool| {
            let place: usize = *role_places.get(&role)?;
            let end = if below { roles[place].end } else { place + 1 };
            Some(place..end)
        };
        let in_force = facts.rules.iter().enumerate().filter_map(|(index, rule)| {
            let holds = rule.active && rule.ends_at.is_none_or(|end| now < end);
            holds.then_some(InForce {
                rule: index,
                object: rule.object,
                level: rule.level,
                source: places(rule.source, rule.source_below)?,
                target: places(rule.target, rule.target_below)?,
            })
        });
        let in_force = in_force.collect();
        let size = facts.members.iter().map(|m| m.slot.index() + 1).max();
        let mut members = vec![None; size.unwrap_or(0)];
        for (index, member) in facts.members.iter().enumerate() {
            let place = member.role.and_then(|role| role_places.get(&role).copied());
            members[member.slot.index()] = Some((index, place));
        }
        let mut held: Vec<Vec<Slot>> = vec![Vec::new(); roles.len()];
        for (slot, entry) in members.iter().enumerate() {
            if let (Some((_, Some(place))), Ok(slot)) = (entry, i32::try_from(slot)) {
                held[*place].push(Slot(slot));
            }
        }
        let mut holders_from = vec![0];
        let mut holders = Vec::new();
        for slots in held {
            holders.extend(slots);
            holders_from.push(holders.len());
        }
        let all_fields = Object::ALL.map(|object| FieldSet::all(object, &facts.custom_fields));
        let fields = facts
            .layouts
            .iter()
            .map(|layout| {
                let all = &all_fields[layout.object.index()];
                (layout.id, FieldSet::of_layout(layout, all))
            })
            .collect();
        Rules {
            version,
            as_of: now,
            sets: (0..roles.len() * OBJECTS * 2)
                .map(|_| OnceLock::new())
                .collect(),
            slots: facts.members.iter().map(|m| (m.id, m.slot)).collect(),
            profiles: facts
                .profiles
                .iter()
                .enumerate()
                .map(|(i, p)| (p.id, i))
                .collect(),
            facts,
            roles,
            role_places,
            in_force,
            members,
            holders,
            holders_from,
            fields,
            all_fields,
        }
    }

    /// The `permission_version` they were loaded at.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// True while no sharing rule has ended since they were loaded.
    pub fn hold_at(&self, now: Timestamp) -> bool {
        !self
            .facts
            .rules
            .iter()
            .filter_map(|rule| rule.ends_at)
            .any(|end| self.as_of < end && end <= now)
    }

    /// Bytes that they take in memory, nearly, once every set of members has been asked for.
    pub(super) fn size(&self) -> usize {
        // A fact, and its places in the maps and lists beside it.
        const MEMBER: usize = 3 * size_of::<MemberFact>();
        const ROLE: usize = 3 * size_of::<RoleFact>();
        const RULE: usize = 2 * size_of::<SharingRule>() + size_of::<InForce>();
        const PROFILE: usize = 2 * size_of::<ProfileFact>();
        const FIELD: usize = 2 * (size_of::<LayoutField>() + size_of::<Shown>());
        let set = size_of::<OnceLock<Arc<Slots>>>() + self.slot_count().div_ceil(8);
        let fields = self.facts.layouts.iter().map(|layout| layout.fields.len());
        size_of::<Rules>()
            + MEMBER * self.facts.members.len()
            + ROLE * self.facts.roles.len()
            + RULE * self.facts.rules.len()
            + PROFILE * self.facts.profiles.len()
            + FIELD * (fields.sum::<usize>() + self.facts.custom_fields.len())
            + set * self.sets.len()
    }

    /// What the database said.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// True when a sharing rule counts.
    pub fn in_force(&self, rule: &SharingRule) -> bool {
        rule.active && rule.ends_at.is_none_or(|end| self.as_of < end)
    }

    /// The member with a slot.
    pub fn member(&self, slot: Slot) -> Option<&MemberFact> {
        let (index, _) = (*self.members.get(slot.index())?)?;
        self.facts.members.get(index)
    }

    /// The slot of a member.
    pub fn slot_of(&self, member: MemberId) -> Option<Slot> {
        self.slots.get(&member).copied()
    }

    /// The profile of a member.
    pub fn profile_of(&self, member: &MemberFact) -> Option<&ProfileFact> {
        let index = *self.profiles.get(&member.profile?)?;
        self.facts.profiles.get(index)
    }

    /// One more than the highest slot.
    pub fn slot_count(&self) -> usize {
        self.members.len()
    }

    /// The role with a number.
    pub fn role(&self, id: RoleId) -> Option<&RoleFact> {
        self.role_places
            .get(&id)
            .map(|place| &self.roles[*place].fact)
    }

    /// The hierarchy from the top, each with its depth: roles of one parent by name.
    pub fn tree(&self) -> impl Iterator<Item = (&RoleFact, usize)> {
        self.roles.iter().map(|node| (&node.fact, node.depth))
    }

    /// True when `lower` is somewhere below `upper`; no role is below itself.
    pub fn is_below(&self, lower: RoleId, upper: RoleId) -> bool {
        match (self.role_places.get(&lower), self.role_places.get(&upper)) {
            (Some(lower), Some(upper)) => self.place_below(*lower, *upper),
            _ => false,
        }
    }

    /// Members who hold a role, removed ones too.
    pub fn holders_of(&self, role: RoleId) -> &[Slot] {
        match self.role_places.get(&role) {
            Some(place) => &self.holders[self.holders_from[*place]..self.holders_from[place + 1]],
            None => &[],
        }
    }

    /// The places of a role, or of everything from it down.
    pub(super) fn range(&self, role: RoleId, below: bool) -> Option<Range<usize>> {
        let place = self.place_of(role)?;
        let end = if below {
            self.roles[place].end
        } else {
            place + 1
        };
        Some(place..end)
    }

    /// Members who hold one of the roles in these places, removed ones too.
    pub(super) fn holders_in(&self, places: &Range<usize>) -> &[Slot] {
        &self.holders[self.holders_from[places.start]..self.holders_from[places.end]]
    }

    pub(super) fn place_below(&self, lower: usize, upper: usize) -> bool {
        upper < lower && lower < self.roles[upper].end
    }

    pub(super) fn place_of(&self, role: RoleId) -> Option<usize> {
        self.role_places.get(&role).copied()
    }

    /// Place of the role that the member with a slot holds.
    pub(super) fn role_place(&self, slot: Slot) -> Option<usize> {
        self.members.get(slot.index()).copied().flatten()?.1
    }

    pub(super) fn fields_of_layout(&self, layout: LayoutId) -> Option<&FieldSet> {
        self.fields.get(&layout)
    }

    /// Every field of an object, as administrators have them.
    pub fn all_fields(&self, object: Object) -> &FieldSet {
        &self.all_fields[object.index()]
    }

    /// A field of an object by its key.
    pub fn field(&self, object: Object, key: &str) -> Option<&Shown> {
        self.all_fields(object).get(key)
    }
}

/// The forest in pre-order; a role in a cycle (which no page can make) stands alone, with nothing below it.
fn in_pre_order(facts: &[RoleFact]) -> Vec<RoleNode> {
    let mut children: HashMap<Option<RoleId>, Vec<&RoleFact>> = HashMap::new();
    for role in facts {
        children.entry(role.parent).or_default().push(role);
    }
    for siblings in children.values_mut() {
        siblings.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    }
    let mut nodes: Vec<RoleNode> = Vec::with_capacity(facts.len());
    // (role, place of its parent, depth); the last is next.
    let mut open: Vec<(&RoleFact, Option<usize>, usize)> = Vec::new();
    let below = |id, place, depth, open: &mut Vec<_>| {
        for role in children.get(&id).into_iter().flatten().rev() {
            open.push((*role, place, depth));
        }
    };
    below(None, None, 0, &mut open);
    while let Some((role, parent, depth)) = open.pop() {
        let place = nodes.len();
        nodes.push(RoleNode {
            fact: role.clone(),
            parent,
            end: place + 1,
            depth,
        });
        below(Some(role.id), Some(place), depth + 1, &mut open);
    }
    for place in (0..nodes.len()).rev() {
        if let Some(parent) = nodes[place].parent {
            nodes[parent].end = nodes[parent].end.max(nodes[place].end);
        }
    }
    if nodes.len() < facts.len() {
        let placed: std::collections::HashSet<RoleId> = nodes.iter().map(|n| n.fact.id).collect();
        for role in facts.iter().filter(|role| !placed.contains(&role.id)) {
            let place = nodes.len();
            nodes.push(RoleNode {
                fact: role.clone(),
                parent: None,
                end: place + 1,
                depth: 0,
            });
        }
    }
    nodes
}
