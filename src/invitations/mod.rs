//! Invitations: sending, sending again, passing on, revoking; and, in [`acceptance`], what becomes of them.
//!
//! An invitation is a row that outlives its links: a resend or a copied link makes a new one and the old ones die, a
//! reminder adds one. Whoever sends it again vouches for it from then on: an invitation holds only as long as its
//! inviter is an administrator.

pub mod acceptance;
pub mod list;
mod mails;
pub mod pages;
pub mod register_pages;
pub mod reminders;
pub mod row_pages;

use diesel::dsl::exists;
use diesel::prelude::*;

pub use list::{Section, section};

use crate::access::{InAccount, ManageMembers, PlatformRoles, Proof, System, Tx};
use crate::accounts::Grants;
use crate::audit::{self, Event};
use crate::credentials::email::Email;
use crate::credentials::links::{self, Subject};
use crate::credentials::names::PersonName;
use crate::credentials::throttle::{self, Bucket};
use crate::credentials::tokens::Token;
use crate::db::types::{AccountId, InvitationId, MailId, MemberId, ProfileId, RoleId, Timestamp};
use crate::schema::{accounts, invitations, members, profiles, roles, users};
use crate::{Error, Result, billing, db, mail, on_each};

/// New invitations of one account in 24 hours.
pub const A_DAY: i64 = 2_000;

/// Addresses in one go.
pub const AT_ONCE: usize = 100;

/// A pending invitation with what its pages and mails name.
#[derive(Clone, Debug)]
pub struct Invitation {
    pub id: InvitationId,
    pub account: AccountId,
    pub account_name: String,
    pub email: String,
    /// As the inviter typed it; may be empty.
    pub name: String,
    pub grants: Grants,
    pub invited_by: Option<MemberId>,
    /// The person who sent it last; the product itself for the first one of an account.
    pub inviter: String,
    /// The inviter is an administrator still.
    pub vouched: bool,
    pub sent_at: Timestamp,
    pub expires_at: Timestamp,
    pub opened_at: Option<Timestamp>,
    pub password_set_at: Option<Timestamp>,
    pub mail: Option<MailId>,
}

type Row = (
    (InvitationId, AccountId, String, String, String),
    (bool, bool, bool, Option<ProfileId>, Option<RoleId>),
    (
        Option<MemberId>,
        Option<String>,
        Option<bool>,
        Option<Timestamp>,
    ),
    (
        Timestamp,
        Timestamp,
        Option<Timestamp>,
        Option<Timestamp>,
        Option<MailId>,
    ),
);

impl From<Row> for Invitation {
    fn from((own, grants, inviter, state): Row) -> Invitation {
        let (invited_by, inviter_name, admin, removed_at) = inviter;
        Invitation {
            id: own.0,
            account: own.1,
            account_name: own.2,
            email: own.3,
            name: own.4,
            grants: Grants {
                roles: PlatformRoles {
                    viewer: grants.0,
                    technician: grants.1,
                    admin: grants.2,
                },
                profile: grants.3,
                role: grants.4,
            },
            invited_by,
            inviter: match (inviter_name, removed_at) {
                (None, _) => "Insight".to_owned(),
                (Some(name), None) => name,
                (Some(name), Some(_)) => format!("{name} (removed)"),
            },
            vouched: invited_by.is_none() || (admin == Some(true) && removed_at.is_none()),
            sent_at: state.0,
            expires_at: state.1,
            opened_at: state.2,
            password_set_at: state.3,
            mail: state.4,
        }
    }
}

/// The pending invitations with all that a [`Row`] holds, to be filtered further.
macro_rules! pending {
    () => {
        invitations::table
            .inner_join(accounts::table.on(accounts::id.eq(invitations::account_id)))
            .left_join(
                members::table.on(members::account_id
                    .eq(invitations::account_id)
                    .and(members::id.nullable().eq(invitations::invited_by))),
            )
            .left_join(users::table.on(users::id.nullable().eq(members::user_id.nullable())))
            .filter(invitations::joined_at.is_null())
            .filter(invitations::revoked_at.is_null())
            .select((
                (
                    invitations::id,
                    invitations::account_id,
                    accounts::name,
                    invitations::email,
                    invitations::name,
                ),
                (
                    invitations::viewer,
                    invitations::technician,
                    invitations::admin,
                    invitations::profile_id,
                    invitations::role_id,
                ),
                (
                    invitations::invited_by,
                    users::name.nullable(),
                    members::admin.nullable(),
                    members::removed_at.nullable(),
                ),
                (
                    invitations::sent_at,
                    invitations::expires_at,
                    invitations::opened_at,
                    invitations::password_set_at,
                    invitations::mail_id,
                ),
            ))
    };
}
use pending;

/// One pending invitation of an account.
fn load<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    invitation: InvitationId,
) -> Result<Option<Invitation>> {
    let row: Option<Row> = pending!()
        .filter(invitations::account_id.eq(account))
        .filter(invitations::id.eq(invitation))
        .first(tx.conn())
        .optional()?;
    Ok(row.map(Invitation::from))
}

/// One pending invitation of the account of the person who asks; 404 when there is none.
pub fn pending_one(tx: &mut Tx<ManageMembers>, invitation: InvitationId) -> Result<Invitation> {
    let account = tx.account();
    load(tx, account, invitation)?.ok_or(Error::NotFound)
}

/// What became of one address.
#[derive(Clone, Debug)]
pub enum Outcome {
    Sent {
        expires_at: Timestamp,
    },
    /// The name of the member who has this address.
    Member {
        name: String,
    },
    Invited(Box<Invitation>),
    /// The account has sent as many as it may in 24 hours.
    DayFull,
    /// Every seat is used.
    NoSeat,
    /// Its role or profile was deleted since the form was opened.
    Gone,
}

/// Invites one address into the account; all or nothing.
pub fn invite(
    tx: &mut Tx<ManageMembers>,
    email: &Email,
    name: Option<&PersonName>,
    grants: Grants,
) -> Result<Outcome> {
    let account = tx.account();
    tx.lock_account()?;
    let member: Option<String> = members::table
        .inner_join(users::table)
        .filter(members::account_id.eq(account))
        .filter(members::removed_at.is_null())
        .filter(users::email.eq(email.as_str()))
        .select(users::name)
        .first(tx.conn())
        .optional()?;
    if let Some(name) = member {
        return Ok(Outcome::Member { name });
    }
    if !there_are(tx, account, grants)? {
        return Ok(Outcome::Gone);
    }
    let full = day_is_full(tx, account)?;
    let no_seat = !billing::seats::load(tx, account)?.one_free();
    let by = Some(tx.me().member);
    let made = if full || no_seat {
        None
    } else {
        insert(tx, account, email, name, grants, by)?
    };
    let Some(invitation) = made else {
        return Ok(match pending_to(tx, account, email)? {
            Some(invitation) => Outcome::Invited(Box::new(invitation)),
            None if no_seat => Outcome::NoSeat,
            None if full => Outcome::DayFull,
            None => return Err(Error::internal("an invitation vanished under its lock")),
        });
    };
    let counter = Bucket::invitation(&tx.app().keys, account, email);
    throttle::attempt(tx, &[counter])?;
    send(tx, &invitation)?;
    let event = Event::MemberInvited {
        email: email.to_string(),
        roles: grants.roles.sentence(),
    };
    audit::record(tx, account, &event)?;
    Ok(Outcome::Sent {
        expires_at: invitation.expires_at,
    })
}

/// Invites for the system: the first person of an account, whom no member could invite, or in the name of one.
pub fn invite_as(
    tx: &mut Tx<System>,
    account: AccountId,
    by: Option<MemberId>,
    email: &Email,
    name: Option<&PersonName>,
    grants: Grants,
) -> Result<()> {
    let invitation = insert(tx, account, email, name, grants, by)?
        .ok_or_else(|| Error::internal("the address is invited already"))?;
    send(tx, &invitation)?;
    let event = Event::MemberInvited {
        email: email.to_string(),
        roles: grants.roles.sentence(),
    };
    audit::record(tx, account, &event)
}

/// Whether the account still has the profile and the role. Whoever deletes one holds the lock of the account.
fn there_are<P: Proof>(tx: &mut Tx<P>, account: AccountId, grants: Grants) -> Result<bool> {
    let mut there = true;
    if let Some(profile) = grants.profile {
        let row = profiles::table
            .filter(profiles::account_id.eq(account))
            .filter(profiles::id.eq(profile));
        there &= diesel::select(exists(row)).get_result::<bool>(tx.conn())?;
    }
    if let Some(role) = grants.role {
        let row = roles::table
            .filter(roles::account_id.eq(account))
            .filter(roles::id.eq(role));
        there &= diesel::select(exists(row)).get_result::<bool>(tx.conn())?;
    }
    Ok(there)
}

/// Whether the account has invited [`A_DAY`] addresses in 24 hours. Looks at that many rows, however many there are.
fn day_is_full<P: Proof>(tx: &mut Tx<P>, account: AccountId) -> Result<bool> {
    let day = tx.now() - time::Duration::days(1);
    let oldest_that_counts: Option<Timestamp> = invitations::table
        .filter(invitations::account_id.eq(account))
        .order(invitations::id.desc())
        .offset(A_DAY - 1)
        .select(invitations::invited_at)
        .first(tx.conn())
        .optional()?;
    Ok(oldest_that_counts.is_some_and(|at| at > day))
}

/// The new invitation, or nothing when the address has a pending one: the unique index decides.
fn insert<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    email: &Email,
    name: Option<&PersonName>,
    grants: Grants,
    by: Option<MemberId>,
) -> Result<Option<Invitation>> {
    let now = tx.now();
    let id: Option<InvitationId> = on_each!(tx.conn(), c => diesel::insert_into(invitations::table)
        .values((
            invitations::account_id.eq(account),
            invitations::email.eq(email.as_str()),
            invitations::name.eq(name.map_or("", PersonName::as_str)),
            invitations::viewer.eq(grants.roles.viewer),
            invitations::technician.eq(grants.roles.technician),
            invitations::admin.eq(grants.roles.admin),
            invitations::profile_id.eq(grants.profile),
            invitations::role_id.eq(grants.role),
            invitations::invited_by.eq(by),
            invitations::invited_at.eq(now),
            invitations::sent_at.eq(now),
            invitations::expires_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .returning(invitations::id)
        .get_result(c)
        .optional())?;
    let Some(id) = id else { return Ok(None) };
    let subject = Subject::Invitation(account, id);
    diesel::update(row(account, id))
        .set(invitations::expires_at.eq(now + subject.lifetime()))
        .execute(tx.conn())?;
    load(tx, account, id)
}

type ById = diesel::dsl::Filter<
    diesel::dsl::Filter<invitations::table, diesel::dsl::Eq<invitations::account_id, AccountId>>,
    diesel::dsl::Eq<invitations::id, InvitationId>,
>;

fn row(account: AccountId, id: InvitationId) -> ById {
    invitations::table
        .filter(invitations::account_id.eq(account))
        .filter(invitations::id.eq(id))
}

fn pending_to<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    email: &Email,
) -> Result<Option<Invitation>> {
    let row: Option<Row> = pending!()
        .filter(invitations::account_id.eq(account))
        .filter(invitations::email.eq(email.as_str()))
        .first(tx.conn())
        .optional()?;
    Ok(row.map(Invitation::from))
}

/// A fresh link by mail; earlier links die.
fn send<P: Proof>(tx: &mut Tx<P>, invitation: &Invitation) -> Result<()> {
    let token = links::issue(tx, Subject::Invitation(invitation.account, invitation.id))?;
    mails::invite(tx, invitation, &token, false)
}

/// Sends a pending invitation again: new link, new seven days, from the person who asks.
pub fn resend(tx: &mut Tx<ManageMembers>, invitation: InvitationId) -> Result<Invitation> {
    let account = tx.account();
    let renewed = renew(tx, invitation)?;
    let email = Email::parse(&renewed.email).map_err(Error::internal)?;
    let counter = Bucket::invitation(&tx.app().keys, account, &email);
    throttle::attempt(tx, &[counter])?;
    send(tx, &renewed)?;
    let event = Event::InvitationResent {
        email: renewed.email.clone(),
    };
    audit::record(tx, account, &event)?;
    Ok(renewed)
}

/// A fresh link to pass on by other means than mail: new seven days, earlier links die. Gives it once.
pub fn fresh_link(
    tx: &mut Tx<ManageMembers>,
    invitation: InvitationId,
) -> Result<(Invitation, String)> {
    let account = tx.account();
    let renewed = renew(tx, invitation)?;
    let token = links::issue(tx, Subject::Invitation(account, invitation))?;
    let event = Event::InvitationLinkCopied {
        email: renewed.email.clone(),
    };
    audit::record(tx, account, &event)?;
    let url = url(tx, &token);
    Ok((renewed, url))
}

/// The state of an invitation whose link is new: nobody has opened that one, no reminder has gone out for it.
fn renew(tx: &mut Tx<ManageMembers>, invitation: InvitationId) -> Result<Invitation> {
    let (account, now, me) = (tx.account(), tx.now(), tx.me().member);
    tx.lock_account()?;
    let subject = Subject::Invitation(account, invitation);
    let renewed = diesel::update(
        row(account, invitation)
            .filter(invitations::joined_at.is_null())
            .filter(invitations::revoked_at.is_null()),
    )
    .set((
        invitations::invited_by.eq(me),
        invitations::sent_at.eq(now),
        invitations::expires_at.eq(now + subject.lifetime()),
        invitations::mail_id.eq(None::<MailId>),
        invitations::reminders.eq(0),
        invitations::opened_at.eq(None::<Timestamp>),
        invitations::password_set_at.eq(None::<Timestamp>),
    ))
    .execute(tx.conn())?;
    if renewed != 1 {
        return Err(Error::NotFound);
    }
    mail::withdraw(tx, invitation)?;
    pending_one(tx, invitation)
}

/// Revokes a pending invitation: its links and unsent mails die. Gives the address.
pub fn revoke(tx: &mut Tx<ManageMembers>, invitation: InvitationId) -> Result<String> {
    let account = tx.account();
    tx.lock_account()?;
    let email = pending_one(tx, invitation)?.email;
    revoke_one(tx, account, invitation, email.clone())?;
    Ok(email)
}

/// The pending invitations a member has sent: id and address.
pub fn open_by<P: InAccount>(
    tx: &mut Tx<P>,
    member: MemberId,
) -> Result<Vec<(InvitationId, String)>> {
    let account = tx.account();
    Ok(invitations::table
        .filter(invitations::account_id.eq(account))
        .filter(invitations::invited_by.eq(member))
        .filter(invitations::joined_at.is_null())
        .filter(invitations::revoked_at.is_null())
        .order((invitations::invited_at, invitations::id))
        .select((invitations::id, invitations::email))
        .load(tx.conn())?)
}

/// Revokes every pending invitation a member has sent; gives how many.
pub fn revoke_all_by<P: InAccount>(tx: &mut Tx<P>, member: MemberId) -> Result<i64> {
    let account = tx.account();
    db::lock_account(tx.conn(), account)?;
    let open = open_by(tx, member)?;
    let count = i64::try_from(open.len()).map_err(Error::internal)?;
    for (invitation, email) in open {
        revoke_one(tx, account, invitation, email)?;
    }
    Ok(count)
}

fn revoke_one<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    invitation: InvitationId,
    email: String,
) -> Result<()> {
    let now = tx.now();
    diesel::update(row(account, invitation))
        .set(invitations::revoked_at.eq(now))
        .execute(tx.conn())?;
    links::revoke(tx, Subject::Invitation(account, invitation))?;
    mail::withdraw(tx, invitation)?;
    audit::record(tx, account, &Event::InvitationRevoked { email })
}

fn url<P: Proof>(tx: &Tx<P>, token: &Token) -> String {
    tx.app()
        .config
        .link(&format!("/register/{}", token.expose()))
}

/// What an invitation can name, by id and name.
pub type Choices = (Vec<(ProfileId, String)>, Vec<(RoleId, String)>);

/// The profiles of the account, the standard one first, and its roles.
pub fn choices(tx: &mut Tx<ManageMembers>) -> Result<Choices> {
    let account = tx.account();
    let of_account = profiles::table
        .filter(profiles::account_id.eq(account))
        .order((profiles::standard.desc(), profiles::name))
        .select((profiles::id, profiles::name))
        .load(tx.conn())?;
    let nodes = roles::table
        .filter(roles::account_id.eq(account))
        .order(roles::name)
        .select((roles::id, roles::name))
        .load(tx.conn())?;
    Ok((of_account, nodes))
}
