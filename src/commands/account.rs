//! `insight account create`: a further company in this installation.

use super::Sentence;
use crate::accounts;
use crate::config::Config;
use crate::credentials::email::Email;
use crate::credentials::names::{CompanyName, PersonName};

pub(super) fn create(
    config: Config,
    company: &str,
    admin: &str,
    name: Option<&str>,
) -> Result<(), Sentence> {
    let wrong = |flag: &str, why: String| Sentence(format!("{flag}: {why}"));
    let company = CompanyName::parse(company).map_err(|e| wrong("--company", e.to_string()))?;
    let admin = Email::parse(admin).map_err(|e| wrong("--admin", e.to_string()))?;
    let name = match name {
        Some(name) => Some(PersonName::parse(name).map_err(|e| wrong("--name", e.to_string()))?),
        None => None,
    };
    let app = super::open(config)?;
    let account = accounts::create_with_invitation(&app, &company, &admin, name.as_ref())?;
    println!(
        "{company} is account {account}. A running server mails the invitation to {admin}; it is valid for 7 days."
    );
    Ok(())
}
