//! Changes of the rules: what a review announces is the difference between what people may do before and after, and a
//! revert leads back to where a change came from.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use insight::credentials::names::SettingName;
use insight::db::types::{LayoutId, MemberId, ProfileId, RoleId, SharingRuleId, Slot, Timestamp};
use insight::permissions::census::{Census, Censuses};
use insight::permissions::change::Around;
use insight::permissions::difference::Difference;
use insight::permissions::model::Facts;
use insight::permissions::review::{Review, Row, Side, Warning, review};
use insight::permissions::sharing_rules::Wanted;
use insight::permissions::{Action, Change, Level, Object, People, Rights, Rules, Verdict};

use super::draw::{self, Dice};
use super::pure::{facts, people, with_seeds};
use crate::app::records::{called, on_layout};

const COMPANIES: u64 = 2_000;

/// One of the ids, if there are any.
fn one_of<T, I: Copy>(dice: &mut Dice, facts: &[T], id: impl Fn(&T) -> I) -> Option<I> {
    (!facts.is_empty()).then(|| id(&facts[dice.below(facts.len())]))
}

fn a_role(dice: &mut Dice, facts: &Facts) -> Option<RoleId> {
    one_of(dice, &facts.roles, |role| role.id)
}

fn a_profile(dice: &mut Dice, facts: &Facts) -> ProfileId {
    one_of(dice, &facts.profiles, |profile| profile.id).expect("there is one")
}

fn some_members(dice: &mut Dice, facts: &Facts) -> Vec<MemberId> {
    let active = facts.members.iter().filter(|member| member.active);
    active
        .filter(|_| dice.chance(40))
        .map(|member| member.id)
        .collect()
}

fn a_rule(dice: &mut Dice, facts: &Facts, name: &str) -> Option<Wanted> {
    Some(Wanted {
        name: called(name),
        object: dice.chance(60).then(|| dice.one(&Object::ALL)),
        source: a_role(dice, facts)?,
        source_below: dice.chance(40),
        target: a_role(dice, facts)?,
        target_below: dice.chance(40),
        level: dice.one(&[Level::Read, Level::Write]),
        active: dice.chance(85),
        ends_at: dice.chance(20).then_some(Timestamp(draw::LATER)),
    })
}

/// A change, which may be one that is refused.
pub fn draw_change(dice: &mut Dice, facts: &Facts) -> Option<Change> {
    let name = called(&format!("New {}", dice.below(1_000_000)));
    let kept = |name: &str| SettingName::parse(name).expect("a name");
    Some(match dice.below(15) {
        0 => Change::AddRole {
            name,
            reports_to: a_role(dice, facts),
        },
        1 | 2 => {
            let role = a_role(dice, facts)?;
            let fact = facts.roles.iter().find(|fact| fact.id == role)?;
            Change::ChangeRole {
                role,
                name: kept(&fact.name),
                reports_to: a_role(dice, facts).filter(|_| dice.chance(85)),
            }
        }
        3 => Change::DeleteRole {
            role: a_role(dice, facts)?,
            replacement: a_role(dice, facts),
        },
        4 => Change::AssignRole {
            members: some_members(dice, facts),
            role: a_role(dice, facts).filter(|_| dice.chance(80)),
        },
        5 => {
            let clone_of = a_profile(dice, facts);
            let of = facts.profiles.iter().find(|fact| fact.id == clone_of)?;
            Change::AddProfile {
                name,
                matrix: of.objects,
                clone_of: Some(clone_of),
            }
        }
        6 | 7 => {
            let profile = a_profile(dice, facts);
            let fact = facts.profiles.iter().find(|fact| fact.id == profile)?;
            let mut matrix = fact.objects;
            for object in Object::ALL {
                if dice.chance(60) {
                    continue;
                }
                let bits = i16::try_from(dice.below(64)).unwrap_or(0);
                matrix[object.index()].rights = Rights::of_bits(bits);
                let layouts = facts.layouts.iter().filter(|l| l.object == object);
                let layouts: Vec<LayoutId> = layouts.map(|layout| layout.id).collect();
                if let Some(layout) = one_of(dice, &layouts, |id| *id) {
                    matrix[object.index()].layout = Some(layout);
                }
            }
            Change::ChangeProfile {
                profile,
                name: kept(&fact.name),
                matrix,
            }
        }
        8 => Change::DeleteProfile {
            profile: a_profile(dice, facts),
            replacement: Some(a_profile(dice, facts)),
        },
        9 => Change::AssignProfile {
            members: some_members(dice, facts),
            profile: a_profile(dice, facts),
        },
        10 => Change::AddRule {
            wanted: a_rule(dice, facts, name.as_str())?,
        },
        11 => {
            let rule = one_of(dice, &facts.rules, |rule| rule.id)?;
            Change::ChangeRule {
                rule,
                wanted: a_rule(dice, facts, name.as_str())?,
            }
        }
        12 => Change::DeleteRule {
            rule: one_of(dice, &facts.rules, |rule: &_| -> SharingRuleId { rule.id })?,
        },
        13 => Change::SetSharing {
            levels: [(); 6]
                .map(|()| dice.one(&[Level::None, Level::None, Level::Read, Level::Write])),
        },
        _ => {
            let layout = one_of(dice, &facts.layouts, |layout| layout.id)?;
            let fact = facts.layouts.iter().find(|fact| fact.id == layout)?;
            let fields = fact.object.fields();
            let some = fields.iter().filter(|f| f.is_name() || dice.chance(60));
            Change::ChangeLayout {
                layout,
                name: kept(&fact.name),
                fields: some.map(|f| on_layout(&f.key, false, false)).collect(),
            }
        }
    })
}

pub fn around(facts: &Facts) -> Around {
    let administrators = facts.members.iter().filter(|m| m.administrator && m.active);
    Around {
        invited: HashMap::new(),
        administrators: administrators
            .map(|member| (member.id, (format!("Member {}", member.id), true)))
            .collect(),
        now: Timestamp(draw::NOW),
    }
}

/// What everybody gains on the way from one to the other, counted record by record.
fn expected(
    from: &Rules,
    to: &Rules,
    records: &[(Object, People)],
) -> BTreeMap<(Slot, Object), ([u64; 3], bool)> {
    let mut gains = BTreeMap::new();
    for member in &to.facts().members {
        for object in Object::ALL {
            let slot = member.slot;
            let mut counts = [0; 3];
            for (_, people) in records.iter().filter(|(of, _)| *of == object) {
                for (count, action) in counts.iter_mut().zip(Action::ALL) {
                    let may = |rules: &Rules| {
                        rules.can(slot, action, object, *people) == Verdict::Allowed
                    };
                    *count += u64::from(may(to) && !may(from));
                }
            }
            let create = |rules: &Rules| rules.rights(slot, object).has(Rights::CREATE);
            let create = create(to) && !create(from);
            if create || counts != [0; 3] {
                gains.insert((slot, object), (counts, create));
            }
        }
    }
    gains
}

fn announced(side: &Side, expected: &BTreeMap<(Slot, Object), ([u64; 3], bool)>, what: &str) {
    assert_eq!(side.rows.len() + side.more, expected.len(), "rows: {what}");
    for Row {
        slot,
        object,
        records,
        create,
        ..
    } in &side.rows
    {
        let found = expected.get(&(*slot, *object));
        assert_eq!(
            found,
            Some(&(*records, *create)),
            "{slot:?} {object:?}: {what}"
        );
    }
    let mut members: Vec<Slot> = expected.keys().map(|(slot, _)| *slot).collect();
    members.dedup();
    assert_eq!(side.members, members.len(), "members: {what}");
}

fn example_is_true(review: &Review, from: &Rules, to: &Rules) {
    for (side, before, after) in [(&review.gains, from, to), (&review.loses, to, from)] {
        for row in side.rows.iter().filter(|row| row.most() > 0) {
            for (owner, creator) in &row.of {
                let people = People {
                    creator: *creator,
                    assigned: (owner != creator).then_some(*owner),
                };
                let turned = Action::ALL.into_iter().any(|action| {
                    let may = |rules: &Rules| {
                        rules.can(row.slot, action, row.object, people) == Verdict::Allowed
                    };
                    may(after) && !may(before)
                });
                assert!(turned, "an example that nobody gains or loses: {row:?}");
            }
        }
    }
}

fn warned(review: &Review, from: &Rules, to: &Rules, records: &[(Object, People)], me: Slot) {
    let oneself = from.is_administrator(me) && !to.is_administrator(me);
    assert_eq!(review.warnings.contains(&Warning::Oneself), oneself);
    let ordinary = |rules: &Rules| -> Vec<Slot> {
        let members = rules.facts().members.iter();
        members
            .filter(|member| member.active && !member.administrator)
            .map(|member| member.slot)
            .collect()
    };
    for object in Object::ALL {
        let seen = |rules: &Rules, people: People| {
            let mut slots = ordinary(rules).into_iter();
            slots.any(|slot| rules.level(slot, object, people) > Level::None)
        };
        let reads = |rules: &Rules| {
            let mut slots = ordinary(rules).into_iter();
            slots.any(|slot| rules.rights(slot, object).has(Rights::READ))
        };
        let nobody = reads(from) && !reads(to);
        assert_eq!(review.warnings.contains(&Warning::Nobody(object)), nobody);
        let of_object = records.iter().filter(|(of, _)| *of == object);
        let alone = of_object.filter(|(_, p)| seen(from, *p) && !seen(to, *p));
        let alone = u64::try_from(alone.count()).expect("few");
        let told = review.warnings.iter().find_map(|warning| match warning {
            Warning::Orphans(of, count) if *of == object => Some(*count),
            _ => None,
        });
        let expected = (alone > 0 && !nobody).then_some(alone);
        assert_eq!(told, expected, "orphans of {object:?}");
    }
}

fn in_order(mut facts: Facts) -> Facts {
    facts.roles.sort_by_key(|fact| fact.id);
    facts.profiles.sort_by_key(|fact| fact.id);
    facts.layouts.sort_by_key(|fact| fact.id);
    facts.rules.sort_by_key(|fact| fact.id);
    facts
}

/// With the first layout of each object as its default one.
pub fn with_standard_layouts(mut facts: Facts) -> Facts {
    for object in Object::ALL {
        let mut of = facts.layouts.iter_mut().filter(|l| l.object == object);
        if let Some(layout) = of.next() {
            layout.standard = true;
        }
    }
    facts
}

fn check(seed: u64) -> bool {
    let mut dice = Dice::new(seed);
    let company = draw::company(&mut dice);
    let before = with_standard_layouts(facts(&company));
    let Some(change) = draw_change(&mut dice, &before) else {
        return false;
    };
    let around = around(&before);
    let Ok(after) = change.on(&before, &around) else {
        return false;
    };
    let told = Told(&change);
    let records: Vec<(Object, People)> = (0..dice.between(0, 40))
        .map(|_| {
            let object = dice.one(&Object::ALL);
            (object, people(draw::owners(&mut dice, &company)))
        })
        .collect();
    let mut censuses = Censuses::default();
    for object in Object::ALL {
        let of = records.iter().filter(|(of, _)| *of == object);
        let counts = of.map(|(_, people)| ((people.owner(), people.creator), 1));
        let mut grouped: BTreeMap<(Slot, Slot), u64> = BTreeMap::new();
        counts.for_each(|(pair, count)| *grouped.entry(pair).or_default() += count);
        censuses[object.index()] = Arc::new(Census::new(grouped, None));
    }
    let now = Timestamp(draw::NOW);
    let from = Rules::new(before.clone(), 1, now);
    let to = Rules::new(after.clone(), 1, now);
    let me = Slot(0);
    let found = review(&from, &to, me, &censuses);
    announced(&found.gains, &expected(&from, &to, &records), "gained");
    announced(&found.loses, &expected(&to, &from, &records), "lost");
    example_is_true(&found, &from, &to);
    warned(&found, &from, &to, &records, me);

    let difference = Difference::between(&before, &after);
    let text = serde_json::to_string(&difference).expect("JSON");
    let kept: Difference = serde_json::from_str(&text).expect("what was written");
    assert_eq!(kept, difference);
    let back = Change::Revert {
        number: 1,
        sentence: String::new(),
        difference: kept.reversed(),
    };
    let revert = back.on(&after, &around);
    let made_one = difference
        .members
        .iter()
        .any(|moved| moved.before.administrator != moved.after.administrator);
    match revert {
        Ok(again) => assert_eq!(in_order(again), in_order(before)),
        // Somebody who was the only administrator is not trusted to be one again before signing in.
        Err(why) => assert!(made_one, "{why}"),
    }
    std::mem::forget(told);
    !difference.is_empty()
}

struct Told<'a>(&'a Change);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        eprintln!("the change was {:?}", self.0);
    }
}

#[test]
fn a_review_announces_what_people_gain_and_lose_and_a_revert_leads_back() {
    let (made, drawn) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    with_seeds(0, COMPANIES, |seed| {
        drawn.set(drawn.get() + 1);
        made.set(made.get() + u64::from(check(seed)));
    });
    let (made, drawn) = (made.get(), drawn.get());
    assert!(made >= drawn / 3, "only {made} of {drawn} changes");
}
