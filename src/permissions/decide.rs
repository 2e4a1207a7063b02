//! The one decision procedure (SPEC 5). List, count, search, record, edit, export, API, lookups and explanations all
//! come from here: [`Rules::reach`] says which records a member reaches, [`Rules::level`] how far on one of them, and
//! [`Rules::grants`] why; a test proves that the three agree.

use std::sync::Arc;

use super::fields::FieldSet;
use super::model::{InForce, Level, MemberFact, Rights, Rules};
use super::objects::{OBJECTS, Object};
use super::slots::Slots;
use crate::db::types::{RoleId, SharingRuleId, Slot};

/// What somebody wants to do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Read,
    Edit,
    Delete,
}

impl Action {
    /// All.
    pub const ALL: [Action; 3] = [Action::Read, Action::Edit, Action::Delete];

    /// The tick of the profile that it needs.
    pub fn right(self) -> Rights {
        match self {
            Action::Read => Rights::READ,
            Action::Edit => Rights::EDIT,
            Action::Delete => Rights::DELETE,
        }
    }

    /// The level on the record that it needs.
    pub fn level(self) -> Level {
        match self {
            Action::Read => Level::Read,
            Action::Edit | Action::Delete => Level::Write,
        }
    }
}

/// What the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// The member sees the record and may not do this.
    Refused,
    /// For the member there is no such record.
    Hidden,
}

/// Whose a record is: people(r) of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct People {
    pub creator: Slot,
    pub assigned: Option<Slot>,
}

impl People {
    /// Who is assigned, or the creator while nobody is.
    pub fn owner(self) -> Slot {
        self.assigned.unwrap_or(self.creator)
    }

    /// Both, and each once.
    pub fn each(self) -> impl Iterator<Item = Slot> {
        let assigned = self.assigned.filter(|slot| *slot != self.creator);
        [Some(self.creator), assigned].into_iter().flatten()
    }
}

/// Which records of an object a member reaches at some level.
#[derive(Clone, Debug)]
pub enum Reach {
    Nothing,
    Everything,
    /// Those of these members, the member's own among them.
    Of(Arc<Slots>),
}

impl Reach {
    /// True for a record of these people.
    #[inline]
    pub fn admits(&self, people: People) -> bool {
        self.admits_pair(people.creator, people.owner())
    }

    /// The same for the two slots that the indexes hold.
    #[inline]
    pub fn admits_pair(&self, creator: Slot, owner: Slot) -> bool {
        match self {
            Reach::Nothing => false,
            Reach::Everything => true,
            Reach::Of(slots) => slots.contains(owner) || slots.contains(creator),
        }
    }
}

/// One reason for a level on a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    pub level: Level,
    pub because: Because,
}

/// Where a level comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Because {
    Administrator,
    ModifyAll,
    ReadAll,
    /// Organization-wide sharing of the object.
    OrganizationWide,
    Creator,
    Assigned,
    /// The role of one of the record's people is below the member's.
    Above {
        person: Slot,
        role: RoleId,
    },
    /// A sharing rule opens the records of one of the record's people.
    Rule {
        rule: SharingRuleId,
        person: Slot,
    },
}

impl Rules {
    fn active(&self, slot: Slot) -> Option<&MemberFact> {
        self.member(slot).filter(|member| member.active)
    }

    /// True for an active member who is an administrator.
    pub fn is_administrator(&self, slot: Slot) -> bool {
        self.active(slot).is_some_and(|member| member.administrator)
    }

    /// What a member may do with an object at all: everything for an administrator, nothing for somebody who is no
    /// active member or has no profile.
    pub fn rights(&self, slot: Slot, object: Object) -> Rights {
        let Some(member) = self.active(slot) else {
            return Rights::NONE;
        };
        if member.administrator {
            return Rights::ALL;
        }
        self.profile_of(member).map_or(Rights::NONE, |profile| {
            profile.objects[object.index()].rights
        })
    }

    /// True when a member may take records and lists out of the house. Administrators need the permission too.
    pub fn may_export(&self, slot: Slot) -> bool {
        self.active(slot).is_some_and(|member| member.export)
    }

    /// The fields of an object that a member has.
    pub fn fields(&self, slot: Slot, object: Object) -> FieldSet {
        if self.is_administrator(slot) {
            return self.all_fields(object).clone();
        }
        let layout = self
            .active(slot)
            .filter(|_| self.rights(slot, object).has(Rights::READ))
            .and_then(|member| self.profile_of(member)?.objects[object.index()].layout);
        layout
            .and_then(|layout| self.fields_of_layout(layout).cloned())
            .unwrap_or_else(|| FieldSet::none(object))
    }

    /// Which records of an object a member reaches at `level`.
    pub fn reach(&self, slot: Slot, object: Object, level: Level) -> Reach {
        let mut reach = self.reach_apart(slot, object, level);
        if let Reach::Of(slots) = &mut reach
            && !slots.contains(slot)
        {
            Arc::make_mut(slots).insert(slot);
        }
        reach
    }

    /// The same apart from the member's own records, so that it is one set for everybody with this role and profile.
    pub(super) fn reach_apart(&self, slot: Slot, object: Object, level: Level) -> Reach {
        let rights = self.rights(slot, object);
        if level == Level::None || !rights.has(Rights::READ) {
            return Reach::Nothing;
        }
        let over_all = rights.has(Rights::MODIFY_ALL)
            || (level == Level::Read && rights.has(Rights::READ_ALL))
            || self.facts.sharing[object.index()] >= level;
        if over_all {
            return Reach::Everything;
        }
        Reach::Of(match self.role_place(slot) {
            Some(place) => self.set(place, object, level),
            None => Arc::default(),
        })
    }

    /// Whose records the holders of a role reach, apart from their own.
    fn set(&self, role: usize, object: Object, level: Level) -> Arc<Slots> {
        let nth = (role * OBJECTS + object.index()) * 2 + usize::from(level == Level::Write);
        self.sets[nth]
            .get_or_init(|| {
                let mut slots = Slots::with_room(self.slot_count());
                let mut add = |from: usize, to: usize| {
                    let held = self.holders_from[from]..self.holders_from[to];
                    self.holders[held]
                        .iter()
                        .for_each(|slot| slots.insert(*slot));
                };
                add(role + 1, self.roles[role].end);
                for rule in self.rules_for(role, object) {
                    if rule.level >= level {
                        add(rule.source.start, rule.source.end);
                    }
                }
                Arc::new(slots)
            })
            .clone()
    }

    /// The rules in force that open records of an object to the holders of a role.
    pub(super) fn rules_for(&self, role: usize, object: Object) -> impl Iterator<Item = &InForce> {
        self.in_force.iter().filter(move |rule| {
            rule.object.is_none_or(|of| of == object) && rule.target.contains(&role)
        })
    }

    /// How far a member may go with one record: the strongest of all grants, there is no deny.
    pub fn level(&self, slot: Slot, object: Object, people: People) -> Level {
        [Level::Write, Level::Read]
            .into_iter()
            .find(|level| self.reach(slot, object, *level).admits(people))
            .unwrap_or(Level::None)
    }

    /// The decision.
    pub fn can(&self, slot: Slot, action: Action, object: Object, people: People) -> Verdict {
        let level = self.level(slot, object, people);
        if level == Level::None {
            Verdict::Hidden
        } else if level >= action.level() && self.rights(slot, object).has(action.right()) {
            Verdict::Allowed
        } else {
            Verdict::Refused
        }
    }

    /// Every reason for which a member has a level on a record, the strongest first. Empty for a record that is hidden.
    pub fn grants(&self, slot: Slot, object: Object, people: People) -> Vec<Grant> {
        let rights = self.rights(slot, object);
        if !rights.has(Rights::READ) {
            return Vec::new();
        }
        if self.is_administrator(slot) {
            return vec![Grant {
                level: Level::Write,
                because: Because::Administrator,
            }];
        }
        let mut grants = Vec::new();
        let mut grant = |level, because| grants.push(Grant { level, because });
        if rights.has(Rights::MODIFY_ALL) {
            grant(Level::Write, Because::ModifyAll);
        }
        if rights.has(Rights::READ_ALL) {
            grant(Level::Read, Because::ReadAll);
        }
        let sharing = self.facts.sharing[object.index()];
        if sharing > Level::None {
            grant(sharing, Because::OrganizationWide);
        }
        if people.creator == slot {
            grant(Level::Write, Because::Creator);
        }
        if people.assigned == Some(slot) {
            grant(Level::Write, Because::Assigned);
        }
        if let Some(own) = self.role_place(slot) {
            for person in people.each() {
                let Some(theirs) = self.role_place(person) else {
                    continue;
                };
                if self.place_below(theirs, own) {
                    let role = self.roles[theirs].fact.id;
                    grant(Level::Write, Because::Above { person, role });
                }
                for rule in self.rules_for(own, object) {
                    if rule.source.contains(&theirs) && rule.level > Level::None {
                        let rule_id = self.facts.rules[rule.rule].id;
                        grant(
                            rule.level,
                            Because::Rule {
                                rule: rule_id,
                                person,
                            },
                        );
                    }
                }
            }
        }
        grants.sort_by_key(|grant| std::cmp::Reverse(grant.level));
        grants
    }
}
