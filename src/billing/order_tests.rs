use super::*;
use crate::billing::days::Every;

fn plans() -> Plans {
    Plans::standard().unwrap()
}

/// 3 November 2026: a month of thirty days begins.
const START: Day = Day(20_760);

fn running(key: &str, seats: i64) -> Subscription {
    let plans = plans();
    let plan = plans.find(key).unwrap();
    let mut now = free();
    now.sell(plan, seats, &plans);
    now.running = Some(Period::of(START, plan.every, 0));
    now
}

fn free() -> Subscription {
    Subscription {
        plan: String::new(),
        plan_name: String::new(),
        seats: 0,
        seat_price: 0,
        currency: String::new(),
        every: Every::Month,
        running: None,
        next: None,
        credit: 0,
        version: 0,
    }
}

fn asked(now: &Subscription, key: &str, seats: i64, day: i32) -> Quote {
    let plans = plans();
    let today = Day(START.0 + day);
    quote(now, &plans, plans.find(key).unwrap(), seats, today).unwrap()
}

#[test]
fn the_days_are_as_the_tests_say() {
    assert_eq!(START.show(), "3 Nov 2026");
    assert_eq!(START.period(Every::Month, 1).show(), "3 Dec 2026");
}

#[test]
fn a_first_plan_is_charged_for_its_whole_first_period() {
    let quote = asked(&free(), "business", 20, 0);
    assert_eq!((quote.when, quote.sums.due), (When::Now, 36_000));
    assert_eq!(quote.lines[0].detail, "20 seats, 3 Nov – 2 Dec 2026");
    assert_eq!(quote.next, Some((Day(START.0 + 30), 36_000)));
}

#[test]
fn more_seats_are_charged_for_the_days_that_are_left_today_included() {
    let now = running("business", 20);
    for (day, days_left) in [(0, 30), (9, 21), (29, 1)] {
        let quote = asked(&now, "business", 23, day);
        assert_eq!(quote.when, When::Now);
        assert_eq!(quote.sums.due, 3 * 1_800 * days_left / 30, "day {day}");
    }
    // A third of a cent, half of one and two thirds: rounded half up, and once for the line, not for each seat.
    let mut odd = now.clone();
    for (price, more, days_left, due) in [
        (1_807, 1, 10, 602),
        (1_805, 1, 15, 903),
        (1_808, 1, 10, 603),
        (1_805, 3, 15, 2_708),
    ] {
        odd.seat_price = price;
        let quote = asked(&odd, "business", 20 + more, 30 - days_left);
        assert_eq!(quote.sums.due, due, "{more} × {price} × {days_left} ÷ 30");
    }
}

#[test]
fn fewer_seats_come_with_the_renewal_and_cost_nothing_before() {
    let now = running("business", 20);
    let quote = asked(&now, "business", 15, 9);
    assert_eq!(quote.when, When::Renewal(Day(START.0 + 30)));
    assert_eq!((quote.lines.len(), quote.sums.due), (0, 0));
    assert_eq!(quote.next, Some((Day(START.0 + 30), 27_000)));
    // And are taken back by asking for what there is.
    let back = asked(&quote.after, "business", 20, 10);
    assert_eq!((back.when, back.sums.due), (When::Now, 0));
    assert_eq!(back.after.next, None);
    assert_eq!(asked(&now, "business", 20, 10).when, When::Already);
}

#[test]
fn a_dearer_plan_is_charged_less_what_is_not_used_up() {
    let quote = asked(&running("team", 10), "business", 10, 9);
    assert_eq!(quote.when, When::Now);
    let amounts: Vec<i64> = quote.lines.iter().map(|line| line.amount).collect();
    assert_eq!(amounts, [10 * 1_800 * 21 / 30, -10 * 1_200 * 21 / 30]);
    assert_eq!(quote.sums.due, 4_200);
    assert_eq!(quote.after.running.unwrap().start, START);
}

#[test]
fn a_cheaper_plan_and_none_at_all_come_with_the_renewal() {
    let now = running("business", 10);
    assert!(matches!(asked(&now, "team", 10, 9).when, When::Renewal(_)));
    let none = asked(&now, "free", 0, 9);
    assert!(matches!(none.when, When::Renewal(_)));
    assert_eq!(none.after.next, Some(("free".into(), 0)));
}

#[test]
fn from_months_to_years_a_new_period_begins_today() {
    let quote = asked(&running("business", 10), "business-yearly", 10, 9);
    assert_eq!(quote.when, When::Now);
    assert_eq!(quote.sums.due, 10 * 18_000 - 10 * 1_800 * 21 / 30);
    let period = quote.after.running.unwrap();
    assert_eq!(period.start, Day(START.0 + 9));
    assert_eq!(period.end.show(), "12 Nov 2027");
    // The other way round money would come back.
    let yearly = asked(&running("business-yearly", 10), "business", 10, 9);
    assert!(matches!(yearly.when, When::Renewal(_)));
}

#[test]
fn what_cannot_be_bought_is_refused_in_words() {
    let plans = plans();
    let team = plans.find("team").unwrap();
    for (seats, says) in [(0, "at least 1"), (26, "at most 25"), (-3, "at least 1")] {
        let error = quote(&free(), &plans, team, seats, START).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    let business = plans.find("business").unwrap();
    let error = quote(&free(), &plans, business, 100_001, START).unwrap_err();
    assert!(error.contains("100000"), "{error}");
}
