//! Adding, changing and deleting a role.

use askama::Template;

use super::super::change::Change;
use super::super::model::{RoleFact, Rules};
use super::super::review_pages::propose;
use super::super::roles::{self, Dependents};
use super::{Choice, Tab, chosen, refused_at, role_choices, role_of, rules};
use crate::access::{Can, ManagePermissions};
use crate::credentials::names::{MAX_LENGTH, SettingName};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "permissions/role_form.html")]
struct FormPage {
    shell: Shell,
    errors: Errors,
    action: String,
    back: String,
    name: String,
    hint: &'static str,
    roles: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "permissions/role_delete.html")]
struct DeletePage {
    shell: Shell,
    errors: Errors,
    action: String,
    back: String,
    role: RoleFact,
    dependents: Dependents,
    roles: Vec<Choice>,
}

/// `GET /settings/permissions/roles/new`; `below` is the role that the new one reports to.
pub fn new(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let below = request.query().one("below")?;
    form(&can, request, None, "", below, Errors::new())
}

/// `POST /settings/permissions/roles/new`
pub fn add(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    save(&can, request, None)
}

/// `GET /settings/permissions/roles/{role}/edit`
pub fn edit(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let role = role_of(&*rules(&can)?, request)?;
    let above = role.parent.map(|role| role.to_string()).unwrap_or_default();
    let name = role.name.clone();
    form(&can, request, Some(&role), &name, &above, Errors::new())
}

/// `POST /settings/permissions/roles/{role}/edit`
pub fn change(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let role = role_of(&*rules(&can)?, request)?;
    save(&can, request, Some(&role))
}

fn save(
    can: &Can<ManagePermissions>,
    request: &Request,
    before: Option<&RoleFact>,
) -> Result<Answer> {
    let typed = request.form().one("name")?;
    let above = request.form().one("reports_to")?;
    let errors = match SettingName::parse(typed) {
        Err(problem) => {
            let mut errors = Errors::new();
            errors.add("name", problem.to_string());
            errors
        }
        Ok(name) => {
            let reports_to = chosen(above)?;
            let change = match before {
                None => Change::AddRole { name, reports_to },
                Some(role) => Change::ChangeRole {
                    role: role.id,
                    name,
                    reports_to,
                },
            };
            match propose(can, request, change, &back_to(before)) {
                Ok(answer) => return Ok(answer),
                // What can be wrong is the name, which is taken, or the place, which is below.
                Err(Error::Refused(why)) if why.contains(" report to ") => {
                    refused_at("reports_to", Error::Refused(why))?
                }
                Err(error) => refused_at("name", error)?,
            }
        }
    };
    form(can, request, before, typed, above, errors)
}

/// Where the hierarchy shows the role.
fn back_to(role: Option<&RoleFact>) -> String {
    match role {
        Some(role) => format!("{}?role={}", Tab::Roles.path(), role.id),
        None => Tab::Roles.path().to_owned(),
    }
}

fn form(
    can: &Can<ManagePermissions>,
    request: &Request,
    before: Option<&RoleFact>,
    name: &str,
    above: &str,
    errors: Errors,
) -> Result<Answer> {
    let rules = rules(can)?;
    let back = back_to(before);
    let mut shell = match before {
        Some(role) => {
            Tab::Roles.page(can, request, &[(role.name.as_str(), &back), ("Edit", "")])?
        }
        None => Tab::Roles.page(can, request, &[("Add role", "")])?,
    };
    shell.refused = !errors.is_empty();
    let page = FormPage {
        shell,
        action: request.path().to_owned(),
        back,
        name: name.to_owned(),
        hint: match before {
            Some(_) => "Moves this role and everything below it.",
            None => "The people of that role, and those above it, see the records of this one.",
        },
        roles: role_choices(&rules, above),
        errors,
    };
    Answer::form(&page, page.shell.refused)
}

/// `GET /settings/permissions/roles/{role}/delete`
pub fn ask(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    delete_page(&can, request, "", Errors::new())
}

/// `POST /settings/permissions/roles/{role}/delete`
pub fn delete(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let role = role_of(&*rules(&can)?, request)?;
    let replacement = request.form().one("replacement")?;
    let change = Change::DeleteRole {
        role: role.id,
        replacement: chosen(replacement)?,
    };
    // The role has no page any more once it is gone.
    match propose(&can, request, change, Tab::Roles.path()) {
        Ok(answer) => Ok(answer),
        Err(error) => delete_page(
            &can,
            request,
            replacement,
            refused_at("replacement", error)?,
        ),
    }
}

fn delete_page(
    can: &Can<ManagePermissions>,
    request: &Request,
    replacement: &str,
    errors: Errors,
) -> Result<Answer> {
    let (rules, role, dependents) = can.read(|tx| {
        let rules = super::super::rules(tx)?;
        let role = role_of(&rules, request)?;
        let dependents = roles::dependents(tx, role.id)?;
        Ok((rules, role, dependents))
    })?;
    let back = back_to(Some(&role));
    let mut shell =
        Tab::Roles.page(can, request, &[(role.name.as_str(), &back), ("Delete", "")])?;
    shell.refused = !errors.is_empty();
    let page = DeletePage {
        shell,
        action: request.path().to_owned(),
        roles: others(&rules, &role, replacement),
        back,
        role,
        dependents,
        errors,
    };
    Answer::form(&page, page.shell.refused)
}

/// Every role but the one that goes.
fn others(rules: &Rules, role: &RoleFact, replacement: &str) -> Vec<Choice> {
    let mut choices = role_choices(rules, replacement);
    choices.retain(|choice| choice.value != role.id.to_string());
    choices
}
