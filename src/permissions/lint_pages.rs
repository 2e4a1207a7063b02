//! Permissions > Lint: what is worth a look.

use askama::Template;

use super::census::{self, Censuses};
use super::change::rule_sentence;
use super::lint::{Finding, Idle, lint};
use super::model::Rules;
use super::objects::Object;
use super::pages::Tab;
use crate::Result;
use crate::access::{Can, ManagePermissions};
use crate::db::types::{LayoutId, SharingRuleId, Timestamp};
use crate::records;
use crate::records::people::{self, People};
use crate::web::answer::Answer;
use crate::web::paging::thousands;
use crate::web::request::Request;
use crate::web::shell::Shell;

/// Lines that a card lists.
const LINES: usize = 50;

#[derive(Template)]
#[template(path = "permissions/lint.html")]
struct LintPage {
    shell: Shell,
    cards: Vec<Card>,
    as_of: Option<Timestamp>,
}

/// Findings of one kind.
struct Card {
    id: &'static str,
    title: &'static str,
    /// What it means and what to do.
    advice: &'static str,
    count: usize,
    lines: Vec<Line>,
}

struct Line {
    label: String,
    href: String,
    rest: String,
    at: Option<Timestamp>,
}

const KINDS: [(&str, &str, &str); 6] = [
    (
        "idle",
        "Sharing rules that grant nothing",
        "They can be deleted, or were meant to say something else.",
    ),
    (
        "overlap",
        "Sharing rules that overlap",
        "Another rule opens the same records to the same people. Deleting the narrower one changes nothing.",
    ),
    (
        "soon",
        "Sharing rules that end soon",
        "Nobody is told when they do. Move the end if they are still needed.",
    ),
    (
        "empty",
        "Roles without people",
        "Nobody holds them now. Roles that only give the hierarchy its shape may stay.",
    ),
    (
        "no-role",
        "People without a role who own records",
        "Nobody sees these records through the hierarchy. Give these people a role.",
    ),
    (
        "hidden",
        "Page layouts that hide required fields",
        "Whoever has such a layout saves records without a field that others must fill in.",
    ),
];

/// `GET /settings/permissions/lint`
pub fn show(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let now = can.now();
    let (rules, findings, names, as_of) = can.read(|tx| {
        let rules = super::rules(tx)?;
        let mut censuses = Censuses::default();
        for object in Object::ALL {
            censuses[object.index()] = records::census::of(tx, object)?;
        }
        let findings = lint(&rules, &censuses, now);
        let named = findings.iter().filter_map(|finding| match finding {
            Finding::NoRole(_, slot, _) => Some(*slot),
            _ => None,
        });
        let names = people::named(tx, named.take(LINES))?;
        Ok((rules, findings, names, census::estimated(&censuses)))
    })?;
    let words = Words {
        rules: &rules,
        names: &names,
        about: if as_of.is_some() { "about " } else { "" },
    };
    let cards = KINDS.iter().enumerate().map(|(nth, (id, title, advice))| {
        let of: Vec<&Finding> = findings.iter().filter(|f| kind(f) == nth).collect();
        Card {
            id,
            title,
            advice,
            count: of.len(),
            lines: of.into_iter().take(LINES).map(|f| words.line(f)).collect(),
        }
    });
    Answer::page(&LintPage {
        shell: Tab::Lint.page(&can, request, &[])?,
        cards: cards.filter(|card| card.count > 0).collect(),
        as_of,
    })
}

fn kind(finding: &Finding) -> usize {
    match finding {
        Finding::Idle(..) => 0,
        Finding::Overlap(..) => 1,
        Finding::EndsSoon(..) => 2,
        Finding::EmptyRole(_) => 3,
        Finding::NoRole(..) => 4,
        Finding::HidesRequired { .. } => 5,
    }
}

struct Words<'a> {
    rules: &'a Rules,
    names: &'a People,
    about: &'static str,
}

impl Words<'_> {
    fn line(&self, finding: &Finding) -> Line {
        match finding {
            Finding::Idle(rule, why) => {
                let why = match why {
                    Idle::Ended => "it has ended",
                    Idle::NoSource => "nobody holds a role whose records it opens",
                    Idle::NoTarget => "nobody holds a role that it opens them to",
                    Idle::NoRight => "no profile of those it opens them to reads such records",
                    Idle::Public => "organization-wide sharing opens as much to everybody",
                    Idle::Above => "those it opens them to see them through their roles already",
                };
                let rest = format!("{}: {why}.", self.sentence(*rule));
                self.rule(*rule, rest)
            }
            Finding::Overlap(rule, wider) => {
                let wider_name = self.rules.sharing_rule(*wider);
                let wider_name = wider_name.map_or("", |rule| rule.name.as_str());
                let rest = format!(
                    "{}. {wider_name} says as much: {}.",
                    self.sentence(*rule),
                    self.sentence(*wider)
                );
                self.rule(*rule, rest)
            }
            Finding::EndsSoon(rule, end) => Line {
                at: Some(*end),
                ..self.rule(*rule, format!("{}. It ends:", self.sentence(*rule)))
            },
            Finding::EmptyRole(role) => {
                let name = self.rules.role(*role).map_or("", |role| role.name.as_str());
                Line {
                    label: name.to_owned(),
                    href: format!("/settings/permissions/roles/{role}/assign"),
                    rest: "No active member holds it.".to_owned(),
                    at: None,
                }
            }
            Finding::NoRole(member, slot, count) => {
                let records = match count {
                    1 => "1 record".to_owned(),
                    n => format!(
                        "{} records",
                        thousands(i64::try_from(*n).unwrap_or(i64::MAX))
                    ),
                };
                Line {
                    label: self.names.label(Some(*slot)),
                    href: format!("/settings/users/{member}"),
                    rest: format!("Owns or made {}{records}.", self.about),
                    at: None,
                }
            }
            Finding::HidesRequired {
                layout,
                field,
                required_by,
            } => {
                let (name, object) = self.layout(*layout);
                let (other, _) = self.layout(*required_by);
                Line {
                    label: format!("{name} of {object}"),
                    href: format!("/settings/permissions/page-layouts/{layout}"),
                    rest: format!("{field} cannot be filled in; {other} requires it."),
                    at: None,
                }
            }
        }
    }

    fn sentence(&self, rule: SharingRuleId) -> String {
        let rule = self.rules.sharing_rule(rule);
        rule.map_or_else(String::new, |rule| rule_sentence(self.rules.facts(), rule))
    }

    fn rule(&self, rule: SharingRuleId, rest: String) -> Line {
        let name = self.rules.sharing_rule(rule);
        Line {
            label: name.map_or_else(String::new, |rule| rule.name.clone()),
            href: format!("/settings/permissions/sharing-rules/{rule}/edit"),
            rest,
            at: None,
        }
    }

    fn layout(&self, layout: LayoutId) -> (&str, &'static str) {
        let mut layouts = self.rules.facts().layouts.iter();
        let found = layouts.find(|fact| fact.id == layout);
        found.map_or(("", ""), |l| (l.name.as_str(), l.object.plural()))
    }
}
