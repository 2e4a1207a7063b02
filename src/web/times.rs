//! Moments and days as people read them, in their own time zone. The zone rules are built in, so that a machine without
//! a zone database shows the same times.

use std::fmt;
use std::sync::LazyLock;

use askama::filters::HtmlSafe;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::db::types::Timestamp;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Zones named after a place, and UTC: the old abbreviations and offsets of the database are nobody's home.
static ZONES: LazyLock<Vec<String>> = LazyLock::new(|| {
    const REGIONS: [&str; 10] = [
        "Africa",
        "America",
        "Antarctica",
        "Arctic",
        "Asia",
        "Atlantic",
        "Australia",
        "Europe",
        "Indian",
        "Pacific",
    ];
    let mut names: Vec<String> = DATABASE
        .available()
        .map(|name| name.as_str().to_owned())
        .filter(|name| {
            name == "UTC"
                || name
                    .split_once('/')
                    .is_some_and(|(region, _)| REGIONS.contains(&region))
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
});

/// The time zone of a person. Cheap to copy around; the rules are read once per zone and shared.
#[derive(Debug, Clone)]
pub struct Zone {
    zone: TimeZone,
}

impl Zone {
    /// Takes an IANA name; one that is not known gives UTC.
    pub fn named(name: &str) -> Self {
        Self {
            zone: DATABASE.get(name).unwrap_or(TimeZone::UTC),
        }
    }

    pub fn utc() -> Self {
        Self {
            zone: TimeZone::UTC,
        }
    }

    /// The IANA name, as the foot of a page names it.
    pub fn name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The day of the calendar on which a moment falls, as a form takes it: "2026-11-22".
    pub fn day_of(&self, moment: Timestamp) -> String {
        self.local(moment).date().to_string()
    }

    fn local(&self, moment: Timestamp) -> jiff::Zoned {
        instant(moment).to_zoned(self.zone.clone())
    }
}

/// Zone and moment in which a page tells times.
#[derive(Debug, Clone)]
pub struct Times {
    pub zone: Zone,
    pub now: Timestamp,
}

impl Times {
    /// A moment as `<time>`: "Today, 09:41".
    pub fn time(&self, moment: &Timestamp) -> TimeHtml {
        time_html(&self.zone, self.now, *moment)
    }

    /// The same without the element, where the moment stands there for machines already.
    pub fn words(&self, moment: &Timestamp) -> String {
        self.time(moment).words
    }

    /// A day: "3 Mar 2026".
    pub fn date(&self, moment: &Timestamp) -> String {
        date(&self.zone, *moment)
    }

    /// A deadline: "Expires in 7 days".
    pub fn expires(&self, end: &Timestamp) -> String {
        expires(&self.zone, self.now, *end)
    }
}

/// The zones a person can choose, sorted.
pub fn zones() -> &'static [String] {
    &ZONES
}

/// Whether `name` can be chosen.
pub fn is_zone(name: &str) -> bool {
    ZONES
        .binary_search_by(|zone| zone.as_str().cmp(name))
        .is_ok()
}

/// A `<time>` element; printing it needs no escaping.
#[derive(Debug, Clone)]
pub struct TimeHtml {
    machine: String,
    words: String,
}

impl fmt::Display for TimeHtml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<time datetime=\"{}\">{}</time>",
            self.machine, self.words
        )
    }
}

// Both parts are made of digits, month names and punctuation of this module.
impl HtmlSafe for TimeHtml {}

/// A moment as `<time>`: "Today, 09:41", "Yesterday, 16:02" or "19 Nov 2026, 12:47" in `zone`, as seen at `now`.
pub fn time_html(zone: &Zone, now: Timestamp, moment: Timestamp) -> TimeHtml {
    let local = zone.local(moment);
    let day = match days_between(local.date(), zone.local(now).date()) {
        0 => "Today".to_owned(),
        1 => "Yesterday".to_owned(),
        _ => day_words(local.date()),
    };
    TimeHtml {
        machine: iso(moment),
        words: format!("{day}, {:02}:{:02}", local.hour(), local.minute()),
    }
}

/// The day of a moment in `zone`: "3 Mar 2026".
pub fn date(zone: &Zone, moment: Timestamp) -> String {
    day_words(zone.local(moment).date())
}

/// A day of the calendar: "3 Mar 2026".
pub fn day(day: Date) -> String {
    day_words(day)
}

/// A moment for machines and files: "2026-11-22T08:41:00Z".
pub fn iso(moment: Timestamp) -> String {
    instant(moment).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// "22 Nov 2026, 12:47 UTC": for mails, whose reader may be anywhere.
pub fn utc(moment: Timestamp) -> String {
    instant(moment).strftime("%-d %b %Y, %H:%M UTC").to_string()
}

/// The instant at which the day `days_on` after a typed "2026-11-22" begins in `zone`. Nothing when that is no day.
pub fn start_of_day(zone: &Zone, typed: &str, days_on: i64) -> Option<Timestamp> {
    let day: Date = typed.parse().ok().filter(|_| typed.len() == 10)?;
    let day = day.checked_add(jiff::Span::new().days(days_on)).ok()?;
    let start = day.to_zoned(zone.zone.clone()).ok()?;
    Some(Timestamp(start.timestamp().as_microsecond()))
}

/// How long something is still valid, or since when it is not: "Expires in 7 days", "Expired yesterday".
/// Days are days of the calendar in `zone`, except within an hour of a whole number of days, where that number is
/// said: a fresh link for seven days shows seven, whether or not the clocks change in between.
pub fn expires(zone: &Zone, now: Timestamp, end: Timestamp) -> String {
    let left = instant(end).as_second() - instant(now).as_second();
    let days = days_between(zone.local(now).date(), zone.local(end).date());
    if left <= 0 {
        return match -days {
            0 => "Expired today".to_owned(),
            1 => "Expired yesterday".to_owned(),
            ago => format!("Expired {ago} days ago"),
        };
    }
    let minutes = rounded(left, MINUTE);
    let hours = rounded(left, HOUR);
    if minutes < 60 {
        format!("Expires in {}", counted(minutes.max(1), "minute"))
    } else if hours < 24 {
        format!("Expires in {}", counted(hours, "hour"))
    } else {
        let whole = rounded(left, DAY);
        let days = if (left - whole * DAY).abs() <= HOUR {
            whole
        } else {
            days
        };
        format!("Expires in {}", counted(days.max(1), "day"))
    }
}

fn instant(moment: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(moment.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn day_words(day: Date) -> String {
    let month = usize::from(day.month().unsigned_abs()) - 1;
    format!("{} {} {}", day.day(), MONTHS[month], day.year())
}

fn days_between(from: Date, to: Date) -> i64 {
    from.duration_until(to).as_secs() / DAY
}

fn rounded(seconds: i64, unit: i64) -> i64 {
    (seconds + unit / 2) / unit
}

fn counted(number: i64, unit: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    fn oslo() -> Zone {
        Zone::named("Europe/Oslo")
    }

    #[test]
    fn times_are_shown_in_the_zone_of_the_person() {
        let now = at("2026-11-22T12:00:00Z");
        let shown = |text| time_html(&oslo(), now, at(text)).to_string();
        assert_eq!(
            shown("2026-11-22T08:41:00.25Z"),
            "<time datetime=\"2026-11-22T08:41:00Z\">Today, 09:41</time>"
        );
        assert!(shown("2026-11-21T15:02:00Z").contains(">Yesterday, 16:02<"));
        assert!(shown("2026-11-19T11:47:00Z").contains(">19 Nov 2026, 12:47<"));
        // Half past midnight in Oslo is still the day before in UTC.
        assert!(shown("2026-11-21T23:30:00Z").contains(">Today, 00:30<"));
        assert!(
            time_html(&Zone::utc(), now, at("2026-11-21T23:30:00Z"))
                .to_string()
                .contains(">Yesterday, 23:30<")
        );
    }

    #[test]
    fn summer_time_counts() {
        let now = at("2026-07-01T12:00:00Z");
        assert!(
            time_html(&oslo(), now, at("2026-07-01T08:41:00Z"))
                .to_string()
                .contains(">Today, 10:41<")
        );
        // The clocks went forward on 29 March: yesterday had 23 hours.
        let now = at("2026-03-29T22:30:00Z");
        assert!(
            time_html(&oslo(), now, at("2026-03-28T23:30:00Z"))
                .to_string()
                .contains(">Yesterday, 00:30<")
        );
    }

    #[test]
    fn a_day_is_the_day_in_the_zone() {
        assert_eq!(date(&oslo(), at("2026-03-02T23:30:00Z")), "3 Mar 2026");
        assert_eq!(date(&Zone::utc(), at("2026-03-02T23:30:00Z")), "2 Mar 2026");
    }

    #[test]
    fn a_typed_day_begins_at_midnight_in_the_zone() {
        let start = |day, on| start_of_day(&oslo(), day, on).map(iso);
        assert_eq!(start("2026-11-22", 0).unwrap(), "2026-11-21T23:00:00Z");
        assert_eq!(start("2026-03-29", 1).unwrap(), "2026-03-29T22:00:00Z");
        for wrong in [
            "",
            "22.11.2026",
            "2026-02-30",
            "2026-11-22T10:00",
            "+002026-11-22",
        ] {
            assert_eq!(start(wrong, 0), None, "{wrong}");
        }
        assert_eq!(start("9999-12-31", 1), None);
    }

    #[test]
    fn deadlines_are_said_in_the_unit_that_matters() {
        let now = at("2026-11-22T08:41:00Z");
        let said = |text| expires(&oslo(), now, at(text));
        assert_eq!(said("2026-11-29T08:41:00Z"), "Expires in 7 days");
        assert_eq!(said("2026-11-29T08:30:00Z"), "Expires in 7 days");
        assert_eq!(said("2026-11-25T20:00:00Z"), "Expires in 3 days");
        assert_eq!(said("2026-11-23T08:40:59Z"), "Expires in 1 day");
        assert_eq!(said("2026-11-23T22:00:00Z"), "Expires in 1 day");
        assert_eq!(said("2026-11-22T13:30:00Z"), "Expires in 5 hours");
        assert_eq!(said("2026-11-22T09:41:00Z"), "Expires in 1 hour");
        assert_eq!(said("2026-11-22T09:01:00Z"), "Expires in 20 minutes");
        assert_eq!(said("2026-11-22T08:41:01Z"), "Expires in 1 minute");
        assert_eq!(said("2026-11-22T08:41:00Z"), "Expired today");
        assert_eq!(said("2026-11-21T23:10:00Z"), "Expired today");
        assert_eq!(said("2026-11-21T22:50:00Z"), "Expired yesterday");
        assert_eq!(said("2026-11-19T08:41:00Z"), "Expired 3 days ago");
    }

    #[test]
    fn a_fresh_link_says_seven_days_across_a_clock_change() {
        // 168 hours from half past midnight, across the night in October that has an hour more.
        let now = at("2026-10-19T22:30:00Z");
        assert_eq!(
            expires(&oslo(), now, Timestamp(now.0 + 7 * DAY * 1_000_000)),
            "Expires in 7 days"
        );
        assert_eq!(
            expires(
                &oslo(),
                Timestamp(now.0 + 1_000_000),
                Timestamp(now.0 + 7 * DAY * 1_000_000)
            ),
            "Expires in 7 days"
        );
    }

    #[test]
    fn zones_are_places_and_utc() {
        assert!(is_zone("Europe/Oslo") && is_zone("UTC") && is_zone("Asia/Kathmandu"));
        for refused in [
            "",
            "CET",
            "Etc/GMT+3",
            "europe/oslo",
            "Mars/Olympus",
            "../etc/passwd",
        ] {
            assert!(!is_zone(refused), "{refused}");
        }
        assert!(zones().len() > 300);
        for name in zones() {
            assert_eq!(Zone::named(name).name(), name);
        }
    }

    #[test]
    fn what_is_not_a_zone_or_a_moment_does_no_harm() {
        assert_eq!(Zone::named("Mars/Olympus").name(), "UTC");
        assert_eq!(date(&oslo(), Timestamp(i64::MAX)), "1 Jan 1970");
    }
}
