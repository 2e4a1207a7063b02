//! `insight billing`: corrections of invoices.

use super::Sentence;
use crate::billing::invoices;
use crate::config::Config;
use crate::db::types::AccountId;

pub(super) fn credit(
    config: Config,
    account: &str,
    number: &str,
    reason: &str,
) -> Result<(), Sentence> {
    let account: AccountId = account
        .parse()
        .map_err(|()| Sentence("--account: give the number of an account.".into()))?;
    let plain = !reason.trim().is_empty()
        && reason.chars().count() <= 200
        && !reason.chars().any(char::is_control);
    if !plain {
        return Err(Sentence(
            "--reason: write one line of at most 200 characters.".into(),
        ));
    }
    let app = super::open(config)?;
    let note = app.system_write(|tx| invoices::credit(tx, account, number, reason.trim()))?;
    println!(
        "Credit note {} corrects invoice {number}. {} A running server mails it.",
        note.content.number,
        note.content.money.unwrap_or_default()
    );
    Ok(())
}
