//! Random companies. A seed draws the same one every time.

use insight::permissions::{Level, Object};

use super::naive::{
    Company, Custom, Layout, Member, OnLayout, Owners, Profile, Role, Rule, built_in,
};

/// The instant of a drawn company.
pub const NOW: i64 = 1_772_530_860_000_000;
/// When a rule ends that has not ended yet.
pub const LATER: i64 = NOW + 1_800_000_000;

/// A generator of numbers (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).expect("is below a usize")
    }

    /// From `from` to `to`, both included.
    pub fn between(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to - from + 1)
    }

    /// True `percent` times of a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A place, or none.
    pub fn maybe(&mut self, percent: usize, of: usize) -> Option<usize> {
        (of > 0 && self.chance(percent)).then(|| self.below(of))
    }
}

/// Draws a company.
pub fn company(dice: &mut Dice) -> Company {
    let roles = roles(dice);
    let custom = custom_fields(dice);
    let layouts = layouts(dice, &custom);
    let profiles: Vec<Profile> = (0..dice.between(1, 4))
        .map(|_| profile(dice, &layouts))
        .collect();
    let mut members: Vec<Member> = (0..dice.between(1, 9))
        .map(|_| Member {
            role: dice.maybe(85, roles.len()),
            profile: dice.maybe(92, profiles.len()),
            administrator: dice.chance(8),
            export: dice.chance(30),
            removed: dice.chance(15),
        })
        .collect();
    // Peers are common: a company where everybody has a role of their own would never ask about them.
    if members.len() > 1 && dice.chance(60) {
        members[0].role = members[1].role;
    }
    let sharing = [(); 6].map(|()| match dice.below(10) {
        0 => Level::Write,
        1 | 2 => Level::Read,
        _ => Level::None,
    });
    let rules = match roles.len() {
        0 => Vec::new(),
        some => (0..dice.between(0, 5)).map(|_| rule(dice, some)).collect(),
    };
    Company {
        roles,
        members,
        profiles,
        layouts,
        custom,
        sharing,
        rules,
        now: NOW,
    }
}

/// Up to nine roles, six levels deep, in one tree or several.
fn roles(dice: &mut Dice) -> Vec<Role> {
    let count = dice.below(10);
    let mut depths: Vec<usize> = Vec::new();
    let mut roles: Vec<Role> = Vec::new();
    // Names decide the order of siblings: they must not be in the order of the numbers.
    let mut names: Vec<usize> = (0..count).collect();
    for place in (1..count).rev() {
        names.swap(place, dice.below(place + 1));
    }
    let deep = dice.chance(50);
    for name in names {
        let above: Vec<usize> = (0..roles.len()).filter(|role| depths[*role] < 6).collect();
        let reports_to = match above.last() {
            Some(last) if deep && dice.chance(60) => Some(*last),
            Some(_) if dice.chance(85) => Some(dice.one(&above)),
            _ => None,
        };
        depths.push(reports_to.map_or(1, |upper| depths[upper] + 1));
        roles.push(Role {
            name: format!("Role {name}"),
            reports_to,
        });
    }
    roles
}

fn custom_fields(dice: &mut Dice) -> Vec<Custom> {
    (1..=dice.below(4))
        .map(|number| Custom {
            object: dice.one(&Object::ALL),
            key: format!("custom_{number}"),
            retired: dice.chance(25),
        })
        .collect()
}

/// One to three layouts for each object; the first of each has every field.
fn layouts(dice: &mut Dice, custom: &[Custom]) -> Vec<Layout> {
    let mut layouts = Vec::new();
    for object in Object::ALL {
        let all: Vec<String> = built_in(object)
            .iter()
            .map(|key| (*key).to_owned())
            .chain(
                custom
                    .iter()
                    .filter(|c| c.object == object)
                    .map(|c| c.key.clone()),
            )
            .collect();
        let whole = all.iter().map(|key| OnLayout {
            key: key.clone(),
            read_only: false,
            required: key == "name",
        });
        layouts.push(Layout {
            object,
            fields: whole.collect(),
        });
        for _ in 0..dice.below(3) {
            let mut keys: Vec<&String> = Vec::new();
            for key in &all {
                if key == "name" || dice.chance(60) {
                    keys.insert(dice.below(keys.len() + 1), key);
                }
            }
            let fields = keys.into_iter().map(|key| {
                let read_only = dice.chance(20);
                OnLayout {
                    key: key.clone(),
                    read_only,
                    // Whatever is written about the name, it is required.
                    required: match key.as_str() {
                        "name" => dice.chance(70),
                        _ => !read_only && dice.chance(10),
                    },
                }
            });
            layouts.push(Layout {
                object,
                fields: fields.collect(),
            });
        }
    }
    layouts
}

fn profile(dice: &mut Dice, layouts: &[Layout]) -> Profile {
    let ticks = [(); 6].map(|()| match dice.below(8) {
        0 => [false; 6],
        1..=3 => [true, true, true, true, false, false],
        _ => [55, 35, 40, 30, 12, 8].map(|percent| dice.chance(percent)),
    });
    let layouts = Object::ALL.map(|object| {
        let own: Vec<usize> = (0..layouts.len())
            .filter(|l| layouts[*l].object == object)
            .collect();
        dice.one(&own)
    });
    Profile { ticks, layouts }
}

fn rule(dice: &mut Dice, roles: usize) -> Rule {
    Rule {
        object: dice.chance(65).then(|| dice.one(&Object::ALL)),
        source: dice.below(roles),
        source_below: dice.chance(40),
        target: dice.below(roles),
        target_below: dice.chance(40),
        write: dice.chance(40),
        active: dice.chance(80),
        ends_at: match dice.below(10) {
            0 => Some(NOW - 1),
            1 => Some(NOW),
            2 => Some(LATER),
            _ => None,
        },
    }
}

/// Whose a record is.
pub fn owners(dice: &mut Dice, company: &Company) -> Owners {
    Owners {
        created_by: dice.below(company.members.len()),
        assigned_to: dice.maybe(65, company.members.len()),
    }
}
