//! What would allow somebody what is refused: the smallest single changes, each tried on the rules before it is named.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::census::Census;
use super::change::{Around, Change};
use super::decide::{Action, People, Reach, Verdict};
use super::difference::Held;
use super::explain::{Asked, State};
use super::model::{Level, Rights, Rules};
use super::objects::Object;
use super::sharing_rules::Wanted;
use crate::credentials::names::SettingName;
use crate::db::types::{RoleId, Slot, Timestamp};

/// How many are named.
const NAMED: usize = 3;

/// Pairs of records and groups that are looked at to count records; beyond that all records are named as the most.
const LOOKED_AT: usize = 4_000_000;

/// One way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Assigning the record to the member.
    Assign,
    /// Giving the member the Export permission.
    Export,
    /// A change of the rules, to be reviewed.
    Change(Change),
}

/// A way and how far it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    pub way: Way,
    /// Members who gain anything, and records of which anybody does.
    pub members: u64,
    pub records: u64,
    /// There are too many to tell: no more than this.
    pub at_most: bool,
}

impl Measured {
    /// A way that concerns one member and one record.
    fn one(way: Way) -> Measured {
        Measured {
            way,
            members: 1,
            records: 1,
            at_most: false,
        }
    }
}

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    pub slot: Slot,
    pub asked: Asked,
    pub object: Object,
    pub people: People,
}

/// Up to three ways to allow what is refused, those that concern the fewest members and records first. Each really would.
pub fn ways(
    rules: &Rules,
    around: &Around,
    question: Question,
    census: &Census,
    now: Timestamp,
) -> Vec<Measured> {
    let Question {
        slot,
        asked,
        object,
        people,
    } = question;
    let found = rules.explain(slot, asked, object, people);
    if found.allowed || found.account == State::Blocked {
        return Vec::new();
    }
    let mut ways = Vec::new();
    if found.export == Some(State::Blocked) {
        ways.push(Measured::one(Way::Export));
        return ways;
    }
    // Without the permission no change of the rules is enough.
    if asked == Asked::Export && !rules.may_export(slot) {
        return ways;
    }
    if found.level == State::Blocked {
        ways.push(Measured::one(Way::Assign));
    }
    for change in candidates(rules, question) {
        if ways.len() >= NAMED {
            break;
        }
        let way = Way::Change(change.clone());
        if ways.iter().any(|other| other.way == way) {
            continue;
        }
        let Ok(after) = change.on(rules.facts(), around) else {
            continue;
        };
        let after = Rules::new(after, rules.version(), now);
        if after.can(slot, asked.action(), object, people) != Verdict::Allowed {
            continue;
        }
        let (members, (records, at_most)) = reach(rules, &after, object, census);
        ways.push(Measured {
            way,
            members,
            records,
            at_most,
        });
    }
    ways.sort_by_key(|way| (way.members, way.records));
    ways
}

/// Changes that may help, those that usually concern the fewest first.
fn candidates(rules: &Rules, question: Question) -> Vec<Change> {
    let Question {
        slot,
        asked,
        object,
        people,
    } = question;
    let facts = rules.facts();
    let Some(member) = rules.member(slot) else {
        return Vec::new();
    };
    let action = asked.action();
    let mut changes = Vec::new();
    // Rules that are there already: a higher level, turned on, without their end.
    for rule in &facts.rules {
        let useful = rule.level < action.level() || !rules.in_force(rule);
        if let (true, Ok(mut wanted)) = (useful, Wanted::of(rule)) {
            wanted.level = wanted.level.max(action.level());
            wanted.active = true;
            if !rules.in_force(rule) {
                wanted.ends_at = None;
            }
            if rules.opens(rule, slot, object, people) {
                let rule = rule.id;
                changes.push(Change::ChangeRule { rule, wanted });
            }
        }
    }
    // The right that is missing, or another profile that has it.
    let needed = Rights::READ.and(action.right());
    let mut others: Vec<_> = facts
        .profiles
        .iter()
        .filter(|profile| Some(profile.id) != member.profile)
        .filter(|profile| profile.objects[object.index()].rights.has(needed))
        .collect();
    others.sort_by_key(|profile| {
        let bits = profile.objects.iter().map(|o| o.rights.bits().count_ones());
        (bits.sum::<u32>(), profile.id)
    });
    let lacks = !rules.rights(slot, object).has(needed);
    let assign = others.first().map(|profile| Change::AssignProfile {
        members: vec![member.id],
        profile: profile.id,
    });
    if lacks {
        changes.extend(ticked(rules, slot, object, needed));
        changes.extend(assign);
    }
    // A new rule between the two roles.
    let owner = rules.member(people.owner()).and_then(|owner| owner.role);
    if let (Some(source), Some(target)) = (owner, member.role)
        && let Some(name) = free_name(rules, object, source, target)
    {
        changes.push(Change::AddRule {
            wanted: Wanted {
                name,
                object: Some(object),
                source,
                source_below: false,
                target,
                target_below: false,
                level: action.level(),
                active: true,
                ends_at: None,
            },
        });
    }
    // A role above the owner's, for somebody who has none.
    if let (Some(source), None) = (owner, member.role)
        && let Some(above) = rules.role(source).and_then(|role| role.parent)
    {
        changes.push(Change::AssignRole {
            members: vec![member.id],
            role: Some(above),
        });
    }
    let over_all = match action.level() {
        Level::Write => Rights::MODIFY_ALL,
        _ => Rights::READ_ALL,
    };
    changes.extend(ticked(rules, slot, object, needed.and(over_all)));
    let mut levels = facts.sharing;
    levels[object.index()] = levels[object.index()].max(action.level());
    changes.push(Change::SetSharing { levels });
    // Another profile that sees everything of the object.
    let wide = others.iter().find(|profile| {
        let rights = profile.objects[object.index()].rights;
        rights.has(over_all)
    });
    changes.extend(wide.map(|profile| Change::AssignProfile {
        members: vec![member.id],
        profile: profile.id,
    }));
    changes
}

/// More ticks in the member's own profile.
fn ticked(rules: &Rules, slot: Slot, object: Object, more: Rights) -> Option<Change> {
    let profile = rules.member(slot).and_then(|m| rules.profile_of(m))?;
    let mut matrix = profile.objects;
    let cell = &mut matrix[object.index()];
    cell.rights = Rights::of_bits(cell.rights.and(more).bits());
    Some(Change::ChangeProfile {
        profile: profile.id,
        name: SettingName::parse(&profile.name).ok()?,
        matrix,
    })
}

/// "Leads of Sales Rep for Project Manager", with a number behind it where that is taken.
fn free_name(rules: &Rules, object: Object, source: RoleId, target: RoleId) -> Option<SettingName> {
    let plural = object.plural();
    let long = format!(
        "{plural} of {} for {}",
        rules.role(source)?.name,
        rules.role(target)?.name
    );
    let short = format!("{plural} for one more role");
    let base = SettingName::parse(&long).or_else(|_| SettingName::parse(&short));
    let base = base.ok()?;
    let taken = |name: &SettingName| {
        let mut rules = rules.facts().rules.iter();
        rules.any(|rule| rule.name == name.as_str())
    };
    if !taken(&base) {
        return Some(base);
    }
    (2..100)
        .filter_map(|n| SettingName::parse(&format!("{plural} for one more role {n}")).ok())
        .find(|name| !taken(name))
}

/// Members who may do more with an object after a change, and records of which anybody may.
fn reach(before: &Rules, after: &Rules, object: Object, census: &Census) -> (u64, (u64, bool)) {
    let mut groups: BTreeMap<(Held, Held), Vec<Slot>> = BTreeMap::new();
    for (was, is) in before.facts().members.iter().zip(&after.facts().members) {
        if is.active {
            let both = (Held::by(was), Held::by(is));
            groups.entry(both).or_default().push(is.slot);
        }
    }
    // What a group gains: what it reaches, but not what it reached.
    let mut gains: Vec<(Reach, Reach)> = Vec::new();
    let mut members = 0;
    for slots in groups.values() {
        let mut any = false;
        for action in Action::ALL {
            let of = |rules: &Rules| {
                if !rules.rights(slots[0], object).has(action.right()) {
                    return Reach::Nothing;
                }
                rules.reach_apart(slots[0], object, action.level())
            };
            let (mut was, mut is) = (of(before), of(after));
            // The records of the only member of a group are nothing new to them; those of one of several are, to the
            // others.
            if slots.len() == 1 || matches!(was, Reach::Nothing) {
                with_own(&mut was, slots);
                with_own(&mut is, slots);
            }
            if more(&was, &is) {
                any = true;
                gains.push((was, is));
            }
        }
        if any {
            members += u64::try_from(slots.len()).unwrap_or(0);
        }
    }
    (members, records(&gains, census))
}

fn with_own(reach: &mut Reach, slots: &[Slot]) {
    if let Reach::Of(some) = reach {
        let some = Arc::make_mut(some);
        slots.iter().for_each(|slot| some.insert(*slot));
    }
}

/// True when something is reached that was not.
fn more(was: &Reach, is: &Reach) -> bool {
    match (was, is) {
        (_, Reach::Nothing) | (Reach::Everything, _) => false,
        (Reach::Of(was), Reach::Of(is)) => is.iter().any(|slot| !was.contains(slot)),
        _ => true,
    }
}

/// Records that any of them gains, and whether they were too many to count.
fn records(gains: &[(Reach, Reach)], census: &Census) -> (u64, bool) {
    let everything =
        |(was, is): &&(Reach, Reach)| matches!((was, is), (Reach::Nothing, Reach::Everything));
    if gains.iter().any(|gain| everything(&gain)) {
        return (census.total(), false);
    }
    let mut looked = 0;
    let mut sum = 0;
    for ((owner, creator), count) in census.pairs() {
        for (was, is) in gains {
            looked += 1;
            if is.admits_pair(creator, owner) && !was.admits_pair(creator, owner) {
                sum += count;
                break;
            }
        }
        if looked > LOOKED_AT {
            return (census.total(), true);
        }
    }
    (sum, false)
}
