//! Money: whole minor units of a currency, and the one place where a fraction of them is rounded.

use serde::{Deserialize, Serialize};

/// A currency that plans can be sold in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(usize);

/// Code, sign before the amount, digits after the point (ISO 4217).
const CURRENCIES: [(&str, &str, u32); 12] = [
    ("EUR", "€", 2),
    ("USD", "$", 2),
    ("GBP", "£", 2),
    ("CHF", "CHF\u{a0}", 2),
    ("NOK", "NOK\u{a0}", 2),
    ("SEK", "SEK\u{a0}", 2),
    ("DKK", "DKK\u{a0}", 2),
    ("PLN", "PLN\u{a0}", 2),
    ("CZK", "CZK\u{a0}", 2),
    ("CAD", "CA$", 2),
    ("AUD", "A$", 2),
    ("JPY", "¥", 0),
];

impl Currency {
    /// By its code in capitals.
    pub fn parse(code: &str) -> Option<Currency> {
        CURRENCIES
            .iter()
            .position(|(known, ..)| *known == code)
            .map(Currency)
    }

    /// All codes, for a sentence.
    pub fn codes() -> String {
        CURRENCIES.map(|(code, ..)| code).join(", ")
    }

    /// "EUR".
    pub fn code(self) -> &'static str {
        CURRENCIES[self.0].0
    }

    /// "€1,234.50"; a negative amount has its sign first.
    pub fn show(self, minor: i64) -> String {
        let (_, sign, digits) = CURRENCIES[self.0];
        let unit = 10_u64.pow(digits);
        let (whole, rest) = (minor.unsigned_abs() / unit, minor.unsigned_abs() % unit);
        let whole = crate::web::paging::thousands(i64::try_from(whole).unwrap_or(i64::MAX));
        let minus = if minor < 0 { "−" } else { "" };
        match digits {
            0 => format!("{minus}{sign}{whole}"),
            n => format!("{minus}{sign}{whole}.{rest:0width$}", width = n as usize),
        }
    }

    /// An amount as a person writes it, "12" or "12.00", exactly; nothing when it has more digits than the currency.
    pub fn read(self, text: &str) -> Option<i64> {
        let digits = CURRENCIES[self.0].2;
        decimal(text, digits)
    }
}

impl TryFrom<String> for Currency {
    type Error = String;
    fn try_from(code: String) -> Result<Currency, String> {
        Currency::parse(&code).ok_or_else(|| format!("{code} is not a currency of Insight"))
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.code().to_owned()
    }
}

/// A plain decimal number times 10^`digits`, exactly.
pub fn decimal(text: &str, digits: u32) -> Option<i64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let width = usize::try_from(digits).ok()?;
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 9 || !plain(whole) || !plain(rest) || rest.len() > width {
        return None;
    }
    format!("{whole}{rest:0<width$}").parse().ok()
}

/// `amount` × `part` ÷ `whole`, rounded half away from zero to the minor unit. `whole` is positive.
pub fn share(amount: i64, part: i64, whole: i64) -> i64 {
    let (exact, whole) = (
        i128::from(amount) * i128::from(part),
        i128::from(whole.max(1)),
    );
    let rounded = (exact.abs() * 2 + whole) / (whole * 2);
    i64::try_from(rounded * exact.signum()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_as_the_currency_is_written() {
        let eur = Currency::parse("EUR").unwrap();
        assert_eq!(eur.show(36_000), "€360.00");
        assert_eq!(eur.show(123_456_705), "€1,234,567.05");
        assert_eq!(eur.show(-5), "−€0.05");
        assert_eq!(Currency::parse("JPY").unwrap().show(1_200), "¥1,200");
        assert_eq!(Currency::parse("eur"), None);
    }

    #[test]
    fn amounts_are_read_exactly_or_not_at_all() {
        let eur = Currency::parse("EUR").unwrap();
        assert_eq!(eur.read("12"), Some(1_200));
        assert_eq!(eur.read("12.5"), Some(1_250));
        assert_eq!(eur.read("0.05"), Some(5));
        for wrong in ["", ".5", "1.005", "-1", "1,00", "1e3", "12 ", "9999999999"] {
            assert_eq!(eur.read(wrong), None, "{wrong}");
        }
        assert_eq!(Currency::parse("JPY").unwrap().read("1.0"), None);
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        assert_eq!(share(1, 1, 2), 1);
        assert_eq!(share(-1, 1, 2), -1);
        assert_eq!(share(100, 1, 3), 33);
        assert_eq!(share(200, 1, 3), 67);
        assert_eq!(share(i64::MAX / 4, 30, 30), i64::MAX / 4);
    }
}
