//! `insight audit verify`: proves that no audit log has been changed.

use super::Sentence;
use crate::audit;
use crate::config::Config;

pub(super) fn verify(config: Config, expected: &[String]) -> Result<(), Sentence> {
    let app = super::open(config)?;
    let mut broken = 0;
    for head in audit::heads(&app)? {
        match audit::verify(&app, head.account)? {
            Ok(entries) => println!("{}: {entries} entries hold, head {head}", head.name),
            Err(at) => {
                broken += 1;
                println!("{}: BROKEN at entry {}: {}", head.name, at.seq, at.why);
            }
        }
    }
    for text in expected {
        if audit::has_head(&app, text)? {
            println!("{text}: is still there");
        } else {
            broken += 1;
            println!(
                "{text}: BROKEN: no log has this entry, something was cut off or written anew"
            );
        }
    }
    match broken {
        0 => Ok(()),
        n => Err(Sentence(format!("{n} audit logs do not hold."))),
    }
}
