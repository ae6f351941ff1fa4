//! What surrounds every request: its id, its span, its one log line, its metrics, and the problem
//! document if it was refused.

use std::{panic::AssertUnwindSafe, time::Instant};

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, Method};
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use tracing::{Instrument as _, debug, error, info, info_span, warn};
use uuid::Uuid;
use workmanager_core_domain::ErrorKind;
use workmanager_core_kit::{chain, field::REQUEST_ID};

use super::error::{Error, Refusal, document};
use crate::app::Code;

/// The header that carries a request's id, both ways.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Requests that were answered, by `route`, `method` and `status`.
const REQUESTS: &str = "workmanager_http_requests_total";
/// From a request's head to its answer's head.
const DURATION: &str = "workmanager_http_request_duration_seconds";

/// Describes the metrics to the recorder.
pub(super) fn describe() {
    describe_counter!(REQUESTS, Unit::Count, "Requests that were answered, by route, method and status");
    describe_histogram!(DURATION, Unit::Seconds, "From a request's head to its answer's head");
}

/// Longest id that is taken from a caller.
const MAX_ID: usize = 128;

/// The caller's id if it is fit for logs, otherwise a new one.
fn request_id(request: &Request) -> String {
    let fit = |id: &&str| {
        (1..=MAX_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    let given = request.headers().get(HEADER).and_then(|value| value.to_str().ok()).filter(fit);
    given.map_or_else(|| format!("req_{}", Uuid::now_v7().simple()), str::to_owned)
}

/// The middleware around everything else.
pub(crate) async fn surround(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let span = info_span!("request", { REQUEST_ID } = %id, %method, path);
    let began = Instant::now();
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()).await;
    let mut response = answered.unwrap_or_else(|_| {
        // The panic itself is in the log already, under this span.
        Error::Plain(Code::Internal, "a handler panicked".to_owned()).into_response()
    });
    let elapsed = began.elapsed();
    let refusal = response.extensions_mut().remove::<Refusal>();
    if let Some(Refusal(error)) = &refusal {
        response = document(response, error, &id);
    }
    let status = response.status().as_u16();
    span.in_scope(|| line(&method, &path, status, elapsed, refusal.as_ref().map(|Refusal(error)| &**error)));
    let labels = [("route", route), ("method", label(&method).to_owned()), ("status", status.to_string())];
    counter!(REQUESTS, &labels).increment(1);
    histogram!(DURATION, &labels).record(elapsed);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// The method, from a closed list: a label must not grow with what callers make up.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// One line a request: what changed something is a milestone; reading, events and refusals are not.
fn line(method: &Method, path: &str, status: u16, elapsed: std::time::Duration, error: Option<&Error>) {
    let duration_ms = elapsed.as_secs_f64() * 1000.0;
    match error {
        Some(error) if error.kind() == ErrorKind::Internal => {
            let (code, chain) = (error.code(), chain(error));
            error!(status, duration_ms, code, "{method} {path} failed: {chain}");
        }
        Some(error) => {
            let code = error.code();
            match error.kind() {
                ErrorKind::Unavailable | ErrorKind::Timeout => {
                    warn!(status, duration_ms, code, "{method} {path} answered {status} {code}: {error}");
                }
                _ => debug!(status, duration_ms, code, "{method} {path} answered {status} {code}: {error}"),
            }
        }
        None if path.starts_with("/v1/workers") && *method != Method::GET => {
            info!(status, duration_ms, "{method} {path} answered {status}");
        }
        None => debug!(status, duration_ms, "{method} {path} answered {status}"),
    }
}
