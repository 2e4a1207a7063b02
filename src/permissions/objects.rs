//! The six objects, what fields each has, and what a field can hold.
//!
//! A value is kept as one canonical text; its [`Kind`] reads what was typed, puts it in order and shows it.

use std::borrow::Cow;
use std::sync::Arc;

use crate::db::types::CustomFieldId;

/// A kind of record.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Object {
    Contact,
    Organization,
    Lead,
    Opportunity,
    Project,
    Task,
}

/// How many objects there are.
pub const OBJECTS: usize = 6;

impl Object {
    /// All, in the order of menus and of their numbers in the database.
    pub const ALL: [Object; OBJECTS] = [
        Object::Contact,
        Object::Organization,
        Object::Lead,
        Object::Opportunity,
        Object::Project,
        Object::Task,
    ];

    /// Place in arrays by object.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Number in the database.
    pub fn number(self) -> i16 {
        self as i16
    }

    /// The object with a number of the database.
    pub fn numbered(number: i16) -> Option<Object> {
        usize::try_from(number)
            .ok()
            .and_then(|i| Object::ALL.get(i).copied())
    }

    /// As part of a path.
    pub fn slug(self) -> &'static str {
        match self {
            Object::Contact => "contacts",
            Object::Organization => "organizations",
            Object::Lead => "leads",
            Object::Opportunity => "opportunities",
            Object::Project => "projects",
            Object::Task => "tasks",
        }
    }

    /// "Lead".
    pub fn label(self) -> &'static str {
        match self {
            Object::Contact => "Contact",
            Object::Organization => "Organization",
            Object::Lead => "Lead",
            Object::Opportunity => "Opportunity",
            Object::Project => "Project",
            Object::Task => "Task",
        }
    }

    /// "Leads".
    pub fn plural(self) -> &'static str {
        match self {
            Object::Contact => "Contacts",
            Object::Organization => "Organizations",
            Object::Lead => "Leads",
            Object::Opportunity => "Opportunities",
            Object::Project => "Projects",
            Object::Task => "Tasks",
        }
    }

    /// "lead", inside a sentence.
    pub fn word(self) -> String {
        self.label().to_lowercase()
    }

    /// "leads", inside a sentence.
    pub fn words(self) -> String {
        self.plural().to_lowercase()
    }

    /// Its icon in the menu.
    pub fn icon(self) -> &'static str {
        match self {
            Object::Contact => "address-book",
            Object::Organization => "building",
            Object::Lead => "magnet",
            Object::Opportunity => "target-arrow",
            Object::Project => "briefcase",
            Object::Task => "checklist",
        }
    }

    /// The fields every account has for this object, the name first.
    pub fn fields(self) -> Vec<Arc<Field>> {
        const INDUSTRY: &[&str] = &[
            "Agriculture",
            "Construction",
            "Energy",
            "Finance",
            "Health",
            "Logistics",
            "Manufacturing",
            "Public sector",
            "Retail",
            "Technology",
            "Other",
        ];
        let name = ("name", "Name", Kind::Text);
        let notes = ("notes", "Notes", Kind::LongText);
        let organization = (
            "organization",
            "Organization",
            Kind::Link(Some(Object::Organization)),
        );
        let fields = match self {
            Object::Contact => vec![
                name,
                ("first_name", "First name", Kind::Text),
                ("last_name", "Last name", Kind::Text),
                ("email", "E-mail", Kind::Email),
                ("phone", "Phone", Kind::Phone),
                ("title", "Title", Kind::Text),
                organization,
                notes,
            ],
            Object::Organization => vec![
                name,
                ("website", "Website", Kind::Url),
                ("phone", "Phone", Kind::Phone),
                ("industry", "Industry", Kind::choice(INDUSTRY)),
                ("billing_address", "Billing address", Kind::LongText),
                notes,
            ],
            Object::Lead => vec![
                name,
                ("email", "E-mail", Kind::Email),
                ("phone", "Phone", Kind::Phone),
                ("company", "Company", Kind::Text),
                (
                    "source",
                    "Source",
                    Kind::choice(&[
                        "Website",
                        "Referral",
                        "Trade fair",
                        "Partner",
                        "Import",
                        "Other",
                    ]),
                ),
                (
                    "status",
                    "Status",
                    Kind::choice(&["New", "Contacted", "Qualified", "Unqualified"]),
                ),
                ("estimated_value", "Estimated value", Kind::Number),
                notes,
            ],
            Object::Opportunity => vec![
                name,
                organization,
                (
                    "stage",
                    "Stage",
                    Kind::choice(&[
                        "Prospecting",
                        "Qualification",
                        "Proposal",
                        "Negotiation",
                        "Won",
                        "Lost",
                    ]),
                ),
                ("value", "Value", Kind::Number),
                (
                    "currency",
                    "Currency",
                    Kind::choice(&["EUR", "USD", "GBP", "NOK", "SEK", "DKK", "CHF", "PLN"]),
                ),
                ("close_date", "Close date", Kind::Date),
                ("probability", "Probability", Kind::Number),
                notes,
            ],
            Object::Project => vec![
                name,
                organization,
                (
                    "status",
                    "Status",
                    Kind::choice(&[
                        "Planned",
                        "In progress",
                        "On hold",
                        "Completed",
                        "Cancelled",
                    ]),
                ),
                ("start_date", "Start date", Kind::Date),
                ("due_date", "Due date", Kind::Date),
                notes,
            ],
            Object::Task => vec![
                name,
                ("due_date", "Due date", Kind::Date),
                (
                    "priority",
                    "Priority",
                    Kind::choice(&["Low", "Normal", "High"]),
                ),
                (
                    "status",
                    "Status",
                    Kind::choice(&["Open", "In progress", "Waiting", "Done"]),
                ),
                ("related_record", "Related record", Kind::Link(None)),
                notes,
            ],
        };
        fields
            .into_iter()
            .map(|(key, label, kind)| {
                Arc::new(Field {
                    key: Cow::Borrowed(key),
                    label: label.to_owned(),
                    kind,
                    custom: None,
                })
            })
            .collect()
    }
}

impl std::str::FromStr for Object {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Object::ALL.into_iter().find(|o| o.slug() == text).ok_or(())
    }
}

/// A field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Stable name in forms, files and the database: "estimated_value", or "custom_17".
    pub key: Cow<'static, str>,
    pub label: String,
    pub kind: Kind,
    /// Set for a field that an administrator added.
    pub custom: Option<CustomFieldId>,
}

impl Field {
    /// The field every record has and every list begins with.
    pub fn is_name(&self) -> bool {
        self.key == "name"
    }

    /// The key of a field that an administrator added.
    pub fn custom_key(id: CustomFieldId) -> String {
        format!("custom_{id}")
    }
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One line.
    Text,
    /// Several lines.
    LongText,
    /// A decimal number, kept exactly.
    Number,
    /// A day, as 2026-11-22.
    Date,
    /// "yes" or "no".
    YesNo,
    /// One of these.
    Choice(Vec<String>),
    Email,
    Url,
    Phone,
    /// The number of another record: of this object, or of any.
    Link(Option<Object>),
}

/// Place of a value in a sorted list; an empty one comes before all others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortKey {
    Empty,
    Number(i128),
    Text(String),
}

/// Characters of one line.
pub const TEXT_LIMIT: usize = 250;
/// Characters of a long text.
pub const LONG_TEXT_LIMIT: usize = 10_000;
/// Digits after the point that a number keeps.
const DECIMALS: usize = 6;
/// Digits before it.
const WHOLE_DIGITS: usize = 18;

impl Kind {
    fn choice(values: &[&str]) -> Kind {
        Kind::Choice(values.iter().map(|v| (*v).to_owned()).collect())
    }

    /// The kinds an administrator can add: (slug, label).
    pub const CUSTOM: [(&'static str, &'static str); 8] = [
        ("text", "Text"),
        ("long-text", "Long text"),
        ("number", "Number"),
        ("date", "Date"),
        ("yes-no", "Yes/No"),
        ("choice", "Choice"),
        ("email", "E-mail"),
        ("url", "URL"),
    ];

    /// A kind an administrator added, from the database. `choices` is one per line.
    pub fn stored(slug: &str, choices: &str) -> Option<Kind> {
        Some(match slug {
            "text" => Kind::Text,
            "long-text" => Kind::LongText,
            "number" => Kind::Number,
            "date" => Kind::Date,
            "yes-no" => Kind::YesNo,
            "choice" => Kind::Choice(choices.lines().map(str::to_owned).collect()),
            "email" => Kind::Email,
            "url" => Kind::Url,
            _ => return None,
        })
    }

    /// Reads what was typed into the text that is kept; an empty one is no value. The error is a sentence that says
    /// what to type.
    pub fn read(&self, typed: &str) -> Result<String, String> {
        use unicode_normalization::UnicodeNormalization;
        let text: String = typed.trim().nfc().collect();
        if text.is_empty() {
            return Ok(text);
        }
        let limit = match self {
            Kind::LongText => LONG_TEXT_LIMIT,
            _ => TEXT_LIMIT,
        };
        if text.chars().count() > limit {
            return Err(format!("Use at most {limit} characters."));
        }
        let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if text.contains(control) || (*self != Kind::LongText && text.contains(['\n', '\r', '\t']))
        {
            return Err("Use one line without control characters.".into());
        }
        match self {
            Kind::Text | Kind::Phone => Ok(text),
            Kind::LongText => Ok(text.replace("\r\n", "\n").replace('\r', "\n")),
            Kind::Number => {
                decimal(&text).ok_or_else(|| "Type a number, like 1250 or 1250.50.".to_owned())
            }
            Kind::Date => match day(&text) {
                Some(date) => Ok(date.to_string()),
                None => Err("Type a date as year-month-day, like 2026-11-22.".into()),
            },
            Kind::YesNo => match text.to_lowercase().as_str() {
                "yes" | "true" | "1" => Ok("yes".into()),
                "no" | "false" | "0" => Ok("no".into()),
                _ => Err("Choose Yes or No.".into()),
            },
            Kind::Choice(values) => values
                .iter()
                .find(|value| value.to_lowercase() == text.to_lowercase())
                .cloned()
                .ok_or_else(|| format!("Choose one of: {}.", values.join(", "))),
            Kind::Email => crate::credentials::email::Email::parse(&text)
                .map(|email| email.as_str().to_owned())
                .map_err(|_| "Type an e-mail address, like name@example.com.".into()),
            Kind::Url => {
                let full = if text.contains("://") {
                    text
                } else {
                    format!("https://{text}")
                };
                match url::Url::parse(&full) {
                    // Anything else in a link of a page could run script.
                    Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
                        Ok(url.to_string())
                    }
                    _ => Err("Type a web address, like https://example.com.".into()),
                }
            }
            Kind::Link(_) => text
                .parse::<crate::db::types::RecordId>()
                .map(|id| id.to_string())
                .map_err(|()| "Choose a record, or type its number.".into()),
        }
    }

    /// Where a kept text stands among others of its kind; a link by the name that it shows.
    pub fn sort_key(&self, kept: &str) -> SortKey {
        if kept.is_empty() {
            return SortKey::Empty;
        }
        match self {
            Kind::Number => scaled(kept).map_or(SortKey::Empty, SortKey::Number),
            Kind::Choice(values) => match values.iter().position(|v| v == kept) {
                Some(place) => SortKey::Number(place as i128),
                // A choice that an administrator took away stays on its records, after all others.
                None => SortKey::Text(kept.to_lowercase()),
            },
            _ => SortKey::Text(beginning(kept).to_lowercase()),
        }
    }
}

/// As much of a kept text as lists are sorted by: the first [`TEXT_LIMIT`] characters, because a place in a list stands in
/// addresses.
pub fn beginning(kept: &str) -> &str {
    let end = kept.char_indices().nth(TEXT_LIMIT).map(|(end, _)| end);
    &kept[..end.unwrap_or(kept.len())]
}

/// A long text on one line, as lists show it.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A kept decimal as pages show it: with thousands separators and the sign of minus.
pub fn grouped(kept: &str) -> String {
    let (sign, digits) = match kept.strip_prefix('-') {
        Some(digits) => ("−", digits),
        None => ("", kept),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let mut out = String::from(sign);
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if !part.is_empty() {
        out.push('.');
        out += part;
    }
    out
}

/// A calendar day written as year-month-day.
pub fn day(text: &str) -> Option<jiff::civil::Date> {
    let date = text.parse::<jiff::civil::Date>().ok()?;
    (text.len() == 10 && date.year() >= 1000).then_some(date)
}

/// A decimal in one spelling: no sign of plus, no needless zeros, a point.
fn decimal(text: &str) -> Option<String> {
    let (minus, digits) = match text.strip_prefix(['-', '−']) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || !plain(whole) || !plain(part) {
        return None;
    }
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    if whole.len() > WHOLE_DIGITS || part.len() > DECIMALS {
        return None;
    }
    let zero = whole.is_empty() && part.is_empty();
    let sign = if minus && !zero { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if part.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{part}"))
}

/// A kept decimal as a whole number of its last place.
fn scaled(kept: &str) -> Option<i128> {
    let (whole, part) = kept.split_once('.').unwrap_or((kept, ""));
    format!("{whole}{part:0<DECIMALS$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_spelling_and_an_order() {
        for (typed, kept) in [
            ("007.50", "7.5"),
            ("-0.0", "0"),
            (".5", "0.5"),
            ("+3", "3"),
            ("−2", "-2"),
            ("123456789012345678.123456", "123456789012345678.123456"),
        ] {
            assert_eq!(Kind::Number.read(typed).as_deref(), Ok(kept), "{typed}");
        }
        for typed in ["1e3", "1,5", "--1", ".", "0.1234567", "１"] {
            assert!(Kind::Number.read(typed).is_err(), "{typed}");
        }
        let keys: Vec<SortKey> = ["", "-2", "-0.5", "0", "0.25", "10"]
            .iter()
            .map(|kept| Kind::Number.sort_key(kept))
            .collect();
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn numbers_are_grouped_and_keep_every_digit() {
        for (kept, shown) in [
            ("0", "0"),
            ("999", "999"),
            ("184000", "184,000"),
            ("-1234567.25", "−1,234,567.25"),
            ("0.123456", "0.123456"),
        ] {
            assert_eq!(grouped(kept), shown);
        }
    }

    #[test]
    fn a_web_address_cannot_be_a_script() {
        assert_eq!(
            Kind::Url.read("example.com").as_deref(),
            Ok("https://example.com/")
        );
        assert!(Kind::Url.read("javascript:alert(1)").is_err());
        assert!(Kind::Url.read("data://x").is_err());
    }

    #[test]
    fn dates_and_choices_are_checked() {
        assert_eq!(Kind::Date.read("2026-02-28").as_deref(), Ok("2026-02-28"));
        assert!(Kind::Date.read("2026-02-30").is_err());
        assert!(Kind::Date.read("2026-02-28T10:00").is_err());
        let kind = Kind::choice(&["New", "Won"]);
        assert_eq!(kind.read("won").as_deref(), Ok("Won"));
        assert!(kind.read("Lost").is_err());
    }

    #[test]
    fn every_object_has_its_name_first_and_no_key_twice() {
        for object in Object::ALL {
            assert_eq!(Object::numbered(object.number()), Some(object));
            let fields = object.fields();
            assert!(fields[0].is_name());
            let keys: std::collections::HashSet<_> = fields.iter().map(|f| &f.key).collect();
            assert_eq!(keys.len(), fields.len());
        }
    }
}
