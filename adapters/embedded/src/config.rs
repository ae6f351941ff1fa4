//! What an owner of a store decides.

use std::{path::PathBuf, time::Duration};

/// Where a store keeps its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In this directory, which is made if need be. It survives restarts and power cuts.
    Directory(PathBuf),
    /// In a temporary directory that goes away with the store. Nothing waits for the disk.
    Ephemeral,
}

/// A store's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the files are.
    pub location: Location,
    /// How long an event stays in the log after it was published, for tails. One that waits for its
    /// outcome stays until it has one.
    pub retention: Duration,
    /// Largest log in bytes of events; beyond it the oldest that nobody waits for go first.
    pub log_limit: u64,
    /// Largest database file in bytes; when it is reached, writes answer that the store is full.
    /// `None`: as large as the disk.
    pub size_limit: Option<u64>,
    /// How often to look for what can be removed.
    pub housekeeping: Duration,
}

impl Config {
    /// The defaults, at a location.
    #[must_use]
    pub const fn new(location: Location) -> Self {
        Self {
            location,
            retention: Duration::from_secs(60 * 60),
            log_limit: 1 << 30,
            size_limit: None,
            housekeeping: Duration::from_secs(30),
        }
    }
}
