//! A year of two companies whose server is killed at random moments: at any statement, before any commit, between a
//! call to the provider and its result. Every period is invoiced once, numbers have no gaps, and the sums are what an
//! independent calculation gives.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Once};
use std::time::Duration;

use diesel::connection::{InstrumentationEvent, set_default_instrumentation};
use insight::App;
use insight::billing::jobs;
use insight::db::types::AccountId;
use time::{Date, Month};

use crate::app::TestApp;
use crate::app::billing::{DAY, PAYS, months_after};
use crate::app::people::{Level, Person};
use crate::on_both;

on_both!(a_year_of_being_killed_gives_the_right_invoices);

/// When a server is killed.
#[derive(Clone, Copy)]
enum Death {
    /// After so many statements.
    After(u32),
    /// Before the first statement that begins like this.
    Before(&'static str),
}

/// Everything that a renewal and its payment write, each in turn.
const WRITES: [&str; 8] = [
    "INSERT INTO invoices",
    "INSERT INTO sandbox_charges",
    "INSERT INTO outbox",
    "UPDATE payments",
    "INSERT INTO audit_entries",
    "UPDATE billing",
    "INSERT INTO payments",
    "UPDATE invoices",
];

thread_local! {
    /// Of the server that this thread is.
    static DEATH: Cell<Option<Death>> = const { Cell::new(None) };
}

struct Killed;

/// From now on every connection looks whether it is time.
fn kill_between_statements() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        set_default_instrumentation(|| {
            Some(Box::new(|event: InstrumentationEvent<'_>| {
                let Some(death) = DEATH.get() else { return };
                let text = match (death, event) {
                    (Death::Before(_), InstrumentationEvent::StartQuery { query, .. }) => {
                        query.to_string().replace(['"', '`'], "")
                    }
                    (
                        Death::After(_),
                        InstrumentationEvent::StartQuery { .. }
                        | InstrumentationEvent::CommitTransaction { .. },
                    ) => String::new(),
                    _ => return,
                };
                let now = match death {
                    Death::After(0) => true,
                    Death::After(n) => {
                        DEATH.set(Some(Death::After(n - 1)));
                        false
                    }
                    Death::Before(begins) => text.starts_with(begins),
                };
                if now {
                    DEATH.set(None);
                    // Nothing runs after this but what closes the connection.
                    resume_unwind(Box::new(Killed));
                }
            }))
        })
        .expect("is set");
    });
}

/// One life of a server; true when it lived to the end.
fn live(server: &Arc<App>, death: Death) -> bool {
    let server = server.clone();
    std::thread::spawn(move || {
        DEATH.set(Some(death));
        let ended = catch_unwind(AssertUnwindSafe(|| jobs::run_due(&server)));
        let alive = DEATH.take().is_some();
        match ended {
            Ok(done) => {
                // A kill can end a connection of a pool; the work goes on in the next life.
                alive && done.is_ok()
            }
            Err(cause) if cause.is::<Killed>() => false,
            Err(cause) => resume_unwind(cause),
        }
    })
    .join()
    .expect("dies in the expected way only")
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn roll32(&mut self, sides: u64) -> u32 {
        u32::try_from(self.roll(sides)).expect("fits")
    }
}

/// The independent calculation: dates by another library, halves rounded by remainder.
struct Model {
    person: Person,
    account: AccountId,
    anchor: Date,
    start: Date,
    end: Date,
    month: i32,
    price: i64,
    seats: i64,
    next: Option<i64>,
    totals: Vec<i64>,
}

impl Model {
    fn new(person: Person, today: Date, price: i64, seats: i64) -> Model {
        Model {
            account: person.account(),
            person,
            anchor: today,
            start: today,
            end: months_after(today, 1),
            month: 0,
            price,
            seats,
            next: None,
            totals: vec![price * seats],
        }
    }

    fn until(&mut self, today: Date) {
        while self.end <= today {
            self.month += 1;
            self.start = self.end;
            self.end = months_after(self.anchor, self.month + 1);
            self.seats = self.next.take().unwrap_or(self.seats);
            self.totals.push(self.price * self.seats);
        }
    }

    /// A browser of its own for each visit: the server has hung up on the last one.
    fn browser(&self) -> Person {
        let browser = self.person.other_browser();
        browser.start_session(Level::Full);
        browser
    }

    fn part(&self, amount: i64, today: Date) -> i64 {
        let (left, of) = (
            (self.end - today).whole_days(),
            (self.end - self.start).whole_days(),
        );
        let (whole, rest) = (amount * left / of, amount * left % of);
        if rest * 2 >= of { whole + 1 } else { whole }
    }

    /// More seats now, or fewer at the renewal.
    async fn seats(&mut self, to: i64, today: Date) {
        let plan = if self.price == 1_200 {
            "Team"
        } else {
            "Business"
        };
        if to == self.seats && self.next.is_none() {
            return;
        }
        if to > self.seats {
            self.totals
                .push(self.part((to - self.seats) * self.price, today));
            self.seats = to;
            self.next = None;
        } else {
            self.next = (to < self.seats).then_some(to);
        }
        let page = self.browser().order(plan, &to.to_string()).await;
        assert!(page.flash().starts_with("The plan "), "{}", page.text());
    }

    async fn move_to_business(&mut self, today: Date) {
        let cost = self.part(self.seats * 1_800, today) - self.part(self.seats * 1_200, today);
        self.totals.push(cost);
        self.price = 1_800;
        self.next = None;
        let seats = self.seats.to_string();
        let page = self.browser().order("Business", &seats).await;
        assert_eq!(page.flash(), "The plan is Business now.");
    }
}

async fn a_year_of_being_killed_gives_the_right_invoices(app: TestApp) {
    kill_between_statements();
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut today = Date::from_calendar_date(2026, Month::March, 3).expect("a day");
    let mut models = vec![];
    for (name, price, plan, wait) in [
        ("Halden Logistics", 1_200, "Team", 0),
        // From the last of a month, which February does not have.
        ("Fjord Terminals", 1_800, "Business", 28),
    ] {
        app.forward(DAY * wait);
        today += time::Duration::days(i64::from(wait));
        let admin = app.company(name).admin("ada");
        admin.give_card(PAYS).await;
        admin.order(plan, "5").await.expect("The plan is");
        models.push(Model::new(admin, today, price, 5));
    }
    assert_eq!(today.day(), 31);
    let (mut kills, mut aimed) = (0, 0);
    let mut server = app.another();
    let mut spent = Duration::ZERO;
    let last = today + time::Duration::days(365);
    while today < last {
        // Looked at every few days, always at the same time of day; now and then the server is down for weeks, and
        // catches up.
        let days = match dice.roll(24) {
            0 => 20 + dice.roll32(30),
            _ => 1 + dice.roll32(5),
        };
        app.forward(DAY * days - std::mem::take(&mut spent));
        let days = i64::from(days);
        today += time::Duration::days(days);
        let epoch = Date::from_calendar_date(1970, Month::January, 1).expect("a day");
        let due = format!(
            "SELECT count(*) FROM billing WHERE period_end <= {}",
            (today - epoch).whole_days()
        );
        let mut tries = 0;
        loop {
            // Finding nothing to do takes a dozen statements, a renewal that is paid some sixty.
            let death = match dice.roll(3) {
                0 => Death::After(tries + dice.roll32(20)),
                1 => Death::After(tries + dice.roll32(70)),
                _ => Death::Before(WRITES[aimed % WRITES.len()]),
            };
            if live(&server, death) {
                if app.number(&due) == 0 {
                    break;
                }
                // Postgres has not noticed yet that whoever held a lock is dead: a renewal passes over what is locked.
                continue;
            }
            kills += 1;
            if matches!(death, Death::Before(_)) {
                aimed += 1;
            }
            // What the dead had in memory is of no use; made anew now and then, because it takes a while.
            if kills % 16 == 0 {
                server = app.another();
            }
            // Leases of the dead run out.
            let lease = Duration::from_secs(121);
            app.forward(lease);
            spent += lease;
            tries += 1;
        }
        for model in &mut models {
            model.until(today);
            if model.end - today < time::Duration::days(2) {
                continue;
            }
            match dice.roll(20) {
                0 | 1 => {
                    let to = i64::try_from(dice.roll(20)).expect("fits") + 2;
                    model.seats(to, today).await;
                }
                2 if model.price == 1_200 => model.move_to_business(today).await,
                _ => {}
            }
        }
    }
    app.forward(DAY - spent);
    today += time::Duration::DAY;
    app.bill();
    assert!(kills > 120, "only {kills} kills");
    assert!(
        aimed >= 3 * WRITES.len(),
        "only {aimed} where it is written"
    );
    for model in &mut models {
        model.until(today);
        let expected: Vec<String> = model
            .totals
            .iter()
            .enumerate()
            .map(|(n, total)| format!("{} invoice paid {total}", n + 1))
            .collect();
        assert_eq!(app.invoices(model.account), expected);
        assert!(expected.len() >= 12);
        let account = model.account;
        let charged = app.number(&format!(
            "SELECT CAST(sum(c.amount) AS BIGINT) FROM sandbox_charges c JOIN payments p ON p.key = c.key \
             WHERE p.account_id = {account} AND c.state = 'succeeded'"
        ));
        assert_eq!(charged, model.totals.iter().sum::<i64>(), "to the cent");
        let mails = app.number(&format!(
            "SELECT count(*) FROM outbox WHERE kind = 'invoice' AND account_id = {account}"
        ));
        assert_eq!(
            mails,
            i64::try_from(expected.len()).expect("fits"),
            "one mail each"
        );
        let issued = app.number(&format!(
            "SELECT count(*) FROM audit_entries WHERE action = 'billing.invoice' AND account_id = {account}"
        ));
        assert_eq!(issued, mails);
    }
    let loose = "SELECT count(*) FROM sandbox_charges WHERE key NOT IN (SELECT key FROM payments)";
    assert_eq!(app.number(loose), 0);
    let zero = "SELECT count(*) FROM payments WHERE amount = 0 OR finished_at IS NULL";
    assert_eq!(app.number(zero), 0);
}
