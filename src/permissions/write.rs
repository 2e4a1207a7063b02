//! From a difference to rows: as many as differ, whatever the number of records.

use diesel::prelude::*;

use super::change::Change;
use super::difference::{Changed, Difference, NEW, Placed};
use super::model::{Facts, LayoutFact, LayoutField, Level, ProfileFact, RoleFact, SharingRule};
use super::objects::Object;
use super::setup::{BATCH, Setup};
use crate::access::Proof;
use crate::db::types::{
    AccountId, LayoutId, MemberId, ProfileId, RoleId, SharingRuleId, Timestamp,
};
use crate::schema::{
    invitations, layout_fields, members, object_permissions, organization_wide_sharing as sharing,
    page_layouts, profiles, roles, sharing_rules,
};
use crate::{Error, Result, on_each};

/// Writes a difference of the account's facts, and gives the numbers of what is new.
pub(super) fn write<P: Proof>(
    setup: &mut Setup<P>,
    facts: &Facts,
    change: &Change,
    difference: &Difference,
) -> Result<Placed> {
    let mut placed = Placed::default();
    let mut writer = Writer {
        account: setup.account(),
        setup,
    };
    // What is new first, since others may name it; what goes last, when nothing names it any more.
    for layout in added(&difference.layouts) {
        let id = writer.add_layout(layout)?;
        if layout.id.0 == NEW {
            placed.layout = Some(id);
        }
    }
    for profile in added(&difference.profiles) {
        let id = writer.add_profile(profile, placed)?;
        if profile.id.0 == NEW {
            placed.profile = Some(id);
        }
    }
    for role in added(&difference.roles) {
        let id = writer.add_role(role)?;
        if role.id.0 == NEW {
            placed.role = Some(id);
        }
    }
    for (was, is) in changed(&difference.roles) {
        writer.change_role(was.id, is)?;
    }
    for (was, is) in changed(&difference.layouts) {
        writer.change_layout(was, is)?;
    }
    for (was, is) in changed(&difference.profiles) {
        writer.change_profile(was, is)?;
    }
    for (object, _, level) in &difference.sharing {
        writer.set_sharing(*object, *level)?;
    }
    for moved in &difference.members {
        let (before, after) = (moved.before, moved.after);
        if before.administrator != after.administrator {
            let account = writer.account;
            let tx = writer.setup.tx();
            crate::members::roles::set_administrator(
                tx,
                account,
                &moved.members,
                after.administrator,
            )?;
        }
        if (before.role, before.profile) != (after.role, after.profile) {
            writer.assign(&moved.members, after.role, after.profile)?;
        }
    }
    for rule in removed(&difference.rules) {
        diesel::delete(
            sharing_rules::table
                .filter(sharing_rules::account_id.eq(writer.account))
                .filter(sharing_rules::id.eq(rule.id)),
        )
        .execute(writer.setup.conn())?;
    }
    for (_, rule) in changed(&difference.rules) {
        diesel::update(sharing_rules::table)
            .filter(sharing_rules::account_id.eq(writer.account))
            .filter(sharing_rules::id.eq(rule.id))
            .set(columns(rule))
            .execute(writer.setup.conn())?;
    }
    for rule in added(&difference.rules) {
        let id = writer.add_rule(rule)?;
        if rule.id.0 == NEW {
            placed.rule = Some(id);
        }
    }
    for role in removed(&difference.roles) {
        writer.delete_role(role.id, change.heir_of_role(role.id))?;
    }
    for profile in removed(&difference.profiles) {
        writer.delete_profile(profile.id, change.heir_of_profile(facts, profile.id))?;
    }
    for layout in removed(&difference.layouts) {
        diesel::delete(
            page_layouts::table
                .filter(page_layouts::account_id.eq(writer.account))
                .filter(page_layouts::id.eq(layout.id)),
        )
        .execute(writer.setup.conn())?;
    }
    Ok(placed)
}

fn added<T>(items: &[Changed<T>]) -> impl Iterator<Item = &T> {
    let items = items.iter().filter(|item| item.before.is_none());
    items.filter_map(|item| item.after.as_ref())
}

fn removed<T>(items: &[Changed<T>]) -> impl Iterator<Item = &T> {
    let items = items.iter().filter(|item| item.after.is_none());
    items.filter_map(|item| item.before.as_ref())
}

fn changed<T>(items: &[Changed<T>]) -> impl Iterator<Item = (&T, &T)> {
    let both = |item: &'_ Changed<T>| item.before.is_some() && item.after.is_some();
    items
        .iter()
        .filter(move |item| both(item))
        .filter_map(|item| Some((item.before.as_ref()?, item.after.as_ref()?)))
}

struct Writer<'w, 's, 'a, P: Proof> {
    account: AccountId,
    setup: &'w mut Setup<'s, 'a, P>,
}

/// One row with its former number, or a new one.
macro_rules! insert {
    ($writer:ident, $table:ident, $id:expr, $values:expr) => {{
        let values = $values;
        let insert = diesel::insert_into($table::table);
        if $id.0 == NEW {
            insert
                .values(values)
                .returning($table::id)
                .get_result($writer.setup.conn())?
        } else {
            insert
                .values(($table::id.eq($id), values))
                .returning($table::id)
                .get_result($writer.setup.conn())?
        }
    }};
}

impl<P: Proof> Writer<'_, '_, '_, P> {
    fn add_role(&mut self, role: &RoleFact) -> Result<RoleId> {
        let values = (
            roles::account_id.eq(self.account),
            roles::name.eq(&role.name),
            roles::parent_id.eq(role.parent),
        );
        Ok(insert!(self, roles, role.id, values))
    }

    fn change_role(&mut self, id: RoleId, role: &RoleFact) -> Result<()> {
        diesel::update(roles::table)
            .filter(roles::account_id.eq(self.account))
            .filter(roles::id.eq(id))
            .set((roles::name.eq(&role.name), roles::parent_id.eq(role.parent)))
            .execute(self.setup.conn())?;
        Ok(())
    }

    fn delete_role(&mut self, id: RoleId, heir: Option<RoleId>) -> Result<()> {
        // Invitations that were used or revoked name it too.
        diesel::update(
            invitations::table
                .filter(invitations::account_id.eq(self.account))
                .filter(invitations::role_id.eq(id)),
        )
        .set(invitations::role_id.eq(heir))
        .execute(self.setup.conn())?;
        diesel::delete(
            roles::table
                .filter(roles::account_id.eq(self.account))
                .filter(roles::id.eq(id)),
        )
        .execute(self.setup.conn())?;
        Ok(())
    }

    fn add_profile(&mut self, profile: &ProfileFact, placed: Placed) -> Result<ProfileId> {
        let values = (
            profiles::account_id.eq(self.account),
            profiles::name.eq(&profile.name),
            profiles::standard.eq(profile.standard),
        );
        let id: ProfileId = insert!(self, profiles, profile.id, values);
        for object in Object::ALL {
            self.set_object(id, profile, object, placed)?;
        }
        Ok(id)
    }

    fn change_profile(&mut self, was: &ProfileFact, is: &ProfileFact) -> Result<()> {
        if was.name != is.name {
            diesel::update(profiles::table)
                .filter(profiles::account_id.eq(self.account))
                .filter(profiles::id.eq(is.id))
                .set(profiles::name.eq(&is.name))
                .execute(self.setup.conn())?;
        }
        for object in Object::ALL {
            if was.objects[object.index()] != is.objects[object.index()] {
                self.set_object(is.id, is, object, Placed::default())?;
            }
        }
        Ok(())
    }

    fn set_object(
        &mut self,
        id: ProfileId,
        profile: &ProfileFact,
        object: Object,
        placed: Placed,
    ) -> Result<()> {
        let fact = profile.objects[object.index()];
        let layout = fact.layout.map(|layout| placed.layout(layout));
        let layout = layout.ok_or_else(|| Error::internal("a profile without a layout"))?;
        let values = (
            object_permissions::account_id.eq(self.account),
            object_permissions::profile_id.eq(id),
            object_permissions::object.eq(object.number()),
            object_permissions::rights.eq(fact.rights.bits()),
            object_permissions::layout_id.eq(layout),
        );
        let set = (
            object_permissions::rights.eq(fact.rights.bits()),
            object_permissions::layout_id.eq(layout),
        );
        on_each!(self.setup.conn(), c => diesel::insert_into(object_permissions::table)
            .values(values)
            .on_conflict((
                object_permissions::account_id,
                object_permissions::profile_id,
                object_permissions::object,
            ))
            .do_update()
            .set(set)
            .execute(c))?;
        Ok(())
    }

    fn delete_profile(&mut self, id: ProfileId, heir: Option<ProfileId>) -> Result<()> {
        diesel::update(
            invitations::table
                .filter(invitations::account_id.eq(self.account))
                .filter(invitations::profile_id.eq(id)),
        )
        .set(invitations::profile_id.eq(heir))
        .execute(self.setup.conn())?;
        diesel::delete(
            profiles::table
                .filter(profiles::account_id.eq(self.account))
                .filter(profiles::id.eq(id)),
        )
        .execute(self.setup.conn())?;
        Ok(())
    }

    fn add_layout(&mut self, layout: &LayoutFact) -> Result<LayoutId> {
        let values = (
            page_layouts::account_id.eq(self.account),
            page_layouts::object.eq(layout.object.number()),
            page_layouts::name.eq(&layout.name),
            page_layouts::standard.eq(layout.standard),
        );
        let id: LayoutId = insert!(self, page_layouts, layout.id, values);
        self.write_fields(id, &layout.fields)?;
        Ok(id)
    }

    fn change_layout(&mut self, was: &LayoutFact, is: &LayoutFact) -> Result<()> {
        if was.name != is.name {
            diesel::update(page_layouts::table)
                .filter(page_layouts::account_id.eq(self.account))
                .filter(page_layouts::id.eq(is.id))
                .set(page_layouts::name.eq(&is.name))
                .execute(self.setup.conn())?;
        }
        if was.fields != is.fields {
            diesel::delete(
                layout_fields::table
                    .filter(layout_fields::account_id.eq(self.account))
                    .filter(layout_fields::layout_id.eq(is.id)),
            )
            .execute(self.setup.conn())?;
            self.write_fields(is.id, &is.fields)?;
        }
        Ok(())
    }

    fn write_fields(&mut self, layout: LayoutId, fields: &[LayoutField]) -> Result<()> {
        let rows: Vec<_> = (1..)
            .zip(fields)
            .map(|(position, field)| {
                (
                    layout_fields::account_id.eq(self.account),
                    layout_fields::layout_id.eq(layout),
                    layout_fields::field.eq(field.key.clone()),
                    layout_fields::position.eq(position),
                    layout_fields::section.eq(field.section.clone()),
                    layout_fields::read_only.eq(field.read_only),
                    layout_fields::required.eq(field.required),
                )
            })
            .collect();
        on_each!(self.setup.conn(), c => diesel::insert_into(layout_fields::table).values(rows).execute(c))?;
        Ok(())
    }

    /// An object without a row is Private.
    fn set_sharing(&mut self, object: Object, level: Level) -> Result<()> {
        if level == Level::None {
            diesel::delete(
                sharing::table
                    .filter(sharing::account_id.eq(self.account))
                    .filter(sharing::object.eq(object.number())),
            )
            .execute(self.setup.conn())?;
            return Ok(());
        }
        let values = (
            sharing::account_id.eq(self.account),
            sharing::object.eq(object.number()),
            sharing::level.eq(level.number()),
        );
        on_each!(self.setup.conn(), c => diesel::insert_into(sharing::table)
            .values(values)
            .on_conflict((sharing::account_id, sharing::object))
            .do_update()
            .set(sharing::level.eq(level.number()))
            .execute(c))?;
        Ok(())
    }

    fn assign(
        &mut self,
        ids: &[MemberId],
        role: Option<RoleId>,
        profile: Option<ProfileId>,
    ) -> Result<()> {
        for some in ids.chunks(BATCH) {
            diesel::update(
                members::table
                    .filter(members::account_id.eq(self.account))
                    .filter(members::id.eq_any(some)),
            )
            .set((members::role_id.eq(role), members::profile_id.eq(profile)))
            .execute(self.setup.conn())?;
        }
        Ok(())
    }

    fn add_rule(&mut self, rule: &SharingRule) -> Result<SharingRuleId> {
        let values = (sharing_rules::account_id.eq(self.account), columns(rule));
        Ok(insert!(self, sharing_rules, rule.id, values))
    }
}

type Columns<'a> = (
    (
        diesel::dsl::Eq<sharing_rules::name, &'a str>,
        diesel::dsl::Eq<sharing_rules::object, Option<i16>>,
    ),
    (
        diesel::dsl::Eq<sharing_rules::source_role_id, RoleId>,
        diesel::dsl::Eq<sharing_rules::source_below, bool>,
        diesel::dsl::Eq<sharing_rules::target_role_id, RoleId>,
        diesel::dsl::Eq<sharing_rules::target_below, bool>,
    ),
    (
        diesel::dsl::Eq<sharing_rules::level, i16>,
        diesel::dsl::Eq<sharing_rules::active, bool>,
        diesel::dsl::Eq<sharing_rules::ends_at, Option<Timestamp>>,
    ),
);

fn columns(rule: &SharingRule) -> Columns<'_> {
    (
        (
            sharing_rules::name.eq(rule.name.as_str()),
            sharing_rules::object.eq(rule.object.map(Object::number)),
        ),
        (
            sharing_rules::source_role_id.eq(rule.source),
            sharing_rules::source_below.eq(rule.source_below),
            sharing_rules::target_role_id.eq(rule.target),
            sharing_rules::target_below.eq(rule.target_below),
        ),
        (
            sharing_rules::level.eq(rule.level.number()),
            sharing_rules::active.eq(rule.active),
            sharing_rules::ends_at.eq(rule.ends_at),
        ),
    )
}
