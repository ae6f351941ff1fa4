//! `POST /v1/validate`.

use axum::{body::Body, extract::State, response::Response};
use http::Request;
use workmanager_core_frames::{Kind, Limits, ValidateHead};

use crate::{frames, problem::Problem, router::Function};

/// Longest time that loading may take, whatever the caller says, in milliseconds.
const LONGEST: u64 = 15 * 60 * 1000;

/// Says whether code loads.
pub(crate) async fn post(State(function): State<Function>, request: Request<Body>) -> Result<Response, Problem> {
    let frame = frames::read_frame(request, Kind::Validate, Limits::CODE).await?;
    let mut head: ValidateHead = frame.head()?;
    head.timeout_ms = head.timeout_ms.min(LONGEST);
    function.accepts()?;
    let answer = function.dispatcher.validate(head, frame.body).await?;
    Ok(frames::response(frames::whole(&[answer])))
}
