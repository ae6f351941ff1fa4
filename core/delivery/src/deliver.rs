//! Deliveries, from the bus to their end.
//!
//! - The event's record is read first. A worker that is done with the event there is not run again; an
//!   event that every worker is done with is a duplicate, and is acknowledged at once.
//! - A second copy of an event waits while the first is in flight.
//! - Workers of one event run side by side. What ends while a settlement is under way goes into the
//!   next one, and the settlement with the last worker's outcome acknowledges the event. One worker,
//!   one attempt: one settlement.
//! - After an attempt that will be made again the record is saved, so that attempts survive a crash.
//! - A settlement that fails is tried again until it succeeds or the program stops; then the event is
//!   not acknowledged and comes again. A reply may be published twice in that case: it has the same id
//!   each time, and is a duplicate where it arrives.
//! - If another outcome of the same worker and event was recorded first, that one stands, and what
//!   ended here is discarded with its reply.
//! - Each attempt runs the version that is active when it begins.
//! - A worker that is stopped keeps its deliveries open: they go on when it is started, or stay on the
//!   bus. One that is deleted ends them.

mod in_flight;
mod ledger;
mod outcome;
mod run;
mod settle;
mod stage;

use std::{sync::Arc, time::Duration};

use in_flight::{Entry, InFlight};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug_span, error};
use workmanager_core_domain::{
    EventRecord,
    ports::{Bus, Clock, Delivery, Ids, Records},
};
use workmanager_core_kit::field;

use crate::{
    metrics::{self, End},
    policy::Backoff,
    roster::Roster,
    target::Target,
    witness::{Sight, Witness},
};

/// What deliveries work with.
#[derive(Clone)]
pub struct Ports {
    /// Where events come from, and replies and outcomes go.
    pub bus: Arc<dyn Bus>,
    /// Where event records are read.
    pub records: Arc<dyn Records>,
    /// Where workers run.
    pub target: Arc<dyn Target>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers and jitter.
    pub ids: Arc<dyn Ids>,
    /// The workers.
    pub roster: Arc<Roster>,
    /// Who watches.
    pub witness: Arc<dyn Witness>,
}

/// How deliveries are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Waits between attempts.
    pub backoff: Backoff,
    /// Waits between tries to make an outcome durable.
    pub settle_backoff: Backoff,
    /// Deliveries that may be in flight at once, over all topics. Each holds its event in memory, so
    /// 1,024 of the largest events are 1 GiB.
    pub in_flight: usize,
    /// Of those, deliveries of one topic, so that a topic whose worker is stuck leaves room for others.
    pub in_flight_per_topic: usize,
    /// How much longer than its timeout an attempt may take until it is given up as unknown: for
    /// waking a function and for the way there and back.
    pub slack: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let settle_backoff = Backoff { base: Duration::from_millis(50), factor: 2, cap: Duration::from_secs(5) };
        Self {
            backoff: Backoff::default(),
            settle_backoff,
            in_flight: 1024,
            in_flight_per_topic: 256,
            slack: Duration::from_secs(60),
        }
    }
}

/// Leave to have one delivery in flight.
#[derive(Debug)]
pub struct Room {
    _permit: OwnedSemaphorePermit,
}

/// How a delivery ended here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Every worker is done, and that is durable.
    Acknowledged,
    /// Every worker had been done with the event before.
    Duplicate,
    /// It was not acknowledged: the bus keeps the event.
    Pending(Pending),
}

/// Why a delivery was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pending {
    /// The intake is closing: every worker of the topic is stopped, or the program stops.
    Closing,
    /// No worker of the topic runs, so nobody has looked at the event.
    NobodyRuns,
    /// A mistake in our own code, which the log describes.
    Broken,
}

/// Makes deliveries. One for all topics of a process.
pub struct Deliveries {
    ports: Ports,
    settings: Settings,
    room: Arc<Semaphore>,
    in_flight: InFlight,
}

impl Deliveries {
    /// Nothing is in flight yet.
    #[must_use]
    pub fn new(ports: Ports, settings: Settings) -> Self {
        metrics::describe();
        let room = Arc::new(Semaphore::new(settings.in_flight));
        Self { ports, settings, room, in_flight: InFlight::default() }
    }

    /// How they are made.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Waits until there is room for one more delivery.
    pub async fn room(&self) -> Room {
        // The semaphore is never closed.
        #[expect(clippy::expect_used, reason = "nothing closes the semaphore")]
        let permit = self.room.clone().acquire_owned().await.expect("an open semaphore");
        Room { _permit: permit }
    }

    /// Makes one delivery. Once `closing` is cancelled nothing is waited for any more: attempts that
    /// run go to their end, and what is not done then stays on the bus.
    pub async fn deliver(&self, delivery: Delivery, room: Room, closing: &CancellationToken) -> Ending {
        let (event, topic) = (&delivery.event, &delivery.topic);
        let span = debug_span!("dispatch", { field::EVENT_ID } = event.id(), { field::TOPIC } = topic.as_str());
        let begun = self.ports.clock.monotonic();
        metrics::started();
        self.ports.witness.saw(&Sight::Accepted { topic, event });
        let ending = self.turn(&delivery, closing).instrument(span).await;
        let end = match ending {
            Ending::Acknowledged => End::Acknowledged,
            Ending::Duplicate => End::Duplicate,
            Ending::Pending(_) => End::Pending,
        };
        metrics::ended(end, self.ports.clock.monotonic().saturating_sub(begun));
        drop(room);
        ending
    }

    /// Waits until no other copy of the event is in flight, and makes the delivery.
    async fn turn(&self, delivery: &Delivery, closing: &CancellationToken) -> Ending {
        let key: Arc<str> = EventRecord::key(delivery.event.source(), delivery.event.id()).into();
        loop {
            let first = match self.in_flight.enter(&delivery.topic, &key) {
                Entry::First(guard) => guard,
                Entry::Second(ended) => {
                    tokio::select! {
                        () = ended.cancelled() => continue,
                        () = closing.cancelled() => return Ending::Pending(Pending::Closing),
                    }
                }
            };
            let ending = run::run(self, delivery, &key, closing).await;
            drop(first);
            return ending.unwrap_or_else(|mistake| {
                error!({ field::EVENT_ID } = delivery.event.id(), "{mistake}; the event will come again");
                Ending::Pending(Pending::Broken)
            });
        }
    }

    /// A random number from 0 to 1.
    fn jitter(&self) -> f64 {
        // The last 32 bits of a UUID are random.
        let [.., a, b, c, d] = *self.ports.ids.next().as_bytes();
        f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX)
    }
}
