//! What a list costs for whoever asks: pages, counts and single checks of 12 kinds of member and 300 random ones, beside
//! the lower bound (50 whole records by a range of the primary key) on the same connection in turn with them.
//!
//! `cargo bench --bench visibility -- --db sqlite|postgres --records 100k|1M|10M` (several sizes: `100k,1M`).
//! `--explain "middle,old department"` prints the plans of these kinds on Postgres, those of all statements on SQLite;
//! `--django python3` asks Django 5 for the same pages on Postgres, through an interpreter that has the packages django and
//! psycopg. Every page's ids are held against a brute-force filter; it says how often all records were read. The figures to look at are the ratios, which hold when the machine's speed
//! drifts: the shortest of [`ROUNDS`] runs of a case, over the shortest of the bounds measured between them, because other
//! programs can only make a run longer.

#[allow(dead_code)]
#[path = "../../tests/it/app"]
mod app {
    pub mod postgres;
    pub mod process;
    pub mod wait;
}
mod company;
mod django;
mod explain;
mod figures;
mod writer;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::{Duration, Instant};

use company::{Company, DAY, Dice, ENVIRONMENT, Fact, NOW, PRIVATE, PUBLIC};
use diesel::prelude::*;
use explain::Plans;
use figures::{Case, Outcome, least, report};
use insight::access::{Can, Tx, UseRecords, Visit};
use insight::config::Config;
use insight::credentials::keys::Keys;
use insight::credentials::passwords::{HashCost, Passwords};
use insight::db::types::{RecordId, Slot};
use insight::db::{self, Conn, Db, Target};
use insight::permissions::{Object, Reach, Rules};
use insight::records::list::{self, By, Column, Filter, Key, ListQuery, Sort, Test};
use insight::records::{self, Desk};
use insight::schema::records as table;
use insight::{App, Clock};

type Failure = Box<dyn std::error::Error>;

const PAGE: usize = 50;
const CAP: usize = 10_000;
const ROUNDS: usize = 7;
const RANDOM: usize = 300;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = args.iter().position(|a| a == name)?;
        args.get(at + 1).cloned()
    };
    let which = value("--db").unwrap_or_else(|| "sqlite".into());
    let sizes = value("--records").unwrap_or_else(|| "100k".into());
    app::postgres::with_settings(&["shared_buffers=1500MB", "max_wal_size=8GB"]);
    let more = More {
        explain: value("--explain"),
        django: value("--django"),
    };
    let mut before: Option<(String, Outcome)> = None;
    let mut last = String::new();
    for size in sizes.split(',') {
        let records = match size.strip_suffix(['k', 'M']) {
            Some(n) if size.ends_with('k') => n.parse::<usize>()? * 1_000,
            Some(n) => n.parse::<usize>()? * 1_000_000,
            None => size.parse()?,
        };
        let outcome = match which.as_str() {
            "postgres" => {
                let database = app::postgres::empty_database();
                measure(
                    Target::Postgres(database.url().to_owned()),
                    size,
                    records,
                    &more,
                )?
            }
            "sqlite" => {
                let folder = tempfile::tempdir()?;
                let file = folder.path().join("insight.db").display().to_string();
                measure(Target::Sqlite(file), size, records, &more)?
            }
            _ => return Err("--db sqlite|postgres".into()),
        };
        if let Some((smaller, other)) = &before {
            let cost = outcome.p99 / other.p99;
            println!("cost of a page at {size} / at {smaller}, p99: {cost:.2}");
        }
        last.clone_from(&outcome.last);
        before = Some((size.to_owned(), outcome));
    }
    println!("{last}");
    Ok(())
}

/// What is done besides measuring.
#[derive(Default)]
struct More {
    /// Labels of the kinds whose plans are printed on Postgres.
    explain: Option<String>,
    /// The Python that has Django.
    django: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ask {
    First,
    Deep,
    ByName,
    Prefix1,
    Prefix3,
    Prefix8,
    Search3,
    Search8,
    Mine,
    Count,
    Check,
}

impl Ask {
    const ALL: [Ask; 11] = [
        Ask::First,
        Ask::Deep,
        Ask::ByName,
        Ask::Prefix1,
        Ask::Prefix3,
        Ask::Prefix8,
        Ask::Search3,
        Ask::Search8,
        Ask::Mine,
        Ask::Count,
        Ask::Check,
    ];

    fn label(self) -> &'static str {
        match self {
            Ask::First => "first page",
            Ask::Deep => "300 days deep",
            Ask::ByName => "by name",
            Ask::Prefix1 => "prefix of 1",
            Ask::Prefix3 => "prefix of 3",
            Ask::Prefix8 => "prefix of 8",
            Ask::Search3 => "prefix of 3 by update",
            Ask::Search8 => "prefix of 8 by update",
            Ask::Mine => "assigned to me",
            Ask::Count => "capped count",
            Ask::Check => "single check",
        }
    }

    /// The pages that the last line is about.
    fn is_page(self) -> bool {
        self <= Ask::Prefix8
    }

    fn prefix(self) -> &'static str {
        match self {
            Ask::Prefix1 => "s",
            Ask::Prefix3 | Ask::Search3 => "sal",
            Ask::Prefix8 | Ask::Search8 => "salkomin",
            _ => "",
        }
    }

    fn query(self, me: Slot) -> ListQuery {
        let by_name = matches!(
            self,
            Ask::ByName | Ask::Prefix1 | Ask::Prefix3 | Ask::Prefix8
        );
        ListQuery {
            prefix: self.prefix().to_owned(),
            filters: if self == Ask::Mine {
                vec![Filter {
                    column: Column::AssignedTo,
                    test: Test::Member(Some(me)),
                }]
            } else {
                Vec::new()
            },
            sort: if by_name {
                Sort {
                    by: By::Name,
                    descending: false,
                }
            } else {
                Sort::default()
            },
            ..ListQuery::default()
        }
    }

    fn after(self) -> Option<Key> {
        (self == Ask::Deep).then(|| Key((NOW.0 - 300 * DAY).to_string(), RecordId(i64::MAX)))
    }
}

/// What an answer was.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Ids(Vec<RecordId>),
    Number(usize, bool),
}

/// One kind of member, with the object whose list they open.
struct Kind {
    label: String,
    slot: Slot,
    object: Object,
}

fn measure(target: Target, size: &str, records: usize, more: &More) -> Result<Outcome, Failure> {
    let name = match target {
        Target::Sqlite(_) => "SQLite",
        Target::Postgres(_) => "Postgres",
    };
    let started = Instant::now();
    let config = Config::read(&|setting| match setting {
        "INSIGHT_BASE_URL" => Some("http://127.0.0.1".into()),
        _ => None,
    })?;
    let db = Db::open(target.clone(), 2)?;
    db::migrate::run(&db)?;
    let clock = Clock::Set(Arc::new(AtomicI64::new(NOW.0)));
    let passwords = Passwords::new(HashCost::default(), 1)?;
    let app = App::new(config, db, Keys::ephemeral(), passwords, clock);
    let company = company::fill(&app, &target, records)?;
    println!(
        "{name} {size}: filled in {:.1} s, {} records in the measured list",
        started.elapsed().as_secs_f64(),
        company.by_update.len()
    );
    let mut bounds = Vec::new();
    let mut cases = Vec::new();
    let all = kinds(&app, &company)?;
    // The first requests after a start ask for maps, which are made beside them.
    for kind in &all {
        let can = guard(&app, &company, kind.slot)?;
        can.read(|tx| {
            let desk = Desk::open(tx, ENVIRONMENT, kind.object)?;
            answer(tx, &desk, Ask::First, &company.by_update[0])
        })?;
    }
    let started = Instant::now();
    list::density::run_due(&app, &|| false)?;
    println!(
        "  maps of where records lie: made in {:.0} ms, {} bytes",
        started.elapsed().as_secs_f64() * 1e3,
        app.maps.size()
    );
    let mut plans = Plans::default();
    for kind in &all {
        member(&app, &company, kind, &mut cases, &mut bounds)?;
        let can = guard(&app, &company, kind.slot)?;
        for ask in Ask::ALL {
            can.read(|tx| plans.watch(tx, &company, kind, ask))?;
        }
    }
    plans.report(&format!("{name} {size}"), more.explain.is_some());
    if let (Some(of), Target::Postgres(_)) = (&more.explain, &target) {
        explain::explained(&app, &company, &all, of)?;
    }
    if let (Some(python), Target::Postgres(url)) = (&more.django, &target) {
        django::compared(&app, &company, &all, python, url)?;
    }
    report(&format!("{name} {size}"), &cases, &bounds)
}

/// Opens the way to the database as a member.
fn guard(app: &Arc<App>, company: &Company, slot: Slot) -> Result<Can<UseRecords>, Failure> {
    let token = company.sign_in(app, slot)?;
    let visit = Visit::open(app, Some(token), "127.0.0.1".into(), Some(ENVIRONMENT))?;
    Ok(Can::decide(Rc::new(visit))?)
}

fn desk(rules: &Arc<Rules>, slot: Slot, object: Object) -> Option<Desk> {
    Desk::of(rules.clone(), slot, ENVIRONMENT, object)
}

/// The kinds of member that plans fail for, and random ones.
fn kinds(app: &Arc<App>, company: &Company) -> Result<Vec<Kind>, Failure> {
    let rules = guard(app, company, company.administrator)?.read(insight::permissions::rules)?;
    let mut held = vec![0_usize; company::MEMBERS];
    for fact in &company.by_update {
        held[fact.owner.index()] += 1;
    }
    let all = company.by_update.len() as f64;
    let reach = |slot: usize| match desk(&rules, Slot(slot as i32), PRIVATE)
        .map(|d| d.reach().clone())
    {
        Some(Reach::Of(slots)) => slots.iter().map(|s| held[s.index()]).sum::<usize>() as f64 / all,
        Some(Reach::Everything) => 1.0,
        _ => 0.0,
    };
    let alone =
        |slot: usize| match desk(&rules, Slot(slot as i32), PRIVATE).map(|d| d.reach().clone()) {
            Some(Reach::Of(slots)) => slots.len() == 1,
            _ => false,
        };
    let shares: Vec<f64> = (0..company::MEMBERS).map(reach).collect();
    let nearest = |share: f64| {
        (1..company::MEMBERS)
            .min_by(|a, b| {
                (shares[*a] - share)
                    .abs()
                    .total_cmp(&(shares[*b] - share).abs())
            })
            .unwrap_or(0)
    };
    let only = |holds: &dyn Fn(usize) -> bool| {
        (0..company::MEMBERS)
            .find(|slot| alone(*slot) && holds(held[*slot]))
            .ok_or_else(|| {
                format!(
                    "no such member among {} who see nobody else",
                    (0..company::MEMBERS).filter(|s| alone(*s)).count()
                )
            })
    };
    let few = company.by_update.len() / 20_000;
    let sees_little = |n: usize| n > few && n < 20 * (few + 1);
    let named = [
        ("top manager", Slot(0), PRIVATE),
        ("middle", Slot(nearest(0.07) as i32), PRIVATE),
        ("team lead", Slot(nearest(0.008) as i32), PRIVATE),
        (
            "own records only",
            Slot(only(&sees_little)? as i32),
            PRIVATE,
        ),
        ("leaf and far rule", company.favoured, PRIVATE),
        ("old department", company.old_head, PRIVATE),
        ("hardly any", company.sparse_head, PRIVATE),
        ("sees nothing", Slot(only(&|n| n == 0)? as i32), PRIVATE),
        ("administrator", company.administrator, PRIVATE),
        ("Read All", company.reads_all, PRIVATE),
        ("public object", company.favoured, PUBLIC),
        ("no role", company.without_role, PRIVATE),
    ];
    let mut kinds: Vec<Kind> = named
        .into_iter()
        .map(|(label, slot, object)| Kind {
            label: label.to_owned(),
            slot,
            object,
        })
        .collect();
    let mut dice = Dice::new(7);
    kinds.extend((0..RANDOM).map(|_| {
        let slot = Slot(dice.below(company::MEMBERS) as i32);
        Kind {
            label: format!("random {} ({:.2} %)", slot.0, shares[slot.index()] * 100.0),
            slot,
            object: PRIVATE,
        }
    }));
    for kind in &kinds[..named.len()] {
        let slots = match desk(&rules, kind.slot, kind.object).map(|d| d.reach().clone()) {
            Some(Reach::Of(slots)) => slots.len().to_string(),
            Some(Reach::Everything) => "all".into(),
            _ => "no".into(),
        };
        println!(
            "  {}: {slots} members, {:.3} % of the records",
            kind.label,
            shares[kind.slot.index()] * 100.0
        );
    }
    Ok(kinds)
}

fn member(
    app: &Arc<App>,
    company: &Company,
    kind: &Kind,
    cases: &mut Vec<Case>,
    bounds: &mut Vec<f64>,
) -> Result<(), Failure> {
    let can = guard(app, company, kind.slot)?;
    let mut dice = Dice::new(kind.slot.0 as u64);
    for ask in Ask::ALL {
        let (mut times, mut between) = (Vec::new(), Vec::new());
        let mut right = true;
        let mut stopped = false;
        for _ in 0..ROUNDS {
            let from = dice.below(company.last as usize - PAGE) as i64 + 1;
            let looked_at = &company.by_update[dice.below(company.by_update.len())];
            can.read(|tx| {
                let rules = insight::permissions::rules(tx)?;
                bound(tx, from)?;
                between.push(timed(|| bound(tx, from).map(|_| ()))?);
                let mut given = None;
                times.push(timed(|| {
                    let desk = Desk::open(tx, ENVIRONMENT, kind.object)?;
                    given = Some(answer(tx, &desk, ask, looked_at)?);
                    Ok(())
                })?);
                between.push(timed(|| bound(tx, from + 1).map(|_| ()))?);
                let (given, ended) = given.ok_or(insight::Error::NotFound)?;
                stopped |= !ended;
                right &= given == expected(company, &rules, kind, ask, looked_at);
                Ok(())
            })?;
        }
        let buffers = buffers(&can, company, kind, ask)?;
        let (seconds, lower) = (least(&times), least(&between));
        bounds.append(&mut between);
        cases.push(Case {
            kind: kind.label.clone(),
            ask,
            seconds,
            ratio: seconds / lower,
            buffers,
            right,
            stopped,
        });
    }
    Ok(())
}

fn timed(f: impl FnOnce() -> insight::Result<()>) -> insight::Result<f64> {
    let started = Instant::now();
    f()?;
    Ok(started.elapsed().max(Duration::from_nanos(1)).as_secs_f64())
}

/// 50 whole records by a range of the primary key.
fn bound(tx: &mut Tx<UseRecords>, from: i64) -> insight::Result<usize> {
    type Row = (
        (i64, i64),
        (i32, Option<i32>),
        (i64, i64, i64),
        (String, String),
    );
    let columns = (
        (table::id, table::account_id),
        (table::creator_slot, table::assigned_slot),
        (table::created_at, table::updated_at, table::version),
        (table::name, table::data),
    );
    let account = tx.account();
    let to = RecordId(from + PAGE as i64);
    let rows: Vec<Row> = match tx.conn() {
        // On SQLite the number alone is the primary key.
        Conn::Sqlite(c) => table::table
            .filter(table::id.ge(RecordId(from)))
            .filter(table::id.lt(to))
            .select(columns)
            .load(c)?,
        Conn::Pg(c) => table::table
            .filter(table::account_id.eq(account))
            .filter(table::id.ge(RecordId(from)))
            .filter(table::id.lt(to))
            .select(columns)
            .load(c)?,
    };
    for row in &rows {
        let data: BTreeMap<String, String> =
            serde_json::from_str(&row.3.1).map_err(insight::Error::internal)?;
        black_box(data);
    }
    Ok(rows.len())
}

/// The answer of the product, and whether it said that it was whole.
fn answer(
    tx: &mut Tx<UseRecords>,
    desk: &Desk,
    ask: Ask,
    looked_at: &Fact,
) -> insight::Result<(Answer, bool)> {
    match ask {
        Ask::Count => {
            let count = list::count(tx, desk, &ListQuery::default(), CAP)?;
            let ended = !count.more || count.number == CAP;
            Ok((Answer::Number(count.number, count.more), ended))
        }
        Ask::Check => Ok((
            Answer::Ids(match records::find(tx, desk, looked_at.id) {
                Ok(record) => vec![record.id],
                Err(insight::Error::NotFound) => Vec::new(),
                Err(e) => return Err(e),
            }),
            true,
        )),
        _ => {
            let query = ask.query(desk.slot());
            let part = list::part(tx, desk, &query, ask.after().as_ref(), false, PAGE)?;
            let ids = part.records.iter().map(|record| record.id).collect();
            Ok((
                Answer::Ids(ids),
                part.stopped.is_none() && part.cut.is_none(),
            ))
        }
    }
}

/// The same, of all records there are.
fn expected(
    company: &Company,
    rules: &Arc<Rules>,
    kind: &Kind,
    ask: Ask,
    looked_at: &Fact,
) -> Answer {
    let Some(desk) = desk(rules, kind.slot, kind.object) else {
        return Answer::Ids(Vec::new());
    };
    let by_update = if kind.object == PUBLIC {
        &company.public
    } else {
        &company.by_update
    };
    let sees = |fact: &&Fact| desk.reach().admits_pair(fact.creator, fact.owner);
    let ids = |facts: &mut dyn Iterator<Item = &Fact>| {
        Answer::Ids(facts.take(PAGE).map(|fact| fact.id).collect())
    };
    let prefix = ask.prefix();
    // The public object is small: its names are put in order here.
    let mut own = Vec::new();
    let by_name: &[Fact] = if kind.object == PUBLIC {
        own.extend(company.public.iter().cloned());
        own.sort_by(|a, b| (&a.sort_name, a.id).cmp(&(&b.sort_name, b.id)));
        &own
    } else {
        &company.by_name
    };
    let from = by_name.partition_point(|fact| &*fact.sort_name < prefix);
    let named = || {
        by_name[from..]
            .iter()
            .take_while(|fact| fact.sort_name.starts_with(prefix))
    };
    match ask {
        Ask::First => ids(&mut by_update.iter().filter(sees)),
        Ask::Deep => {
            let deep = NOW.0 - 300 * DAY;
            let from = by_update.partition_point(|fact| fact.updated_at > deep);
            ids(&mut by_update[from..].iter().filter(sees))
        }
        Ask::ByName | Ask::Prefix1 | Ask::Prefix3 | Ask::Prefix8 => ids(&mut named().filter(sees)),
        Ask::Search3 | Ask::Search8 => {
            let mut found: Vec<&Fact> = named().filter(sees).collect();
            found.sort_by_key(|fact| std::cmp::Reverse((fact.updated_at, fact.id)));
            ids(&mut found.into_iter())
        }
        Ask::Mine => ids(&mut by_update
            .iter()
            .filter(|fact| fact.owner == kind.slot && fact.assigned)),
        Ask::Count => {
            let number = by_update.iter().filter(sees).take(CAP + 1).count();
            Answer::Number(number.min(CAP), number > CAP)
        }
        Ask::Check => {
            let there = kind.object == PRIVATE && sees(&looked_at);
            Answer::Ids(there.then_some(looked_at.id).into_iter().collect())
        }
    }
}

/// How many pages of the database one answer touches: Postgres counts them per table and index.
fn buffers(
    can: &Can<UseRecords>,
    company: &Company,
    kind: &Kind,
    ask: Ask,
) -> Result<i64, Failure> {
    let looked_at = &company.by_update[0];
    Ok(can.read(|tx| {
        let desk = Desk::open(tx, ENVIRONMENT, kind.object)?;
        let before = touched(tx)?;
        answer(tx, &desk, ask, looked_at)?;
        Ok(touched(tx)? - before)
    })?)
}

#[derive(QueryableByName)]
struct Touched {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    blocks: i64,
}

fn touched(tx: &mut Tx<UseRecords>) -> insight::Result<i64> {
    match tx.conn() {
        Conn::Sqlite(_) => Ok(0),
        Conn::Pg(c) => Ok(diesel::sql_query(
            "SELECT sum(pg_stat_get_xact_blocks_fetched(oid))::bigint AS blocks FROM ( \
             SELECT 'records'::regclass::oid AS oid UNION ALL \
             SELECT indexrelid FROM pg_index WHERE indrelid = 'records'::regclass) AS of",
        )
        .get_result::<Touched>(c)?
        .blocks),
    }
}
