//! What is answered when there is no answer of a worker.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde::Serialize;
use workmanager_core_domain::{
    ErrorKind,
    event::InvalidEvent,
    outcome::{Failure, FailureKind},
};
use workmanager_core_frames::{FailedWith, FrameError, NOT_ATTEMPTED, OUTCOME_HEADER};
use workmanager_functions_dispatcher as dispatcher;

/// A problem document.
#[derive(Debug)]
pub(crate) struct Problem(Box<Document>);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    r#type: &'static str,
    title: &'static str,
    #[serde(serialize_with = "number")]
    status: StatusCode,
    code: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<String>,
    #[serde(skip)]
    attempted: bool,
}

fn number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem because of which no attempt began.
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Document {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status,
            code,
            detail: detail.into(),
            error_type: None,
            stack: None,
            attempted: false,
        }))
    }

    /// A problem with an attempt that ran.
    fn of_attempt(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(status, code, detail).attempted()
    }

    pub(crate) fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn draining() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "this function is stopping")
    }

    /// Says to which of several events it belongs.
    pub(crate) fn at(mut self, index: usize) -> Self {
        self.0.detail = format!("event {index} of the batch: {}", self.0.detail);
        self
    }

    /// Some attempt of the request has run before this.
    pub(crate) fn attempted(mut self) -> Self {
        self.0.attempted = true;
        self
    }

    /// The failure of an attempt.
    pub(crate) fn failed(error: FailedWith) -> Self {
        match error {
            FailedWith::Failed(failure) => Self::failure(failure),
            FailedWith::EngineLost { message } => Self::of_attempt(StatusCode::BAD_GATEWAY, "engine-lost", message),
            FailedWith::TimedOut { limit_ms } => {
                let detail = format!("the worker did not answer within {limit_ms} ms");
                Self::of_attempt(StatusCode::GATEWAY_TIMEOUT, "timed-out", detail)
            }
        }
    }

    fn failure(failure: Failure) -> Self {
        let status = match failure.kind {
            FailureKind::InvalidEvent | FailureKind::LoadFailed => StatusCode::UNPROCESSABLE_ENTITY,
            FailureKind::VersionUnavailable | FailureKind::ArtefactMissing => StatusCode::SERVICE_UNAVAILABLE,
            FailureKind::GrantRefused => StatusCode::FORBIDDEN,
            FailureKind::Protocol => StatusCode::BAD_GATEWAY,
            FailureKind::Exception
            | FailureKind::InvalidReply
            | FailureKind::OutOfMemory
            | FailureKind::ReplyTooLarge => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let Failure { kind, error_type, message, stack, .. } = failure;
        let mut problem = Self::of_attempt(status, kind.code(), message);
        (problem.0.error_type, problem.0.stack) = (error_type, stack);
        problem
    }

    /// The worker's answer is no event.
    pub(crate) fn invalid_reply(error: &InvalidEvent) -> Self {
        let detail = format!("the reply is no event: {error}");
        Self::of_attempt(StatusCode::INTERNAL_SERVER_ERROR, FailureKind::InvalidReply.code(), detail)
    }
}

const fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::Overloaded => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::WorkerFailed => StatusCode::BAD_GATEWAY,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<dispatcher::Error> for Problem {
    fn from(error: dispatcher::Error) -> Self {
        Self::new(status(error.kind()), error.code(), error.to_string())
    }
}

impl From<InvalidEvent> for Problem {
    fn from(error: InvalidEvent) -> Self {
        Self::new(status(error.kind()), error.code(), format!("the event {error}"))
    }
}

impl From<FrameError> for Problem {
    fn from(error: FrameError) -> Self {
        let detail = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self::invalid("invalid-frame", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if !self.0.attempted {
            headers.insert(OUTCOME_HEADER, HeaderValue::from_static(NOT_ATTEMPTED));
        }
        if matches!(self.0.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use workmanager_core_domain::MimeType;
    use workmanager_engines_host::SpawnError;

    use super::*;

    #[test]
    fn every_code_of_the_function_is_explained() {
        let text = String::new;
        let errors = [
            dispatcher::Error::Overloaded { worker: text(), reason: "" },
            dispatcher::Error::GrantRefused { digest: text() },
            dispatcher::Error::VersionUnavailable { digest: text(), reason: text() },
            dispatcher::Error::VersionNotLoaded { worker: text() },
            dispatcher::Error::ArtefactMissing { digest: text() },
            dispatcher::Error::OtherToolchain { made_by: text(), here: text() },
            dispatcher::Error::NoEngine { mime_type: MimeType::Dll, reason: text() },
            dispatcher::Error::Engine(SpawnError::Slow),
            dispatcher::Error::WrongSource { found: text(), expected: text() },
            dispatcher::Error::Frame(FrameError::Kind(0)),
        ];
        let failures = [FailedWith::EngineLost { message: text() }, FailedWith::TimedOut { limit_ms: 1 }];
        let problems = errors.into_iter().map(Problem::from).chain(failures.into_iter().map(Problem::failed));
        let problems = problems.chain([Problem::draining(), Problem::from(FrameError::Kind(0))]);
        let document = include_str!("../../../docs/errors.md");
        for problem in problems {
            let code = problem.0.code;
            assert!(document.contains(&format!("| `{code}` |")), "docs/errors.md does not explain `{code}`");
        }
    }
}
