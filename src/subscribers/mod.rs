//! Subscribers: addresses without a sign-in that receive product updates, and the updates themselves.

pub mod announcement_pages;
pub mod announcements;
mod markdown;
pub mod pages;
pub mod past_updates;
pub mod unsubscribe;
pub mod unsubscribe_pages;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::access::{ManageMembers, System, Tx};
use crate::audit::{self, Event};
use crate::credentials::email::Email;
use crate::db;
use crate::db::types::{AccountId, SubscriberId, Timestamp};
use crate::mail::outbox::Failed;
use crate::schema::{members, subscribers, users};
use crate::web::paging::{self, COUNT_CAP, PAGE, Page, Place};
use crate::web::request::Request;
use crate::{Error, Result, on_each};

/// Whether a subscriber gets product updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Active,
    /// Left by the link in a mail.
    Unsubscribed,
    /// The mail server of the address refused a message for good.
    Bouncing,
}

impl State {
    /// As it is stored.
    pub fn slug(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Unsubscribed => "unsubscribed",
            State::Bouncing => "bouncing",
        }
    }

    /// As it is shown.
    pub fn label(self) -> &'static str {
        match self {
            State::Active => "Active",
            State::Unsubscribed => "Unsubscribed",
            State::Bouncing => "Bouncing",
        }
    }

    /// (class, icon) of its mark.
    pub fn mark(self) -> (&'static str, &'static str) {
        match self {
            State::Active => ("is-ok", "circle-check"),
            State::Unsubscribed => ("", "circle-minus"),
            State::Bouncing => ("is-warn", "alert-triangle"),
        }
    }

    fn read(text: &str) -> Result<State> {
        [State::Active, State::Unsubscribed, State::Bouncing]
            .into_iter()
            .find(|state| state.slug() == text)
            .ok_or_else(|| Error::internal(format!("a subscriber in the state {text}")))
    }
}

/// One subscriber as the list shows it.
pub struct Row {
    pub id: SubscriberId,
    pub email: String,
    pub state: State,
    pub added_by: String,
    pub added_at: Timestamp,
}

impl Row {
    /// The page that asks before it is removed.
    pub fn remove_path(&self) -> String {
        format!("/shared/insight-users/subscribers/{}/remove", self.id)
    }
}

/// What the card on the page of the members shows.
pub struct Section {
    pub page: Page<Row>,
    /// "4", or "10,000+".
    pub count: String,
    /// "1–4 of 4".
    pub range: String,
}

/// The subscribers of the account by address; the query parameter `subscribers` says where the page begins.
pub fn section(tx: &mut Tx<ManageMembers>, request: &Request) -> Result<Section> {
    let place: Option<Place<String>> = Place::read(request.query(), "subscribers");
    let rows = list(tx, place.as_ref())?;
    let path = request.path();
    let link = |cursor: &str| {
        let address = paging::with(path, request.query(), &[], "subscribers", cursor);
        format!("{address}#subscribers")
    };
    let page = paging::page(rows, PAGE, place.as_ref(), |row| row.email.clone(), link);
    let total = match (&place, &page.next) {
        // All of them are in view.
        (None, None) => i64::try_from(page.rows.len()).unwrap_or(i64::MAX),
        _ => count(tx)?,
    };
    Ok(Section {
        count: paging::capped(total),
        range: page.range(total),
        page,
    })
}

fn list(tx: &mut Tx<ManageMembers>, place: Option<&Place<String>>) -> Result<Vec<Row>> {
    let account = tx.account();
    let mut query = subscribers::table
        .inner_join(
            members::table.on(members::account_id
                .eq(subscribers::account_id)
                .and(members::id.eq(subscribers::added_by))),
        )
        .inner_join(users::table.on(users::id.eq(members::user_id)))
        .filter(subscribers::account_id.eq(account))
        .select((
            subscribers::id,
            subscribers::email,
            subscribers::state,
            users::name,
            members::removed_at.is_not_null(),
            subscribers::added_at,
        ))
        .limit(PAGE as i64 + 1)
        .into_boxed::<db::Backend>();
    query = match place {
        Some(place) if place.back => query
            .filter(subscribers::email.lt(place.key.clone()))
            .order(subscribers::email.desc()),
        Some(place) => query
            .filter(subscribers::email.gt(place.key.clone()))
            .order(subscribers::email.asc()),
        None => query.order(subscribers::email.asc()),
    };
    let rows: Vec<(SubscriberId, String, String, String, bool, Timestamp)> =
        query.load(tx.conn())?;
    rows.into_iter()
        .map(|(id, email, state, name, removed, added_at)| {
            Ok(Row {
                id,
                email,
                state: State::read(&state)?,
                added_by: if removed {
                    format!("{name} (removed)")
                } else {
                    name
                },
                added_at,
            })
        })
        .collect()
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// How many there are, counted up to one more than the cap; in an order, as in [`crate::users::list::count`].
fn count(tx: &mut Tx<ManageMembers>) -> Result<i64> {
    let account = tx.account();
    let count: Count = diesel::sql_query(
        "SELECT COUNT(*) AS n FROM \
           (SELECT 1 FROM subscribers WHERE account_id = $1 ORDER BY email LIMIT $2) AS s",
    )
    .bind::<BigInt, _>(account)
    .bind::<BigInt, _>(COUNT_CAP + 1)
    .get_result(tx.conn())?;
    Ok(count.n)
}

/// What adding an address came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    New,
    /// It is on the list; nothing was changed.
    Already(State),
}

/// Puts an address on the account's list. The unique index says whether it is there already.
pub fn add(tx: &mut Tx<ManageMembers>, email: &Email) -> Result<Added> {
    let (account, me, now) = (tx.account(), tx.me().member, tx.now());
    tx.lock_account()?;
    let added = on_each!(tx.conn(), c => diesel::insert_into(subscribers::table)
        .values((
            subscribers::account_id.eq(account),
            subscribers::email.eq(email.as_str()),
            subscribers::state.eq(State::Active.slug()),
            subscribers::added_by.eq(me),
            subscribers::added_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(c))?;
    if added == 0 {
        let state: String = subscribers::table
            .filter(subscribers::account_id.eq(account))
            .filter(subscribers::email.eq(email.as_str()))
            .select(subscribers::state)
            .first(tx.conn())?;
        return Ok(Added::Already(State::read(&state)?));
    }
    let email = email.to_string();
    audit::record(tx, account, &Event::SubscriberAdded { email })?;
    Ok(Added::New)
}

/// Sends to a bouncing address again. False when it is not bouncing: whoever has unsubscribed stays away.
pub fn activate(tx: &mut Tx<ManageMembers>, email: &Email) -> Result<bool> {
    let account = tx.account();
    tx.lock_account()?;
    let bouncing = subscribers::table
        .filter(subscribers::account_id.eq(account))
        .filter(subscribers::email.eq(email.as_str()))
        .filter(subscribers::state.eq(State::Bouncing.slug()));
    let changed = diesel::update(bouncing)
        .set(subscribers::state.eq(State::Active.slug()))
        .execute(tx.conn())?;
    if changed == 1 {
        let event = Event::SubscriberActivated {
            email: email.to_string(),
            before: State::Bouncing.label().to_owned(),
        };
        audit::record(tx, account, &event)?;
    }
    Ok(changed == 1)
}

/// One subscriber of the account.
pub fn find(tx: &mut Tx<ManageMembers>, id: SubscriberId) -> Result<(String, State)> {
    let account = tx.account();
    let (email, state): (String, String) = subscribers::table
        .filter(subscribers::account_id.eq(account))
        .filter(subscribers::id.eq(id))
        .select((subscribers::email, subscribers::state))
        .first(tx.conn())
        .optional()?
        .ok_or(Error::NotFound)?;
    let state = State::read(&state)?;
    Ok((email, state))
}

/// Takes an address off the list; gives the address.
pub fn remove(tx: &mut Tx<ManageMembers>, id: SubscriberId) -> Result<String> {
    let account = tx.account();
    tx.lock_account()?;
    let (email, _) = find(tx, id)?;
    let gone = subscribers::table
        .filter(subscribers::account_id.eq(account))
        .filter(subscribers::id.eq(id));
    diesel::delete(gone).execute(tx.conn())?;
    let event = Event::SubscriberRemoved {
        email: email.clone(),
    };
    audit::record(tx, account, &event)?;
    Ok(email)
}

/// What the mail worker does when a message has failed for good: after a product update, no account sends to that
/// address any more.
pub fn mark_bounced(tx: &mut Tx<System>, failed: &Failed) -> Result<()> {
    // X.7.x is about who sends (RFC 3463 3.8): our relay's trouble must not turn a whole list to bouncing.
    if !failed.bulk || failed.answer.contains(" 5.7.") {
        return Ok(());
    }
    let accounts: Vec<AccountId> = subscribers::table
        .filter(subscribers::email.eq(failed.recipient))
        .filter(subscribers::state.eq(State::Active.slug()))
        .select(subscribers::account_id)
        // One order for everybody: two such transactions cannot wait for each other.
        .order(subscribers::account_id)
        .load(tx.conn())?;
    for account in accounts {
        db::lock_account(tx.conn(), account)?;
        let active = subscribers::table
            .filter(subscribers::account_id.eq(account))
            .filter(subscribers::email.eq(failed.recipient))
            .filter(subscribers::state.eq(State::Active.slug()));
        let changed = diesel::update(active)
            .set(subscribers::state.eq(State::Bouncing.slug()))
            .execute(tx.conn())?;
        if changed == 1 {
            let event = Event::SubscriberBounced {
                email: failed.recipient.to_owned(),
                answer: failed.answer.to_owned(),
            };
            audit::record(tx, account, &event)?;
        }
    }
    Ok(())
}
