//! Kernel: mail. A message is written to the outbox in the transaction of the change it tells about; a worker hands
//! it to the mail server later. Nothing waits for SMTP, nothing is lost when a process dies.
//!
//! Delivery is at least once: a process killed between the server's "250" and its own commit sends again, with the
//! same `Message-ID`, because it cannot know. A message known to be sent is never sent again.

pub mod outbox;
pub mod transport;
pub mod worker;

use std::sync::Arc;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::access::{Proof, Tx};
use crate::credentials::email::Email;
use crate::credentials::keys::Purpose;
use crate::db::types::{AccountId, AnnouncementId, InvitationId, MailId};
use crate::schema::outbox as table;
use crate::{Error, Result};

/// Which message goes first when many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Somebody waits for it, or it warns somebody.
    Security = 0,
    Invitation = 1,
    Bulk = 2,
}

/// A message to write to the outbox.
pub struct Message<'a> {
    /// For the log and the counters, e.g. "invitation".
    pub kind: &'static str,
    pub priority: Priority,
    pub to: &'a Email,
    pub account: Option<AccountId>,
    /// The invitation whose row shows the delivery state.
    pub invitation: Option<InvitationId>,
    /// The product update that counts the delivery.
    pub announcement: Option<AnnouncementId>,
    pub content: Content,
}

/// Headers and bodies; sealed in the database and wiped after sending, because they hold links.
#[derive(Clone, Serialize, Deserialize)]
pub struct Content {
    pub subject: String,
    pub text: String,
    pub html: String,
    /// One-click unsubscribe address (RFC 8058); sets `List-Unsubscribe` and `List-Unsubscribe-Post`.
    pub unsubscribe: Option<String>,
    /// A file that goes with it.
    #[serde(default)]
    pub attachment: Option<Attachment>,
}

/// A file that a feature makes when the message leaves, from something that never changes: the outbox stays small.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// As the receiver sees it.
    pub name: String,
    pub mime: String,
    /// What the feature knows it by.
    pub key: String,
}

impl Content {
    /// Renders the two parts of a message.
    pub fn new(
        subject: impl Into<String>,
        text: &impl askama::Template,
        html: &impl askama::Template,
    ) -> Result<Content> {
        Ok(Content {
            subject: subject.into(),
            text: text.render().map_err(Error::internal)?,
            html: html.render().map_err(Error::internal)?,
            unsubscribe: None,
            attachment: None,
        })
    }
}

/// Writes a message to the outbox, inside the caller's transaction; the worker is woken after the commit.
pub fn send<P: Proof>(tx: &mut Tx<P>, message: &Message) -> Result<MailId> {
    let plain = serde_json::to_vec(&message.content).map_err(Error::internal)?;
    let to = message.to.to_string();
    let sealed = tx.app().keys.seal(Purpose::Mail, to.as_bytes(), &plain);
    let now = tx.now();
    let id = diesel::insert_into(table::table)
        .values((
            table::account_id.eq(message.account),
            table::kind.eq(message.kind),
            table::recipient.eq(&to),
            table::state.eq("queued"),
            table::sealed.eq(sealed),
            table::priority.eq(message.priority as i32),
            table::created_at.eq(now),
            table::available_at.eq(now),
            table::invitation_id.eq(message.invitation),
            table::announcement_id.eq(message.announcement),
        ))
        .returning(table::id)
        .get_result(tx.conn())?;
    tx.mail_queued();
    Ok(id)
}

/// Writes a message that somebody has to hear of at once, about nothing whose delivery a page shows.
pub fn tell<P: Proof>(
    tx: &mut Tx<P>,
    account: Option<AccountId>,
    kind: &'static str,
    to: &Email,
    content: Content,
) -> Result<()> {
    send(
        tx,
        &Message {
            kind,
            priority: Priority::Security,
            to,
            account,
            invitation: None,
            announcement: None,
            content,
        },
    )?;
    Ok(())
}

/// Withdraws what has not been sent about an invitation: its link is dead.
pub fn withdraw<P: Proof>(tx: &mut Tx<P>, invitation: InvitationId) -> Result<()> {
    let now = tx.now();
    diesel::update(table::table)
        .filter(table::invitation_id.eq(invitation))
        .filter(table::state.eq("queued"))
        .set((
            table::state.eq("withdrawn"),
            table::sealed.eq(None::<Vec<u8>>),
            table::finished_at.eq(now),
        ))
        .execute(tx.conn())?;
    Ok(())
}

/// Withdraws what has not been sent to an address of some product updates: its owner wants no more of them.
pub fn withdraw_updates<P: Proof>(
    tx: &mut Tx<P>,
    updates: &[AnnouncementId],
    recipient: &str,
) -> Result<()> {
    let now = tx.now();
    diesel::update(table::table)
        .filter(table::announcement_id.eq_any(updates))
        .filter(table::state.eq("queued"))
        .filter(table::recipient.eq(recipient))
        .set((
            table::state.eq("withdrawn"),
            table::sealed.eq(None::<Vec<u8>>),
            table::finished_at.eq(now),
        ))
        .execute(tx.conn())?;
    Ok(())
}

/// Wakes the worker of this process; others find the message on their next round.
#[derive(Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// There is something in the outbox.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    /// Waits until there may be something.
    pub(crate) async fn woken(&self) {
        self.0.notified().await;
    }
}
