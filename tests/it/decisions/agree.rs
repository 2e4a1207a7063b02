//! What a member meets in the database against what the naive reading says, over everything there is.

use std::collections::BTreeSet;
use std::sync::Arc;

use insight::App;
use insight::Error;
use insight::access::{Environment, Tx, UseRecords};
use insight::db::types::{RecordId, Slot, Timestamp};
use insight::permissions::Object;
use insight::records::change::{self, Saved};
use insight::records::draft::Draft;
use insight::records::list::{self, By, Column, Filter, Key, ListQuery, Sort, Test, Words};
use insight::records::{self, Desk};

use super::draw::{self, Dice};
use super::naive::{self, Answer};
use super::stored::{self, Account, Stored};

/// Who looks at an account.
#[derive(Clone, Copy)]
struct Eyes<'a> {
    account: &'a Account,
    member: usize,
}

impl Eyes<'_> {
    fn sees(&self, record: &Stored) -> bool {
        let company = &self.account.company;
        company.try_to(naive::READ, self.member, record.object, record.owners) == Answer::Allowed
    }

    /// The name that the link of a record shows, in lower case; empty for none that is seen.
    fn link_name(&self, record: &Stored) -> String {
        let mut all = self.account.records.iter();
        let target = record.link.and_then(|id| all.find(|r| r.id == id));
        target
            .filter(|r| r.environment == record.environment && self.sees(r))
            .map(|r| r.name.to_lowercase())
            .unwrap_or_default()
    }

    /// The name of a member as lists show it, in lower case.
    fn member_name(&self, place: usize) -> String {
        let mut name = stored::member_name(place).to_lowercase();
        if self.account.company.members[place].removed {
            name += " (removed)";
        }
        name
    }

    /// The text that decides where a record stands; its number decides among the same.
    fn place(&self, by: &By, record: &Stored) -> String {
        match by {
            By::Updated => format!("{:020}", record.updated_at),
            // Each was made before the one with the next number.
            By::Created => format!("{:020}", i64::MAX - record.id.0),
            By::Name => record.name.to_lowercase(),
            By::AssignedTo => record
                .owners
                .assigned_to
                .map_or_else(String::new, |place| self.member_name(place)),
            By::CreatedBy => self.member_name(record.owners.created_by),
            By::Field(shown) if shown.key() == "notes" => record.notes.to_owned(),
            By::Field(shown) => match stored::link_of(record.object) {
                Some((key, _)) if key == shown.key() => self.link_name(record),
                // Nobody filled it in.
                _ => String::new(),
            },
        }
    }

    /// True for a record that has such a word in a field.
    fn finds(&self, desk: &Desk, word: &str, record: &Stored) -> bool {
        let has = |key: &str| desk.fields().get(key).is_some();
        let link = stored::link_of(record.object);
        record.name.to_lowercase().contains(word)
            || (has("notes") && record.notes.contains(word))
            || (link.is_some_and(|(key, _)| has(key)) && self.link_name(record).contains(word))
    }
}

/// What a call came to.
fn answer<T>(result: Result<T, Error>) -> (Answer, Option<T>) {
    match result {
        Ok(value) => (Answer::Allowed, Some(value)),
        Err(Error::NotFound) => (Answer::NotThere, None),
        Err(Error::Forbidden { .. }) => (Answer::Refused, None),
        Err(other) => panic!("{other:?}"),
    }
}

/// A member's whole view of the account; `foreign` are records of other accounts.
pub fn check(
    app: &Arc<App>,
    account: &Account,
    member: usize,
    foreign: &[RecordId],
    dice: &mut Dice,
) {
    let guard = match account.guard(app, member) {
        Ok(guard) => guard,
        Err(e) => {
            assert!(account.company.members[member].removed, "{e:?}");
            return;
        }
    };
    assert!(
        !account.company.members[member].removed,
        "a removed member gets in"
    );
    let read = guard.read(|tx| {
        for object in Object::ALL {
            for environment in Environment::ALL {
                see(tx, account, member, object, environment, foreign, dice);
            }
        }
        Ok(())
    });
    read.expect("reads");
    let back = guard.write(|tx| {
        really_write(tx, account, member, dice);
        // Nothing of it is kept.
        Err::<(), Error>(Error::refused("back"))
    });
    assert!(matches!(back, Err(Error::Refused(_))));
}

fn see(
    tx: &mut Tx<UseRecords>,
    account: &Account,
    member: usize,
    object: Object,
    environment: Environment,
    foreign: &[RecordId],
    dice: &mut Dice,
) {
    let company = &account.company;
    let here: Vec<&Stored> = account
        .records
        .iter()
        .filter(|r| r.object == object && r.environment == environment)
        .collect();
    let desk = Desk::open(tx, environment, object);
    if !company.holds(member, naive::READ, object) {
        assert!(matches!(desk, Err(Error::Forbidden { .. })), "{object:?}");
        return;
    }
    let desk = desk.expect("opens");
    assert_eq!(
        desk.may_create(),
        company.holds(member, naive::CREATE, object)
    );
    assert_eq!(desk.may_export(), company.may_export(member));
    let keys: Vec<&str> = desk.fields().iter().map(|shown| shown.key()).collect();
    let expected = company.fields(member, object);
    assert_eq!(
        keys,
        expected
            .iter()
            .map(|(key, ..)| key.as_str())
            .collect::<Vec<_>>()
    );

    let visible: Vec<&Stored> = here
        .iter()
        .copied()
        .filter(|r| company.try_to(naive::READ, member, object, r.owners) == Answer::Allowed)
        .collect();
    if !account.records.is_empty() && (!here.is_empty() || dice.chance(20)) {
        lists(tx, &desk, Eyes { account, member }, &visible, dice);
    }
    for record in &here {
        one(tx, &desk, account, member, record);
    }
    // Of another object or environment, of another account, of nobody.
    let elsewhere = account
        .records
        .iter()
        .filter(|r| r.object != object || r.environment != environment);
    let elsewhere = elsewhere
        .map(|r| r.id)
        .take(3)
        .chain(foreign.iter().copied());
    for id in elsewhere.chain([RecordId(i64::MAX)]) {
        let (found, _) = answer(records::find(tx, &desk, id));
        assert_eq!(found, Answer::NotThere, "record {id} of elsewhere");
    }
}

fn one(tx: &mut Tx<UseRecords>, desk: &Desk, account: &Account, member: usize, record: &Stored) {
    let company = &account.company;
    let expected = |tick| company.try_to(tick, member, desk.object(), record.owners);
    let (read, found) = answer(records::find(tx, desk, record.id));
    assert_eq!(read, expected(naive::READ), "reading {record:?}");
    if let Some(found) = found {
        assert_eq!(found.name(), record.name);
        for shown in desk.fields() {
            let link = stored::link_of(record.object).map(|(key, _)| key);
            let value = match shown.key() {
                "notes" => record.notes.to_owned(),
                key if Some(key) == link => record.link.map_or(String::new(), |id| id.to_string()),
                _ => String::new(),
            };
            assert!(shown.key() == "name" || found.value(shown) == value);
        }
    }
    // From a version that never was: whoever may is told so, and nothing is written.
    let (edit, saved) = answer(change::edit(tx, desk, record.id, 77, Draft::default()));
    assert_eq!(edit, expected(naive::EDIT), "editing {record:?}");
    assert!(saved.is_none_or(|saved| matches!(saved, Saved::Stale(_))));
    if record.id.0 % 3 == 0 {
        let (assign, _) = answer(change::assign(tx, desk, record.id, 77, None));
        assert_eq!(assign, expected(naive::EDIT), "assigning {record:?}");
    }
    let (delete, _) = answer(change::delete(tx, desk, record.id, 77));
    assert_eq!(delete, expected(naive::DELETE), "deleting {record:?}");
}

/// Some real changes, which the caller rolls back.
fn really_write(tx: &mut Tx<UseRecords>, account: &Account, member: usize, dice: &mut Dice) {
    let company = &account.company;
    for record in &account.records {
        if !dice.chance(12) {
            continue;
        }
        let object = record.object;
        let Ok(desk) = Desk::open(tx, record.environment, object) else {
            assert!(!company.holds(member, naive::READ, object));
            continue;
        };
        let to = company.members.len() - 1;
        let slot = Slot(i32::try_from(to).expect("a small company"));
        let (assigned, saved) = answer(change::assign(tx, &desk, record.id, 1, Some(slot)));
        let may = company.try_to(naive::EDIT, member, object, record.owners);
        assert_eq!(assigned, may, "assigning {record:?}");
        let mut owners = record.owners;
        let mut version = 1;
        if let Some(saved) = saved {
            let same = owners.assigned_to == Some(to);
            version = if same { 1 } else { 2 };
            assert!(matches!(saved, Saved::Done(v) if v == version), "{saved:?}");
            owners.assigned_to = Some(to);
        }
        // Whoever gave a record away may have lost it with that.
        let (deleted, _) = answer(change::delete(tx, &desk, record.id, version));
        let may = company.try_to(naive::DELETE, member, object, owners);
        assert_eq!(deleted, may, "deleting {record:?} of {owners:?}");
        if deleted == Answer::Allowed {
            let (found, _) = answer(records::find(tx, &desk, record.id));
            assert_eq!(found, Answer::NotThere, "deleted");
        }
    }
}

/// Lists in several orders and page sizes, searches, filters, counts, streams.
fn lists(tx: &mut Tx<UseRecords>, desk: &Desk, eyes: Eyes, visible: &[&Stored], dice: &mut Dice) {
    let mut orders: Vec<By> = Column::all(desk).iter().map(By::column).collect();
    // The orders that somebody could leak by are drawn more often than fields that nobody filled in.
    for key in ["notes", "organization", "related_record"] {
        if let Some(shown) = desk.fields().get(key) {
            orders.extend([By::Field(shown.clone()), By::Field(shown.clone())]);
        }
    }
    let by = orders[dice.below(orders.len())].clone();
    let sort = Sort {
        by,
        descending: dice.chance(50),
    };
    let mut query = ListQuery {
        sort,
        ..ListQuery::default()
    };
    same(tx, desk, eyes, &query, visible, dice);
    query.prefix = dice
        .one(&["AL", "b", "bir", "ä", "cedar 1", "z"])
        .to_owned();
    let prefix = query.prefix.to_lowercase();
    let begin: Vec<&Stored> = visible
        .iter()
        .copied()
        .filter(|r| r.name.to_lowercase().starts_with(&prefix))
        .collect();
    same(tx, desk, eyes, &query, &begin, dice);
    let word = dice.one(&["al", "red", "r", "cedar 1", "lue"]);
    let with: Vec<&Stored> = visible
        .iter()
        .copied()
        .filter(|r| eyes.finds(desk, word, r))
        .collect();
    query.prefix = String::new();
    query.words = Words::in_fields_of(desk, &word.to_uppercase());
    same(tx, desk, eyes, &query, &with, dice);
    query.words = None;
    let link = stored::link_of(desk.object()).and_then(|(key, _)| desk.fields().get(key));
    if let Some(link) = link {
        query.filters = vec![Filter {
            column: Column::Field(link.clone()),
            test: Test::LeadsTo("al".into()),
        }];
        let leading: Vec<&Stored> = visible
            .iter()
            .copied()
            .filter(|r| eyes.link_name(r).contains("al"))
            .collect();
        same(tx, desk, eyes, &query, &leading, dice);
        query.filters[0].test = Test::Empty;
        let without: Vec<&Stored> = visible
            .iter()
            .copied()
            .filter(|r| eyes.link_name(r).is_empty())
            .collect();
        same(tx, desk, eyes, &query, &without, dice);
    }
    if dice.chance(50) {
        let (from, end) = (
            draw::NOW - dice.one(&[0, 3, 6, 9, 20]),
            draw::NOW - dice.one(&[0, 2, 4, 8]),
        );
        let test = |test| Filter {
            column: Column::Updated,
            test,
        };
        query.filters = vec![
            test(Test::Since(Timestamp(from))),
            test(Test::Before(Timestamp(end))),
        ];
        let between: Vec<&Stored> = visible
            .iter()
            .copied()
            .filter(|r| (from..end).contains(&r.updated_at))
            .collect();
        same(tx, desk, eyes, &query, &between, dice);
    }
    if let (Some(notes), true) = (desk.fields().get("notes"), dice.chance(50)) {
        query.filters = vec![Filter {
            column: Column::Field(notes.clone()),
            test: Test::Contains("red".into()),
        }];
        let red: Vec<&Stored> = visible
            .iter()
            .copied()
            .filter(|r| r.notes.contains("red"))
            .collect();
        same(tx, desk, eyes, &query, &red, dice);
    }
}

/// One list, page by page in both directions, counted, and as it goes into a file: each has exactly these records.
fn same(
    tx: &mut Tx<UseRecords>,
    desk: &Desk,
    eyes: Eyes,
    query: &ListQuery,
    expected: &[&Stored],
    dice: &mut Dice,
) {
    let said = format!("{:?} {} {query:?}", desk.object(), desk.slot().0);
    let size = dice.one(&[1, 2, 3, 5, 50, 50]);
    let forward = walk(tx, desk, query, None, false, size);
    let ids: BTreeSet<RecordId> = expected.iter().map(|r| r.id).collect();
    assert_eq!(
        forward.len(),
        ids.len(),
        "listed {forward:?} of {ids:?}: {said}"
    );
    assert_eq!(
        forward.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>(),
        ids,
        "{said}"
    );
    let mut in_order: Vec<&&Stored> = expected.iter().collect();
    in_order.sort_by_key(|r| (eyes.place(&query.sort.by, r), r.id));
    if query.sort.descending {
        in_order.reverse();
    }
    let in_order: Vec<RecordId> = in_order.iter().map(|r| r.id).collect();
    let listed: Vec<RecordId> = forward.iter().map(|(id, _)| *id).collect();
    assert_eq!(listed, in_order, "order of {said}");
    if let Some((last, key)) = forward.last()
        && dice.chance(30)
    {
        let mut back = walk(tx, desk, query, Some(key.clone()), true, size);
        back.reverse();
        let back: Vec<RecordId> = back.iter().map(|(id, _)| *id).chain([*last]).collect();
        assert_eq!(back, listed, "backwards: {said}");
    }
    let count = list::count(tx, desk, query, 1_000).expect("counts");
    assert_eq!(
        (count.number, count.more),
        (ids.len(), false),
        "count of {said}"
    );
    let mut file = BTreeSet::new();
    let mut after: Option<Key> = None;
    loop {
        let (records, next) =
            list::stream(tx, desk, query, after.as_ref(), size + 1).expect("streams");
        for record in records {
            assert!(file.insert(record.id), "twice in a file: {said}");
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(file, ids, "file of {said}");
}

fn walk(
    tx: &mut Tx<UseRecords>,
    desk: &Desk,
    query: &ListQuery,
    mut after: Option<Key>,
    back: bool,
    size: usize,
) -> Vec<(RecordId, Key)> {
    let mut all = Vec::new();
    loop {
        let part = list::part(tx, desk, query, after.as_ref(), back, size).expect("lists");
        assert!(part.cut.is_none() && part.records.len() <= size);
        let full = part.records.len() == size;
        for record in &part.records {
            all.push((record.id, list::key(query, record, &part.names)));
        }
        assert!(all.len() < 1_000, "it never ends");
        after = match part.stopped {
            Some(key) => Some(key),
            None if full => all.last().map(|(_, key)| key.clone()),
            None => return all,
        };
    }
}
