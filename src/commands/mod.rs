//! What can be done from a terminal: serving, first data, looking after a running installation.

mod account;
mod audit;
mod backup;
mod billing;
mod demo;
mod doctor;
pub mod keys;
mod operators;
mod serve;

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;

use crate::App;
use crate::Clock;
use crate::billing::subscription;
use crate::config::Config;
use crate::credentials::keys::Keys;
use crate::credentials::passwords::{HashCost, Passwords};
use crate::db::{self, Db, Target};

/// The commands of the binary.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve (the default).
    Serve,
    /// Look after the operators of this installation.
    Operator {
        #[command(subcommand)]
        command: OperatorCommand,
    },
    /// Bring the database up to this version and stop.
    Migrate,
    /// Look after the companies of this installation.
    Account {
        #[command(subcommand)]
        command: AccountCommand,
    },
    /// Send a product update to every subscriber and opted-in member, once.
    Announce(Announcement),
    /// Prove that the audit logs have not been changed.
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Look after invoices.
    Billing {
        #[command(subcommand)]
        command: BillingCommand,
    },
    /// Copy the SQLite database to a file, checked, while the server runs.
    Backup {
        /// The file to make.
        file: PathBuf,
    },
    /// Serve a throw-away company full of plausible people and print how to sign in.
    Demo,
    /// Look at everything a server needs and say what to mend.
    Doctor,
    /// Look after the key file.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
}

/// The commands under `account`.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Make a further company and invite its first administrator, who becomes its account owner.
    Create {
        /// Name of the company.
        #[arg(long)]
        company: String,
        /// E-mail address of the first administrator.
        #[arg(long)]
        admin: String,
        /// Name of the first administrator, for the invitation.
        #[arg(long)]
        name: Option<String>,
    },
}

/// What `announce` takes.
#[derive(Debug, clap::Args)]
pub struct Announcement {
    /// Subject of the mail.
    #[arg(long)]
    subject: String,
    /// File with the text in Markdown.
    #[arg(long)]
    file: PathBuf,
    /// api-change or product-update.
    #[arg(long)]
    kind: String,
    /// Only to this company: its number or its exact name.
    #[arg(long)]
    account: Option<String>,
}

/// The commands under `operator`.
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Mark a user as operator: they may write product updates in the browser.
    Add {
        /// The user's e-mail address.
        email: String,
    },
}

/// The commands under `audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Walk every hash chain from its first entry to its head.
    Verify {
        /// A head that an earlier run printed or a server logged (account:entries:hash): it must still be there, which
        /// proves that nothing was cut off since. May be given more than once.
        #[arg(long, value_name = "HEAD")]
        expect_head: Vec<String>,
    },
}

/// The commands under `billing`.
#[derive(Debug, Subcommand)]
pub enum BillingCommand {
    /// Take an invoice back with a credit note; what was paid for it goes into the next invoice.
    Credit {
        /// Number of the account, as `account create` prints it.
        #[arg(long)]
        account: String,
        /// Number of the invoice, like 2026-0009.
        #[arg(long)]
        invoice: String,
        /// Why, as it stands on the credit note.
        #[arg(long)]
        reason: String,
    },
}

/// The commands under `keys`.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Add a new key and make it the active one; running servers use it once they are restarted.
    Rotate,
    /// Seal two-factor secrets with the active key, once every server has been restarted (servers do it within an hour).
    Reseal,
    /// Show the keys and how much is still sealed with each.
    Status,
}

/// What went wrong, in one sentence for the terminal.
#[derive(Debug)]
pub struct Sentence(String);

impl std::fmt::Display for Sentence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Sentence {
    fn from(e: E) -> Sentence {
        Sentence(e.to_string())
    }
}

/// Runs a command to its end.
pub fn run(command: Command) -> Result<(), Sentence> {
    let config = Config::from_env()?;
    match command {
        Command::Serve => serve::run(config),
        Command::Migrate => {
            let db = open_database(&config)?;
            println!("{} migrations ran.", db::migrate::run(&db)?);
            Ok(())
        }
        Command::Account {
            command:
                AccountCommand::Create {
                    company,
                    admin,
                    name,
                },
        } => account::create(config, &company, &admin, name.as_deref()),
        Command::Announce(announcement) => operators::announce(config, &announcement),
        Command::Operator {
            command: OperatorCommand::Add { email },
        } => operators::add(config, &email),
        Command::Audit {
            command: AuditCommand::Verify { expect_head },
        } => audit::verify(config, &expect_head),
        Command::Billing {
            command:
                BillingCommand::Credit {
                    account,
                    invoice,
                    reason,
                },
        } => billing::credit(config, &account, &invoice, &reason),
        Command::Backup { file } => backup::run(config, &file),
        Command::Demo => demo::run(config),
        Command::Doctor => doctor::run(config),
        Command::Keys { command } => keys::run(&config, command),
    }
}

/// Connects to the configured database. A new SQLite file is private from its first byte on, and so are the files
/// SQLite puts beside it.
fn open_database(config: &Config) -> Result<Db, Sentence> {
    if let Target::Sqlite(path) = &config.database {
        let path = Path::new(path);
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            make_folder("DATABASE_URL", folder)?;
        }
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| Sentence(format!("DATABASE_URL cannot be opened: {e}")))?;
    }
    Db::open(config.database.clone(), connections())
        .map_err(|e| Sentence(format!("DATABASE_URL cannot be opened: {e}")))
}

/// Makes a folder that nobody else on this machine can look into.
fn make_folder(setting: &str, folder: &Path) -> Result<(), Sentence> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|e| {
            Sentence(format!(
                "{setting}: {} cannot be made: {e}",
                folder.display()
            ))
        })
}

/// Reading connections: as many as cores. More only wait for each other.
fn connections() -> u32 {
    u32::try_from(cores()).unwrap_or(4).max(2)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// The application of a command: database open and migrated, keys loaded.
fn open(config: Config) -> Result<Arc<App>, Sentence> {
    make_folder("INSIGHT_DATA_DIR", &config.data_dir)?;
    let keys = Keys::open_or_create(&config.keys_file)?;
    let db = open_database(&config)?;
    db::migrate::run(&db)?;
    let app = assemble(config, db, keys)?;
    check_currency(&app)?;
    Ok(app)
}

/// Nothing is sold in one currency to an account that pays in another.
fn check_currency(app: &App) -> Result<(), Sentence> {
    match app.system_read(subscription::other_currency)? {
        Some(why) => Err(Sentence(why)),
        None => Ok(()),
    }
}

fn assemble(config: Config, db: Db, keys: Keys) -> Result<Arc<App>, Sentence> {
    // Half the cores hash, so that pages keep their pace while many people sign in.
    let passwords = Passwords::new(HashCost::default(), (cores() / 2).max(1))
        .map_err(|e| Sentence(e.to_string()))?;
    Ok(App::new(config, db, keys, passwords, Clock::System))
}
