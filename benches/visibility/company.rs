//! The company that the pages are measured in, drawn with a fixed seed: 10,000 members, 1,000 roles 10 deep, 300 sharing
//! rules, ownership as uneven as in life, a department whose records are all old and one that has hardly any.

use diesel::prelude::*;
use insight::access::Environment;
use insight::accounts;
use insight::db::Target;
use insight::db::types::{
    AccountId, LayoutId, ProfileId, RecordId, RoleId, Slot, Timestamp, UserId,
};
use insight::permissions::objects::Object;
use insight::permissions::{Level, Rights};
use insight::schema::{
    accounts as accounts_table, members, object_permissions, organization_wide_sharing,
    page_layouts, profiles, roles, sessions, sharing_rules, users,
};
use insight::{App, on_each};

use super::Failure;
use super::writer::{Row, Writer};

pub const MEMBERS: usize = 10_000;
const ROLES: usize = 1_000;
const DEPTH: usize = 10;
const RULES: usize = 300;
/// When the records were changed: over these days.
const DAYS: i64 = 1_095;
pub const DAY: i64 = 86_400_000_000;
/// The clock stands still here.
pub const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

/// Where nearly all records are, and where everybody reads everything.
pub const PRIVATE: Object = Object::Lead;
pub const PUBLIC: Object = Object::Contact;
pub const ENVIRONMENT: Environment = Environment::Commercial;

/// Numbers that look random and are the same in every run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn chance(&mut self, share: f64) -> bool {
        self.share() < share
    }
}

/// Roles by index, each after the one it reports to.
struct Tree {
    parent: Vec<Option<usize>>,
    /// The department whose records are all old, the one that has hardly any, and a leaf that a rule opens another
    /// department to.
    old: usize,
    sparse: usize,
    favoured: usize,
}

impl Tree {
    fn draw(dice: &mut Dice) -> Tree {
        let mut levels: Vec<Vec<usize>> = vec![vec![0]];
        let mut parent = vec![None];
        let widths = [1, 6, 24, 60, 110, 150, 180, 190, 170];
        for level in 1..DEPTH {
            let left = ROLES - parent.len();
            let wide = widths
                .get(level)
                .copied()
                .filter(|_| level + 1 < DEPTH)
                .unwrap_or(left);
            let mut here = Vec::new();
            for _ in 0..wide.min(left) {
                let above = &levels[level - 1];
                parent.push(Some(above[dice.below(above.len())]));
                here.push(parent.len() - 1);
            }
            levels.push(here);
        }
        let mut tree = Tree {
            parent,
            old: 0,
            sparse: 0,
            favoured: 0,
        };
        // Departments of some forty roles: some four hundred members.
        let mut departments = levels[2].clone();
        departments.sort_by_key(|role| (tree.below(*role).len().abs_diff(40), *role));
        (tree.old, tree.sparse) = (departments[0], departments[1]);
        let leaf = levels[5..].iter().flatten().copied().find(|role| {
            tree.below(*role).len() == 1
                && !tree.inside(*role, tree.old)
                && !tree.inside(*role, tree.sparse)
        });
        tree.favoured = leaf.unwrap_or(ROLES - 1);
        tree
    }

    fn inside(&self, mut role: usize, top: usize) -> bool {
        loop {
            if role == top {
                return true;
            }
            match self.parent[role] {
                Some(parent) => role = parent,
                None => return false,
            }
        }
    }

    /// The role itself and all below it.
    fn below(&self, top: usize) -> Vec<usize> {
        (0..self.parent.len())
            .filter(|role| self.inside(*role, top))
            .collect()
    }
}

/// What is on one record, as far as finding it goes.
#[derive(Clone)]
pub struct Fact {
    pub id: RecordId,
    pub updated_at: i64,
    pub sort_name: Box<str>,
    pub creator: Slot,
    pub owner: Slot,
    pub assigned: bool,
}

/// The company as it was written.
pub struct Company {
    pub account: AccountId,
    users: Vec<UserId>,
    /// The heads of the two departments, the leaf with the rule, somebody without a role, an administrator and
    /// somebody with Read All: all by slot.
    pub old_head: Slot,
    pub sparse_head: Slot,
    pub favoured: Slot,
    pub without_role: Slot,
    pub administrator: Slot,
    pub reads_all: Slot,
    /// Records of the private object by last update and by name, and of the public one by last update.
    pub by_update: Vec<Fact>,
    pub by_name: Vec<Fact>,
    pub public: Vec<Fact>,
    pub last: i64,
}

/// Fills an empty, migrated database with `size` records.
pub fn fill(app: &App, target: &Target, size: usize) -> Result<Company, Failure> {
    let mut dice = Dice::new(20_260_101);
    let tree = Tree::draw(&mut dice);
    let mut role_of: Vec<Option<usize>> = (0..MEMBERS)
        .map(|n| {
            if n < ROLES {
                Some(n)
            } else {
                Some(dice.below(ROLES)).filter(|_| !dice.chance(0.03))
            }
        })
        .collect();
    let (administrator, reads_all, without_role) = (ROLES, ROLES + 1, ROLES + 2);
    role_of[without_role] = None;
    role_of[administrator] = None;
    role_of[reads_all] = None;
    let (account, users) = people(app, &tree, &role_of, administrator, reads_all, &mut dice)?;

    // Some own a lot, most a little, one in fifty nothing.
    let mut ranks: Vec<usize> = (0..MEMBERS).collect();
    for n in (1..MEMBERS).rev() {
        ranks.swap(n, dice.below(n + 1));
    }
    let old: Vec<bool> = role_of
        .iter()
        .map(|role| role.is_some_and(|role| tree.inside(role, tree.old)))
        .collect();
    let sparse: Vec<bool> = role_of
        .iter()
        .map(|role| role.is_some_and(|role| tree.inside(role, tree.sparse)))
        .collect();
    let mut sums = Vec::with_capacity(MEMBERS);
    let mut sum = 0.0;
    for n in 0..MEMBERS {
        let nothing = dice.chance(0.02) && n > ROLES + 2;
        sum += match (nothing, sparse[n]) {
            (true, _) => 0.0,
            (_, true) => 0.001 / (ranks[n] as f64 + 10.0).powf(0.9),
            _ => 1.0 / (ranks[n] as f64 + 10.0).powf(0.9),
        };
        sums.push(sum);
    }
    let mut mates: Vec<Vec<usize>> = vec![Vec::new(); ROLES];
    for (n, role) in role_of.iter().enumerate() {
        if let Some(role) = role {
            mates[*role].push(n);
        }
    }
    let writer = Writer::open(target, account)?;
    let mut company = Company {
        account,
        users,
        old_head: slot(tree.old),
        sparse_head: slot(tree.sparse),
        favoured: slot(tree.favoured),
        without_role: slot(without_role),
        administrator: slot(administrator),
        reads_all: slot(reads_all),
        by_update: Vec::with_capacity(size),
        by_name: Vec::new(),
        public: Vec::new(),
        last: size as i64,
    };
    writer.write(size, |n| {
        let draw = dice.share() * sum;
        let owner = sums.partition_point(|s| *s <= draw).min(MEMBERS - 1);
        let mut creator = owner;
        // The department of old records works alone: else its head would see something new.
        if !old[owner] && !sparse[owner] && dice.chance(0.15) {
            let team = role_of[owner].map_or(&[][..], |role| &mates[role]);
            let other = if dice.chance(0.7) && !team.is_empty() {
                team[dice.below(team.len())]
            } else {
                dice.below(MEMBERS)
            };
            if !old[other] && !sparse[other] && sums[other] > other.checked_sub(1).map_or(0.0, |b| sums[b]) {
                creator = other;
            }
        }
        let age = if old[owner] {
            900 * DAY + (dice.share() * ((DAYS - 900) * DAY) as f64) as i64
        } else {
            // More of late than long ago.
            (dice.share().powf(1.5) * (DAYS * DAY) as f64) as i64
        };
        let updated_at = NOW.0 - age;
        let name = name(&mut dice);
        let place = dice.below(100);
        let (environment, object) = match place {
            0..94 => (1, PRIVATE),
            94..98 => (1, PUBLIC),
            _ => (0, PRIVATE),
        };
        let fact = Fact {
            id: RecordId(n as i64 + 1),
            updated_at,
            sort_name: name.to_lowercase().into(),
            creator: slot(creator),
            owner: slot(owner),
            assigned: creator != owner || dice.chance(0.3),
        };
        let data = format!(
            r#"{{"company":"{name} Holding","email":"{n}@halden.example","estimated_value":"{}","notes":"Asked for an offer for the second quarter; call back in the week after the fair.","phone":"+47 22 {n:07}","source":"Web","status":"{}"}}"#,
            dice.below(100_000),
            ["New", "Contacted", "Qualified"][dice.below(3)],
        );
        let row = Row {
            environment,
            object: object.number(),
            assigned: fact.assigned.then_some(slot(owner)),
            created_at: updated_at - dice.below(30) as i64 * DAY,
            name,
            data,
            fact: fact.clone(),
        };
        match (environment, object) {
            (1, PRIVATE) => company.by_update.push(fact),
            (1, _) => company.public.push(fact),
            _ => {}
        }
        row
    })?;
    let newest_first = |facts: &mut Vec<Fact>| {
        facts.sort_by_key(|fact| std::cmp::Reverse((fact.updated_at, fact.id)));
    };
    newest_first(&mut company.by_update);
    newest_first(&mut company.public);
    company.by_name = company.by_update.clone();
    company
        .by_name
        .sort_by(|a, b| (&a.sort_name, a.id).cmp(&(&b.sort_name, b.id)));
    Ok(company)
}

impl Company {
    /// A session of the member with a slot, as its token's hash.
    pub fn sign_in(&self, app: &App, member: Slot) -> Result<[u8; 32], Failure> {
        use insight::credentials::tokens::{Token, TokenKind};
        let token = Token::new(TokenKind::Session);
        let user = self.users[member.index()];
        app.system_write(|tx| {
            let now = tx.now();
            diesel::insert_into(sessions::table)
                .values((
                    sessions::token_hash.eq(token.hash().to_vec()),
                    sessions::user_id.eq(user),
                    sessions::account_id.eq(self.account),
                    sessions::level.eq(2),
                    sessions::created_at.eq(now),
                    sessions::last_seen_at.eq(now),
                    sessions::expires_at.eq(now + time::Duration::hours(24)),
                    sessions::code_at.eq(now),
                    sessions::address.eq("127.0.0.1"),
                    sessions::device.eq("Benchmark"),
                    sessions::environment.eq(ENVIRONMENT.slug()),
                ))
                .execute(tx.conn())?;
            Ok(())
        })?;
        Ok(token.hash())
    }
}

fn slot(n: usize) -> Slot {
    Slot(n as i32)
}

const SYLLABLES: [&str; 24] = [
    "ber", "sal", "ko", "min", "tra", "vel", "nor", "da", "lin", "go", "sta", "fre", "hal", "mar",
    "ti", "ros", "bo", "ken", "ul", "pre", "san", "wi", "ze", "ak",
];

fn name(dice: &mut Dice) -> String {
    let mut name = String::new();
    for _ in 0..4 {
        name.push_str(SYLLABLES[dice.below(SYLLABLES.len())]);
    }
    let first = name.remove(0).to_ascii_uppercase();
    format!("{first}{name} {}", dice.below(90) + 10)
}

/// Account, roles, profiles, members, sharing. A member's slot is the place in `role_of`.
fn people(
    app: &App,
    tree: &Tree,
    role_of: &[Option<usize>],
    administrator: usize,
    reads_all: usize,
    dice: &mut Dice,
) -> Result<(AccountId, Vec<UserId>), Failure> {
    let made = app.system_write(|tx| {
        let account = accounts::create(tx, "Halden Logistics")?;
        let profile = accounts::standard_profile(tx, account)?;
        let mut ids: Vec<RoleId> = Vec::new();
        for (n, parent) in tree.parent.iter().enumerate() {
            ids.push(
                diesel::insert_into(roles::table)
                    .values((
                        roles::account_id.eq(account),
                        roles::name.eq(format!("Role {n:04}")),
                        roles::parent_id.eq(parent.map(|parent| ids[parent])),
                    ))
                    .returning(roles::id)
                    .get_result(tx.conn())?,
            );
        }
        let wide: ProfileId = diesel::insert_into(profiles::table)
            .values((
                profiles::account_id.eq(account),
                profiles::name.eq("Reads all"),
                profiles::standard.eq(false),
            ))
            .returning(profiles::id)
            .get_result(tx.conn())?;
        let layouts: Vec<(i16, LayoutId)> = page_layouts::table
            .filter(page_layouts::account_id.eq(account))
            .select((page_layouts::object, page_layouts::id))
            .load(tx.conn())?;
        for (object, layout) in layouts {
            diesel::insert_into(object_permissions::table)
                .values((
                    object_permissions::account_id.eq(account),
                    object_permissions::profile_id.eq(wide),
                    object_permissions::object.eq(object),
                    object_permissions::rights.eq(Rights::READ.and(Rights::READ_ALL).bits()),
                    object_permissions::layout_id.eq(layout),
                ))
                .execute(tx.conn())?;
        }
        diesel::insert_into(organization_wide_sharing::table)
            .values((
                organization_wide_sharing::account_id.eq(account),
                organization_wide_sharing::object.eq(PUBLIC.number()),
                organization_wide_sharing::level.eq(Level::Read.number()),
            ))
            .execute(tx.conn())?;
        let now = tx.now();
        // Many rows at a time: each statement moves the version of the rules once.
        let of: Vec<UserId> = (1..=role_of.len() as i64).map(UserId).collect();
        let everybody: Vec<usize> = (0..role_of.len()).collect();
        for some in everybody.chunks(1_000) {
            let name = |n: usize| format!("Person {n:05} of Halden");
            let email = |n: usize| format!("person.{n:05}@halden.example");
            let rows: Vec<_> = some
                .iter()
                .map(|n| {
                    (
                        users::id.eq(of[*n]),
                        users::email.eq(email(*n)),
                        users::name.eq(name(*n)),
                        users::home_account_id.eq(account),
                        users::password.eq("none"),
                        users::created_at.eq(now),
                    )
                })
                .collect();
            on_each!(tx.conn(), c => diesel::insert_into(users::table).values(rows).execute(c))?;
            let rows: Vec<_> = some
                .iter()
                .map(|n| {
                    (
                        members::account_id.eq(account),
                        members::user_id.eq(of[*n]),
                        members::slot.eq(slot(*n)),
                        members::viewer.eq(true),
                        members::technician.eq(false),
                        members::admin.eq(*n == administrator),
                        members::profile_id.eq(if *n == reads_all { wide } else { profile }),
                        members::role_id.eq(role_of[*n].map(|role| ids[role])),
                        members::name_key.eq(name(*n).to_lowercase()),
                        members::search_text.eq(email(*n)),
                        members::two_factor.eq(true),
                        members::joined_at.eq(now),
                        members::last_activity_at.eq(now),
                    )
                })
                .collect();
            on_each!(tx.conn(), c => diesel::insert_into(members::table).values(rows).execute(c))?;
        }
        diesel::update(accounts_table::table.find(account))
            .set(accounts_table::next_slot.eq(role_of.len() as i32))
            .execute(tx.conn())?;
        // One rule opens a department to a leaf far away; the others are drawn, and leave the two departments alone.
        let far = (1..ROLES)
            .filter(|role| tree.parent[*role] == Some(0))
            .find(|role| !tree.inside(tree.favoured, *role))
            .unwrap_or(1);
        let mut rules = vec![(far, true, tree.favoured, false)];
        let apart = |role: usize, below: bool| {
            let touches = |top: usize| tree.inside(role, top) || (below && tree.inside(top, role));
            !touches(tree.old) && !touches(tree.sparse)
        };
        while rules.len() < RULES {
            let (source, target) = (dice.below(ROLES - 31) + 31, dice.below(ROLES));
            let target_below = dice.chance(0.3) && tree.below(target).len() < 50;
            if apart(target, target_below) && target != tree.favoured {
                rules.push((source, dice.chance(0.5), target, target_below));
            }
        }
        for (n, (source, source_below, target, target_below)) in rules.into_iter().enumerate() {
            diesel::insert_into(sharing_rules::table)
                .values((
                    sharing_rules::account_id.eq(account),
                    sharing_rules::name.eq(format!("Rule {n}")),
                    sharing_rules::source_role_id.eq(ids[source]),
                    sharing_rules::source_below.eq(source_below),
                    sharing_rules::target_role_id.eq(ids[target]),
                    sharing_rules::target_below.eq(target_below),
                    sharing_rules::level.eq(if n % 3 == 0 { 2_i16 } else { 1 }),
                    sharing_rules::active.eq(true),
                ))
                .execute(tx.conn())?;
        }
        Ok((account, of))
    })?;
    Ok(made)
}
