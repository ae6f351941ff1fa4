//! `PUT /v1/workers/{id}/code`, `GET …/history`, `POST …/rollback`

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use serde::Serialize;
use workmanager_core_domain::{Digest, Timestamp};

use super::{
    create::elsewhere,
    input::{self, present},
    view::{self, CodeBody},
};
use crate::{
    api::{
        Api,
        error::Error,
        json::{self, Fields, Node},
        rest::call::{Call, PLAIN, WITH_CODE},
    },
    app::{Code, CodeChange, CodeDraft, MAX_CODE, Problems},
};

/// The media type of bare code.
const RAW: &str = "application/octet-stream";
/// Most versions of a page of history.
const MAX_PAGE: usize = 1000;

/// Code that was sent, where it stands in the body, and what is wrong with the rest.
type Read = (CodeChange, &'static str, Problems);

/// Gives a worker new code.
pub(in crate::api::rest) async fn put(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    let mut query = call.query()?;
    let wait = query.span("wait");
    query.finish()?;
    let condition = call.condition()?;
    let change = if call.media_type().as_deref() == Some(RAW) {
        raw(call.bytes(MAX_CODE).await)?
    } else {
        let body = call.body_of(&["application/json", RAW], WITH_CODE).await?;
        elsewhere(body, change).await?
    };
    Ok(view::answer(&api.app.load_code(&id, change, condition, wait).await?))
}

fn raw(body: Result<Bytes, Error>) -> Result<Read, Error> {
    let content = body.map_err(|error| match error {
        Error::Plain(Code::BodyTooLarge, _) => {
            Error::Plain(Code::CodeTooLarge, format!("the code has more than {MAX_CODE} bytes"))
        }
        other => other,
    })?;
    let code = CodeDraft { content: Some(content), ..CodeDraft::default() };
    Ok((CodeChange { code: Some(code), ..CodeChange::default() }, "", Problems::default()))
}

/// The code source itself, or under `codeSource` as in a new worker.
fn change(body: &[u8]) -> Result<Read, Error> {
    let mut problems = Problems::default();
    let p = &mut problems;
    let mut fields = Fields::of(json::parse(body)?, "", p);
    let nested = present(fields.take("codeSource", p));
    let flat = input::code_fields(&mut fields, p);
    let (code, at) = match nested {
        Some(node) => {
            if flat.content.is_some() || flat.url.is_some() || flat.sha256.is_some() {
                p.push("/codeSource", "must not be given together with `content`, `url` or `sha256`");
            }
            (input::code(node, "/codeSource", p), "/codeSource")
        }
        None => (Some(flat), ""),
    };
    let engine = present(fields.take("engine", p)).map(|node| input::engine(node, "/engine", p)).unwrap_or_default();
    let config = present(fields.take("config", p)).and_then(|node| json::map(node, "/config", p, json::text));
    fields.finish(p);
    Ok((CodeChange { code, engine, config }, at, problems))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct History<'a> {
    history: Vec<Entry<'a>>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    version: u32,
    digest: Digest,
    code_source: Option<CodeBody<'a>>,
    created_at: Timestamp,
    status: &'static str,
}

/// A worker's versions, oldest first.
pub(in crate::api::rest) async fn history(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    let mut query = call.query()?;
    let (limit, after) = (query.limit(MAX_PAGE), query.parsed::<u32>("cursor"));
    query.finish()?;
    let page = api.app.history(&id, after, limit).await?;
    let entries = page.entries.iter().map(|entry| Entry {
        version: entry.version.number,
        digest: entry.version.digest,
        code_source: entry.code.as_deref().map(|content| CodeBody { content }),
        created_at: entry.version.created_at,
        status: if entry.active { "Active" } else { "Validated" },
    });
    let history = History { history: entries.collect(), next_cursor: page.next.map(|number| number.to_string()) };
    Ok(Json(history).into_response())
}

/// Makes an earlier version the active one.
pub(in crate::api::rest) async fn rollback(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    call.query()?.finish()?;
    let condition = call.condition()?;
    let body = call.json(PLAIN).await?;
    let number = number(&body)?;
    Ok(view::answer(&api.app.roll_back(&id, number, condition).await?))
}

fn number(body: &[u8]) -> Result<u32, Error> {
    let mut problems = Problems::default();
    let p = &mut problems;
    let mut fields = Fields::of(json::parse(body)?, "", p);
    let number = match fields.take("version", p) {
        Some(Node::Unsigned(number)) => u32::try_from(number).ok().filter(|number| *number > 0),
        _ => None,
    };
    if number.is_none() && !p.under("/version") {
        p.push("/version", "must be a version's number");
    }
    fields.finish(p);
    Ok(problems.none_or(number)?)
}
