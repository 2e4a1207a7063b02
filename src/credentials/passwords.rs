//! What a new password must be, and how passwords are hashed and verified.
//!
//! The stored form is the kid of the key that gave the pepper followed by the PHC string of Argon2id:
//! `1f3a9c02$argon2id$v=19$m=19456,t=2,p=1$salt$hash`. The pepper is Argon2's secret input, so hashes alone,
//! without the key file, cannot be guessed at. Hashing takes memory and a processor for tens of milliseconds:
//! only so many run at once, and it must be called on a thread that may block.

use super::{
    email::Email,
    keys::{Keys, Kid, Purpose},
    random,
};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, Version};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use std::{
    fmt,
    sync::{Condvar, LazyLock, Mutex, PoisonError},
    time::Duration,
};
use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The fewest code points of a new password.
pub const MIN_LENGTH: usize = 12;
/// The most code points of a new password.
pub const MAX_LENGTH: usize = 128;
/// How long a hash waits for its turn.
pub const WAIT: Duration = Duration::from_secs(10);

/// A local part or company name shorter than this occurs in passwords by chance.
const MIN_CONTEXT: usize = 3;
const SALT_LENGTH: usize = 16;
const HASH_LENGTH: usize = 32;
const PRODUCT: &str = "insight";

static COMMON: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let file = include_str!("common_passwords.txt");
    let list = file.split_once("\n\n").map_or("", |(_, list)| list);
    list.lines().collect()
});

/// A new password that meets the rules, in NFC. It has no `Debug` and is wiped when dropped.
pub struct Password(Zeroizing<String>);

/// What a new password must not contain.
pub struct Context<'a> {
    /// The address of the person.
    pub email: &'a Email,
    /// The names of the companies the person belongs to or joins.
    pub companies: &'a [&'a str],
}

/// Why a new password is refused. Each is a sentence telling what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordProblem {
    /// Fewer than [`MIN_LENGTH`] code points.
    TooShort,
    /// More than [`MAX_LENGTH`] code points.
    TooLong,
    /// On the bundled list.
    Common,
    /// Contains the part of the address before the at sign.
    HoldsEmail,
    /// Contains the name of a company.
    HoldsCompany,
    /// Contains the name of this product.
    HoldsProduct,
}

impl fmt::Display for PasswordProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "Use at least 12 characters. A few unrelated words work well.",
            Self::TooLong => "Use at most 128 characters.",
            Self::Common => "This password is on the list of common passwords. Choose another one.",
            Self::HoldsEmail => "Leave your e-mail name out of the password.",
            Self::HoldsCompany => "Leave the company name out of the password.",
            Self::HoldsProduct => "Leave the name Insight out of the password.",
        })
    }
}

impl std::error::Error for PasswordProblem {}

impl Password {
    /// Checks a new password: 12 to 128 code points of any kind after NFC, not a common one, without the
    /// person's e-mail name, a company's name or the product's. Nothing else about it is changed.
    pub fn new(typed: &str, context: &Context) -> Result<Self, PasswordProblem> {
        let password = normalised(typed);
        let length = password.chars().count();
        if length < MIN_LENGTH {
            return Err(PasswordProblem::TooShort);
        }
        if length > MAX_LENGTH {
            return Err(PasswordProblem::TooLong);
        }
        let folded = folded(&password);
        if is_common(&folded) {
            return Err(PasswordProblem::Common);
        }
        if holds(&folded, context.email.local_part()) {
            return Err(PasswordProblem::HoldsEmail);
        }
        if context.companies.iter().any(|name| holds(&folded, name)) {
            return Err(PasswordProblem::HoldsCompany);
        }
        if holds(&folded, PRODUCT) {
            return Err(PasswordProblem::HoldsProduct);
        }
        Ok(Self(password))
    }
}

/// Buffer sized beforehand, so that growing leaves no copies behind; NFC grows a text at most threefold.
fn normalised(typed: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(typed.len() * 3));
    text.extend(typed.nfc());
    text
}

fn folded(text: &str) -> Zeroizing<String> {
    let lower = Zeroizing::new(normalised(text).to_lowercase());
    normalised(&lower)
}

/// Takes a folded password.
fn is_common(folded: &str) -> bool {
    COMMON.binary_search(&folded).is_ok()
}

/// Whether the folded password contains a name, as it is or written together.
fn holds(folded_password: &str, name: &str) -> bool {
    let name = folded(name.trim());
    if name.chars().count() < MIN_CONTEXT {
        return false;
    }
    let together: String = name.split_whitespace().collect();
    folded_password.contains(name.as_str()) || folded_password.contains(&together)
}

/// What one hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes of the memory.
    pub lanes: u32,
}

impl Default for HashCost {
    /// The least that is accepted practice: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self {
            memory_kib: 19 * 1024,
            iterations: 2,
            lanes: 1,
        }
    }
}

/// The hash did not get its turn or its memory in time; the person may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Too many people sign in at this moment. Try again in a minute.")
    }
}

impl std::error::Error for Busy {}

/// What became of a typed password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the person's. `rehash`: cost or key changed since; store a new hash of it.
    Right {
        /// Whether to store a new hash.
        rehash: bool,
    },
    /// It is not, or there is no such person.
    Wrong,
}

/// Hashes and verifies passwords, so many at a time.
pub struct Passwords {
    params: Params,
    permits: Permits,
}

impl Passwords {
    /// Takes the cost of new hashes and how many may run at once (at least one); memory is the product of both.
    /// Gives an error when Argon2 does not know such a cost.
    pub fn new(cost: HashCost, permits: usize) -> Result<Self, argon2::Error> {
        Self::with_wait(cost, permits, WAIT)
    }

    fn with_wait(cost: HashCost, permits: usize, wait: Duration) -> Result<Self, argon2::Error> {
        Ok(Self {
            params: Params::new(
                cost.memory_kib,
                cost.iterations,
                cost.lanes,
                Some(HASH_LENGTH),
            )?,
            permits: Permits {
                free: Mutex::new(vec![Vec::new(); permits.max(1)]),
                freed: Condvar::new(),
                wait,
            },
        })
    }

    /// Hashes a new password with the active key, for storing.
    pub fn hash(&self, keys: &Keys, password: &Password) -> Result<String, Busy> {
        self.hash_text(keys, &password.0)
    }

    /// Hashes the password again that [`Passwords::verify`] called right with `rehash`, which an older rule may have let in.
    pub fn rehash(&self, keys: &Keys, typed: &str) -> Result<String, Busy> {
        self.hash_text(keys, &normalised(typed))
    }

    fn hash_text(&self, keys: &Keys, text: &str) -> Result<String, Busy> {
        let kid = keys.active();
        let pepper = keys.derive(kid, Purpose::Pepper).ok_or(Busy)?;
        let salt = random::<SALT_LENGTH>();
        let mut out = Zeroizing::new([0; HASH_LENGTH]);
        self.compute(
            &pepper,
            &self.params,
            text,
            salt.as_slice(),
            out.as_mut_slice(),
        )?;
        let (m, t, p) = (
            self.params.m_cost(),
            self.params.t_cost(),
            self.params.p_cost(),
        );
        let (salt, out) = (
            BASE64.encode(salt.as_slice()),
            BASE64.encode(out.as_slice()),
        );
        Ok(format!(
            "{kid}$argon2id$v=19$m={m},t={t},p={p}${salt}${out}"
        ))
    }

    /// Compares a typed password with the stored hash. Without one (no such person), or with one that cannot be
    /// verified, it does the same work and says wrong.
    pub fn verify(&self, keys: &Keys, stored: Option<&str>, typed: &str) -> Result<Verdict, Busy> {
        let stored = stored.and_then(|stored| Stored::parse(keys, stored));
        let known = stored.is_some();
        let stored = match stored {
            Some(stored) => stored,
            None => self.dummy(keys).ok_or(Busy)?,
        };
        let mut out = Zeroizing::new(vec![0; stored.hash.len()]);
        self.compute(
            &stored.pepper,
            &stored.params,
            &normalised(typed),
            &stored.salt,
            &mut out,
        )?;
        let right = bool::from(out.ct_eq(&stored.hash)) & known;
        if !right {
            return Ok(Verdict::Wrong);
        }
        let cost = |p: &Params| (p.m_cost(), p.t_cost(), p.p_cost());
        let rehash = stored.kid != *keys.active() || cost(&stored.params) != cost(&self.params);
        Ok(Verdict::Right { rehash })
    }

    /// One Argon2id, when it is its turn, in memory that is kept for the next one: given back to the allocator, it would
    /// stay with every thread that ever hashed.
    fn compute(
        &self,
        pepper: &[u8; 32],
        params: &Params,
        text: &str,
        salt: &[u8],
        out: &mut [u8],
    ) -> Result<(), Busy> {
        let mut permit = self.permits.take()?;
        let blocks = params.block_count();
        if permit.memory.len() < blocks {
            permit.memory.resize(blocks, Block::default());
        }
        Argon2::new_with_secret(pepper, Algorithm::Argon2id, Version::V0x13, params.clone())
            .and_then(|argon2| {
                let memory = &mut permit.memory[..blocks];
                argon2.hash_password_into_with_memory(text.as_bytes(), salt, out, memory)
            })
            .map_err(|_| Busy)
    }

    /// What is hashed against when there is nothing stored: the work is that of a current hash.
    fn dummy(&self, keys: &Keys) -> Option<Stored> {
        Some(Stored {
            kid: keys.active().clone(),
            pepper: keys.derive(keys.active(), Purpose::Pepper)?,
            params: self.params.clone(),
            salt: vec![0; SALT_LENGTH],
            hash: vec![0; HASH_LENGTH],
        })
    }
}

/// The parts of a stored hash.
struct Stored {
    kid: Kid,
    pepper: Zeroizing<[u8; 32]>,
    params: Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Stored {
    fn parse(keys: &Keys, stored: &str) -> Option<Self> {
        let (kid, phc) = stored.split_at_checked(stored.find('$')?)?;
        let kid = Kid::parse(kid)?;
        let phc = PasswordHash::new(phc).ok()?;
        if phc.algorithm != Algorithm::Argon2id.ident()
            || phc.version != Some(Version::V0x13.into())
        {
            return None;
        }
        Some(Self {
            pepper: keys.derive(&kid, Purpose::Pepper)?,
            kid,
            params: Params::try_from(&phc).ok()?,
            salt: phc.salt?.to_vec(),
            hash: phc.hash?.as_bytes().to_vec(),
        })
    }
}

/// A counting semaphore for threads that may block; what is counted are pieces of memory to hash in.
struct Permits {
    free: Mutex<Vec<Vec<Block>>>,
    freed: Condvar,
    wait: Duration,
}

struct Permit<'a> {
    permits: &'a Permits,
    memory: Vec<Block>,
}

impl Permits {
    fn take(&self) -> Result<Permit<'_>, Busy> {
        // A panic elsewhere cannot leave the list half changed.
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut free, _) = self
            .freed
            .wait_timeout_while(free, self.wait, |free| free.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        Ok(Permit {
            memory: free.pop().ok_or(Busy)?,
            permits: self,
        })
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let free = self.permits.free.lock();
        free.unwrap_or_else(PoisonError::into_inner).push(memory);
        self.permits.freed.notify_one();
    }
}

#[cfg(test)]
#[path = "passwords_tests.rs"]
mod tests;
