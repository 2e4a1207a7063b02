//! Companies: making one, its first people, first start, switching between accounts.

pub mod first_start;
pub mod pages;
pub mod setup_pages;

use diesel::prelude::*;

use crate::access::{InAccount, PlatformRoles, Proof, Tx};
use crate::audit::{self, Event};
use crate::credentials::email::Email;
use crate::credentials::links::{self, Subject};
use crate::credentials::names::{CompanyName, PersonName};
use crate::credentials::sessions;
use crate::credentials::throttle::{self, Bucket};
use crate::credentials::tokens::Token;
use crate::db::types::{AccountId, MemberId, ProfileId, RoleId, Slot, Timestamp, UserId};
use crate::schema::{accounts, devices, members, profiles, users};
use crate::{App, Error, Result, db, invitations, on_each, permissions};

/// Makes an account with its standard data and the first entry of its audit log.
pub fn create<P: Proof>(tx: &mut Tx<P>, name: &str) -> Result<AccountId> {
    let now = tx.now();
    let account: AccountId = diesel::insert_into(accounts::table)
        .values((
            accounts::name.eq(name),
            accounts::created_at.eq(now),
            accounts::audit_head.eq(audit::first_hash(name)),
        ))
        .returning(accounts::id)
        .get_result(tx.conn())?;
    permissions::standard::create(tx, account)?;
    audit::record(
        tx,
        account,
        &Event::AccountCreated {
            account: name.to_owned(),
        },
    )?;
    Ok(account)
}

/// Makes a user who can sign in once a second factor is bound. `password` is a hash. Fails on the unique index when
/// the address has a user already.
pub fn create_user<P: Proof>(
    tx: &mut Tx<P>,
    email: &Email,
    name: &str,
    password: &str,
    home: AccountId,
) -> Result<UserId> {
    let now = tx.now();
    diesel::insert_into(users::table)
        .values((
            users::email.eq(email.as_str()),
            users::name.eq(name),
            users::home_account_id.eq(home),
            users::password.eq(Some(password)),
            users::created_at.eq(now),
        ))
        .returning(users::id)
        .get_result(tx.conn())
        .map_err(|e| {
            if db::is_taken(&e) {
                Error::refused(
                    "There is a sign-in with this e-mail address by now. Open the link again.",
                )
            } else {
                e.into()
            }
        })
}

/// Gives a user who is not a member anywhere a new beginning: name and password as chosen now, and nothing left of
/// sessions, mailed links, known devices and marks of the time before. `home` is the account that invites the person back.
pub fn renew_user<P: Proof>(
    tx: &mut Tx<P>,
    user: UserId,
    email: &Email,
    name: &str,
    password: &str,
    home: AccountId,
) -> Result<()> {
    diesel::update(users::table.filter(users::id.eq(user)))
        .set((
            users::name.eq(name),
            users::password.eq(Some(password)),
            users::home_account_id.eq(home),
            users::operator.eq(false),
        ))
        .execute(tx.conn())?;
    let name_key = name.to_lowercase();
    diesel::update(members::table.filter(members::user_id.eq(user)))
        .set((
            members::search_text.eq(format!("{name_key} {email}")),
            members::name_key.eq(&name_key),
        ))
        .execute(tx.conn())?;
    diesel::delete(devices::table.filter(devices::user_id.eq(user))).execute(tx.conn())?;
    links::revoke(tx, Subject::NewPassword(user))?;
    links::revoke(tx, Subject::SetUpAccess(user))?;
    sessions::end_all(tx, user, None)?;
    let counter = Bucket::password_of(&tx.app().keys, email);
    throttle::clear(tx, &[counter])
}

/// `insight account create`: one more account, without members, and an invitation for the person who becomes its
/// first administrator and its owner.
pub fn create_with_invitation(
    app: &App,
    company: &CompanyName,
    admin: &Email,
    name: Option<&PersonName>,
) -> Result<AccountId> {
    app.system_write(|tx| {
        let account = create(tx, company.as_str())?;
        let grants = Grants {
            roles: PlatformRoles {
                admin: true,
                ..PlatformRoles::default()
            },
            profile: Some(standard_profile(tx, account)?),
            role: None,
        };
        invitations::invite_as(tx, account, None, admin, name, grants)?;
        Ok(account)
    })
}

/// What a new member may do.
#[derive(Clone, Copy, Debug)]
pub struct Grants {
    pub roles: PlatformRoles,
    pub profile: Option<ProfileId>,
    pub role: Option<RoleId>,
}

/// Makes a user a member, or brings back one who was removed. Fails on the unique index for an active member.
pub fn add_member<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    user: UserId,
    grants: Grants,
) -> Result<MemberId> {
    let now = tx.now();
    let (name, email, two_factor): (String, String, bool) = users::table
        .filter(users::id.eq(user))
        .select((users::name, users::email, users::totp_secret.is_not_null()))
        .first(tx.conn())?;
    let name_key = name.to_lowercase();
    let values = (
        members::viewer.eq(grants.roles.viewer),
        members::technician.eq(grants.roles.technician),
        members::admin.eq(grants.roles.admin),
        members::profile_id.eq(grants.profile),
        members::role_id.eq(grants.role),
        members::two_factor.eq(two_factor),
        members::joined_at.eq(now),
        members::last_activity_at.eq(now),
        members::removed_at.eq(None::<Timestamp>),
    );
    let back: Option<MemberId> = diesel::update(
        members::table
            .filter(members::account_id.eq(account))
            .filter(members::user_id.eq(user))
            .filter(members::removed_at.is_not_null()),
    )
    .set(values)
    .returning(members::id)
    .get_result(tx.conn())
    .optional()?;
    if let Some(member) = back {
        return Ok(member);
    }
    let slot: Slot = diesel::update(accounts::table.filter(accounts::id.eq(account)))
        .set(accounts::next_slot.eq(accounts::next_slot + 1))
        .returning(accounts::next_slot - 1)
        .get_result(tx.conn())?;
    Ok(on_each!(tx.conn(), c => diesel::insert_into(members::table)
        .values((
            values,
            members::slot.eq(slot),
            members::account_id.eq(account),
            members::user_id.eq(user),
            members::search_text.eq(format!("{name_key} {email}")),
            members::name_key.eq(&name_key),
        ))
        .returning(members::id)
        .get_result(c))?)
}

/// Names the member who receives the invoices.
pub fn set_owner<P: Proof>(tx: &mut Tx<P>, account: AccountId, member: MemberId) -> Result<()> {
    let now = tx.now();
    diesel::update(accounts::table.filter(accounts::id.eq(account)))
        .set((
            accounts::owner_member_id.eq(Some(member)),
            accounts::owner_since.eq(now),
        ))
        .execute(tx.conn())?;
    Ok(())
}

/// Locks the accounts a user is an active member of, in the order in which the audit log is written to them. Account
/// rows come before all others, so that two changes of the same person cannot wait for each other.
pub fn lock_of_user<P: Proof>(tx: &mut Tx<P>, user: UserId) -> Result<()> {
    let accounts: Vec<AccountId> = members::table
        .filter(members::user_id.eq(user))
        .filter(members::removed_at.is_null())
        .order(members::account_id)
        .select(members::account_id)
        .load(tx.conn())?;
    for account in accounts {
        db::lock_account(tx.conn(), account)?;
    }
    Ok(())
}

/// The standard profile of an account.
pub fn standard_profile<P: Proof>(tx: &mut Tx<P>, account: AccountId) -> Result<ProfileId> {
    Ok(profiles::table
        .filter(profiles::account_id.eq(account))
        .filter(profiles::standard.eq(true))
        .select(profiles::id)
        .first(tx.conn())?)
}

/// True while nobody has set this installation up.
pub fn none_yet<P: Proof>(tx: &mut Tx<P>) -> Result<bool> {
    let first: Option<AccountId> = accounts::table
        .select(accounts::id)
        .first(tx.conn())
        .optional()?;
    Ok(first.is_none())
}

/// One of a person's own accounts.
#[derive(Clone, Debug)]
pub struct Own {
    pub account: AccountId,
    pub name: String,
    pub roles: PlatformRoles,
    pub last_activity_at: Timestamp,
}

/// The accounts the caller is an active member of, by name.
pub fn own<P: InAccount>(tx: &mut Tx<P>) -> Result<Vec<Own>> {
    type Row = (AccountId, String, (bool, bool, bool), Timestamp);
    let user = tx.me().user;
    let rows: Vec<Row> = members::table
        .inner_join(accounts::table.on(accounts::id.eq(members::account_id)))
        .filter(members::user_id.eq(user))
        .filter(members::removed_at.is_null())
        .order((accounts::name, accounts::id))
        .limit(500)
        .select((
            accounts::id,
            accounts::name,
            (members::viewer, members::technician, members::admin),
            members::last_activity_at,
        ))
        .load(tx.conn())?;
    Ok(rows
        .into_iter()
        .map(|(account, name, ticks, last_activity_at)| Own {
            account,
            name,
            roles: PlatformRoles {
                viewer: ticks.0,
                technician: ticks.1,
                admin: ticks.2,
            },
            last_activity_at,
        })
        .collect())
}

/// Takes the caller's session into another account of theirs, under a new token. An account they are not an active
/// member of does not exist.
pub fn enter<P: InAccount>(tx: &mut Tx<P>, account: AccountId) -> Result<(String, Token)> {
    let (user, now) = (tx.me().user, tx.now());
    // Locked first: a removal at the same time ends the sessions it finds, and must find this one.
    db::lock_account(tx.conn(), account)?;
    let name: String = accounts::table
        .filter(accounts::id.eq(account))
        .select(accounts::name)
        .first(tx.conn())
        .optional()?
        .ok_or(Error::NotFound)?;
    let entered = diesel::update(members::table)
        .filter(members::account_id.eq(account))
        .filter(members::user_id.eq(user))
        .filter(members::removed_at.is_null())
        .set(members::last_activity_at.eq(now))
        .execute(tx.conn())?;
    if entered != 1 {
        return Err(Error::NotFound);
    }
    let token = sessions::enter(tx, account)?;
    let event = Event::AccountEntered {
        account: name.clone(),
    };
    audit::record(tx, account, &event)?;
    Ok((name, token))
}
