//! The role hierarchy as a list in a list, prepared for a template that knows no recursion. A small one is shown whole;
//! of a large one the branch that leads to the chosen role, and the rest behind links.

use std::collections::HashMap;

use super::super::model::Rules;
use super::members_words;
use crate::db::types::RoleId;

/// Up to so many roles are shown at once.
const WHOLE: usize = 200;
/// Roles of one parent that a large tree shows.
const SIBLINGS: usize = 100;

/// One line of the tree.
pub struct Row {
    pub what: What,
    /// Its children follow.
    pub opens: bool,
    /// How many lists end after it.
    pub closes: usize,
    depth: usize,
}

/// What stands in a line.
pub enum What {
    Role {
        id: RoleId,
        name: String,
        members: String,
        chosen: bool,
        /// Roles below that are not shown.
        hidden: usize,
    },
    /// Roles of the same parent that are not shown.
    More(usize),
}

/// The lines for a hierarchy, from the top. `chosen` is open, and everything above it.
pub fn rows(rules: &Rules, chosen: Option<RoleId>, counts: &HashMap<RoleId, usize>) -> Vec<Row> {
    let nodes = &rules.roles;
    let whole = nodes.len() <= WHOLE;
    let at = chosen.and_then(|role| rules.place_of(role));
    // On the way to the chosen role, or the role itself.
    let leads = |place: usize| at.is_some_and(|at| place <= at && at < nodes[place].end);
    // What is still to be written, the next last: a role, or how many are left out; and how deep it stands.
    let mut open: Vec<(Result<usize, usize>, usize)> = Vec::new();
    let add = |below: Vec<usize>, depth: usize, open: &mut Vec<_>| {
        let (shown, left): (Vec<_>, Vec<_>) = below
            .into_iter()
            .enumerate()
            .partition(|(nth, place)| whole || *nth < SIBLINGS || leads(*place));
        if !left.is_empty() {
            open.push((Err(left.len()), depth));
        }
        open.extend(shown.into_iter().rev().map(|(_, place)| (Ok(place), depth)));
    };
    add(children(rules, None), 0, &mut open);
    let mut rows: Vec<Row> = Vec::new();
    while let Some((next, depth)) = open.pop() {
        let (what, opens) = match next {
            Err(left) => (What::More(left), false),
            Ok(place) => {
                let node = &nodes[place];
                let below = children(rules, Some(place));
                let opens = !below.is_empty() && (whole || leads(place));
                if opens {
                    add(below, depth + 1, &mut open);
                }
                let role = What::Role {
                    id: node.fact.id,
                    name: node.fact.name.clone(),
                    members: members_words(counts.get(&node.fact.id).copied().unwrap_or(0)),
                    chosen: chosen == Some(node.fact.id),
                    hidden: if opens { 0 } else { node.end - place - 1 },
                };
                (role, opens)
            }
        };
        rows.push(Row {
            what,
            opens,
            closes: 0,
            depth,
        });
    }
    let depths: Vec<usize> = rows.iter().map(|row| row.depth).collect();
    for (index, row) in rows.iter_mut().enumerate() {
        let next = depths.get(index + 1).copied().unwrap_or(0);
        row.closes = row.depth.saturating_sub(next);
    }
    rows
}

/// The places of the roles that report to one, or of those at the top.
pub fn children(rules: &Rules, place: Option<usize>) -> Vec<usize> {
    let (mut next, end) = match place {
        Some(place) => (place + 1, rules.roles[place].end),
        None => (0, rules.roles.len()),
    };
    let mut places = Vec::new();
    while next < end {
        places.push(next);
        next = rules.roles[next].end;
    }
    places
}
