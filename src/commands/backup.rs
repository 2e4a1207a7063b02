//! `insight backup FILE`: a consistent copy of the SQLite database while the server runs, checked before it gets its
//! name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::Sentence;
use crate::audit;
use crate::config::Config;
use crate::db::{Conn, Target};

#[derive(QueryableByName)]
struct Check {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

pub(super) fn run(config: Config, file: &Path) -> Result<(), Sentence> {
    if file.exists() {
        return Err(Sentence(format!("{} exists already.", file.display())));
    }
    let Target::Sqlite(_) = &config.database else {
        return Err(Sentence(
            "The database is Postgres: back it up with pg_dump, and keep a copy of the key file apart from it."
                .into(),
        ));
    };
    let part = file.with_extension("part");
    let path = part
        .to_str()
        .ok_or_else(|| Sentence("The file name is not UTF-8.".into()))?;
    let db = super::open_database(&config)?;
    // Private from its first byte on: SQLite keeps the mode of a file that is there and empty.
    fs::File::create(&part)?.set_permissions(fs::Permissions::from_mode(0o600))?;
    {
        let mut conn = db.writer()?;
        if let Conn::Sqlite(c) = &mut *conn {
            diesel::sql_query("VACUUM INTO $1")
                .bind::<Text, _>(path)
                .execute(c)?;
        }
    }
    check(path)?;
    let app = super::open(config.clone())?;
    for head in audit::heads(&app)? {
        if let Err(at) = audit::verify(&app, head.account)? {
            return Err(Sentence(format!(
                "The audit log of {} does not hold at entry {}: {}.",
                head.name, at.seq, at.why
            )));
        }
    }
    fs::File::open(&part)?.sync_all()?;
    fs::rename(&part, file)?;
    println!(
        "{} holds the whole database. Keep {} apart from it: without the keys nobody can sign in.",
        file.display(),
        config.keys_file.display()
    );
    Ok(())
}

/// The copy opens and is whole. Not through the pools: they would turn it into several files.
fn check(path: &str) -> Result<(), Sentence> {
    let mut copy = SqliteConnection::establish(path)?;
    let said: Vec<Check> = diesel::sql_query("PRAGMA integrity_check").load(&mut copy)?;
    if said.iter().all(|line| line.integrity_check == "ok") {
        Ok(())
    } else {
        Err(Sentence(
            "The copy is not whole; the disk may be failing.".into(),
        ))
    }
}
