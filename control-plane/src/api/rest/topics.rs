//! Topics.

use axum::{Json, extract::State};
use serde::Serialize;
use workmanager_core_domain::{Timestamp, Topic};

use super::call::Call;
use crate::{
    api::{Api, error::Error},
    app::TopicView,
    router::IntakeState,
};

#[derive(Serialize)]
pub(super) struct Topics {
    topics: Vec<TopicBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TopicBody {
    topic: Topic,
    state: &'static str,
    since: Option<Timestamp>,
    error: Option<String>,
    workers: Vec<String>,
    running: usize,
    backlog: Option<u64>,
    in_flight: u64,
    accepted_total: u64,
    acknowledged_total: u64,
    duplicates_total: u64,
}

impl From<TopicView> for TopicBody {
    fn from(TopicView { topic, state, workers, running, backlog }: TopicView) -> Self {
        let count = |of: fn(&crate::router::TopicState) -> u64| state.as_ref().map_or(0, of);
        Self {
            topic,
            state: state.as_ref().map_or(IntakeState::Closed, |state| state.state).as_str(),
            since: state.as_ref().map(|state| state.since),
            error: state.as_ref().and_then(|state| state.error.clone()),
            workers,
            running,
            backlog,
            in_flight: count(|state| state.in_flight),
            accepted_total: count(|state| state.accepted_total),
            acknowledged_total: count(|state| state.acknowledged_total),
            duplicates_total: count(|state| state.duplicates_total),
        }
    }
}

/// `GET /v1/topics`
pub(super) async fn list(State(api): State<Api>, call: Call) -> Result<Json<Topics>, Error> {
    call.query()?.finish()?;
    let topics = api.app.topics().await?.into_iter().map(TopicBody::from).collect();
    Ok(Json(Topics { topics }))
}
