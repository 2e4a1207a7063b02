//! The file of plans: what is sold, by whom, in which currency. Read once at the start; a wrong one stops it.

use serde::Deserialize;

use super::days::Every;
use super::money::{Currency, decimal};

/// The plans that are there when no file is named.
const DEFAULT: &str = include_str!("plans.toml");

/// Seats that can be bought at most, whatever the plan says.
pub const MOST_SEATS: i64 = 100_000;

/// The whole file.
#[derive(Clone, Debug)]
pub struct Plans {
    pub currency: Currency,
    pub seller: Seller,
    pub tax: Tax,
    plans: Vec<Plan>,
}

/// Who sends the invoices.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seller {
    pub name: String,
    #[serde(default)]
    pub address: Vec<String>,
    #[serde(default)]
    pub vat_number: String,
    #[serde(default)]
    pub contact: String,
}

/// What is added to the price.
#[derive(Clone, Debug)]
pub struct Tax {
    pub label: String,
    /// Hundredths of a percent.
    pub rate: i64,
}

/// One thing to buy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub key: String,
    pub name: String,
    /// For one seat and period, in minor units.
    pub seat_price: i64,
    pub every: Every,
    /// At most so many seats.
    pub seats: Option<i64>,
}

impl Plan {
    /// Costs nothing, has no periods and no invoices.
    pub fn is_free(&self) -> bool {
        self.seat_price == 0
    }

    /// "€18.00 per seat and month, up to 25 seats".
    pub fn price_words(&self, currency: Currency) -> String {
        let price = match self.is_free() {
            true => "No charge".to_owned(),
            false => format!(
                "{} per seat and {}",
                currency.show(self.seat_price),
                self.every.slug()
            ),
        };
        match self.seats {
            Some(n) => format!("{price}, up to {n} seats"),
            None => price,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    currency: String,
    seller: Seller,
    tax: Option<FileTax>,
    plan: Vec<FilePlan>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTax {
    label: String,
    percent: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePlan {
    key: String,
    name: String,
    seat_price: String,
    every: Every,
    seats: Option<i64>,
}

impl Plans {
    /// The built-in file.
    pub fn standard() -> Result<Plans, String> {
        Plans::parse(DEFAULT)
    }

    /// A file's text. The error is what is wrong with it.
    pub fn parse(text: &str) -> Result<Plans, String> {
        let file: File = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        let currency = Currency::parse(&file.currency)
            .ok_or_else(|| format!("currency must be one of {}", Currency::codes()))?;
        let tax = match file.tax {
            None => Tax {
                label: "Tax".into(),
                rate: 0,
            },
            Some(tax) => Tax {
                rate: decimal(&tax.percent, 2)
                    .filter(|rate| *rate <= 10_000)
                    .ok_or("tax.percent must be a number like \"25\" or \"8.1\"")?,
                label: tax.label,
            },
        };
        let mut plans: Vec<Plan> = Vec::new();
        for plan in file.plan {
            let key = plan.key;
            let good_key = (1..=40).contains(&key.len())
                && key
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if !good_key {
                return Err(format!(
                    "the key \"{key}\" must be small letters, digits and hyphens"
                ));
            }
            if plans.iter().any(|known| known.key == key) {
                return Err(format!("the plan \"{key}\" stands twice"));
            }
            let seat_price = currency
                .read(&plan.seat_price)
                .filter(|price| *price <= 100_000_000)
                .ok_or_else(|| {
                    format!("seat_price of \"{key}\" must be a number like \"12.00\"")
                })?;
            if plan.seats.is_some_and(|n| !(1..=MOST_SEATS).contains(&n)) {
                return Err(format!(
                    "seats of \"{key}\" must be between 1 and {MOST_SEATS}"
                ));
            }
            plans.push(Plan {
                key,
                name: plan.name,
                seat_price,
                every: plan.every,
                seats: plan.seats,
            });
        }
        match plans.first() {
            Some(first) if first.is_free() => {}
            _ => {
                return Err(
                    "the first plan must cost nothing: every account begins with it".into(),
                );
            }
        }
        Ok(Plans {
            currency,
            seller: file.seller,
            tax,
            plans,
        })
    }

    /// All, in the order of the file.
    pub fn all(&self) -> &[Plan] {
        &self.plans
    }

    /// The plan with this key; the empty key is the plan that accounts begin with.
    pub fn find(&self, key: &str) -> Option<&Plan> {
        match key {
            "" => self.plans.first(),
            key => self.plans.iter().find(|plan| plan.key == key),
        }
    }

    /// What an account without seats has: the plan with this key while it costs nothing, else the one that accounts
    /// begin with.
    pub fn free(&self, key: &str) -> Option<&Plan> {
        let named = self.find(key).filter(|plan| plan.is_free());
        named.or(self.plans.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_plans_begin_with_a_free_one_without_a_limit() {
        let plans = Plans::standard().unwrap();
        let first = plans.find("").unwrap();
        assert!(first.is_free());
        assert_eq!(first.seats, None);
        assert_eq!(plans.find("team").unwrap().seat_price, 1_200);
        assert_eq!(plans.find("nothing"), None);
    }

    #[test]
    fn a_wrong_file_is_refused_in_words() {
        for (from, to, says) in [
            ("\"EUR\"", "\"XXX\"", "currency must be"),
            ("seat_price = \"0\"", "seat_price = \"1\"", "first plan"),
            ("\"team\"", "\"business\"", "stands twice"),
            ("12.00", "12.005", "seat_price of \"team\""),
            ("seats = 25", "seats = 0", "seats of \"team\""),
            ("seats = 25", "seat = 25", "unknown field"),
            ("\"team\"", "\"Team!\"", "small letters"),
            ("percent = \"0\"", "percent = \"x\"", "tax.percent"),
        ] {
            let error = Plans::parse(&DEFAULT.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
