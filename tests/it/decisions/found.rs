//! Lint: a rule that is said to grant nothing, or no more than another, can go without anybody noticing; roles and people
//! are counted as they are.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use insight::db::types::{SharingRuleId, Slot, Timestamp};
use insight::permissions::census::{Census, Censuses};
use insight::permissions::lint::{Finding, Idle, lint};
use insight::permissions::{Action, Object, People, Rules};

use super::draw::{self, Dice};
use super::pure::{facts, people, with_seeds};

const COMPANIES: u64 = 1_200;

/// Nobody may do more or less without the rule.
fn is_not_missed(rules: &Rules, gone: SharingRuleId, records: &[People]) {
    let mut facts = rules.facts().clone();
    facts.rules.retain(|rule| rule.id != gone);
    let without = Rules::new(facts, 2, Timestamp(draw::NOW));
    for member in &rules.facts().members {
        for object in Object::ALL {
            for people in records {
                for action in Action::ALL {
                    let can = |rules: &Rules| rules.can(member.slot, action, object, *people);
                    assert_eq!(
                        can(&without),
                        can(rules),
                        "{:?} of {people:?} without rule {gone}",
                        member.slot
                    );
                }
            }
        }
    }
}

fn check(seed: u64, found: &Cell<[u64; 3]>) {
    let mut dice = Dice::new(seed);
    let company = draw::company(&mut dice);
    let now = Timestamp(draw::NOW);
    let rules = Rules::new(facts(&company), 1, now);
    let members = &rules.facts().members;
    let mut records: Vec<People> = (0..25)
        .map(|_| people(draw::owners(&mut dice, &company)))
        .collect();
    records.extend(members.iter().map(|member| People {
        creator: member.slot,
        assigned: None,
    }));
    let mut counts: BTreeMap<(Slot, Slot), u64> = BTreeMap::new();
    for people in &records {
        *counts.entry((people.owner(), people.creator)).or_default() += 1;
    }
    let mut censuses = Censuses::default();
    censuses[Object::Lead.index()] = Arc::new(Census::new(counts, None));
    let findings = lint(&rules, &censuses, now);
    let mut kinds = found.get();
    for finding in &findings {
        match finding {
            Finding::Idle(rule, why) => {
                let place = usize::from(*why == Idle::Ended);
                kinds[place] += 1;
                is_not_missed(&rules, *rule, &records);
            }
            Finding::Overlap(rule, wider) => {
                kinds[2] += 1;
                assert_ne!(rule, wider);
                let back = Finding::Overlap(*wider, *rule);
                assert!(
                    !findings.contains(&back),
                    "each is said to do for the other"
                );
                is_not_missed(&rules, *rule, &records);
            }
            _ => {}
        }
    }
    found.set(kinds);
    for rule in rules.facts().rules.iter().filter(|rule| rule.active) {
        let ended = rule.ends_at.is_some_and(|end| end <= now);
        let said = Finding::Idle(rule.id, Idle::Ended);
        assert_eq!(findings.contains(&said), ended, "{rule:?}");
        let soon = rule.ends_at.filter(|end| *end > now);
        let said = soon.is_some_and(|end| findings.contains(&Finding::EndsSoon(rule.id, end)));
        assert_eq!(said, soon.is_some(), "{rule:?}");
    }
    for role in &rules.facts().roles {
        let held = members.iter().any(|m| m.active && m.role == Some(role.id));
        assert_eq!(findings.contains(&Finding::EmptyRole(role.id)), !held);
    }
    for member in members {
        let own = |people: &&People| people.each().any(|slot| slot == member.slot);
        let own = u64::try_from(records.iter().filter(own).count()).expect("few");
        let said = findings.contains(&Finding::NoRole(member.id, member.slot, own));
        assert_eq!(said, member.active && member.role.is_none(), "{member:?}");
    }
}

#[test]
fn what_lint_finds_is_so() {
    let found = Cell::new([0; 3]);
    with_seeds(0, COMPANIES, |seed| check(seed, &found));
    assert!(found.get().iter().all(|found| *found > 0), "{found:?}");
}
