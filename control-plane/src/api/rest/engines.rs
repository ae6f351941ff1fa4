//! What can run here.

use axum::{Json, extract::State};
use serde::Serialize;
use workmanager_core_domain::EngineInfo;

use super::call::Call;
use crate::api::{Api, error::Error};

#[derive(Serialize)]
pub(super) struct Engines {
    engines: Vec<EngineInfo>,
}

/// `GET /v1/engines`
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Json<Engines>, Error> {
    call.query()?.finish()?;
    Ok(Json(Engines { engines: api.app.engines().await }))
}
