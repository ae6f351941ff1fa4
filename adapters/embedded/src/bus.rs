//! Topics.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::timeout;
use workmanager_core_domain::{
    Event, Topic,
    ports::{Bus, BusError, SettleError, Settlement, Subscription, TailCapability, TailStream},
    subscription::Interest,
};

use crate::{
    Store,
    failure::Failure,
    log::{self, Entry},
    publish::{Forget, Publish, Subscribe},
    settle::Settle,
    subscription::Taker,
    tail,
};

/// How long a publisher waits at most while its topic is crowded.
const BRAKE: Duration = Duration::from_secs(1);

#[async_trait]
impl Bus for Store {
    async fn publish(&self, topic: &Topic, events: &[Arc<Event>]) -> Result<(), BusError> {
        if events.is_empty() {
            return Ok(());
        }
        if let Some(queue) = self.hub().queue(topic) {
            // Whoever has waited so long is let in all the same: it is a brake, not a limit.
            let _ = timeout(BRAKE, queue.room()).await;
        }
        let entries = events.iter().map(Entry::new).collect::<Result<_, _>>().map_err(Failure::Unavailable)?;
        Ok(self.writer().run(Publish { topic: topic.clone(), entries }).await?)
    }

    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, BusError> {
        if self.hub().queue(topic).is_none() {
            self.writer().run(Subscribe(topic.clone())).await?;
        }
        let gone = || BusError::Unavailable { reason: "the topic was given up meanwhile".to_owned() };
        let queue = self.hub().queue(topic).ok_or_else(gone)?;
        Ok(Box::new(Taker::new(self.clone(), queue)))
    }

    async fn forget(&self, topic: &Topic) -> Result<(), BusError> {
        Ok(self.writer().run(Forget(topic.clone())).await?)
    }

    async fn topics(&self) -> Result<Vec<(Topic, Interest)>, BusError> {
        Ok(self.hub().topics())
    }

    async fn settle(&self, settlement: Settlement) -> Result<(), SettleError> {
        let publish = |reason| SettleError::Publish(BusError::Unavailable { reason });
        let settle = Settle::new(settlement).map_err(publish)?;
        let first = settle.first_step();
        self.writer().run(settle).await.map_err(|failure| Settle::error(first, failure))
    }

    async fn backlog(&self, topic: &Topic) -> Result<Option<u64>, BusError> {
        Ok(Some(self.hub().queue(topic).map_or(0, |queue| queue.pending())))
    }

    fn tail_capability(&self) -> TailCapability {
        TailCapability::Log
    }

    async fn tail(&self, topic: &Topic, since: Option<u64>) -> Result<TailStream, BusError> {
        Ok(tail::follow(self, topic, since))
    }

    async fn position(&self, topic: &Topic) -> Result<u64, BusError> {
        let topic = topic.clone();
        Ok(self.readers().run(move |connection| log::last(connection, &topic)).await?)
    }
}
