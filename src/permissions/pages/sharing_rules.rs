//! The tab Sharing Rules: a sentence for each, by object.

use askama::Template;

use super::super::change::{Change, rule_sentence};
use super::super::model::{Rules, SharingRule};
use super::super::objects::Object;
use super::super::review_pages::propose;
use super::super::sharing_rules::{self, Wanted};
use super::{Tab, rules};
use crate::access::{Can, ManagePermissions};
use crate::db::types::{SharingRuleId, Timestamp};
use crate::web::answer::Answer;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "permissions/sharing_rules.html")]
struct RulesPage {
    shell: Shell,
    groups: Vec<Group>,
    /// A rule leads from one role to another.
    may_add: bool,
}

/// The rules for one object, or for all of them.
struct Group {
    label: &'static str,
    icon: &'static str,
    rows: Vec<Row>,
}

struct Row {
    id: SharingRuleId,
    name: String,
    sentence: String,
    level: &'static str,
    writes: bool,
    ends_at: Option<Timestamp>,
    ended: bool,
    active: bool,
}

impl Row {
    /// "Active", "Inactive", "Ended".
    fn state(&self) -> &'static str {
        match (self.active, self.ended) {
            (false, _) => "Inactive",
            (true, true) => "Ended",
            (true, false) => "Active",
        }
    }
}

impl RulesPage {
    fn end(&self, row: &Row) -> String {
        match &row.ends_at {
            None => "No end".into(),
            Some(end) => {
                let told = self.shell.expires(end);
                // "Expires in 6 days": a rule ends.
                told.replacen("Expires", "Ends", 1)
                    .replacen("Expired", "Ended", 1)
            }
        }
    }
}

/// `GET /settings/permissions/sharing-rules`
pub fn show(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let rules = rules(&can)?;
    let mut groups = Vec::new();
    let each = Object::ALL.into_iter().map(Some).chain([None]);
    for object in each {
        let rows = rows(&rules, object, can.now());
        if !rows.is_empty() {
            groups.push(Group {
                label: object.map_or("All objects", Object::plural),
                icon: object.map_or("checklist", Object::icon),
                rows,
            });
        }
    }
    Answer::page(&RulesPage {
        shell: Tab::SharingRules.page(&can, request, &[])?,
        groups,
        may_add: !rules.facts().roles.is_empty(),
    })
}

fn rows(rules: &Rules, object: Option<Object>, now: Timestamp) -> Vec<Row> {
    let facts = rules.facts();
    let row = |rule: &SharingRule| Row {
        id: rule.id,
        name: rule.name.clone(),
        sentence: rule_sentence(facts, rule),
        level: sharing_rules::label(rule.level),
        writes: rule.level == super::super::Level::Write,
        ends_at: rule.ends_at,
        ended: rule.ends_at.is_some_and(|end| end <= now),
        active: rule.active,
    };
    let of_object = facts.rules.iter().filter(|rule| rule.object == object);
    let mut rows: Vec<Row> = of_object.map(row).collect();
    rows.sort_by(|a, b| (&a.sentence, a.id).cmp(&(&b.sentence, b.id)));
    rows
}

/// The rule in the path.
pub(super) fn find(rules: &Rules, request: &Request) -> Result<SharingRule> {
    let id: SharingRuleId = request.param("rule")?;
    let found = rules.facts().rules.iter().find(|rule| rule.id == id);
    found.cloned().ok_or(Error::NotFound)
}

/// `POST /settings/permissions/sharing-rules/{rule}/active`: turns a rule on or off.
pub fn set_active(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let rule = find(&*rules(&can)?, request)?;
    let wanted = Wanted {
        active: request.form().one("on")? == "1",
        ..Wanted::of(&rule)?
    };
    let change = Change::ChangeRule {
        rule: rule.id,
        wanted,
    };
    propose(&can, request, change, Tab::SharingRules.path())
}

/// `POST /settings/permissions/sharing-rules/{rule}/delete`
pub fn delete(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let rule = find(&*rules(&can)?, request)?;
    let change = Change::DeleteRule { rule: rule.id };
    propose(&can, request, change, Tab::SharingRules.path())
}
