//! `POST /v1/workers/{id}/events`: plain CloudEvents, for callers that know nothing of attempts.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{Path, State},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header::CONTENT_TYPE};
use tokio::time::Instant;
use tracing::info;
use workmanager_core_domain::{
    AttemptId, Event,
    event::{self, Data, InvalidEvent, Mode},
    outcome::LogStream,
    reply,
};
use workmanager_core_frames::{AttemptHead, AttemptLimits, ErrorHead, Frame, FrameError, Kind, LogHead, ReplyHead};
use workmanager_core_kit::field;
use workmanager_functions_dispatcher::{Loaded, Step, Work};

use crate::{frames, problem::Problem, router::Function};

/// Largest batch.
const MAX_BATCH: usize = 4 << 20;
/// Room for an event in structured mode: base64 and JSON escapes take more than the event itself.
const MAX_BODY: usize = 2 * event::MAX_EVENT + (64 << 10);

/// Runs a worker on the events of a request.
pub(crate) async fn post(
    State(function): State<Function>,
    Path(worker): Path<String>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    function.accepts()?;
    // The first events may be here before the workers that were given at the start.
    function.settled().await;
    let loaded = function.dispatcher.loaded(&worker)?;
    let (parts, body) = request.into_parts();
    match event::content_mode(content_type(&parts.headers)?)? {
        Mode::Binary => {
            let body = frames::read_body(body, MAX_BODY).await?;
            let reply = run(&function, &loaded, event::from_binary(&parts.headers, body)?).await?;
            Ok(reply.map_or_else(no_content, |reply| binary(&reply)))
        }
        Mode::Structured => {
            let body = frames::read_body(body, MAX_BODY).await?;
            let reply = run(&function, &loaded, event::from_structured(&body)?).await?;
            match reply {
                Some(reply) => Ok(with_type(event::STRUCTURED, event::to_structured(&reply)?)),
                None => Ok(no_content()),
            }
        }
        Mode::Batch => batch(&function, &loaded, frames::read_body(body, MAX_BATCH).await?).await,
    }
}

/// One after another, in their order. Nothing runs unless every event is valid; the first failure ends
/// it, and says at which event.
async fn batch(function: &Function, loaded: &Loaded, body: Bytes) -> Result<Response, Problem> {
    let mut events = Vec::new();
    for (index, event) in event::from_batch(&body)?.into_iter().enumerate() {
        events.push(event.map_err(|error| Problem::from(error).at(index))?);
    }
    let mut replies = Vec::new();
    for (index, event) in events.into_iter().enumerate() {
        let failed = |problem: Problem| if index > 0 { problem.attempted().at(index) } else { problem.at(index) };
        if let Some(reply) = run(function, loaded, event).await.map_err(failed)? {
            replies.push(if replies.is_empty() { b'[' } else { b',' });
            replies.extend(event::to_structured(&reply)?);
        }
    }
    if replies.is_empty() {
        return Ok(no_content());
    }
    replies.push(b']');
    Ok(with_type(event::BATCH, replies))
}

/// Runs the worker once.
async fn run(function: &Function, loaded: &Loaded, event: Event) -> Result<Option<Event>, Problem> {
    let work = work(function, loaded, &event)?;
    let mut exchange = function.dispatcher.begin(work).await?;
    let last = loop {
        match exchange.next().await? {
            Step::Log(log) => show(loaded, &log)?,
            Step::Final(last) => break last,
        }
    };
    if last.kind == Kind::Error {
        return Err(Problem::failed(last.head::<ErrorHead>()?.error));
    }
    let head: ReplyHead = last.head()?;
    let Some(attributes) = head.reply else { return Ok(None) };
    let data = Data { kind: head.data, bytes: last.body };
    let (worker, worker_name) = (loaded.worker, loaded.name.as_str());
    let context = reply::Context { worker, worker_name, cause: &event, now: function.clock.now() };
    reply::complete(attributes, data, context).map(Some).map_err(|error| Problem::invalid_reply(&error))
}

fn work(function: &Function, loaded: &Loaded, event: &Event) -> Result<Work, FrameError> {
    let malformed = |source| FrameError::Malformed { kind: Kind::Attempt, source };
    let limits: AttemptLimits = loaded.limits.unwrap_or(function.limits);
    let head = AttemptHead {
        attempt: AttemptId::new(function.ids.next()),
        worker: loaded.worker,
        worker_name: loaded.name.clone(),
        digest: loaded.digest,
        grant: String::new(),
        limits,
        event: event.attributes_raw().map_err(malformed)?,
        data: event.data().kind,
    };
    let deadline = Instant::now() + Duration::from_millis(limits.timeout_ms);
    Ok(Work { head, body: event.data().bytes.clone(), deadline })
}

/// A plain caller has no place for a worker's output: it goes to this process's log.
fn show(loaded: &Loaded, log: &Frame) -> Result<(), FrameError> {
    let head: LogHead = log.head()?;
    let stream = match head.stream {
        LogStream::Stdout => "stdout",
        LogStream::Stderr => "stderr",
    };
    let name = loaded.name.as_str();
    for line in String::from_utf8_lossy(&log.body).lines() {
        info!({ field::WORKER_NAME } = name, stream, "{line}");
    }
    if head.truncated {
        info!({ field::WORKER_NAME } = name, stream, "output after this is left out");
    }
    Ok(())
}

fn content_type(headers: &HeaderMap) -> Result<Option<&str>, InvalidEvent> {
    headers
        .get(CONTENT_TYPE)
        .map(|value| std::str::from_utf8(value.as_bytes()))
        .transpose()
        .map_err(|_| InvalidEvent::Utf8 { what: "the content type".into() })
}

fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn binary(reply: &Event) -> Response {
    let mut response = Response::new(Body::from(reply.data().bytes.clone()));
    *response.headers_mut() = event::to_binary(reply);
    response
}

fn with_type(content_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
