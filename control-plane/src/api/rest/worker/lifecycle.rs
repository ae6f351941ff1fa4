//! `POST /v1/workers/{id}/start`, `…/stop`, `DELETE /v1/workers/{id}`, `POST /v1/workers/recover`

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde::Serialize;

use super::view;
use crate::api::{Api, error::Error, rest::call::Call};

#[derive(Serialize)]
struct Recovered {
    count: usize,
}

/// Starts a worker.
pub(in crate::api::rest) async fn start(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    call.query()?.finish()?;
    let condition = call.condition()?;
    Ok(view::answer(&api.app.start(&id, condition).await?))
}

/// Stops a worker.
pub(in crate::api::rest) async fn stop(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    call.query()?.finish()?;
    let condition = call.condition()?;
    Ok(view::answer(&api.app.stop(&id, condition).await?))
}

/// Deletes a worker.
pub(in crate::api::rest) async fn delete(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    let mut query = call.query()?;
    let drain = query.span("drain");
    query.finish()?;
    let condition = call.condition()?;
    api.app.delete(&id, condition, drain).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Reads all workers again.
pub(in crate::api::rest) async fn recover(State(api): State<Api>, call: Call) -> Result<Response, Error> {
    call.query()?.finish()?;
    Ok(Json(Recovered { count: api.app.recover().await? }).into_response())
}
