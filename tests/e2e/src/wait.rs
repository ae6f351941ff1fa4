//! Waiting on conditions, with a deadline.

use std::time::{Duration, Instant};

/// How long anything may take before a test fails; generous, because machines are busy.
const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until `condition` gives something.
///
/// # Panics
/// Not within the deadline.
#[track_caller]
pub fn eventually<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, what, condition)
}

/// Waits until `condition` gives something, at most `limit`.
///
/// # Panics
/// Not within `limit`.
#[track_caller]
pub fn within<T>(limit: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        pause();
    }
}

fn pause() {
    // Parking with a time-out instead of sleeping: nobody unparks, the loop looks again.
    std::thread::park_timeout(Duration::from_millis(5));
}
