//! Sharing rules after a change.

use super::super::difference::NEW;
use super::super::model::{Facts, Level, SharingRule};
use super::super::sharing_rules::Wanted;
use super::{Around, roles, taken};
use crate::db::types::{SharingRuleId, Timestamp};
use crate::{Error, Result};

pub(super) fn add(facts: &mut Facts, around: &Around, wanted: &Wanted) -> Result<()> {
    check(facts, around, wanted, None, None)?;
    facts.rules.push(wanted.rule(SharingRuleId(NEW)));
    Ok(())
}

pub(super) fn change(
    facts: &mut Facts,
    around: &Around,
    rule: SharingRuleId,
    wanted: &Wanted,
) -> Result<()> {
    let (former, new) = (of(facts, rule)?, wanted.rule(rule));
    if *former == new {
        return Ok(());
    }
    check(facts, around, wanted, Some(rule), former.ends_at)?;
    for fact in facts.rules.iter_mut().filter(|fact| fact.id == rule) {
        *fact = new.clone();
    }
    Ok(())
}

pub(super) fn delete(facts: &mut Facts, rule: SharingRuleId) -> Result<()> {
    of(facts, rule)?;
    facts.rules.retain(|fact| fact.id != rule);
    Ok(())
}

pub(super) fn of(facts: &Facts, rule: SharingRuleId) -> Result<&SharingRule> {
    let found = facts.rules.iter().find(|fact| fact.id == rule);
    found.ok_or(Error::NotFound)
}

fn check(
    facts: &Facts,
    around: &Around,
    wanted: &Wanted,
    but: Option<SharingRuleId>,
    former_end: Option<Timestamp>,
) -> Result<()> {
    roles::exists(facts, Some(wanted.source))?;
    roles::exists(facts, Some(wanted.target))?;
    if wanted.level == Level::None {
        return Err(Error::refused("Choose Read Only or Read/Write."));
    }
    if let Some(end) = wanted.ends_at
        && end <= around.now
        && wanted.ends_at != former_end
    {
        return Err(Error::refused("Choose an end date that is still to come."));
    }
    let mut others = facts.rules.iter().filter(|fact| Some(fact.id) != but);
    if others.any(|fact| fact.name == wanted.name.as_str()) {
        return Err(taken("sharing rule", &wanted.name));
    }
    Ok(())
}
