//! `/v1/workers/{id}/tags` and `/v1/workers/{id}/tags/{key}`

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde::Serialize;

use super::{change::MEDIA_TYPES, view::tagged};
use crate::{
    api::{
        Api,
        error::Error,
        json::{self, Fields},
        rest::call::{Call, PLAIN},
    },
    app::{Problems, View},
};

#[derive(Serialize)]
struct Tag<'a> {
    key: &'a str,
    value: &'a str,
}

fn answer(view: &View) -> Response {
    tagged(StatusCode::OK, view, &view.worker.tags)
}

/// All tags.
pub(in crate::api::rest) async fn all(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    call.query()?.finish()?;
    let member = api.app.get(&id).await?;
    Ok(answer(&api.app.view(&member).await))
}

/// Replaces all tags.
pub(in crate::api::rest) async fn replace(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    call.query()?.finish()?;
    let condition = call.condition()?;
    let body = call.json(PLAIN).await?;
    let mut problems = Problems::default();
    let tags = json::map(json::parse(&body)?, "", &mut problems, json::text).unwrap_or_default();
    Ok(answer(&api.app.set_tags(&id, tags, problems, condition).await?))
}

/// Changes tags by a merge patch.
pub(in crate::api::rest) async fn patch(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    call.query()?.finish()?;
    let condition = call.condition()?;
    let body = call.body_of(&MEDIA_TYPES, PLAIN).await?;
    let mut problems = Problems::default();
    let patch = json::map(json::parse(&body)?, "", &mut problems, json::text_or_null).unwrap_or_default();
    Ok(answer(&api.app.patch_tags(&id, patch, problems, condition).await?))
}

/// One tag.
pub(in crate::api::rest) async fn one(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let (id, key) = (call.param("id").await?, call.param("key").await?);
    call.query()?.finish()?;
    let value = api.app.tag(&id, &key).await?;
    Ok(Json(Tag { key: &key, value: &value }).into_response())
}

/// Sets one tag.
pub(in crate::api::rest) async fn set(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let (id, key) = (call.param("id").await?, call.param("key").await?);
    call.query()?.finish()?;
    let condition = call.condition()?;
    let body = call.json(PLAIN).await?;
    let value = value(&body)?;
    let patch = BTreeMap::from([(key.clone(), Some(value.clone()))]);
    let view = api.app.patch_tags(&id, patch, Problems::default(), condition).await?;
    Ok(tagged(StatusCode::OK, &view, &Tag { key: &key, value: &value }))
}

fn value(body: &[u8]) -> Result<String, Error> {
    let mut problems = Problems::default();
    let p = &mut problems;
    let mut fields = Fields::of(json::parse(body)?, "", p);
    let value = fields.text("value", p);
    if value.is_none() && !p.under("/value") {
        p.push("/value", "is required");
    }
    fields.finish(p);
    Ok(problems.none_or(value)?)
}

/// Removes one tag.
pub(in crate::api::rest) async fn remove(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let (id, key) = (call.param("id").await?, call.param("key").await?);
    call.query()?.finish()?;
    let condition = call.condition()?;
    api.app.remove_tag(&id, &key, condition).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
