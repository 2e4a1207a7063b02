//! Drawn companies in a database: made through the functions that administrators' pages call, changed through them, and
//! asked through everything that reads or writes a record.

use std::rc::Rc;
use std::sync::Arc;

use diesel::prelude::*;
use insight::access::{Can, Environment, PlatformRoles, System, Tx, UseRecords, Visit};
use insight::accounts::{self, Grants};
use insight::credentials::email::Email;
use insight::credentials::names::SettingName;
use insight::credentials::tokens::Token;
use insight::db::types::{
    AccountId, CustomFieldId, LayoutId, MemberId, ProfileId, RecordId, RoleId, SharingRuleId, Slot,
    Timestamp,
};
use insight::permissions::model::{LayoutField, ObjectFact};
use insight::permissions::setup::Setup;
use insight::permissions::{
    Level, Object, Rights, custom_fields, layouts, members, organization_wide, profiles, roles,
    sharing_rules,
};
use insight::schema::{
    members as members_table, object_permissions, records, sharing_rules as rules_table,
};
use insight::{App, Error, Result};

use super::draw::{self, Dice};
use super::naive::{Company, Custom, Owners};
use super::pure::bits;
use crate::app::people::{Context, Level as SignedIn};

/// A record that is in the database.
#[derive(Clone, Debug)]
pub struct Stored {
    pub id: RecordId,
    pub environment: Environment,
    pub object: Object,
    pub owners: Owners,
    pub name: String,
    pub notes: &'static str,
    /// Where it leads, if its object has a link.
    pub link: Option<RecordId>,
    pub updated_at: i64,
}

/// The key of the link that an object has, and what it leads to; nothing there: anything.
pub fn link_of(object: Object) -> Option<(&'static str, Option<Object>)> {
    match object {
        Object::Contact | Object::Opportunity | Object::Project => {
            Some(("organization", Some(Object::Organization)))
        }
        Object::Task => Some(("related_record", None)),
        Object::Organization | Object::Lead => None,
    }
}

/// The name of a member: not in the order of their places, and some have the same.
pub fn member_name(place: usize) -> String {
    format!("{} {}", ["M", "m"][place % 2], place * 7 % 5)
}

/// A company with the numbers that the database gave.
pub struct Account {
    pub id: AccountId,
    pub company: Company,
    pub records: Vec<Stored>,
    pub roles: Vec<RoleId>,
    pub profiles: Vec<ProfileId>,
    pub rules: Vec<SharingRuleId>,
    pub members: Vec<MemberId>,
    pub tokens: Vec<Token>,
}

fn name(text: &str) -> SettingName {
    SettingName::parse(text).expect("a good name")
}

fn slot(member: usize) -> Slot {
    Slot(i32::try_from(member).expect("a small company"))
}

/// Draws a company and writes it down.
pub fn make(context: &Context, dice: &mut Dice, seed: u64) -> Account {
    let app = &context.app;
    let company = draw::company(dice);
    let mut account = app
        .system_write(|tx| write(tx, company, dice, seed))
        .expect("writes a company");
    account.tokens = (0..account.members.len())
        .map(|member| {
            let user = app
                .system_read(|tx| {
                    Ok(members_table::table
                        .filter(members_table::id.eq(account.members[member]))
                        .select(members_table::user_id)
                        .first(tx.conn())?)
                })
                .expect("is a member");
            context.session(user, account.id, SignedIn::Full)
        })
        .collect();
    remove(app, &account).expect("removes");
    account
}

fn write(tx: &mut Tx<System>, mut company: Company, dice: &mut Dice, seed: u64) -> Result<Account> {
    let id = accounts::create(tx, &format!("Company {seed}"))?;
    let mut setup = Setup::of_account(tx, id)?;
    let mut role_ids: Vec<RoleId> = Vec::new();
    for role in &company.roles {
        let above = role.reports_to.map(|upper| role_ids[upper]);
        role_ids.push(roles::add(&mut setup, &name(&role.name), above)?);
    }
    number_custom_fields(&mut setup, &mut company)?;
    let mut layout_ids: Vec<LayoutId> = Vec::new();
    for (place, layout) in company.layouts.iter().enumerate() {
        let first = place == 0 || company.layouts[place - 1].object != layout.object;
        let layout_id = if first {
            layouts::default_of(&mut setup, layout.object)?
        } else {
            layouts::add(&mut setup, layout.object, &name(&format!("Layout {place}")))?
        };
        let fields: Vec<LayoutField> = layout
            .fields
            .iter()
            .map(|on| LayoutField {
                key: on.key.clone(),
                section: String::new(),
                read_only: on.read_only,
                required: on.required,
            })
            .collect();
        layouts::set_fields(&mut setup, layout_id, &fields)?;
        layout_ids.push(layout_id);
    }
    for custom in company.custom.iter().filter(|custom| custom.retired) {
        custom_fields::retire(&mut setup, custom_id(custom))?;
    }
    let mut profile_ids: Vec<ProfileId> = Vec::new();
    for (place, profile) in company.profiles.iter().enumerate() {
        let matrix = Object::ALL.map(|object| ObjectFact {
            rights: Rights::of_bits(bits(profile.ticks[object.index()])),
            layout: Some(layout_ids[profile.layouts[object.index()]]),
        });
        let made = profiles::add(&mut setup, &name(&format!("Profile {place}")), &matrix)?;
        profile_ids.push(made);
    }
    for object in Object::ALL {
        organization_wide::set(&mut setup, object, company.sharing[object.index()])?;
    }
    let mut rule_ids = Vec::new();
    for (place, rule) in company.rules.iter().enumerate() {
        let ended = rule.ends_at.is_some_and(|end| end <= draw::NOW);
        let wanted = sharing_rules::Wanted {
            name: name(&format!("Rule {place}")),
            object: rule.object,
            source: role_ids[rule.source],
            source_below: rule.source_below,
            target: role_ids[rule.target],
            target_below: rule.target_below,
            level: if rule.write {
                Level::Write
            } else {
                Level::Read
            },
            active: rule.active,
            ends_at: rule.ends_at.filter(|_| !ended).map(Timestamp),
        };
        rule_ids.push(sharing_rules::add(&mut setup, &wanted)?);
    }
    // What no page writes, and must hold nevertheless: rules that have ended, ticks without what they imply.
    for (rule, id) in company.rules.iter().zip(&rule_ids) {
        diesel::update(rules_table::table.filter(rules_table::id.eq(id)))
            .set(rules_table::ends_at.eq(rule.ends_at.map(Timestamp)))
            .execute(tx.conn())?;
    }
    if dice.chance(50) {
        for (profile, id) in company.profiles.iter().zip(&profile_ids) {
            for object in Object::ALL {
                diesel::update(object_permissions::table)
                    .filter(object_permissions::profile_id.eq(id))
                    .filter(object_permissions::object.eq(object.number()))
                    .set(object_permissions::rights.eq(bits(profile.ticks[object.index()])))
                    .execute(tx.conn())?;
            }
        }
    }
    let mut account = Account {
        id,
        company,
        records: Vec::new(),
        roles: role_ids,
        profiles: profile_ids,
        rules: rule_ids,
        members: Vec::new(),
        tokens: Vec::new(),
    };
    add_members(tx, &mut account, seed)?;
    add_records(tx, &mut account, dice)?;
    Ok(account)
}

/// Adds them and gives the drawn ones the keys that they have in the database.
fn number_custom_fields(setup: &mut Setup<System>, company: &mut Company) -> Result<()> {
    for place in 0..company.custom.len() {
        let Custom { object, key, .. } = company.custom[place].clone();
        let label = name(&format!("Added {place}"));
        let id = custom_fields::add(setup, object, &label, "text", "")?;
        let real = format!("custom_{id}");
        company.custom[place].key = format!("new {real}");
        for layout in company.layouts.iter_mut().filter(|l| l.object == object) {
            for on in layout.fields.iter_mut().filter(|on| on.key == key) {
                on.key = format!("new {real}");
            }
        }
    }
    // In a second step: a number of the database may be one that was drawn for another field.
    let keys = company
        .layouts
        .iter_mut()
        .flat_map(|l| &mut l.fields)
        .map(|on| &mut on.key);
    for key in keys.chain(company.custom.iter_mut().map(|custom| &mut custom.key)) {
        *key = key.trim_start_matches("new ").to_owned();
    }
    Ok(())
}

fn custom_id(custom: &Custom) -> CustomFieldId {
    let number = custom.key.trim_start_matches("custom_");
    number.parse().expect("a number")
}

fn add_members(tx: &mut Tx<System>, account: &mut Account, seed: u64) -> Result<()> {
    for (place, member) in account.company.members.iter().enumerate() {
        let email = Email::parse(&format!("m{place}@c{seed}.example")).map_err(Error::internal)?;
        let user = accounts::create_user(tx, &email, &member_name(place), "none", account.id)?;
        let grants = Grants {
            roles: PlatformRoles {
                admin: member.administrator,
                ..PlatformRoles::default()
            },
            profile: member.profile.map(|profile| account.profiles[profile]),
            role: member.role.map(|role| account.roles[role]),
        };
        let id = accounts::add_member(tx, account.id, user, grants)?;
        account.members.push(id);
        let mut setup = Setup::of_account(tx, account.id)?;
        members::set_export(&mut setup, id, member.export)?;
    }
    Ok(())
}

/// Those who were drawn as removed go when everybody has a session: it must be of no use.
fn remove(app: &App, account: &Account) -> Result<()> {
    app.system_write(|tx| {
        let now = tx.now();
        for (member, id) in account.company.members.iter().zip(&account.members) {
            if member.removed {
                diesel::update(members_table::table.filter(members_table::id.eq(id)))
                    .set(members_table::removed_at.eq(Some(now)))
                    .execute(tx.conn())?;
            }
        }
        Ok(())
    })
}

const NAMES: [&str; 6] = ["Alder", "alba", "Birch", "Älv", "bir", "Cedar"];
pub const NOTES: [&str; 3] = ["", "a red one", "blue"];

fn add_records(tx: &mut Tx<System>, account: &mut Account, dice: &mut Dice) -> Result<()> {
    let some: Vec<Object> = (0..3).map(|_| dice.one(&Object::ALL)).collect();
    for number in 0..18 {
        let object = dice.one(&some);
        let owners = draw::owners(dice, &account.company);
        let environment = match dice.chance(85) {
            true => Environment::Test,
            false => Environment::Commercial,
        };
        let name = format!("{} {}", dice.one(&NAMES), dice.below(3));
        let notes = dice.one(&NOTES);
        // Instants that several share, so that the number has to decide.
        let updated_at = draw::NOW - 10 + i64::try_from(dice.below(8)).expect("is small");
        let link = draw_link(dice, object, &account.records);
        let mut data = serde_json::Map::new();
        if !notes.is_empty() {
            data.insert("notes".into(), notes.into());
        }
        if let (Some((key, _)), Some(link)) = (link_of(object), link) {
            data.insert(key.into(), link.to_string().into());
        }
        let id: RecordId = diesel::insert_into(records::table)
            .values((
                records::account_id.eq(account.id),
                records::environment.eq(i16::from(environment == Environment::Commercial)),
                records::object.eq(object.number()),
                (
                    records::name.eq(&name),
                    records::sort_name.eq(name.to_lowercase()),
                ),
                records::creator_slot.eq(slot(owners.created_by)),
                records::assigned_slot.eq(owners.assigned_to.map(slot)),
                records::owner_slot.eq(slot(owners.assigned_to.unwrap_or(owners.created_by))),
                records::created_at.eq(draw::NOW - 100 - number),
                records::updated_at.eq(updated_at),
                records::version.eq(1_i64),
                records::data.eq(serde_json::Value::from(data).to_string()),
            ))
            .returning(records::id)
            .get_result(tx.conn())?;
        account.records.push(Stored {
            id,
            environment,
            object,
            owners,
            name,
            notes,
            link,
            updated_at,
        });
    }
    Ok(())
}

/// A record made before, also one of the other environment: an earlier version could keep such a link.
fn draw_link(dice: &mut Dice, object: Object, made: &[Stored]) -> Option<RecordId> {
    let (_, to) = link_of(object)?;
    let fitting = |record: &&Stored| to.is_none_or(|to| record.object == to);
    let fitting: Vec<RecordId> = made.iter().filter(fitting).map(|r| r.id).collect();
    dice.maybe(75, fitting.len()).map(|place| fitting[place])
}

impl Account {
    /// The guard of a member's next request.
    pub fn guard(&self, app: &Arc<App>, member: usize) -> Result<Can<UseRecords>> {
        let hash = self.tokens[member].hash();
        let visit = Visit::open(app, Some(hash), "127.0.0.1".into(), None)?;
        Can::decide(Rc::new(visit))
    }

    /// One random change of the rules, through the function that the page will call, and in the drawn company too. Says
    /// what it was.
    pub fn change(&mut self, app: &App, dice: &mut Dice) -> String {
        let kind = dice.below(8);
        let id = self.id;
        app.system_write(|tx| {
            let mut setup = Setup::of_account(tx, id)?;
            self.change_one(&mut setup, dice, kind)
        })
        .expect("changes")
    }

    fn change_one(
        &mut self,
        setup: &mut Setup<System>,
        dice: &mut Dice,
        kind: usize,
    ) -> Result<String> {
        let company = &mut self.company;
        let active: Vec<usize> = (0..company.members.len())
            .filter(|m| !company.members[*m].removed)
            .collect();
        let object = dice.one(&Object::ALL);
        let roles_left = company.roles.len();
        match kind {
            0 if roles_left > 0 => {
                let role = dice.below(roles_left);
                let upper = dice.maybe(80, roles_left);
                let cycle = upper.is_some_and(|u| u == role || company.is_below(u, role));
                let (id, above) = (self.roles[role], upper.map(|u| self.roles[u]));
                let role_name = name(&company.roles[role].name);
                let changed = roles::change(setup, id, &role_name, above);
                assert_eq!(matches!(changed, Err(Error::Refused(_))), cycle);
                if !cycle {
                    company.roles[role].reports_to = upper;
                }
                Ok(format!("role {role} reports to {upper:?}"))
            }
            1 if roles_left > 1 => {
                let role = dice.below(roles_left);
                let other = (role + dice.between(1, roles_left - 1)) % roles_left;
                roles::delete(setup, self.roles[role], Some(self.roles[other]))?;
                replace_role(company, role, other);
                Ok(format!("role {role} was deleted, {other} replaces it"))
            }
            2 if !company.rules.is_empty() => {
                let rule = dice.below(company.rules.len());
                let on = !company.rules[rule].active;
                sharing_rules::set_active(setup, self.rules[rule], on)?;
                company.rules[rule].active = on;
                Ok(format!("rule {rule} active: {on}"))
            }
            3 => {
                let level = dice.one(&[Level::None, Level::Read, Level::Write]);
                organization_wide::set(setup, object, level)?;
                company.sharing[object.index()] = level;
                Ok(format!("sharing of {object:?}: {level:?}"))
            }
            4 => {
                let profile = dice.below(company.profiles.len());
                let ticks = [60, 30, 40, 30, 15, 10].map(|percent| dice.chance(percent));
                let rights = Rights::of_bits(bits(ticks));
                profiles::set_rights(setup, self.profiles[profile], object, rights)?;
                company.profiles[profile].ticks[object.index()] = ticks;
                Ok(format!("profile {profile}, {object:?}: {ticks:?}"))
            }
            5 if roles_left > 0 && !active.is_empty() => {
                let (member, role) = (dice.one(&active), dice.maybe(85, roles_left));
                let id = role.map(|role| self.roles[role]);
                members::set_role(setup, self.members[member], id)?;
                company.members[member].role = role;
                Ok(format!("member {member} has role {role:?}"))
            }
            6 if !active.is_empty() => {
                let member = dice.one(&active);
                let profile = dice.below(company.profiles.len());
                // Nobody here has two-factor: no administrator is the last who can sign in.
                members::set_profile(setup, self.members[member], self.profiles[profile])?;
                company.members[member].profile = Some(profile);
                company.members[member].administrator = false;
                Ok(format!("member {member} has profile {profile}"))
            }
            7 if company.profiles.len() > 1 => {
                let gone = company.profiles.len() - 1;
                profiles::delete(setup, self.profiles[gone], Some(self.profiles[0]))?;
                for member in &mut company.members {
                    if member.profile == Some(gone) {
                        member.profile = Some(0);
                    }
                }
                Ok(format!("profile {gone} was deleted"))
            }
            _ => Ok("nothing".into()),
        }
    }
}

/// What the deletion of a role does: members, the roles below it and its rules go over to the other one, which takes its
/// place when it was below.
fn replace_role(company: &mut Company, role: usize, other: usize) {
    if company.is_below(other, role) {
        company.roles[other].reports_to = company.roles[role].reports_to;
    }
    for each in &mut company.roles {
        if each.reports_to == Some(role) {
            each.reports_to = Some(other);
        }
    }
    for member in &mut company.members {
        if member.role == Some(role) {
            member.role = Some(other);
        }
    }
    for rule in &mut company.rules {
        for end in [&mut rule.source, &mut rule.target] {
            if *end == role {
                *end = other;
            }
        }
    }
    // The role itself stays in the list, with nobody in it and nothing below it.
    company.roles[role].reports_to = None;
}
