//! `GET /v1/dead-letters`, `…/{id}`, `POST …/{id}/redrive`, `POST /v1/dead-letters:redrive`, `DELETE …`

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use workmanager_core_domain::{
    DeadLetterId, Timestamp, WorkerId, dead_letter::Reason, event::from_structured, event_record::AttemptRecord,
};

use super::{
    call::{Call, PLAIN},
    query::Query,
};
use crate::{
    api::{
        Api,
        error::Error,
        json::{self, Fields},
    },
    app::{Letter, LetterFilter, Many, Problems},
};

/// Letters of a page, when the caller does not say.
const PAGE: usize = 100;
/// Most letters of a page.
const MAX_PAGE: usize = 1000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    dead_letters: Vec<Body<'a>>,
    next_cursor: Option<String>,
}

/// What every view of a letter has.
#[derive(Serialize)]
struct Head<'a> {
    id: DeadLetterId,
    worker: WorkerBody<'a>,
    topic: &'a str,
    reason: &'static str,
    message: &'a str,
    at: Timestamp,
}

/// A letter in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    event_id: Option<String>,
    event_source: Option<String>,
    event_type: Option<String>,
    attempts: usize,
}

#[derive(Serialize)]
struct WorkerBody<'a> {
    id: WorkerId,
    /// Null once it is deleted.
    name: Option<&'a str>,
}

/// A letter on its own: with its event and all its attempts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    event: Option<&'a RawValue>,
    attempts: &'a [AttemptRecord],
}

/// What was done with many.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ManyBody {
    count: usize,
    ids: Vec<DeadLetterId>,
    /// How many were left because their workers are deleted.
    orphaned: usize,
    /// Whether another call finds more.
    more: bool,
    dry_run: bool,
}

impl ManyBody {
    fn answer(Many { ids, orphaned, more }: Many, dry_run: bool) -> Response {
        Json(Self { count: ids.len(), ids, orphaned, more, dry_run }).into_response()
    }
}

/// A page of letters.
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Response, Error> {
    let mut query = call.query()?;
    let filter = filter(&mut query);
    let (limit, cursor) = (query.limit(MAX_PAGE).unwrap_or(PAGE), query.text("cursor"));
    query.finish()?;
    let page = api.app.letters(&filter, limit, cursor).await?;
    let dead_letters = page.letters.iter().map(Body::from).collect();
    Ok(Json(Page { dead_letters, next_cursor: page.next }).into_response())
}

/// One letter.
pub(super) async fn get(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    call.query()?.finish()?;
    let letter = api.app.letter(&id).await?;
    Ok(Json(Whole::from(&letter)).into_response())
}

/// Sends one round again.
pub(super) async fn redrive(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    let mut query = call.query()?;
    let dry_run = query.flag("dryRun");
    query.finish()?;
    let version = version(&call.bytes(PLAIN).await?)?;
    let letter = api.app.redrive(&id, version, dry_run).await?;
    let one = Many { ids: vec![letter.letter.id], ..Many::default() };
    Ok(ManyBody::answer(one, dry_run))
}

/// Sends all that the filter lets through round again.
pub(super) async fn redrive_all(State(api): State<Api>, call: Call) -> Result<Response, Error> {
    let (filter, dry_run) = many(&call)?;
    Ok(ManyBody::answer(api.app.redrive_all(&filter, dry_run).await?, dry_run))
}

/// Gives one up.
pub(super) async fn delete(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    call.query()?.finish()?;
    api.app.give_up(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Gives all up that the filter lets through.
pub(super) async fn delete_all(State(api): State<Api>, call: Call) -> Result<Response, Error> {
    let (filter, dry_run) = many(&call)?;
    Ok(ManyBody::answer(api.app.give_up_all(&filter, dry_run).await?, dry_run))
}

/// A filter for many. All of them must be meant: nobody loses letters by leaving the filter out.
fn many(call: &Call) -> Result<(LetterFilter, bool), Error> {
    let mut query = call.query()?;
    let (filter, dry_run, all) = (filter(&mut query), query.flag("dryRun"), query.flag("all"));
    if !all && filter == LetterFilter::default() {
        query.wrong("all", "must be true when no filter is given");
    }
    query.finish()?;
    Ok((filter, dry_run))
}

fn filter(query: &mut Query) -> LetterFilter {
    LetterFilter {
        worker: query.text("worker"),
        reason: reason(query),
        since: query.parsed("since"),
        until: query.parsed("until"),
    }
}

fn reason(query: &mut Query) -> Option<Reason> {
    let text = query.text("reason")?;
    let found = Reason::ALL.into_iter().find(|reason| reason.code() == text);
    if found.is_none() {
        let known = Reason::ALL.map(Reason::code).join(", ");
        query.wrong("reason", format!("must be one of {known}"));
    }
    found
}

/// The version that was chosen; no body chooses none.
fn version(body: &[u8]) -> Result<Option<u32>, Error> {
    if body.is_empty() {
        return Ok(None);
    }
    let mut problems = Problems::default();
    let mut fields = Fields::of(json::parse(body)?, "", &mut problems);
    let number = fields.change_number("version", &mut problems).into_set();
    fields.finish(&mut problems);
    let version = number.map(|number| u32::try_from(number).map_err(|_| problems.push("/version", "is too large")));
    Ok(problems.none_or(Some(version.and_then(Result::ok)))?)
}

impl<'a> From<&'a Letter> for Head<'a> {
    fn from(Letter { letter, worker }: &'a Letter) -> Self {
        Self {
            id: letter.id,
            worker: WorkerBody { id: letter.worker, name: worker.as_deref() },
            topic: letter.topic.as_str(),
            reason: letter.reason.code(),
            message: &letter.message,
            at: letter.at,
        }
    }
}

impl<'a> From<&'a Letter> for Body<'a> {
    fn from(whole: &'a Letter) -> Self {
        let letter = &whole.letter;
        let event = from_structured(&letter.event.clone().into()).ok();
        Self {
            head: Head::from(whole),
            event_id: event.as_ref().map(|event| event.id().to_owned()),
            event_source: event.as_ref().map(|event| event.source().to_owned()),
            event_type: event.as_ref().map(|event| event.kind().to_owned()),
            attempts: letter.attempts.len(),
        }
    }
}

impl<'a> From<&'a Letter> for Whole<'a> {
    fn from(whole: &'a Letter) -> Self {
        let letter = &whole.letter;
        Self { head: Head::from(whole), event: serde_json::from_str(&letter.event).ok(), attempts: &letter.attempts }
    }
}
