//! Leaving the product updates by the link in a mail, without signing in.
//!
//! The token is not stored: it is a MAC over what it does and for whom, so that a link works as long as its key is in
//! the key file. A token does one thing for one person; only a POST does it.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use diesel::prelude::*;

use super::{State, announcements};
use crate::access::{Anyone, Tx};
use crate::accounts;
use crate::audit::{self, Event};
use crate::credentials::keys::{Keys, Purpose};
use crate::db::types::{AccountId, SubscriberId, UserId};
use crate::schema::{subscribers, users};
use crate::{Error, Result, db};

const PREFIX: &str = "uns_";

/// What a token does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Unsubscribes one entry of one account's list.
    Leave(SubscriberId),
    /// Turns product updates off for a person who signs in.
    OptOut(UserId),
    /// Takes [`Deed::Leave`] back. This token stands only on the page after it.
    Return(SubscriberId),
}

impl Deed {
    fn signed(self) -> [u8; 9] {
        let (kind, id) = match self {
            Deed::Leave(id) => (b's', id.0),
            Deed::OptOut(id) => (b'u', id.0),
            Deed::Return(id) => (b'r', id.0),
        };
        let mut out = [kind; 9];
        out[1..].copy_from_slice(&id.to_be_bytes());
        out
    }

    fn read(signed: [u8; 9]) -> Option<Deed> {
        let [kind, id @ ..] = signed;
        let id = i64::from_be_bytes(id);
        match kind {
            b's' => Some(Deed::Leave(SubscriberId(id))),
            b'u' => Some(Deed::OptOut(UserId(id))),
            b'r' => Some(Deed::Return(SubscriberId(id))),
            _ => None,
        }
    }

    /// The path of its link.
    pub fn path(self, keys: &Keys) -> String {
        let signed = self.signed();
        let mac = keys.mac(Purpose::Unsubscribe, &signed);
        let token = BASE64.encode([signed.as_slice(), &mac].concat());
        format!("/unsubscribe/{PREFIX}{token}")
    }
}

/// What somebody has sent as a token, of the right shape but not checked yet.
pub struct Unverified {
    signed: [u8; 9],
    mac: Vec<u8>,
}

impl FromStr for Unverified {
    type Err = ();
    fn from_str(text: &str) -> Result<Unverified, ()> {
        let token = text.strip_prefix(PREFIX).ok_or(())?;
        let bytes = BASE64.decode(token).map_err(|_| ())?;
        let (signed, mac) = bytes.split_first_chunk().ok_or(())?;
        Ok(Unverified {
            signed: *signed,
            mac: mac.to_vec(),
        })
    }
}

impl Unverified {
    /// What it does, if one of our keys has signed it.
    pub fn verify(&self, keys: &Keys) -> Result<Deed> {
        if !keys.verify_mac(Purpose::Unsubscribe, &self.signed, &self.mac) {
            return Err(Error::LinkNotValid);
        }
        Deed::read(self.signed).ok_or(Error::LinkNotValid)
    }
}

/// What there is to say about whom a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Nothing for an entry that an administrator has removed since.
    pub email: Option<String>,
    /// Product updates still go there, or would if mail arrived.
    pub on: bool,
}

/// How things stand, without changing them.
pub fn status(tx: &mut Tx<Anyone>, deed: Deed) -> Result<Status> {
    let found: Option<(String, bool)> = match deed {
        Deed::Leave(id) | Deed::Return(id) => subscribers::table
            .filter(subscribers::id.eq(id))
            .select((
                subscribers::email,
                subscribers::state.ne(State::Unsubscribed.slug()),
            ))
            .first(tx.conn())
            .optional()?,
        Deed::OptOut(user) => users::table
            .filter(users::id.eq(user))
            .select((users::email, users::product_updates))
            .first(tx.conn())
            .optional()?,
    };
    let (email, on) = match found {
        Some((email, on)) => (Some(email), on),
        None => (None, false),
    };
    Ok(Status { email, on })
}

/// Does what the token says. Doing it again changes nothing and says the same.
pub fn carry_out(tx: &mut Tx<Anyone>, deed: Deed) -> Result<Status> {
    match deed {
        Deed::Leave(id) => move_subscriber(tx, id, State::Unsubscribed)?,
        Deed::Return(id) => move_subscriber(tx, id, State::Active)?,
        Deed::OptOut(user) => opt_out(tx, user)?,
    }
    status(tx, deed)
}

fn move_subscriber(tx: &mut Tx<Anyone>, id: SubscriberId, to: State) -> Result<()> {
    let found: Option<(AccountId, String)> = subscribers::table
        .filter(subscribers::id.eq(id))
        .select((subscribers::account_id, subscribers::email))
        .first(tx.conn())
        .optional()?;
    let Some((account, email)) = found else {
        return Ok(());
    };
    db::lock_account(tx.conn(), account)?;
    let unsubscribed = State::Unsubscribed.slug();
    let changed = if to == State::Unsubscribed {
        diesel::update(
            subscribers::table
                .filter(subscribers::id.eq(id))
                .filter(subscribers::state.ne(unsubscribed)),
        )
        .set(subscribers::state.eq(unsubscribed))
        .execute(tx.conn())?
    } else {
        diesel::update(
            subscribers::table
                .filter(subscribers::id.eq(id))
                .filter(subscribers::state.eq(unsubscribed)),
        )
        .set(subscribers::state.eq(to.slug()))
        .execute(tx.conn())?
    };
    if changed == 0 {
        return Ok(());
    }
    if to == State::Unsubscribed {
        announcements::withdraw(tx, &email)?;
    }
    tx.act_as_outsider(&email);
    let event = if to == State::Unsubscribed {
        Event::SubscriberLeft { email }
    } else {
        Event::SubscriberActivated {
            email,
            before: State::Unsubscribed.label().to_owned(),
        }
    };
    audit::record(tx, account, &event)
}

fn opt_out(tx: &mut Tx<Anyone>, user: UserId) -> Result<()> {
    accounts::lock_of_user(tx, user)?;
    let left: Option<(String, String)> = diesel::update(users::table)
        .filter(users::id.eq(user))
        .filter(users::product_updates.eq(true))
        .set(users::product_updates.eq(false))
        .returning((users::name, users::email))
        .get_result(tx.conn())
        .optional()?;
    if let Some((name, email)) = left {
        announcements::withdraw(tx, &email)?;
        tx.act_as(user, &name);
        audit::record_for_user(tx, user, &Event::ProductUpdatesChosen { on: false })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Option<Unverified> {
        path.strip_prefix("/unsubscribe/")?.parse().ok()
    }

    #[test]
    fn a_token_does_one_thing_for_one_person() {
        let keys = Keys::ephemeral();
        let deeds = [
            Deed::Leave(SubscriberId(7)),
            Deed::Leave(SubscriberId(8)),
            Deed::OptOut(UserId(7)),
            Deed::Return(SubscriberId(7)),
        ];
        for deed in deeds {
            let token = read(&deed.path(&keys)).unwrap();
            assert_eq!(token.verify(&keys).unwrap(), deed);
            for other in deeds.into_iter().filter(|other| *other != deed) {
                let mixed = Unverified {
                    signed: other.signed(),
                    mac: token.mac.clone(),
                };
                assert!(mixed.verify(&keys).is_err());
            }
        }
    }

    #[test]
    fn what_was_not_signed_here_is_refused() {
        let keys = Keys::ephemeral();
        let path = Deed::Leave(SubscriberId(7)).path(&keys);
        assert!(read(&path).unwrap().verify(&Keys::ephemeral()).is_err());
        for cut in PREFIX.len() + 13..path.len() {
            assert!(read(&path[..cut]).is_none_or(|token| token.verify(&keys).is_err()));
        }
        assert!("".parse::<Unverified>().is_err());
        assert!("inv_AAAA".parse::<Unverified>().is_err());
    }
}
