//! How the program is.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::header;
use serde::Serialize;

use crate::{
    api::{Api, Stage, error::Error},
    app::Code,
};

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// Whether it does its work: 200 when it does.
pub(super) async fn ready(State(api): State<Api>) -> Result<Response, Error> {
    match api.readiness.stage() {
        stage @ Stage::Ready => Ok(Json(Health { status: stage.as_str() }).into_response()),
        stage @ (Stage::Starting | Stage::Stopping) => {
            Err(Error::Plain(Code::NotReady, format!("the server is {}", stage.as_str())))
        }
    }
}

/// Whether it lives: 200 whenever it can answer.
pub(super) async fn live() -> Response {
    Json(Health { status: "alive" }).into_response()
}

/// The metrics, in the Prometheus text format.
pub(super) async fn metrics(State(api): State<Api>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (api.metrics)()).into_response()
}
