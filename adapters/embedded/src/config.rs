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

/// How long and how much to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// What is older goes.
    pub time: Duration,
    /// Above this size the oldest goes, whatever its age.
    pub bytes: u64,
}

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A store's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the files are.
    pub location: Location,
    /// The log of events, for tails: counted from when an event was published. One that waits for its
    /// outcome stays until it has one.
    pub log: Keep,
    /// Event records: counted from when the event was finished. Others stay.
    pub records: Keep,
    /// Dead letters: counted from when an event was given up. They never go for want of space.
    pub dead_letters: Duration,
    /// Bytes of the file system that nothing new may use; they are for the outcomes of what was taken in
    /// before. Never more than an eighth of it.
    pub reserve: u64,
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
            log: Keep { time: HOUR, bytes: 1 << 30 },
            records: Keep { time: HOUR, bytes: 1 << 30 },
            dead_letters: HOUR.saturating_mul(24 * 14),
            reserve: 64 << 20,
            size_limit: None,
            housekeeping: Duration::from_secs(30),
        }
    }
}
