//! Resetting 2FA of a member whose authenticator is lost or broken.
//!
//! The administrator gets nothing by it: secret, recovery codes and sessions are gone, and a link goes to the person,
//! who needs their password to use it.

use diesel::prelude::*;

use super::{Member, Rules, able_administrators, find, mails};
use crate::access::{ManageMembers, Tx};
use crate::audit::{self, Event};
use crate::credentials::links::{self, Subject};
use crate::credentials::{second_factor, sessions};
use crate::db;
use crate::db::types::{AccountId, MemberId};
use crate::schema::{members, users};
use crate::{Error, Result};

/// What the form asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Only send the link of an earlier reset again.
    pub resend: bool,
    pub password_lost: bool,
}

/// Resets 2FA, or sends the link again.
pub fn reset(tx: &mut Tx<ManageMembers>, id: MemberId, wish: Wish) -> Result<Member> {
    // Two-factor belongs to the user: every account they are in may lose an administrator for a while. The accounts
    // are locked in one order for everybody.
    let user = find(tx, id)?.user;
    let accounts = accounts_of(tx, user)?;
    for account in &accounts {
        db::lock_account(tx.conn(), account.0)?;
    }
    tx.decide_again()?;
    let member = find(tx, id)?;
    if let Some(why) = Rules::load(tx)?.reset_refused(&member) {
        return Err(Error::Refused(why));
    }
    for (account, there) in accounts {
        if able_administrators(tx, account)? == [there] {
            return Err(Error::Refused(format!(
                "2FA of {} cannot be reset: it would leave a company without an administrator who can sign in.",
                member.name
            )));
        }
    }
    if wish.resend && member.two_factor {
        return Err(Error::Refused(format!(
            "{} has set up 2FA meanwhile. Open this page again to reset it once more.",
            member.name
        )));
    }
    let again = !member.two_factor && !wish.password_lost;
    second_factor::discard(tx, user)?;
    sessions::end_all(tx, user, None)?;
    if wish.password_lost {
        diesel::update(users::table.filter(users::id.eq(user)))
            .set(users::password.eq(None::<String>))
            .execute(tx.conn())?;
        links::revoke(tx, Subject::NewPassword(user))?;
    }
    let token = links::issue(tx, Subject::SetUpAccess(user))?;
    let (name, email) = (member.name.clone(), member.email.clone());
    let event = if again {
        Event::TwoFactorLinkResent { name, email }
    } else {
        Event::TwoFactorReset {
            name,
            email,
            password_too: wish.password_lost,
        }
    };
    audit::record_for_user(tx, user, &event)?;
    let password_gone = wish.password_lost || !member.password;
    mails::set_up_access(tx, &member, &token, again, password_gone)?;
    if !again {
        mails::two_factor_reset(tx, &member, wish.password_lost)?;
    }
    Ok(member)
}

/// The accounts a user is an active member of, in the order in which they are locked, and the membership there.
fn accounts_of(
    tx: &mut Tx<ManageMembers>,
    user: db::types::UserId,
) -> Result<Vec<(AccountId, MemberId)>> {
    Ok(members::table
        .filter(members::user_id.eq(user))
        .filter(members::removed_at.is_null())
        .order(members::account_id)
        .select((members::account_id, members::id))
        .load(tx.conn())?)
}
