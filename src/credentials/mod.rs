//! Secrets and the things that prove who somebody is.
//!
//! Pure values, without SQL and HTTP:
//!
//! - [`key_file`]: reading, making and rotating the file of keys.
//! - [`keys`]: keys derived per purpose, sealing and message authentication codes.
//! - [`passwords`]: what a new password must be, hashing and verifying.
//! - [`totp`]: the shared secret of the second factor, its QR code and the check of six digits.
//! - [`recovery_codes`]: the ten codes that replace a lost authenticator.
//! - [`tokens`]: random tokens of emailed links, sessions and devices.
//! - [`email`]: canonical e-mail addresses.
//! - [`names`]: names of people and companies that are safe in mail headers and audit lines.
//!
//! Rows:
//!
//! - [`sessions`], [`links`], [`throttle`], [`second_factor`].

pub mod email;
pub mod enrolment;
pub mod key_file;
pub mod keys;
pub mod links;
pub mod names;
pub mod passwords;
pub mod recovery_codes;
pub mod second_factor;
pub mod sessions;
pub mod throttle;
pub mod tokens;
pub mod totp;

use zeroize::Zeroizing;

/// Gives `N` random bytes of the operating system.
///
/// # Panics
/// When the operating system has no randomness: going on would make guessable secrets.
fn random<const N: usize>() -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).expect("the operating system gives random bytes");
    bytes
}
