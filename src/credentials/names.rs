//! Names of people, companies and their settings, cleaned so that they cannot forge a mail header, an audit line or the order of a
//! line of text.

use std::fmt;
use unicode_normalization::UnicodeNormalization;

/// The most code points a name may have.
pub const MAX_LENGTH: usize = 100;

/// Why a text is not taken as a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameProblem {
    /// Nothing that can be seen.
    Empty,
    /// More than [`MAX_LENGTH`] code points.
    TooLong,
    /// A line end, a control character or an invisible one that reorders or hides text.
    Control,
}

impl fmt::Display for NameProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Type a name.",
            Self::TooLong => "Use at most 100 characters.",
            Self::Control => "Leave control characters out of the name.",
        })
    }
}

impl std::error::Error for NameProblem {}

macro_rules! name {
    ($name:ident, $what:literal) => {
        #[doc = $what]
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads what was typed: white space around it is dropped, runs of spaces inside become one,
            /// and the characters are composed (NFC).
            pub fn parse(typed: &str) -> Result<Self, NameProblem> {
                clean(typed).map(Self)
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameProblem;
            fn try_from(text: String) -> Result<Self, NameProblem> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

name!(PersonName, "The name of a person, 1 to 100 code points.");
name!(CompanyName, "The name of a company, 1 to 100 code points.");
name!(
    SettingName,
    "The name of a role, a profile, a page layout, a sharing rule or a field, 1 to 100 code points."
);

fn clean(typed: &str) -> Result<String, NameProblem> {
    let typed = typed.trim();
    if typed.chars().any(is_forbidden) {
        return Err(NameProblem::Control);
    }
    let words: Vec<&str> = typed.split_whitespace().collect();
    let name: String = words.join(" ").nfc().collect();
    if name.chars().all(is_blank) {
        return Err(NameProblem::Empty);
    }
    if name.chars().count() > MAX_LENGTH {
        return Err(NameProblem::TooLong);
    }
    Ok(name)
}

/// Control characters, line and paragraph separators, and marks that reorder or hide text. The joiners (U+200C and
/// U+200D) are not among them: some scripts need them.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Allowed beside others, but a name of nothing else could not be seen or clicked.
fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{34f}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{200c}'
                | '\u{200d}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(typed: &str) -> Result<String, NameProblem> {
        PersonName::parse(typed).map(String::from)
    }

    #[test]
    fn names_are_cleaned_and_otherwise_kept() {
        for (typed, name) in [
            ("Sam Reyes", "Sam Reyes"),
            (" \n Sam  \u{a0} Reyes\t", "Sam Reyes"),
            ("Tomás d'Été-O'Neil", "Tomás d'Été-O'Neil"),
            ("Toma\u{301}s", "Tomás"),
            ("山田 太郎", "山田 太郎"),
            ("علی\u{200c}رضا", "علی\u{200c}رضا"),
            ("X", "X"),
        ] {
            assert_eq!(parse(typed).as_deref(), Ok(name));
        }
        let company = CompanyName::parse("Halden  Logistics & Söhne <GmbH>").unwrap();
        assert_eq!(company.to_string(), "Halden Logistics & Söhne <GmbH>");
    }

    #[test]
    fn what_cannot_be_seen_is_no_name() {
        for typed in [
            "",
            " \r\n ",
            "\u{3164}",
            "\u{200d}\u{200c}",
            "\u{2800} \u{2800}",
        ] {
            assert_eq!(parse(typed), Err(NameProblem::Empty), "{typed:?}");
        }
    }

    #[test]
    fn what_would_forge_lines_or_their_order_is_refused() {
        for typed in [
            "Sam\r\nBcc: eve@example.com",
            "Sam\nReyes",
            "Sam\tReyes",
            "Sam\0",
            "Sam\u{7f}",
            "Sam\u{85}x",
            "Sam\u{2028}Reyes",
            "\u{202e}seyeR maS",
            "Sam\u{2066}",
            "Sam\u{200f}",
            "Sam\u{feff}",
            "Sam\u{200b}Reyes",
        ] {
            assert_eq!(parse(typed), Err(NameProblem::Control), "{typed:?}");
        }
    }

    #[test]
    fn length_is_counted_in_code_points_after_cleaning() {
        assert!(parse(&"é".repeat(100)).is_ok());
        assert!(parse(&"e\u{301}".repeat(100)).is_ok());
        assert!(parse(&format!("  {}  ", "é".repeat(100))).is_ok());
        assert_eq!(parse(&"é".repeat(101)), Err(NameProblem::TooLong));
    }
}
