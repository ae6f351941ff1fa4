//! What a run of the lab is told from outside.

use std::path::PathBuf;

use clap::Parser as _;

/// The options, all of them from the environment: tests have no arguments of their own.
#[derive(Debug, Clone, clap::Parser)]
#[command(no_binary_name = true)]
pub struct Options {
    /// Repeats the plan of an earlier run.
    #[arg(long, env = "WORKMANAGER_CHAOS_SEED")]
    pub seed: Option<u64>,
    /// How many events are published.
    #[arg(long, env = "WORKMANAGER_CHAOS_EVENTS")]
    pub events: Option<u64>,
    /// Where the summary goes as JSON; each run adds one line.
    #[arg(long, env = "WORKMANAGER_CHAOS_REPORT", value_name = "FILE")]
    pub report: Option<PathBuf>,
}

impl Options {
    /// What the environment says.
    ///
    /// # Panics
    /// A variable cannot be read.
    #[must_use]
    pub fn read() -> Self {
        Self::try_parse_from::<[&str; 0], &str>([]).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The seed: a new one unless it was given.
    #[must_use]
    pub fn seed(&self) -> u64 {
        // Short enough to be typed again.
        self.seed.unwrap_or_else(|| fastrand::u64(1..1_000_000_000))
    }
}
