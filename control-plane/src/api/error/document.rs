//! Problem documents.
//!
//! Source: RFC 9457.

use axum::{body::Body, response::Response};
use http::{HeaderValue, header};
use serde::Serialize;
use workmanager_core_domain::{
    ErrorKind,
    outcome::{CodeError, Failure, LogLine},
};

use super::{Error, row};
use crate::app;

/// The media type.
const MEDIA_TYPE: &str = "application/problem+json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
    code: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a Failure>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    logs: &'a [LogLine],
}

#[derive(Serialize)]
struct FieldError<'a> {
    pointer: &'a str,
    reason: &'a str,
    /// Where in the code, and what the compiler calls it.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    place: Option<Place<'a>>,
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: u32,
    column: u32,
    id: &'a str,
}

impl<'a> FieldError<'a> {
    const fn new(pointer: &'a str, reason: &'a str) -> Self {
        Self { pointer, reason, place: None }
    }

    fn of_code(pointer: &'a str, CodeError { file, line, column, id, message }: &'a CodeError) -> Self {
        let place = Some(Place { file, line: *line, column: *column, id });
        Self { pointer, reason: message, place }
    }
}

impl Error {
    /// What the caller reads: for our own faults, nothing of what is inside.
    fn detail(&self, request_id: &str) -> String {
        match self.kind() {
            ErrorKind::Internal => format!("The server's log says more, under request {request_id}."),
            _ => self.to_string(),
        }
    }

    fn errors(&self) -> Vec<FieldError<'_>> {
        match self {
            Self::App(app::Error::Invalid(problems)) => {
                problems.iter().map(|problem| FieldError::new(&problem.pointer, &problem.reason)).collect()
            }
            Self::App(app::Error::Rejected { at, failure }) => {
                failure.errors.iter().map(|error| FieldError::of_code(at, error)).collect()
            }
            Self::App(_) | Self::Event { .. } | Self::Plain(..) => Vec::new(),
        }
    }
}

/// Writes the problem document of `error` into `response`.
pub(crate) fn document(mut response: Response, error: &Error, request_id: &str) -> Response {
    let (failure, logs): (Option<&Failure>, &[LogLine]) = match error {
        Error::App(app::Error::Rejected { failure, .. }) => (Some(failure.as_ref()), &[]),
        Error::App(app::Error::Invocation(invocation)) => (invocation.failure.as_ref(), &invocation.logs),
        Error::App(_) | Error::Event { .. } | Error::Plain(..) => (None, &[]),
    };
    let mut errors = error.errors();
    let event = match error {
        Error::Event { at, source } => Some((at.as_deref().unwrap_or(""), source)),
        Error::App(_) | Error::Plain(..) => None,
    };
    let reason = event.map(|(at, source)| (super::super::rest::event_pointer(at, source), source.to_string()));
    errors.extend(reason.iter().map(|(pointer, reason)| FieldError::new(pointer, reason)));
    let document = Document {
        r#type: format!("urn:workmanager:error:{}", error.code()),
        title: row(error.kind()).title,
        status: error.status().as_u16(),
        detail: error.detail(request_id),
        code: error.code(),
        request_id,
        errors,
        failure,
        logs,
    };
    // Maps with text keys and plain values do not fail to be written.
    *response.body_mut() = Body::from(serde_json::to_vec(&document).unwrap_or_default());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response
}
