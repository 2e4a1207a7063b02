//! Keyset pages: a page knows the sort key of its first and last row, never an offset, so that page 200 costs what
//! page 1 costs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::request::{Form, query_string};

/// Rows on a page.
pub const PAGE: usize = 50;

/// Counting stops here; a larger number is shown as "10,000+".
pub const COUNT_CAP: i64 = 10_000;

/// Where a page begins: after a key going forward, or before a key going back. `K` is the sort key with the id as
/// tie-break. `at` is the number of rows before this page, for "51–100 of 1,284".
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place<K> {
    pub back: bool,
    pub key: K,
    pub at: i64,
}

impl<K: Serialize + DeserializeOwned> Place<K> {
    /// From the query string. What cannot be read (typed by hand, an old format) is the first page.
    pub fn read(query: &Form, name: &str) -> Option<Place<K>> {
        let text = query.one(name).ok().filter(|t| !t.is_empty())?;
        let sent: Value = serde_json::from_slice(&BASE64.decode(text).ok()?).ok()?;
        if has_nul(&sent) {
            return None;
        }
        let mut place: Place<K> = serde_json::from_value(sent).ok()?;
        place.at = place.at.clamp(0, 1_000_000_000);
        Some(place)
    }

    /// As it stands in the query string.
    pub fn text(&self) -> String {
        BASE64.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// No text that is kept has a NUL in it, and Postgres takes none.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(values) => values.values().any(has_nul),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// One page of rows, with the links to its neighbours.
pub struct Page<T> {
    pub rows: Vec<T>,
    pub previous: Option<String>,
    pub next: Option<String>,
    /// Number of the first row shown, from 1; 0 on an empty page.
    pub first: i64,
}

/// Makes a page out of up to `size + 1` rows that the query gave, in the order of the query: reversed when the place
/// goes back. `link` makes a URL of a cursor text.
pub fn page<T, K: Serialize + DeserializeOwned>(
    mut rows: Vec<T>,
    size: usize,
    place: Option<&Place<K>>,
    key: impl Fn(&T) -> K,
    link: impl Fn(&str) -> String,
) -> Page<T> {
    let back = place.is_some_and(|p| p.back);
    let more = rows.len() > size;
    rows.truncate(size);
    if back {
        rows.reverse();
    }
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let before = match place {
        None => 0,
        Some(p) if p.back => (p.at - count).max(0),
        Some(p) => p.at,
    };
    let has_previous = if back { more } else { place.is_some() };
    let has_next = if back { true } else { more };
    let to = |row: Option<&T>, back: bool, at: i64| {
        row.map(|row| {
            let place = Place {
                back,
                key: key(row),
                at,
            };
            link(&place.text())
        })
    };
    Page {
        previous: to(rows.first().filter(|_| has_previous), true, before),
        next: to(rows.last().filter(|_| has_next), false, before + count),
        first: if rows.is_empty() { 0 } else { before + 1 },
        rows,
    }
}

impl<T> Page<T> {
    /// "1–50 of 1,284"; "10,000+" beyond the cap; nothing on an empty page.
    pub fn range(&self, total: i64) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let last = self.first - 1 + i64::try_from(self.rows.len()).unwrap_or(0);
        format!(
            "{}–{} of {}",
            thousands(self.first),
            thousands(last),
            capped(total.max(last))
        )
    }
}

/// A count as it is shown: "1,284", or "10,000+" when counting stopped.
pub fn capped(total: i64) -> String {
    if total > COUNT_CAP {
        format!("{}+", thousands(COUNT_CAP))
    } else {
        thousands(total)
    }
}

/// "1,284".
pub fn thousands(n: i64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && c != '-' {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// The same page with one parameter of the query changed: for sort links and pagers. An empty value removes it.
pub fn with(path: &str, query: &Form, drop: &[&str], name: &str, value: &str) -> String {
    let kept = query
        .pairs()
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .filter(|(n, _)| *n != name && !drop.contains(n));
    let text = query_string(kept.chain([(name, value)]));
    if text.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(link: &Option<String>) -> Place<i64> {
        let form = Form::parse(format!("page={}", link.as_ref().unwrap()).as_bytes()).unwrap();
        Place::read(&form, "page").unwrap()
    }

    /// What a database would give: up to `size + 1` keys on the asked side.
    fn query(all: &[i64], place: Option<&Place<i64>>, size: usize) -> Vec<i64> {
        match place {
            None => all.iter().copied().take(size + 1).collect(),
            Some(p) if p.back => all
                .iter()
                .rev()
                .copied()
                .filter(|k| *k < p.key)
                .take(size + 1)
                .collect(),
            Some(p) => all
                .iter()
                .copied()
                .filter(|k| *k > p.key)
                .take(size + 1)
                .collect(),
        }
    }

    #[test]
    fn walking_forth_and_back_shows_every_row_once() {
        let all: Vec<i64> = (1..=23).collect();
        let turn = |place: Option<&Place<i64>>| {
            page(query(&all, place, 5), 5, place, |k| *k, str::to_owned)
        };
        let mut seen = Vec::new();
        let mut at = turn(None);
        assert!(at.previous.is_none());
        loop {
            assert_eq!(at.first, at.rows[0]);
            seen.extend(at.rows.clone());
            if at.next.is_none() {
                break;
            }
            at = turn(Some(&cursor(&at.next)));
        }
        assert_eq!(seen, all);
        while at.previous.is_some() {
            at = turn(Some(&cursor(&at.previous)));
            assert_eq!(at.first, at.rows[0]);
        }
        assert_eq!(at.rows, all[..5]);
        assert_eq!(at.range(23), "1–5 of 23");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(1_284), "1,284");
        assert_eq!(thousands(999), "999");
        assert_eq!(capped(10_001), "10,000+");
    }
}
