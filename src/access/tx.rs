//! A transaction that knows who is acting and with which right.

use std::marker::PhantomData;

use super::caller::Caller;
use super::permissions::{Admit, InAccount, Proof};
use crate::db::types::{AccountId, Timestamp, UserId};
use crate::db::{self, Conn};
use crate::{App, Error, Result};

/// How long after its instant a transaction may be committed: whoever reads knows that nothing older appears later.
pub const LONGEST: time::Duration = time::Duration::minutes(5);

/// The name in the audit log of what nobody in particular did.
const NOBODY: &str = "Insight";

/// Who stands in the audit log for a change.
#[derive(Clone, Debug)]
pub struct Actor {
    pub user: Option<UserId>,
    pub name: String,
    /// Client address, or where on this machine the change came from.
    pub address: String,
}

/// One open transaction with the proof `P`. State, audit entry and mail are written through the same `Tx`; it
/// commits when the closure that received it returns `Ok`.
pub struct Tx<'a, P: Proof> {
    conn: &'a mut Conn,
    app: &'a App,
    now: Timestamp,
    who: P::Who,
    actor: Actor,
    mail_queued: bool,
    proof: PhantomData<P>,
}

impl<'a, P: Proof> Tx<'a, P> {
    pub(super) fn new(
        conn: &'a mut Conn,
        app: &'a App,
        now: Timestamp,
        who: P::Who,
        address: &str,
    ) -> Self {
        let actor = match P::caller(&who) {
            Some(caller) => Actor {
                user: Some(caller.user),
                name: caller.name.clone(),
                address: address.to_owned(),
            },
            None => Actor {
                user: None,
                name: NOBODY.to_owned(),
                address: address.to_owned(),
            },
        };
        Tx {
            conn,
            app,
            now,
            who,
            actor,
            mail_queued: false,
            proof: PhantomData,
        }
    }

    /// The connection inside this transaction.
    pub fn conn(&mut self) -> &mut Conn {
        self.conn
    }

    /// The application: keys, settings, cost parameters.
    pub fn app(&self) -> &'a App {
        self.app
    }

    /// The instant of this request; every row written in it carries the same one.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Who stands in the audit log.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Names the person behind a change made before signing in: joining, registering, asking for a new password.
    pub fn act_as(&mut self, user: UserId, name: &str) {
        self.actor.user = Some(user);
        self.actor.name = name.to_owned();
    }

    /// Names somebody who has no user here: whoever holds the link in a mail to this address. It replaces a person
    /// who happens to be signed in, perhaps to another account.
    pub fn act_as_outsider(&mut self, email: &str) {
        self.actor.user = None;
        self.actor.name = email.to_owned();
    }

    /// Names nobody, for what anybody could have caused who knows an address: a person who happens to be signed in in
    /// that browser, perhaps to another account, has no place in the audit log of the accounts it concerns.
    pub fn act_as_nobody(&mut self) {
        self.actor.user = None;
        self.actor.name = NOBODY.to_owned();
    }

    /// Names the place that a change came from, for what is written down later than it happened.
    pub(super) fn act_from(&mut self, address: &str) {
        self.actor.address = address.to_owned();
    }

    /// Asks for the mail worker to be woken after the commit.
    pub(crate) fn mail_queued(&mut self) {
        self.mail_queued = true;
    }

    /// Whether the transaction may still be committed; see [`LONGEST`].
    pub(super) fn in_time(&self) -> Result<()> {
        if self.app.clock.now() - self.now > LONGEST {
            return Err(Error::internal("a transaction took too long"));
        }
        Ok(())
    }

    pub(super) fn has_mail(&self) -> bool {
        self.mail_queued
    }
}

impl<P: InAccount> Tx<'_, P> {
    /// The account that every query of this transaction stays inside.
    pub fn account(&self) -> AccountId {
        self.who.account
    }

    /// The member who acts.
    pub fn me(&self) -> &Caller {
        &self.who
    }
}

impl<P: Admit + InAccount> Tx<'_, P> {
    /// Locks the account for a change of its people until the transaction ends, and decides once more.
    pub fn lock_account(&mut self) -> Result<()> {
        db::lock_account(self.conn, self.who.account)?;
        self.decide_again()
    }

    /// Decides the right anew: while this transaction waited for a lock, another may have taken it away, or ended
    /// the session.
    pub fn decide_again(&mut self) -> Result<()> {
        let now = Caller::of_session(self.conn, self.who.session, self.now)?;
        let here = now.filter(|caller| caller.account == self.who.account);
        P::admit(here).map(|_| ())
    }
}
