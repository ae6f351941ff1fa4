//! What a worker may use.

use std::{num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};

use crate::units::{Size, Span};

/// A worker's limits. All are finite, always.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Wall-clock time of one attempt, from 1 ms to 15 min.
    pub timeout: Span,
    /// Memory of one engine process, from 16 MiB to 16 GiB.
    pub memory: Size,
    /// Attempts in flight per control-plane replica, from 1 to 1,000.
    pub concurrency: NonZeroU32,
    /// Attempts before an event is dead-lettered, from 1 to 100.
    pub max_attempts: NonZeroU32,
    /// Age of an event, counted from its acceptance, after which no attempt starts any more.
    pub max_age: Span,
    /// Log bytes kept per attempt, at most 1 MiB.
    pub log_bytes: Size,
}

impl Default for Limits {
    fn default() -> Self {
        const ONE: NonZeroU32 = NonZeroU32::MIN;
        Self {
            timeout: Span(Duration::from_secs(30)),
            memory: Size(256 << 20),
            concurrency: ONE,
            max_attempts: ONE.saturating_add(4),
            max_age: Span(Duration::from_secs(6 * 3600)),
            log_bytes: Size(64 << 10),
        }
    }
}

/// A limit outside its range: the field's JSON name and the reason.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{field} {reason}")]
pub struct LimitOutOfRange {
    /// JSON name of the field, as in `limits.timeout`.
    pub field: &'static str,
    /// What the range is.
    pub reason: &'static str,
}

impl Limits {
    /// The longest that a worker may let its events wait.
    pub const MAX_AGE: Span = Span(Duration::from_secs(14 * 86_400));

    /// Every limit that is out of range.
    #[must_use]
    pub fn out_of_range(&self) -> Vec<LimitOutOfRange> {
        let Self { timeout, memory, concurrency, max_attempts, max_age, log_bytes } = self;
        let ms = Duration::from_millis(1);
        let checks = [
            (ms <= timeout.0 && timeout.0 <= 900_000 * ms, "timeout", "must be from 1ms to 15m"),
            ((16 << 20..=16 << 30).contains(&memory.0), "memory", "must be from 16MiB to 16GiB"),
            (concurrency.get() <= 1_000, "concurrency", "must be from 1 to 1000"),
            (max_attempts.get() <= 100, "maxAttempts", "must be from 1 to 100"),
            (1_000 * ms <= max_age.0 && *max_age <= Self::MAX_AGE, "maxAge", "must be from 1s to 14days"),
            (log_bytes.0 <= 1 << 20, "logBytes", "must be at most 1MiB"),
        ];
        checks
            .into_iter()
            .filter(|(within, ..)| !within)
            .map(|(_, field, reason)| LimitOutOfRange { field, reason })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let json = serde_json::to_string(&Limits::default()).unwrap();
        let expected =
            r#"{"timeout":"30s","memory":"256MiB","concurrency":1,"maxAttempts":5,"maxAge":"6h","logBytes":"64KiB"}"#;
        assert_eq!(json, expected);
        assert!(Limits::default().out_of_range().is_empty());
    }

    #[test]
    fn every_limit_out_of_range_is_named() {
        let big = NonZeroU32::new(1_001).unwrap();
        let limits = Limits {
            timeout: Span(Duration::ZERO),
            memory: Size(1),
            concurrency: big,
            max_attempts: big,
            max_age: Span(Duration::MAX),
            log_bytes: Size(2 << 20),
        };
        let fields: Vec<_> = limits.out_of_range().into_iter().map(|l| l.field).collect();
        assert_eq!(fields, ["timeout", "memory", "concurrency", "maxAttempts", "maxAge", "logBytes"]);
    }
}
