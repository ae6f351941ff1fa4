//! Why an operation did not happen, before it is known through which port it came.

use rusqlite::ErrorCode;
use workmanager_core_domain::ports::{BusError, StoreError};

/// Why an operation did not happen.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The expectation does not hold for this key; nothing changed.
    Conflict(String),
    /// No space; nothing changed.
    Full,
    /// Nothing changed.
    Unavailable(String),
    /// It may have happened.
    Unknown,
}

impl Failure {
    /// The writer is gone: nothing that was not yet handed to it happens.
    pub(crate) fn stopped() -> Self {
        Self::Unavailable("the store is closed".to_owned())
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict(key) => Self::Conflict { key },
            Failure::Full => Self::Full,
            Failure::Unavailable(reason) => Self::Unavailable { reason },
            Failure::Unknown => Self::Timeout,
        }
    }
}

impl From<Failure> for BusError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict(key) => Self::Unavailable { reason: format!("`{key}` has changed") },
            Failure::Full => Self::Full,
            Failure::Unavailable(reason) => Self::Unavailable { reason },
            Failure::Unknown => Self::Timeout,
        }
    }
}
