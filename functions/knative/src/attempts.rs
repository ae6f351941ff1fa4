//! `POST /v1/attempts`.

use std::time::Duration;

use axum::{body::Body, extract::State, response::Response};
use http::Request;
use tokio::time::Instant;
use workmanager_core_frames::{AttemptHead, Kind, Limits};
use workmanager_functions_dispatcher::Work;

use crate::{frames, outlet, problem::Problem, router::Function};

/// Longest attempt, whatever the router says.
const LONGEST: u64 = 24 * 3600 * 1000;

/// Runs one attempt.
pub(crate) async fn post(State(function): State<Function>, request: Request<Body>) -> Result<Response, Problem> {
    let frame = frames::read_frame(request, Kind::Attempt, Limits::EVENTS).await?;
    let head: AttemptHead = frame.head()?;
    function.accepts()?;
    let deadline = Instant::now() + Duration::from_millis(head.limits.timeout_ms.min(LONGEST));
    let exchange = function.dispatcher.begin(Work { head, body: frame.body, deadline }).await?;
    let body = outlet::answer(exchange, &function.tasks).await?;
    Ok(frames::response(body))
}
