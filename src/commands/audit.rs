//! `insight audit verify`: proves that no audit log has been changed.

use super::Sentence;
use crate::audit;
use crate::config::Config;

pub(super) fn verify(config: Config) -> Result<(), Sentence> {
    let app = super::open(config)?;
    let mut broken = 0;
    for head in audit::heads(&app)? {
        match audit::verify(&app, head.account)? {
            Ok(entries) => println!("{}: {entries} entries hold, head {}", head.name, head.hex()),
            Err(at) => {
                broken += 1;
                println!("{}: BROKEN at entry {}: {}", head.name, at.seq, at.why);
            }
        }
    }
    match broken {
        0 => Ok(()),
        n => Err(Sentence(format!("{n} audit logs do not hold."))),
    }
}
