//! How an error is answered: the one table from what a caller can do about it to statuses, and the
//! problem document.

mod document;

use axum::response::{IntoResponse, Response};
pub(crate) use document::document;
use http::{HeaderValue, StatusCode, header};
use workmanager_core_domain::{ErrorKind, event::InvalidEvent};

use crate::app::{self, Code, Problems};

/// What every API answers to a kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The HTTP status.
    pub status: StatusCode,
    /// The number of the gRPC status.
    pub grpc: u8,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The title of the problem document.
    pub title: &'static str,
}

/// The one table.
#[must_use]
pub const fn row(kind: ErrorKind) -> Row {
    const fn row(status: StatusCode, grpc: u8, retryable: bool, title: &'static str) -> Row {
        Row { status, grpc, retryable, title }
    }
    match kind {
        ErrorKind::Invalid => row(StatusCode::BAD_REQUEST, 3, false, "The request is not valid"),
        ErrorKind::Unprocessable => row(StatusCode::UNPROCESSABLE_ENTITY, 3, false, "The request cannot be used"),
        ErrorKind::TooLarge => row(StatusCode::PAYLOAD_TOO_LARGE, 3, false, "The request is too large"),
        ErrorKind::UnsupportedMediaType => {
            row(StatusCode::UNSUPPORTED_MEDIA_TYPE, 3, false, "The media type is not served")
        }
        ErrorKind::NotFound => row(StatusCode::NOT_FOUND, 5, false, "There is no such thing"),
        ErrorKind::Conflict => row(StatusCode::CONFLICT, 10, false, "The request conflicts with what is there"),
        ErrorKind::PreconditionFailed => row(StatusCode::PRECONDITION_FAILED, 9, false, "The precondition fails"),
        ErrorKind::Unauthenticated => row(StatusCode::UNAUTHORIZED, 16, false, "A valid token is needed"),
        ErrorKind::Forbidden => row(StatusCode::FORBIDDEN, 7, false, "The request is not allowed"),
        ErrorKind::Overloaded => row(StatusCode::SERVICE_UNAVAILABLE, 8, true, "There is no room now"),
        ErrorKind::Unavailable => row(StatusCode::SERVICE_UNAVAILABLE, 14, true, "A needed part is not there now"),
        ErrorKind::WorkerFailed => row(StatusCode::BAD_GATEWAY, 10, false, "The worker failed"),
        ErrorKind::Timeout => row(StatusCode::GATEWAY_TIMEOUT, 4, true, "Time was up"),
        ErrorKind::Unsupported => row(StatusCode::NOT_IMPLEMENTED, 12, false, "This deployment cannot do that"),
        ErrorKind::Internal => row(StatusCode::INTERNAL_SERVER_ERROR, 13, false, "Something went wrong here"),
    }
}

/// Why a request is refused, before or by its use case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// By the use case.
    #[error(transparent)]
    App(#[from] app::Error),
    /// What was sent is no event.
    #[error("{}", event_text(.at.as_deref(), .source))]
    Event {
        /// JSON pointer to it, in a batch.
        at: Option<String>,
        /// What is wrong.
        source: InvalidEvent,
    },
    /// Something that needs only its code and a text.
    #[error("{1}")]
    Plain(Code, String),
}

fn event_text(at: Option<&str>, source: &InvalidEvent) -> String {
    match at {
        Some(at) => format!("event `{at}`: {source}"),
        None => format!("the event: {source}"),
    }
}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        Self::App(problems.into())
    }
}

impl Error {
    /// A parameter of the query that cannot be read.
    pub(crate) fn query(name: &str, reason: impl Into<String>) -> Self {
        Problems::one(format!("?{name}"), reason).into()
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::App(error) => error.kind(),
            Self::Event { source, .. } => source.kind(),
            Self::Plain(code, _) => code.kind(),
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::App(error) => error.code(),
            Self::Event { source, .. } => source.code(),
            Self::Plain(code, _) => code.as_str(),
        }
    }

    /// The status: the table's, but for the one that only HTTP has.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Plain(Code::MethodNotAllowed, _) => StatusCode::METHOD_NOT_ALLOWED,
            Self::App(_) | Self::Event { .. } | Self::Plain(..) => row(self.kind()).status,
        }
    }
}

/// Carried by a response whose body is still to be written, as [`document`] does it.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(pub(crate) std::sync::Arc<Error>);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        let headers = response.headers_mut();
        if row(self.kind()).retryable {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.kind() == ErrorKind::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Refusal(self.into()));
        response
    }
}
