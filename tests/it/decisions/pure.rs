//! The decision in memory against the naive one: thousands of companies.

use std::collections::BTreeSet;
use std::sync::Arc;

use insight::db::types::{
    CustomFieldId, LayoutId, MemberId, ProfileId, RoleId, SharingRuleId, Slot, Timestamp,
};
use insight::permissions::model::{
    Facts, LayoutFact, LayoutField, MemberFact, ObjectFact, ProfileFact, RoleFact, SharingRule,
};
use insight::permissions::objects::{Field, Kind};
use insight::permissions::{Action, Because, Level, Object, People, Reach, Rights, Rules, Verdict};

use super::draw::{self, Dice};
use super::naive::{self, Answer, Company, Owners, Reason};

const COMPANIES: u64 = 4_000;

fn slot(member: usize) -> Slot {
    Slot(i32::try_from(member).expect("a small company"))
}

fn number(place: usize) -> i64 {
    i64::try_from(place).expect("a small company") + 1
}

pub fn people(owners: Owners) -> People {
    People {
        creator: slot(owners.created_by),
        assigned: owners.assigned_to.map(slot),
    }
}

pub fn answer(verdict: Verdict) -> Answer {
    match verdict {
        Verdict::Allowed => Answer::Allowed,
        Verdict::Refused => Answer::Refused,
        Verdict::Hidden => Answer::NotThere,
    }
}

/// The actions with the tick that the naive one calls them by.
pub const ACTIONS: [(Action, usize); 3] = [
    (Action::Read, naive::READ),
    (Action::Edit, naive::EDIT),
    (Action::Delete, naive::DELETE),
];

/// Ticks as the database has them, without what they imply.
pub fn bits(ticks: [bool; 6]) -> i16 {
    ticks
        .iter()
        .rev()
        .fold(0, |bits, tick| bits * 2 + i16::from(*tick))
}

pub fn facts(company: &Company) -> Facts {
    Facts {
        roles: company
            .roles
            .iter()
            .enumerate()
            .map(|(place, role)| RoleFact {
                id: RoleId(number(place)),
                name: role.name.clone(),
                parent: role.reports_to.map(|upper| RoleId(number(upper))),
            })
            .collect(),
        members: company
            .members
            .iter()
            .enumerate()
            .map(|(place, member)| MemberFact {
                id: MemberId(number(place)),
                slot: slot(place),
                role: member.role.map(|role| RoleId(number(role))),
                profile: member.profile.map(|profile| ProfileId(number(profile))),
                administrator: member.administrator,
                export: member.export,
                active: !member.removed,
            })
            .collect(),
        profiles: company
            .profiles
            .iter()
            .enumerate()
            .map(|(place, profile)| ProfileFact {
                id: ProfileId(number(place)),
                name: format!("Profile {place}"),
                standard: place == 0,
                objects: Object::ALL.map(|object| ObjectFact {
                    rights: Rights::of_bits(bits(profile.ticks[object.index()])),
                    layout: Some(LayoutId(number(profile.layouts[object.index()]))),
                }),
            })
            .collect(),
        layouts: company
            .layouts
            .iter()
            .enumerate()
            .map(|(place, layout)| LayoutFact {
                id: LayoutId(number(place)),
                object: layout.object,
                name: format!("Layout {place}"),
                standard: false,
                fields: layout
                    .fields
                    .iter()
                    .map(|on| LayoutField {
                        key: on.key.clone(),
                        section: String::new(),
                        read_only: on.read_only,
                        required: on.required,
                    })
                    .collect(),
            })
            .collect(),
        custom_fields: company
            .custom
            .iter()
            .enumerate()
            .filter(|(_, custom)| !custom.retired)
            .map(|(place, custom)| {
                let field = Field {
                    key: custom.key.clone().into(),
                    label: format!("Field {place}"),
                    kind: Kind::Text,
                    custom: Some(CustomFieldId(number(place))),
                };
                (custom.object, Arc::new(field))
            })
            .collect(),
        sharing: company.sharing,
        rules: company
            .rules
            .iter()
            .enumerate()
            .map(|(place, rule)| SharingRule {
                id: SharingRuleId(number(place)),
                name: format!("Rule {place}"),
                object: rule.object,
                source: RoleId(number(rule.source)),
                source_below: rule.source_below,
                target: RoleId(number(rule.target)),
                target_below: rule.target_below,
                level: if rule.write {
                    Level::Write
                } else {
                    Level::Read
                },
                active: rule.active,
                ends_at: rule.ends_at.map(Timestamp),
            })
            .collect(),
    }
}

fn place(id: i64) -> usize {
    usize::try_from(id - 1).expect("an id of the company")
}

fn reason(because: Because) -> Reason {
    match because {
        Because::Administrator => Reason::Administrator,
        Because::ModifyAll => Reason::ModifyAll,
        Because::ReadAll => Reason::ReadAll,
        Because::OrganizationWide => Reason::OrganizationWide,
        Because::Creator => Reason::Creator,
        Because::Assigned => Reason::Assigned,
        Because::Above { person, role } => Reason::Above(person.index(), place(role.0)),
        Because::Rule { rule, person } => Reason::Rule(place(rule.0), person.index()),
    }
}

/// Everything the rules say about one member and object, for some records.
fn agree(company: &Company, rules: &Rules, member: usize, object: Object, records: &[Owners]) {
    let me = slot(member);
    let rights = rules.rights(me, object);
    for (tick, (right, label)) in Rights::EACH.into_iter().enumerate() {
        assert_eq!(
            rights.has(right),
            company.holds(member, tick, object),
            "{label}"
        );
    }
    let fields: Vec<(String, bool, bool)> = rules
        .fields(me, object)
        .iter()
        .map(|shown| (shown.key().to_owned(), shown.read_only(), shown.required()))
        .collect();
    assert_eq!(fields, company.fields(member, object), "fields");
    let [read, write] = [Level::Read, Level::Write].map(|level| rules.reach(me, object, level));
    for owners in records {
        let people = people(*owners);
        let reasons = company.reasons(member, object, *owners);
        let level = company.level(member, object, *owners);
        assert_eq!(
            rules.level(me, object, people),
            level,
            "level on {owners:?}"
        );
        assert_eq!(
            read.admits(people),
            level >= Level::Read,
            "reading {owners:?}"
        );
        assert_eq!(
            write.admits(people),
            level >= Level::Write,
            "writing {owners:?}"
        );
        let grants = rules.grants(me, object, people);
        let said: BTreeSet<(Level, Reason)> = grants
            .iter()
            .map(|grant| (grant.level, reason(grant.because)))
            .collect();
        assert_eq!(said, reasons, "grants on {owners:?}");
        assert_eq!(
            said.len(),
            grants.len(),
            "a grant is named once: {grants:?}"
        );
        let strongest = grants.first().map_or(Level::None, |grant| grant.level);
        assert_eq!(strongest, level, "the strongest grant on {owners:?}");
        for (action, tick) in ACTIONS {
            let can = answer(rules.can(me, action, object, people));
            let expected = company.try_to(tick, member, object, *owners);
            assert_eq!(can, expected, "{action:?} of {owners:?}");
        }
    }
}

/// Somebody who is no member of the account: the slot of another account's.
fn stranger_gets_nothing(company: &Company, rules: &Rules, dice: &mut Dice) {
    let stranger = slot(company.members.len() + dice.below(3));
    for object in Object::ALL {
        assert_eq!(rules.rights(stranger, object), Rights::NONE);
        assert!(matches!(
            rules.reach(stranger, object, Level::Read),
            Reach::Nothing
        ));
        assert_eq!(rules.fields(stranger, object).iter().count(), 0);
        let people = people(draw::owners(dice, company));
        let can = rules.can(stranger, Action::Read, object, people);
        assert_eq!(can, Verdict::Hidden);
        assert_eq!(rules.grants(stranger, object, people), []);
    }
    assert!(!rules.may_export(stranger) && !rules.is_administrator(stranger));
}

fn check(seed: u64) {
    let mut dice = Dice::new(seed);
    let mut company = draw::company(&mut dice);
    if dice.chance(10) {
        // No page makes a layout without the name; if there is one, the name is on it all the same.
        for layout in &mut company.layouts {
            layout.fields.retain(|on| on.key != "name");
        }
    }
    let rules = Rules::new(facts(&company), 1, Timestamp(company.now));
    for upper in 0..company.roles.len() {
        for lower in 0..company.roles.len() {
            let is = rules.is_below(RoleId(number(lower)), RoleId(number(upper)));
            assert_eq!(is, company.is_below(lower, upper), "{lower} below {upper}");
        }
    }
    for member in 0..company.members.len() {
        assert_eq!(rules.may_export(slot(member)), company.may_export(member));
        for object in Object::ALL {
            let records: Vec<Owners> = (0..5).map(|_| draw::owners(&mut dice, &company)).collect();
            agree(&company, &rules, member, object, &records);
        }
    }
    stranger_gets_nothing(&company, &rules, &mut dice);
}

/// Runs `check` with many seeds, or with the one that `DECISIONS_SEED` names, and says which one failed.
#[expect(clippy::disallowed_methods, reason = "a setting of the tests")]
pub fn with_seeds(from: u64, count: u64, check: impl Fn(u64)) {
    let named = std::env::var("DECISIONS_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = match named {
        Some(seed) => seed..seed + 1,
        None => from..from + count,
    };
    for seed in seeds {
        let told = Told(seed);
        check(seed);
        std::mem::forget(told);
    }
}

/// Dropped only when a check panics.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        eprintln!("the company of DECISIONS_SEED={} failed", self.0);
    }
}

#[test]
fn the_rules_in_memory_decide_like_the_specification() {
    with_seeds(0, COMPANIES, check);
}
