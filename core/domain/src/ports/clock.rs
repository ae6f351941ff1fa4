//! Time and randomness, so that tests decide both.

use std::time::Duration;

use uuid::Uuid;

use crate::Timestamp;

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// Wall-clock time, for people and records. May jump.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment of this process. Never jumps; leases and deadlines use it.
    fn monotonic(&self) -> Duration;
}

/// Where fresh identifiers come from.
pub trait Ids: Send + Sync {
    /// A new UUID, version 7.
    fn next(&self) -> Uuid;
}
