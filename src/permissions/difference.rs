//! What differs between two sets of facts: what a change writes, what the history keeps, and what a revert puts back.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::model::{Facts, LayoutFact, Level, MemberFact, ProfileFact, RoleFact, SharingRule};
use super::objects::Object;
use crate::db::types::{LayoutId, MemberId, ProfileId, RoleId, SharingRuleId};

/// One thing before and after. Nothing before: it is added; nothing after: it is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed<T> {
    pub before: Option<T>,
    pub after: Option<T>,
}

/// What a change can take from or give to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Held {
    pub role: Option<RoleId>,
    pub profile: Option<ProfileId>,
    pub administrator: bool,
}

impl Held {
    /// What a member holds.
    pub fn by(member: &MemberFact) -> Held {
        Held {
            role: member.role,
            profile: member.profile,
            administrator: member.administrator,
        }
    }
}

/// Members who held the same before and hold the same after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    pub members: Vec<MemberId>,
    pub before: Held,
    pub after: Held,
}

/// Everything that differs, one item per role, profile, page layout, rule or level, and members in groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Difference {
    pub roles: Vec<Changed<RoleFact>>,
    pub members: Vec<Moved>,
    pub profiles: Vec<Changed<ProfileFact>>,
    pub layouts: Vec<Changed<LayoutFact>>,
    pub rules: Vec<Changed<SharingRule>>,
    /// (object, before, after).
    pub sharing: Vec<(Object, Level, Level)>,
}

/// Something with a number of its own.
pub(super) trait Numbered: Clone + PartialEq {
    type Id: Copy + Eq + Hash + Ord;
    fn id(&self) -> Self::Id;
}

macro_rules! numbered {
    ($($fact:ty: $id:ty;)*) => {$(
        impl Numbered for $fact {
            type Id = $id;
            fn id(&self) -> $id {
                self.id
            }
        }
    )*};
}

numbered! {
    RoleFact: RoleId;
    ProfileFact: ProfileId;
    LayoutFact: LayoutId;
    SharingRule: SharingRuleId;
}

impl Difference {
    /// What leads from one to the other. Only roles, profiles and Administrator of a member count, and both have the
    /// same members.
    pub fn between(before: &Facts, after: &Facts) -> Difference {
        let mut members: BTreeMap<(Held, Held), Vec<MemberId>> = BTreeMap::new();
        for (was, is) in before.members.iter().zip(&after.members) {
            let (held, holds) = (Held::by(was), Held::by(is));
            if was.id == is.id && held != holds {
                members.entry((held, holds)).or_default().push(was.id);
            }
        }
        let levels = Object::ALL.into_iter().map(|object| {
            let index = object.index();
            (object, before.sharing[index], after.sharing[index])
        });
        Difference {
            roles: compare(&before.roles, &after.roles),
            members: members
                .into_iter()
                .map(|((before, after), members)| Moved {
                    members,
                    before,
                    after,
                })
                .collect(),
            profiles: compare(&before.profiles, &after.profiles),
            layouts: compare(&before.layouts, &after.layouts),
            rules: compare(&before.rules, &after.rules),
            sharing: levels.filter(|(_, was, is)| was != is).collect(),
        }
    }

    /// True when nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Difference::default()
    }

    /// How many members hold something else.
    pub fn member_count(&self) -> usize {
        self.members.iter().map(|moved| moved.members.len()).sum()
    }

    /// The way back.
    #[must_use]
    pub fn reversed(self) -> Difference {
        fn turn<T>(items: Vec<Changed<T>>) -> Vec<Changed<T>> {
            let turned = items.into_iter().map(|item| Changed {
                before: item.after,
                after: item.before,
            });
            turned.collect()
        }
        Difference {
            roles: turn(self.roles),
            members: self
                .members
                .into_iter()
                .map(|moved| Moved {
                    members: moved.members,
                    before: moved.after,
                    after: moved.before,
                })
                .collect(),
            profiles: turn(self.profiles),
            layouts: turn(self.layouts),
            rules: turn(self.rules),
            sharing: self
                .sharing
                .into_iter()
                .map(|(object, before, after)| (object, after, before))
                .collect(),
        }
    }
}

fn compare<T: Numbered>(before: &[T], after: &[T]) -> Vec<Changed<T>> {
    let now: HashMap<T::Id, &T> = after.iter().map(|fact| (fact.id(), fact)).collect();
    let was: HashMap<T::Id, &T> = before.iter().map(|fact| (fact.id(), fact)).collect();
    let kept = before.iter().filter_map(|fact| {
        let after = now.get(&fact.id()).copied();
        (after != Some(fact)).then(|| Changed {
            before: Some(fact.clone()),
            after: after.cloned(),
        })
    });
    let added = after.iter().filter(|fact| !was.contains_key(&fact.id()));
    let added = added.map(|fact| Changed {
        before: None,
        after: Some(fact.clone()),
    });
    kept.chain(added).collect()
}

/// What the number -1 of something new became when it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    pub role: Option<RoleId>,
    pub profile: Option<ProfileId>,
    pub layout: Option<LayoutId>,
    pub rule: Option<SharingRuleId>,
}

/// The number of something that is not written yet; a change adds at most one of a kind.
pub(super) const NEW: i64 = -1;

impl Placed {
    fn role(&self, id: RoleId) -> RoleId {
        self.role.filter(|_| id.0 == NEW).unwrap_or(id)
    }

    fn profile(&self, id: ProfileId) -> ProfileId {
        self.profile.filter(|_| id.0 == NEW).unwrap_or(id)
    }

    pub(super) fn layout(&self, id: LayoutId) -> LayoutId {
        self.layout.filter(|_| id.0 == NEW).unwrap_or(id)
    }

    fn rule(&self, id: SharingRuleId) -> SharingRuleId {
        self.rule.filter(|_| id.0 == NEW).unwrap_or(id)
    }

    /// The facts with the numbers that were given, in the order in which they are read back.
    pub(super) fn facts(&self, mut facts: Facts) -> Facts {
        for role in &mut facts.roles {
            role.id = self.role(role.id);
            role.parent = role.parent.map(|parent| self.role(parent));
        }
        for member in &mut facts.members {
            member.role = member.role.map(|role| self.role(role));
            member.profile = member.profile.map(|profile| self.profile(profile));
        }
        for profile in &mut facts.profiles {
            profile.id = self.profile(profile.id);
            for object in &mut profile.objects {
                object.layout = object.layout.map(|layout| self.layout(layout));
            }
        }
        for layout in &mut facts.layouts {
            layout.id = self.layout(layout.id);
        }
        for rule in &mut facts.rules {
            rule.id = self.rule(rule.id);
            rule.source = self.role(rule.source);
            rule.target = self.role(rule.target);
        }
        facts.roles.sort_by_key(|role| role.id);
        facts.profiles.sort_by_key(|profile| profile.id);
        facts.layouts.sort_by_key(|layout| layout.id);
        facts.rules.sort_by_key(|rule| rule.id);
        facts
    }
}
