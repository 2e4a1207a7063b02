//! The list of an object.

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::filters::{Control, Filters};
use super::value::Value;
use super::{desk, path_of, shell};
use crate::Result;
use crate::access::{Can, Tx, UseRecords};
use crate::credentials::keys::{Keys, Purpose};
use crate::permissions::Object;
use crate::permissions::objects::Kind;
use crate::records::import;
use crate::records::list::{self, BUDGET, By, Column, Count, Key, ListQuery, SORT_LIMIT, Sort};
use crate::records::{Desk, links, people};
use crate::web::answer::Answer;
use crate::web::paging::{self, COUNT_CAP, PAGE, Place, thousands};
use crate::web::request::{Form, Request, query_string};
use crate::web::shell::Shell;
use crate::web::times::Zone;

#[derive(Template)]
#[template(path = "records/list.html")]
struct ListPage {
    shell: Shell,
    list: List,
}

/// What the page shows.
struct List {
    object: Object,
    path: String,
    may_create: bool,
    /// Rows can be taken in as new records or as changes.
    may_import: bool,
    /// Where exactly this list is exported, for whoever may.
    export: Option<String>,
    /// "1,284".
    total: String,
    one: bool,
    q: String,
    /// What is looked for in every field.
    words: String,
    filters: Filters,
    /// What the filter form keeps: the columns.
    kept: Vec<(String, String)>,
    /// The orders there are, for screens without room for heads: value, label, chosen.
    orders: Vec<(String, String, bool)>,
    /// What the choice of columns keeps: search, filters, order.
    kept_by_columns: Vec<(String, String)>,
    /// Key, label, ticked.
    columns: Vec<(String, String, bool)>,
    heads: Vec<Head>,
    rows: Vec<Row>,
    range: String,
    previous: Option<String>,
    next: Option<String>,
    /// Looking ended before the list did: where it goes on.
    go_on: Option<String>,
    /// Of which part of the list the order was made; empty: of all of it.
    cut: String,
    /// Where the list is unfiltered; "" when it is.
    clear: String,
    /// Nothing was asked for, and there is nothing.
    unused: bool,
    /// So many columns that the table scrolls.
    wide: bool,
}

struct Head {
    label: String,
    /// The list in the order of this column.
    href: String,
    direction: &'static str,
    number: bool,
}

struct Row {
    href: String,
    name: String,
    /// Value, and whether it is a number.
    cells: Vec<(Value, bool)>,
    /// The same in one line, for a narrow screen.
    line: String,
}

/// Fields shown beside the name until other columns are chosen.
const FIRST_FIELDS: usize = 5;

/// More columns than this do not fit.
const FITTING: usize = 8;

/// `GET /{environment}/records/{object}`
pub fn show(can: Can<UseRecords>, request: &Request) -> Result<Answer> {
    let zone = Zone::named(&can.me().time_zone);
    let (desk, list) = can.read(|tx| {
        let desk = desk(tx, request)?;
        let list = load(tx, &desk, request.query(), &zone)?;
        Ok((desk, list))
    })?;
    let shell = shell(&can, request, &desk, &[])?;
    Answer::page(&ListPage { shell, list })
}

fn load(tx: &mut Tx<UseRecords>, desk: &Desk, query: &Form, zone: &Zone) -> Result<List> {
    let asked = ListQuery::read(tx, desk, query)?;
    let places = Places::of(tx, desk, &asked.sort);
    let place: Option<Place<String>> = Place::read(query, "page");
    let opened = place.and_then(|place| Some((places.open(&place.key)?, place)));
    let (after, place) = opened.unzip();
    let back = place.as_ref().is_some_and(|place| place.back);
    let found = list::part(tx, desk, &asked, after.as_ref(), back, PAGE + 1)?;
    let ended = found.stopped.is_none() && found.cut.is_none();
    let whole = place.is_none() && ended && found.records.len() <= PAGE;
    let count = if whole {
        Count {
            number: found.records.len(),
            more: false,
        }
    } else {
        list::count(
            tx,
            desk,
            &asked,
            usize::try_from(COUNT_CAP).unwrap_or(usize::MAX),
        )?
    };
    let path = desk.path();
    let link = |cursor: &str| paging::with(&path, query, &[], "page", cursor);
    let (stopped, names) = (found.stopped, found.names);
    let page = paging::page(
        found.records,
        PAGE,
        place.as_ref(),
        |record| places.seal(&list::key(&asked, record, &names)),
        link,
    );
    let go_on = stopped.map(|key| {
        let at = match back {
            true => (page.first - 1).max(0),
            false => place.as_ref().map_or(0, |place| place.at) + length(&page.rows),
        };
        let key = places.seal(&key);
        link(&Place { back, key, at }.text())
    });
    let shown = columns(desk, query);
    let targets = links::targets(tx, desk, &page.rows)?;
    let slots = page.rows.iter().flat_map(|record| record.people.each());
    let people = people::named(tx, slots)?;
    let rows = page
        .rows
        .iter()
        .map(|record| {
            let cells: Vec<(Value, bool)> = shown
                .iter()
                .map(|column| {
                    let value = Value::in_column(desk, column, record, &targets, &people);
                    (value, is_number(column))
                })
                .collect();
            let words = cells.iter().map(|(value, _)| value.words(zone));
            let words: Vec<String> = words.filter(|words| !words.is_empty()).collect();
            Row {
                href: path_of(desk, record.id),
                name: record.name().to_owned(),
                line: words.join(" · "),
                cells,
            }
        })
        .collect::<Vec<Row>>();
    let columns = Column::all(desk)
        .into_iter()
        .skip(1)
        .map(|column| {
            let on = shown.contains(&column);
            (column.key().to_owned(), column.label().to_owned(), on)
        })
        .collect();
    let narrowed = !asked.is_whole();
    Ok(List {
        object: desk.object(),
        may_create: desk.may_create(),
        may_import: import::stored::require_import(desk).is_ok(),
        export: desk.may_export().then(|| {
            let kept = pairs(query, |name| !matches!(name, "page" | "column"));
            let kept = kept
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()));
            // The file holds what the list shows.
            let columns = shown.iter().map(|column| ("column", column.key()));
            let text = query_string(kept.chain([("column", "name")]).chain(columns));
            format!("{path}/export?{text}")
        }),
        total: in_words(count, rows.len()),
        one: count.number == 1 && !count.more,
        range: range(page.first, rows.len(), count),
        filters: Filters::load(tx, desk, query)?,
        kept: pairs(query, |name| name == "column"),
        orders: orders(desk, &asked.sort),
        kept_by_columns: pairs(query, |name| !matches!(name, "page" | "column")),
        columns,
        heads: heads(&shown, &asked.sort, &path, query),
        unused: !narrowed && rows.is_empty() && place.is_none(),
        rows,
        previous: page.previous,
        next: page.next,
        go_on,
        cut: found
            .cut
            .map_or_else(String::new, |number| cut(desk.object(), number)),
        clear: if narrowed {
            let kept = pairs(query, |name| matches!(name, "sort" | "column"));
            let kept = kept
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()));
            let text = query_string(kept);
            let mark = if text.is_empty() { "" } else { "?" };
            format!("{path}{mark}{text}")
        } else {
            String::new()
        },
        wide: shown.len() > FITTING,
        q: asked.prefix,
        words: asked.words.map(|words| words.typed).unwrap_or_default(),
        path,
    })
}

/// Places in one order of a list as they stand in addresses: sealed, because they are made of values that whoever else
/// reads an address may not see. In the hands of another member, or in another order, one is worth nothing: what lies
/// behind it would tell the value by halves.
struct Places<'a> {
    keys: &'a Keys,
    /// Member, list and order.
    bound: Vec<u8>,
}

impl<'a> Places<'a> {
    fn of(tx: &Tx<'a, UseRecords>, desk: &Desk, sort: &Sort) -> Places<'a> {
        let (account, slot) = (tx.account().0, desk.slot().0);
        let bound = format!("{account} {slot} {} {}", desk.path(), sort.text());
        Places {
            keys: &tx.app().keys,
            bound: bound.into_bytes(),
        }
    }

    fn seal(&self, key: &Key) -> String {
        let plain = serde_json::to_vec(key).unwrap_or_default();
        BASE64.encode(self.keys.seal(Purpose::Place, &self.bound, &plain))
    }

    /// Nothing for what was sealed elsewhere, or by a key that is gone.
    fn open(&self, sealed: &str) -> Option<Key> {
        let sealed = BASE64.decode(sealed).ok()?;
        let plain = self.keys.open(Purpose::Place, &self.bound, &sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}

/// The columns a query string asks for, without the name, which always stands first; until then the first few fields.
fn columns(desk: &Desk, query: &Form) -> Vec<Column> {
    let all = Column::all(desk).into_iter().skip(1);
    let asked: Vec<&str> = query.all("column").collect();
    if !asked.is_empty() {
        return all.filter(|column| asked.contains(&column.key())).collect();
    }
    let mut fields = 0;
    all.filter(|column| match column {
        Column::Field(field) if field.field().kind == Kind::LongText => false,
        Column::Field(_) => {
            fields += 1;
            fields <= FIRST_FIELDS
        }
        Column::AssignedTo | Column::Updated => true,
        Column::CreatedBy | Column::Created => false,
    })
    .collect()
}

/// Every order of a list, the one that it has until another is chosen first.
fn orders(desk: &Desk, sort: &Sort) -> Vec<(String, String, bool)> {
    let columns = Column::all(desk);
    let both = columns.iter().flat_map(|column| {
        let by = By::column(column);
        let (up, down) = match by {
            By::Updated | By::Created => (", oldest first", ", newest first"),
            _ => ("", ", descending"),
        };
        [(false, up), (true, down)].map(|(descending, words)| {
            let order = Sort {
                by: by.clone(),
                descending,
            };
            (order, format!("Sort by {}{words}", column.label()))
        })
    });
    let mut orders: Vec<(String, String, bool)> = both
        .map(|(order, label)| (order.text(), label, order == *sort))
        .collect();
    orders.sort_by_key(|(text, ..)| !text.is_empty());
    orders
}

fn heads(shown: &[Column], sort: &Sort, path: &str, query: &Form) -> Vec<Head> {
    let head = |label: &str, by: By, number| {
        let on = by == sort.by;
        // Numbers and moments are first asked for from the top.
        let falls = number || matches!(by, By::Updated | By::Created);
        let descending = if on { !sort.descending } else { falls };
        let text = Sort { by, descending }.text();
        Head {
            label: label.to_owned(),
            href: paging::with(path, query, &["page"], "sort", &text),
            direction: match (on, sort.descending) {
                (false, _) => "",
                (true, false) => "ascending",
                (true, true) => "descending",
            },
            number,
        }
    };
    let name = head("Name", By::Name, false);
    let others = shown
        .iter()
        .map(|column| head(column.label(), By::column(column), is_number(column)));
    std::iter::once(name).chain(others).collect()
}

fn is_number(column: &Column) -> bool {
    matches!(column, Column::Field(field) if field.field().kind == Kind::Number)
}

/// The pairs of a query string that a form keeps.
fn pairs(query: &Form, keep: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let all = query.pairs().iter();
    all.filter(|(name, value)| keep(name) && !value.is_empty())
        .cloned()
        .collect()
}

fn length<T>(rows: &[T]) -> i64 {
    i64::try_from(rows.len()).unwrap_or(i64::MAX)
}

/// "1,284", "10,000+".
fn in_words(count: Count, at_least: usize) -> String {
    let number = count.number.max(at_least);
    let number = thousands(i64::try_from(number).unwrap_or(i64::MAX));
    if count.more {
        format!("{number}+")
    } else {
        number
    }
}

/// "1–50 of 1,284".
fn range(first: i64, rows: usize, count: Count) -> String {
    if rows == 0 {
        return String::new();
    }
    let last = first - 1 + i64::try_from(rows).unwrap_or(0);
    let total = in_words(count, usize::try_from(last).unwrap_or(0));
    format!("{}–{} of {total}", thousands(first), thousands(last))
}

/// Which part of a list was put in an order that no index gives.
fn cut(object: Object, number: usize) -> String {
    let count = |n: usize| thousands(i64::try_from(n).unwrap_or(i64::MAX));
    let words = object.words();
    if number == SORT_LIMIT {
        return format!(
            "Sorted are the {} {words} changed last. Filter the list, or sort it by name or by update, to see all.",
            count(number)
        );
    }
    format!(
        "Sorted are the {} found among {} {words} that were looked through. Sort by name or by update to look through all.",
        count(number),
        count(BUDGET)
    )
}

impl List {
    /// How many records one look takes in.
    fn looked_through(&self) -> String {
        thousands(i64::try_from(BUDGET).unwrap_or(i64::MAX))
    }

    /// What the object is for, while there is none of it.
    fn purpose(&self) -> &'static str {
        match self.object {
            Object::Contact => "Contacts are the people you deal with.",
            Object::Organization => "Organizations are the companies you deal with.",
            Object::Lead => "Leads are people and companies that may become customers.",
            Object::Opportunity => "Opportunities are deals on their way to being won or lost.",
            Object::Project => "Projects are the work that has been agreed on.",
            Object::Task => "Tasks are what somebody has to do by some day.",
        }
    }
}
