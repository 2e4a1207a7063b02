//! What is worth a look in the rules of an account: nothing here is wrong, but somebody may have meant something else.

use std::collections::HashSet;

use super::census::Censuses;
use super::model::{LayoutFact, LayoutField, Rights, Rules, SharingRule};
use super::objects::Object;
use crate::db::types::{LayoutId, MemberId, RoleId, SharingRuleId, Slot, Timestamp};

/// How long before its end a rule is named.
const SOON: time::Duration = time::Duration::days(14);

/// Why a sharing rule opens nothing to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    Ended,
    /// No member, not even a removed one, holds a role whose records it opens.
    NoSource,
    /// No active member holds a role that it opens them to.
    NoTarget,
    /// Nobody it opens them to may read the object.
    NoRight,
    /// Organization-wide sharing opens as much to everybody.
    Public,
    /// Everybody it opens them to stands above everybody whose records they are.
    Above,
}

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    Idle(SharingRuleId, Idle),
    /// The first opens nothing that the second does not open to the same people.
    Overlap(SharingRuleId, SharingRuleId),
    EndsSoon(SharingRuleId, Timestamp),
    /// No active member holds the role.
    EmptyRole(RoleId),
    /// An active member without a role, and how many records they own or made: nobody sees these through the hierarchy.
    NoRole(MemberId, Slot, u64),
    /// A layout that lacks a field, or does not let it be filled in, which the other one requires.
    HidesRequired {
        layout: LayoutId,
        field: String,
        required_by: LayoutId,
    },
}

/// Everything worth a look, kind by kind.
pub fn lint(rules: &Rules, censuses: &Censuses, now: Timestamp) -> Vec<Finding> {
    let facts = rules.facts();
    let mut findings = Vec::new();
    for rule in facts.rules.iter().filter(|rule| rule.active) {
        if let Some(why) = idle(rules, rule) {
            findings.push(Finding::Idle(rule.id, why));
        }
    }
    for rule in facts.rules.iter().filter(|rule| rules.in_force(rule)) {
        let wider = facts.rules.iter().find(|other| covers(rules, other, rule));
        findings.extend(wider.map(|wider| Finding::Overlap(rule.id, wider.id)));
    }
    for rule in facts.rules.iter().filter(|rule| rules.in_force(rule)) {
        if let Some(end) = rule.ends_at.filter(|end| *end - now <= SOON) {
            findings.push(Finding::EndsSoon(rule.id, end));
        }
    }
    let active = facts.members.iter().filter(|member| member.active);
    let held: HashSet<RoleId> = active.clone().filter_map(|member| member.role).collect();
    let empty = rules.tree().filter(|(role, _)| !held.contains(&role.id));
    findings.extend(empty.map(|(role, _)| Finding::EmptyRole(role.id)));
    let mut alone: Vec<(u64, MemberId, Slot)> = active
        .filter(|member| member.role.is_none())
        .filter_map(|member| {
            let own = censuses.iter().flat_map(|census| census.of(member.slot));
            let count: u64 = own.map(|(_, count)| count).sum();
            (count > 0).then_some((count, member.id, member.slot))
        })
        .collect();
    alone.sort_by_key(|(count, id, _)| (std::cmp::Reverse(*count), *id));
    findings.extend(
        alone
            .into_iter()
            .map(|(count, id, slot)| Finding::NoRole(id, slot, count)),
    );
    findings.extend(hidden(rules));
    findings
}

fn objects(rule: &SharingRule) -> impl Iterator<Item = Object> {
    let of = rule.object;
    Object::ALL
        .into_iter()
        .filter(move |object| of.is_none_or(|of| of == *object))
}

fn idle(rules: &Rules, rule: &SharingRule) -> Option<Idle> {
    if !rules.in_force(rule) {
        return Some(Idle::Ended);
    }
    let sources = rules.range(rule.source, rule.source_below)?;
    let targets = rules.range(rule.target, rule.target_below)?;
    if rules.holders_in(&sources).is_empty() {
        return Some(Idle::NoSource);
    }
    let readers: Vec<Slot> = rules
        .holders_in(&targets)
        .iter()
        .copied()
        .filter(|slot| rules.member(*slot).is_some_and(|member| member.active))
        .filter(|slot| !rules.is_administrator(*slot))
        .collect();
    if readers.is_empty() {
        return Some(Idle::NoTarget);
    }
    let reads = |object| {
        let mut readers = readers.iter();
        readers.any(|slot| rules.rights(*slot, object).has(Rights::READ))
    };
    if !objects(rule).any(reads) {
        return Some(Idle::NoRight);
    }
    let public = |object: Object| rules.facts().sharing[object.index()] >= rule.level;
    if objects(rule).filter(|object| reads(*object)).all(public) {
        return Some(Idle::Public);
    }
    let above = targets.clone().all(|target| {
        sources
            .clone()
            .all(|source| rules.place_below(source, target))
    });
    above.then_some(Idle::Above)
}

/// True when a rule in force opens everything that another opens, to the same people. Of two that say the same the older
/// one counts.
fn covers(rules: &Rules, wide: &SharingRule, narrow: &SharingRule) -> bool {
    if wide.id == narrow.id || !rules.in_force(wide) || wide.level < narrow.level {
        return false;
    }
    let whole = |one: Option<Object>, other| one.is_none() || one == other;
    if !whole(wide.object, narrow.object) {
        return false;
    }
    let lasts = |end: Option<Timestamp>| end.map_or(i64::MAX, |end| end.0);
    if lasts(wide.ends_at) < lasts(narrow.ends_at) {
        return false;
    }
    let ranges = |rule: &SharingRule| {
        let source = rules.range(rule.source, rule.source_below)?;
        let target = rules.range(rule.target, rule.target_below)?;
        Some((source, target))
    };
    let (Some(outer), Some(inner)) = (ranges(wide), ranges(narrow)) else {
        return false;
    };
    let within = |outer: &std::ops::Range<usize>, inner: &std::ops::Range<usize>| {
        outer.start <= inner.start && inner.end <= outer.end
    };
    let same = outer == inner
        && wide.object == narrow.object
        && wide.level == narrow.level
        && wide.ends_at == narrow.ends_at;
    within(&outer.0, &inner.0) && within(&outer.1, &inner.1) && (!same || wide.id < narrow.id)
}

fn hidden(rules: &Rules) -> Vec<Finding> {
    let facts = rules.facts();
    let cells = facts.profiles.iter().flat_map(|profile| &profile.objects);
    let used: HashSet<LayoutId> = cells.filter_map(|cell| cell.layout).collect();
    let mut findings = Vec::new();
    for layout in facts.layouts.iter().filter(|l| used.contains(&l.id)) {
        let others = |other: &&LayoutFact| other.object == layout.object && other.id != layout.id;
        let mut seen: HashSet<&str> = HashSet::new();
        for other in facts.layouts.iter().filter(others) {
            for field in other.fields.iter().filter(|field| field.required) {
                let shown = rules.field(layout.object, &field.key);
                let Some(shown) = shown.filter(|shown| !shown.field().is_name()) else {
                    continue;
                };
                let filled_in = |on: &LayoutField| on.key == field.key && !on.read_only;
                if !layout.fields.iter().any(filled_in) && seen.insert(&field.key) {
                    findings.push(Finding::HidesRequired {
                        layout: layout.id,
                        field: shown.label().to_owned(),
                        required_by: other.id,
                    });
                }
            }
        }
    }
    findings
}
