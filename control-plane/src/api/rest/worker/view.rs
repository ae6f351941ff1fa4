//! A worker as JSON. The order of the fields is part of the contract.

use std::collections::BTreeMap;

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, header};
use serde::{Serialize, Serializer};
use workmanager_core_domain::{
    Digest, GroupName, Limits, MimeType, Timestamp, Topic, WorkerId, WorkerName,
    version::EngineSettings,
    worker::{Desired, Isolation, Ordering},
};

use crate::{
    api::rest::condition,
    app::{Observed, View},
};

/// A worker.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkerBody<'a> {
    id: WorkerId,
    name: &'a WorkerName,
    mime_type: MimeType,
    language: &'static str,
    code_source: Option<CodeBody<'a>>,
    topic: Option<&'a Topic>,
    topics: &'a [Topic],
    filter: Option<&'a str>,
    group: Option<&'a GroupName>,
    reply_topic: Option<&'a Topic>,
    config: &'a BTreeMap<String, String>,
    tags: &'a BTreeMap<String, String>,
    engine: &'a EngineSettings,
    isolation: Isolation,
    ordering: Ordering,
    limits: &'a Limits,
    status: Desired,
    observed: ObservedBody<'a>,
    version: u32,
    digest: Digest,
    created_at: Timestamp,
    updated_at: Timestamp,
    revision: String,
}

/// Code, as base64 that is written straight into the answer.
#[derive(Serialize)]
pub(super) struct CodeBody<'a> {
    #[serde(serialize_with = "base64")]
    pub(super) content: &'a [u8],
}

#[derive(Serialize)]
struct ObservedBody<'a> {
    state: &'static str,
    message: Option<&'a str>,
    since: Timestamp,
}

fn base64<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&base64::display::Base64Display::new(bytes, &STANDARD))
}

impl<'a> From<&'a View> for WorkerBody<'a> {
    fn from(view: &'a View) -> Self {
        let View { worker, revision, observed: Observed { state, message, since }, code } = view;
        Self {
            id: worker.id,
            name: &worker.name,
            mime_type: worker.mime_type,
            language: worker.mime_type.language(),
            code_source: code.as_deref().map(|content| CodeBody { content }),
            topic: worker.topics.first(),
            topics: &worker.topics,
            filter: worker.filter.as_deref(),
            group: worker.group.as_ref(),
            reply_topic: worker.reply_topic.as_ref(),
            config: &worker.config,
            tags: &worker.tags,
            engine: &worker.engine,
            isolation: worker.isolation,
            ordering: worker.ordering,
            limits: &worker.limits,
            status: worker.desired,
            observed: ObservedBody { state: state.as_str(), message: message.as_deref(), since: *since },
            version: worker.version,
            digest: worker.digest,
            created_at: worker.created_at,
            updated_at: worker.updated_at,
            revision: revision.to_string(),
        }
    }
}

/// A worker as the answer to a call.
pub(super) fn answer(view: &View) -> Response {
    tagged(StatusCode::OK, view, &WorkerBody::from(view))
}

/// A new worker.
pub(super) fn created(view: &View) -> Response {
    let mut response = tagged(StatusCode::CREATED, view, &WorkerBody::from(view));
    if let Ok(location) = format!("/v1/workers/{}", view.worker.id).parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Something of a worker, with the worker's entity tag.
pub(super) fn tagged(status: StatusCode, view: &View, body: &impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    if let Some(tag) = condition::tag(view.revision) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
