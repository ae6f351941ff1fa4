//! `GET /v1/workers/{id}`

use axum::{extract::State, response::Response};

use super::view;
use crate::api::{Api, error::Error, rest::call::Call};

/// One worker.
pub(in crate::api::rest) async fn get(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    call.query()?.finish()?;
    let member = api.app.get(&id).await?;
    Ok(view::answer(&api.app.view(&member).await))
}
