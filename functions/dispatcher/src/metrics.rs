//! Numbers about attempts.

use ::metrics::{describe_counter, describe_histogram};

/// Attempts that ended, by outcome.
pub(crate) const ATTEMPTS: &str = "workmanager_function_attempts";
/// Attempts that did not begin, by code.
pub(crate) const REFUSED: &str = "workmanager_function_refused_attempts";
/// Fetches of a version's code, by result.
pub(crate) const FETCHES: &str = "workmanager_function_code_fetches";
/// How long a new process takes until it can be told to load.
pub(crate) const SPAWN: &str = "workmanager_function_spawn_seconds";

/// Says what the numbers mean.
pub fn describe() {
    describe_counter!(ATTEMPTS, "Attempts that ended, by outcome");
    describe_counter!(REFUSED, "Attempts that did not begin, by code");
    describe_counter!(FETCHES, "Fetches of a version's code, by result");
    describe_histogram!(SPAWN, "Seconds until a new engine process is ready");
}
