//! Sharing rules: records of one role, opened to another.

use diesel::prelude::*;

use super::model::Level;
use super::objects::Object;
use super::setup::{Differences, Setup, taken, yes_no};
use crate::access::Proof;
use crate::audit::{Change, Event};
use crate::credentials::names::SettingName;
use crate::db::types::{AccountId, RoleId, SharingRuleId, Timestamp};
use crate::schema::sharing_rules as rules;
use crate::{Error, Result};

/// What a sharing rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Adds a rule.
pub fn add<P: Proof>(setup: &mut Setup<P>, wanted: &Wanted) -> Result<SharingRuleId> {
    check(setup, wanted, None)?;
    let account = setup.account();
    let id = diesel::insert_into(rules::table)
        .values((rules::account_id.eq(account), columns(wanted)))
        .returning(rules::id)
        .get_result(setup.conn())
        .map_err(taken("sharing rule", &wanted.name))?;
    let changes = differences(setup, None, Some(wanted))?;
    setup.record(&Event::SharingRuleAdded {
        rule: wanted.name.to_string(),
        changes,
    })?;
    Ok(id)
}

/// Makes a rule say this. False when it says so already.
pub fn change<P: Proof>(
    setup: &mut Setup<P>,
    rule: SharingRuleId,
    wanted: &Wanted,
) -> Result<bool> {
    let former = find(setup, rule)?;
    if former == *wanted {
        return Ok(false);
    }
    check(setup, wanted, former.ends_at)?;
    let account = setup.account();
    diesel::update(row(account, rule))
        .set(columns(wanted))
        .execute(setup.conn())
        .map_err(taken("sharing rule", &wanted.name))?;
    let changes = differences(setup, Some(&former), Some(wanted))?;
    setup.record(&Event::SharingRuleChanged {
        rule: former.name.to_string(),
        changes,
    })?;
    Ok(true)
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
    let former = find(setup, rule)?;
    let changes = differences(setup, Some(&former), None)?;
    let account = setup.account();
    diesel::delete(row(account, rule)).execute(setup.conn())?;
    setup.record(&Event::SharingRuleDeleted {
        rule: former.name.to_string(),
        changes,
    })
}

/// What a rule says now.
pub fn find<P: Proof>(setup: &mut Setup<P>, rule: SharingRuleId) -> Result<Wanted> {
    type Row = (
        (String, Option<i16>),
        (RoleId, bool, RoleId, bool),
        (i16, bool, Option<Timestamp>),
    );
    let account = setup.account();
    let found: Option<Row> = row(account, rule)
        .select((
            (rules::name, rules::object),
            (
                rules::source_role_id,
                rules::source_below,
                rules::target_role_id,
                rules::target_below,
            ),
            (rules::level, rules::active, rules::ends_at),
        ))
        .first(setup.conn())
        .optional()?;
    let ((name, object), roles, (level, active, ends_at)) = found.ok_or(Error::NotFound)?;
    Ok(Wanted {
        name: SettingName::parse(&name).map_err(Error::internal)?,
        object: match object {
            Some(number) => Some(Object::numbered(number).ok_or(Error::NotFound)?),
            None => None,
        },
        source: roles.0,
        source_below: roles.1,
        target: roles.2,
        target_below: roles.3,
        level: Level::numbered(level),
        active,
        ends_at,
    })
}

#[diesel::dsl::auto_type(no_type_alias)]
fn row(account: AccountId, rule: SharingRuleId) -> _ {
    rules::table
        .filter(rules::account_id.eq(account))
        .filter(rules::id.eq(rule))
}

#[diesel::dsl::auto_type(no_type_alias)]
fn columns<'w>(wanted: &'w Wanted) -> _ {
    let name: &'w str = wanted.name.as_str();
    let object: Option<i16> = wanted.object.map(Object::number);
    let (source, target): (RoleId, RoleId) = (wanted.source, wanted.target);
    let (source_below, target_below): (bool, bool) = (wanted.source_below, wanted.target_below);
    let level: i16 = wanted.level.number();
    let active: bool = wanted.active;
    let ends_at: Option<Timestamp> = wanted.ends_at;
    (
        rules::name.eq(name),
        rules::object.eq(object),
        rules::source_role_id.eq(source),
        rules::source_below.eq(source_below),
        rules::target_role_id.eq(target),
        rules::target_below.eq(target_below),
        rules::level.eq(level),
        rules::active.eq(active),
        rules::ends_at.eq(ends_at),
    )
}

fn check<P: Proof>(
    setup: &mut Setup<P>,
    wanted: &Wanted,
    former_end: Option<Timestamp>,
) -> Result<()> {
    setup.role_name(Some(wanted.source))?;
    setup.role_name(Some(wanted.target))?;
    if wanted.level == Level::None {
        return Err(Error::refused("Choose Read Only or Read/Write."));
    }
    let now = setup.now();
    match wanted.ends_at {
        Some(end) if end <= now && wanted.ends_at != former_end => {
            Err(Error::refused("Choose an end date that is still to come."))
        }
        _ => Ok(()),
    }
}

/// As pages call the level of a rule.
pub fn label(level: Level) -> &'static str {
    match level {
        Level::None => "None",
        Level::Read => "Read Only",
        Level::Write => "Read/Write",
    }
}

fn differences<P: Proof>(
    setup: &mut Setup<P>,
    before: Option<&Wanted>,
    after: Option<&Wanted>,
) -> Result<Vec<Change>> {
    let mut sides = [const { [const { String::new() }; 7] }; 2];
    for (side, rule) in sides.iter_mut().zip([before, after]) {
        let Some(rule) = rule else { continue };
        let mut role = |role, below| -> Result<String> {
            let name = setup.role_name(Some(role))?;
            Ok(if below {
                format!("{name} and below")
            } else {
                name
            })
        };
        *side = [
            rule.name.to_string(),
            rule.object.map_or("All objects", Object::plural).to_owned(),
            role(rule.source, rule.source_below)?,
            role(rule.target, rule.target_below)?,
            label(rule.level).to_owned(),
            yes_no(rule.active).to_owned(),
            rule.ends_at
                .map_or_else(|| "Never".into(), crate::web::times::iso),
        ];
    }
    let mut changes = Differences::default();
    let what = [
        "Name",
        "Records",
        "Records of",
        "Shared with",
        "Level",
        "Active",
        "Ends",
    ];
    for ((what, before), after) in what.into_iter().zip(&sides[0]).zip(&sides[1]) {
        changes.compare(what, before, after);
    }
    Ok(changes.list())
}
