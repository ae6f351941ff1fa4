//! Events as they pass: server-sent events.
//!
//! Source: HTML Living Standard, section 9.2, "Server-sent events".

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, header};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use workmanager_core_domain::{
    event::to_structured,
    ports::{BusError, TailCapability, TailStream, Tailed},
};

use super::{call::Call, events::topic};
use crate::{
    api::{Api, error::Error},
    app::Tail,
};

/// What a client that reconnects has seen last.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How often a quiet stream says that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A tail that does not follow ends when nothing more has come for so long, on a bus that does not say
/// where a topic ends.
const QUIET: Duration = Duration::from_millis(250);
/// And on one that does, when what was the end does not come: it may have left the log meanwhile.
const LATE: Duration = Duration::from_secs(5);

/// `GET /v1/topics/{topic}/events`
pub(super) async fn tail(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let topic = topic(&call.param("topic").await?)?;
    let mut query = call.query()?;
    let (follow, since) = (query.flag("follow"), query.parsed::<u64>("since"));
    query.finish()?;
    let seen = match call.header(LAST_EVENT_ID).map(str::parse) {
        Some(Ok(position)) => Some(position),
        Some(Err(_)) => return Err(Error::query("since", "`last-event-id` must be a position")),
        None => since,
    };
    let everything = !follow && api.app.tail_capability() == TailCapability::Log;
    let until = match (follow, everything) {
        (true, _) => Until::Stopped,
        (false, true) => api.app.tail_end(&topic).await?.map_or(Until::Quiet, Until::Position),
        (false, false) => Until::Quiet,
    };
    let since = seen.or(everything.then_some(0));
    let Tail { capability, events } = api.app.tail(&topic, since).await?;
    let follower = Follower { events, seen: since.unwrap_or(0), until, stop: api.app.parts().tasks.stopping() };
    Ok(answer(capability, follower))
}

fn answer(capability: TailCapability, follower: Follower) -> Response {
    let first = match capability {
        TailCapability::Log => ": log: every event that is kept, and what comes\n\n",
        TailCapability::Live => ": live: what this deployment takes in or publishes from now on, best effort\n\n",
    };
    let first = stream::once(async move { Ok::<_, Infallible>(Bytes::from_static(first.as_bytes())) });
    let rest = stream::unfold(Some(follower), |follower| async {
        let mut follower = follower?;
        let piece = follower.next().await?;
        // After an error the stream ends, as the client must know.
        let open = matches!(&piece, Piece::Event(_) | Piece::Quiet);
        Some((Ok(piece.into_bytes()), open.then_some(follower)))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, Body::from_stream(first.chain(rest))).into_response()
}

struct Follower {
    events: TailStream,
    /// The position of the last event.
    seen: u64,
    until: Until,
    stop: CancellationToken,
}

/// When a tail ends.
enum Until {
    /// With the program.
    Stopped,
    /// With the event at this position.
    Position(u64),
    /// Once nothing more comes.
    Quiet,
}

enum Piece {
    Event(Bytes),
    Quiet,
    Broken(BusError),
}

impl Follower {
    async fn next(&mut self) -> Option<Piece> {
        let patience = match self.until {
            Until::Stopped => KEEP_ALIVE,
            Until::Position(end) if self.seen >= end => return None,
            Until::Position(_) => LATE,
            Until::Quiet => QUIET,
        };
        let next = tokio::select! {
            next = timeout(patience, self.events.next()) => next,
            () = self.stop.cancelled() => return None,
        };
        match next {
            Err(_) => matches!(self.until, Until::Stopped).then_some(Piece::Quiet),
            Ok(None) => None,
            Ok(Some(Ok(tailed))) => {
                self.seen = tailed.position;
                Some(Piece::Event(message(&tailed)))
            }
            Ok(Some(Err(error))) => Some(Piece::Broken(error)),
        }
    }
}

impl Piece {
    fn into_bytes(self) -> Bytes {
        match self {
            Self::Event(bytes) => bytes,
            Self::Quiet => Bytes::from_static(b":\n\n"),
            Self::Broken(error) => Bytes::from(format!(": ended: {}: {error}\n\n", error.code())),
        }
    }
}

/// One event as a message. The data's own line ends are white space between JSON tokens: they become
/// spaces, so that the whole event is on one line.
fn message(tailed: &Tailed) -> Bytes {
    let mut out = format!("id: {}\ndata: ", tailed.position).into_bytes();
    match to_structured(&tailed.event) {
        Ok(event) => out.extend(event.into_iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte })),
        Err(error) => {
            warn!("an event cannot be shown: {error}");
            return Bytes::from(format!("id: {}\n: an event that cannot be shown\n\n", tailed.position));
        }
    }
    out.extend_from_slice(b"\n\n");
    out.into()
}
