//! What was last seen of each worker's code: whether it loads.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;
use workmanager_core_domain::{
    Timestamp, WorkerId,
    outcome::{FailureKind, Outcome, Report},
};

/// Why a worker's code does not load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadFailure {
    /// The engine's message.
    pub message: String,
    /// Since when it is so.
    pub since: Timestamp,
}

/// The last load failure of each worker that has one. Bounded by the number of workers.
#[derive(Debug, Default)]
pub struct Board {
    failing: RwLock<HashMap<WorkerId, LoadFailure>>,
    /// Workers whose artefact is lost, and that nobody has taken up yet.
    missing: Mutex<HashSet<WorkerId>>,
    is_missing: Notify,
    // Lets the happy path, where nobody fails, go without the lock.
    count: AtomicUsize,
}

/// What an attempt says about loading.
enum Sign {
    Loads,
    Misses,
    Fails(String),
    Nothing,
}

fn sign(outcome: &Outcome) -> Sign {
    match outcome {
        Outcome::Replied(_) | Outcome::NoReply => Sign::Loads,
        Outcome::Failed(failure) => match failure.kind {
            FailureKind::LoadFailed | FailureKind::VersionUnavailable => Sign::Fails(failure.summary()),
            FailureKind::Exception
            | FailureKind::InvalidReply
            | FailureKind::InvalidEvent
            | FailureKind::OutOfMemory
            | FailureKind::ReplyTooLarge => Sign::Loads,
            FailureKind::ArtefactMissing => Sign::Misses,
            FailureKind::GrantRefused | FailureKind::Protocol => Sign::Nothing,
        },
        Outcome::Overloaded { .. }
        | Outcome::EngineLost { .. }
        | Outcome::TimedOut { .. }
        | Outcome::Unknown { .. } => Sign::Nothing,
    }
}

impl Board {
    /// Takes note of an attempt of `worker`.
    pub fn note(&self, worker: WorkerId, report: &Report) {
        match sign(&report.outcome) {
            Sign::Nothing => {}
            Sign::Loads => self.clear(worker),
            Sign::Misses => {
                self.missing.lock().unwrap_or_else(PoisonError::into_inner).insert(worker);
                self.is_missing.notify_one();
            }
            Sign::Fails(message) => {
                let mut failing = self.failing.write().unwrap_or_else(PoisonError::into_inner);
                let since = failing.get(&worker).map_or(report.started_at, |known| known.since);
                failing.insert(worker, LoadFailure { message, since });
                self.count.store(failing.len(), Ordering::Release);
            }
        }
    }

    /// A worker whose artefact an attempt has missed; waits for one. For one caller.
    pub async fn next_missing(&self) -> WorkerId {
        loop {
            let next = {
                let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
                let next = missing.iter().next().copied();
                next.and_then(|worker| missing.take(&worker))
            };
            match next {
                Some(worker) => return worker,
                None => self.is_missing.notified().await,
            }
        }
    }

    /// Forgets what was seen of `worker`: it has new code, or is deleted.
    pub fn clear(&self, worker: WorkerId) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut failing = self.failing.write().unwrap_or_else(PoisonError::into_inner);
        failing.remove(&worker);
        self.count.store(failing.len(), Ordering::Release);
    }

    /// Why `worker`'s code does not load, if that was seen last.
    #[must_use]
    pub fn get(&self, worker: WorkerId) -> Option<LoadFailure> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.failing.read().unwrap_or_else(PoisonError::into_inner).get(&worker).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;
    use workmanager_core_domain::{Digest, outcome::Failure};

    use super::*;

    fn report(outcome: Outcome, second: i64) -> Report {
        let started_at = Timestamp::from_micros(second * 1_000_000).unwrap();
        let digest = Digest::of(b"v");
        Report { outcome, digest, started_at, duration: Duration::ZERO, logs: Vec::new(), logs_truncated: false }
    }

    fn failed(kind: FailureKind, message: &str) -> Outcome {
        let message = message.to_owned();
        Outcome::Failed(Failure { kind, retryable: false, error_type: None, message, stack: None, errors: Vec::new() })
    }

    #[test]
    fn a_load_failure_stands_until_the_code_loads() {
        let (board, worker) = (Board::default(), WorkerId::new(Uuid::from_u128(1)));
        board.note(worker, &report(failed(FailureKind::LoadFailed, "line 1"), 1));
        board.note(worker, &report(failed(FailureKind::LoadFailed, "line 2"), 2));
        let failure = board.get(worker).unwrap();
        assert_eq!((failure.message.as_str(), failure.since.as_micros()), ("line 2", 1_000_000));
        assert_eq!(board.get(WorkerId::new(Uuid::from_u128(2))), None);

        board.note(worker, &report(Outcome::TimedOut { limit: Duration::ZERO }, 3));
        assert!(board.get(worker).is_some(), "a time-out says nothing about loading");
        board.note(worker, &report(failed(FailureKind::Exception, "boom"), 4));
        assert_eq!(board.get(worker), None, "code that raises has loaded");
    }
}
