//! The hierarchy as a picture: the top at the left, each level a column, drawn by the server as SVG. Of a large one the
//! upper part, with how much there is below.

use std::collections::HashMap;

use super::super::model::Rules;
use super::members_words;
use super::tree::children;
use crate::db::types::RoleId;

/// Levels that are drawn.
const LEVELS: usize = 6;
/// Roles that are drawn.
const BOXES: usize = 80;
/// Roles of one parent that are drawn.
const SIBLINGS: usize = 12;
/// Letters that fit into a box.
const LETTERS: usize = 22;

const COLUMN: usize = 208;
const LINE: usize = 52;
pub const BOX_WIDTH: usize = 176;
pub const BOX_HEIGHT: usize = 40;

/// What the template writes.
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub boxes: Vec<Drawn>,
    /// Paths from box to box.
    pub lines: Vec<String>,
    /// Roles that are not drawn.
    pub left_out: usize,
    pub levels: usize,
}

/// A role, or what stands for several.
pub struct Drawn {
    pub x: usize,
    pub y: usize,
    /// "", "is-more", "is-selected".
    pub class: &'static str,
    /// As much of the name as fits.
    pub name: String,
    pub sub: String,
    /// The whole name.
    pub whole: String,
}

/// Draws the hierarchy.
pub fn draw(rules: &Rules, chosen: Option<RoleId>, counts: &HashMap<RoleId, usize>) -> Picture {
    let mut pen = Pen {
        rules,
        chosen,
        counts,
        picture: Picture {
            width: 0,
            height: 0,
            boxes: Vec::new(),
            lines: Vec::new(),
            left_out: 0,
            levels: 0,
        },
        line: 0,
    };
    pen.list(&children(rules, None), 0);
    let mut picture = pen.picture;
    picture.height = (pen.line * LINE).saturating_sub(LINE - BOX_HEIGHT) + 2;
    picture.width = (picture.levels * COLUMN).saturating_sub(COLUMN - BOX_WIDTH) + 2;
    picture
}

struct Pen<'a> {
    rules: &'a Rules,
    chosen: Option<RoleId>,
    counts: &'a HashMap<RoleId, usize>,
    picture: Picture,
    /// The next free line.
    line: usize,
}

impl Pen<'_> {
    /// Draws the roles of one parent; gives the middle of each.
    fn list(&mut self, places: &[usize], level: usize) -> Vec<usize> {
        let mut middles = Vec::new();
        let fit = places.len() <= SIBLINGS;
        let shown = if fit { places.len() } else { SIBLINGS - 1 };
        for place in &places[..shown] {
            middles.push(self.role(*place, level));
        }
        if shown < places.len() {
            let left: usize = places[shown..]
                .iter()
                .map(|p| self.rules.roles[*p].end - p)
                .sum();
            middles.push(self.leaf(level, "is-more", format!("and {left} more"), String::new()));
            self.picture.left_out += left;
        }
        middles
    }

    fn role(&mut self, place: usize, level: usize) -> usize {
        let node = &self.rules.roles[place];
        let below = children(self.rules, Some(place));
        let room =
            level + 1 < LEVELS && self.picture.boxes.len() + below.len().min(SIBLINGS) <= BOXES;
        let class = if self.chosen == Some(node.fact.id) {
            "is-selected"
        } else {
            ""
        };
        let members = members_words(self.counts.get(&node.fact.id).copied().unwrap_or(0));
        if below.is_empty() || !room {
            let hidden = node.end - place - 1;
            self.picture.left_out += hidden;
            let sub = match hidden {
                0 => members,
                n => format!("{members}, +{n} below"),
            };
            return self.leaf(level, class, node.fact.name.clone(), sub);
        }
        // The box is counted before those below it, and placed after them.
        let own = self.picture.boxes.len();
        self.put(level, 0, class, node.fact.name.clone(), members);
        let middles = self.list(&below, level + 1);
        let (first, last) = (middles[0], middles[middles.len() - 1]);
        let middle = usize::midpoint(first, last);
        self.picture.boxes[own].y = middle - BOX_HEIGHT / 2;
        let from = level * COLUMN + BOX_WIDTH + 1;
        let bend = from + (COLUMN - BOX_WIDTH) / 2;
        let to = (level + 1) * COLUMN + 1;
        self.picture
            .lines
            .push(format!("M{from} {middle}H{bend}M{bend} {first}V{last}"));
        for y in middles {
            self.picture.lines.push(format!("M{bend} {y}H{to}"));
        }
        middle
    }

    /// A box on a line of its own.
    fn leaf(&mut self, level: usize, class: &'static str, name: String, sub: String) -> usize {
        let y = self.line * LINE + 1;
        self.line += 1;
        self.put(level, y, class, name, sub);
        y + BOX_HEIGHT / 2
    }

    fn put(&mut self, level: usize, y: usize, class: &'static str, whole: String, sub: String) {
        self.picture.levels = self.picture.levels.max(level + 1);
        let name = match whole.chars().count() {
            0..=LETTERS => whole.clone(),
            _ => whole.chars().take(LETTERS - 1).chain(['…']).collect(),
        };
        self.picture.boxes.push(Drawn {
            x: level * COLUMN + 1,
            y,
            class,
            name,
            sub,
            whole,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::model::{Facts, RoleFact};
    use super::*;
    use crate::db::types::Timestamp;

    fn rules(parents: &[Option<i64>]) -> Rules {
        let roles = (1..).zip(parents).map(|(id, parent)| RoleFact {
            id: RoleId(id),
            name: format!("Role {id:04}"),
            parent: parent.map(RoleId),
        });
        let facts = Facts {
            roles: roles.collect(),
            ..Facts::default()
        };
        Rules::new(facts, 1, Timestamp(0))
    }

    #[test]
    fn every_role_has_a_box_and_parents_stand_in_the_middle_of_theirs() {
        let rules = rules(&[None, Some(1), Some(1), Some(2), Some(2)]);
        let picture = draw(&rules, Some(RoleId(3)), &HashMap::new());
        assert_eq!(picture.boxes.len(), 5);
        assert_eq!((picture.levels, picture.left_out), (3, 0));
        let y = |name: &str| picture.boxes.iter().find(|b| b.whole == name).unwrap().y;
        assert_eq!(y("Role 0002") * 2, y("Role 0004") + y("Role 0005"));
        let inside =
            |b: &Drawn| b.x + BOX_WIDTH < picture.width && b.y + BOX_HEIGHT < picture.height;
        assert!(picture.boxes.iter().all(inside));
        let marked = picture.boxes.iter().filter(|b| b.class == "is-selected");
        assert_eq!(marked.count(), 1);
    }

    #[test]
    fn a_thousand_roles_give_a_picture_that_says_how_many_are_left_out() {
        let wide: Vec<Option<i64>> = (0..1000).map(|n| (n > 0).then_some(1)).collect();
        let deep: Vec<Option<i64>> = (0..1000).map(|n| (n > 0).then_some(n)).collect();
        let bushy: Vec<Option<i64>> = (0..1000)
            .map(|n| (n > 0).then_some((n - 1) / 4 + 1))
            .collect();
        for parents in [wide, deep, bushy] {
            let picture = draw(&rules(&parents), None, &HashMap::new());
            assert!(
                picture.boxes.len() <= BOXES + SIBLINGS,
                "{}",
                picture.boxes.len()
            );
            let more = picture
                .boxes
                .iter()
                .filter(|b| b.class == "is-more")
                .count();
            assert_eq!(picture.boxes.len() - more + picture.left_out, 1000);
        }
        assert!(draw(&rules(&[]), None, &HashMap::new()).boxes.is_empty());
    }
}
