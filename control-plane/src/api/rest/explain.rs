//! `GET /v1/events/{id}`

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::Serialize;
use workmanager_core_domain::{
    DeadLetterId, EventRecord, Timestamp, WorkerId,
    event_record::{AttemptRecord, MismatchReason, ReplyRecord, Track, TrackState},
    parked::Hold,
};

use super::call::Call;
use crate::{
    api::{Api, error::Error},
    app::Story,
};

#[derive(Serialize)]
pub(super) struct Stories {
    events: Vec<EventBody>,
    /// Whether more sources use the id than one answer tells of: `source` names one.
    more: bool,
}

/// One event's story.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventBody {
    id: Option<String>,
    source: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    topic: Option<String>,
    /// `Running`, `Open`, `Finished` or `Unreadable`.
    state: &'static str,
    accepted_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    duplicates: u32,
    workers: Vec<TrackBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// One worker's part.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TrackBody {
    id: WorkerId,
    name: String,
    state: &'static str,
    /// Why it is in that state: a code.
    reason: Option<&'static str>,
    /// What it waits for at the latest.
    until: Option<Timestamp>,
    filter: Option<String>,
    message: Option<String>,
    reply: Option<ReplyRecord>,
    dead_letter: Option<DeadLetterId>,
    redriven_at: Option<Timestamp>,
    attempts: Vec<AttemptRecord>,
}

/// The story of an event.
pub(super) async fn explain(State(api): State<Api>, mut call: Call) -> Result<Json<Stories>, Error> {
    let id = call.param("id").await?;
    let mut query = call.query()?;
    let source = query.text("source");
    query.finish()?;
    let (stories, more) = api.app.explain(&id, source.as_deref()).await?;
    Ok(Json(Stories { events: stories.into_iter().map(EventBody::from).collect(), more }))
}

impl From<Story> for EventBody {
    fn from(story: Story) -> Self {
        match story {
            Story::Recorded { record, holds, running } => recorded(*record, &holds, running),
            Story::Running { topic, event } => Self {
                id: Some(event.id().to_owned()),
                source: Some(event.source().to_owned()),
                kind: Some(event.kind().to_owned()),
                topic: Some(topic.to_string()),
                state: "Running",
                ..Self::default()
            },
            Story::Unreadable { quarantine, reason } => {
                Self { state: "Unreadable", quarantine: Some(quarantine), message: Some(reason), ..Self::default() }
            }
        }
    }
}

fn recorded(record: EventRecord, holds: &BTreeMap<WorkerId, Hold>, running: bool) -> EventBody {
    let state = match (running, record.is_finished()) {
        (true, _) => "Running",
        (false, true) => "Finished",
        (false, false) => "Open",
    };
    EventBody {
        id: Some(record.id),
        source: Some(record.source),
        kind: Some(record.kind),
        topic: Some(record.topic.to_string()),
        state,
        accepted_at: Some(record.accepted_at),
        finished_at: record.finished_at,
        duplicates: record.duplicates,
        workers: record.workers.into_iter().map(|(id, track)| TrackBody::of(id, track, holds.get(&id))).collect(),
        quarantine: None,
        message: None,
    }
}

impl TrackBody {
    fn of(id: WorkerId, track: Track, hold: Option<&Hold>) -> Self {
        let Track { worker: name, attempts, redriven_at, state } = track;
        let last = attempts.last().map(|attempt| attempt.message.clone()).filter(|message| !message.is_empty());
        let body = Self {
            id,
            name,
            state: "Open",
            reason: None,
            until: None,
            filter: None,
            message: None,
            reply: None,
            dead_letter: None,
            redriven_at,
            attempts,
        };
        match state {
            TrackState::Open => body,
            TrackState::Waiting { until } => {
                Self { state: "Waiting", reason: Some("retry"), until: Some(until), message: last, ..body }
            }
            TrackState::Parked { reason } => Self {
                state: "Parked",
                reason: Some(reason.code()),
                until: hold.map(|hold| hold.until),
                message: last,
                ..body
            },
            TrackState::Done { reply } => Self { state: "Done", reply, ..body },
            TrackState::DeadLettered { reason, dead_letter } => Self {
                state: "DeadLettered",
                reason: Some(reason.code()),
                dead_letter: Some(dead_letter),
                message: last,
                ..body
            },
            TrackState::NotMatched { reason: MismatchReason::FilterFalse { filter } } => {
                Self { state: "NotMatched", reason: Some("filter-false"), filter: Some(filter), ..body }
            }
            TrackState::NotMatched { reason: MismatchReason::FilterFailed { filter, message } } => Self {
                state: "NotMatched",
                reason: Some("filter-failed"),
                filter: Some(filter),
                message: Some(message),
                ..body
            },
            TrackState::WorkerDeleted => Self { state: "WorkerDeleted", ..body },
        }
    }
}
