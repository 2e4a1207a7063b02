//! Everything that is keyed by the key file ([`super::key_file`]).
//!
//! The first key in the file is the active one: it seals and signs;
//! the others only open and verify what was made before a rotation. Each use takes a key of its own,
//! derived with HKDF-SHA256, so that a value made for one purpose is worth nothing for another.

pub use super::key_file::KeysError;
use super::random;
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

const KID_LENGTH: usize = 8;
pub(super) const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 24;
const TAG_LENGTH: usize = 16;
/// First byte of every sealed value: XChaCha20-Poly1305 in the layout of [`Keys::seal`].
const SEALED_VERSION: u8 = 1;

/// What a derived key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Secrets of the second factor at rest.
    Totp,
    /// Mail waiting in the outbox, which holds links.
    Mail,
    /// What is known of a registration that is not finished, kept with its link.
    Link,
    /// Tokens against cross-site requests.
    Csrf,
    /// Messages carried over one redirect.
    Flash,
    /// The chain of audit entries.
    Audit,
    /// Names of throttling counters, which must not tell e-mail addresses.
    Throttle,
    /// The secret input of password hashes.
    Pepper,
    /// Values kept in cookies.
    Cookie,
    /// Secrets shown once on the page after they were made.
    Reveal,
    /// Links that end product updates; they have to work for years.
    Unsubscribe,
    /// Places in lists of records, which are made of their values and stand in addresses.
    Place,
}

impl Purpose {
    /// The info string of HKDF. Changing one makes everything unreadable that was made with it.
    fn info(self) -> &'static str {
        match self {
            Self::Totp => "insight/totp/v1",
            Self::Mail => "insight/mail/v1",
            Self::Link => "insight/link/v1",
            Self::Csrf => "insight/csrf/v1",
            Self::Flash => "insight/flash/v1",
            Self::Audit => "insight/audit/v1",
            Self::Throttle => "insight/throttle/v1",
            Self::Pepper => "insight/pepper/v1",
            Self::Cookie => "insight/cookie/v1",
            Self::Reveal => "insight/reveal/v1",
            Self::Unsubscribe => "insight/unsubscribe/v1",
            Self::Place => "insight/place/v1",
        }
    }
}

/// The public name of a key: eight lower-case letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kid(String);

impl Kid {
    /// Reads a kid, for example from a database row; `None` when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let good = text.len() == KID_LENGTH
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        good.then(|| Self(text.to_owned()))
    }

    /// The kid as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn random() -> Self {
        Self(random::<4>().iter().map(|b| format!("{b:02x}")).collect())
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a sealed value stays closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The bytes are not a sealed value of a known version.
    Malformed,
    /// The key that sealed it is not in the key file any more.
    UnknownKey,
    /// It was changed, or sealed for another purpose or other associated data.
    Forged,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "The sealed value is malformed.",
            Self::UnknownKey => "The key that sealed the value is not in the key file.",
            Self::Forged => "The sealed value was changed or belongs elsewhere.",
        })
    }
}

impl std::error::Error for OpenError {}

#[derive(Clone)]
pub(super) struct Key {
    pub(super) kid: Kid,
    pub(super) bytes: Zeroizing<[u8; KEY_LENGTH]>,
}

impl Key {
    pub(super) fn random() -> Self {
        Self {
            kid: Kid::random(),
            bytes: random(),
        }
    }

    /// The key for one purpose and one use of it, so that no key ever serves two algorithms.
    fn derive(&self, purpose: Purpose, way: &str) -> Zeroizing<[u8; KEY_LENGTH]> {
        let mut derived = Zeroizing::new([0; KEY_LENGTH]);
        Hkdf::<Sha256>::new(None, self.bytes.as_slice())
            .expand_multi_info(
                &[purpose.info().as_bytes(), way.as_bytes()],
                derived.as_mut_slice(),
            )
            .expect("32 bytes are within what HKDF-SHA256 gives");
        derived
    }

    fn mac(&self, purpose: Purpose, data: &[u8]) -> [u8; 32] {
        let key = self.derive(purpose, "/mac");
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key.as_slice())
            .expect("HMAC takes keys of any length");
        mac.update(data);
        mac.finalize().into_bytes().into()
    }
}

/// The keys of this installation, the active one first.
#[derive(Clone)]
pub struct Keys {
    /// Never empty.
    pub(super) keys: Vec<Key>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kids()).finish()
    }
}

impl Keys {
    /// Gives one random key that lives in memory only: everything made with it is lost at the end of the process.
    pub fn ephemeral() -> Self {
        Self {
            keys: vec![Key::random()],
        }
    }

    /// The kid of the key that seals and signs.
    pub fn active(&self) -> &Kid {
        &self.keys[0].kid
    }

    /// All kids, the active one first.
    pub fn kids(&self) -> impl Iterator<Item = &Kid> {
        self.keys.iter().map(|key| &key.kid)
    }

    /// Gives a key that stays the same while new keys are added: the one derived from the oldest key.
    pub fn oldest(&self, purpose: Purpose) -> Zeroizing<[u8; 32]> {
        self.keys[self.keys.len() - 1].derive(purpose, "")
    }

    /// Gives the key of `kid` for `purpose`; `None` when the file has no such key.
    pub fn derive(&self, kid: &Kid, purpose: Purpose) -> Option<Zeroizing<[u8; 32]>> {
        Some(self.find(kid)?.derive(purpose, ""))
    }

    /// Encrypts `plain` with the active key, bound to `purpose` and `aad`: what [`Keys::open`] must be given too.
    /// The result is a version byte, the length of the kid, the kid, the nonce and the ciphertext.
    pub fn seal(&self, purpose: Purpose, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let key = &self.keys[0];
        let nonce = random::<NONCE_LENGTH>();
        let ciphertext = cipher(key, purpose)
            .encrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: plain,
                    aad: &bound(purpose, &key.kid, aad),
                },
            )
            .expect("only a message of 256 GiB is too long");
        let mut sealed = header(&key.kid);
        sealed.extend_from_slice(nonce.as_slice());
        sealed.extend_from_slice(&ciphertext);
        sealed
    }

    /// Decrypts what [`Keys::seal`] gave, with whichever key sealed it.
    pub fn open(
        &self,
        purpose: Purpose,
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (kid, rest) = split_sealed(sealed).ok_or(OpenError::Malformed)?;
        let key = self.find(&kid).ok_or(OpenError::UnknownKey)?;
        let (nonce, ciphertext) = rest
            .split_first_chunk::<NONCE_LENGTH>()
            .ok_or(OpenError::Malformed)?;
        cipher(key, purpose)
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: ciphertext,
                    aad: &bound(purpose, &kid, aad),
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| OpenError::Forged)
    }

    /// Tells which key sealed a value, known or not; `None` when it is not a sealed value.
    pub fn sealed_kid(&self, sealed: &[u8]) -> Option<Kid> {
        Some(split_sealed(sealed)?.0)
    }

    /// Gives the HMAC-SHA256 of `data` for `purpose` with the active key.
    pub fn mac(&self, purpose: Purpose, data: &[u8]) -> [u8; 32] {
        self.keys[0].mac(purpose, data)
    }

    /// Like [`Keys::mac`] with the key of `kid`; `None` when the file has no such key.
    pub fn mac_with(&self, kid: &Kid, purpose: Purpose, data: &[u8]) -> Option<[u8; 32]> {
        Some(self.find(kid)?.mac(purpose, data))
    }

    /// Whether any of the keys gives `mac` for `data`. Takes the same time wherever it differs.
    pub fn verify_mac(&self, purpose: Purpose, data: &[u8], mac: &[u8]) -> bool {
        let mut right = Choice::from(0);
        for key in &self.keys {
            right |= key.mac(purpose, data).ct_eq(mac);
        }
        right.into()
    }

    pub(super) fn find(&self, kid: &Kid) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid == *kid)
    }
}

fn cipher(key: &Key, purpose: Purpose) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(*key.derive(purpose, "/seal")).into())
}

fn header(kid: &Kid) -> Vec<u8> {
    let mut header = vec![SEALED_VERSION, KID_LENGTH as u8];
    header.extend_from_slice(kid.as_str().as_bytes());
    header
}

/// The associated data: the parts before the caller's have a fixed form, so no two inputs give the same bytes.
fn bound(purpose: Purpose, kid: &Kid, aad: &[u8]) -> Vec<u8> {
    [purpose.info().as_bytes(), b"\0", &header(kid), aad].concat()
}

fn split_sealed(sealed: &[u8]) -> Option<(Kid, &[u8])> {
    let rest = sealed.strip_prefix(&[SEALED_VERSION, KID_LENGTH as u8])?;
    let (kid, rest) = rest.split_first_chunk::<KID_LENGTH>()?;
    let kid = Kid::parse(std::str::from_utf8(kid).ok()?)?;
    (rest.len() >= NONCE_LENGTH + TAG_LENGTH).then_some((kid, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_values_open_only_as_they_were_sealed() {
        let keys = Keys::ephemeral();
        let sealed = keys.seal(Purpose::Totp, b"user 7", b"secret");
        assert_eq!(
            **keys.open(Purpose::Totp, b"user 7", &sealed).unwrap(),
            *b"secret"
        );
        assert_eq!(keys.sealed_kid(&sealed).as_ref(), Some(keys.active()));
        assert_ne!(
            sealed,
            keys.seal(Purpose::Totp, b"user 7", b"secret"),
            "fresh nonce"
        );
        assert_eq!(
            keys.open(Purpose::Mail, b"user 7", &sealed),
            Err(OpenError::Forged)
        );
        assert_eq!(
            keys.open(Purpose::Totp, b"user 8", &sealed),
            Err(OpenError::Forged)
        );
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert!(
                keys.open(Purpose::Totp, b"user 7", &changed).is_err(),
                "{position}"
            );
            assert!(
                keys.open(Purpose::Totp, b"user 7", &sealed[..position])
                    .is_err()
            );
        }
        let others = Keys::ephemeral();
        assert_eq!(
            others.open(Purpose::Totp, b"user 7", &sealed),
            Err(OpenError::UnknownKey)
        );
    }

    #[test]
    fn codes_hold_for_one_purpose_and_one_text() {
        let keys = Keys::ephemeral();
        let mac = keys.mac(Purpose::Csrf, b"session 1");
        assert!(keys.verify_mac(Purpose::Csrf, b"session 1", &mac));
        assert!(!keys.verify_mac(Purpose::Csrf, b"session 2", &mac));
        assert!(!keys.verify_mac(Purpose::Flash, b"session 1", &mac));
        assert!(!keys.verify_mac(Purpose::Csrf, b"session 1", &mac[..31]));
        assert!(!keys.verify_mac(Purpose::Csrf, b"session 1", b""));
    }

    #[test]
    fn debug_shows_no_key() {
        let keys = Keys::ephemeral();
        assert_eq!(format!("{keys:?}"), format!("[Kid(\"{}\")]", keys.active()));
    }
}
