//! How an attempt ended.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Digest, Event, Timestamp};

/// How one attempt ended. One total function (`core/delivery`) decides what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The worker answered with an event, completed by [`crate::reply::complete`].
    Replied(Box<Event>),
    /// The worker answered with nothing.
    NoReply,
    /// The worker, or loading it, failed.
    Failed(Failure),
    /// No attempt began: no room there now.
    Overloaded {
        /// Who had no room, and what to do.
        message: String,
    },
    /// The worker's process died during the attempt.
    EngineLost {
        /// Exit code or signal, in words.
        message: String,
    },
    /// The deadline passed; the process was killed.
    TimedOut {
        /// The limit that was overrun.
        limit: Duration,
    },
    /// It is not known whether the worker ran: the answer has no final frame.
    Unknown {
        /// What was seen.
        message: String,
    },
}

/// What went wrong in the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// Whether the same attempt may succeed later.
    pub retryable: bool,
    /// The engine's own type name, as in `ValueError`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    /// One line for people.
    pub message: String,
    /// The worker's own stack, from its first line on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// What a compiler says about the code, all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<CodeError>,
}

/// One place in the code that a compiler does not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CodeError {
    /// The file, as the code is named in stack traces, or as an archive has it.
    pub file: String,
    /// The line, from 1 on.
    pub line: u32,
    /// The column, from 1 on.
    pub column: u32,
    /// The compiler's own name for it, as in `CS1002`.
    pub id: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for CodeError {
    /// As compilers write it, so that editors find the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, id, message } = self;
        write!(f, "{file}({line},{column}): error {id}: {message}")
    }
}

/// The kinds of failure; their codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The worker raised an exception.
    Exception,
    /// The code does not load: syntax, import, missing entry.
    LoadFailed,
    /// The worker's answer is no event.
    InvalidReply,
    /// The event's data cannot be handed to the worker (JSON that does not parse).
    InvalidEvent,
    /// The worker ran into its memory limit.
    OutOfMemory,
    /// The reply is larger than the limit.
    ReplyTooLarge,
    /// The version's code is not where its digest says.
    VersionUnavailable,
    /// What the version's source was compiled to is lost; it can be made again.
    ArtefactMissing,
    /// The function refused the grant.
    GrantRefused,
    /// The engine broke its protocol.
    Protocol,
}

impl FailureKind {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Exception => "worker-exception",
            Self::LoadFailed => "load-failed",
            Self::InvalidReply => "invalid-reply",
            Self::InvalidEvent => "invalid-event",
            Self::OutOfMemory => "out-of-memory",
            Self::ReplyTooLarge => "reply-too-large",
            Self::VersionUnavailable => "version-unavailable",
            Self::ArtefactMissing => "artefact-missing",
            Self::GrantRefused => "grant-refused",
            Self::Protocol => "engine-protocol",
        }
    }
}

impl Failure {
    /// One line for people, as the engine's own users expect it: `ValueError: no such order`.
    #[must_use]
    pub fn summary(&self) -> String {
        match &self.error_type {
            Some(error_type) if *error_type != self.message => format!("{error_type}: {}", self.message),
            Some(_) | None => self.message.clone(),
        }
    }
}

impl Outcome {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Replied(_) => "replied",
            Self::NoReply => "no-reply",
            Self::Failed(failure) => failure.kind.code(),
            Self::Overloaded { .. } => "overloaded",
            Self::EngineLost { .. } => "engine-lost",
            Self::TimedOut { .. } => "timed-out",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// One line for people; empty when there is nothing to say.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Replied(_) | Self::NoReply => String::new(),
            Self::Failed(failure) => failure.summary(),
            Self::Overloaded { message } | Self::EngineLost { message } | Self::Unknown { message } => message.clone(),
            Self::TimedOut { limit } => {
                format!("the worker did not answer within {}", crate::units::Span(*limit))
            }
        }
    }
}

/// One piece of a worker's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// When it was read.
    pub at: Timestamp,
    /// Where it was written.
    pub stream: LogStream,
    /// The text, without its line end; what is not UTF-8 is replaced.
    pub text: String,
}

/// The two streams of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A whole attempt, as whoever ran it reports it.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// The version that ran.
    pub digest: Digest,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, loading included.
    pub duration: Duration,
    /// Its output, up to `limits.logBytes`.
    pub logs: Vec<LogLine>,
    /// Whether output was left out.
    pub logs_truncated: bool,
}
