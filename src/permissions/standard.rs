//! What every account has from its first moment (SPEC 3.1): the profile Standard User, a default page layout per object,
//! every object Private. Migration 2 gives the same to the accounts that are older than it.

use diesel::prelude::*;

use super::model::Rights;
use super::objects::Object;
use crate::access::{Proof, Tx};
use crate::db::types::{AccountId, LayoutId, ProfileId};
use crate::schema::{layout_fields, object_permissions, page_layouts, profiles};
use crate::{Result, on_each};

/// Name of the profile that every account has and that cannot be deleted.
pub const STANDARD_PROFILE: &str = "Standard User";

/// Name of the page layout that every object has and that cannot be deleted.
pub const DEFAULT_LAYOUT: &str = "Default";

/// Writes it for a new account. An object without a level of sharing is Private.
pub(crate) fn create<P: Proof>(tx: &mut Tx<P>, account: AccountId) -> Result<()> {
    let profile: ProfileId = diesel::insert_into(profiles::table)
        .values((
            profiles::account_id.eq(account),
            profiles::name.eq(STANDARD_PROFILE),
            profiles::standard.eq(true),
        ))
        .returning(profiles::id)
        .get_result(tx.conn())?;
    let mut fields = Vec::new();
    let mut rights = Vec::new();
    for object in Object::ALL {
        let layout: LayoutId = diesel::insert_into(page_layouts::table)
            .values((
                page_layouts::account_id.eq(account),
                page_layouts::object.eq(object.number()),
                page_layouts::name.eq(DEFAULT_LAYOUT),
                page_layouts::standard.eq(true),
            ))
            .returning(page_layouts::id)
            .get_result(tx.conn())?;
        for (position, field) in (1..).zip(object.fields()) {
            fields.push((
                layout_fields::account_id.eq(account),
                layout_fields::layout_id.eq(layout),
                layout_fields::field.eq(field.key.to_string()),
                layout_fields::position.eq(position),
                layout_fields::section.eq(""),
                layout_fields::read_only.eq(false),
                layout_fields::required.eq(field.is_name()),
            ));
        }
        rights.push((
            object_permissions::account_id.eq(account),
            object_permissions::profile_id.eq(profile),
            object_permissions::object.eq(object.number()),
            object_permissions::rights.eq(Rights::STANDARD.bits()),
            object_permissions::layout_id.eq(layout),
        ));
    }
    on_each!(tx.conn(), c => diesel::insert_into(layout_fields::table).values(fields).execute(c))?;
    on_each!(tx.conn(), c => diesel::insert_into(object_permissions::table).values(rights).execute(c))?;
    Ok(())
}
