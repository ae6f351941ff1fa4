//! What an answer of the sidecar means for us.

use std::{error::Error as _, io};

use tonic::{Code, Status};
use workmanager_core_domain::ports::{BusError, StoreError};

/// Why a call brought nothing.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// It was never sent.
    Unreachable(String),
    /// The sidecar would not do it.
    Refused(String),
    /// An etag did not fit, as the component says. Redis says so of every failure of a write with an etag.
    Mismatch(String),
    /// Larger than the sidecar passes on.
    TooLarge(String),
    /// No answer, or one that leaves open whether it happened.
    Unknown(String),
    /// Time was up.
    Elapsed,
}

impl Failure {
    /// The call that it was part of broke off.
    pub(crate) fn unanswered() -> Self {
        Self::Unknown("the call to the sidecar broke off".to_owned())
    }

    /// What a caller of the store is told, when nothing more could be found out.
    pub(crate) fn of_write(&self) -> StoreError {
        match self {
            Self::Unknown(_) | Self::Elapsed | Self::Mismatch(_) => StoreError::Timeout,
            Self::Unreachable(_) | Self::Refused(_) | Self::TooLarge(_) => {
                StoreError::Unavailable { reason: self.reason().to_owned() }
            }
        }
    }

    /// The same for a read, which changes nothing.
    pub(crate) fn of_read(&self) -> StoreError {
        match self {
            Self::Elapsed => StoreError::Timeout,
            _ => StoreError::Unavailable { reason: self.reason().to_owned() },
        }
    }

    /// What a caller of the bus is told.
    pub(crate) fn of_publishing(&self) -> BusError {
        match self {
            Self::Unknown(_) | Self::Elapsed | Self::Mismatch(_) => BusError::Timeout,
            Self::Unreachable(_) | Self::Refused(_) | Self::TooLarge(_) => {
                BusError::Unavailable { reason: self.reason().to_owned() }
            }
        }
    }

    /// What was seen.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Unreachable(reason)
            | Self::Refused(reason)
            | Self::Mismatch(reason)
            | Self::TooLarge(reason)
            | Self::Unknown(reason) => reason,
            Self::Elapsed => "the sidecar did not answer in time",
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let reason = format!("the sidecar answered {:?}: {}", status.code(), status.message());
        if was_not_sent(&status) {
            return Self::Unreachable("the sidecar cannot be reached".to_owned());
        }
        match status.code() {
            Code::Aborted => Self::Mismatch(reason),
            Code::ResourceExhausted | Code::OutOfRange => Self::TooLarge(reason),
            Code::InvalidArgument
            | Code::NotFound
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::FailedPrecondition
            | Code::Unimplemented => Self::Refused(reason),
            _ => Self::Unknown(reason),
        }
    }
}

/// Whether the connection could not even be made.
fn was_not_sent(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound);
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_happened_is_not_called_unavailable() {
        for code in [Code::Internal, Code::Unavailable, Code::Unknown, Code::Cancelled, Code::DeadlineExceeded] {
            assert!(matches!(Failure::from(Status::new(code, "")).of_write(), StoreError::Timeout), "{code:?}");
            assert!(matches!(Failure::from(Status::new(code, "")).of_publishing(), BusError::Timeout), "{code:?}");
        }
        for code in [Code::InvalidArgument, Code::PermissionDenied, Code::ResourceExhausted] {
            let failure = Failure::from(Status::new(code, "no"));
            assert!(matches!(failure.of_write(), StoreError::Unavailable { .. }), "{code:?}");
            assert!(matches!(failure.of_publishing(), BusError::Unavailable { .. }), "{code:?}");
        }
    }
}
