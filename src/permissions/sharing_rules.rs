//! Sharing rules: records of one role, opened to another.

use super::apply::apply;
use super::change::Change;
use super::difference::NEW;
use super::load;
use super::model::{Level, SharingRule};
use super::objects::Object;
use super::setup::Setup;
use crate::access::Proof;
use crate::credentials::names::SettingName;
use crate::db::types::{RoleId, SharingRuleId, Timestamp};
use crate::{Error, Result};

/// What a sharing rule says.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Wanted {
    pub name: SettingName,
    /// Nothing: every object.
    pub object: Option<Object>,
    /// Whose records.
    pub source: RoleId,
    /// With the records of every role below it.
    pub source_below: bool,
    /// Who sees them.
    pub target: RoleId,
    /// With every role below it.
    pub target_below: bool,
    /// Read or write.
    pub level: Level,
    pub active: bool,
    /// It holds until this instant.
    pub ends_at: Option<Timestamp>,
}

impl Wanted {
    /// As the rule with a number.
    pub(super) fn rule(&self, id: SharingRuleId) -> SharingRule {
        SharingRule {
            id,
            name: self.name.to_string(),
            object: self.object,
            source: self.source,
            source_below: self.source_below,
            target: self.target,
            target_below: self.target_below,
            level: self.level,
            active: self.active,
            ends_at: self.ends_at,
        }
    }

    /// What a rule says.
    pub fn of(rule: &SharingRule) -> Result<Wanted> {
        Ok(Wanted {
            name: SettingName::parse(&rule.name).map_err(Error::internal)?,
            object: rule.object,
            source: rule.source,
            source_below: rule.source_below,
            target: rule.target,
            target_below: rule.target_below,
            level: rule.level,
            active: rule.active,
            ends_at: rule.ends_at,
        })
    }
}

/// The number of a rule that is not written yet.
pub(super) fn new_id() -> SharingRuleId {
    SharingRuleId(NEW)
}

/// Adds a rule.
pub fn add<P: Proof>(setup: &mut Setup<P>, wanted: &Wanted) -> Result<SharingRuleId> {
    let wanted = wanted.clone();
    let applied = apply(setup, &Change::AddRule { wanted })?;
    let rule = applied.and_then(|applied| applied.placed.rule);
    rule.ok_or_else(|| Error::internal("a sharing rule without a number"))
}

/// Makes a rule say this. False when it says so already.
pub fn change<P: Proof>(
    setup: &mut Setup<P>,
    rule: SharingRuleId,
    wanted: &Wanted,
) -> Result<bool> {
    let wanted = wanted.clone();
    Ok(apply(setup, &Change::ChangeRule { rule, wanted })?.is_some())
}

/// Turns a rule on or off. False when it is so already.
pub fn set_active<P: Proof>(
    setup: &mut Setup<P>,
    rule: SharingRuleId,
    active: bool,
) -> Result<bool> {
    let former = find(setup, rule)?;
    change(setup, rule, &Wanted { active, ..former })
}

/// Deletes a rule.
pub fn delete<P: Proof>(setup: &mut Setup<P>, rule: SharingRuleId) -> Result<()> {
    apply(setup, &Change::DeleteRule { rule }).map(|_| ())
}

/// What a rule says now.
pub fn find<P: Proof>(setup: &mut Setup<P>, rule: SharingRuleId) -> Result<Wanted> {
    let account = setup.account();
    let all = load::rules_of(setup.conn(), account)?;
    let found = all.iter().find(|fact| fact.id == rule);
    Wanted::of(found.ok_or(Error::NotFound)?)
}

/// As pages call the level of a rule.
pub fn label(level: Level) -> &'static str {
    match level {
        Level::None => "None",
        Level::Read => "Read Only",
        Level::Write => "Read/Write",
    }
}
