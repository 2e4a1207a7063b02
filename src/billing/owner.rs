//! The account owner: exactly one member, who gets the invoices and can always open billing.

use diesel::prelude::*;

use super::mails;
use crate::access::{InAccount, ManageBilling, Proof, Tx};
use crate::audit::{self, Event};
use crate::db::Backend;
use crate::db::types::{AccountId, MemberId, Timestamp};
use crate::schema::{accounts, members, users};
use crate::{Error, Result, accounts as companies};

/// A member who is or could be the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub member: MemberId,
    pub name: String,
    pub email: String,
}

/// The owner, and since when; nobody in an account that nobody has joined yet.
pub fn load<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
) -> Result<Option<(Person, Option<Timestamp>)>> {
    let row: Option<(MemberId, String, String, Option<Timestamp>)> = accounts::table
        .inner_join(
            members::table.on(members::account_id
                .eq(accounts::id)
                .and(members::id.nullable().eq(accounts::owner_member_id))),
        )
        .inner_join(users::table.on(users::id.eq(members::user_id)))
        .filter(accounts::id.eq(account))
        .select((
            members::id,
            users::name,
            users::email,
            accounts::owner_since,
        ))
        .first(tx.conn())
        .optional()?;
    Ok(row.map(|(member, name, email, since)| {
        let person = Person {
            member,
            name,
            email,
        };
        (person, since)
    }))
}

/// Members in the list to choose from.
pub const LISTED: usize = 50;

/// The first active members by name whose name or address holds `search`, without the owner; one more than
/// [`LISTED`] when there are more.
pub fn choices<P: InAccount>(
    tx: &mut Tx<P>,
    search: &str,
    owner: Option<MemberId>,
) -> Result<Vec<Person>> {
    let account = tx.account();
    let mut query = members::table
        .inner_join(users::table)
        .filter(members::account_id.eq(account))
        .filter(members::removed_at.is_null())
        .filter(members::id.ne(owner.unwrap_or(MemberId(0))))
        .into_boxed::<Backend>();
    let search = search.trim().to_lowercase();
    if !search.is_empty() {
        let mut pattern = String::from("%");
        for c in search.chars().take(100) {
            if matches!(c, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.push('%');
        query = query.filter(members::search_text.like(pattern).escape('\\'));
    }
    let rows: Vec<(MemberId, String, String)> = query
        .order((members::name_key, members::id))
        .limit(i64::try_from(LISTED + 1).unwrap_or(i64::MAX))
        .select((members::id, users::name, users::email))
        .load(tx.conn())?;
    Ok(rows
        .into_iter()
        .map(|(member, name, email)| Person {
            member,
            name,
            email,
        })
        .collect())
}

/// One active member.
pub fn person<P: InAccount>(tx: &mut Tx<P>, member: MemberId) -> Result<Option<Person>> {
    let account = tx.account();
    let found: Option<(String, String)> = members::table
        .inner_join(users::table)
        .filter(members::account_id.eq(account))
        .filter(members::id.eq(member))
        .filter(members::removed_at.is_null())
        .select((users::name, users::email))
        .first(tx.conn())
        .optional()?;
    Ok(found.map(|(name, email)| Person {
        member,
        name,
        email,
    }))
}

/// Makes another member the owner. `seen` is the owner whom the person who asks saw: a change in between is told
/// instead of overwritten.
pub fn change(tx: &mut Tx<ManageBilling>, seen: Option<MemberId>, to: MemberId) -> Result<Person> {
    tx.lock_account()?;
    let account = tx.account();
    let before = load(tx, account)?.map(|(person, _)| person);
    if before.as_ref().map(|person| person.member) != seen {
        let name = before.map_or_else(|| "nobody".to_owned(), |person| person.name);
        return Err(Error::Refused(format!(
            "The account owner was changed meanwhile and is {name} now. Look again before you change it."
        )));
    }
    let Some(after) = person(tx, to)? else {
        return Err(Error::refused("Choose a member of this account."));
    };
    if seen == Some(to) {
        return Err(Error::Refused(format!(
            "{} is the account owner already.",
            after.name
        )));
    }
    companies::set_owner(tx, account, to)?;
    let words = |person: &Person| format!("{} ({})", person.name, person.email);
    let event = Event::AccountOwnerChanged {
        before: before.as_ref().map(words).unwrap_or_default(),
        after: words(&after),
    };
    audit::record(tx, account, &event)?;
    mails::owner_changed(tx, before.as_ref(), &after)?;
    Ok(after)
}
