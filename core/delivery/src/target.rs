//! Where workers run.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use workmanager_core_domain::{
    EngineInfo, ErrorKind, Manifest, MimeType, WorkerId, WorkerName,
    attempt::Attempt,
    outcome::{Failure, Report},
};

/// Code that shall become a version, if it loads.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Whose code it is.
    pub worker: WorkerId,
    /// The worker's name, for stack traces.
    pub name: WorkerName,
    /// What the function would see.
    pub manifest: Manifest,
    /// The source.
    pub source: Bytes,
    /// What it was compiled to before, if that is known.
    pub made: Option<Compiled>,
    /// How long loading may take, waking a function included.
    pub timeout: Duration,
}

/// What a source was compiled to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// By what.
    pub toolchain: String,
    /// The artefact.
    pub bytes: Bytes,
}

/// What a version needs beside its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Artefact {
    /// Nothing: its engine loads source.
    None,
    /// What the candidate came with.
    AsGiven,
    /// This, compiled now.
    Fresh(Compiled),
}

/// What a function says about a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It loads.
    Loaded {
        /// The entry that was found.
        entry: String,
        /// What the version needs beside its source.
        artefact: Artefact,
    },
    /// It does not, and why.
    Rejected(Failure),
}

/// No verdict could be had: nothing is known about the code.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// No function answered.
    #[error("no function can validate the code now: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
    },
    /// Nothing here runs this kind of code.
    #[error("no engine for {mime_type} runs here: {reason}")]
    NoEngine {
        /// The kind of code.
        mime_type: String,
        /// Why not.
        reason: String,
    },
}

impl TargetError {
    /// What a caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::NoEngine { .. } => ErrorKind::Unprocessable,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "validation-unavailable",
            Self::NoEngine { .. } => "engine-unavailable",
        }
    }
}

/// A place where workers run: function processes on this machine, a URL, this very process.
#[async_trait]
pub trait Target: Send + Sync {
    /// Runs one attempt. Whatever goes wrong is an outcome, never an error: the report says how far it
    /// came. Returns soon after `attempt.timeout` at the latest.
    async fn attempt(&self, attempt: &Attempt) -> Report;

    /// Asks a function whether a candidate loads. Wakes one if none runs.
    ///
    /// # Errors
    /// See [`TargetError`].
    async fn validate(&self, candidate: &Candidate) -> Result<Verdict, TargetError>;

    /// The engines that can be had here. May wake a function to ask it.
    async fn engines(&self) -> Vec<EngineInfo>;

    /// How far away the next attempt of a worker of this kind is. Does no I/O.
    fn reach(&self, mime_type: MimeType) -> Reach;
}

/// How far away the next attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// A function runs.
    Warm,
    /// A function is starting.
    Starting,
    /// None runs; the next event starts one.
    Cold,
    /// It cannot be known from here.
    Unknown,
}
