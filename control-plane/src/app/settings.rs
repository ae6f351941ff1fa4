//! Waits and limits of the use cases.

use std::time::Duration;

/// How long things are waited for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For the verdict on code, when the caller does not say.
    pub wait: Duration,
    /// For attempts in flight of a deleted worker, when the caller does not say.
    pub drain: Duration,
    /// For the subscriptions of a started worker.
    pub settle: Duration,
    /// How long a first answer is kept for its repetitions.
    pub claim_life: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            settle: Duration::from_secs(10),
            claim_life: Duration::from_secs(24 * 3600),
        }
    }
}
