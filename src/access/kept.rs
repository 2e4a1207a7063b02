//! Pages kept ready: the part of a page about an account's people that costs queries and rendering, until anything on
//! it changes.
//!
//! What is kept is found only through a guard that has let the asker in, under the account and the member of that
//! guard and the version the database keeps of the account's people ([`Caller::people_version`]). A change of any
//! member, invitation, delivery or subscriber moves the version in its own transaction, so the next request of any
//! process finds nothing kept. Nothing here is the only copy of anything.
//!
//! Two things move without the version: the time of day in words ("Expires in 20 minutes"), and the last activity of
//! members, which moves once a minute for everybody at work. Both may be [`LIFETIME`] old, but one's own activity is
//! shown at once.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use actix_web::web::Bytes;

use super::caller::Caller;
use super::guard::Can;
use super::permissions::{Admit, InAccount};
use crate::Result;
use crate::db::types::{AccountId, MemberId, Timestamp};
use crate::web::gzip;
use crate::web::request::Request;

/// How long a page is kept at most.
const LIFETIME: time::Duration = time::Duration::seconds(5);

/// Bytes kept at most, in one process.
const CAPACITY: usize = 8 << 20;

/// What an entry takes besides its texts, roughly.
const OVERHEAD: usize = 300;

impl<P: Admit + InAccount> Can<P> {
    /// The HTML for this address and query string: kept, or as `make` renders it now. `make` must show nothing but
    /// what moves `people_version`, and nothing that belongs to one answer: no token, no nonce, no strip.
    pub fn kept(&self, request: &Request, make: impl FnOnce() -> Result<String>) -> Result<Html> {
        let key = Key::new(TypeId::of::<P>(), self.me(), self.now(), request);
        if let Some(html) = self.app().kept.find(&key, self.now()) {
            return Ok(html);
        }
        let html = Html::new(make()?);
        self.app().kept.put(key, self.now(), html.clone());
        Ok(html)
    }
}

/// HTML that a template has rendered and escaped; only [`Can::kept`] makes it.
#[derive(Clone, Debug)]
pub struct Html(Arc<Rendered>);

#[derive(Debug)]
struct Rendered {
    text: String,
    /// Made when somebody first asks for it.
    deflated: OnceLock<gzip::Part>,
}

impl Html {
    /// Where a page has its kept part: a sign that neither our templates nor anything typed can hold.
    pub const MARK: char = '\0';

    fn new(text: String) -> Html {
        Html(Arc::new(Rendered {
            text,
            deflated: OnceLock::new(),
        }))
    }

    /// The same bytes for sending, not a copy.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }

    /// The same as a part of a gzip stream.
    pub fn deflated(&self) -> &gzip::Part {
        let rendered = &self.0;
        rendered
            .deflated
            .get_or_init(|| gzip::Part::small(&rendered.text))
    }
}

impl AsRef<[u8]> for Html {
    fn as_ref(&self) -> &[u8] {
        self.0.text.as_bytes()
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    account: AccountId,
    people_version: i64,
    member: MemberId,
    /// The right that the guard has found.
    proof: TypeId,
    /// Moves with the member's own activity.
    last_seen_at: Timestamp,
    /// Days and minutes in words change with it.
    minute: i64,
    time_zone: String,
    path: String,
    query: Vec<(String, String)>,
}

impl Key {
    fn new(proof: TypeId, me: &Caller, now: Timestamp, request: &Request) -> Key {
        Key {
            account: me.account,
            people_version: me.people_version,
            member: me.member,
            proof,
            last_seen_at: me.last_seen_at,
            minute: now.0.div_euclid(60_000_000),
            time_zone: me.time_zone.clone(),
            path: request.path().to_owned(),
            query: request.query().pairs().to_vec(),
        }
    }

    fn bytes(&self) -> usize {
        let pairs = self.query.iter().map(|(n, v)| n.len() + v.len() + 48);
        self.time_zone.len() + self.path.len() + pairs.sum::<usize>()
    }
}

struct Entry {
    html: Html,
    made_at: Timestamp,
    /// Larger for what was asked for later.
    used: u64,
    bytes: usize,
}

/// The pages that one process keeps.
#[derive(Default)]
pub struct Kept(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    map: HashMap<Key, Entry>,
    bytes: usize,
    clock: u64,
}

impl Kept {
    fn find(&self, key: &Key, now: Timestamp) -> Option<Html> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.clock += 1;
        let used = entries.clock;
        let entry = entries.map.get_mut(key)?;
        if !fresh(entry, now) {
            return None;
        }
        entry.used = used;
        Some(entry.html.clone())
    }

    fn put(&self, key: Key, now: Timestamp, html: Html) {
        let bytes = html.0.text.len() * 5 / 4 + key.bytes() + OVERHEAD;
        if bytes > CAPACITY / 4 {
            return;
        }
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = &mut *entries;
        entries.map.retain(|_, entry| fresh(entry, now));
        entries.map.remove(&key);
        entries.bytes = entries.map.values().map(|entry| entry.bytes).sum();
        while entries.bytes + bytes > CAPACITY {
            let Some(oldest) = entries.map.values().map(|entry| entry.used).min() else {
                break;
            };
            entries.map.retain(|_, entry| entry.used != oldest);
            entries.bytes = entries.map.values().map(|entry| entry.bytes).sum();
        }
        entries.clock += 1;
        entries.bytes += bytes;
        entries.map.insert(
            key,
            Entry {
                html,
                made_at: now,
                used: entries.clock,
                bytes,
            },
        );
    }
}

fn fresh(entry: &Entry, now: Timestamp) -> bool {
    now >= entry.made_at && now - entry.made_at < LIFETIME
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(account: i64, version: i64, q: &str) -> Key {
        Key {
            account: AccountId(account),
            people_version: version,
            member: MemberId(1),
            proof: TypeId::of::<()>(),
            last_seen_at: Timestamp(0),
            minute: 0,
            time_zone: "UTC".into(),
            path: "/".into(),
            query: vec![("q".into(), q.into())],
        }
    }

    fn html(bytes: usize) -> Html {
        Html::new("x".repeat(bytes))
    }

    #[test]
    fn a_page_is_found_under_its_own_key_until_it_is_too_old() {
        let kept = Kept::default();
        kept.put(key(1, 1, ""), Timestamp(0), html(10));
        let almost = Timestamp(0) + LIFETIME - time::Duration::microseconds(1);
        assert!(kept.find(&key(1, 1, ""), almost).is_some());
        assert!(kept.find(&key(1, 1, ""), Timestamp(0) + LIFETIME).is_none());
        assert!(kept.find(&key(1, 1, ""), Timestamp(-1)).is_none());
        for other in [key(2, 1, ""), key(1, 2, ""), key(1, 1, "a")] {
            assert!(kept.find(&other, Timestamp(0)).is_none());
        }
    }

    #[test]
    fn what_nobody_asks_for_makes_room() {
        let kept = Kept::default();
        let size = CAPACITY / 8;
        for version in 0..30 {
            kept.put(key(1, version, ""), Timestamp(0), html(size));
            assert!(kept.find(&key(1, 0, ""), Timestamp(0)).is_some());
            assert!(kept.0.lock().unwrap().bytes <= CAPACITY);
        }
        assert!(kept.find(&key(1, 1, ""), Timestamp(0)).is_none());
        assert!(kept.find(&key(1, 29, ""), Timestamp(0)).is_some());
        kept.put(key(1, 30, ""), Timestamp(0), html(CAPACITY));
        assert!(kept.find(&key(1, 30, ""), Timestamp(0)).is_none());
        assert!(kept.find(&key(1, 29, ""), Timestamp(0)).is_some());
        // The old ones go with the next that comes.
        kept.put(key(1, 31, ""), Timestamp(0) + LIFETIME, html(1));
        assert_eq!(kept.0.lock().unwrap().map.len(), 1);
    }
}
