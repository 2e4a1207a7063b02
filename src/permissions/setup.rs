//! Changing the rules of an account: the way in, and what the changes have in common.
//!
//! [`roles`](super::roles), [`profiles`](super::profiles), [`layouts`](super::layouts),
//! [`custom_fields`](super::custom_fields), [`sharing_rules`](super::sharing_rules),
//! [`organization_wide`](super::organization_wide) and [`members`](super::members) each take a [`Setup`]. Whoever has
//! one holds the account's lock and has been found to be an administrator after taking it, so that no two changes can
//! both be right about the same tree. Each writes one entry of the audit log, unless nothing changes, and a number of
//! rows that no number of records can raise.

use diesel::prelude::*;

use super::objects::Object;
use crate::access::{ManagePermissions, Proof, System, Tx};
use crate::audit::{self, Change, Event};
use crate::credentials::names::SettingName;
use crate::db::types::{AccountId, LayoutId, MemberId, ProfileId, RoleId, Timestamp};
use crate::db::{self, Conn};
use crate::schema::{members, page_layouts, profiles, roles, users};
use crate::{Error, Result};

/// An account's rules, locked for a change until the transaction ends.
pub struct Setup<'s, 'a, P: Proof> {
    tx: &'s mut Tx<'a, P>,
    account: AccountId,
}

impl<'s, 'a> Setup<'s, 'a, ManagePermissions> {
    /// The rules of the administrator's own account.
    pub fn open(tx: &'s mut Tx<'a, ManagePermissions>) -> Result<Self> {
        tx.lock_account()?;
        let account = tx.account();
        Ok(Setup { tx, account })
    }
}

impl<'s, 'a> Setup<'s, 'a, System> {
    /// The rules of an account, for the system itself.
    pub fn of_account(tx: &'s mut Tx<'a, System>, account: AccountId) -> Result<Self> {
        db::lock_account(tx.conn(), account)?;
        Ok(Setup { tx, account })
    }
}

/// Rows of one statement, below the number of variables that SQLite takes.
pub(super) const BATCH: usize = 500;

/// Somebody whose role or profile is to change.
pub(super) struct Person {
    pub id: MemberId,
    pub name: String,
    pub email: String,
    pub role: Option<RoleId>,
    pub profile: Option<ProfileId>,
    pub administrator: bool,
    pub export: bool,
}

impl<'a, P: Proof> Setup<'_, 'a, P> {
    /// The account that is changed.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The transaction.
    pub(super) fn tx(&mut self) -> &mut Tx<'a, P> {
        self.tx
    }

    pub(super) fn conn(&mut self) -> &mut Conn {
        self.tx.conn()
    }

    /// The instant of the change.
    pub fn now(&self) -> Timestamp {
        self.tx.now()
    }

    pub(super) fn record(&mut self, event: &Event) -> Result<()> {
        audit::record(self.tx, self.account, event)
    }

    /// Every role as (id, name, reports to).
    pub(super) fn roles(&mut self) -> Result<Vec<(RoleId, String, Option<RoleId>)>> {
        let account = self.account;
        Ok(roles::table
            .filter(roles::account_id.eq(account))
            .order(roles::id)
            .select((roles::id, roles::name, roles::parent_id))
            .load(self.conn())?)
    }

    /// The name of a role; "None" for no role.
    pub(super) fn role_name(&mut self, role: Option<RoleId>) -> Result<String> {
        let account = self.account;
        let Some(role) = role else {
            return Ok("None".into());
        };
        roles::table
            .filter(roles::account_id.eq(account))
            .filter(roles::id.eq(role))
            .select(roles::name)
            .first(self.conn())
            .optional()?
            .ok_or(Error::NotFound)
    }

    /// The name of a profile, and whether it is the standard one.
    pub(super) fn profile(&mut self, profile: ProfileId) -> Result<(String, bool)> {
        let account = self.account;
        profiles::table
            .filter(profiles::account_id.eq(account))
            .filter(profiles::id.eq(profile))
            .select((profiles::name, profiles::standard))
            .first(self.conn())
            .optional()?
            .ok_or(Error::NotFound)
    }

    /// (object, name, whether it is the default one) of a page layout.
    pub(super) fn layout(&mut self, layout: LayoutId) -> Result<(Object, String, bool)> {
        let account = self.account;
        let (object, name, standard): (i16, String, bool) = page_layouts::table
            .filter(page_layouts::account_id.eq(account))
            .filter(page_layouts::id.eq(layout))
            .select((
                page_layouts::object,
                page_layouts::name,
                page_layouts::standard,
            ))
            .first(self.conn())
            .optional()?
            .ok_or(Error::NotFound)?;
        let object = Object::numbered(object).ok_or(Error::NotFound)?;
        Ok((object, name, standard))
    }

    /// These active members, each once; one who is none does not exist.
    pub(super) fn people(&mut self, ids: &[MemberId]) -> Result<Vec<Person>> {
        type Row = (
            MemberId,
            (String, String),
            (Option<RoleId>, Option<ProfileId>),
            (bool, bool),
        );
        let account = self.account;
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let mut people = Vec::new();
        for some in ids.chunks(BATCH) {
            let rows: Vec<Row> = members::table
                .inner_join(users::table)
                .filter(members::account_id.eq(account))
                .filter(members::id.eq_any(some))
                .filter(members::removed_at.is_null())
                .order((members::name_key, members::id))
                .select((
                    members::id,
                    (users::name, users::email),
                    (members::role_id, members::profile_id),
                    (members::admin, members::export),
                ))
                .load(self.conn())?;
            people.extend(rows.into_iter().map(|(id, person, holds, ticks)| Person {
                id,
                name: person.0,
                email: person.1,
                role: holds.0,
                profile: holds.1,
                administrator: ticks.0,
                export: ticks.1,
            }));
        }
        if people.len() < ids.len() {
            return Err(Error::NotFound);
        }
        Ok(people)
    }
}

/// The sentence for a name that the unique index has already.
pub(super) fn taken<'n>(
    what: &'n str,
    name: &'n SettingName,
) -> impl FnOnce(diesel::result::Error) -> Error + 'n {
    move |error| {
        if db::is_taken(&error) {
            Error::refused(format!(
                "There is a {what} with the name {name} already. Choose another name."
            ))
        } else {
            error.into()
        }
    }
}

/// What differs, in the order it was compared.
#[derive(Default)]
pub(super) struct Differences(Vec<Change>);

impl Differences {
    /// Compares one value.
    pub(super) fn compare(
        &mut self,
        what: impl Into<std::borrow::Cow<'static, str>>,
        before: &str,
        after: &str,
    ) -> &mut Self {
        if before != after {
            self.0.push(Change::new(what, before, after));
        }
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn list(self) -> Vec<Change> {
        self.0
    }
}

/// "Yes" or "No".
pub(super) fn yes_no(yes: bool) -> &'static str {
    if yes { "Yes" } else { "No" }
}
