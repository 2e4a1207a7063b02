//! `insight demo`: a throw-away company full of plausible people and records, served until Ctrl-C.

mod company;
mod records;
mod rules;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use super::Sentence;
use crate::config::Config;
use crate::credentials::keys::Keys;
use crate::credentials::totp::{STEP, Secret};
use crate::db::{self, Target};
use crate::{App, Clock};

use company::{COMPANY, PASSWORD, Past, email_of};

pub(super) fn run(mut config: Config) -> Result<(), Sentence> {
    let folder = std::env::temp_dir().join(format!("insight-demo-{}", std::process::id()));
    super::make_folder("The temporary folder", &folder)?;
    let cleanup = Cleanup(folder.clone());
    config.database = Target::Sqlite(folder.join("demo.db").display().to_string());
    config.data_dir = folder;
    config.smtp = None;
    if config.log == "info" {
        // The sign-ins below are what the terminal is for.
        config.log = "warn".into();
    }
    super::serve::start_log(&config)?;
    let db = super::open_database(&config)?;
    db::migrate::run(&db)?;
    let mut app = super::assemble(config, db, Keys::ephemeral())?;
    let secret = Secret::generate();
    // The company's past is written with its own clock, so that every date in it is true.
    let past = Past::new();
    set_clock(&mut app, past.clock())?;
    company::fill(&app, &past, &secret)?;
    set_clock(&mut app, Clock::System)?;
    let served = super::serve::serve(app, move |app| {
        println!("{COMPANY} is open at {}\n", app.config.base_url);
        println!("  administrator   {}", email_of("Erika Moss"));
        println!("  administrator   {}", email_of("Amira Haddad"));
        println!("  account owner   {}", email_of("Søren Pedersen"));
        println!("  technician      {}", email_of("Noor Bakker"));
        println!("  sales manager   {}", email_of("Freja Bakke"));
        println!("  sales rep       {}", email_of("Maja Strand"));
        println!("  password        {PASSWORD}");
        println!("  authenticator   {}\n", secret.grouped());
        std::thread::spawn(move || print_codes(&secret));
        Ok(())
    });
    drop(cleanup);
    served
}

fn set_clock(app: &mut Arc<App>, clock: Clock) -> Result<(), Sentence> {
    let app = Arc::get_mut(app).ok_or_else(|| Sentence("The demo is running already.".into()))?;
    app.clock = clock;
    Ok(())
}

/// Removes the throw-away folder when the demo ends.
struct Cleanup(std::path::PathBuf);

impl Drop for Cleanup {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} could not be removed: {e}", self.0.display());
        }
    }
}

/// Whoever tries the demo may have no authenticator at hand: the terminal is one.
fn print_codes(secret: &Secret) {
    let clock = Clock::System;
    loop {
        let now = clock.now().unix();
        print!("\r  code now        {}   ", secret.code_at(now));
        // A closed terminal needs no codes.
        if std::io::stdout().flush().is_err() {
            return;
        }
        std::thread::sleep(Duration::from_secs(STEP - now % STEP));
    }
}
