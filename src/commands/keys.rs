//! `insight keys`: rotation of the key file.

use diesel::prelude::*;

use super::{KeysCommand, Sentence};
use crate::App;
use crate::Result;
use crate::config::Config;
use crate::credentials::keys::{Keys, Kid, Purpose};
use crate::db::types::UserId;
use crate::schema::users;

/// Users looked at in one transaction.
const BATCH: i64 = 500;

pub(super) fn run(config: &Config, command: KeysCommand) -> Result<(), Sentence> {
    let app = super::open(config.clone())?;
    match command {
        KeysCommand::Status => status(&app),
        KeysCommand::Reseal => {
            println!(
                "{} two-factor secrets were sealed with {}.",
                reseal(&app)?,
                app.keys.active()
            );
            Ok(())
        }
        KeysCommand::Rotate => {
            let keys = Keys::rotate_file(&config.keys_file)?;
            println!("{} is the active key now.", keys.active());
            println!(
                "Restart every running server, so that it knows the key. Within an hour two-factor secrets are sealed with \
                 it (or at once with `insight keys reseal`); passwords follow at each person's next sign-in."
            );
            Ok(())
        }
    }
}

/// Seals every two-factor secret that an older key sealed with the active one; gives how many. Goes on where it was
/// stopped: what is done needs no second look.
pub fn reseal(app: &App) -> Result<usize> {
    let mut done = 0;
    let mut after = UserId(0);
    loop {
        let next = app.system_write(|tx| {
            let rows: Vec<(UserId, Option<Vec<u8>>)> = users::table
                .filter(users::id.gt(after))
                .order(users::id)
                .limit(BATCH)
                .select((users::id, users::totp_secret))
                .load(tx.conn())?;
            let keys = &tx.app().keys;
            for (user, sealed) in &rows {
                let aad = user.0.to_be_bytes();
                let Some(sealed) = sealed else { continue };
                if keys.sealed_kid(sealed).as_ref() == Some(keys.active()) {
                    continue;
                }
                let plain = keys
                    .open(Purpose::Totp, &aad, sealed)
                    .map_err(crate::Error::internal)?;
                // A secret that was discarded or replaced since it was read must not come back.
                done += diesel::update(users::table)
                    .filter(users::id.eq(user))
                    .filter(users::totp_secret.eq(Some(sealed)))
                    .set(users::totp_secret.eq(Some(keys.seal(Purpose::Totp, &aad, &plain))))
                    .execute(tx.conn())?;
            }
            Ok(rows.last().map(|(id, _)| *id))
        })?;
        match next {
            Some(last) => after = last,
            None => return Ok(done),
        }
    }
}

fn status(app: &App) -> Result<(), Sentence> {
    let counts = app.system_read(|tx| {
        let mut counts: Vec<(Kid, usize, usize)> = tx
            .app()
            .keys
            .kids()
            .map(|kid| (kid.clone(), 0, 0))
            .collect();
        let mut lost = 0;
        let mut after = UserId(0);
        loop {
            let rows: Vec<(UserId, Option<Vec<u8>>, Option<String>)> = users::table
                .filter(users::id.gt(after))
                .order(users::id)
                .limit(BATCH)
                .select((users::id, users::totp_secret, users::password))
                .load(tx.conn())?;
            let Some((last, ..)) = rows.last() else {
                return Ok((counts, lost));
            };
            after = *last;
            for (_, sealed, password) in rows {
                let secret = sealed.and_then(|s| tx.app().keys.sealed_kid(&s));
                let pepper = password
                    .as_deref()
                    .and_then(|p| p.split_once('$'))
                    .and_then(|(kid, _)| Kid::parse(kid));
                for (kid, is_secret) in [(secret, true), (pepper, false)] {
                    let Some(kid) = kid else { continue };
                    match counts.iter_mut().find(|(k, ..)| *k == kid) {
                        Some((_, secrets, _)) if is_secret => *secrets += 1,
                        Some((_, _, passwords)) => *passwords += 1,
                        None => lost += 1,
                    }
                }
            }
        }
    })?;
    println!("key       two-factor secrets  passwords");
    for (i, (kid, secrets, passwords)) in counts.0.iter().enumerate() {
        let active = if i == 0 { "  active" } else { "" };
        println!("{kid}  {secrets:>18}  {passwords:>9}{active}");
    }
    println!(
        "Older audit entries keep the key they were written with: remove a key from the file only when you keep a \
         copy for `insight audit verify`."
    );
    if counts.1 > 0 {
        return Err(Sentence(format!(
            "{} values are sealed with a key that is not in the file.",
            counts.1
        )));
    }
    Ok(())
}
