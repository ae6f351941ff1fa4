//! What can be wrong with a filter, and with one evaluation of it.

use cel::{ExecutionError, ParseErrors};
use workmanager_core_domain::ErrorKind;

/// Longest message, in bytes: an evaluator's message may quote the values it saw.
const MAX_MESSAGE: usize = 512;

/// Why a text is no filter.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum InvalidFilter {
    /// Longer than the limit.
    #[error("must have at most {limit} bytes, has {len}")]
    TooLong {
        /// What was given.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// Something is wrong at a place in the text.
    #[error("line {line}, column {column}: {reason}")]
    At {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// Its loops could run too long on an ordinary event.
    #[error("could run too long: a loop inside a loop goes over all pairs")]
    TooCostly,
}

impl InvalidFilter {
    /// What a caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "invalid-filter"
    }

    /// Something is wrong at byte `at` of `text`.
    pub(super) fn at(text: &str, at: usize, reason: String) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        Self::At { line, column: before[line_start..].chars().count() + 1, reason }
    }

    /// The first thing that the parser says.
    pub(super) fn parse(errors: &ParseErrors) -> Self {
        let Some(first) = errors.errors.first() else { return Self::unreadable() };
        let place = |place: isize| usize::try_from(place).unwrap_or(1).max(1);
        let reason = cut(first.msg.strip_prefix("Syntax error: ").unwrap_or(&first.msg));
        Self::At { line: place(first.pos.0), column: place(first.pos.1), reason }
    }

    /// The parser gave up without a place.
    pub(super) fn unreadable() -> Self {
        Self::At { line: 1, column: 1, reason: "cannot be read as CEL".into() }
    }
}

/// Why it cannot be said whether an event matches.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("{message}")]
pub struct EvaluationError {
    message: String,
}

impl EvaluationError {
    pub(super) fn new(message: &str) -> Self {
        Self { message: cut(message) }
    }

    pub(super) fn not_a_boolean(kind: &str) -> Self {
        Self::new(&format!("the filter is a {kind}, not true or false"))
    }

    pub(super) fn too_costly() -> Self {
        Self::new("the filter's loops could run too long on an event of this size")
    }

    pub(super) fn failed() -> Self {
        Self::new("the evaluator failed")
    }
}

impl From<ExecutionError> for EvaluationError {
    fn from(error: ExecutionError) -> Self {
        match &error {
            ExecutionError::NoSuchKey(key) => Self::new(&format!("`{key}` is not there")),
            _ => Self::new(&error.to_string()),
        }
    }
}

fn cut(message: &str) -> String {
    message[..message.floor_char_boundary(MAX_MESSAGE)].to_owned()
}
