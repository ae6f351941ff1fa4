//! `GET /v1/quarantine`, `POST /v1/quarantine/{id}/repair`, `DELETE /v1/quarantine/{id}`

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde::Serialize;
use workmanager_core_domain::{Timestamp, ports::Collection};

use super::call::Call;
use crate::{
    api::{Api, error::Error},
    app::Entry,
};

#[derive(Serialize)]
struct Entries<'a> {
    entries: Vec<EntryBody<'a>>,
}

#[derive(Serialize)]
struct EntryBody<'a> {
    id: &'a str,
    collection: Collection,
    record: &'a str,
    reason: &'a str,
    at: Timestamp,
    bytes: usize,
    repairable: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RepairedBody {
    collection: Collection,
    record: String,
    from: &'static str,
    as_of: Option<Timestamp>,
}

/// Every record that cannot be read.
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Response, Error> {
    call.query()?.finish()?;
    let entries = api.app.quarantine().await?;
    Ok(Json(Entries { entries: entries.iter().map(EntryBody::from).collect() }).into_response())
}

/// Restores one.
pub(super) async fn repair(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    call.query()?.finish()?;
    let repaired = api.app.repair(&id).await?;
    let (collection, record, from, as_of) = (repaired.collection, repaired.record, repaired.from, repaired.as_of);
    Ok(Json(RepairedBody { collection, record, from, as_of }).into_response())
}

/// Gives one up.
pub(super) async fn drop(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    call.query()?.finish()?;
    api.app.drop_quarantined(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl<'a> From<&'a Entry> for EntryBody<'a> {
    fn from(Entry { id, quarantined, size, repairable }: &'a Entry) -> Self {
        Self {
            id,
            collection: quarantined.collection,
            record: &quarantined.record,
            reason: &quarantined.reason,
            at: quarantined.at,
            bytes: *size,
            repairable: *repairable,
        }
    }
}
