//! Attempts and candidates as requests to the function.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header::CONTENT_TYPE};
use workmanager_core_delivery::{Candidate, Compiled};
use workmanager_core_domain::{Digest, attempt::Attempt};
use workmanager_core_frames::{
    AttemptHead, AttemptLimits, CONTENT_TYPE as FRAMES, CONTRACT, CONTRACT_HEADER, Frame, FrameError, Kind,
    ValidateHead,
};

use super::{
    client::{Body, body},
    place::Place,
};

/// The request for one attempt that may take `timeout`. The event's data is sent from where it is.
pub(super) fn attempt(
    place: &Place,
    attempt: &Attempt,
    timeout: Duration,
    grant: String,
) -> Result<Request<Body>, FrameError> {
    let malformed = |source| FrameError::Malformed { kind: Kind::Attempt, source };
    let data = attempt.event.data();
    let head = AttemptHead {
        attempt: attempt.id,
        worker: attempt.worker.id,
        worker_name: attempt.worker.name.as_str().to_owned(),
        digest: attempt.digest,
        grant,
        limits: AttemptLimits {
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            log_bytes: attempt.worker.limits.log_bytes.0,
            concurrency: attempt.worker.limits.concurrency.get(),
        },
        event: attempt.event.attributes_raw().map_err(malformed)?,
        data: data.kind,
    };
    let frame = Frame::new(Kind::Attempt, &head, data.bytes.clone())?;
    Ok(post(&place.attempts, frame))
}

/// The request to validate a candidate: with what it was compiled to where that is `made`, else with its source.
pub(super) fn validate(
    place: &Place,
    candidate: &Candidate,
    made: Option<&Compiled>,
) -> Result<Request<Body>, FrameError> {
    let mut manifest = candidate.manifest.clone();
    manifest.artefact = made.map(|made| Digest::of(&made.bytes));
    let head = ValidateHead {
        worker: candidate.worker,
        worker_name: candidate.name.as_str().to_owned(),
        manifest,
        toolchain: made.map(|made| made.toolchain.clone()),
        timeout_ms: u64::try_from(candidate.timeout.as_millis()).unwrap_or(u64::MAX),
    };
    let body = made.map_or(&candidate.source, |made| &made.bytes);
    let frame = Frame::new(Kind::Validate, &head, body.clone())?;
    Ok(post(&place.validate, frame))
}

/// The request for the engines.
pub(super) fn engines(place: &Place) -> Request<Body> {
    let mut request = Request::new(body(Bytes::new(), Bytes::new()));
    *request.uri_mut() = place.engines.clone();
    request
}

fn post(uri: &Uri, frame: Frame) -> Request<Body> {
    let mut request = Request::new(body(frame.prefix(), frame.body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(FRAMES));
    request.headers_mut().insert(CONTRACT_HEADER, HeaderValue::from(CONTRACT));
    request
}
