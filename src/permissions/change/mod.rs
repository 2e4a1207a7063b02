//! One change of an account's rules, as an administrator asks for it. Pure: [`Change::on`] gives the facts after it, or the
//! sentence that refuses it. Review, the forms, [`setup`](super::setup)'s functions and the history all come from here.

mod layouts;
mod members;
mod profiles;
mod revert;
mod roles;
mod sentence;
mod sharing;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::difference::Difference;
use super::model::{Facts, LayoutField, Level};
use super::objects::{OBJECTS, Object};
use super::profiles::Matrix;
use super::sharing_rules::Wanted;
use crate::credentials::names::SettingName;
use crate::db::types::{LayoutId, MemberId, ProfileId, RoleId, SharingRuleId, Timestamp};
use crate::{Error, Result};

pub(super) use layouts::label_of;
pub(super) use roles::dependents;
pub(super) use sentence::and;
pub use sentence::rule_sentence;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    AddRole {
        name: SettingName,
        reports_to: Option<RoleId>,
    },
    /// Renames a role and moves it, with everything below it.
    ChangeRole {
        role: RoleId,
        name: SettingName,
        reports_to: Option<RoleId>,
    },
    /// The replacement gets its members, the roles below it, its sharing rules and the invitations that promise it;
    /// without any of them none is needed. A replacement from below takes its place in the tree.
    DeleteRole {
        role: RoleId,
        replacement: Option<RoleId>,
    },
    /// A member has one role at most: the former one goes.
    AssignRole {
        members: Vec<MemberId>,
        role: Option<RoleId>,
    },
    AddProfile {
        name: SettingName,
        matrix: Matrix,
        /// Only named; the matrix is given.
        clone_of: Option<ProfileId>,
    },
    ChangeProfile {
        profile: ProfileId,
        name: SettingName,
        matrix: Matrix,
    },
    /// Without a replacement it is the standard profile.
    DeleteProfile {
        profile: ProfileId,
        replacement: Option<ProfileId>,
    },
    /// An administrator among the members stops being one; the last who can sign in is refused.
    AssignProfile {
        members: Vec<MemberId>,
        profile: ProfileId,
    },
    AddRule {
        wanted: Wanted,
    },
    ChangeRule {
        rule: SharingRuleId,
        wanted: Wanted,
    },
    DeleteRule {
        rule: SharingRuleId,
    },
    /// Organization-wide sharing, by [`Object::index`].
    SetSharing {
        levels: [Level; OBJECTS],
    },
    AddLayout {
        object: Object,
        name: SettingName,
        fields: Vec<LayoutField>,
    },
    ChangeLayout {
        layout: LayoutId,
        name: SettingName,
        fields: Vec<LayoutField>,
    },
    /// Profiles that use it get the replacement; without any none is needed. It is asked for rather than guessed: the
    /// default layout may show what this one hid.
    DeleteLayout {
        layout: LayoutId,
        replacement: Option<LayoutId>,
    },
    /// Puts back what an applied change changed; refused when any of it was changed since.
    Revert {
        /// Its number in the history, and what it said.
        number: i64,
        sentence: String,
        /// From what it made to what was there before.
        difference: Difference,
    },
}

/// What decides about a change beside the rules themselves.
#[derive(Clone, Debug)]
pub struct Around {
    /// How many open invitations promise a role.
    pub invited: HashMap<RoleId, i64>,
    /// Active administrators: name, and whether they can sign in.
    pub administrators: HashMap<MemberId, (String, bool)>,
    /// The instant of the change.
    pub now: Timestamp,
}

impl Change {
    /// The facts after the change. What is new has the number -1. Refusals are sentences; what it names and is not
    /// there is [`Error::NotFound`].
    pub fn on(&self, facts: &Facts, around: &Around) -> Result<Facts> {
        let mut after = facts.clone();
        let at = &mut after;
        match self {
            Change::AddRole { name, reports_to } => roles::add(at, name, *reports_to),
            Change::ChangeRole {
                role,
                name,
                reports_to,
            } => roles::change(at, *role, name, *reports_to),
            Change::DeleteRole { role, replacement } => {
                roles::delete(at, around, *role, *replacement)
            }
            Change::AssignRole { members, role } => members::assign_role(at, members, *role),
            Change::AddProfile {
                name,
                matrix,
                clone_of,
            } => profiles::add(at, name, matrix, *clone_of),
            Change::ChangeProfile {
                profile,
                name,
                matrix,
            } => profiles::change(at, *profile, name, matrix),
            Change::DeleteProfile {
                profile,
                replacement,
            } => profiles::delete(at, *profile, *replacement),
            Change::AssignProfile { members, profile } => {
                members::assign_profile(at, around, members, *profile)
            }
            Change::AddRule { wanted } => sharing::add(at, around, wanted),
            Change::ChangeRule { rule, wanted } => sharing::change(at, around, *rule, wanted),
            Change::DeleteRule { rule } => sharing::delete(at, *rule),
            Change::SetSharing { levels } => {
                at.sharing = *levels;
                Ok(())
            }
            Change::AddLayout {
                object,
                name,
                fields,
            } => layouts::add(at, *object, name, fields),
            Change::ChangeLayout {
                layout,
                name,
                fields,
            } => layouts::change(at, *layout, name, fields),
            Change::DeleteLayout {
                layout,
                replacement,
            } => layouts::delete(at, *layout, *replacement),
            Change::Revert {
                number, difference, ..
            } => revert::put_back(at, around, *number, difference),
        }?;
        Ok(after)
    }

    /// Who gets what was promised to the invited with a role that goes.
    pub(super) fn heir_of_role(&self, role: RoleId) -> Option<RoleId> {
        match self {
            Change::DeleteRole {
                role: gone,
                replacement,
            } if *gone == role => *replacement,
            _ => None,
        }
    }

    /// The same with a profile: the standard one when nothing else is named.
    pub(super) fn heir_of_profile(&self, facts: &Facts, profile: ProfileId) -> Option<ProfileId> {
        match self {
            Change::DeleteProfile {
                profile: gone,
                replacement: Some(other),
            } if *gone == profile => Some(*other),
            _ => profiles::standard(facts).ok(),
        }
    }
}

/// The sentence for a name that something else has.
pub(super) fn taken(what: &str, name: impl std::fmt::Display) -> Error {
    Error::refused(format!(
        "There is a {what} with the name {name} already. Choose another name."
    ))
}
