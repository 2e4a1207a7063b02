//! The command line: a thin shell around [`insight::commands`].

use std::process::ExitCode;

use clap::Parser;
use insight::commands::{self, Command};

/// Who gets in, what each person may see and do, and who pays.
///
/// Without a command it serves. Settings come from the environment; the README lists them.
#[derive(Parser)]
#[command(name = "insight", version)]
struct Line {
    #[command(subcommand)]
    command: Option<Command>,
}

fn main() -> ExitCode {
    let line = Line::parse();
    match commands::run(line.command.unwrap_or(Command::Serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("insight: {sentence}");
            ExitCode::FAILURE
        }
    }
}
