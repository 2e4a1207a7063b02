//! The outbox: claiming messages under a lease, and what became of them.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};

use super::Content;
use crate::access::{System, Tx};
use crate::credentials::keys::Purpose;
use crate::db::types::{AccountId, InvitationId, MailId, Timestamp};
use crate::schema::outbox as table;
use crate::{App, Error, Result, db};

/// A worker that has not come back by then is taken for dead; longer than any SMTP conversation may last.
const LEASE: time::Duration = time::Duration::minutes(6);

/// After this long a message is given up.
const PATIENCE: time::Duration = time::Duration::hours(24);

/// A message that this worker holds a lease on.
pub struct Claimed {
    pub id: MailId,
    pub kind: String,
    pub recipient: String,
    pub created_at: Timestamp,
    pub attempts: i32,
    pub content: Content,
    /// The account whose page shows where this message is.
    shown_in: Option<AccountId>,
    lease: Vec<u8>,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Sent,
    /// The server refused for good (5xx), with its answer.
    Refused(String),
    /// Not now: 4xx, no connection, time-out.
    Later(String),
}

/// A message that failed for good.
pub struct Failed<'a> {
    pub recipient: &'a str,
    /// A product update rather than a message to one person.
    pub bulk: bool,
    pub answer: &'a str,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: MailId,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    recipient: String,
    #[diesel(sql_type = BigInt)]
    created_at: Timestamp,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Binary)]
    sealed: Vec<u8>,
    #[diesel(sql_type = Nullable<BigInt>)]
    account_id: Option<AccountId>,
    #[diesel(sql_type = Nullable<BigInt>)]
    invitation_id: Option<InvitationId>,
}

/// Takes up to `limit` due messages, most urgent first. Two workers never get the same one.
pub fn claim(app: &App, limit: i64) -> Result<Vec<Claimed>> {
    let lease = crate::web::random::<16>().to_vec();
    let rows: Vec<Row> = app.system_write(|tx| {
        let now = tx.now();
        let locked = db::skip_locked(tx.conn());
        let sql = format!(
            "UPDATE outbox SET leased_until = $1, lease_token = $2, attempts = attempts + 1 WHERE id IN (\
               SELECT id FROM outbox WHERE state = 'queued' AND available_at <= $3 \
               AND (leased_until IS NULL OR leased_until <= $3) \
               ORDER BY priority, available_at, id LIMIT $4{locked}) \
             RETURNING id, kind, recipient, created_at, attempts, sealed, account_id, invitation_id"
        );
        Ok(diesel::sql_query(sql)
            .bind::<BigInt, _>(now + LEASE)
            .bind::<Binary, _>(&lease)
            .bind::<BigInt, _>(now)
            .bind::<BigInt, _>(limit)
            .load(tx.conn())?)
    })?;
    let mut claimed = Vec::new();
    for row in rows {
        match open(app, &row) {
            Ok(content) => claimed.push(Claimed {
                id: row.id,
                kind: row.kind,
                recipient: row.recipient,
                created_at: row.created_at,
                attempts: row.attempts,
                content,
                shown_in: row.account_id.filter(|_| row.invitation_id.is_some()),
                lease: lease.clone(),
            }),
            // It cannot be read with any key of the file; waiting may bring the key back, so it stays queued.
            Err(error) => tracing::error!(mail = row.id.0, %error, "a message cannot be opened"),
        }
    }
    Ok(claimed)
}

fn open(app: &App, row: &Row) -> Result<Content> {
    let plain = app
        .keys
        .open(Purpose::Mail, row.recipient.as_bytes(), &row.sealed)
        .map_err(Error::internal)?;
    serde_json::from_slice(&plain).map_err(Error::internal)
}

/// Records what became of a message, if this worker still holds its lease. `on_failed` runs in the same transaction
/// when the message has failed for good.
pub fn finish(
    app: &App,
    mail: &Claimed,
    outcome: &Outcome,
    on_failed: fn(&mut Tx<System>, &Failed) -> Result<()>,
) -> Result<()> {
    app.system_write(|tx| {
        let now = tx.now();
        // Before the message's own row, like everybody who changes an invitation: a trigger goes on to the account.
        if let Some(account) = mail.shown_in {
            db::lock_account(tx.conn(), account)?;
        }
        let held = table::table
            .filter(table::id.eq(mail.id))
            .filter(table::lease_token.eq(&mail.lease))
            .filter(table::state.eq("queued"));
        let given_up = now - mail.created_at >= PATIENCE;
        let (state, answer) = match outcome {
            Outcome::Sent => ("sent", None),
            Outcome::Refused(answer) => ("failed", Some(answer)),
            Outcome::Later(answer) if given_up => ("failed", Some(answer)),
            Outcome::Later(answer) => {
                diesel::update(held)
                    .set((
                        table::available_at.eq(now + delay(mail)),
                        table::leased_until.eq(None::<Timestamp>),
                        table::lease_token.eq(None::<Vec<u8>>),
                        table::answer.eq(answer),
                    ))
                    .execute(tx.conn())?;
                return Ok(());
            }
        };
        let bulk: Option<bool> = diesel::update(held)
            .set((
                table::state.eq(state),
                table::sealed.eq(None::<Vec<u8>>),
                table::leased_until.eq(None::<Timestamp>),
                table::lease_token.eq(None::<Vec<u8>>),
                table::finished_at.eq(now),
                table::answer.eq(answer),
            ))
            .returning(table::announcement_id.is_not_null())
            .get_result(tx.conn())
            .optional()?;
        match (bulk, answer, outcome) {
            (Some(bulk), Some(answer), Outcome::Refused(_)) => on_failed(
                tx,
                &Failed {
                    recipient: &mail.recipient,
                    bulk,
                    answer,
                },
            ),
            _ => Ok(()),
        }
    })
}

/// 1, 2, 4 … minutes up to an hour, spread by the message's own number so that a crowd does not come back at once.
fn delay(mail: &Claimed) -> time::Duration {
    let minutes = 1_i64 << (mail.attempts - 1).clamp(0, 6);
    time::Duration::minutes(minutes.min(60)) + time::Duration::seconds(mail.id.0 % 15)
}

/// Messages that wait or have failed, for `/metrics`.
pub fn waiting(app: &App) -> Result<Vec<(&'static str, i64)>> {
    app.system_read(|tx| {
        ["queued", "failed"]
            .into_iter()
            .map(|state| {
                let count = table::table
                    .filter(table::state.eq(state))
                    .count()
                    .get_result(tx.conn())?;
                Ok((state, count))
            })
            .collect()
    })
}
