//! The list of members: filters, sort orders, keyset pages, counts.

use diesel::dsl::not;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::{Member, Query, active, load};
use crate::Result;
use crate::access::{InAccount, Tx};
use crate::db::Counted;
use crate::db::types::{MemberId, Timestamp};
use crate::schema::{accounts, members};
use crate::web::paging::{COUNT_CAP, Place};
use crate::web::request::Form;

/// Days without activity that can be asked for.
pub const INACTIVE: [i64; 3] = [30, 90, 180];

/// What the list is narrowed to. Values it does not know filter nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// As typed.
    pub q: String,
    /// "viewer", "technician", "admin", "none"; "" for any.
    pub role: String,
    /// "on", "needs-set-up"; "" for any.
    pub two_factor: String,
    /// Days; 0 for any.
    pub inactive: i64,
}

impl Filter {
    /// From the query string.
    pub fn read(query: &Form) -> Result<Filter> {
        let known = |name, values: &[&str]| -> Result<String> {
            let value = query.one(name)?;
            Ok(if values.contains(&value) { value } else { "" }.to_owned())
        };
        Ok(Filter {
            q: query.one("q")?.trim().chars().take(200).collect(),
            role: known("role", &["viewer", "technician", "admin", "none"])?,
            two_factor: known("two-factor", &["on", "needs-set-up"])?,
            inactive: query
                .one("inactive")?
                .parse()
                .ok()
                .filter(|days| INACTIVE.contains(days))
                .unwrap_or(0),
        })
    }

    /// Nothing is narrowed.
    pub fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    /// For the audit log: "all", "platform role admin, 2FA on".
    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        if !self.q.is_empty() {
            let clean: String = self.q.chars().filter(|c| !c.is_control()).collect();
            parts.push(format!("name or e-mail contains “{clean}”"));
        }
        if !self.role.is_empty() {
            parts.push(format!("platform role {}", self.role));
        }
        match self.two_factor.as_str() {
            "on" => parts.push("2FA on".into()),
            "needs-set-up" => parts.push("2FA needs set-up".into()),
            _ => {}
        }
        if self.inactive > 0 {
            parts.push(format!("no activity for {} days", self.inactive));
        }
        if parts.is_empty() {
            "all".into()
        } else {
            parts.join(", ")
        }
    }

    fn apply<P: InAccount>(&self, tx: &Tx<P>) -> Query<'static> {
        let mut query = active(tx);
        if !self.q.is_empty() {
            query = query.filter(members::search_text.like(contains(&self.q)).escape('\\'));
        }
        query = match self.role.as_str() {
            "viewer" => query.filter(members::viewer),
            "technician" => query.filter(members::technician),
            "admin" => query.filter(members::admin),
            "none" => query.filter(not(members::viewer
                .or(members::technician)
                .or(members::admin))),
            _ => query,
        };
        query = match self.two_factor.as_str() {
            "on" => query.filter(members::two_factor),
            "needs-set-up" => query.filter(not(members::two_factor)),
            _ => query,
        };
        if self.inactive > 0 {
            let since = tx.now() - time::Duration::days(self.inactive);
            query = query.filter(members::last_activity_at.lt(since));
        }
        query
    }
}

/// The pattern for `search_text` that finds what was typed anywhere in it.
pub(crate) fn contains(typed: &str) -> String {
    format!("%{}%", escaped(typed))
}

/// The text as it stands in `search_text`, with the signs of LIKE taken literally.
fn escaped(typed: &str) -> String {
    let typed: String = typed.nfc().collect();
    let mut out = String::with_capacity(typed.len());
    for c in typed.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A column the list can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Name,
    Activity,
    Joined,
}

impl By {
    /// In the query string.
    fn slug(self) -> &'static str {
        match self {
            By::Name => "name",
            By::Activity => "activity",
            By::Joined => "joined",
        }
    }
}

/// Column and direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    pub by: By,
    pub descending: bool,
}

impl Sort {
    /// Last activity first.
    pub const DEFAULT: Sort = Sort {
        by: By::Activity,
        descending: true,
    };

    /// From A to Z.
    pub const BY_NAME: Sort = Sort {
        by: By::Name,
        descending: false,
    };

    /// From the query string: "name", "-joined".
    pub fn read(query: &Form) -> Result<Sort> {
        let text = query.one("sort")?;
        let (word, descending) = match text.strip_prefix('-') {
            Some(word) => (word, true),
            None => (text, false),
        };
        Ok([By::Name, By::Activity, By::Joined]
            .into_iter()
            .find(|by| by.slug() == word)
            .map_or(Sort::DEFAULT, |by| Sort { by, descending }))
    }

    /// As it stands in the query string; empty for the default.
    pub fn text(self) -> String {
        match self {
            Sort::DEFAULT => String::new(),
            Sort { by, descending } => {
                format!("{}{}", if descending { "-" } else { "" }, by.slug())
            }
        }
    }

    /// What the head of a column leads to: the other direction of the present column, or the useful one of another.
    pub fn toward(self, by: By) -> Sort {
        let descending = if self.by == by {
            !self.descending
        } else {
            by != By::Name
        };
        Sort { by, descending }
    }

    /// For `aria-sort`.
    pub fn direction(self, by: By) -> &'static str {
        match self.descending {
            _ if self.by != by => "",
            true => "descending",
            false => "ascending",
        }
    }

    /// Where a member stands in this order.
    pub fn key(self, member: &Member) -> Key {
        let value = match self.by {
            By::Name => Value::Text(member.name_key.clone()),
            By::Activity => Value::Number(member.last_activity_at.0),
            By::Joined => Value::Number(member.joined_at.0),
        };
        (value, member.id)
    }
}

/// Value of the sorted column, and the id for rows that share it.
pub type Key = (Value, MemberId);

/// Value of a sorted column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Number(i64),
    Text(String),
}

/// Narrows to what comes after a key and sorts. `<=` beside the comparison of the pair is what both planners turn into
/// the start of an index range.
macro_rules! ranged {
    ($query:expr, $column:expr, $down:expr, $after:expr) => {{
        let mut query = $query;
        if let Some((value, id)) = $after {
            query = if $down {
                query.filter($column.le(value.clone())).filter(
                    $column
                        .lt(value.clone())
                        .or($column.eq(value).and(members::id.lt(id))),
                )
            } else {
                query.filter($column.ge(value.clone())).filter(
                    $column
                        .gt(value.clone())
                        .or($column.eq(value).and(members::id.gt(id))),
                )
            };
        }
        if $down {
            query.order(($column.desc(), members::id.desc()))
        } else {
            query.order(($column.asc(), members::id.asc()))
        }
    }};
}
pub(crate) use ranged;

/// Up to `limit` members from a place on, in the order in which they are read: against the sort when it goes back.
pub fn rows<P: InAccount>(
    tx: &mut Tx<P>,
    filter: &Filter,
    sort: Sort,
    place: Option<&Place<Key>>,
    limit: usize,
) -> Result<Vec<Member>> {
    let down = sort.descending != place.is_some_and(|p| p.back);
    let after = place.map(|p| p.key.clone());
    let number = after.clone().and_then(|(value, id)| match value {
        Value::Number(n) => Some((Timestamp(n), id)),
        Value::Text(_) => None,
    });
    let text = after.and_then(|(value, id)| match value {
        Value::Text(t) => Some((t, id)),
        Value::Number(_) => None,
    });
    let query = filter.apply(tx);
    let query = match sort.by {
        By::Name => ranged!(query, members::name_key, down, text),
        By::Activity => ranged!(query, members::last_activity_at, down, number),
        By::Joined => ranged!(query, members::joined_at, down, number),
    };
    load(tx, query.limit(i64::try_from(limit).unwrap_or(i64::MAX)))
}

/// The place a page of the list begins at. A key of another sort order, or one typed by hand, is the first page.
pub fn place(query: &Form, sort: Sort) -> Option<Place<Key>> {
    let place: Place<Key> = Place::read(query, "page")?;
    let fits = matches!(
        (&place.key.0, sort.by),
        (Value::Text(_), By::Name) | (Value::Number(_), By::Activity | By::Joined)
    );
    fits.then_some(place)
}

/// All members of the account, and those of them who have to set two-factor up. The database keeps both numbers.
pub fn totals<P: InAccount>(tx: &mut Tx<P>) -> Result<(i64, i64)> {
    let account = tx.account();
    Ok(accounts::table
        .filter(accounts::id.eq(account))
        .select((accounts::member_count, accounts::without_two_factor_count))
        .first(tx.conn())?)
}

/// How many members a filter leaves, counted up to one more than the cap; in an order, as in [`crate::users::list::count`].
pub fn count<P: InAccount>(tx: &mut Tx<P>, filter: &Filter) -> Result<i64> {
    let query = filter.apply(tx).select(members::id).limit(COUNT_CAP + 1);
    let query = query.order((members::name_key, members::id));
    Ok(Counted(query).get_result(tx.conn())?)
}

/// How many members a filter leaves, all of them counted: for an export, which reads them all.
pub fn count_all<P: InAccount>(tx: &mut Tx<P>, filter: &Filter) -> Result<i64> {
    let query = filter.apply(tx).select(members::id);
    Ok(Counted(query).get_result(tx.conn())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn filters_take_what_they_know() {
        let read = |text| Filter::read(&form(text)).unwrap();
        assert!(read("").is_empty());
        assert!(read("role=boss&two-factor=maybe&inactive=31&q=++").is_empty());
        assert_eq!(
            read("role=admin&two-factor=on&inactive=90&q=Jo").words(),
            "name or e-mail contains “Jo”, platform role admin, 2FA on, no activity for 90 days"
        );
        assert!(Filter::read(&form("role=admin&role=viewer")).is_err());
    }

    #[test]
    fn signs_of_like_are_searched_for_themselves() {
        assert_eq!(escaped("50%_Of\\É"), "50\\%\\_of\\\\é");
    }

    #[test]
    fn sort_orders_read_as_they_are_written() {
        for text in ["name", "-name", "activity", "joined", "-joined"] {
            assert_eq!(
                Sort::read(&form(&format!("sort={text}"))).unwrap().text(),
                text
            );
        }
        assert_eq!(Sort::read(&form("sort=-activity")).unwrap(), Sort::DEFAULT);
        assert_eq!(Sort::read(&form("sort=salary")).unwrap(), Sort::DEFAULT);
        assert_eq!(Sort::DEFAULT.toward(By::Activity).text(), "activity");
        assert_eq!(Sort::DEFAULT.toward(By::Name).text(), "name");
        assert_eq!(Sort::DEFAULT.toward(By::Joined).text(), "-joined");
    }
}
