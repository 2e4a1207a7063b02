//! E-mail addresses in one canonical form, so that one person has one user.

use std::{fmt, str::FromStr};
use unicode_normalization::UnicodeNormalization;

const MAX_LOCAL: usize = 64;
const MAX_TOTAL: usize = 254;

/// A canonical address: ASCII, lower case, the domain in its ASCII form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

/// The text is not an address that mail can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmailProblem;

impl fmt::Display for EmailProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Type an e-mail address such as name@company.com.")
    }
}

impl std::error::Error for EmailProblem {}

impl Email {
    /// Reads what a person typed and gives its canonical form. White space around it is dropped; a domain in another
    /// script becomes its ASCII form. Quoted and non-ASCII local parts, IP addresses and domains without a dot are
    /// refused: they are typing errors far more often than addresses.
    pub fn parse(typed: &str) -> Result<Self, EmailProblem> {
        Self::canonical(typed).ok_or(EmailProblem)
    }

    fn canonical(typed: &str) -> Option<Self> {
        let typed = typed.trim();
        // Four bytes a character: a longer text has no chance and is not worth the work.
        if typed.len() > MAX_TOTAL * 4 || typed.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            return None;
        }
        let typed: String = typed.nfc().collect();
        let (local, domain) = typed.split_once('@')?;
        if !is_local_part(local) {
            return None;
        }
        // Strict: letters, digits and hyphens only, no empty or overlong label, so no second at sign either.
        let domain = idna::domain_to_ascii_strict(domain).ok()?;
        let (_, top) = domain.rsplit_once('.')?;
        // A top-level domain of digits is the end of an IP address.
        if top.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let address = format!("{local}@{domain}").to_ascii_lowercase();
        // What the mail library would refuse later is refused now.
        if address.len() > MAX_TOTAL || lettre::Address::from_str(&address).is_err() {
            return None;
        }
        Some(Self(address))
    }

    /// Cuts a typed list into its addresses, which commas, semicolons, white space and line ends separate.
    pub fn split_list(typed: &str) -> Vec<&str> {
        typed
            .split(|c: char| c == ',' || c == ';' || c.is_whitespace())
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the at sign.
    pub fn local_part(&self) -> &str {
        self.0.split_once('@').map_or("", |(local, _)| local)
    }

    /// The part after the at sign.
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The dot-atom of RFC 5322.
fn is_local_part(local: &str) -> bool {
    let atom = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    local.len() <= MAX_LOCAL && local.split('.').all(atom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_canonical() {
        for (typed, canonical) in [
            ("sam@example.com", "sam@example.com"),
            (
                " \tSam.Reyes+Test@Example.COM\n",
                "sam.reyes+test@example.com",
            ),
            ("o'neil@mail.example.co.uk", "o'neil@mail.example.co.uk"),
            ("sam@Bücher.example", "sam@xn--bcher-kva.example"),
            ("sam@Bu\u{308}cher.example", "sam@xn--bcher-kva.example"),
            ("sam@例え。jp", "sam@xn--r8jz45g.jp"),
            ("sam@xn--bcher-kva.example", "sam@xn--bcher-kva.example"),
        ] {
            let email = Email::parse(typed).unwrap();
            assert_eq!(email.to_string(), canonical, "{typed}");
            assert_eq!(Email::parse(email.as_str()), Ok(email), "stays as it is");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long_label = format!("a@{}.com", "b".repeat(64));
        let long = format!(
            "{}@{}.com",
            "a".repeat(64),
            "bcd.".repeat(48).trim_end_matches('.')
        );
        for typed in [
            "",
            "sam",
            "@example.com",
            "sam@",
            "sam@localhost",
            "sam@@example.com",
            "sam@x@example.com",
            "sam reyes@example.com",
            "sam@exam ple.com",
            "sam@example.com\0",
            "sam@example.com\r\nBcc: eve@example.com",
            "\"sam\"@example.com",
            "Sam <sam@example.com>",
            "sam@[127.0.0.1]",
            "sam@127.0.0.1",
            "sam@[IPv6:::1]",
            "sam@example..com",
            "sam@.example.com",
            "sam@example.com.",
            "sam@-example.com",
            "sam@exa_mple.com",
            ".sam@example.com",
            "sam.@example.com",
            "s..m@example.com",
            "sám@example.com",
            "sam@example.com,eve@example.com",
            "sam@exam\u{202e}ple.com",
            "sam＠example.com",
            &long_local,
            &long_label,
            &long,
        ] {
            assert_eq!(Email::parse(typed), Err(EmailProblem), "{typed:?}");
        }
    }

    #[test]
    fn parts_are_given() {
        let email = Email::parse("Sam@Example.com").unwrap();
        assert_eq!((email.local_part(), email.domain()), ("sam", "example.com"));
    }

    #[test]
    fn a_list_is_cut_at_commas_semicolons_and_white_space() {
        let typed = " a@x.com, b@x.com;c@x.com\r\nd@x.com\te@x.com ,; ";
        assert_eq!(
            Email::split_list(typed),
            ["a@x.com", "b@x.com", "c@x.com", "d@x.com", "e@x.com"]
        );
        assert!(Email::split_list(" \n,").is_empty());
    }
}
