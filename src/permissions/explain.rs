//! Why somebody may or may not do something with a record: the decision of [`super::decide`] taken apart into the steps of
//! the specification. A test proves that the two agree and that every reason named really grants.

use super::decide::{Action, People, Verdict};
use super::model::{Level, ProfileFact, Rights, Rules, SharingRule};
use super::objects::Object;
use crate::db::types::{ProfileId, RoleId, SharingRuleId, Slot};

/// What somebody asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    Read,
    Edit,
    Delete,
    Export,
}

impl Asked {
    /// All, in the order of the form.
    pub const ALL: [Asked; 4] = [Asked::Read, Asked::Edit, Asked::Delete, Asked::Export];

    /// What must be possible with the record; Export reads it.
    pub fn action(self) -> Action {
        match self {
            Asked::Read | Asked::Export => Action::Read,
            Asked::Edit => Action::Edit,
            Asked::Delete => Action::Delete,
        }
    }

    /// "Read".
    pub fn label(self) -> &'static str {
        match self {
            Asked::Read => "Read",
            Asked::Edit => "Edit",
            Asked::Delete => "Delete",
            Asked::Export => "Export",
        }
    }

    /// In a query string, and inside a sentence.
    pub fn slug(self) -> &'static str {
        match self {
            Asked::Read => "read",
            Asked::Edit => "edit",
            Asked::Delete => "delete",
            Asked::Export => "export",
        }
    }
}

impl std::str::FromStr for Asked {
    type Err = ();
    fn from_str(text: &str) -> Result<Asked, ()> {
        let mut all = Asked::ALL.into_iter();
        all.find(|asked| asked.slug() == text).ok_or(())
    }
}

/// How a step came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Passed,
    Blocked,
    NotReached,
}

/// A place where a level on the record can come from, whether it gives one or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub what: What,
    /// What it gives.
    pub level: Level,
    /// This is what the level comes from.
    pub deciding: bool,
}

/// See [`Source`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Read All and Modify All of the profile.
    Profile {
        read_all: bool,
        modify_all: bool,
    },
    OrganizationWide,
    /// Being who created it, or to whom it is assigned.
    Person {
        creator: bool,
        assigned: bool,
    },
    /// The role stands above that of one of the record's people.
    Above {
        person: Slot,
        role: RoleId,
    },
    /// It stands above none of theirs.
    NotAbove,
    Rule {
        rule: SharingRuleId,
        person: Slot,
    },
    /// The rule would, but it is off or has ended.
    RuleOff {
        rule: SharingRuleId,
        person: Slot,
    },
    NoRule,
}

/// Which ticks of the profile are asked for, and whether it has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticks {
    /// Nothing: the member has no profile.
    pub profile: Option<ProfileId>,
    pub missing: Option<Rights>,
}

/// The steps, in their order. A step that was not reached is there all the same: it says what would come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub asked: Asked,
    pub allowed: bool,
    /// The member sees the record at all.
    pub sees: bool,
    pub administrator: bool,
    pub account: State,
    pub profile: State,
    pub ticks: Ticks,
    pub level: State,
    /// The level there is, apart from what the profile refuses.
    pub has: Level,
    pub sources: Vec<Source>,
    pub fields: State,
    /// For Export.
    pub export: Option<State>,
}

impl Rules {
    /// Takes the decision about one record apart.
    pub fn explain(&self, slot: Slot, asked: Asked, object: Object, people: People) -> Explanation {
        let action = asked.action();
        let active = self.member(slot).is_some_and(|member| member.active);
        let administrator = self.is_administrator(slot);
        let profile = self.member(slot).and_then(|member| self.profile_of(member));
        let missing = self.missing(slot, object, action);
        let sources = if administrator {
            Vec::new()
        } else {
            self.sources(slot, object, people, profile)
        };
        let has = match administrator {
            true => Level::Write,
            false => sources.iter().map(|s| s.level).max().unwrap_or_default(),
        };
        let export = self.may_export(slot);
        // What comes after a blocked step is not reached.
        let mut open = true;
        let mut step = |passes: bool| {
            let state = match (open, passes) {
                (false, _) => State::NotReached,
                (true, true) => State::Passed,
                (true, false) => State::Blocked,
            };
            open = open && passes;
            state
        };
        let account = step(active);
        let profile_step = step(administrator || (profile.is_some() && missing.is_none()));
        let level = step(has >= action.level());
        let fields = step(true);
        let export = (asked == Asked::Export).then(|| step(export));
        let verdict = self.can(slot, action, object, people);
        Explanation {
            asked,
            allowed: open,
            sees: verdict != Verdict::Hidden,
            administrator,
            account,
            profile: profile_step,
            ticks: Ticks {
                profile: profile.map(|profile| profile.id),
                missing,
            },
            level,
            has,
            sources,
            fields,
            export,
        }
    }

    /// The first tick that an action needs and the profile lacks.
    fn missing(&self, slot: Slot, object: Object, action: Action) -> Option<Rights> {
        let held = self
            .member(slot)
            .and_then(|member| self.profile_of(member))
            .map_or(Rights::NONE, |profile| {
                profile.objects[object.index()].rights
            });
        [Rights::READ, action.right()]
            .into_iter()
            .find(|right| !held.has(*right))
    }

    /// Every source in one line, as if the profile let the member read.
    fn sources(
        &self,
        slot: Slot,
        object: Object,
        people: People,
        profile: Option<&ProfileFact>,
    ) -> Vec<Source> {
        let rights = profile.map_or(Rights::NONE, |p| p.objects[object.index()].rights);
        let mut sources = Vec::new();
        let mut add = |what, level| {
            sources.push(Source {
                what,
                level,
                deciding: false,
            });
        };
        let (read_all, modify_all) = (rights.has(Rights::READ_ALL), rights.has(Rights::MODIFY_ALL));
        let of_profile = match (modify_all, read_all) {
            (true, _) => Level::Write,
            (false, true) => Level::Read,
            (false, false) => Level::None,
        };
        add(
            What::Profile {
                read_all,
                modify_all,
            },
            of_profile,
        );
        add(What::OrganizationWide, self.facts.sharing[object.index()]);
        let (creator, assigned) = (people.creator == slot, people.assigned == Some(slot));
        let own = if creator || assigned {
            Level::Write
        } else {
            Level::None
        };
        add(What::Person { creator, assigned }, own);
        let mine = self.role_place(slot);
        let theirs: Vec<(Slot, usize)> = people
            .each()
            .filter_map(|person| Some((person, self.role_place(person)?)))
            .collect();
        let mut above = false;
        for (person, place) in &theirs {
            if mine.is_some_and(|mine| self.place_below(*place, mine)) {
                above = true;
                let role = self.roles[*place].fact.id;
                add(
                    What::Above {
                        person: *person,
                        role,
                    },
                    Level::Write,
                );
            }
        }
        if !above {
            add(What::NotAbove, Level::None);
        }
        let mut found = false;
        for rule in &self.facts.rules {
            if rule.object.is_some_and(|of| of != object)
                || !mine.is_some_and(|mine| self.covers(rule.target, rule.target_below, mine))
            {
                continue;
            }
            for (person, place) in &theirs {
                if !self.covers(rule.source, rule.source_below, *place) {
                    continue;
                }
                found = true;
                let (rule_id, person) = (rule.id, *person);
                if self.in_force(rule) {
                    add(
                        What::Rule {
                            rule: rule_id,
                            person,
                        },
                        rule.level,
                    );
                } else {
                    add(
                        What::RuleOff {
                            rule: rule_id,
                            person,
                        },
                        Level::None,
                    );
                }
            }
        }
        if !found {
            add(What::NoRule, Level::None);
        }
        let most = sources.iter().map(|s| s.level).max().unwrap_or_default();
        let deciding = sources.iter_mut().find(|s| s.level == most);
        if let Some(source) = deciding.filter(|_| most > Level::None) {
            source.deciding = true;
        }
        sources
    }

    /// True when a role of the hierarchy, or everything from it down, has a place in it.
    fn covers(&self, role: RoleId, below: bool, place: usize) -> bool {
        self.place_of(role)
            .is_some_and(|top| top == place || (below && self.place_below(place, top)))
    }

    /// True for a rule that opens a record of these people to a member, if it is in force.
    pub(super) fn opens(
        &self,
        rule: &SharingRule,
        slot: Slot,
        object: Object,
        people: People,
    ) -> bool {
        let to = |slot, role, below| {
            self.role_place(slot)
                .is_some_and(|place| self.covers(role, below, place))
        };
        rule.object.is_none_or(|of| of == object)
            && to(slot, rule.target, rule.target_below)
            && people
                .each()
                .any(|person| to(person, rule.source, rule.source_below))
    }

    /// A sharing rule by its number.
    pub fn sharing_rule(&self, id: SharingRuleId) -> Option<&SharingRule> {
        self.facts.rules.iter().find(|rule| rule.id == id)
    }
}
