//! Check access: what it says is what is decided, each reason it names really grants, and each change it offers really
//! would allow what was refused.

use std::cell::Cell;
use std::collections::BTreeMap;

use insight::db::types::{Slot, Timestamp};
use insight::permissions::census::Census;
use insight::permissions::explain::{Asked, Explanation, State, What};
use insight::permissions::model::Facts;
use insight::permissions::ways::{Measured, Question, Way, ways};
use insight::permissions::{Action, Level, Object, People, Rights, Rules, Verdict};

use super::changes::{around, with_standard_layouts};
use super::draw::{self, Dice};
use super::pure::{facts, people as owned, with_seeds};

const COMPANIES: u64 = 1_500;

/// The decision, asked directly.
fn decided(rules: &Rules, slot: Slot, asked: Asked, object: Object, people: People) -> bool {
    let can = rules.can(slot, asked.action(), object, people) == Verdict::Allowed;
    can && (asked != Asked::Export || rules.may_export(slot))
}

/// The rules without everything that could give a level, but for one source.
fn alone(facts: &Facts, what: &What, slot: Slot, object: Object) -> Facts {
    let mut facts = facts.clone();
    let keep_role = matches!(what, What::Above { .. } | What::Rule { .. });
    for profile in &mut facts.profiles {
        let cell = &mut profile.objects[object.index()];
        let keeps = matches!(what, What::Profile { .. });
        if !keeps {
            let bits = cell.rights.bits() & Rights::STANDARD.bits();
            cell.rights = Rights::of_bits(bits).and(Rights::READ);
        }
    }
    if !matches!(what, What::OrganizationWide) {
        facts.sharing = Default::default();
    }
    facts
        .rules
        .retain(|rule| matches!(what, What::Rule { rule: kept, .. } if *kept == rule.id));
    if !keep_role {
        for member in facts.members.iter_mut().filter(|m| m.slot == slot) {
            member.role = None;
        }
    }
    facts
}

fn each_reason_grants(
    rules: &Rules,
    found: &Explanation,
    slot: Slot,
    object: Object,
    people: People,
) {
    for source in found.sources.iter().filter(|s| s.level > Level::None) {
        let only = alone(rules.facts(), &source.what, slot, object);
        let only = Rules::new(only, 1, Timestamp(draw::NOW));
        let level = only.level(slot, object, people);
        assert!(level >= source.level, "{source:?} gives {level:?} alone");
    }
    let deciding: Vec<_> = found.sources.iter().filter(|s| s.deciding).collect();
    assert!(deciding.len() <= 1);
    if found.has > Level::None && !found.administrator {
        assert_eq!(deciding.first().map(|s| s.level), Some(found.has));
    }
}

fn steps_make_sense(found: &Explanation) {
    let mut steps = vec![found.account, found.profile, found.level, found.fields];
    steps.extend(found.export);
    let blocked = steps.iter().filter(|s| **s == State::Blocked).count();
    assert_eq!(blocked, usize::from(!found.allowed), "{found:?}");
    let after: Vec<_> = steps.iter().skip_while(|s| **s == State::Passed).collect();
    let not_reached = after.iter().skip(1).all(|s| **s == State::NotReached);
    assert!(not_reached, "{steps:?}");
}

/// How far a change goes: at least to the members and records that gain, and nearly always to no others.
fn reaches(
    measured: &Measured,
    before: &Rules,
    after: &Facts,
    object: Object,
    records: &[People],
    seen: &Seen,
) {
    let after = Rules::new(after.clone(), 2, Timestamp(draw::NOW));
    let gains = |slot: Slot, people: People| {
        Action::ALL.into_iter().any(|action| {
            let may = |rules: &Rules| rules.can(slot, action, object, people) == Verdict::Allowed;
            may(&after) && !may(before)
        })
    };
    let active = before.facts().members.iter().filter(|member| member.active);
    let active: Vec<Slot> = active.map(|member| member.slot).collect();
    let of = |people: &&People| active.iter().any(|slot| gains(*slot, **people));
    let gained = u64::try_from(records.iter().filter(of).count()).expect("few");
    assert!(measured.records >= gained, "{gained} records: {measured:?}");
    // Whose records there are makes no difference: everybody might make some.
    let all = before.facts().members.iter().map(|member| member.slot);
    let any = |slot: &&Slot| {
        let mut pairs = all.clone().flat_map(|one| {
            let both = all.clone().map(move |two| (one, two));
            both.map(|(creator, assigned)| People {
                creator,
                assigned: Some(assigned),
            })
        });
        pairs.any(|people| gains(**slot, people))
    };
    let members = u64::try_from(active.iter().filter(any).count()).expect("few");
    assert!(
        measured.members >= members,
        "{members} members: {measured:?}"
    );
    let exact = (measured.members, measured.records) == (members, gained);
    seen.exact.set(seen.exact.get() + u64::from(exact));
    seen.changes.set(seen.changes.get() + 1);
}

/// How many changes were offered, and of how many the reach was told exactly.
#[derive(Default)]
struct Seen {
    changes: Cell<u64>,
    exact: Cell<u64>,
}

fn check(seed: u64, seen: &Seen) {
    let mut dice = Dice::new(seed);
    let company = draw::company(&mut dice);
    let facts = with_standard_layouts(facts(&company));
    let around = around(&facts);
    let now = Timestamp(draw::NOW);
    let rules = Rules::new(facts, 1, now);
    for _ in 0..12 {
        let slot = Slot(i32::try_from(dice.below(company.members.len())).expect("few"));
        let asked = dice.one(&Asked::ALL);
        let object = dice.one(&Object::ALL);
        let people = owned(draw::owners(&mut dice, &company));
        let found = rules.explain(slot, asked, object, people);
        let allowed = decided(&rules, slot, asked, object, people);
        assert_eq!(found.allowed, allowed, "{slot:?} {asked:?} {people:?}");
        let level = rules.level(slot, object, people);
        assert_eq!(found.sees, level > Level::None);
        // What the profile refuses aside, the level is the one of the decision.
        assert!(level == Level::None || found.has == level, "{found:?}");
        steps_make_sense(&found);
        if rules.rights(slot, object).has(Rights::READ) {
            each_reason_grants(&rules, &found, slot, object, people);
        }
        let others = (0..dice.below(9)).map(|_| owned(draw::owners(&mut dice, &company)));
        let records: Vec<People> = others.chain([people]).collect();
        let mut counts: BTreeMap<(Slot, Slot), u64> = BTreeMap::new();
        for of in &records {
            *counts.entry((of.owner(), of.creator)).or_default() += 1;
        }
        let census = Census::new(counts, None);
        let question = Question {
            slot,
            asked,
            object,
            people,
        };
        let ways = ways(&rules, &around, question, &census, now);
        assert!(ways.len() <= 3 && (ways.is_empty() || !allowed));
        assert!(ways.is_sorted_by_key(|way| (way.members, way.records)));
        let member = rules.member(slot).expect("is one");
        let may_have = member.active && (asked != Asked::Export || member.export);
        assert!(may_have || ways.iter().all(|way| way.way == Way::Export));
        for measured in ways {
            let (then, people) = match &measured.way {
                Way::Change(change) => {
                    assert!(measured.members > 0 && measured.records > 0, "{measured:?}");
                    let after = change.on(rules.facts(), &around).expect("can be made");
                    reaches(&measured, &rules, &after, object, &records, seen);
                    (after, people)
                }
                Way::Assign => {
                    let assigned = Some(slot);
                    (rules.facts().clone(), People { assigned, ..people })
                }
                Way::Export => {
                    let mut facts = rules.facts().clone();
                    let mut members = facts.members.iter_mut();
                    members.find(|m| m.slot == slot).expect("is there").export = true;
                    (facts, people)
                }
            };
            let then = Rules::new(then, 2, now);
            let would = decided(&then, slot, asked, object, people);
            assert!(would, "{:?} would not allow it", measured.way);
        }
    }
}

#[test]
fn an_explanation_says_what_is_decided_and_what_it_offers_would_allow_it() {
    let seen = Seen::default();
    with_seeds(0, COMPANIES, |seed| check(seed, &seen));
    let (changes, exact) = (seen.changes.get(), seen.exact.get());
    assert!(changes > 0, "nothing was ever offered");
    assert!(exact * 100 >= changes * 98, "{exact} of {changes}");
}
