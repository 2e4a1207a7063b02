//! Changes and rules as sentences.

use std::collections::HashMap;

use super::super::model::{Facts, Level, SharingRule};
use super::super::objects::Object;
use super::super::organization_wide;
use super::{Change, layouts, profiles, roles, sharing};
use crate::credentials::names::SettingName;
use crate::db::types::{MemberId, RoleId};

/// Names that a sentence lists; with more people it counts them.
const NAMED: usize = 2;

/// "Leads of Sales Rep are visible to Project Manager".
pub fn rule_sentence(facts: &Facts, rule: &SharingRule) -> String {
    let objects = rule.object.map_or("Records", Object::plural);
    let may = match rule.level {
        Level::Write => "can be edited by",
        _ => "are visible to",
    };
    let side = |role, below| {
        let name = role_name(facts, role);
        if below {
            format!("{name} and below")
        } else {
            name
        }
    };
    format!(
        "{objects} of {} {may} {}",
        side(rule.source, rule.source_below),
        side(rule.target, rule.target_below)
    )
}

/// "a, b and c".
pub(in super::super) fn and(parts: &[String]) -> String {
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

impl Change {
    /// The members whose names [`Change::sentence`] wants.
    pub fn named(&self) -> &[MemberId] {
        match self {
            Change::AssignRole { members, .. } | Change::AssignProfile { members, .. }
                if members.len() <= NAMED =>
            {
                members
            }
            _ => &[],
        }
    }

    /// What the change says, in the present tense: "Regional Manager reports to Ops Director". `facts` are those
    /// before it.
    pub fn sentence(&self, facts: &Facts, names: &HashMap<MemberId, String>) -> String {
        let role = |id| role_name(facts, id);
        let profile =
            |id| profiles::of(facts, id).map_or_else(|_| String::new(), |p| p.name.clone());
        match self {
            Change::AddRole { name, reports_to } => match reports_to {
                Some(above) => format!("The role {name} is added below {}", role(*above)),
                None => format!("The role {name} is added at the top"),
            },
            Change::ChangeRole {
                role: id,
                name,
                reports_to,
            } => {
                let Ok(former) = roles::of(facts, *id) else {
                    return format!("The role {name} is changed");
                };
                let (was, moves) = (&former.name, former.parent != *reports_to);
                let place = match reports_to {
                    Some(above) => format!("reports to {}", role(*above)),
                    None => "stands at the top".to_owned(),
                };
                match (was == name.as_str(), moves) {
                    (true, _) => format!("{was} {place}"),
                    (false, false) => format!("The role {was} is renamed to {name}"),
                    (false, true) => format!("The role {was} is renamed to {name} and {place}"),
                }
            }
            Change::DeleteRole {
                role: id,
                replacement,
            } => gone(format!("The role {}", role(*id)), replacement.map(role)),
            Change::AssignRole { members, role: id } => {
                let (people, one) = people(members, names);
                match id {
                    Some(id) => {
                        let get = if one { "gets" } else { "get" };
                        format!("{people} {get} the role {}", role(*id))
                    }
                    None => {
                        let lose = if one { "has" } else { "have" };
                        format!("{people} {lose} no role")
                    }
                }
            }
            Change::AddProfile { name, clone_of, .. } => match clone_of {
                Some(other) => {
                    format!("The profile {name} is added, a copy of {}", profile(*other))
                }
                None => format!("The profile {name} is added"),
            },
            Change::ChangeProfile {
                profile: id, name, ..
            } => changed("profile", &profile(*id), name),
            Change::DeleteProfile {
                profile: id,
                replacement,
            } => {
                let other = replacement.or_else(|| profiles::standard(facts).ok());
                gone(format!("The profile {}", profile(*id)), other.map(profile))
            }
            Change::AssignProfile {
                members,
                profile: id,
            } => {
                let (people, one) = people(members, names);
                let get = if one { "gets" } else { "get" };
                format!("{people} {get} the profile {}", profile(*id))
            }
            Change::AddRule { wanted } => {
                let rule = wanted.rule(super::super::sharing_rules::new_id());
                let sentence = rule_sentence(facts, &rule);
                format!("The sharing rule {} is added: {sentence}", wanted.name)
            }
            Change::ChangeRule { rule, wanted } => {
                let Ok(former) = sharing::of(facts, *rule) else {
                    return format!("The sharing rule {} is changed", wanted.name);
                };
                let now = wanted.rule(*rule);
                let only_active = SharingRule {
                    active: now.active,
                    ..former.clone()
                };
                if only_active == now && former.active != now.active {
                    let turned = if now.active { "on" } else { "off" };
                    return format!("The sharing rule {} is turned {turned}", former.name);
                }
                let changed = changed("sharing rule", &former.name, &wanted.name);
                format!("{changed}: {}", rule_sentence(facts, &now))
            }
            Change::DeleteRule { rule } => match sharing::of(facts, *rule) {
                Ok(rule) => format!(
                    "The sharing rule {} is deleted: {}",
                    rule.name,
                    rule_sentence(facts, rule)
                ),
                Err(_) => "A sharing rule is deleted".to_owned(),
            },
            Change::SetSharing { levels } => {
                let changed: Vec<String> = Object::ALL
                    .into_iter()
                    .filter(|object| levels[object.index()] != facts.sharing[object.index()])
                    .map(|object| {
                        let level = organization_wide::label(levels[object.index()]);
                        format!("{} become {level}", object.plural())
                    })
                    .collect();
                and(&changed)
            }
            Change::AddLayout { object, name, .. } => {
                format!("The page layout {name} of {} is added", object.plural())
            }
            Change::ChangeLayout { layout, name, .. } => match layouts::of(facts, *layout) {
                Ok(former) => {
                    let what = format!("page layout of {}", former.object.plural());
                    changed(&what, &former.name, name)
                }
                Err(_) => format!("The page layout {name} is changed"),
            },
            Change::DeleteLayout {
                layout,
                replacement,
            } => {
                let name =
                    |id| layouts::of(facts, id).map_or_else(|_| String::new(), |l| l.name.clone());
                let object = layouts::of(facts, *layout).map_or("", |l| l.object.plural());
                gone(
                    format!("The page layout {} of {object}", name(*layout)),
                    replacement.map(name),
                )
            }
            Change::Revert {
                number, sentence, ..
            } => format!("Change {number} is reverted: {sentence}"),
        }
    }
}

fn role_name(facts: &Facts, role: RoleId) -> String {
    roles::of(facts, role).map_or_else(|_| String::new(), |role| role.name.clone())
}

fn changed(what: &str, was: &str, name: &SettingName) -> String {
    if was == name.as_str() {
        format!("The {what} {was} is changed")
    } else {
        format!("The {what} {was} is changed and renamed to {name}")
    }
}

fn gone(what: String, heir: Option<String>) -> String {
    match heir {
        Some(heir) => format!("{what} is deleted; {heir} replaces it"),
        None => format!("{what} is deleted"),
    }
}

/// Who, and whether it is one person.
fn people(members: &[MemberId], names: &HashMap<MemberId, String>) -> (String, bool) {
    let known: Vec<String> = members
        .iter()
        .filter_map(|id| names.get(id).cloned())
        .collect();
    let one = members.len() == 1;
    if known.len() == members.len() && known.len() <= NAMED {
        (and(&known), one)
    } else if one {
        ("1 member".to_owned(), true)
    } else {
        (format!("{} members", members.len()), false)
    }
}
