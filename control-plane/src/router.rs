//! From the bus to the functions and back: one subscription per topic that somebody takes, opened and
//! closed as workers start and stop.

mod board;
mod intake;
mod keeper;
mod parked;
mod topic;
mod witness;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub use board::{Board, LoadFailure};
use keeper::Keeper;
pub use topic::{IntakeState, TopicState};
use workmanager_core_delivery::{Deliveries, Ports, Roster, Settings, Target};
use workmanager_core_domain::{
    ErrorKind, Event, EventRecord, Topic, WorkerId,
    dead_letter::DeadLetter,
    parked::{Hold, Pinned},
    ports::{Bus, Clock, Ids, Records, StoreError},
};
use workmanager_core_kit::Tasks;

use crate::{feed::Feed, logs::Logs};

/// What the router works with.
#[derive(Clone)]
pub struct Parts {
    /// Where events come from and replies go.
    pub bus: Arc<dyn Bus>,
    /// Where event records are kept.
    pub records: Arc<dyn Records>,
    /// Where workers run.
    pub target: Arc<dyn Target>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub ids: Arc<dyn Ids>,
    /// The workers.
    pub roster: Arc<Roster>,
    /// Who watches.
    pub feed: Feed,
}

/// A topic whose subscription is not as the workers want it to be.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("topic `{topic}` cannot be subscribed to now: {reason}")]
pub struct NotSettled {
    /// Which.
    pub topic: Topic,
    /// What was seen last.
    pub reason: String,
}

impl NotSettled {
    /// What a caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "topic-unavailable"
    }
}

/// The router. Cloning shares it.
#[derive(Clone)]
pub struct Router {
    keeper: Arc<Keeper>,
    board: Arc<Board>,
    logs: Arc<Logs>,
}

impl Router {
    /// Starts taking events for every running worker of the roster, now and as it changes, until
    /// `tasks` stop. Then nothing new is taken, and attempts in flight go to their end; what is not
    /// done when `tasks` are no longer waited for stays on the bus.
    #[must_use]
    pub fn start(parts: Parts, settings: Settings, tasks: &Tasks) -> Self {
        let Parts { bus, records, target, clock, ids, roster, feed } = parts;
        let board: Arc<Board> = Arc::default();
        let logs: Arc<Logs> = Arc::default();
        let witness = Arc::new(witness::Watchers { feed, board: board.clone(), logs: logs.clone() });
        let ports = Ports { bus, records, target, clock, ids, roster, witness };
        let deliveries = Arc::new(Deliveries::new(ports.clone(), settings));
        let keeper = Arc::new(Keeper::new(ports, deliveries.clone(), tasks.clone()));
        let (keeping, all) = (keeper.clone(), tasks.clone());
        tasks.spawn_infallible(async move {
            // Before any topic is taken, so that what is parked keeps its place in front.
            if parked::restore(&deliveries, &all).await {
                tokio::join!(keeping.keep(), parked::run(deliveries, all));
            }
        });
        Self { keeper, board, logs }
    }

    /// Waits until the subscriptions of `topics` are as the roster wants them at the time of the call,
    /// so that an event that is published afterwards is not missed.
    ///
    /// # Errors
    /// Not so within `wait`.
    pub async fn settled(&self, topics: impl IntoIterator<Item = &Topic>, wait: Duration) -> Result<(), NotSettled> {
        let deadline = tokio::time::Instant::now() + wait;
        for topic in topics {
            let settled = tokio::time::timeout_at(deadline, self.keeper.settled(topic)).await;
            settled.map_err(|_| NotSettled { topic: topic.clone(), reason: self.keeper.trouble(topic) })?;
        }
        Ok(())
    }

    /// Every topic that some worker owns, as it is taken here, in the order of their names.
    #[must_use]
    pub fn topics(&self) -> Vec<TopicState> {
        self.keeper.topics()
    }

    /// One of them.
    #[must_use]
    pub fn topic(&self, topic: &Topic) -> Option<TopicState> {
        self.keeper.topic(topic)
    }

    /// Sends a dead letter round again, for its worker alone: `version` runs, or the active one. The
    /// letter is gone when this returns.
    ///
    /// # Errors
    /// The store's: the letter may still be there then, and doing it again is fine.
    pub async fn redrive(&self, letter: &DeadLetter, version: Option<Pinned>) -> Result<(), StoreError> {
        self.keeper.deliveries.redrive(letter, version).await
    }

    /// The events with this id that are being delivered now, with their topics.
    #[must_use]
    pub fn in_flight(&self, id: &str) -> Vec<(Topic, Arc<Event>)> {
        self.keeper.deliveries.in_flight(id)
    }

    /// What each worker's part of the event of `record` waits for, if it is parked here.
    ///
    /// # Errors
    /// The store's.
    pub async fn holds(&self, record: &EventRecord) -> Result<BTreeMap<WorkerId, Hold>, StoreError> {
        self.keeper.deliveries.holds(record).await
    }

    /// How long the pause of a worker whose engine died again and again lasts yet, if there is one.
    #[must_use]
    pub fn pause(&self, worker: WorkerId) -> Option<Duration> {
        self.keeper.deliveries.pause(worker)
    }

    /// What workers wrote lately.
    #[must_use]
    pub const fn logs(&self) -> &Arc<Logs> {
        &self.logs
    }

    /// Takes up what is parked in the store and not known here, as after a repair.
    ///
    /// # Errors
    /// The store's.
    pub async fn restore(&self) -> Result<usize, StoreError> {
        self.keeper.deliveries.restore().await
    }

    /// Makes the parked deliveries of `partition`, whose writer is gone, our own, and says how many there
    /// were.
    ///
    /// # Errors
    /// The store's; doing it again is fine.
    pub async fn adopt(&self, partition: &str) -> Result<usize, StoreError> {
        self.keeper.deliveries.adopt(partition).await
    }

    /// Lets other control planes have the groups' leases that are not needed here, or were held for long.
    pub async fn hand_on_leases(&self) {
        self.keeper.deliveries.hand_on_leases().await;
    }

    /// What was last seen of each worker's code.
    #[must_use]
    pub const fn board(&self) -> &Arc<Board> {
        &self.board
    }
}

#[cfg(test)]
mod tests;
