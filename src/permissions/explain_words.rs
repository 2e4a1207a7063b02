//! An explanation in words: the verdict, the steps, what would allow it. The same words go onto the page, into the text to
//! copy and into JSON.

use serde::Serialize;

use super::change::{Change, and, rule_sentence};
use super::decide::People;
use super::explain::{Asked, Explanation, Source, State, What};
use super::model::{Level, Rights, Rules};
use super::objects::Object;
use super::ways::{Measured, Way};
use super::{organization_wide, sharing_rules};
use crate::db::types::{MemberId, RoleId, Slot};
use crate::records::people::People as Names;
use crate::web::paging::thousands;

/// Rules that a step names.
const RULES: usize = 20;

/// Fields that a step names.
const FIELDS: usize = 10;

/// A line of a step: what it begins with and where that is set, and the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    pub label: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub href: String,
    pub rest: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deciding: bool,
}

impl Line {
    fn plain(rest: impl Into<String>) -> Line {
        Line {
            rest: rest.into(),
            ..Line::default()
        }
    }

    fn link(label: impl Into<String>, href: impl Into<String>, rest: impl Into<String>) -> Line {
        Line {
            label: label.into(),
            href: href.into(),
            rest: rest.into(),
            deciding: false,
        }
    }

    /// True when the two differ in nothing but which decides.
    fn says_as(&self, other: &Line) -> bool {
        (&self.label, &self.href, &self.rest) == (&other.label, &other.href, &other.rest)
    }
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Step {
    pub title: String,
    pub state: State,
    pub lines: Vec<Line>,
}

impl Step {
    /// "Passed".
    pub(super) fn word(&self) -> &'static str {
        match self.state {
            State::Passed => "Passed",
            State::Blocked => "Blocked",
            State::NotReached => "Not reached",
        }
    }

    /// True when one of its lines is what the level comes from.
    pub(super) fn deciding(&self) -> bool {
        self.state == State::Passed && self.lines.iter().any(|line| line.deciding)
    }
}

/// A change that would allow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Offer {
    pub sentence: String,
    /// "3", "up to 1,284".
    pub members: String,
    pub records: String,
    /// Where it is made; empty when it is proposed from here.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub href: String,
    /// The change to propose, as JSON.
    #[serde(skip)]
    pub change: String,
}

/// Everything that is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Told {
    pub allowed: bool,
    pub verdict: String,
    pub steps: Vec<Step>,
    pub offers: Vec<Offer>,
}

impl Told {
    /// As text to copy.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.verdict);
        for (number, step) in (1..).zip(&self.steps) {
            text.push_str(&format!("\n{number}. {}: {}\n", step.title, step.word()));
            for line in &step.lines {
                let mark = if line.deciding { " This decides." } else { "" };
                text.push_str(&format!("   - {}{}{mark}\n", line.label, line.rest));
            }
        }
        if !self.offers.is_empty() {
            text.push_str("\nWhat would allow it:\n");
        }
        for offer in &self.offers {
            let (members, records) = (&offer.members, &offer.records);
            text.push_str(&format!(
                "   - {} (members: {members}, records: {records})\n",
                offer.sentence
            ));
        }
        text
    }
}

/// Whom and what the words are about.
pub(super) struct Words<'a> {
    pub rules: &'a Rules,
    pub account: &'a str,
    pub slot: Slot,
    pub object: Object,
    pub people: People,
    pub names: &'a Names,
    /// Name of the record, and its path.
    pub record: &'a str,
    pub path: &'a str,
}

impl Words<'_> {
    /// All of it.
    pub(super) fn told(&self, found: &Explanation, ways: &[Measured]) -> Told {
        Told {
            allowed: found.allowed,
            verdict: self.verdict(found),
            steps: self.steps(found),
            offers: ways.iter().map(|way| self.offer(way)).collect(),
        }
    }

    fn name(&self) -> String {
        self.names.label(Some(self.slot))
    }

    fn verdict(&self, found: &Explanation) -> String {
        let (name, record) = (self.name(), self.record);
        let verb = found.asked.slug();
        if found.allowed {
            format!("Yes. {name} may {verb} “{record}”.")
        } else if found.account == State::Blocked {
            let account = self.account;
            format!("No. {name} is not a member of {account} any more.")
        } else if found.sees {
            format!("No. {name} may read “{record}” but not {verb} it.")
        } else {
            format!("No. {name} does not see “{record}”.")
        }
    }

    fn steps(&self, found: &Explanation) -> Vec<Step> {
        let step = |title: &str, state, lines| Step {
            title: title.to_owned(),
            state,
            lines,
        };
        let mut steps = vec![
            step("Account", found.account, vec![self.account(found)]),
            step("Profile", found.profile, vec![self.profile(found)]),
            Step {
                title: level_title(found),
                state: found.level,
                lines: self.level(found),
            },
            step("Fields", found.fields, vec![self.fields(found)]),
        ];
        if let Some(state) = found.export {
            let has = match self.rules.may_export(self.slot) {
                true => "has",
                false => "does not have",
            };
            let line = Line::link(
                "Export permission",
                self.user_path(),
                format!(": {} {has} it. Administrators need it too.", self.name()),
            );
            steps.push(step("Export", state, vec![line]));
        }
        steps
    }

    fn user_path(&self) -> String {
        let member = self.rules.member(self.slot);
        member.map_or_else(String::new, |m| format!("/settings/users/{}", m.id))
    }

    fn account(&self, found: &Explanation) -> Line {
        let (name, account) = (self.name(), self.account);
        let rest = match (found.account, found.administrator) {
            (State::Blocked, _) => format!(" is not a member of {account} any more."),
            (_, true) => format!(
                " is an administrator of {account}: profile, role, sharing and page layouts do not apply."
            ),
            (_, false) => format!(
                " is an active member of {account} and not an administrator, so every step counts."
            ),
        };
        Line::link(name, self.user_path(), rest)
    }

    fn profile(&self, found: &Explanation) -> Line {
        if found.administrator {
            return Line::plain("Does not apply to an administrator.");
        }
        let facts = self.rules.facts();
        let profile = found.ticks.profile;
        let profile = profile.and_then(|id| facts.profiles.iter().find(|p| p.id == id));
        let Some(profile) = profile else {
            let rest = " has no profile.";
            return Line::link(self.name(), self.user_path(), rest);
        };
        let label = |right: Rights| {
            let found = Rights::EACH.iter().find(|(one, _)| *one == right);
            found.map_or("", |(_, label)| *label)
        };
        let objects = self.object.plural();
        let rest = match found.ticks.missing {
            Some(right) => format!(" does not have {} on {objects}.", label(right)),
            None => format!(" has {} on {objects}.", label(found.asked.action().right())),
        };
        let href = format!("/settings/permissions/profiles/{}", profile.id);
        Line::link(profile.name.clone(), href, rest)
    }

    fn level(&self, found: &Explanation) -> Vec<Line> {
        if found.administrator {
            return vec![Line::plain(
                "Administrators have Read/Write on every record.",
            )];
        }
        let is_rule =
            |source: &&Source| matches!(source.what, What::Rule { .. } | What::RuleOff { .. });
        let rules = found.sources.iter().filter(is_rule).count();
        let mut shown = 0;
        let mut lines: Vec<Line> = Vec::new();
        for source in &found.sources {
            if is_rule(&source) {
                shown += 1;
                if shown > RULES && !source.deciding {
                    continue;
                }
            }
            let line = self.source(source);
            // One rule may open the records of both people of a record.
            let twin = lines.iter_mut().find(|other| other.says_as(&line));
            match twin {
                Some(twin) => twin.deciding |= line.deciding,
                None => lines.push(line),
            }
        }
        if rules > RULES {
            let more = rules - RULES;
            lines.push(Line::plain(format!("and {more} more sharing rules")));
        }
        lines
    }

    fn source(&self, source: &Source) -> Line {
        let objects = self.object.plural();
        let mut line = match &source.what {
            What::Profile {
                read_all,
                modify_all,
            } => {
                let profile = self.rules.member(self.slot);
                let profile = profile.and_then(|member| self.rules.profile_of(member));
                let Some(profile) = profile else {
                    return Line::plain("No profile: neither Read All nor Modify All");
                };
                let has = match (modify_all, read_all) {
                    (true, _) => "Modify All",
                    (false, true) => "Read All",
                    (false, false) => "neither Read All nor Modify All",
                };
                let href = format!("/settings/permissions/profiles/{}", profile.id);
                let label = format!("Profile {}", profile.name);
                Line::link(label, href, format!(": {has} on {objects}"))
            }
            What::OrganizationWide => {
                let level = self.rules.facts().sharing[self.object.index()];
                let level = organization_wide::label(level);
                Line::link(
                    "Organization-wide sharing",
                    "/settings/permissions/organization-wide-sharing",
                    format!(" of {objects}: {level}"),
                )
            }
            What::Person { creator, assigned } => {
                let created = self.names.label(Some(self.people.creator));
                let mut rest = format!("Created by {created}");
                match self.people.assigned {
                    Some(slot) => {
                        rest.push_str(&format!(", assigned to {}", self.names.label(Some(slot))));
                    }
                    None => rest.push_str(", assigned to nobody"),
                }
                if !creator && !assigned {
                    rest.push_str(&format!(": not {}", self.name()));
                }
                Line::plain(rest)
            }
            What::Above { person, role } => {
                let rest = format!(
                    " is above {}, the role of {}",
                    self.role(Some(*role)),
                    self.names.label(Some(*person))
                );
                self.own_role(&rest)
            }
            What::NotAbove => {
                let mut roles: Vec<String> = Vec::new();
                for person in self.people.each() {
                    let role = self.rules.member(person).and_then(|member| member.role);
                    let role = match role {
                        Some(role) => self.role(Some(role)),
                        None => format!("{}, who has no role", self.names.label(Some(person))),
                    };
                    if !roles.contains(&role) {
                        roles.push(role);
                    }
                }
                self.own_role(&format!(" is not above {}", and(&roles)))
            }
            What::Rule { rule, .. } | What::RuleOff { rule, .. } => {
                let Some(rule) = self.rules.sharing_rule(*rule) else {
                    return Line::default();
                };
                let sentence = lower(&rule_sentence(self.rules.facts(), rule));
                let state = match (&source.what, rule.active) {
                    (What::RuleOff { .. }, false) => ", but it is off",
                    (What::RuleOff { .. }, true) => ", but it has ended",
                    _ => "",
                };
                let level = sharing_rules::label(rule.level);
                Line::link(
                    format!("Sharing rule {}", rule.name),
                    format!("/settings/permissions/sharing-rules/{}/edit", rule.id),
                    format!(": {sentence}, {level}{state}"),
                )
            }
            What::NoRule => Line::link(
                "Sharing rules",
                "/settings/permissions/sharing-rules",
                ": none opens this record",
            ),
        };
        line.deciding = source.deciding;
        line
    }

    fn own_role(&self, rest: &str) -> Line {
        let role = self.rules.member(self.slot).and_then(|member| member.role);
        let label = match role {
            Some(role) => format!("Role {}", self.role(Some(role))),
            None => "No role".to_owned(),
        };
        Line::link(label, "/settings/permissions/roles", rest)
    }

    fn role(&self, role: Option<RoleId>) -> String {
        let role = role.and_then(|role| self.rules.role(role));
        role.map_or_else(|| "no role".to_owned(), |role| role.name.clone())
    }

    fn fields(&self, found: &Explanation) -> Line {
        let all = self.rules.all_fields(self.object);
        let total = all.iter().count();
        if found.administrator {
            return Line::plain(format!("Administrators have all {total} fields."));
        }
        let profile = self.rules.member(self.slot);
        let profile = profile.and_then(|member| self.rules.profile_of(member));
        let layout = profile.and_then(|p| p.objects[self.object.index()].layout);
        let facts = self.rules.facts();
        let layout = layout.and_then(|id| facts.layouts.iter().find(|l| l.id == id));
        let shown = layout.and_then(|layout| self.rules.fields_of_layout(layout.id));
        let (Some(layout), Some(shown)) = (layout, shown) else {
            return Line::plain("No page layout: there is no profile.");
        };
        let (verb, are) = match found.fields {
            State::Passed => ("shows", "on it"),
            _ => ("would show", "on it"),
        };
        let mut hidden: Vec<String> = all
            .iter()
            .filter(|field| shown.get(field.key()).is_none())
            .map(|field| field.label().to_owned())
            .collect();
        let count = hidden.len();
        if count > FIELDS {
            hidden.truncate(FIELDS);
            hidden.push(format!("{} more", count - FIELDS));
        }
        let mut rest = format!(" {verb} {} of {total} fields.", shown.iter().count());
        match count {
            0 => {}
            1 => rest.push_str(&format!(" {} is not {are}.", and(&hidden))),
            _ => rest.push_str(&format!(" {} are not {are}.", and(&hidden))),
        }
        let locked = shown.iter().filter(|field| field.read_only()).count();
        if found.asked == Asked::Edit && locked > 0 {
            rest.push_str(&format!(" {locked} of them cannot be changed."));
        }
        Line::link(
            format!("Page layout {}", layout.name),
            format!("/settings/permissions/page-layouts/{}", layout.id),
            rest,
        )
    }

    fn offer(&self, measured: &Measured) -> Offer {
        let number = |count: u64| thousands(i64::try_from(count).unwrap_or(i64::MAX));
        let up_to = if measured.at_most { "up to " } else { "" };
        let mut offer = Offer {
            sentence: String::new(),
            members: number(measured.members),
            records: format!("{up_to}{}", number(measured.records)),
            href: String::new(),
            change: String::new(),
        };
        match &measured.way {
            Way::Assign => {
                offer.sentence = format!("Assign this record to {}", self.name());
                offer.href = format!("{}/assign", self.path);
            }
            Way::Export => {
                offer.sentence = format!("Give {} the Export permission", self.name());
                offer.href = self.user_path();
            }
            Way::Change(change) => {
                offer.sentence = self.would(change);
                offer.change = serde_json::to_string(change).unwrap_or_default();
            }
        }
        offer
    }

    /// What a change would do, as an order.
    fn would(&self, change: &Change) -> String {
        let facts = self.rules.facts();
        let objects = self.object.plural();
        match change {
            Change::ChangeRule { rule, wanted } => {
                let level = sharing_rules::label(wanted.level);
                match self.rules.sharing_rule(*rule) {
                    Some(rule) if self.rules.in_force(rule) => {
                        format!("Set sharing rule {} to {level}", rule.name)
                    }
                    _ => format!("Turn sharing rule {} on, with {level}", wanted.name),
                }
            }
            Change::AddRule { wanted } => {
                let sentence = rule_sentence(facts, &wanted.rule(sharing_rules::new_id()));
                format!("Add a sharing rule: {}", lower(&sentence))
            }
            Change::ChangeProfile {
                profile, matrix, ..
            } => {
                let former = facts.profiles.iter().find(|p| p.id == *profile);
                let had = former.map_or(Rights::NONE, |p| p.objects[self.object.index()].rights);
                let has = matrix[self.object.index()].rights;
                let ticks: Vec<String> = match has.has(Rights::MODIFY_ALL) {
                    true => vec!["Modify All".to_owned()],
                    false => Rights::EACH
                        .iter()
                        .filter(|(right, _)| has.has(*right) && !had.has(*right))
                        .map(|(_, label)| (*label).to_owned())
                        .collect(),
                };
                let name = former.map_or("", |profile| profile.name.as_str());
                format!("Tick {} on {objects} in profile {name}", and(&ticks))
            }
            Change::AssignProfile { profile, .. } => {
                let profile = facts.profiles.iter().find(|p| p.id == *profile);
                let name = profile.map_or("", |profile| profile.name.as_str());
                format!("Give {} the profile {name}", self.name())
            }
            Change::AssignRole { role, .. } => {
                format!("Give {} the role {}", self.name(), self.role(*role))
            }
            Change::SetSharing { levels } => format!(
                "Set organization-wide sharing of {objects} to {}",
                organization_wide::label(levels[self.object.index()])
            ),
            other => other.sentence(facts, &std::collections::HashMap::<MemberId, String>::new()),
        }
    }
}

fn level_title(found: &Explanation) -> String {
    let has = match found.has {
        Level::None => "none",
        Level::Read => "Read Only",
        Level::Write => "Read/Write",
    };
    let needs = found.asked.action().level();
    if found.level == State::Blocked {
        let needed = sharing_rules::label(needs);
        let verb = found.asked.label();
        format!("Level on this record: {has}, {verb} needs {needed}")
    } else {
        format!("Level on this record: {has}")
    }
}

/// With a small first letter, to stand inside a sentence.
fn lower(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}
