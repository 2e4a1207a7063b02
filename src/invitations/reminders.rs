//! Reminders: on day 3 and day 6 after an invitation was sent, while it is pending and its link lives.

use diesel::prelude::*;

use super::{Invitation, Row, mails, pending};
use crate::access::{System, Tx};
use crate::credentials::links::{self, Subject};
use crate::db::types::{AccountId, InvitationId, Timestamp};
use crate::schema::{accounts, invitations, members, users};
use crate::{App, Result, db};

/// Days after sending.
const DAYS: [i64; 2] = [3, 6];

/// Invitations looked at in one go.
const BATCH: i64 = 200;

/// Writes the reminders that are due; gives how many. Each is decided in a transaction of its own, so that any
/// number of processes may run this at the same time.
pub fn remind_due(app: &App) -> Result<usize> {
    let mut sent = 0;
    loop {
        let due = app.system_read(due)?;
        let mut now_sent = 0;
        for (account, invitation) in &due {
            match app.system_write(|tx| remind(tx, *account, *invitation)) {
                Ok(true) => now_sent += 1,
                Ok(false) => {}
                // One that cannot be written must not keep the others waiting.
                Err(error) => {
                    tracing::error!(invitation = invitation.0, %error, "a reminder failed");
                }
            }
        }
        sent += now_sent;
        // A full batch of which nothing was sent: others work on the same ones.
        if now_sent == 0 || i64::try_from(due.len()).is_ok_and(|n| n < BATCH) {
            return Ok(sent);
        }
    }
}

/// How many reminders should have gone out by now. After a long standstill one takes the place of both.
fn wanted(now: Timestamp, sent_at: Timestamp) -> i32 {
    let days = (now - sent_at).whole_days();
    DAYS.iter().map(|day| i32::from(days >= *day)).sum()
}

fn due(tx: &mut Tx<System>) -> Result<Vec<(AccountId, InvitationId)>> {
    let now = tx.now();
    let mut found = Vec::new();
    for (done, day) in DAYS.into_iter().enumerate() {
        let done = i32::try_from(done).unwrap_or(i32::MAX);
        let some: Vec<(AccountId, InvitationId)> = invitations::table
            .left_join(
                members::table.on(members::account_id
                    .eq(invitations::account_id)
                    .and(members::id.nullable().eq(invitations::invited_by))),
            )
            .filter(invitations::reminders.eq(done))
            .filter(invitations::sent_at.le(now - time::Duration::days(day)))
            .filter(invitations::joined_at.is_null())
            .filter(invitations::revoked_at.is_null())
            .filter(invitations::expires_at.gt(now))
            .filter(
                invitations::invited_by.is_null().or(members::admin
                    .nullable()
                    .eq(true)
                    .and(members::removed_at.nullable().is_null())),
            )
            .order((invitations::sent_at, invitations::id))
            .limit(BATCH)
            .select((invitations::account_id, invitations::id))
            .load(tx.conn())?;
        found.extend(some);
    }
    Ok(found)
}

/// One reminder, if it is due still. The link of a mail that is out already cannot be known again (only its hash is
/// kept), so the reminder carries one of its own with the same end.
fn remind(tx: &mut Tx<System>, account: AccountId, id: InvitationId) -> Result<bool> {
    db::lock_account(tx.conn(), account)?;
    let now = tx.now();
    let row: Option<Row> = pending!()
        .filter(invitations::account_id.eq(account))
        .filter(invitations::id.eq(id))
        .filter(invitations::expires_at.gt(now))
        .first(tx.conn())
        .optional()?;
    let Some(invitation) = row.map(Invitation::from).filter(|i| i.vouched) else {
        return Ok(false);
    };
    let wanted = wanted(now, invitation.sent_at);
    let counted = diesel::update(super::row(account, id).filter(invitations::reminders.lt(wanted)))
        .set(invitations::reminders.eq(wanted))
        .execute(tx.conn())?;
    if counted != 1 {
        return Ok(false);
    }
    let subject = Subject::Invitation(account, id);
    let token = links::issue_also(tx, subject, invitation.expires_at)?;
    mails::invite(tx, &invitation, &token, true)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_fall_on_day_three_and_day_six() {
        let sent = Timestamp(1_000);
        let after = |days, hours| {
            let passed = time::Duration::days(days) + time::Duration::hours(hours);
            wanted(sent + passed, sent)
        };
        assert_eq!([after(0, 0), after(2, 23)], [0, 0]);
        assert_eq!([after(3, 0), after(5, 23)], [1, 1]);
        assert_eq!([after(6, 0), after(6, 23)], [2, 2]);
    }
}
