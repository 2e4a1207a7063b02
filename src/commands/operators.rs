//! `insight operator add` and `insight announce`.

use super::{Announcement, Sentence};
use crate::config::Config;
use crate::operators;
use crate::subscribers::announcements;

pub(super) fn add(config: Config, email: &str) -> Result<(), Sentence> {
    let app = super::open(config)?;
    let marked = operators::mark(&app, email)?;
    if marked.already {
        println!("{} ({}) is an operator already.", marked.name, marked.email);
    } else {
        println!("{} ({}) is an operator now.", marked.name, marked.email);
    }
    Ok(())
}

pub(super) fn announce(config: Config, what: &Announcement) -> Result<(), Sentence> {
    let markdown = std::fs::read_to_string(&what.file).map_err(|e| {
        Sentence(format!(
            "--file: {} cannot be read: {e}",
            what.file.display()
        ))
    })?;
    let app = super::open(config)?;
    let id = announcements::announce_from_cli(
        &app,
        &what.subject,
        &markdown,
        &what.kind,
        what.account.as_deref(),
    )?;
    println!("Product update {id} is written down; a running server sends it to everybody once.");
    Ok(())
}
