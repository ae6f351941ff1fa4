//! The topics that workers name.

use std::collections::BTreeMap;

use workmanager_core_domain::{Topic, ports::BusError};

use super::{App, Error};
use crate::router::TopicState;

/// One topic.
#[derive(Debug, Clone)]
pub struct TopicView {
    /// Which.
    pub topic: Topic,
    /// How it is taken here; `None` while no worker on it has ever been started.
    pub state: Option<TopicState>,
    /// The names of its workers.
    pub workers: Vec<String>,
    /// How many of them run.
    pub running: usize,
    /// Events that wait for an outcome, if the bus can say.
    pub backlog: Option<u64>,
}

impl App {
    /// Every topic that a worker names, in alphabetical order.
    ///
    /// # Errors
    /// The bus's.
    pub async fn topics(&self) -> Result<Vec<TopicView>, Error> {
        let mut topics: BTreeMap<Topic, TopicView> = BTreeMap::new();
        let snapshot = self.parts.roster.snapshot();
        for topic in snapshot.topics() {
            let members = snapshot.on(topic);
            let running = members.iter().filter(|member| member.is_running()).count();
            let workers = members.iter().map(|member| member.worker.name.to_string()).collect();
            let (topic, state) = (topic.clone(), self.parts.router.topic(topic));
            topics.insert(topic.clone(), TopicView { topic, state, workers, running, backlog: None });
        }
        for view in topics.values_mut().filter(|view| view.state.is_some()) {
            view.backlog = match self.parts.bus.backlog(&view.topic).await {
                Err(BusError::Unsupported(_)) => None,
                answer => answer?,
            };
        }
        Ok(topics.into_values().collect())
    }
}
