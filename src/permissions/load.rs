//! From the database to [`Rules`], once per `permission_version`: the version is read with the session, so that every
//! process obeys a change at its next request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::prelude::*;

use super::model::{
    Facts, LayoutFact, LayoutField, Level, MemberFact, ObjectFact, ProfileFact, Rights, RoleFact,
    Rules, SharingRule,
};
use super::objects::{Field, Kind, OBJECTS, Object};
use crate::access::{InAccount, Tx};
use crate::db::Conn;
use crate::db::types::{
    AccountId, CustomFieldId, LayoutId, MemberId, ProfileId, RoleId, SharingRuleId, Slot, Timestamp,
};
use crate::schema::{
    accounts, custom_fields, layout_fields, members, object_permissions, organization_wide_sharing,
    page_layouts, profiles, roles, sharing_rules,
};
use crate::{App, Result};

/// Accounts whose rules are kept; the rest are loaded anew when they are asked for.
const KEPT: usize = 256;

/// Bytes that they may take in memory altogether, nearly. An account of 10,000 members in 1,000 roles takes up to 17 MB,
/// a small one some kilobytes.
const ROOM: usize = 256 << 20;

/// The rules of the accounts that are in use.
#[derive(Default)]
pub struct Cache(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    rules: HashMap<AccountId, (Arc<Rules>, u64)>,
    asked: u64,
}

impl Cache {
    fn get(&self, account: AccountId, version: i64, now: Timestamp) -> Option<Arc<Rules>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.asked += 1;
        let asked = kept.asked;
        let (rules, used) = kept.rules.get_mut(&account)?;
        (rules.version() == version && rules.hold_at(now)).then(|| {
            *used = asked;
            rules.clone()
        })
    }

    fn put(&self, account: AccountId, rules: Arc<Rules>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.asked += 1;
        let asked = kept.asked;
        kept.rules.insert(account, (rules, asked));
        kept.shrink(KEPT, ROOM);
    }
}

impl Kept {
    /// Those that nobody has asked for longest go, while there are too many or they take too much room. One stays: it is
    /// in use.
    fn shrink(&mut self, most: usize, room: usize) {
        let mut size: usize = self.rules.values().map(|(rules, _)| rules.size()).sum();
        while self.rules.len() > 1 && (self.rules.len() > most || size > room) {
            let oldest = self.rules.iter().min_by_key(|(_, (_, used))| *used);
            let Some((account, gone)) = oldest.map(|(id, (rules, _))| (*id, rules.size())) else {
                break;
            };
            self.rules.remove(&account);
            size -= gone;
        }
    }
}

/// The rules of the account as they were when this transaction decided who is acting.
pub fn rules<P: InAccount>(tx: &mut Tx<P>) -> Result<Arc<Rules>> {
    let (account, version, now) = (tx.account(), tx.me().permission_version, tx.now());
    let app = tx.app();
    of_version(app, tx.conn(), account, version, now)
}

/// The rules of an account at a version read on this connection. They are kept only when that version is still, and
/// undisturbed, what the database holds: a transaction that has changed rules itself, or that met another's change
/// half way, must not leave what it saw to others.
pub(crate) fn of_version(
    app: &App,
    conn: &mut Conn,
    account: AccountId,
    version: i64,
    now: Timestamp,
) -> Result<Arc<Rules>> {
    if let Some(rules) = app.rules.get(account, version, now) {
        return Ok(rules);
    }
    loop {
        let before = permission_version(conn, account)?;
        let facts = facts(conn, account)?;
        let rules = Arc::new(Rules::new(facts, before, now));
        if permission_version(conn, account)? != before {
            continue;
        }
        if before == version {
            app.rules.put(account, rules.clone());
        }
        return Ok(rules);
    }
}

/// The version of an account's rules.
fn permission_version(conn: &mut Conn, account: AccountId) -> Result<i64> {
    Ok(accounts::table
        .filter(accounts::id.eq(account))
        .select(accounts::permission_version)
        .first(conn)?)
}

/// Everything the database says about an account's rules.
pub(crate) fn facts(conn: &mut Conn, account: AccountId) -> Result<Facts> {
    let roles: Vec<(RoleId, String, Option<RoleId>)> = roles::table
        .filter(roles::account_id.eq(account))
        .order(roles::id)
        .select((roles::id, roles::name, roles::parent_id))
        .load(conn)?;
    Ok(Facts {
        roles: roles
            .into_iter()
            .map(|(id, name, parent)| RoleFact { id, name, parent })
            .collect(),
        members: members_of(conn, account)?,
        profiles: profiles_of(conn, account)?,
        layouts: layouts_of(conn, account)?,
        custom_fields: custom_fields_of(conn, account)?,
        sharing: sharing_of(conn, account)?,
        rules: rules_of(conn, account)?,
    })
}

/// Organization-wide sharing, by [`Object::index`].
pub(super) fn sharing_of(conn: &mut Conn, account: AccountId) -> Result<[Level; OBJECTS]> {
    let mut sharing = [Level::None; OBJECTS];
    let shared: Vec<(i16, i16)> = organization_wide_sharing::table
        .filter(organization_wide_sharing::account_id.eq(account))
        .select((
            organization_wide_sharing::object,
            organization_wide_sharing::level,
        ))
        .load(conn)?;
    for (object, level) in shared {
        if let Some(object) = Object::numbered(object) {
            sharing[object.index()] = Level::numbered(level);
        }
    }
    Ok(sharing)
}

fn members_of(conn: &mut Conn, account: AccountId) -> Result<Vec<MemberFact>> {
    type Row = (
        (MemberId, Slot),
        (Option<RoleId>, Option<ProfileId>),
        (bool, bool, bool),
    );
    let rows: Vec<Row> = members::table
        .filter(members::account_id.eq(account))
        .order(members::id)
        .select((
            (members::id, members::slot),
            (members::role_id, members::profile_id),
            (
                members::admin,
                members::export,
                members::removed_at.is_null(),
            ),
        ))
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(
            |((id, slot), (role, profile), (administrator, export, active))| MemberFact {
                id,
                slot,
                role,
                profile,
                administrator,
                export,
                active,
            },
        )
        .collect())
}

pub(super) fn profiles_of(conn: &mut Conn, account: AccountId) -> Result<Vec<ProfileFact>> {
    let rows: Vec<(ProfileId, String, bool)> = profiles::table
        .filter(profiles::account_id.eq(account))
        .order(profiles::id)
        .select((profiles::id, profiles::name, profiles::standard))
        .load(conn)?;
    let mut objects: HashMap<ProfileId, [ObjectFact; OBJECTS]> = HashMap::new();
    let ticks: Vec<(ProfileId, i16, i16, LayoutId)> = object_permissions::table
        .filter(object_permissions::account_id.eq(account))
        .select((
            object_permissions::profile_id,
            object_permissions::object,
            object_permissions::rights,
            object_permissions::layout_id,
        ))
        .load(conn)?;
    for (profile, object, rights, layout) in ticks {
        if let Some(object) = Object::numbered(object) {
            objects.entry(profile).or_default()[object.index()] = ObjectFact {
                rights: Rights::of_bits(rights),
                layout: Some(layout),
            };
        }
    }
    Ok(rows
        .into_iter()
        .map(|(id, name, standard)| ProfileFact {
            id,
            name,
            standard,
            objects: objects.remove(&id).unwrap_or_default(),
        })
        .collect())
}

pub(super) fn layouts_of(conn: &mut Conn, account: AccountId) -> Result<Vec<LayoutFact>> {
    let rows: Vec<(LayoutId, i16, String, bool)> = page_layouts::table
        .filter(page_layouts::account_id.eq(account))
        .order(page_layouts::id)
        .select((
            page_layouts::id,
            page_layouts::object,
            page_layouts::name,
            page_layouts::standard,
        ))
        .load(conn)?;
    let on: Vec<(LayoutId, String, String, bool, bool)> = layout_fields::table
        .filter(layout_fields::account_id.eq(account))
        .order((
            layout_fields::layout_id,
            layout_fields::position,
            layout_fields::field,
        ))
        .select((
            layout_fields::layout_id,
            layout_fields::field,
            layout_fields::section,
            layout_fields::read_only,
            layout_fields::required,
        ))
        .load(conn)?;
    let mut fields: HashMap<LayoutId, Vec<LayoutField>> = HashMap::new();
    for (layout, key, section, read_only, required) in on {
        fields.entry(layout).or_default().push(LayoutField {
            key,
            section,
            read_only,
            required,
        });
    }
    Ok(rows
        .into_iter()
        .filter_map(|(id, object, name, standard)| {
            Some(LayoutFact {
                id,
                object: Object::numbered(object)?,
                name,
                standard,
                fields: fields.remove(&id).unwrap_or_default(),
            })
        })
        .collect())
}

fn custom_fields_of(conn: &mut Conn, account: AccountId) -> Result<Vec<(Object, Arc<Field>)>> {
    let rows: Vec<(CustomFieldId, i16, String, String, String)> = custom_fields::table
        .filter(custom_fields::account_id.eq(account))
        .filter(custom_fields::retired_at.is_null())
        .order(custom_fields::id)
        .select((
            custom_fields::id,
            custom_fields::object,
            custom_fields::label,
            custom_fields::kind,
            custom_fields::choices,
        ))
        .load(conn)?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, object, label, kind, choices)| {
            let field = Field {
                key: Field::custom_key(id).into(),
                label,
                kind: Kind::stored(&kind, &choices)?,
                custom: Some(id),
            };
            Some((Object::numbered(object)?, Arc::new(field)))
        })
        .collect())
}

pub(super) fn rules_of(conn: &mut Conn, account: AccountId) -> Result<Vec<SharingRule>> {
    type Row = (
        (SharingRuleId, String, Option<i16>),
        (RoleId, bool, RoleId, bool),
        (i16, bool, Option<Timestamp>),
    );
    let rows: Vec<Row> = sharing_rules::table
        .filter(sharing_rules::account_id.eq(account))
        .order(sharing_rules::id)
        .select((
            (
                sharing_rules::id,
                sharing_rules::name,
                sharing_rules::object,
            ),
            (
                sharing_rules::source_role_id,
                sharing_rules::source_below,
                sharing_rules::target_role_id,
                sharing_rules::target_below,
            ),
            (
                sharing_rules::level,
                sharing_rules::active,
                sharing_rules::ends_at,
            ),
        ))
        .load(conn)?;
    Ok(rows
        .into_iter()
        .filter_map(|((id, name, object), roles, (level, active, ends_at))| {
            // A number that no object has must not turn into "every object".
            let object = match object {
                Some(number) => Some(Object::numbered(number)?),
                None => None,
            };
            Some(SharingRule {
                id,
                name,
                object,
                source: roles.0,
                source_below: roles.1,
                target: roles.2,
                target_below: roles.3,
                level: Level::numbered(level),
                active,
                ends_at,
            })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules of an account with so many members in so many roles.
    fn account(members: i32, roles: i64) -> Arc<Rules> {
        let member = |n: i32| MemberFact {
            id: MemberId(i64::from(n)),
            slot: Slot(n),
            role: Some(RoleId(i64::from(n) % roles)),
            profile: None,
            administrator: false,
            export: false,
            active: true,
        };
        let role = |n| RoleFact {
            id: RoleId(n),
            name: format!("Role {n}"),
            parent: None,
        };
        let facts = Facts {
            members: (0..members).map(member).collect(),
            roles: (0..roles).map(role).collect(),
            ..Facts::default()
        };
        Arc::new(Rules::new(facts, 1, Timestamp(0)))
    }

    #[test]
    fn the_size_grows_with_members_and_roles() {
        let (small, large) = (account(10, 3).size(), account(10_000, 1_000).size());
        assert!((1_000..20_000).contains(&small), "{small}");
        assert!((15_000_000..20_000_000).contains(&large), "{large}");
    }

    #[test]
    fn rules_that_nobody_asked_for_longest_go_first() {
        let cache = Cache::default();
        for n in 0..4 {
            cache.put(AccountId(n), account(100, 10));
        }
        let get = |n| cache.get(AccountId(n), 1, Timestamp(0));
        assert!(get(0).is_some() && get(2).is_some());
        let each = account(100, 10).size();
        let left = |most, room| {
            let mut kept = cache.0.lock().unwrap();
            kept.shrink(most, room);
            let mut left: Vec<i64> = kept.rules.keys().map(|account| account.0).collect();
            left.sort_unstable();
            left
        };
        assert_eq!(left(4, 4 * each), [0, 1, 2, 3]);
        assert_eq!(left(3, 4 * each), [0, 2, 3]);
        assert_eq!(left(4, 3 * each - 1), [0, 2]);
        assert_eq!(left(4, 0), [2], "the last one stays, however large");
        assert!(get(2).is_some() && get(0).is_none());
    }
}
