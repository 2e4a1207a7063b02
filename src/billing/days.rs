//! Days and periods. Billing counts whole days in UTC: a period begins on a day and ends before the first day of the
//! next one.

use jiff::civil::Date;
use jiff::{Span, ToSpan};
use serde::Deserialize;

use crate::db::types::{Day, Timestamp};

/// How long a period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Every {
    Month,
    Year,
}

impl Every {
    /// As it is stored: "month".
    pub fn slug(self) -> &'static str {
        match self {
            Every::Month => "month",
            Every::Year => "year",
        }
    }

    /// From the database.
    pub fn stored(slug: &str) -> Every {
        match slug {
            "year" => Every::Year,
            _ => Every::Month,
        }
    }

    /// "Billed monthly".
    pub fn billed(self) -> &'static str {
        match self {
            Every::Month => "Billed monthly",
            Every::Year => "Billed yearly",
        }
    }
}

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

impl Day {
    /// The day of an instant.
    pub fn of(moment: Timestamp) -> Day {
        let days = moment.0.div_euclid(86_400_000_000);
        Day(i32::try_from(days).unwrap_or(i32::MAX))
    }

    /// Its first instant.
    pub fn begins(self) -> Timestamp {
        Timestamp(i64::from(self.0) * 86_400_000_000)
    }

    fn date(self) -> Date {
        EPOCH.saturating_add(i64::from(self.0).days())
    }

    fn of_date(date: Date) -> Day {
        let days = EPOCH.until(date).map_or(0, |span: Span| span.get_days());
        Day(days)
    }

    /// Days from here to `later`.
    pub fn until(self, later: Day) -> i64 {
        i64::from(later.0) - i64::from(self.0)
    }

    /// The day before.
    pub fn before(self) -> Day {
        Day(self.0.saturating_sub(1))
    }

    /// The first day of period number `n`, counted from this one as the first day of number 0. The day of the month
    /// stays; in a month that is too short it is the last one.
    pub fn period(self, every: Every, n: i32) -> Day {
        let span = match every {
            Every::Month => i64::from(n).months(),
            Every::Year => i64::from(n).years(),
        };
        Day::of_date(self.date().saturating_add(span))
    }

    /// "3 Nov 2026".
    pub fn show(self) -> String {
        self.date().strftime("%-d %b %Y").to_string()
    }

    /// The year, for numbers of invoices.
    pub fn year(self) -> i16 {
        self.date().year()
    }

    /// Year and month, for comparing with the expiry of a card.
    pub fn month(self) -> (i32, i32) {
        (
            i32::from(self.date().year()),
            i32::from(self.date().month()),
        )
    }

    /// This day and `last`: "3 Nov – 2 Dec 2026".
    pub fn through(self, last: Day) -> String {
        let from = match self.year() == last.year() {
            true => self.date().strftime("%-d %b").to_string(),
            false => self.show(),
        };
        format!("{from} – {}", last.show())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(y: i16, m: i8, d: i8) -> Day {
        Day::of_date(jiff::civil::date(y, m, d))
    }

    #[test]
    fn the_last_day_of_a_month_comes_back() {
        let anchor = day(2026, 1, 31);
        let starts: Vec<String> = (0..4)
            .map(|n| anchor.period(Every::Month, n).show())
            .collect();
        assert_eq!(
            starts,
            ["31 Jan 2026", "28 Feb 2026", "31 Mar 2026", "30 Apr 2026"]
        );
        let leap = day(2028, 2, 29);
        assert_eq!(leap.period(Every::Year, 1).show(), "28 Feb 2029");
        assert_eq!(leap.period(Every::Year, 4).show(), "29 Feb 2032");
    }

    #[test]
    fn a_day_is_a_day_in_utc() {
        assert_eq!(Day::of(Timestamp(0)).show(), "1 Jan 1970");
        assert_eq!(Day::of(Timestamp(-1)).show(), "31 Dec 1969");
        assert_eq!(Day::of(day(2026, 11, 3).begins()), day(2026, 11, 3));
        assert_eq!(
            day(2026, 11, 3).through(day(2026, 12, 2)),
            "3 Nov – 2 Dec 2026"
        );
        assert_eq!(
            day(2026, 12, 3).through(day(2027, 1, 2)),
            "3 Dec 2026 – 2 Jan 2027"
        );
        assert_eq!(day(2026, 11, 3).until(day(2026, 12, 3)), 30);
    }
}
