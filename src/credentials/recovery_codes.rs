//! The ten recovery codes, each of which replaces a six-digit code once.
//!
//! A code has 80 random bits in Crockford's base32, so that letters that look like digits can be typed either way.
//! Only hashes are stored; at 80 random bits a plain SHA-256 is enough.

use super::random;
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// How many codes a person gets at a time.
pub const COUNT: usize = 10;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 16;

/// One recovery code in its canonical form: sixteen characters without dashes.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(Zeroizing<String>);

impl RecoveryCode {
    /// Makes a new random code.
    pub fn random() -> Self {
        let bytes = random::<10>();
        let bits = bytes
            .iter()
            .fold(0u128, |bits, b| bits << 8 | u128::from(*b));
        let digit = |i: usize| char::from(ALPHABET[(bits >> (5 * i) & 31) as usize]);
        Self(Zeroizing::new((0..LENGTH).rev().map(digit).collect()))
    }

    /// Makes the ten codes a person is shown once.
    pub fn ten() -> [Self; COUNT] {
        std::array::from_fn(|_| Self::random())
    }

    /// Reads what a person typed: case, spaces and dashes do not matter, o is 0, i and l are 1.
    /// `None` when it cannot be a code.
    pub fn parse(typed: &str) -> Option<Self> {
        let mut code = Zeroizing::new(String::with_capacity(LENGTH));
        for c in typed.chars().filter(|c| !c.is_whitespace() && !is_dash(*c)) {
            let c = match c.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            };
            // Stops at the length, so that the buffer never grows and leaves a copy behind.
            if code.len() == LENGTH || !ALPHABET.iter().any(|a| char::from(*a) == c) {
                return None;
            }
            code.push(c);
        }
        (code.len() == LENGTH).then_some(Self(code))
    }

    /// The code as it is shown: `xxxx-xxxx-xxxx-xxxx`.
    pub fn shown(&self) -> String {
        let groups: Vec<&str> = (0..4).map(|i| &self.0[i * 4..i * 4 + 4]).collect();
        groups.join("-")
    }

    /// What is stored and looked up.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::new()
            .chain_update(b"insight/recovery-code/v1:")
            .chain_update(self.0.as_bytes())
            .finalize()
            .into()
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// Mail programs and word processors turn a hyphen into one of these.
fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_codes_differ_and_read_back_as_shown() {
        let codes = RecoveryCode::ten();
        for (i, code) in codes.iter().enumerate() {
            let shown = code.shown();
            assert_eq!(shown.len(), 19);
            assert_eq!(shown.split('-').map(str::len).collect::<Vec<_>>(), [4; 4]);
            let read = RecoveryCode::parse(&shown).unwrap();
            assert_eq!(read.hash(), code.hash());
            assert!(codes[..i].iter().all(|other| other.hash() != code.hash()));
        }
    }

    #[test]
    fn typing_is_forgiven() {
        let code = RecoveryCode::parse("0123-1abc-defg-hjk0").unwrap();
        for typed in [
            "01231abcdefghjk0",
            " 0123 1ABC DEFG HJK0 ",
            "O123-iabc-DEFG-hjkO",
            "0L23\u{2011}labc\u{2013}defg\u{2011}hjko",
        ] {
            assert_eq!(RecoveryCode::parse(typed), Some(code.clone()), "{typed}");
        }
    }

    #[test]
    fn what_cannot_be_a_code_is_refused() {
        for typed in [
            "",
            "123456",
            "0123-1abc-defg-hjk",
            "0123-1abc-defg-hjk01",
            "0123-1abc-defg-hjku",
            "0123-1abc-defg-hjké",
        ] {
            assert_eq!(RecoveryCode::parse(typed), None, "{typed}");
        }
    }

    #[test]
    fn every_bit_of_randomness_reaches_the_code() {
        let used: std::collections::BTreeSet<char> = (0..200)
            .flat_map(|_| RecoveryCode::random().shown().chars().collect::<Vec<_>>())
            .collect();
        assert_eq!(used.len(), 33, "32 characters and the dash");
    }
}
