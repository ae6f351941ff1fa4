//! What follows from an attempt's outcome: one total function, no clock and no randomness inside.
//!
//! | Outcome | Attempt counts | Follows | Why |
//! |---|---|---|---|
//! | replied, no reply | yes | settle | it is done |
//! | failed, `retryable: false` | yes | dead letter `not-retryable` | the same attempt fails the same way |
//! | failed, `retryable: true` | yes | retry | the worker may do better later |
//! | engine lost, timed out | yes | retry | the worker had its chance; it may be its own doing |
//! | failed, `artefact-missing` | no, and it did not begin | retry | it is compiled again meanwhile |
//! | unknown | no | retry | the function went away; that is not the worker's doing |
//! | overloaded | no, and it did not begin | retry | nobody tried: no room, or no function there |
//! | `maxAttempts` counted | | dead letter `attempts-exhausted` | a retry must end |
//! | the retry would be older than `maxAge` | | dead letter `too-old` | no attempt may start then |
//!
//! What does not count is bounded by `maxAge` alone.

use std::time::Duration;

use workmanager_core_domain::{Event, Limits, Outcome, dead_letter::Reason, outcome::FailureKind, reply};

/// How often an event may be the reply to another; then it is going in circles.
pub const MAX_HOPS: i32 = 16;

/// Exponential backoff with full jitter: the wait before retry `n` is anything from nothing to
/// `base * factor^n`, at most `cap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first wait.
    pub base: Duration,
    /// How much longer the next may be.
    pub factor: u32,
    /// The longest wait of all.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(200), factor: 2, cap: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// The longest wait before retry `retry`, which counts from 0.
    #[must_use]
    pub fn longest(&self, retry: u32) -> Duration {
        self.base.saturating_mul(self.factor.saturating_pow(retry)).min(self.cap)
    }

    /// The wait before retry `retry`. `jitter` is from 0 to 1.
    #[must_use]
    pub fn wait(&self, retry: u32, jitter: f64) -> Duration {
        self.longest(retry).mul_f64(jitter.clamp(0.0, 1.0))
    }
}

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    /// Attempts that began, or may have begun.
    pub begun: u32,
    /// Those of them that count against `maxAttempts`.
    pub counted: u32,
    /// Retries decided on, whether an attempt began before or not.
    pub retries: u32,
}

/// Whether an attempt with this outcome's code began and counts; for records that are read back.
#[must_use]
pub fn counts(code: &str) -> bool {
    code != "unknown" && code != "overloaded" && code != "artefact-missing"
}

/// Whether an attempt with this outcome began, or may have begun.
#[must_use]
pub const fn began(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed(failure) => !matches!(failure.kind, FailureKind::ArtefactMissing),
        Outcome::Replied(_)
        | Outcome::NoReply
        | Outcome::EngineLost { .. }
        | Outcome::TimedOut { .. }
        | Outcome::Unknown { .. } => true,
        Outcome::Overloaded { .. } => false,
    }
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The worker is done.
    Settle,
    /// Another attempt.
    Retry {
        /// How long to wait before it.
        after: Duration,
        /// Including the attempt just ended.
        tries: Tries,
    },
    /// It is given up.
    DeadLetter {
        /// Why.
        reason: Reason,
    },
}

/// Decides what follows from `outcome`, of an attempt made after `before`, on an event of `age`.
/// `jitter` is from 0 to 1.
#[must_use]
pub fn decide(
    outcome: &Outcome,
    before: Tries,
    age: Duration,
    limits: &Limits,
    backoff: &Backoff,
    jitter: f64,
) -> Verdict {
    let (begun, counted) = match outcome {
        Outcome::Replied(_) | Outcome::NoReply => return Verdict::Settle,
        Outcome::Failed(failure) if failure.kind == FailureKind::ArtefactMissing => (0, 0),
        Outcome::Failed(failure) if !failure.retryable => return Verdict::DeadLetter { reason: Reason::NotRetryable },
        Outcome::Failed(_) | Outcome::EngineLost { .. } | Outcome::TimedOut { .. } => (1, 1),
        Outcome::Unknown { .. } => (1, 0),
        Outcome::Overloaded { .. } => (0, 0),
    };
    let tries = Tries {
        begun: before.begun.saturating_add(begun),
        counted: before.counted.saturating_add(counted),
        retries: before.retries.saturating_add(1),
    };
    if tries.counted >= limits.max_attempts.get() {
        return Verdict::DeadLetter { reason: Reason::AttemptsExhausted };
    }
    let after = backoff.wait(before.retries, jitter);
    if too_old(age.saturating_add(after), limits) {
        return Verdict::DeadLetter { reason: Reason::TooOld };
    }
    Verdict::Retry { after, tries }
}

/// Why no attempt may start at all, if so.
#[must_use]
pub fn refuse(event: &Event, age: Duration, limits: &Limits) -> Option<Reason> {
    if reply::hops(event) >= MAX_HOPS {
        Some(Reason::Loop)
    } else if too_old(age, limits) {
        Some(Reason::TooOld)
    } else {
        None
    }
}

fn too_old(age: Duration, limits: &Limits) -> bool {
    age >= limits.max_age.0
}

#[cfg(test)]
mod tests;
