//! Product updates: writing one, addressing it to everybody, and what became of it.
//!
//! Writing one stores one row. A background job then takes the recipients in batches; each batch notes whom it has
//! reached, writes their mail to the outbox and moves on in one transaction. A killed process therefore leaves nobody
//! out and writes to nobody twice.

use std::str::FromStr;

use askama::Template;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::State;
use super::markdown::{self, Rendered};
use super::unsubscribe::Deed;
use crate::access::{Operator, Proof, System, Tx};
use crate::audit::{self, Event};
use crate::credentials::email::Email;
use crate::db::types::{AccountId, AnnouncementId, SubscriberId, UserId};
use crate::mail::{self, Content, Message, Priority};
use crate::schema::{
    accounts, announcement_recipients, announcements, members, subscribers, users,
};
use crate::{App, Error, Result, db, on_each};

/// Recipients in one transaction: on SQLite everybody else who writes waits that long.
const BATCH: usize = 200;

/// Batches in one turn of the job, so that it comes back to see whether it should stop.
const BATCHES: usize = 20;

/// Updates on one page of the list.
pub const PAGE: usize = 20;

const MAX_SUBJECT: usize = 150;
const MAX_MARKDOWN: usize = 20_000;

/// What an update is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    ApiChange,
    #[default]
    ProductUpdate,
}

impl Kind {
    /// Both, in the order of the form.
    pub const ALL: [Kind; 2] = [Kind::ApiChange, Kind::ProductUpdate];

    /// As it is stored and typed on the command line.
    pub fn slug(self) -> &'static str {
        match self {
            Kind::ApiChange => "api-change",
            Kind::ProductUpdate => "product-update",
        }
    }

    /// As it is shown.
    pub fn label(self) -> &'static str {
        match self {
            Kind::ApiChange => "API change",
            Kind::ProductUpdate => "Product update",
        }
    }
}

impl FromStr for Kind {
    type Err = ();
    fn from_str(text: &str) -> Result<Kind, ()> {
        Kind::ALL
            .into_iter()
            .find(|kind| kind.slug() == text)
            .ok_or(())
    }
}

/// The subject of a mail: one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(String);

impl Subject {
    /// The line without white space around it, or what is wrong with it.
    pub fn parse(typed: &str) -> Result<Subject, &'static str> {
        let line = typed.trim();
        if line.is_empty() {
            Err("Type a subject.")
        } else if line.chars().any(char::is_control) {
            Err("Write the subject on one line.")
        } else if line.chars().count() > MAX_SUBJECT {
            Err("Use at most 150 characters for the subject.")
        } else {
            Ok(Subject(line.to_owned()))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markdown(String);

impl Markdown {
    /// The text with plain line ends, or what is wrong with it.
    pub fn parse(typed: &str) -> Result<Markdown, &'static str> {
        let text = typed.replace("\r\n", "\n").replace('\r', "\n");
        let text = text.trim_matches('\n').trim_end();
        if text.trim().is_empty() {
            Err("Write the text of the update.")
        } else if text
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t')
        {
            Err("Leave control characters out of the text.")
        } else if text.chars().count() > MAX_MARKDOWN {
            Err("Use at most 20,000 characters.")
        } else {
            Ok(Markdown(text.to_owned()))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it looks in the mail, to be shown in a section of a page.
    pub fn html(&self) -> Rendered {
        markdown::render_in_section(&self.0)
    }
}

/// An update to write.
#[derive(Clone, Debug)]
pub struct New {
    pub kind: Kind,
    pub subject: Subject,
    pub markdown: Markdown,
    /// Only to the subscribers and members of this account.
    pub account: Option<AccountId>,
}

/// Writes an update down. The background job addresses it.
pub fn announce(tx: &mut Tx<Operator>, new: &New) -> Result<AnnouncementId> {
    let (author, account) = (tx.me().user, tx.account());
    let id = insert(tx, new, Some(author))?;
    audit::record(tx, account, &sent(new))?;
    Ok(id)
}

fn sent(new: &New) -> Event {
    Event::ProductUpdateSent {
        subject: new.subject.as_str().to_owned(),
        kind: new.kind.slug().to_owned(),
        to_all: new.account.is_none(),
    }
}

/// `insight announce`. The account is named by its number or its exact name.
pub fn announce_from_cli(
    app: &App,
    subject: &str,
    markdown: &str,
    kind: &str,
    account: Option<&str>,
) -> Result<AnnouncementId> {
    let kind = kind
        .parse()
        .map_err(|()| Error::refused("The kind is api-change or product-update."))?;
    let subject = Subject::parse(subject).map_err(Error::refused)?;
    let markdown = Markdown::parse(markdown).map_err(Error::refused)?;
    app.system_write(|tx| {
        let account = match account {
            Some(text) => Some(account_named(tx, text)?),
            None => None,
        };
        let new = New {
            kind,
            subject,
            markdown,
            account,
        };
        let id = insert(tx, &new, None)?;
        // Without an account there is no log that this belongs to; the command was given on the host.
        if let Some(account) = new.account {
            audit::record(tx, account, &sent(&new))?;
        }
        Ok(id)
    })
}

fn account_named(tx: &mut Tx<System>, text: &str) -> Result<AccountId> {
    if let Ok(id) = text.parse::<AccountId>() {
        let found = accounts::table
            .filter(accounts::id.eq(id))
            .select(accounts::id)
            .first(tx.conn())
            .optional()?;
        if let Some(id) = found {
            return Ok(id);
        }
    }
    let found: Vec<AccountId> = accounts::table
        .filter(accounts::name.eq(text))
        .order(accounts::id)
        .limit(10)
        .select(accounts::id)
        .load(tx.conn())?;
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::refused(format!("There is no account {text}."))),
        several => {
            let numbers: Vec<String> = several.iter().map(AccountId::to_string).collect();
            let numbers = numbers.join(", ");
            Err(Error::refused(format!(
                "Several accounts are called {text}; give one of the numbers {numbers}."
            )))
        }
    }
}

fn insert<P: Proof>(tx: &mut Tx<P>, new: &New, author: Option<UserId>) -> Result<AnnouncementId> {
    let now = tx.now();
    Ok(diesel::insert_into(announcements::table)
        .values((
            announcements::kind.eq(new.kind.slug()),
            announcements::subject.eq(new.subject.as_str()),
            announcements::markdown.eq(new.markdown.as_str()),
            announcements::account_id.eq(new.account),
            announcements::written_by.eq(author),
            announcements::created_at.eq(now),
        ))
        .returning(announcements::id)
        .get_result(tx.conn())?)
}

/// Addresses updates that are not addressed yet; gives how many recipients it looked at. More than one process may
/// run it: a batch belongs to whoever holds the row of its update. More may be due when it gives more than zero.
pub fn address_due(app: &App) -> Result<usize> {
    let mut looked_at = 0;
    for _ in 0..BATCHES {
        match app.system_write(address_batch)? {
            Some(recipients) => looked_at += recipients,
            None => break,
        }
    }
    Ok(looked_at)
}

#[derive(QueryableByName)]
struct Due {
    #[diesel(sql_type = BigInt)]
    id: AnnouncementId,
}

/// An update on its way to its recipients.
struct Addressing {
    id: AnnouncementId,
    kind: &'static str,
    subject: String,
    markdown: String,
    html: Rendered,
    account: Option<AccountId>,
}

#[derive(Template)]
#[template(path = "mail/product-update.txt")]
struct Text<'a> {
    kind: &'a str,
    markdown: &'a str,
    unsubscribe: &'a str,
}

#[derive(Template)]
#[template(path = "mail/product-update.html")]
struct Html<'a> {
    kind: &'a str,
    subject: &'a str,
    body: &'a Rendered,
    unsubscribe: &'a str,
}

/// One batch of one update. Nothing when no update is due, or others hold all of them.
fn address_batch(tx: &mut Tx<System>) -> Result<Option<usize>> {
    let locked = db::skip_locked(tx.conn());
    let due: Option<Due> = diesel::sql_query(format!(
        "SELECT id FROM announcements WHERE addressed_at IS NULL ORDER BY id LIMIT 1{locked}"
    ))
    .get_result(tx.conn())
    .optional()?;
    let Some(Due { id }) = due else {
        return Ok(None);
    };
    let mine = announcements::table.filter(announcements::id.eq(id));
    type Row = (
        String,
        String,
        String,
        Option<AccountId>,
        SubscriberId,
        UserId,
    );
    let (kind, subject, text, account, next_subscriber, next_user): Row = mine
        .select((
            announcements::kind,
            announcements::subject,
            announcements::markdown,
            announcements::account_id,
            announcements::next_subscriber,
            announcements::next_user,
        ))
        .first(tx.conn())?;
    let update = Addressing {
        id,
        kind: kind.parse().unwrap_or(Kind::ProductUpdate).label(),
        subject,
        html: markdown::render(&text),
        markdown: text,
        account,
    };
    let found = next_subscribers(tx, account, next_subscriber)?;
    if let Some((last, _)) = found.last() {
        diesel::update(mine)
            .set(announcements::next_subscriber.eq(*last))
            .execute(tx.conn())?;
        for (subscriber, email) in &found {
            address(tx, &update, email, Deed::Leave(*subscriber))?;
        }
        return Ok(Some(found.len()));
    }
    let found = next_users(tx, account, next_user)?;
    if let Some((last, _)) = found.last() {
        diesel::update(mine)
            .set(announcements::next_user.eq(*last))
            .execute(tx.conn())?;
        for (user, email) in &found {
            address(tx, &update, email, Deed::OptOut(*user))?;
        }
        return Ok(Some(found.len()));
    }
    let now = tx.now();
    diesel::update(mine)
        .set(announcements::addressed_at.eq(now))
        .execute(tx.conn())?;
    Ok(Some(0))
}

fn next_subscribers(
    tx: &mut Tx<System>,
    account: Option<AccountId>,
    after: SubscriberId,
) -> Result<Vec<(SubscriberId, String)>> {
    let mut query = subscribers::table
        .filter(subscribers::id.gt(after))
        .filter(subscribers::state.eq(State::Active.slug()))
        .order(subscribers::id)
        .limit(BATCH as i64)
        .select((subscribers::id, subscribers::email))
        .into_boxed::<db::Backend>();
    if let Some(account) = account {
        query = query.filter(subscribers::account_id.eq(account));
    }
    Ok(query.load(tx.conn())?)
}

fn next_users(
    tx: &mut Tx<System>,
    account: Option<AccountId>,
    after: UserId,
) -> Result<Vec<(UserId, String)>> {
    let wanted = users::product_updates.eq(true);
    Ok(match account {
        Some(account) => members::table
            .inner_join(users::table)
            .filter(members::account_id.eq(account))
            .filter(members::user_id.gt(after))
            .filter(members::removed_at.is_null())
            .filter(wanted)
            .order(members::user_id)
            .limit(BATCH as i64)
            .select((members::user_id, users::email))
            .load(tx.conn())?,
        None => users::table
            .filter(users::id.gt(after))
            .filter(wanted)
            .filter(diesel::dsl::exists(
                members::table
                    .filter(members::user_id.eq(users::id))
                    .filter(members::removed_at.is_null()),
            ))
            .order(users::id)
            .limit(BATCH as i64)
            .select((users::id, users::email))
            .load(tx.conn())?,
    })
}

/// Writes the mail for one address, unless this update has reached it already.
fn address(tx: &mut Tx<System>, update: &Addressing, email: &str, leave: Deed) -> Result<()> {
    let Ok(to) = Email::parse(email) else {
        // It was parsed when it was stored; a stricter rule since must not hold up everybody else.
        tracing::error!(
            announcement = update.id.0,
            "an address cannot be written to"
        );
        return Ok(());
    };
    let new = on_each!(tx.conn(), c => diesel::insert_into(announcement_recipients::table)
        .values((
            announcement_recipients::announcement_id.eq(update.id),
            announcement_recipients::email.eq(email),
        ))
        .on_conflict_do_nothing()
        .execute(c))?;
    if new == 0 {
        return Ok(());
    }
    let app = tx.app();
    let unsubscribe = app.config.link(&leave.path(&app.keys));
    let text = Text {
        kind: update.kind,
        markdown: &update.markdown,
        unsubscribe: &unsubscribe,
    };
    let html = Html {
        kind: update.kind,
        subject: &update.subject,
        body: &update.html,
        unsubscribe: &unsubscribe,
    };
    let mut content = Content::new(&update.subject, &text, &html)?;
    content.unsubscribe = Some(unsubscribe.clone());
    mail::send(
        tx,
        &Message {
            kind: "product-update",
            priority: Priority::Bulk,
            to: &to,
            account: update.account,
            invitation: None,
            announcement: Some(update.id),
            content,
        },
    )?;
    Ok(())
}

/// Updates that may still wait for their turn in the outbox.
const RECENT: i64 = 50;

/// Stops updates that wait to be sent to an address whose owner has just left.
pub fn withdraw<P: Proof>(tx: &mut Tx<P>, email: &str) -> Result<()> {
    let recent: Vec<AnnouncementId> = announcements::table
        .order(announcements::id.desc())
        .limit(RECENT)
        .select(announcements::id)
        .load(tx.conn())?;
    mail::withdraw_updates(tx, &recent, email)
}

#[cfg(test)]
#[path = "announcements_tests.rs"]
mod tests;
