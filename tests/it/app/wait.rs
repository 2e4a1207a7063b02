//! Waiting for something to become true, with a deadline instead of a guess.

use std::time::{Duration, Instant};

/// How long anything may take before a test calls it lost. Far more than needed: it only bounds a failing test.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How long to leave a condition alone between two looks at it.
pub const PAUSE: Duration = Duration::from_millis(20);

/// Asks again until `look` gives something and hands that back, or `None` once the deadline has passed.
pub async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The same for a caller that may block its thread.
pub fn until_blocking<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}
