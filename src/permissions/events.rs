//! What the audit log says of a change.

use std::collections::HashMap;

use super::change::{Around, Change, dependents, label_of};
use super::model::{Facts, LayoutFact, LayoutField, ProfileFact, Rights, RoleFact, SharingRule};
use super::objects::Object;
use super::setup::{Differences, yes_no};
use super::{organization_wide, sharing_rules};
use crate::audit::{Change as Changed, Event};
use crate::db::types::{LayoutId, MemberId, ProfileId, RoleId};

/// The entry; nothing for an assignment that only takes Administrator away, which has an entry of its own.
pub(super) fn of(
    change: &Change,
    before: &Facts,
    after: &Facts,
    around: &Around,
    people: &HashMap<MemberId, String>,
) -> Option<Event> {
    Some(match change {
        Change::AddRole { name, reports_to } => {
            let mut changes = Differences::default();
            changes.compare("Reports to", "", &role_name(before, *reports_to));
            Event::RoleAdded {
                role: name.to_string(),
                changes: changes.list(),
            }
        }
        Change::ChangeRole { role, .. } => {
            let (was, is) = (role_of(before, *role)?, role_of(after, *role)?);
            let mut changes = Differences::default();
            changes.compare("Name", &was.name, &is.name).compare(
                "Reports to",
                &role_name(before, was.parent),
                &role_name(before, is.parent),
            );
            Event::RoleChanged {
                role: was.name.clone(),
                changes: changes.list(),
            }
        }
        Change::DeleteRole { role, replacement } => {
            let name = role_name(before, Some(*role));
            let other = replacement.map(|other| role_name(before, Some(other)));
            let dependents = dependents(before, around, *role);
            let mut changes = Differences::default();
            for (what, count) in [
                ("Members", dependents.members),
                ("Open invitations", dependents.invitations),
                ("Roles below", dependents.children),
                ("Sharing rules", dependents.rules),
            ] {
                if let (Some(other), true) = (&other, count > 0) {
                    changes.compare(
                        what,
                        &format!("{count} of {name}"),
                        &format!("{count} of {other}"),
                    );
                }
            }
            Event::RoleDeleted {
                role: name,
                replacement: other,
                changes: changes.list(),
            }
        }
        Change::AssignRole { role, .. } => Event::RoleAssigned {
            role: role.map(|role| role_name(before, Some(role))),
            changes: assigned(before, after, people, "Role", |facts, member| {
                role_name(facts, member.0)
            }),
        },
        Change::AddProfile { name, clone_of, .. } => {
            let profile = after.profiles.last()?;
            let mut changes = Differences::default();
            for object in Object::ALL {
                let (rights, layout) = cell(after, profile, object);
                changes.compare(object.plural(), "", &format!("{rights}; layout {layout}"));
            }
            Event::ProfileAdded {
                profile: name.to_string(),
                copy_of: clone_of.map(|other| profile_name(before, Some(other))),
                changes: changes.list(),
            }
        }
        Change::ChangeProfile { profile, .. } => {
            let (was, is) = (profile_of(before, *profile)?, profile_of(after, *profile)?);
            Event::ProfileChanged {
                profile: was.name.clone(),
                changes: profile_differences(before, after, was, is).list(),
            }
        }
        Change::DeleteProfile { profile, .. } => {
            let name = profile_name(before, Some(*profile));
            let heir = change.heir_of_profile(before, *profile);
            let other = profile_name(before, heir);
            let held = before.members.iter();
            let moved = held.filter(|m| m.profile == Some(*profile)).count();
            let mut changes = Differences::default();
            if moved > 0 {
                changes.compare(
                    "Members",
                    &format!("{moved} of {name}"),
                    &format!("{moved} of {other}"),
                );
            }
            Event::ProfileDeleted {
                profile: name,
                replacement: other,
                changes: changes.list(),
            }
        }
        Change::AssignProfile { profile, .. } => {
            let changes = assigned(before, after, people, "Profile", |facts, member| {
                profile_name(facts, member.1)
            });
            if changes.is_empty() {
                return None;
            }
            Event::ProfileAssigned {
                profile: profile_name(before, Some(*profile)),
                changes,
            }
        }
        Change::AddRule { wanted } => Event::SharingRuleAdded {
            rule: wanted.name.to_string(),
            changes: rule_differences(before, None, after.rules.last()).list(),
        },
        Change::ChangeRule { rule, .. } => {
            let find = |facts: &Facts| facts.rules.iter().find(|r| r.id == *rule).cloned();
            let (was, is) = (find(before)?, find(after)?);
            Event::SharingRuleChanged {
                rule: was.name.clone(),
                changes: rule_differences(before, Some(&was), Some(&is)).list(),
            }
        }
        Change::DeleteRule { rule } => {
            let was = before.rules.iter().find(|r| r.id == *rule)?;
            Event::SharingRuleDeleted {
                rule: was.name.clone(),
                changes: rule_differences(before, Some(was), None).list(),
            }
        }
        Change::SetSharing { .. } => Event::OrganizationWideSharingChanged {
            changes: sharing_differences(before, after).list(),
        },
        Change::AddLayout { object, name, .. } => {
            let layout = after.layouts.last()?;
            let same =
                |other: &&LayoutFact| other.object == *object && other.fields == layout.fields;
            let origin = before.layouts.iter().find(same);
            Event::LayoutAdded {
                layout: name.to_string(),
                object: object.plural().to_owned(),
                copy_of: origin.map_or_else(String::new, |origin| origin.name.clone()),
            }
        }
        Change::ChangeLayout { layout, .. } => {
            let (was, is) = (layout_of(before, *layout)?, layout_of(after, *layout)?);
            Event::LayoutChanged {
                layout: was.name.clone(),
                object: was.object.plural().to_owned(),
                changes: layout_differences(before, was, is).list(),
            }
        }
        Change::DeleteLayout {
            layout,
            replacement,
        } => {
            let was = layout_of(before, *layout)?;
            let cells = before.profiles.iter().flat_map(|p| &p.objects);
            let used = cells.filter(|cell| cell.layout == Some(*layout)).count();
            let other = replacement.filter(|_| used > 0);
            let other = other.and_then(|other| layout_of(before, other));
            let mut changes = Differences::default();
            if let Some(other) = other {
                changes.compare(
                    "Profiles",
                    &format!("{used} use {}", was.name),
                    &format!("{used} use {}", other.name),
                );
            }
            Event::LayoutDeleted {
                layout: was.name.clone(),
                object: was.object.plural().to_owned(),
                replacement: other.map(|other| other.name.clone()),
                changes: changes.list(),
            }
        }
        Change::Revert {
            number, sentence, ..
        } => Event::ChangeReverted {
            number: *number,
            sentence: sentence.clone(),
            changes: everything(before, after, people),
        },
    })
}

/// Everything that differs, value by value: for the audit log and for Review change.
pub(super) fn everything(
    before: &Facts,
    after: &Facts,
    people: &HashMap<MemberId, String>,
) -> Vec<Changed> {
    let mut all = Differences::default();
    for role in &after.roles {
        let was = role_of(before, role.id);
        let name = was.map_or("", |was| was.name.as_str());
        let above = was.map_or_else(String::new, |was| role_name(before, was.parent));
        all.compare("Role", name, &role.name).compare(
            format!("{} reports to", role.name),
            &above,
            &role_name(after, role.parent),
        );
    }
    for role in gone(&before.roles, |role| role_of(after, role.id).is_some()) {
        all.compare("Role", &role.name, "");
    }
    for profile in &after.profiles {
        match profile_of(before, profile.id) {
            Some(was) => all.extend(profile_differences(before, after, was, profile)),
            None => {
                all.compare("Profile", "", &profile.name);
                for object in Object::ALL {
                    let (rights, layout) = cell(after, profile, object);
                    all.compare(object.plural(), "", &format!("{rights}; layout {layout}"));
                }
            }
        }
    }
    for profile in gone(&before.profiles, |p| profile_of(after, p.id).is_some()) {
        all.compare("Profile", &profile.name, "");
    }
    for layout in &after.layouts {
        match layout_of(before, layout.id) {
            Some(was) => all.extend(layout_differences(before, was, layout)),
            None => {
                all.compare("Page layout", "", &layout.name).compare(
                    "Fields",
                    "",
                    &labels(after, layout),
                );
            }
        }
    }
    for layout in gone(&before.layouts, |l| layout_of(after, l.id).is_some()) {
        all.compare("Page layout", &layout.name, "");
    }
    for rule in &after.rules {
        let was = before.rules.iter().find(|was| was.id == rule.id);
        if was != Some(rule) {
            // A role that is deleted with the change has a name only before it.
            all.extend(two_sided(before, after, was, Some(rule)));
        }
    }
    for rule in gone(&before.rules, |r| after.rules.iter().any(|o| o.id == r.id)) {
        all.compare("Sharing rule", &rule.name, "");
    }
    all.extend(sharing_differences(before, after));
    let mut all = all.list();
    all.extend(assigned(before, after, people, "Role", |facts, member| {
        role_name(facts, member.0)
    }));
    all.extend(assigned(
        before,
        after,
        people,
        "Profile",
        |facts, member| profile_name(facts, member.1),
    ));
    all.extend(assigned(before, after, people, "Administrator", |_, m| {
        yes_no(m.2).to_owned()
    }));
    all
}

fn gone<T>(before: &[T], stays: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
    before.iter().filter(move |fact| !stays(fact))
}

/// "Role of Ada Lind" for each member of whom it differs, by name.
fn assigned(
    before: &Facts,
    after: &Facts,
    people: &HashMap<MemberId, String>,
    what: &str,
    value: impl Fn(&Facts, (Option<RoleId>, Option<ProfileId>, bool)) -> String,
) -> Vec<Changed> {
    let both = before.members.iter().zip(&after.members);
    let mut moved: Vec<(&str, Changed)> = both
        .filter_map(|(was, is)| {
            let name = people.get(&was.id)?;
            let before = value(before, (was.role, was.profile, was.administrator));
            let now = value(after, (is.role, is.profile, is.administrator));
            let what = format!("{what} of {name}");
            (before != now).then(|| (name.as_str(), Changed::new(what, &before, &now)))
        })
        .collect();
    moved.sort_by_key(|(name, _)| name.to_lowercase());
    moved.into_iter().map(|(_, changed)| changed).collect()
}

fn role_of(facts: &Facts, id: RoleId) -> Option<&RoleFact> {
    facts.roles.iter().find(|role| role.id == id)
}

/// "None" for no role.
fn role_name(facts: &Facts, role: Option<RoleId>) -> String {
    match role {
        Some(role) => role_of(facts, role).map_or_else(String::new, |role| role.name.clone()),
        None => "None".to_owned(),
    }
}

fn profile_of(facts: &Facts, id: ProfileId) -> Option<&ProfileFact> {
    facts.profiles.iter().find(|profile| profile.id == id)
}

fn profile_name(facts: &Facts, profile: Option<ProfileId>) -> String {
    let found = profile.and_then(|profile| profile_of(facts, profile));
    found.map_or_else(|| "None".to_owned(), |profile| profile.name.clone())
}

fn layout_of(facts: &Facts, id: LayoutId) -> Option<&LayoutFact> {
    facts.layouts.iter().find(|layout| layout.id == id)
}

/// Ticks and layout of an object.
fn cell<'f>(facts: &'f Facts, profile: &ProfileFact, object: Object) -> (String, &'f str) {
    let cell = profile.objects[object.index()];
    let layout = cell.layout.and_then(|layout| layout_of(facts, layout));
    (
        words(cell.rights),
        layout.map_or("", |layout| layout.name.as_str()),
    )
}

/// "Read, Create", as the matrix shows it; "None".
pub(super) fn words(rights: Rights) -> String {
    let held: Vec<&str> = Rights::EACH
        .iter()
        .filter(|(right, _)| rights.has(*right))
        .map(|(_, label)| *label)
        .collect();
    match held.as_slice() {
        [] => "None".into(),
        some => some.join(", "),
    }
}

fn profile_differences(
    before: &Facts,
    after: &Facts,
    was: &ProfileFact,
    is: &ProfileFact,
) -> Differences {
    let mut changes = Differences::default();
    changes.compare("Name", &was.name, &is.name);
    for object in Object::ALL {
        let ((had, by), (has, now_by)) = (cell(before, was, object), cell(after, is, object));
        let plural = object.plural();
        changes
            .compare(plural, &had, &has)
            .compare(format!("Layout of {plural}"), by, now_by);
    }
    changes
}

fn sharing_differences(before: &Facts, after: &Facts) -> Differences {
    let mut changes = Differences::default();
    for object in Object::ALL {
        let level = |facts: &Facts| organization_wide::label(facts.sharing[object.index()]);
        changes.compare(object.plural(), level(before), level(after));
    }
    changes
}

fn labels(facts: &Facts, layout: &LayoutFact) -> String {
    let fields = layout.fields.iter();
    let labels = fields.filter_map(|field| label_of(facts, layout.object, &field.key));
    labels.collect::<Vec<_>>().join(", ")
}

fn layout_differences(facts: &Facts, was: &LayoutFact, is: &LayoutFact) -> Differences {
    let mut changes = Differences::default();
    changes.compare("Name", &was.name, &is.name).compare(
        "Fields",
        &labels(facts, was),
        &labels(facts, is),
    );
    for field in &is.fields {
        let same = |other: &&LayoutField| other.key == field.key;
        let Some(former) = was.fields.iter().find(same) else {
            continue;
        };
        let Some(label) = label_of(facts, is.object, &field.key) else {
            continue;
        };
        changes
            .compare(
                format!("Section of {label}"),
                &former.section,
                &field.section,
            )
            .compare(
                format!("{label} is read-only"),
                yes_no(former.read_only),
                yes_no(field.read_only),
            )
            .compare(
                format!("{label} is required"),
                yes_no(former.required),
                yes_no(field.required),
            );
    }
    changes
}

fn rule_differences(
    facts: &Facts,
    before: Option<&SharingRule>,
    after: Option<&SharingRule>,
) -> Differences {
    two_sided(facts, facts, before, after)
}

fn two_sided(
    facts: &Facts,
    facts_after: &Facts,
    before: Option<&SharingRule>,
    after: Option<&SharingRule>,
) -> Differences {
    let mut sides = [const { [const { String::new() }; 7] }; 2];
    for ((side, rule), facts) in sides
        .iter_mut()
        .zip([before, after])
        .zip([facts, facts_after])
    {
        let Some(rule) = rule else { continue };
        let role = |role, below| {
            let name = role_name(facts, Some(role));
            if below {
                format!("{name} and below")
            } else {
                name
            }
        };
        *side = [
            rule.name.clone(),
            rule.object.map_or("All objects", Object::plural).to_owned(),
            role(rule.source, rule.source_below),
            role(rule.target, rule.target_below),
            sharing_rules::label(rule.level).to_owned(),
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
    changes
}
