//! Adding and changing a sharing rule.

use askama::Template;

use super::super::change::Change;
use super::super::model::{Level, SharingRule};
use super::super::objects::Object;
use super::super::review_pages::propose;
use super::super::sharing_rules::Wanted;
use super::sharing_rules::find;
use super::{Choice, Tab, role_choices, rules};
use crate::access::{Can, ManagePermissions};
use crate::credentials::names::{MAX_LENGTH, SettingName};
use crate::db::types::{RoleId, Timestamp};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::{Form, Request};
use crate::web::shell::Shell;
use crate::web::times::{self, Zone};
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "permissions/rule_form.html")]
struct FormPage {
    shell: Shell,
    errors: Errors,
    action: String,
    typed: Typed,
    sources: Vec<Choice>,
    targets: Vec<Choice>,
}

/// What the form says, as it was sent.
#[derive(Default)]
struct Typed {
    name: String,
    object: String,
    source: String,
    source_below: bool,
    target: String,
    target_below: bool,
    level: String,
    ends: String,
    active: bool,
}

impl Typed {
    fn new() -> Typed {
        Typed {
            level: "read".into(),
            active: true,
            ..Typed::default()
        }
    }

    fn of(rule: &SharingRule, zone: &Zone) -> Typed {
        Typed {
            name: rule.name.clone(),
            object: rule.object.map_or("", Object::slug).to_owned(),
            source: rule.source.to_string(),
            source_below: rule.source_below,
            target: rule.target.to_string(),
            target_below: rule.target_below,
            level: match rule.level {
                Level::Write => "write".into(),
                _ => "read".into(),
            },
            ends: rule
                .ends_at
                .map_or_else(String::new, |end| last_day(zone, end)),
            active: rule.active,
        }
    }

    fn read(form: &Form) -> Result<Typed> {
        let one = |name| form.one(name).map(str::to_owned);
        Ok(Typed {
            name: one("name")?,
            object: one("object")?,
            source: one("source")?,
            source_below: form.ticked("source_below"),
            target: one("target")?,
            target_below: form.ticked("target_below"),
            level: one("level")?,
            ends: one("ends")?,
            active: form.ticked("active"),
        })
    }

    fn check(&self, zone: &Zone, former: Option<&SharingRule>) -> Result<Wanted, Errors> {
        let mut errors = Errors::new();
        let name = SettingName::parse(&self.name);
        if let Err(problem) = &name {
            errors.add("name", problem.to_string());
        }
        let object: Option<Option<Object>> = match self.object.as_str() {
            "" => Some(None),
            slug => slug.parse().ok().map(Some),
        };
        if object.is_none() {
            errors.add("object", "Choose an object");
        }
        let mut role = |id: &'static str, typed: &str, what: &str| -> Option<RoleId> {
            let role = typed.parse().ok();
            if role.is_none() {
                errors.add(id, what);
            }
            role
        };
        let source = role("source", &self.source, "Choose whose records are shared");
        let target = role(
            "target",
            &self.target,
            "Choose the role they are shared with",
        );
        let level = match self.level.as_str() {
            "read" => Level::Read,
            "write" => Level::Write,
            _ => Level::None,
        };
        if level == Level::None {
            errors.add("level", "Choose Read Only or Read/Write");
        }
        let typed = self.ends.trim();
        let former = former.and_then(|rule| rule.ends_at);
        let ends_at = match former {
            // The same day is the same instant, in whatever zone it was set.
            Some(end) if last_day(zone, end) == typed => Some(end),
            _ if typed.is_empty() => None,
            _ => {
                // It holds for the whole of its last day.
                let end = times::start_of_day(zone, typed, 1);
                if end.is_none() {
                    errors.add("ends", "Type a day as 2026-11-30");
                }
                end
            }
        };
        match (name, object, source, target) {
            (Ok(name), Some(object), Some(source), Some(target)) if errors.is_empty() => {
                Ok(Wanted {
                    name,
                    object,
                    source,
                    source_below: self.source_below,
                    target,
                    target_below: self.target_below,
                    level,
                    active: self.active,
                    ends_at,
                })
            }
            _ => Err(errors),
        }
    }
}

/// The last day on which a rule with this end holds, as a form shows it.
fn last_day(zone: &Zone, end: Timestamp) -> String {
    zone.day_of(end - time::Duration::microseconds(1))
}

/// `GET /settings/permissions/sharing-rules/new`
pub fn new(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    page(&can, request, None, Typed::new(), Errors::new())
}

/// `POST /settings/permissions/sharing-rules/new`
pub fn add(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    save(&can, request, None)
}

/// `GET /settings/permissions/sharing-rules/{rule}/edit`
pub fn edit(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let rule = find(&*rules(&can)?, request)?;
    let typed = Typed::of(&rule, &Zone::named(&can.me().time_zone));
    page(&can, request, Some(&rule), typed, Errors::new())
}

/// `POST /settings/permissions/sharing-rules/{rule}/edit`
pub fn change(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let rule = find(&*rules(&can)?, request)?;
    save(&can, request, Some(&rule))
}

fn save(
    can: &Can<ManagePermissions>,
    request: &Request,
    former: Option<&SharingRule>,
) -> Result<Answer> {
    let typed = Typed::read(request.form())?;
    let zone = Zone::named(&can.me().time_zone);
    let errors = match typed.check(&zone, former) {
        Err(errors) => errors,
        Ok(wanted) => {
            let change = match former {
                None => Change::AddRule { wanted },
                Some(rule) => Change::ChangeRule {
                    rule: rule.id,
                    wanted,
                },
            };
            match propose(can, request, change, Tab::SharingRules.path()) {
                Ok(answer) => return Ok(answer),
                Err(Error::Refused(why)) => {
                    let mut errors = Errors::new();
                    let end = why.contains("end date");
                    errors.add(if end { "ends" } else { "name" }, why);
                    errors
                }
                Err(other) => return Err(other),
            }
        }
    };
    page(can, request, former, typed, errors)
}

fn page(
    can: &Can<ManagePermissions>,
    request: &Request,
    former: Option<&SharingRule>,
    typed: Typed,
    errors: Errors,
) -> Result<Answer> {
    let rules = rules(can)?;
    let mut shell = match former {
        None => Tab::SharingRules.page(can, request, &[("Add sharing rule", "")])?,
        Some(rule) => {
            let title = format!("Edit {}", rule.name);
            Tab::SharingRules.page(can, request, &[(&title, "")])?
        }
    };
    shell.refused = !errors.is_empty();
    let page = FormPage {
        shell,
        action: request.path().to_owned(),
        sources: role_choices(&rules, &typed.source),
        targets: role_choices(&rules, &typed.target),
        typed,
        errors,
    };
    Answer::form(&page, page.shell.refused)
}
