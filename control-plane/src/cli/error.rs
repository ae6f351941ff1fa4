//! What can go wrong on the command line's side, and what to do about it.

use std::{io, path::PathBuf};

use workmanager_core_domain::event::InvalidEvent;

use super::{Exit, problem::Problem, server::Server};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a verb did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error("no server answers at {server}")]
    Unreachable {
        /// Where.
        server: Server,
        /// What was seen.
        #[source]
        source: Source,
    },
    /// No answer in time.
    #[error("the server at {server} did not answer in time")]
    Timeout {
        /// Where.
        server: Server,
    },
    /// The connection broke in the middle of an answer.
    #[error("the server at {server} stopped in the middle of its answer")]
    Broken {
        /// Where.
        server: Server,
        /// What was seen.
        #[source]
        source: Source,
    },
    /// A stream that was to go on has ended.
    #[error("the server at {server} has ended the stream")]
    Ended {
        /// Where.
        server: Server,
    },
    /// The server said no.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The answer is not what this program understands.
    #[error("the answer of {server} cannot be understood")]
    Answer {
        /// Where.
        server: Server,
        /// Why.
        #[source]
        source: Source,
    },
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The output cannot be written.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    /// The event is none.
    #[error("the event cannot be published: {0}")]
    Event(InvalidEvent),
    /// What was given cannot be used; found before the server was asked.
    #[error("{message}")]
    Input {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Some of several things failed; each was said.
    #[error("{failed} of {all} failed")]
    Some {
        /// How many.
        failed: usize,
        /// Of how many.
        all: usize,
        /// How the first one ended.
        first: Exit,
    },
}

impl Error {
    /// What was given cannot be used.
    pub(crate) fn input(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Input { message: message.into(), hint: hint.into() }
    }

    /// How the program ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Timeout { .. } | Self::Broken { .. } | Self::Ended { .. } => Exit::Unavailable,
            Self::Problem(problem) => problem.exit(),
            Self::Answer { .. } => Exit::Failure,
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => Exit::NotFound,
            // The reader had enough: that is how `| head` ends.
            Self::Output(source) if source.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
            Self::Read { .. } | Self::Output(_) => Exit::Failure,
            Self::Event(_) | Self::Input { .. } => Exit::Refused,
            Self::Some { first, .. } => *first,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => {
                Some("is it running? start one with `workmanager dev`, or say where it is with --server".to_owned())
            }
            Self::Timeout { .. } | Self::Broken { .. } => {
                Some("`workmanager doctor` says whether it is well".to_owned())
            }
            Self::Ended { .. } => {
                Some("it stops, or this tail was too slow; tail again with --since to miss nothing".to_owned())
            }
            Self::Problem(problem) => problem.hint(),
            Self::Answer { .. } => Some("is it a WorkManager, and as new as this program?".to_owned()),
            Self::Read { .. } => Some("check the path and its permissions".to_owned()),
            Self::Event(_) => Some("see `workmanager publish --help` for what an event may carry".to_owned()),
            Self::Input { hint, .. } => Some(hint.clone()),
            Self::Output(_) | Self::Some { .. } => None,
        }
    }
}

/// The chain of causes behind an error, without what its own message says already.
pub(crate) fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if causes.last().is_none_or(|last| !last.contains(&text)) {
            causes.push(text);
        }
        next = cause.source();
    }
    causes
}
