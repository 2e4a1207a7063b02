//! System Settings > Permissions: the pages on which administrators set up roles, profiles, sharing and page layouts.
//!
//! No form here saves anything: each ends in [`propose`](super::review_pages::propose), which leads to Review change.

pub mod assign;
pub mod layout_forms;
pub mod layouts;
pub mod organization_wide;
mod picture;
pub mod profile_forms;
pub mod profiles;
pub mod role_forms;
pub mod roles;
pub mod rule_forms;
pub mod sharing_rules;
mod tree;

use std::collections::HashMap;
use std::sync::Arc;

use super::model::{ProfileFact, RoleFact, Rules};
use super::objects::Object;
use crate::access::{Can, ManagePermissions};
use crate::db::types::{LayoutId, ProfileId, RoleId};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

/// Where the tabs are.
pub const PATH: &str = "/settings/permissions";

/// A tab of Permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Roles,
    Profiles,
    SharingRules,
    OrganizationWide,
    Layouts,
    Fields,
    History,
    Lint,
}

impl Tab {
    /// In their order.
    pub const ALL: [Tab; 8] = [
        Tab::Roles,
        Tab::Profiles,
        Tab::SharingRules,
        Tab::OrganizationWide,
        Tab::Layouts,
        Tab::Fields,
        Tab::History,
        Tab::Lint,
    ];

    /// As guides call it.
    pub fn label(self) -> &'static str {
        match self {
            Tab::Roles => "Roles",
            Tab::Profiles => "Profiles",
            Tab::SharingRules => "Sharing Rules",
            Tab::OrganizationWide => "Organization-Wide Sharing",
            Tab::Layouts => "Page Layouts",
            Tab::Fields => "Fields",
            Tab::History => "History",
            Tab::Lint => "Lint",
        }
    }

    /// Where it is.
    pub fn path(self) -> &'static str {
        match self {
            Tab::Roles => "/settings/permissions/roles",
            Tab::Profiles => "/settings/permissions/profiles",
            Tab::SharingRules => "/settings/permissions/sharing-rules",
            Tab::OrganizationWide => "/settings/permissions/organization-wide-sharing",
            Tab::Layouts => "/settings/permissions/page-layouts",
            Tab::Fields => "/settings/permissions/fields",
            Tab::History => "/settings/permissions/history",
            Tab::Lint => "/settings/permissions/lint",
        }
    }

    /// The frame of a page below the tab; `steps` go on from it as (label, address).
    pub fn page(
        self,
        can: &Can<ManagePermissions>,
        request: &Request,
        steps: &[(&str, &str)],
    ) -> Result<Shell> {
        let own = if steps.is_empty() { "" } else { self.path() };
        let mut trail = vec![
            ("System Settings", ""),
            ("Permissions", PATH),
            (self.label(), own),
        ];
        trail.extend(steps);
        can.page(request, &trail)
    }
}

/// `GET /settings/permissions`: the first tab.
pub fn first(_: Can<ManagePermissions>, _: &Request) -> Result<Answer> {
    Ok(Answer::see_other(Tab::Roles.path()))
}

/// The rules of the account.
fn rules(can: &Can<ManagePermissions>) -> Result<Arc<Rules>> {
    can.read(super::load::rules)
}

/// The role in the path.
fn role_of(rules: &Rules, request: &Request) -> Result<RoleFact> {
    let role: RoleId = request.param("role")?;
    rules.role(role).cloned().ok_or(Error::NotFound)
}

/// The profile in the path.
fn profile_of(rules: &Rules, request: &Request) -> Result<ProfileFact> {
    let profile: ProfileId = request.param("profile")?;
    let mut all = rules.facts().profiles.iter();
    let found = all.find(|fact| fact.id == profile);
    found.cloned().ok_or(Error::NotFound)
}

/// How many active members hold each role.
fn role_counts(rules: &Rules) -> HashMap<RoleId, usize> {
    let mut counts = HashMap::new();
    let active = rules.facts().members.iter().filter(|member| member.active);
    for role in active.filter_map(|member| member.role) {
        *counts.entry(role).or_default() += 1;
    }
    counts
}

/// How many active members go by each profile: administrators go by none.
fn profile_counts(rules: &Rules) -> HashMap<ProfileId, usize> {
    let mut counts = HashMap::new();
    let active = rules.facts().members.iter().filter(|member| member.active);
    for profile in active
        .filter(|m| !m.administrator)
        .filter_map(|m| m.profile)
    {
        *counts.entry(profile).or_default() += 1;
    }
    counts
}

/// "No members", "1 member", "12 members".
pub(crate) fn members_words(count: usize) -> String {
    match count {
        0 => "No members".into(),
        1 => "1 member".into(),
        n => format!("{} members", crate::web::paging::thousands(n as i64)),
    }
}

/// An entry of a list to choose from: value, label, chosen.
pub struct Choice {
    pub value: String,
    pub label: String,
    pub chosen: bool,
}

/// All roles to choose from, from the top, each as far in as it is down; `chosen` is a value as it was sent.
pub(crate) fn role_choices(rules: &Rules, chosen: &str) -> Vec<Choice> {
    let choice = |(role, depth): (&RoleFact, usize)| {
        let value = role.id.to_string();
        Choice {
            // Spaces that stay: the list is a tree for the eye and plain names for the ear.
            label: format!("{}{}", "\u{2003}".repeat(depth.min(8)), role.name),
            chosen: value == chosen,
            value,
        }
    };
    rules.tree().map(choice).collect()
}

/// All profiles by name; the standard one first.
pub(crate) fn profile_choices(rules: &Rules, chosen: &str) -> Vec<Choice> {
    let mut profiles: Vec<&ProfileFact> = rules.facts().profiles.iter().collect();
    profiles.sort_by_key(|fact| (!fact.standard, fact.name.to_lowercase(), fact.id));
    let choice = |fact: &ProfileFact| {
        let value = fact.id.to_string();
        Choice {
            label: fact.name.clone(),
            chosen: value == chosen,
            value,
        }
    };
    profiles.into_iter().map(choice).collect()
}

/// The page layouts of an object, the default one first.
fn layout_choices(rules: &Rules, object: Object, chosen: Option<LayoutId>) -> Vec<Choice> {
    let of_object = rules.facts().layouts.iter().filter(|l| l.object == object);
    let mut layouts: Vec<_> = of_object.collect();
    layouts.sort_by_key(|fact| (!fact.standard, fact.name.to_lowercase(), fact.id));
    let chosen = chosen.or_else(|| layouts.first().map(|fact| fact.id));
    layouts
        .into_iter()
        .map(|fact| Choice {
            value: fact.id.to_string(),
            label: fact.name.clone(),
            chosen: Some(fact.id) == chosen,
        })
        .collect()
}

/// A number out of a list to choose from; nothing for its empty entry. Another one names nothing.
fn chosen<T: std::str::FromStr>(text: &str) -> Result<Option<T>> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| Error::NotFound),
    }
}

/// The sentence of a refusal at a control; any other error goes on.
pub(crate) fn refused_at(control: &str, error: Error) -> Result<Errors> {
    let Error::Refused(why) = error else {
        return Err(error);
    };
    let mut errors = Errors::new();
    errors.add(control, why);
    Ok(errors)
}
