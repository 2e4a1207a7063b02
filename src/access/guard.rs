//! The guard: it decides before the handler runs and owns the handler's way to the database.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use diesel::prelude::*;

use super::caller::{Caller, Level};
use super::permissions::{Admit, InAccount, System};
use super::tx::Tx;
use super::{Environment, FRESH_CODE};
use crate::db::types::Timestamp;
use crate::db::{self, Loan};
use crate::schema::{members, sessions};
use crate::{App, Error, Result};

/// A session is marked as seen at most this often; more would be a write per page.
const TOUCH: time::Duration = time::Duration::minutes(1);

/// One request on its blocking thread: the caller, loaded once, and the connection that loaded it.
pub struct Visit {
    app: Arc<App>,
    now: Timestamp,
    address: String,
    token_hash: Option<[u8; 32]>,
    caller: Option<Caller>,
    reader: RefCell<Option<Loan>>,
    form_seed: RefCell<Option<String>>,
}

impl Visit {
    /// Loads the caller of the session whose token hash is given. `environment` is the one the path names, if any;
    /// the session keeps it for the pages outside an environment.
    pub fn open(
        app: &Arc<App>,
        token_hash: Option<[u8; 32]>,
        address: String,
        environment: Option<Environment>,
    ) -> Result<Visit> {
        let now = app.clock.now();
        let mut visit = Visit {
            app: app.clone(),
            now,
            address,
            token_hash,
            caller: None,
            reader: RefCell::new(None),
            form_seed: RefCell::new(None),
        };
        if let Some(hash) = token_hash {
            let mut conn = app.db.reader()?;
            visit.caller = Caller::load(&mut conn, &hash, now)?;
            *visit.reader.borrow_mut() = Some(conn);
            visit.touch(environment)?;
        }
        Ok(visit)
    }

    /// A visit for a request whose caller could not be loaded, so that it gets an error page nevertheless.
    pub fn blank(app: &Arc<App>) -> Visit {
        Visit {
            app: app.clone(),
            now: app.clock.now(),
            address: String::new(),
            token_hash: None,
            caller: None,
            reader: RefCell::new(None),
            form_seed: RefCell::new(None),
        }
    }

    fn touch(&mut self, environment: Option<Environment>) -> Result<()> {
        let Some(caller) = self.caller.as_mut().filter(|c| c.level == Level::Full) else {
            return Ok(());
        };
        let environment = environment.unwrap_or(caller.environment);
        let moved = environment != caller.environment;
        caller.environment = environment;
        if !moved && self.now - caller.last_seen_at < TOUCH {
            return Ok(());
        }
        let (session, member, account) = (caller.session, caller.member, caller.account);
        let now = self.now;
        caller.last_seen_at = now;
        // The reading connection goes back first: on Postgres both pools are one.
        self.reader.replace(None);
        let mut conn = self.app.db.writer()?;
        db::write_tx(&mut conn, |c| {
            // The member before the session, like every change of people: the other way round, this and a removal
            // could wait for each other.
            diesel::update(members::table)
                .filter(members::account_id.eq(account))
                .filter(members::id.eq(member))
                .set(members::last_activity_at.eq(now))
                .execute(c)?;
            diesel::update(sessions::table.filter(sessions::id.eq(session)))
                .set((
                    sessions::last_seen_at.eq(now),
                    sessions::environment.eq(environment.slug()),
                ))
                .execute(c)?;
            Ok(())
        })
    }

    /// The application.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// The person with a live session, at whatever level.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// The instant of this request.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Remembers the seed that the forms of this answer are bound to; it goes out as a cookie.
    pub(crate) fn bind_forms_to(&self, seed: String) {
        *self.form_seed.borrow_mut() = Some(seed);
    }

    /// See [`Visit::bind_forms_to`].
    pub(crate) fn form_seed(&self) -> Option<String> {
        self.form_seed.borrow().clone()
    }

    /// Runs `f` on this visit's reading connection.
    pub(crate) fn with_reader<T>(
        &self,
        f: impl FnOnce(&mut crate::db::Conn) -> Result<T>,
    ) -> Result<T> {
        // Taken out while in use: a page that asks inside another question gets a connection of its own.
        let kept = self.reader.borrow_mut().take();
        let mut conn = match kept {
            Some(conn) => conn,
            None => self.app.db.reader()?,
        };
        let result = f(&mut conn);
        *self.reader.borrow_mut() = Some(conn);
        result
    }
}

/// The guard, and a handler's first parameter. Holding one means that the right was there when the request began;
/// every writing transaction decides it again.
pub struct Can<P: Admit> {
    visit: Rc<Visit>,
    who: P::Who,
}

impl<P: Admit> Can<P> {
    /// Decides for a visit.
    pub fn decide(visit: Rc<Visit>) -> Result<Can<P>> {
        let who = P::admit(visit.caller.clone())?;
        Ok(Can { visit, who })
    }

    /// The application.
    pub fn app(&self) -> &Arc<App> {
        &self.visit.app
    }

    /// The instant of this request.
    pub fn now(&self) -> Timestamp {
        self.visit.now
    }

    /// The visit behind the guard, for the page frame.
    pub fn visit(&self) -> &Visit {
        &self.visit
    }

    /// What the proof knows about the person.
    pub fn who(&self) -> &P::Who {
        &self.who
    }

    /// One reading transaction: a snapshot.
    pub fn read<T>(&self, f: impl FnOnce(&mut Tx<P>) -> Result<T>) -> Result<T> {
        self.visit.with_reader(|conn| {
            db::read_tx(conn, |c| {
                let mut tx = Tx::new(
                    c,
                    &self.visit.app,
                    self.visit.now,
                    self.who.clone(),
                    &self.visit.address,
                );
                f(&mut tx)
            })
        })
    }

    /// One writing transaction, in which the right is decided once more. `Ok` commits; `Err` rolls back.
    pub fn write<T>(&self, f: impl FnOnce(&mut Tx<P>) -> Result<T>) -> Result<T> {
        self.visit.reader.replace(None);
        write(
            &self.visit.app,
            self.visit.now,
            self.visit.token_hash,
            &self.visit.address,
            f,
        )
    }

    /// The same guard without this request's connection, for answers that are written after the handler returned.
    /// Each of its transactions decides the right anew.
    pub fn later(&self) -> Later<P> {
        Later {
            app: self.visit.app.clone(),
            token_hash: self.visit.token_hash,
            address: self.visit.address.clone(),
            proof: std::marker::PhantomData,
        }
    }
}

impl<P: Admit + InAccount> Can<P> {
    /// The member who asks.
    pub fn me(&self) -> &Caller {
        &self.who
    }

    /// Refuses with a way to the step-up page when the last code is too old for a dangerous action. `next` is the
    /// page to continue on.
    pub fn require_fresh_code(&self, next: &str) -> Result<()> {
        if self.visit.now - self.who.code_at <= FRESH_CODE {
            Ok(())
        } else {
            Err(Error::StepUp {
                next: next.to_owned(),
            })
        }
    }
}

fn write<P: Admit, T>(
    app: &App,
    now: Timestamp,
    token_hash: Option<[u8; 32]>,
    address: &str,
    f: impl FnOnce(&mut Tx<P>) -> Result<T>,
) -> Result<T> {
    let mut conn = app.db.writer()?;
    let (value, mail) = db::write_tx(&mut conn, |c| {
        let caller = match token_hash {
            Some(hash) => Caller::load(c, &hash, now)?,
            None => None,
        };
        let mut tx = Tx::new(c, app, now, P::admit(caller)?, address);
        let value = f(&mut tx)?;
        tx.in_time()?;
        Ok((value, tx.has_mail()))
    })?;
    drop(conn);
    if mail {
        app.mail.wake();
    }
    Ok(value)
}

/// A guard that outlives its request; see [`Can::later`].
pub struct Later<P> {
    app: Arc<App>,
    token_hash: Option<[u8; 32]>,
    address: String,
    proof: std::marker::PhantomData<fn() -> P>,
}

impl<P: Admit> Later<P> {
    /// One reading transaction with the rights as they are now.
    pub fn read<T>(&self, f: impl FnOnce(&mut Tx<P>) -> Result<T>) -> Result<T> {
        let mut conn = self.app.db.reader()?;
        let now = self.app.clock.now();
        db::read_tx(&mut conn, |c| {
            let caller = match self.token_hash {
                Some(hash) => Caller::load(c, &hash, now)?,
                None => None,
            };
            let mut tx = Tx::new(c, &self.app, now, P::admit(caller)?, &self.address);
            f(&mut tx)
        })
    }
}

impl App {
    /// A reading transaction of the system itself.
    pub fn system_read<T>(&self, f: impl FnOnce(&mut Tx<System>) -> Result<T>) -> Result<T> {
        let mut conn = self.db.reader()?;
        db::read_tx(&mut conn, |c| {
            f(&mut Tx::new(c, self, self.clock.now(), (), "this server"))
        })
    }

    /// A writing transaction of the system itself.
    pub fn system_write<T>(&self, f: impl FnOnce(&mut Tx<System>) -> Result<T>) -> Result<T> {
        let mut conn = self.db.writer()?;
        let (value, mail) = db::write_tx(&mut conn, |c| {
            let mut tx = Tx::new(c, self, self.clock.now(), (), "this server");
            let value = f(&mut tx)?;
            tx.in_time()?;
            Ok((value, tx.has_mail()))
        })?;
        drop(conn);
        if mail {
            self.mail.wake();
        }
        Ok(value)
    }
}
