//! `insight demo`: a throw-away company full of plausible people, served until Ctrl-C.

use std::io::Write;
use std::time::Duration;

use diesel::prelude::*;

use super::Sentence;
use crate::access::{PlatformRoles, System, Tx};
use crate::accounts::{self, Grants};
use crate::audit::{self, Event};
use crate::config::Config;
use crate::credentials::email::Email;
use crate::credentials::keys::Keys;
use crate::credentials::passwords::{Context, Password};
use crate::credentials::second_factor;
use crate::credentials::totp::{STEP, Secret};
use crate::db::types::{AccountId, MemberId, UserId};
use crate::db::{self, Target};
use crate::schema::{members, subscribers, users};
use crate::{App, Error, Result};

const COMPANY: &str = "Halden Logistics";
const SECOND_COMPANY: &str = "Fjord Terminals";
const PASSWORD: &str = "copper lantern seventeen";

/// (name, platform roles as letters, days since joining, hours since the last activity).
const PEOPLE: &[(&str, &str, i64, i64)] = &[
    ("Erika Moss", "A", 264, 0),
    ("Amira Haddad", "TA", 264, 1),
    ("Søren Pedersen", "V", 264, 560),
    ("Tomás Rey", "V", 263, 17),
    ("Jonas Weber", "V", 263, 18),
    ("Freja Bakke", "V", 263, 148),
    ("Priya Nair", "VT", 258, 47),
    ("Li Na", "V", 234, 70),
    ("Oluwaseun Kalu", "T", 234, 98),
    ("Kwame Raji", "V", 189, 237),
    ("Tuva Vik", "", 72, 115),
    ("Ada Lind", "V", 54, 1_200),
    ("Mirela Dinu", "V", 230, 30),
    ("Henrik Aas", "V", 229, 41),
    ("Noor Bakker", "T", 228, 52),
    ("Emil Sandvik", "V", 220, 2_300),
    ("Chiara Conti", "V", 214, 63),
    ("Matteo Greco", "VT", 210, 75),
    ("Ines Duarte", "V", 205, 9),
    ("Yusuf Demir", "V", 201, 85),
    ("Aiko Tanaka", "V", 198, 22),
    ("Leila Farouk", "V", 190, 96),
    ("Viktor Holm", "T", 182, 4_400),
    ("Sanna Lehto", "V", 175, 110),
    ("Pavel Novak", "V", 171, 120),
    ("Zofia Wrona", "V", 166, 33),
    ("Marek Kolar", "", 160, 900),
    ("Elif Aydin", "V", 151, 132),
    ("Diego Marin", "V", 144, 143),
    ("Hanna Vik", "VT", 139, 6),
    ("Omar Said", "V", 130, 155),
    ("Greta Lund", "V", 121, 166),
    ("Bram de Wit", "V", 117, 177),
    ("Chloé Martin", "V", 104, 188),
    ("Ravi Menon", "T", 98, 199),
    ("Sofia Almeida", "V", 90, 210),
    ("Nils Berg", "V", 83, 221),
    ("Ewa Zielinska", "V", 61, 5),
    ("Tariq Aziz", "V", 33, 26),
    ("Maja Strand", "V", 12, 3),
];

/// People who have been asked to set two-factor up again.
const NEEDS_SET_UP: [&str; 2] = ["Li Na", "Ada Lind"];

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
    let app = super::assemble(config, db, Keys::ephemeral())?;
    let secret = Secret::generate();
    fill(&app, &secret)?;
    let served = super::serve::serve(app, move |app| {
        println!("{COMPANY} is open at {}\n", app.config.base_url);
        println!("  administrator   {}", email_of("Erika Moss"));
        println!("  administrator   {}", email_of("Amira Haddad"));
        println!("  account owner   {}", email_of("Søren Pedersen"));
        println!("  technician      {}", email_of("Noor Bakker"));
        println!("  password        {PASSWORD}");
        println!("  authenticator   {}\n", secret.grouped());
        std::thread::spawn(move || print_codes(&secret));
        Ok(())
    });
    drop(cleanup);
    served
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
    let clock = crate::Clock::System;
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

/// "erika.moss@halden.example".
fn email_of(name: &str) -> String {
    let plain: String = name
        .to_lowercase()
        .chars()
        .map(|c| match c {
            'ø' => 'o',
            'á' => 'a',
            'é' => 'e',
            ' ' => '.',
            c => c,
        })
        .collect();
    format!("{plain}@halden.example")
}

fn fill(app: &App, secret: &Secret) -> Result<(), Sentence> {
    let example = parse("nobody@halden.example")?;
    let context = Context {
        email: &example,
        companies: &[COMPANY],
    };
    let password = Password::new(PASSWORD, &context).map_err(|e| Sentence(e.to_string()))?;
    let hash = app
        .passwords
        .hash(&app.keys, &password)
        .map_err(|e| Sentence(e.to_string()))?;
    app.system_write(|tx| people(tx, &hash, secret))?;
    Ok(())
}

fn parse(address: &str) -> Result<Email> {
    Email::parse(address).map_err(Error::internal)
}

fn people(tx: &mut Tx<System>, password: &str, secret: &Secret) -> Result<()> {
    let account = accounts::create(tx, COMPANY)?;
    let second = accounts::create(tx, SECOND_COMPANY)?;
    let mut first_admin = None;
    for (name, letters, joined, active) in PEOPLE {
        let (user, member) = person(tx, account, name, letters, password)?;
        let now = tx.now();
        diesel::update(members::table.filter(members::id.eq(member)))
            .set((
                members::joined_at.eq(now - time::Duration::days(*joined)),
                members::last_activity_at.eq(now - time::Duration::hours(*active)),
            ))
            .execute(tx.conn())?;
        // Step 0: the first code that a visitor types is fresh.
        second_factor::bind(tx, user, secret, 0)?;
        if NEEDS_SET_UP.contains(name) {
            second_factor::discard(tx, user)?;
        }
        match *name {
            "Erika Moss" => {
                first_admin = Some(member);
                let grants = grants(tx, second, "A")?;
                let there = accounts::add_member(tx, second, user, grants)?;
                accounts::set_owner(tx, second, there)?;
                // Signing in leads to where one was last, which is not here.
                let long_ago = tx.now() - time::Duration::days(3);
                diesel::update(members::table.filter(members::id.eq(there)))
                    .set(members::last_activity_at.eq(long_ago))
                    .execute(tx.conn())?;
            }
            "Søren Pedersen" => accounts::set_owner(tx, account, member)?,
            _ => {}
        }
    }
    match first_admin {
        Some(admin) => receivers(tx, account, admin),
        None => Ok(()),
    }
}

fn person(
    tx: &mut Tx<System>,
    account: AccountId,
    name: &str,
    letters: &str,
    password: &str,
) -> Result<(UserId, MemberId)> {
    let email = parse(&email_of(name))?;
    let user = accounts::create_user(tx, &email, name, password, account)?;
    diesel::update(users::table.filter(users::id.eq(user)))
        .set(users::time_zone.eq("Europe/Oslo"))
        .execute(tx.conn())?;
    let grants = grants(tx, account, letters)?;
    let member = accounts::add_member(tx, account, user, grants)?;
    audit::record(
        tx,
        account,
        &Event::MemberJoined {
            name: name.to_owned(),
            email: email.to_string(),
            roles: grants.roles.sentence(),
        },
    )?;
    Ok((user, member))
}

fn grants(tx: &mut Tx<System>, account: AccountId, letters: &str) -> Result<Grants> {
    Ok(Grants {
        roles: PlatformRoles {
            viewer: letters.contains('V'),
            technician: letters.contains('T'),
            admin: letters.contains('A'),
        },
        profile: Some(accounts::standard_profile(tx, account)?),
        role: None,
    })
}

fn receivers(tx: &mut Tx<System>, account: AccountId, added_by: MemberId) -> Result<()> {
    for (email, state, days) in [
        ("board@halden.example", "active", 265),
        ("it-changes@partner.example", "active", 69),
        ("controller@halden.example", "unsubscribed", 265),
        ("ops@oldhost.example", "bouncing", 69),
    ] {
        let at = tx.now() - time::Duration::days(days);
        diesel::insert_into(subscribers::table)
            .values((
                subscribers::account_id.eq(account),
                subscribers::email.eq(email),
                subscribers::state.eq(state),
                subscribers::added_by.eq(added_by),
                subscribers::added_at.eq(at),
            ))
            .execute(tx.conn())?;
    }
    Ok(())
}
