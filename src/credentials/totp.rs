//! The second factor: six digits of RFC 6238 with SHA-1 and steps of 30 seconds, which every authenticator app knows.
//!
//! The check gives the step that matched. Accepting a step only when it is later than the last one accepted is the
//! caller's part: that makes a code work once.

use super::random;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use qrcode::{Color, EcLevel, QrCode};
use std::fmt::{self, Write};
use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, Builder};
use zeroize::Zeroizing;

/// Length of a step in seconds.
pub const STEP: u64 = 30;

const DIGITS: u8 = 6;
const SECRET_LENGTH: usize = 20;
/// Empty modules around the QR code that scanners need.
const QUIET: usize = 4;
/// Everything but the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The secret shared with the authenticator app: 160 bits.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; SECRET_LENGTH]>);

impl Secret {
    /// Makes a new random secret.
    pub fn generate() -> Self {
        Self(random())
    }

    /// Takes the bytes that [`Secret::as_bytes`] gave; `None` when there are not 20.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// The bytes, to be sealed.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The secret in base32, as apps take it: 32 characters.
    pub fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(totp_rs::Secret::new_stack(*self.0).to_base32())
    }

    /// The secret in base32 in groups of four, as a person types it.
    pub fn grouped(&self) -> String {
        let base32 = self.base32();
        let mut grouped = String::with_capacity(40);
        for (i, c) in base32.chars().enumerate() {
            if i > 0 && i % 4 == 0 {
                grouped.push(' ');
            }
            grouped.push(c);
        }
        grouped
    }

    /// The six digits of the step that `unix` seconds fall into (RFC 6238).
    pub fn code_at(&self, unix: u64) -> String {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_step_duration(STEP)
            .with_secret(totp_rs::Secret::new_stack(*self.0))
            .build_noncompliant()
            .generate(unix)
            .to_string()
    }

    /// The `otpauth:` address that the QR code holds, naming the product and the person's e-mail address.
    pub fn provisioning_uri(&self, issuer: &str, email: &str) -> String {
        let issuer = utf8_percent_encode(issuer, ESCAPED);
        let email = utf8_percent_encode(email, ESCAPED);
        format!(
            "otpauth://totp/{issuer}:{email}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP}",
            *self.base32(),
        )
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Draws `uri` as an inline SVG element of class `qr`: one path on a transparent ground, quiet zone included.
/// Gives an empty string when the text is longer than a QR code holds (2331 bytes): the page shows the secret as text too.
pub fn qr_svg(uri: &str) -> String {
    let Ok(code) = QrCode::with_error_correction_level(uri, EcLevel::M) else {
        return String::new();
    };
    let width = code.width();
    let side = width + 2 * QUIET;
    let mut svg = format!(
        r#"<svg class="qr" viewBox="0 0 {side} {side}" role="img" aria-label="QR code with your secret code for Insight" shape-rendering="crispEdges"><path fill="currentColor" d=""#
    );
    for (y, row) in code.to_colors().chunks(width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run[0] == Color::Dark {
                let (left, top, length) = (x + QUIET, y + QUIET, run.len());
                // Writing to a string does not fail.
                let _ = write!(svg, "M{left} {top}h{length}v1h-{length}z");
            }
            x += run.len();
        }
    }
    svg.push_str(r#""/></svg>"#);
    svg
}

/// Checks what a person typed at `unix` seconds: six digits, white space ignored, one step early or late.
/// Gives the step that matched, the latest when several do; `None` when the code is not right.
/// All steps are compared in full, so the time tells nothing about the code.
pub fn check(secret: &Secret, typed: &str, unix: u64) -> Option<u64> {
    let typed: Zeroizing<String> =
        Zeroizing::new(typed.chars().filter(|c| !c.is_whitespace()).collect());
    if typed.len() != usize::from(DIGITS) || !typed.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let now = unix / STEP;
    let mut matched = None;
    for step in now.saturating_sub(1)..=now + 1 {
        let code = secret.code_at(step.saturating_mul(STEP));
        if bool::from(code.as_bytes().ct_eq(typed.as_bytes())) {
            matched = Some(step);
        }
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rfc_secret() -> Secret {
        Secret::from_bytes(b"12345678901234567890").unwrap()
    }

    #[test]
    fn the_vectors_of_rfc_6238_are_right_in_their_step() {
        for (unix, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(check(&rfc_secret(), code, unix), Some(unix / 30), "{unix}");
        }
    }

    #[test]
    fn a_code_is_right_one_step_early_and_late_and_gives_its_own_step() {
        let step = 1_111_111_109 / 30;
        let at = |step: u64| check(&rfc_secret(), "081804", step * 30);
        assert_eq!(at(step - 2), None);
        assert_eq!(at(step - 1), Some(step));
        assert_eq!(at(step), Some(step));
        assert_eq!(at(step + 1), Some(step));
        assert_eq!(at(step + 2), None);
        assert_eq!(
            check(&rfc_secret(), "081804", (step + 1) * 30 + 29),
            Some(step)
        );
        assert_eq!(check(&rfc_secret(), "000000", 0), None);
    }

    #[test]
    fn spaces_are_ignored_and_nothing_else_is() {
        let at = |typed| check(&rfc_secret(), typed, 1_111_111_109);
        assert!(at(" 081 804\u{a0}").is_some());
        for typed in [
            "",
            "81804",
            "0081804",
            "081805",
            "081-804",
            "+81804",
            "08180٤",
            "０８１８０４",
        ] {
            assert_eq!(at(typed), None, "{typed}");
        }
    }

    #[test]
    fn the_secret_is_shown_in_groups_of_four() {
        let secret = rfc_secret();
        assert_eq!(secret.grouped(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_ne!(Secret::generate().as_bytes(), Secret::generate().as_bytes());
        assert!(Secret::from_bytes(b"too short").is_none());
    }

    #[test]
    fn the_address_is_one_that_apps_read() {
        let uri = rfc_secret().provisioning_uri("Insight", "sam+x&y@example.com");
        assert_eq!(
            uri,
            "otpauth://totp/Insight:sam%2Bx%26y%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Insight&algorithm=SHA1&digits=6&period=30"
        );
        let read = totp_rs::Totp::from_url(&uri).unwrap();
        assert_eq!(read.issuer(), Some("Insight"));
        assert_eq!(read.generate(59).to_string(), "287082");
    }

    #[test]
    fn the_qr_code_is_one_path_with_a_quiet_zone_and_no_style() {
        let svg = qr_svg(&rfc_secret().provisioning_uri("Insight", "sam@example.com"));
        assert!(svg.starts_with(r#"<svg class="qr" viewBox="0 0 "#) && svg.ends_with("/></svg>"));
        assert_eq!(svg.matches("<path").count(), 1);
        assert!(
            svg.contains(r#"d="M4 4h7v1h-7z"#),
            "the finder begins after four modules"
        );
        for absent in ["style", "<?xml", "width=", "height=", "<script"] {
            assert!(!svg.contains(absent), "{absent}");
        }
        let longest = format!("{}@{}.com", "a".repeat(64), "b".repeat(185));
        assert!(!qr_svg(&rfc_secret().provisioning_uri("Insight", &longest)).is_empty());
        assert!(qr_svg(&"x".repeat(3000)).is_empty());
    }
}
