//! Operators: the people who run this installation and write its product updates.

use diesel::prelude::*;

use crate::accounts;
use crate::audit::{self, Event};
use crate::credentials::email::Email;
use crate::db::types::UserId;
use crate::schema::users;
use crate::{App, Error, Result};

/// Somebody who is an operator now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    pub name: String,
    pub email: String,
    /// Was one before; nothing was changed.
    pub already: bool,
}

/// `insight operator add E-MAIL`: marks a person who can sign in.
pub fn mark(app: &App, email: &str) -> Result<Marked> {
    let email = Email::parse(email).map_err(|problem| Error::refused(problem.to_string()))?;
    app.system_write(|tx| {
        let found: Option<(UserId, String)> = users::table
            .filter(users::email.eq(email.as_str()))
            .select((users::id, users::name))
            .first(tx.conn())
            .optional()?;
        let (user, name) = found.ok_or_else(|| {
            Error::refused(format!(
                "Nobody signs in as {email}. Invite the person first."
            ))
        })?;
        accounts::lock_of_user(tx, user)?;
        let changed = diesel::update(users::table)
            .filter(users::id.eq(user))
            .filter(users::operator.eq(false))
            .set(users::operator.eq(true))
            .execute(tx.conn())?;
        if changed == 1 {
            let event = Event::OperatorMarked {
                name: name.clone(),
                email: email.to_string(),
            };
            audit::record_for_user(tx, user, &event)?;
        }
        Ok(Marked {
            name,
            email: email.to_string(),
            already: changed == 0,
        })
    })
}
