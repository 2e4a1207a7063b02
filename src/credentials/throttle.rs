//! Slowing down guesses without locking the owner out.
//!
//! Counters live in the database, are raised *before* the check so that parallel guesses cannot slip past, and are
//! shared by every door that takes the same credential. After some free attempts the wait doubles from one second to
//! fifteen minutes. A device that has signed in before has a counter of its own, so that an outsider who guesses at
//! somebody's address cannot shut that person out, nor can somebody in the same office who guesses at many.
//!
//! | counter | free attempts |
//! |---|---|
//! | e-mail from a network (IPv4 address or IPv6 /64) | 5 |
//! | e-mail from all unknown devices; at 100 in a row only a mailed link helps (NIST SP 800-63B-4 3.2.2) | 20 |
//! | network, unknown devices | 50 |
//! | e-mail on a known device | 10 |
//! | codes of a user in 15 minutes | 10 |

use std::time::Duration;

use diesel::prelude::*;

use super::email::Email;
use super::keys::{Keys, Purpose};
use crate::access::{Proof, Tx};
use crate::db::types::{Timestamp, UserId};
use crate::on_each;
use crate::schema::throttles;
use crate::web::address;
use crate::{Error, Result};

/// Failures older than this are forgotten, unless the hard cap is reached.
const MEMORY: time::Duration = time::Duration::hours(24);

/// Consecutive failures after which an authenticator is shut.
const HARD_CAP: i32 = 100;

const LONGEST_WAIT: time::Duration = time::Duration::minutes(15);

/// One counter.
pub struct Bucket {
    key: Vec<u8>,
    free: i32,
    capped: bool,
    /// Counts many people: a success of one says nothing about the others.
    shared: bool,
}

impl Bucket {
    fn new(keys: &Keys, name: &str, free: i32, capped: bool) -> Bucket {
        Bucket {
            key: keys.mac(Purpose::Throttle, name.as_bytes()).to_vec(),
            free,
            capped,
            shared: false,
        }
    }

    fn network(keys: &Keys, network: &str) -> Bucket {
        Bucket {
            shared: true,
            ..Bucket::new(keys, &format!("network {network}"), 50, false)
        }
    }

    /// The counters of a password attempt. `known_device` is the user's own device cookie, verified.
    pub fn password(
        keys: &Keys,
        email: &Email,
        from: std::net::IpAddr,
        known_device: Option<&str>,
    ) -> Vec<Bucket> {
        let network = address::network(from);
        match known_device {
            Some(device) => vec![Bucket::new(
                keys,
                &format!("device {email} {device}"),
                10,
                false,
            )],
            None => vec![
                Bucket::new(keys, &format!("password {email} {network}"), 5, false),
                Bucket::new(keys, &format!("password {email}"), 20, true),
                Bucket::network(keys, &network),
            ],
        }
    }

    /// The counter that a mailed link clears.
    pub fn password_of(keys: &Keys, email: &Email) -> Bucket {
        Bucket::new(keys, &format!("password {email}"), 20, true)
    }

    /// A counter that refuses nobody: raised for an address without a user where a known one would cause an entry in
    /// the audit log or a mail, so that both answers write to the disk.
    pub fn nobody(keys: &Keys, email: &Email) -> Bucket {
        Bucket::new(keys, &format!("nobody {email}"), i32::MAX, false)
    }

    /// The counter of codes.
    pub fn code(keys: &Keys, user: UserId) -> Bucket {
        Bucket::new(keys, &format!("code {user}"), 10, false)
    }

    /// Mails that anybody can cause (new passwords): per address and per network.
    pub fn asked_mail(keys: &Keys, email: &Email, from: std::net::IpAddr) -> Vec<Bucket> {
        let network = address::network(from);
        vec![
            Bucket::new(keys, &format!("mail {email}"), 3, false),
            Bucket::new(keys, &format!("mail from {network}"), 20, false),
        ]
    }

    /// Invitations of an account and to an address.
    pub fn invitation(keys: &Keys, account: crate::db::types::AccountId, email: &Email) -> Bucket {
        Bucket::new(keys, &format!("invite {account} {email}"), 10, false)
    }
}

/// Counts an attempt on every counter, or refuses it when one of them is still waiting. Call it in a transaction of
/// its own, before the credential is checked.
pub fn attempt<P: Proof>(tx: &mut Tx<P>, buckets: &[Bucket]) -> Result<()> {
    let now = tx.now();
    for bucket in buckets {
        // Raising the counter first locks its row, so that parallel attempts pass one after the other.
        let (raised, last, blocked_until): (i32, Timestamp, Timestamp) = on_each!(tx.conn(), c => {
            diesel::insert_into(throttles::table)
                .values((
                    throttles::bucket.eq(&bucket.key),
                    throttles::failures.eq(1),
                    throttles::last_failure_at.eq(now),
                    throttles::blocked_until.eq(now),
                ))
                .on_conflict(throttles::bucket)
                .do_update()
                .set(throttles::failures.eq(throttles::failures + 1))
                .returning((
                    throttles::failures,
                    throttles::last_failure_at,
                    throttles::blocked_until,
                ))
                .get_result(c)
        })?;
        if blocked_until > now {
            // The error rolls the counter back: waiting out a block must not make it longer.
            return Err(Error::Limited {
                retry_after: std_duration(blocked_until - now),
            });
        }
        let shut = bucket.capped && raised >= HARD_CAP;
        let failures = if now - last > MEMORY && !shut {
            1
        } else {
            raised
        };
        diesel::update(throttles::table.filter(throttles::bucket.eq(&bucket.key)))
            .set((
                throttles::failures.eq(failures),
                throttles::last_failure_at.eq(now),
                throttles::blocked_until.eq(now + wait(bucket, failures)),
            ))
            .execute(tx.conn())?;
    }
    Ok(())
}

/// A success clears the counters of what was proved. Counters shared with others only get this attempt back.
pub fn clear<P: Proof>(tx: &mut Tx<P>, buckets: &[Bucket]) -> Result<()> {
    let now = tx.now();
    for bucket in buckets {
        let counter = throttles::table.filter(throttles::bucket.eq(&bucket.key));
        if !bucket.shared {
            diesel::delete(counter).execute(tx.conn())?;
            continue;
        }
        let left: Option<i32> = diesel::update(counter.filter(throttles::failures.gt(0)))
            .set(throttles::failures.eq(throttles::failures - 1))
            .returning(throttles::failures)
            .get_result(tx.conn())
            .optional()?;
        if let Some(left) = left {
            diesel::update(counter)
                .set(throttles::blocked_until.eq(now + wait(bucket, left)))
                .execute(tx.conn())?;
        }
    }
    Ok(())
}

/// The attempts that a counter holds, this one included; counters shared with others hold none of anybody's own.
pub fn count<P: Proof>(tx: &mut Tx<P>, buckets: &[Bucket]) -> Result<i32> {
    let keys: Vec<&Vec<u8>> = buckets
        .iter()
        .filter(|b| !b.shared)
        .map(|b| &b.key)
        .collect();
    let most: Option<i32> = throttles::table
        .filter(throttles::bucket.eq_any(keys))
        .select(diesel::dsl::max(throttles::failures))
        .first(tx.conn())?;
    Ok(most.unwrap_or(0))
}

/// Forgets counters nobody has touched for a long time; called by the housekeeping job.
pub fn sweep<P: Proof>(tx: &mut Tx<P>) -> Result<usize> {
    let old = tx.now() - MEMORY * 2;
    Ok(diesel::delete(
        throttles::table
            .filter(throttles::last_failure_at.lt(old))
            .filter(throttles::failures.lt(HARD_CAP)),
    )
    .execute(tx.conn())?)
}

fn wait(bucket: &Bucket, failures: i32) -> time::Duration {
    if bucket.capped && failures >= HARD_CAP {
        return time::Duration::days(3_650);
    }
    let over = failures - bucket.free;
    if over < 0 {
        return time::Duration::ZERO;
    }
    time::Duration::seconds(1_i64 << over.min(20)).min(LONGEST_WAIT)
}

fn std_duration(d: time::Duration) -> Duration {
    Duration::from_secs(u64::try_from(d.whole_seconds() + 1).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_quarter_of_an_hour() {
        let bucket = Bucket {
            key: vec![],
            free: 5,
            capped: true,
            shared: false,
        };
        let seconds = |n| wait(&bucket, n).whole_seconds();
        assert_eq!([4, 5, 6, 8, 40].map(seconds), [0, 1, 2, 8, 900]);
        assert!(wait(&bucket, HARD_CAP) > time::Duration::days(365));
    }
}
