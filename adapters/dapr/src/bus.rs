//! Topics.

use std::sync::Arc;

use async_trait::async_trait;
use workmanager_core_domain::{
    Checkup, Event, Topic,
    ports::{Bus, BusError, SettleError, Settlement, Subscription, TailCapability, TailStream},
    subscription::Interest,
};

use crate::{
    Dapr,
    dapr::as_bus_error,
    hub::Joined,
    line::{Line, State},
    outgoing, reconcile, settle,
    status::Failure,
    stream::{self, Source},
    subscription::Taker,
};

/// With more topics than this the shipped component's pool of connections is too small, and others may be.
const MANY: usize = 100;

#[async_trait]
impl Bus for Dapr {
    async fn publish(&self, topic: &Topic, events: &[Arc<Event>]) -> Result<(), BusError> {
        outgoing::publish(self.shared(), topic, events).await
    }

    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, BusError> {
        let shared = self.shared();
        shared.keep(std::slice::from_ref(topic)).await.map_err(as_bus_error)?;
        // What is given up must have a way back before anything can be given up.
        let stopping = shared.tasks.stopping();
        let (redo, is_new) = shared.hub.redo(&stopping);
        if is_new {
            self.open(Source::Redo, redo.clone());
            shared.tasks.spawn_infallible(reconcile::run(shared.clone(), shared.compare_every));
        }
        opened(&redo).await?;
        let channel = match shared.hub.join(topic, &stopping) {
            Joined::There(channel) => channel,
            Joined::New(channel) => {
                let count = shared.hub.taken().len();
                if count.is_multiple_of(MANY) {
                    tracing::warn!(
                        "{count} topics are open: with Redis the sidecar's poolSize must be at least {}",
                        count + 200
                    );
                }
                self.open(Source::Topic(topic.clone()), channel.line.clone());
                channel
            }
        };
        // Counted already: should the stream not open, dropping it takes it away again.
        let taker = Taker::joined(shared.clone(), topic.clone(), channel.clone());
        opened(&channel.line).await?;
        Ok(Box::new(taker))
    }

    async fn forget(&self, topic: &Topic) -> Result<(), BusError> {
        // First, or a comparison would keep it again.
        self.shared().hub.forget(topic);
        self.shared().give_up(topic).await.map_err(as_bus_error)
    }

    async fn topics(&self) -> Result<Vec<(Topic, Interest)>, BusError> {
        let kept = self.shared().kept().await.map_err(as_bus_error)?;
        let taken = self.shared().hub.taken();
        let interest = |topic: &Topic| if taken.contains(topic) { Interest::Open } else { Interest::Held };
        Ok(kept.into_iter().map(|topic| (topic.clone(), interest(&topic))).collect())
    }

    async fn settle(&self, settlement: Settlement) -> Result<(), SettleError> {
        settle::settle(self, settlement).await
    }

    fn trouble(&self, topic: &Topic) -> Option<String> {
        self.shared().hub.trouble(topic)
    }

    fn checkup(&self) -> Checkup {
        self.shared().checkup()
    }

    async fn backlog(&self, _topic: &Topic) -> Result<Option<u64>, BusError> {
        Ok(None)
    }

    fn tail_capability(&self) -> TailCapability {
        TailCapability::Live
    }

    async fn tail(&self, topic: &Topic, since: Option<u64>) -> Result<TailStream, BusError> {
        if since.is_some() {
            return Err(BusError::Unsupported("show what has passed"));
        }
        Ok(self.shared().hub.tails.follow(topic, self.shared().tasks.stopping()))
    }
}

impl Dapr {
    fn open(&self, source: Source, line: Arc<Line>) {
        let shared = self.shared();
        shared.tasks.spawn_infallible(stream::run(shared.clone(), source, line));
    }
}

/// Waits until a stream is open, or cannot be opened now.
async fn opened(line: &Line) -> Result<(), BusError> {
    let mut state = line.state();
    let is_decided = |state: &State| !matches!(state, State::Opening);
    let ended = || BusError::Unavailable { reason: "the topic was given up meanwhile".to_owned() };
    let decided = tokio::select! {
        decided = state.wait_for(is_decided) => decided.map_err(|_| ended())?.clone(),
        () = line.stop.cancelled() => return Err(ended()),
    };
    match decided {
        State::Failed(Failure::Elapsed) => Err(BusError::Timeout),
        State::Failed(failure) => Err(BusError::Unavailable { reason: failure.reason().to_owned() }),
        State::Open | State::Opening => Ok(()),
    }
}
