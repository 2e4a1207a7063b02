//! What Check access and Review change cost in a company of 10,000 members, 1,000 roles and 300 sharing rules.
//!
//! `cargo bench --bench permissions -- --db sqlite|postgres --records 1M`. Prints p50 and p99 of the work behind the two
//! pages: the rules are those of the last request, the count of the records is kept, as it is for everybody but the first
//! who asks.

#[allow(dead_code)]
#[path = "../tests/it/app"]
mod app {
    pub mod postgres;
    pub mod process;
    pub mod wait;
}
#[allow(dead_code)]
#[path = "visibility/company.rs"]
mod company;
#[allow(dead_code)]
#[path = "visibility/writer.rs"]
mod writer;

use std::collections::HashMap;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::{Duration, Instant};

use company::{Dice, ENVIRONMENT, NOW, PRIVATE};
use insight::access::{Can, ManagePermissions, Tx, Visit};
use insight::config::Config;
use insight::credentials::keys::Keys;
use insight::credentials::passwords::{HashCost, Passwords};
use insight::db::types::Slot;
use insight::db::{self, Db, Target};
use insight::permissions::census::Censuses;
use insight::permissions::change::Around;
use insight::permissions::explain::Asked;
use insight::permissions::review::review;
use insight::permissions::ways::{Question, ways};
use insight::permissions::{Change, Level, Object, People, Rights, Rules};
use insight::records::census;
use insight::{App, Clock};

type Failure = Box<dyn std::error::Error>;

const CHECKS: usize = 300;
const REVIEWS: usize = 60;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = args.iter().position(|a| a == name)?;
        args.get(at + 1).cloned()
    };
    let size = value("--records").unwrap_or_else(|| "100k".into());
    let records = match size.strip_suffix(['k', 'M']) {
        Some(n) if size.ends_with('k') => n.parse::<usize>()? * 1_000,
        Some(n) => n.parse::<usize>()? * 1_000_000,
        None => size.parse()?,
    };
    match value("--db").as_deref() {
        Some("postgres") => {
            let database = app::postgres::empty_database();
            measure(Target::Postgres(database.url().to_owned()), records)
        }
        _ => {
            let folder = tempfile::tempdir()?;
            let file = folder.path().join("insight.db").display().to_string();
            measure(Target::Sqlite(file), records)
        }
    }
}

fn measure(target: Target, records: usize) -> Result<(), Failure> {
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
    let token = company.sign_in(&app, company.administrator)?;
    let visit = Visit::open(&app, Some(token), "127.0.0.1".into(), Some(ENVIRONMENT))?;
    let can: Can<ManagePermissions> = Can::decide(Rc::new(visit))?;
    let started = Instant::now();
    can.read(|tx| counted(tx).map(|_| ()))?;
    let first = started.elapsed();
    println!(
        "first count of the records: {:.0} ms",
        first.as_secs_f64() * 1e3
    );
    let mut dice = Dice::new(7);
    let mut checks = Vec::new();
    for _ in 0..CHECKS {
        let fact = &company.by_update[dice.below(company.by_update.len())];
        let question = Question {
            slot: Slot(dice.below(company::MEMBERS) as i32),
            asked: Asked::ALL[dice.below(4)],
            object: PRIVATE,
            people: People {
                creator: fact.creator,
                assigned: (fact.owner != fact.creator).then_some(fact.owner),
            },
        };
        checks.push(timed(|| can.read(|tx| check(tx, question)))?);
    }
    told("Check access", checks);
    let rules = can.read(insight::permissions::rules)?;
    let mut reviews = Vec::new();
    for _ in 0..REVIEWS {
        let change = drawn(&mut dice, &rules);
        reviews.push(timed(|| can.read(|tx| reviewed(tx, &change)))?);
    }
    told("Review change", reviews);
    Ok(())
}

fn timed(work: impl FnOnce() -> insight::Result<()>) -> Result<Duration, Failure> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

fn told(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!("{what}: p50 {:.1} ms, p99 {:.1} ms", at(50), at(99));
}

/// Nobody is invited, and the administrator stays.
fn around() -> Around {
    Around {
        invited: HashMap::new(),
        administrators: HashMap::new(),
        now: NOW,
    }
}

fn counted(tx: &mut Tx<ManagePermissions>) -> insight::Result<Censuses> {
    let mut censuses = Censuses::default();
    for object in Object::ALL {
        censuses[object.index()] = census::of(tx, object)?;
    }
    Ok(censuses)
}

fn check(tx: &mut Tx<ManagePermissions>, question: Question) -> insight::Result<()> {
    let rules = insight::permissions::rules(tx)?;
    let Question {
        slot,
        asked,
        object,
        people,
    } = question;
    let found = rules.explain(slot, asked, object, people);
    if !found.allowed {
        let census = census::of(tx, object)?;
        black_box(ways(&rules, &around(), question, &census, NOW));
    }
    black_box(found);
    Ok(())
}

fn reviewed(tx: &mut Tx<ManagePermissions>, change: &Change) -> insight::Result<()> {
    let rules = insight::permissions::rules(tx)?;
    let Ok(after) = change.on(rules.facts(), &around()) else {
        return Ok(());
    };
    let after = Rules::new(after, rules.version(), NOW);
    let censuses = counted(tx)?;
    black_box(review(&rules, &after, Slot(0), &censuses));
    Ok(())
}

/// A moved subtree, a deleted rule, a wider profile, everything public.
fn drawn(dice: &mut Dice, rules: &Rules) -> Change {
    let facts = rules.facts();
    let role = &facts.roles[dice.below(facts.roles.len())];
    let above = facts.roles[dice.below(facts.roles.len())].id;
    let named = |name: &str| insight::credentials::names::SettingName::parse(name);
    match dice.below(4) {
        0 => Change::DeleteRule {
            rule: facts.rules[dice.below(facts.rules.len())].id,
        },
        1 => {
            let mut levels = facts.sharing;
            levels[PRIVATE.index()] = Level::Read;
            Change::SetSharing { levels }
        }
        2 => {
            let profile = &facts.profiles[dice.below(facts.profiles.len())];
            let mut matrix = profile.objects;
            matrix[PRIVATE.index()].rights = Rights::ALL;
            Change::ChangeProfile {
                profile: profile.id,
                name: named(&profile.name).expect("a name that is kept"),
                matrix,
            }
        }
        _ => Change::ChangeRole {
            role: role.id,
            name: named(&role.name).expect("a name that is kept"),
            reports_to: (above != role.id).then_some(above),
        },
    }
}
