//! What can be wrong with an event.

use crate::ErrorKind;

/// Why bytes are not a CloudEvent that is served here.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEvent {
    /// Not JSON.
    #[error("is not JSON: {message}")]
    Json {
        /// The parser's message, with line and column.
        message: String,
    },
    /// Nested deeper than the limit.
    #[error("is nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Not UTF-8 where text is needed.
    #[error("{what} is not UTF-8")]
    Utf8 {
        /// Which part.
        what: String,
    },
    /// A required attribute is missing or empty.
    #[error("attribute `{name}` is required and must not be empty")]
    Missing {
        /// The attribute.
        name: &'static str,
    },
    /// An attribute has a value that it cannot have.
    #[error("attribute `{name}` {reason}")]
    Attribute {
        /// The attribute.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `specversion` is not one that is served.
    #[error("specversion `{found}` is not served, only 1.0")]
    SpecVersion {
        /// What was given.
        found: String,
    },
    /// A content type that carries no event.
    #[error("content type `{0}` is not served")]
    ContentType(String),
    /// Attributes and data together are larger than the limit.
    #[error("has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// What was given.
        size: usize,
        /// The limit.
        limit: usize,
    },
}

impl InvalidEvent {
    /// What a caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Json { .. }
            | Self::TooDeep { .. }
            | Self::Utf8 { .. }
            | Self::Missing { .. }
            | Self::Attribute { .. }
            | Self::SpecVersion { .. } => ErrorKind::Invalid,
            Self::ContentType(_) => ErrorKind::UnsupportedMediaType,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Json { .. } => "json-malformed",
            Self::TooDeep { .. } => "json-too-deep",
            Self::Utf8 { .. } => "invalid-utf8",
            Self::Missing { .. } | Self::Attribute { .. } | Self::SpecVersion { .. } => "invalid-event",
            Self::ContentType(_) => "unsupported-media-type",
            Self::TooLarge { .. } => "event-too-large",
        }
    }
}
