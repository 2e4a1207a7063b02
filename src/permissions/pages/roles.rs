//! The tab Roles: the hierarchy as a tree and as a picture, and the card of one role.

use askama::Template;

use super::super::model::{Level, RoleFact, Rules, SharingRule};
use super::picture::{self, BOX_HEIGHT, BOX_WIDTH, Picture};
use super::tree::{self, Row, What};
use super::{Tab, role_counts};
use crate::access::{Can, ManagePermissions, Tx};
use crate::db::types::RoleId;
use crate::users::list::{self, Filter, Holds};
use crate::web::answer::Answer;
use crate::web::paging::thousands;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "permissions/roles.html")]
struct RolesPage {
    shell: Shell,
    /// "12 roles".
    total: String,
    /// Large enough for a search.
    large: bool,
    q: String,
    found: Vec<(RoleId, String, String)>,
    rows: Vec<Row>,
    card: Option<Card>,
    picture: Picture,
}

/// The card of one role.
struct Card {
    role: RoleFact,
    reports_to: Option<RoleFact>,
    /// Names of some, and how many more there are.
    members: Vec<String>,
    more_members: usize,
    sees: Vec<Line>,
    seen_by: Vec<Line>,
}

/// One line of what a role sees, or of who sees it: words, and the sharing rule behind it.
struct Line {
    words: String,
    rule: Option<(String, String)>,
}

/// Names that a card lists.
const NAMED: usize = 5;
/// Roles that a search finds at most.
const FOUND: usize = 50;

/// `GET /settings/permissions/roles`
pub fn show(can: Can<ManagePermissions>, request: &Request) -> Result<Answer> {
    let asked = match request.query().one("role")? {
        "" => None,
        text => Some(text.parse::<RoleId>().map_err(|()| Error::NotFound)?),
    };
    let q = request.query().one("q")?.trim().to_owned();
    let (rules, card) = can.read(|tx| {
        let rules = super::super::rules(tx)?;
        let top = rules.tree().next().map(|(role, _)| role.id);
        let card = match asked.or(top) {
            Some(role) => {
                let role = rules.role(role).cloned().ok_or(Error::NotFound)?;
                Some(Card::load(tx, &rules, role)?)
            }
            None => None,
        };
        Ok((rules, card))
    })?;
    let counts = role_counts(&rules);
    let chosen = card.as_ref().map(|card| card.role.id);
    let number = rules.facts().roles.len();
    let found = if q.is_empty() {
        Vec::new()
    } else {
        search(&rules, &q)
    };
    Answer::page(&RolesPage {
        shell: Tab::Roles.page(&can, request, &[])?,
        total: match number {
            1 => "1 role".into(),
            n => format!("{} roles", thousands(n as i64)),
        },
        large: number > 20,
        rows: tree::rows(&rules, chosen, &counts),
        picture: picture::draw(&rules, chosen, &counts),
        q,
        found,
        card,
    })
}

/// Roles whose name holds what was typed, each with what it reports to.
fn search(rules: &Rules, q: &str) -> Vec<(RoleId, String, String)> {
    let q = q.to_lowercase();
    let fits = |role: &RoleFact| role.name.to_lowercase().contains(&q);
    let above = |role: &RoleFact| {
        let parent = role.parent.and_then(|parent| rules.role(parent));
        parent.map_or_else(
            || "At the top".into(),
            |parent| format!("Reports to {}", parent.name),
        )
    };
    let found = rules.tree().map(|(role, _)| role).filter(|role| fits(role));
    found
        .take(FOUND)
        .map(|role| (role.id, role.name.clone(), above(role)))
        .collect()
}

impl Card {
    fn load(tx: &mut Tx<ManagePermissions>, rules: &Rules, role: RoleFact) -> Result<Card> {
        let holders = Filter {
            role: Holds::This(role.id),
            ..Filter::default()
        };
        let by_name = crate::members::list::Sort::BY_NAME;
        let some = list::rows(tx, &holders, by_name, None, NAMED)?;
        let all = role_counts(rules).get(&role.id).copied().unwrap_or(0);
        Ok(Card {
            reports_to: role.parent.and_then(|parent| rules.role(parent)).cloned(),
            more_members: all.saturating_sub(some.len()),
            members: some.into_iter().map(|user| user.name).collect(),
            sees: sees(rules, role.id),
            seen_by: seen_by(rules, role.id),
            role,
        })
    }
}

fn sees(rules: &Rules, role: RoleId) -> Vec<Line> {
    let Some(place) = rules.place_of(role) else {
        return Vec::new();
    };
    let below: Vec<&str> = rules.roles[place + 1..rules.roles[place].end]
        .iter()
        .map(|node| node.fact.name.as_str())
        .collect();
    let mut lines = vec![Line {
        words: match below.as_slice() {
            [] => "Own records. No role is below this one.".into(),
            below => format!("Own records, and those of {}", in_short(below)),
        },
        rule: None,
    }];
    let mine = |rule: &&SharingRule| {
        rule.target == role || (rule.target_below && rules.is_below(role, rule.target))
    };
    lines.extend(by_rule(rules, mine, |rule| {
        (rule.source, rule.source_below)
    }));
    lines
}

fn seen_by(rules: &Rules, role: RoleId) -> Vec<Line> {
    let mut above = Vec::new();
    let mut at = rules
        .place_of(role)
        .and_then(|place| rules.roles[place].parent);
    while let Some(place) = at {
        above.push(rules.roles[place].fact.name.as_str());
        at = rules.roles[place].parent;
    }
    let mut lines = Vec::new();
    if !above.is_empty() {
        lines.push(Line {
            words: in_short(&above),
            rule: None,
        });
    }
    let of_mine = |rule: &&SharingRule| {
        rule.source == role || (rule.source_below && rules.is_below(role, rule.source))
    };
    lines.extend(by_rule(rules, of_mine, |rule| {
        (rule.target, rule.target_below)
    }));
    if lines.is_empty() {
        lines.push(Line {
            words: "Administrators only".into(),
            rule: None,
        });
    }
    lines
}

/// The sharing rules in force among these, each with the role at its other end.
fn by_rule<'r>(
    rules: &'r Rules,
    fits: impl Fn(&&SharingRule) -> bool + 'r,
    end: impl Fn(&SharingRule) -> (RoleId, bool) + 'r,
) -> impl Iterator<Item = Line> + 'r {
    let all = rules.facts().rules.iter();
    let held = all.filter(|rule| rules.in_force(rule)).filter(fits);
    held.take(FOUND).map(move |rule| {
        let (role, below) = end(rule);
        let name = rules.role(role).map_or("", |role| role.name.as_str());
        let below = if below { " and below" } else { "" };
        let object = rule.object.map_or("All objects", |object| object.plural());
        let level = match rule.level {
            Level::Write => "read and edit",
            _ => "read",
        };
        Line {
            words: format!("{name}{below}: {object}, {level}, by "),
            rule: Some((
                rule.name.clone(),
                format!("{}/{}/edit", Tab::SharingRules.path(), rule.id),
            )),
        }
    })
}

/// Some names, and how many more there are.
fn in_short(names: &[&str]) -> String {
    match names.get(..NAMED) {
        Some(some) if names.len() > NAMED + 1 => {
            format!("{} and {} more roles", some.join(", "), names.len() - NAMED)
        }
        _ => names.join(", "),
    }
}
