//! `GET /v1/workers`

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use workmanager_core_domain::worker::Desired;

use super::view::WorkerBody;
use crate::{
    api::{
        Api,
        error::Error,
        rest::{call::Call, query::Query},
    },
    app::Filter,
};

/// Workers of a page, when the caller does not say.
const PAGE: usize = 100;
/// Most workers of a page.
const MAX_PAGE: usize = 1000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Workers<'a> {
    workers: Vec<WorkerBody<'a>>,
    next_cursor: Option<String>,
}

/// A page of workers.
pub(in crate::api::rest) async fn list(State(api): State<Api>, call: Call) -> Result<Response, Error> {
    let mut query = call.query()?;
    let filter = Filter {
        status: status(&mut query),
        topic: query.parsed("topic"),
        group: query.parsed("group"),
        mime_type: query.parsed("mimeType"),
        name: query.text("name"),
        tags: query.all("tag"),
    };
    let (limit, cursor) = (query.limit(MAX_PAGE).unwrap_or(PAGE), query.parsed("cursor"));
    query.finish()?;
    let page = api.app.list(&filter, limit, cursor).await;
    let workers = page.workers.iter().map(WorkerBody::from).collect();
    let next_cursor = page.next.map(|cursor| cursor.to_string());
    Ok(Json(Workers { workers, next_cursor }).into_response())
}

fn status(query: &mut Query) -> Option<Desired> {
    let text = query.text("status")?;
    if text.eq_ignore_ascii_case("running") {
        return Some(Desired::Running);
    }
    if text.eq_ignore_ascii_case("stopped") {
        return Some(Desired::Stopped);
    }
    query.wrong("status", "must be Running or Stopped");
    None
}
