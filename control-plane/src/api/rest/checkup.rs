//! What was found out about what the program stands on.

use axum::{Json, extract::State};
use workmanager_core_domain::Checkup;

use super::call::Call;
use crate::api::{Api, error::Error};

/// `GET /v1/checkup`
pub(super) async fn show(State(api): State<Api>, call: Call) -> Result<Json<Checkup>, Error> {
    call.query()?.finish()?;
    Ok(Json(api.app.parts().bus.checkup()))
}
