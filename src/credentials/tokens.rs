//! Random tokens of emailed links, sessions and devices.
//!
//! A token is a prefix that tells its kind and 256 random bits. The prefix is part of what is hashed and is checked
//! before any look-up, so a token of one kind opens no door of another. Only the hash is stored: at 256 random bits
//! a plain SHA-256 is enough.

use super::random;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// The link that sets up the installation.
    Setup,
    /// The link of an invitation.
    Invitation,
    /// The link of **Forgot password?**.
    NewPassword,
    /// The link that sets up access anew after a reset of two-factor.
    SetUpAccess,
    /// The cookie of a session.
    Session,
    /// The cookie of a device that has signed in before.
    Device,
}

impl TokenKind {
    /// What every token of this kind begins with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Setup => "set_",
            Self::Invitation => "inv_",
            Self::NewPassword => "rst_",
            Self::SetUpAccess => "acc_",
            Self::Session => "ses_",
            Self::Device => "dev_",
        }
    }
}

/// A token in full, as only its holder has it.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Makes a new random token.
    pub fn new(kind: TokenKind) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(64));
        text.push_str(kind.prefix());
        URL_SAFE_NO_PAD.encode_string(random::<32>().as_slice(), &mut text);
        Self(text)
    }

    /// Reads a token of this kind; `None` when the prefix, the length or the alphabet is another.
    pub fn parse(kind: TokenKind, text: &str) -> Option<Self> {
        let secret = text.strip_prefix(kind.prefix())?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(secret).ok()?);
        (bytes.len() == 32).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The SHA-256 of the whole text, prefix included: what is stored and looked up.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The token in full, for the link or the cookie.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [TokenKind; 6] = [
        TokenKind::Setup,
        TokenKind::Invitation,
        TokenKind::NewPassword,
        TokenKind::SetUpAccess,
        TokenKind::Session,
        TokenKind::Device,
    ];

    #[test]
    fn a_token_is_read_back_as_its_own_kind_only() {
        for made in KINDS {
            let token = Token::new(made);
            assert_eq!(token.expose().len(), 47);
            for read in KINDS {
                let parsed = Token::parse(read, token.expose());
                assert_eq!(parsed.is_some(), made == read);
                assert!(parsed.is_none_or(|parsed| parsed.hash() == token.hash()));
            }
        }
    }

    #[test]
    fn the_hash_covers_the_prefix() {
        let token = Token::new(TokenKind::Invitation);
        let other = token.expose().replacen("inv_", "rst_", 1);
        let other = Token::parse(TokenKind::NewPassword, &other).unwrap();
        assert_ne!(token.hash(), other.hash());
    }

    #[test]
    fn what_is_not_exactly_a_token_is_refused() {
        let text = Token::new(TokenKind::Session).expose().to_owned();
        let (short, long) = (&text[..46], format!("{text}A"));
        // The last character carries four bits; one with more set would be a second spelling of the same token.
        let spelled = format!("ses_{}B", "A".repeat(42));
        let plus = format!("ses_{}+A", "A".repeat(41));
        let upper = text.replacen("ses_", "SES_", 1);
        let padded = format!("{text}=");
        for bad in [
            "",
            "ses_",
            short,
            &long,
            &spelled,
            &plus,
            &upper,
            &padded,
            &text[4..],
        ] {
            assert!(Token::parse(TokenKind::Session, bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn debug_hides_the_token() {
        assert_eq!(format!("{:?}", Token::new(TokenKind::Device)), "Token(..)");
    }
}
