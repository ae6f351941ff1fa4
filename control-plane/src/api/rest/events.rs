//! Events in.

use std::sync::Arc;

use axum::{Json, extract::State, response::IntoResponse, response::Response};
use http::{StatusCode, header};
use serde::Serialize;
use workmanager_core_domain::{
    Event, Topic,
    event::{InvalidEvent, MAX_EVENT, Mode, content_mode, from_batch, from_binary, from_structured},
};

use super::call::Call;
use crate::{
    api::{Api, error::Error},
    app::Problems,
};

/// Most bytes of a body that is data. A little above the limit for an event, which is then said.
const BINARY: usize = MAX_EVENT + (64 << 10);
/// Most bytes of an event in JSON, where text is escaped and bytes are base64.
const STRUCTURED: usize = 2 * MAX_EVENT;
/// Most bytes of a batch.
const BATCH: usize = 4 << 20;

#[derive(Serialize)]
struct Accepted<'a> {
    accepted: Vec<&'a str>,
}

/// The topic in the path.
pub(super) fn topic(text: &str) -> Result<Topic, Error> {
    text.parse().map_err(|error| Problems::one("/topic", format!("{error}")).into())
}

/// `POST /v1/topics/{topic}/events`
pub(super) async fn publish(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let topic = topic(&call.param("topic").await?)?;
    call.query()?.finish()?;
    let events = match mode(&call)? {
        Mode::Batch => batch(call).await?,
        mode @ (Mode::Binary | Mode::Structured) => vec![Arc::new(single(call, mode).await?)],
    };
    api.app.publish(&topic, &events).await?;
    let accepted = Accepted { accepted: events.iter().map(|event| event.id()).collect() };
    Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
}

/// The one event of a request that carries one.
pub(super) async fn event(call: Call) -> Result<Event, Error> {
    match mode(&call)? {
        Mode::Batch => {
            let content_type = call.media_type().unwrap_or_default();
            Err(Error::Event { at: None, source: InvalidEvent::ContentType(content_type) })
        }
        mode @ (Mode::Binary | Mode::Structured) => single(call, mode).await,
    }
}

fn mode(call: &Call) -> Result<Mode, Error> {
    content_mode(call.header(header::CONTENT_TYPE)).map_err(|source| Error::Event { at: None, source })
}

async fn single(call: Call, mode: Mode) -> Result<Event, Error> {
    let event = match mode {
        Mode::Structured => from_structured(&call.bytes(STRUCTURED).await?),
        Mode::Binary | Mode::Batch => {
            let headers = call.headers().clone();
            from_binary(&headers, call.bytes(BINARY).await?)
        }
    };
    event.map_err(|source| Error::Event { at: None, source })
}

/// All events of a batch, or what is wrong with the first that is none.
async fn batch(call: Call) -> Result<Vec<Arc<Event>>, Error> {
    let members = from_batch(&call.bytes(BATCH).await?).map_err(|source| Error::Event { at: None, source })?;
    let member = |(i, event): (usize, Result<Event, InvalidEvent>)| {
        event.map(Arc::new).map_err(|source| Error::Event { at: Some(format!("/{i}")), source })
    };
    members.into_iter().enumerate().map(member).collect()
}
