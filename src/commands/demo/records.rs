//! The demo's records: 20,000 in each environment, drawn from a seed, with owners along the hierarchy. They are written
//! in batches: record by record, as pages do it, would take minutes. Every person, company and address is made up.

use std::collections::BTreeMap;

use diesel::prelude::*;

use crate::access::{Environment, System, Tx};
use crate::db::types::{AccountId, RecordId, Slot, Timestamp};
use crate::permissions::Object;
use crate::records::change::sort_name;
use crate::records::environment_number;
use crate::records::history::ASSIGNED;
use crate::schema::{record_changes, records};
use crate::{Error, Result, on_each};

/// How many of each object, in this order: links point to what is there already.
const AMOUNTS: [(Object, usize); 6] = [
    (Object::Organization, 2_000),
    (Object::Contact, 5_000),
    (Object::Lead, 4_500),
    (Object::Opportunity, 3_000),
    (Object::Project, 1_500),
    (Object::Task, 4_000),
];

/// Rows of one statement.
const BATCH: usize = 500;

/// Somebody who makes records and has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub slot: Slot,
    pub joined_at: Timestamp,
    /// Works on leads, contacts and opportunities rather than on projects.
    pub sells: bool,
}

/// Fields that administrators added, by label.
pub(super) type Added = BTreeMap<String, String>;

/// Writes the records of one environment; `first` is the number of the first one. Gives the next number.
pub(super) fn fill(
    tx: &mut Tx<System>,
    account: AccountId,
    environment: Environment,
    owners: &[Owner],
    added: &Added,
    first: i64,
) -> Result<i64> {
    let mut maker = Maker {
        draw: Draw(0xC0FF_EE00 + first.unsigned_abs()),
        now: tx.now(),
        owners,
        added,
        next: first,
        made: BTreeMap::new(),
    };
    for (object, amount) in AMOUNTS {
        let mut left = amount;
        while left > 0 {
            let size = left.min(BATCH);
            let batch: Vec<Made> = (0..size).map(|_| maker.one(object)).collect();
            write(tx, account, environment, object, &batch)?;
            left -= size;
        }
    }
    Ok(maker.next)
}

/// A record with its past.
struct Made {
    id: RecordId,
    name: String,
    creator: Slot,
    assigned: Option<Slot>,
    created_at: Timestamp,
    updated_at: Timestamp,
    data: BTreeMap<String, String>,
    /// (when, who, field, before, after), the newest last.
    later: Vec<(Timestamp, Slot, String, String, String)>,
}

impl Made {
    /// What it was made with: key and value, the assigned member among them.
    fn first(&self) -> Vec<(String, String)> {
        let mut data = self.data.clone();
        for (_, _, key, before, _) in self.later.iter().rev() {
            data.insert(key.clone(), before.clone());
        }
        data.retain(|_, value| !value.is_empty());
        let mut first = vec![("name".to_owned(), self.name.clone())];
        first.extend(data);
        first.extend(
            self.assigned
                .map(|slot| (ASSIGNED.to_owned(), slot.0.to_string())),
        );
        first
    }
}

fn write(
    tx: &mut Tx<System>,
    account: AccountId,
    environment: Environment,
    object: Object,
    batch: &[Made],
) -> Result<()> {
    let mut rows = Vec::with_capacity(batch.len());
    let mut changes = Vec::with_capacity(batch.len());
    for made in batch {
        let version = i64::try_from(made.later.len()).unwrap_or(0) + 1;
        rows.push((
            (records::id.eq(made.id), records::account_id.eq(account)),
            records::environment.eq(environment_number(environment)),
            records::object.eq(object.number()),
            (
                records::name.eq(&made.name),
                records::sort_name.eq(sort_name(&made.name)),
            ),
            records::creator_slot.eq(made.creator),
            records::assigned_slot.eq(made.assigned),
            records::owner_slot.eq(made.assigned.unwrap_or(made.creator)),
            records::created_at.eq(made.created_at),
            records::updated_at.eq(made.updated_at),
            records::version.eq(version),
            records::data.eq(serde_json::to_string(&made.data).map_err(Error::internal)?),
        ));
        let mut keep = |version: i64, at: Timestamp, by: Slot, list: &[(&str, &str, &str)]| {
            changes.push((
                record_changes::account_id.eq(account),
                record_changes::record_id.eq(made.id),
                record_changes::version.eq(version),
                record_changes::at.eq(at),
                record_changes::member_slot.eq(by),
                record_changes::changes.eq(serde_json::to_string(list).unwrap_or_default()),
            ));
        };
        let first = made.first();
        let first: Vec<_> = first
            .iter()
            .map(|(key, value)| (key.as_str(), "", value.as_str()))
            .collect();
        keep(1, made.created_at, made.creator, &first);
        for (version, (at, by, field, before, after)) in (2..).zip(&made.later) {
            keep(version, *at, *by, &[(field, before, after)]);
        }
    }
    on_each!(tx.conn(), c => diesel::insert_into(records::table).values(rows).execute(c))?;
    on_each!(tx.conn(), c => diesel::insert_into(record_changes::table).values(changes).execute(c))?;
    Ok(())
}

struct Maker<'a> {
    draw: Draw,
    now: Timestamp,
    owners: &'a [Owner],
    added: &'a Added,
    next: i64,
    /// The numbers that were given, by object.
    made: BTreeMap<Object, (i64, i64)>,
}

impl Maker<'_> {
    fn one(&mut self, object: Object) -> Made {
        let id = self.next;
        self.next += 1;
        let (from, to) = self.made.get(&object).copied().unwrap_or((id, id));
        self.made.insert(object, (from, to.max(id)));
        let sells = !matches!(object, Object::Project | Object::Task);
        let creator = self.owner(sells);
        let age = (self.now - creator.joined_at).whole_minutes().max(2);
        let ago = i64::try_from(self.draw.below(age.unsigned_abs())).unwrap_or(1);
        let created_at = self.now - time::Duration::minutes(ago.max(1));
        let assigned = match self.draw.below(10) {
            0..=2 => None,
            3..=6 => Some(creator.slot),
            _ => Some(self.owner(sells).slot),
        };
        let (name, mut data) = self.fields(object);
        data.retain(|_, value| !value.is_empty());
        let mut later = Vec::new();
        let mut updated_at = created_at;
        if self.draw.below(100) < 15 {
            let minutes = i64::try_from(self.draw.below(ago.max(1).unsigned_abs())).unwrap_or(0);
            updated_at = self.now - time::Duration::minutes(minutes);
            let by = assigned.unwrap_or(creator.slot);
            later.push(match data.get("status").or(data.get("stage")) {
                Some(after) => {
                    let key = if data.contains_key("status") {
                        "status"
                    } else {
                        "stage"
                    };
                    let before = first_choice(object, key);
                    (updated_at, by, key.to_owned(), before, after.clone())
                }
                None => {
                    let notes = data.entry("notes".into()).or_default();
                    let before = notes.clone();
                    "Checked by phone, everything is up to date.".clone_into(notes);
                    (updated_at, by, "notes".into(), before, notes.clone())
                }
            });
            later.retain(|(.., before, after)| before != after);
            if later.is_empty() {
                updated_at = created_at;
            }
        }
        Made {
            id: RecordId(id),
            name,
            creator: creator.slot,
            assigned,
            created_at,
            updated_at,
            data,
            later,
        }
    }

    /// Somebody of the right kind, most of the time.
    fn owner(&mut self, sells: bool) -> Owner {
        for _ in 0..8 {
            let owner = *self.draw.one(self.owners);
            if owner.sells == sells {
                return owner;
            }
        }
        *self.draw.one(self.owners)
    }

    /// The number of a record of an object that is there already.
    fn link(&mut self, object: Object) -> String {
        match self.made.get(&object) {
            Some((from, to)) => {
                let among = (to - from + 1).unsigned_abs();
                let place = i64::try_from(self.draw.below(among)).unwrap_or(0);
                (from + place).to_string()
            }
            None => String::new(),
        }
    }

    fn fields(&mut self, object: Object) -> (String, BTreeMap<String, String>) {
        let draw = &mut self.draw;
        let (first, last) = (*draw.one(FIRST), *draw.one(LAST));
        let company = format!("{} {}", draw.one(PLACES), draw.one(TRADES));
        let domain = format!("{}.example", company.to_lowercase().replace(' ', "-"));
        let phone = format!("+47 555 {:05}", draw.below(100_000));
        let email = format!("{}.{}@{domain}", first.to_lowercase(), last.to_lowercase());
        let notes = match draw.below(3) {
            0 => (*draw.one(NOTES)).to_owned(),
            _ => String::new(),
        };
        let amount = (draw.below(400) * 250 + 500).to_string();
        let day = |draw: &mut Draw, now: Timestamp, from: i64, days: u64| {
            let away = from + i64::try_from(draw.below(days)).unwrap_or(0);
            let at = now + time::Duration::days(away);
            crate::web::times::iso(at)[..10].to_owned()
        };
        let now = self.now;
        let (name, pairs): (String, Vec<(&str, String)>) = match object {
            Object::Organization => (
                company,
                vec![
                    ("website", format!("https://{domain}/")),
                    ("phone", phone),
                    ("industry", any_choice(draw, object, "industry")),
                    (
                        "billing_address",
                        format!("Quay {}\n{}", draw.below(90) + 1, draw.one(PLACES)),
                    ),
                    ("notes", notes),
                    (
                        "Customer number",
                        format!("K-{:05}", draw.below(90_000) + 10_000),
                    ),
                    ("Credit limit", amount),
                ],
            ),
            Object::Contact => (
                format!("{first} {last}"),
                vec![
                    ("first_name", first.to_owned()),
                    ("last_name", last.to_owned()),
                    ("email", email),
                    ("phone", phone),
                    ("title", (*draw.one(TITLES)).to_owned()),
                    ("notes", notes),
                    ("Newsletter", (*draw.one(&["yes", "no", ""])).to_owned()),
                    ("organization", self.link(Object::Organization)),
                ],
            ),
            Object::Lead => (
                format!("{first} {last}"),
                vec![
                    ("email", email),
                    ("phone", phone),
                    ("company", company),
                    ("source", any_choice(draw, object, "source")),
                    ("status", any_choice(draw, object, "status")),
                    ("estimated_value", amount),
                    ("notes", notes),
                ],
            ),
            Object::Opportunity => (
                format!("{} for {company}", draw.one(DEALS)),
                vec![
                    ("stage", any_choice(draw, object, "stage")),
                    ("value", amount),
                    (
                        "currency",
                        (*draw.one(&["EUR", "EUR", "NOK", "SEK"])).to_owned(),
                    ),
                    ("close_date", day(draw, now, -120, 300)),
                    ("probability", (draw.below(20) * 5).to_string()),
                    ("notes", notes),
                    (
                        "Cargo",
                        (*draw.one(&["Containers", "Bulk", "Vehicles", ""])).to_owned(),
                    ),
                    ("organization", self.link(Object::Organization)),
                ],
            ),
            Object::Project => (
                format!("{} at {}", draw.one(WORKS), draw.one(PLACES)),
                vec![
                    ("status", any_choice(draw, object, "status")),
                    ("start_date", day(draw, now, -200, 200)),
                    ("due_date", day(draw, now, 1, 250)),
                    ("notes", notes),
                    ("organization", self.link(Object::Organization)),
                ],
            ),
            Object::Task => (
                format!("{} {first} {last}", draw.one(TASKS)),
                vec![
                    ("due_date", day(draw, now, -30, 90)),
                    ("priority", any_choice(draw, object, "priority")),
                    ("status", any_choice(draw, object, "status")),
                    ("notes", notes),
                    ("related_record", {
                        let to = [Object::Contact, Object::Opportunity, Object::Project];
                        let to = *self.draw.one(&to);
                        self.link(to)
                    }),
                ],
            ),
        };
        let data = pairs
            .into_iter()
            .map(|(key, value)| match self.added.get(key) {
                Some(custom) => (custom.clone(), value),
                None => (key.to_owned(), value),
            })
            .collect();
        (name, data)
    }
}

/// The choices of a built-in field.
fn choices(object: Object, key: &str) -> Vec<String> {
    use crate::permissions::objects::Kind;
    let fields = object.fields();
    match fields
        .iter()
        .find(|field| field.key == key)
        .map(|field| &field.kind)
    {
        Some(Kind::Choice(choices)) => choices.clone(),
        _ => Vec::new(),
    }
}

fn any_choice(draw: &mut Draw, object: Object, key: &str) -> String {
    let all = choices(object, key);
    let place = draw.below(all.len().max(1) as u64);
    all.into_iter()
        .nth(usize::try_from(place).unwrap_or(0))
        .unwrap_or_default()
}

fn first_choice(object: Object, key: &str) -> String {
    choices(object, key).into_iter().next().unwrap_or_default()
}

/// A generator of numbers (SplitMix64): the same demo every time.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn one<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        let place = usize::try_from(self.below(of.len() as u64)).unwrap_or(0);
        &of[place]
    }
}

const FIRST: &[&str] = &[
    "Alva", "Arne", "Benita", "Corin", "Dagny", "Edda", "Eskil", "Fenna", "Gisle", "Hilde", "Ivo",
    "Jorun", "Kaspar", "Liv", "Maren", "Niko", "Odile", "Petra", "Rasmus", "Signe", "Thea", "Ulla",
    "Valter", "Yrsa",
];
const LAST: &[&str] = &[
    "Askvoll",
    "Birkeholt",
    "Corvane",
    "Dalgrim",
    "Ekelund",
    "Fossgard",
    "Grimsby",
    "Holmquist",
    "Isebakk",
    "Jarnes",
    "Kvernmo",
    "Lindhaug",
    "Mossing",
    "Nordgarden",
    "Oxholm",
    "Prestvik",
    "Ravnsund",
    "Skarstein",
    "Tveitan",
    "Ulfsnes",
    "Vestrum",
    "Wikborg",
];
const PLACES: &[&str] = &[
    "Alderport",
    "Brinsand",
    "Calverholm",
    "Dunmark",
    "Elverby",
    "Fennsund",
    "Gullvik",
    "Havnes",
    "Isenfjord",
    "Jorvalla",
    "Krossnes",
    "Lomvik",
    "Marstad",
    "Nesholm",
    "Ostervag",
    "Pilsund",
    "Rundal",
    "Selvaag",
    "Tangerud",
    "Ulvesund",
    "Vargness",
];
const TRADES: &[&str] = &[
    "Timber",
    "Fisheries",
    "Machines",
    "Textiles",
    "Foods",
    "Shipping",
    "Paper",
    "Glass",
    "Solar",
    "Pharma",
    "Furniture",
    "Metals",
    "Seeds",
    "Cables",
    "Ceramics",
    "Dairy",
];
const TITLES: &[&str] = &[
    "Head of purchasing",
    "Logistics manager",
    "Warehouse lead",
    "Controller",
    "Managing director",
    "Export clerk",
];
const DEALS: &[&str] = &[
    "Weekly line",
    "Cold chain",
    "Container frame",
    "Spring shipment",
    "Storage year",
    "Customs desk",
];
const WORKS: &[&str] = &[
    "New cold store",
    "Quay repair",
    "Gate automation",
    "Rail link",
    "Solar roof",
    "Crane overhaul",
];
const TASKS: &[&str] = &[
    "Call",
    "Send the offer to",
    "Check the papers of",
    "Plan a visit to",
    "Answer",
    "Ask for a date from",
];
const NOTES: &[&str] = &[
    "Prefers calls in the morning.",
    "Pays on time.\nAsked for a new offer in autumn.",
    "Met at the trade fair; wants references.",
    "Waits for the decision of the board.",
    "Needs delivery before noon.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_spelled_as_a_form_would_keep_it() {
        let owner = Owner {
            slot: Slot(0),
            joined_at: Timestamp(0),
            sells: true,
        };
        let mut maker = Maker {
            draw: Draw(1),
            now: Timestamp(1_772_530_860_000_000),
            owners: &[owner],
            added: &Added::new(),
            next: 1,
            made: BTreeMap::new(),
        };
        for (object, _) in AMOUNTS {
            for _ in 0..100 {
                let made = maker.one(object);
                for field in object.fields() {
                    let value = made
                        .data
                        .get(field.key.as_ref())
                        .cloned()
                        .unwrap_or_default();
                    assert_eq!(
                        field.kind.read(&value).as_ref(),
                        Ok(&value),
                        "{}",
                        field.label
                    );
                }
                assert!(made.created_at <= made.updated_at && made.updated_at <= maker.now);
            }
        }
    }
}
