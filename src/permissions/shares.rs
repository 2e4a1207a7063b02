//! Where the records that a member sees come from, each part with the members whose records it holds. All parts together
//! are what [`Rules::reach`] gives; a test proves it.

use super::model::{Level, Rights, Rules};
use super::objects::Object;
use super::slots::Slots;
use crate::db::types::{SharingRuleId, Slot};

/// Why a member sees some records of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    Administrator,
    ModifyAll,
    ReadAll,
    /// Organization-wide sharing at this level.
    OrganizationWide(Level),
    /// Created by the member, or assigned to them.
    Own,
    /// Of people in roles below the member's.
    Below,
    /// Opened by a sharing rule at this level.
    Rule(SharingRuleId, Level),
}

impl Rules {
    /// The parts of what a member sees of an object. With nobody named a part is every record.
    pub fn shares(&self, slot: Slot, object: Object) -> Vec<(Share, Option<Slots>)> {
        let rights = self.rights(slot, object);
        if !rights.has(Rights::READ) {
            return Vec::new();
        }
        if self.is_administrator(slot) {
            return vec![(Share::Administrator, None)];
        }
        let mut shares = Vec::new();
        let sharing = self.facts.sharing[object.index()];
        if rights.has(Rights::MODIFY_ALL) {
            shares.push((Share::ModifyAll, None));
        } else if rights.has(Rights::READ_ALL) {
            shares.push((Share::ReadAll, None));
        }
        if sharing > Level::None {
            shares.push((Share::OrganizationWide(sharing), None));
        }
        shares.push((Share::Own, Some([slot].into_iter().collect())));
        let Some(place) = self.role_place(slot) else {
            return shares;
        };
        let below = self.holders_between(place + 1, self.roles[place].end);
        if !below.is_empty() {
            shares.push((Share::Below, Some(below)));
        }
        for rule in self.rules_for(place, object) {
            if rule.level > Level::None {
                let of = self.holders_between(rule.source.start, rule.source.end);
                let id = self.facts.rules[rule.rule].id;
                shares.push((Share::Rule(id, rule.level), Some(of)));
            }
        }
        shares
    }

    /// Who holds the roles between two places.
    fn holders_between(&self, from: usize, to: usize) -> Slots {
        let held = self.holders_from[from]..self.holders_from[to];
        self.holders[held].iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{
        Facts, MemberFact, ObjectFact, ProfileFact, RoleFact, Rules, SharingRule,
    };
    use super::super::objects::OBJECTS;
    use super::super::{People, Reach};
    use super::*;
    use crate::db::types::{MemberId, ProfileId, RoleId, Timestamp};

    /// Six people in a chain of three roles and one beside it, with every kind of rule.
    fn rules(level: Level, rights: Rights) -> Rules {
        let role = |id: i64, parent: Option<i64>| RoleFact {
            id: RoleId(id),
            name: id.to_string(),
            parent: parent.map(RoleId),
        };
        let member = |slot: i32, role: Option<i64>| MemberFact {
            id: MemberId(i64::from(slot) + 1),
            slot: Slot(slot),
            role: role.map(RoleId),
            profile: Some(ProfileId(1)),
            administrator: slot == 5,
            export: false,
            active: true,
        };
        let rule = |id: i64, source: (i64, bool), target: (i64, bool)| SharingRule {
            id: SharingRuleId(id),
            name: id.to_string(),
            object: Some(Object::Lead),
            source: RoleId(source.0),
            source_below: source.1,
            target: RoleId(target.0),
            target_below: target.1,
            level: Level::Read,
            active: true,
            ends_at: None,
        };
        let fact = ObjectFact {
            rights,
            layout: None,
        };
        let mut sharing = [Level::None; OBJECTS];
        sharing[Object::Lead.index()] = level;
        Rules::new(
            Facts {
                roles: vec![
                    role(1, None),
                    role(2, Some(1)),
                    role(3, Some(2)),
                    role(4, None),
                ],
                members: vec![
                    member(0, Some(1)),
                    member(1, Some(2)),
                    member(2, Some(3)),
                    member(3, Some(4)),
                    member(4, None),
                    member(5, Some(2)),
                ],
                profiles: vec![ProfileFact {
                    id: ProfileId(1),
                    name: "P".into(),
                    standard: true,
                    objects: [fact; OBJECTS],
                }],
                rules: vec![
                    rule(1, (2, true), (4, false)),
                    rule(2, (4, false), (3, true)),
                ],
                sharing,
                ..Facts::default()
            },
            1,
            Timestamp(0),
        )
    }

    #[test]
    fn all_parts_together_are_what_is_reached() {
        for level in [Level::None, Level::Read] {
            for rights in [Rights::NONE, Rights::READ, Rights::of_bits(16), Rights::ALL] {
                let rules = rules(level, rights);
                for asks in 0..6 {
                    let shares = rules.shares(Slot(asks), Object::Lead);
                    let reach: Reach = rules.reach(Slot(asks), Object::Lead, Level::Read);
                    for of in 0..6 {
                        let people = People {
                            creator: Slot(of),
                            assigned: None,
                        };
                        let part = |(_, of): &(Share, Option<Slots>)| {
                            of.as_ref().is_none_or(|of| of.contains(people.creator))
                        };
                        assert_eq!(
                            shares.iter().any(part),
                            reach.admits(people),
                            "{level:?} {rights:?}: {asks} and the records of {of}: {shares:?}"
                        );
                    }
                }
            }
        }
    }
}
