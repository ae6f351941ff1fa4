//! `POST /v1/workers`

use axum::{extract::State, response::Response};
use bytes::Bytes;
use workmanager_core_domain::WorkerId;

use super::{
    input::{self, present},
    view,
};
use crate::{
    api::{
        Api,
        error::Error,
        json::{self, Fields},
        rest::call::{Call, WITH_CODE},
    },
    app::{Definition, Draft, Problems},
};

/// From this size on, a body is read where it holds up nobody.
const LARGE: usize = 256 << 10;

/// Creates a worker.
pub(in crate::api::rest) async fn create(State(api): State<Api>, call: Call) -> Result<Response, Error> {
    let mut query = call.query()?;
    let wait = query.span("wait");
    query.finish()?;
    let id = call.seed().map(WorkerId::new);
    let body = call.json(WITH_CODE).await?;
    let definition = elsewhere(body, definition).await?;
    Ok(view::created(&api.app.create(definition, id, wait).await?))
}

/// Reads a body, on another thread if that takes a while.
pub(super) async fn elsewhere<T: Send + 'static>(body: Bytes, read: fn(&[u8]) -> Result<T, Error>) -> Result<T, Error> {
    if body.len() < LARGE {
        return read(&body);
    }
    let read = tokio::task::spawn_blocking(move || read(&body)).await;
    read.map_err(|error| Error::Plain(crate::app::Code::Internal, format!("reading a body failed: {error}")))?
}

fn definition(body: &[u8]) -> Result<Definition, Error> {
    let mut problems = Problems::default();
    let draft = draft(body, &mut problems)?;
    Ok(draft.check(problems)?)
}

fn draft(body: &[u8], problems: &mut Problems) -> Result<Draft, Error> {
    let p = problems;
    let mut fields = Fields::of(json::parse(body)?, "", p);
    let draft = Draft {
        name: fields.text("name", p),
        mime_type: fields.text("mimeType", p),
        topic: fields.text("topic", p),
        topics: present(fields.take("topics", p)).and_then(|node| json::list(node, "/topics", p)),
        filter: fields.text("filter", p),
        group: fields.text("group", p),
        reply_topic: fields.text("replyTopic", p),
        config: texts(&mut fields, "config", p),
        tags: texts(&mut fields, "tags", p),
        engine: present(fields.take("engine", p)).map(|node| input::engine(node, "/engine", p)).unwrap_or_default(),
        isolation: fields.text("isolation", p),
        ordering: fields.text("ordering", p),
        limits: present(fields.take("limits", p)).map(|node| input::limits(node, "/limits", p)).unwrap_or_default(),
        code: present(fields.take("codeSource", p)).and_then(|node| input::code(node, "/codeSource", p)),
        start: fields.boolean("start", p).unwrap_or(false),
    };
    fields.finish(p);
    Ok(draft)
}

fn texts(
    fields: &mut Fields<'_>,
    name: &'static str,
    problems: &mut Problems,
) -> std::collections::BTreeMap<String, String> {
    let node = present(fields.take(name, problems));
    node.and_then(|node| json::map(node, &format!("/{name}"), problems, json::text)).unwrap_or_default()
}
