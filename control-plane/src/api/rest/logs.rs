//! `GET /v1/workers/{id}/logs`

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, header};
use serde::Serialize;
use tokio::{sync::broadcast, time::timeout};
use tokio_util::sync::CancellationToken;
use workmanager_core_domain::{AttemptId, Timestamp, outcome::LogStream};

use super::call::Call;
use crate::{
    api::{Api, error::Error},
    logs::Line,
};

/// How often a quiet stream says that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Serialize)]
struct Lines<'a> {
    lines: Vec<LineBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LineBody<'a> {
    time: Timestamp,
    execution_id: AttemptId,
    event_id: &'a str,
    stream: LogStream,
    text: &'a str,
}

/// What a worker wrote lately, and what it writes.
pub(super) async fn logs(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    let mut query = call.query()?;
    let follow = query.flag("follow");
    query.finish()?;
    let worker = api.app.get(&id).await?.worker.id;
    let logs = api.app.parts().router.logs();
    if !follow {
        let kept = logs.kept(worker);
        return Ok(Json(Lines { lines: kept.iter().map(LineBody::from).collect() }).into_response());
    }
    let (kept, lines) = logs.follow(worker);
    let kept = stream::iter(kept).map(|line| Ok::<_, Infallible>(message(&line)));
    let follower = Follower { lines, stop: api.app.parts().tasks.stopping() };
    let rest = stream::unfold(follower, |mut follower| async { Some((Ok(follower.next().await?), follower)) });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(kept.chain(rest))).into_response())
}

struct Follower {
    lines: broadcast::Receiver<Arc<Line>>,
    stop: CancellationToken,
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        let next = tokio::select! {
            next = timeout(KEEP_ALIVE, self.lines.recv()) => next,
            () = self.stop.cancelled() => return None,
        };
        match next {
            Err(_) => Some(Bytes::from_static(b":\n\n")),
            Ok(Ok(line)) => Some(message(&line)),
            Ok(Err(broadcast::error::RecvError::Lagged(count))) => {
                Some(Bytes::from(format!(": {count} lines were missed\n\n")))
            }
            Ok(Err(broadcast::error::RecvError::Closed)) => None,
        }
    }
}

fn message(line: &Line) -> Bytes {
    // Text, numbers and names do not fail to be written.
    let mut out = b"data: ".to_vec();
    out.extend(serde_json::to_vec(&LineBody::from(line)).unwrap_or_default());
    out.extend_from_slice(b"\n\n");
    out.into()
}

impl<'a> From<&'a Line> for LineBody<'a> {
    fn from(line: &'a Line) -> Self {
        Self { time: line.at, execution_id: line.attempt, event_id: &line.event, stream: line.stream, text: &line.text }
    }
}

impl<'a> From<&'a Arc<Line>> for LineBody<'a> {
    fn from(line: &'a Arc<Line>) -> Self {
        Self::from(&**line)
    }
}
