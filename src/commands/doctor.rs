//! `insight doctor`: looks at everything a running server needs and says what to mend.

use std::fmt::Display;
use std::fs;

use super::Sentence;
use crate::config::{Config, SmtpSecurity};
use crate::credentials::keys::Keys;
use crate::db::{self, Target};
use crate::mail::transport::Transport;

/// Prints one line a check; fails when one of them found something to mend.
pub(super) fn run(config: Config) -> Result<(), Sentence> {
    let mut report = Report::default();
    report.say("settings", Ok::<_, Sentence>("all readable".to_owned()));
    report.say("base URL", base_url(&config));
    report.say("data folder", data_dir(&config));
    report.say("key file", keys(&config));
    report.say("database", database(&config));
    report.say("plans", plans(&config));
    report.say("mail", mail(&config));
    match report.problems {
        0 => Ok(()),
        1 => Err(Sentence("One thing needs mending.".into())),
        n => Err(Sentence(format!("{n} things need mending."))),
    }
}

#[derive(Default)]
struct Report {
    problems: usize,
}

impl Report {
    fn say(&mut self, what: &str, found: Result<String, impl Display>) {
        match found {
            Ok(text) => println!("ok       {what}: {text}"),
            Err(text) => {
                self.problems += 1;
                println!("PROBLEM  {what}: {text}");
            }
        }
    }
}

fn base_url(config: &Config) -> Result<String, Sentence> {
    let url = &config.base_url;
    Ok(if config.secure() {
        format!("{url}, cookies are Secure")
    } else {
        format!("{url}, plain http: for this machine or a trusted network only")
    })
}

fn data_dir(config: &Config) -> Result<String, Sentence> {
    let dir = &config.data_dir;
    super::make_folder("INSIGHT_DATA_DIR", dir)?;
    let probe = dir.join(".doctor");
    fs::write(&probe, b"written by insight doctor")?;
    fs::remove_file(&probe)?;
    Ok(format!("{} can be written to", dir.display()))
}

fn keys(config: &Config) -> Result<String, Sentence> {
    if !config.keys_file.exists() {
        return Ok(format!(
            "{} will be made at the first start",
            config.keys_file.display()
        ));
    }
    let keys = Keys::open_or_create(&config.keys_file)?;
    Ok(format!(
        "{} keys, {} is active",
        keys.kids().count(),
        keys.active()
    ))
}

fn database(config: &Config) -> Result<String, Sentence> {
    if let Target::Sqlite(path) = &config.database
        && !std::path::Path::new(path).exists()
    {
        return Ok(format!("{path} will be made at the first start"));
    }
    let db = super::open_database(config)?;
    db.ping()?;
    let pending = db::migrate::pending(&db)?;
    let kind = match db.target() {
        Target::Sqlite(path) => format!("SQLite, {path}"),
        Target::Postgres(_) => "Postgres".to_owned(),
    };
    Ok(if pending {
        format!("{kind}; it will be migrated at the next start")
    } else {
        format!("{kind}; its schema is up to date")
    })
}

fn plans(config: &Config) -> Result<String, Sentence> {
    let sold = format!(
        "{} plans, in {}",
        config.plans.all().len(),
        config.plans.currency.code()
    );
    if matches!(&config.database, Target::Sqlite(path) if !std::path::Path::new(path).exists()) {
        return Ok(sold);
    }
    // What keeps the database shut is said above.
    let Ok(db) = super::open_database(config) else {
        return Ok(sold);
    };
    if matches!(db::migrate::pending(&db), Ok(false)) {
        // Nothing sealed is read.
        let app = super::assemble(config.clone(), db, Keys::ephemeral())?;
        super::check_currency(&app)?;
    }
    Ok(sold)
}

fn mail(config: &Config) -> Result<String, Sentence> {
    let Some(smtp) = &config.smtp else {
        return Ok(format!(
            "no INSIGHT_SMTP_URL: messages become files in {}",
            config.mail_dir().display()
        ));
    };
    let server = format!("{}:{}", smtp.host, smtp.port);
    match Transport::open(config)?.greet() {
        Ok(()) if smtp.security == SmtpSecurity::None => {
            Ok(format!("{server} answers, without encryption"))
        }
        Ok(()) => Ok(format!("{server} answers over TLS")),
        Err(why) => Err(Sentence(format!("{server}: {why}"))),
    }
}
