//! Deliveries, from the bus or the lot to their end.
//!
//! - The event's record is read first. A worker that is done with the event there is not run again; an
//!   event that every worker is done with is a duplicate, and is acknowledged at once.
//! - A second copy of an event waits while the first is in flight.
//! - Workers of one event run side by side. What ends while a settlement is under way goes into the
//!   next one, and the settlement with the last worker's outcome acknowledges the event. One worker,
//!   one attempt: one settlement.
//! - What must be tried again, or takes longer than the bus should wait, is parked: the event's bytes
//!   and what each worker waits for become durable with the acknowledgement, and the delivery goes on
//!   from the lot. When the lot is full it waits where it is, and the bus waits with it.
//! - A settlement that fails is tried again until it succeeds or the program stops; then the event is
//!   not acknowledged and comes again. A reply that cannot be published is parked with its bytes: the
//!   worker is not run again for it.
//! - If another outcome of the same worker and event was recorded first, that one stands, and what
//!   ended here is discarded with its reply.
//! - Each attempt runs the version that is active when it begins, or the one it was sent round for.
//! - Events of a worker that is stopped are parked until it runs, or until they are too old. One that
//!   is deleted ends them.

mod adopt;
mod berth;
mod in_flight;
mod ledger;
mod line;
mod outcome;
mod parked;
mod run;
mod settle;
mod stage;

use std::{sync::Arc, time::Duration};

use berth::Berth;
use in_flight::{Entry, InFlight};
use ledger::{Found, Ledger};
use line::Line;
pub use parked::Due;
use run::{Mistake, Run};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug_span, error, warn};
use workmanager_core_domain::{
    Event, EventRecord, Outcome, Topic, Worker, WorkerId,
    parked::Parked,
    ports::{Bus, Clock, Collection, Delivery, Ids, Key, Records, Revision},
    units::Span,
};
use workmanager_core_kit::field;

use crate::{
    circuit::{Circuit, Circuits},
    lanes::Lanes,
    leases::Leases,
    lot::{Clocks, Lot, Parking},
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// How deliveries are kept for later.
    pub parking: Parking,
    /// When a worker whose engine dies again and again gets a pause.
    pub circuit: Circuit,
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
            parking: Parking::default(),
            circuit: Circuit::default(),
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
    /// It goes on in the lot, and that is durable.
    Parked,
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
    /// Another replica has taken the group's lease over meanwhile: what ended here does not count.
    Fenced,
    /// A mistake in our own code, which the log describes.
    Broken,
}

/// Where a delivery comes from.
enum Source {
    /// The bus.
    Bus,
    /// The lot, because the time of one worker's part has come. What was read of it may be older than what
    /// is there when the delivery's turn comes; the first write tells.
    Lot { key: Key, due: WorkerId, parked: Box<Parked>, revision: Revision },
}

/// Makes deliveries. One for all topics of a process.
pub struct Deliveries {
    ports: Ports,
    settings: Settings,
    room: Arc<Semaphore>,
    in_flight: InFlight,
    lot: Lot,
    lanes: Lanes,
    leases: Leases,
    circuits: Circuits,
}

impl Deliveries {
    /// Nothing is in flight yet. What is parked must be taken up by [`Deliveries::restore`].
    #[must_use]
    pub fn new(ports: Ports, settings: Settings) -> Self {
        metrics::describe();
        let room = Arc::new(Semaphore::new(settings.in_flight));
        let (lot, circuits) = (Lot::new(settings.parking.clone()), Circuits::new(settings.circuit));
        let leases = Leases::new(ports.records.clone(), ports.clock.clone(), settings.parking.partition.clone());
        Self { ports, settings, room, in_flight: InFlight::default(), lot, lanes: Lanes::default(), leases, circuits }
    }

    /// How they are made.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Lets other replicas have the leases of groups that are not needed here, or were held for long. To be
    /// called again and again where there are others.
    pub async fn hand_on_leases(&self) {
        self.leases.hand_on().await;
    }

    /// Waits until there is room for one more delivery.
    pub async fn room(&self) -> Room {
        // The semaphore is never closed.
        #[expect(clippy::expect_used, reason = "nothing closes the semaphore")]
        let permit = self.room.clone().acquire_owned().await.expect("an open semaphore");
        Room { _permit: permit }
    }

    /// Waits until a delivery of `topic` would have a place in front of its worker. Where several
    /// workers run none waits for another, because what has no place is parked.
    pub async fn place(&self, topic: &Topic) {
        loop {
            let snapshot = self.ports.roster.snapshot();
            let mut running = snapshot.on(topic).iter().filter(|member| member.is_running());
            let (Some(member), None) = (running.next(), running.next()) else { return };
            if member.places.available_permits() > 0 {
                return;
            }
            let mut changes = self.ports.roster.changes();
            if !Arc::ptr_eq(&snapshot, &self.ports.roster.snapshot()) {
                continue;
            }
            tokio::select! {
                _ = member.places.acquire() => return,
                _ = changes.changed() => {}
            }
        }
    }

    /// Makes one delivery. Once `closing` is cancelled nothing is waited for any more: attempts that
    /// run go to their end, and what is not done then stays on the bus.
    pub async fn deliver(&self, delivery: Delivery, room: Room, closing: &CancellationToken) -> Ending {
        let (event, topic) = (&delivery.event, &delivery.topic);
        self.ports.witness.saw(&Sight::Accepted { topic, event });
        self.make(&delivery, Source::Bus, room, closing).await
    }

    async fn make(&self, delivery: &Delivery, source: Source, room: Room, closing: &CancellationToken) -> Ending {
        let (event, topic) = (&delivery.event, &delivery.topic);
        let span = debug_span!("dispatch", { field::EVENT_ID } = event.id(), { field::TOPIC } = topic.as_str());
        let begun = self.ports.clock.monotonic();
        metrics::started();
        let ending = self.turn(delivery, source, closing).instrument(span).await;
        let end = match ending {
            Ending::Acknowledged => End::Acknowledged,
            Ending::Duplicate => End::Duplicate,
            Ending::Parked => End::Parked,
            Ending::Pending(_) => End::Pending,
        };
        metrics::ended(end, self.ports.clock.monotonic().saturating_sub(begun));
        drop(room);
        ending
    }

    /// Waits until no other copy of the event is in flight, and makes the delivery.
    async fn turn(&self, delivery: &Delivery, source: Source, closing: &CancellationToken) -> Ending {
        let key: Arc<str> = EventRecord::key(delivery.event.source(), delivery.event.id()).into();
        let mut line = self.stand_in_line(delivery, matches!(source, Source::Bus));
        loop {
            let first = match self.in_flight.enter(&delivery.topic, &key, &delivery.event) {
                Entry::First(guard) => guard,
                Entry::Second(ended) => {
                    tokio::select! {
                        () = ended.cancelled() => continue,
                        () = closing.cancelled() => return Ending::Pending(Pending::Closing),
                    }
                }
            };
            let ending = self.run(delivery, &key, source, &mut line, closing).await;
            drop(first);
            return ending.unwrap_or_else(|mistake| {
                error!({ field::EVENT_ID } = delivery.event.id(), "{mistake}; the event will come again");
                Ending::Pending(Pending::Broken)
            });
        }
    }

    /// Makes a delivery that is the only one of its event.
    async fn run(
        &self,
        delivery: &Delivery,
        key: &str,
        source: Source,
        line: &mut Line<'_>,
        closing: &CancellationToken,
    ) -> Result<Ending, Mistake> {
        let until = Instant::now() + self.settings.parking.budget;
        let (berth, taken_up) = match source {
            Source::Bus => (Berth::of_bus(), None),
            Source::Lot { key, due, parked, revision } => {
                (Berth::of_parked(key, parked.clone(), revision), Some((parked, due)))
            }
        };
        let (key, read_at) = (Key::new(Collection::Event, key), Instant::now().into_std());
        let Ok(found) = self.read(&key, closing).await else { return Ok(Ending::Pending(Pending::Closing)) };
        let is_known = matches!(found, Found::Record(..));
        let fresh = EventRecord::new(&delivery.event, delivery.topic.clone(), delivery.accepted_at);
        let ledger = Ledger::new(key, fresh, found, read_at);
        let (turn, legs) = (line.turn().clone(), Vec::new());
        let mut run = Run {
            deliveries: self,
            delivery,
            closing,
            turn,
            until,
            ledger,
            berth,
            legs,
            conflicts: 0,
            under_way: None,
            ending: None,
        };
        let is_duplicate = match taken_up {
            Some((parked, due)) => {
                run.take_up(&parked, due)?;
                false
            }
            None if !run.prepare()? => return Ok(Ending::Pending(Pending::NobodyRuns)),
            None => is_known && run.is_nothing_to_do(),
        };
        if is_duplicate {
            run.ledger.count_duplicate();
        }
        line.retain(|worker| run.legs.iter().any(|leg| leg.id == worker));
        let ending = run.go().await?;
        run.resting().for_each(|worker| line.stay(worker));
        Ok(if is_duplicate && ending == Ending::Acknowledged { Ending::Duplicate } else { ending })
    }

    /// An attempt has ended: its worker may get a pause.
    fn note(&self, worker: &Worker, outcome: &Outcome) {
        if let Some(pause) = self.circuits.note(worker.id, outcome, self.ports.clock.monotonic()) {
            metrics::circuit_opened();
            warn!({ field::WORKER_NAME } = %worker.name, "worker `{}` gets a pause of {}: {}", worker.name, Span(pause), outcome.message());
        }
    }

    /// The events with this id that are being delivered now, with their topics.
    #[must_use]
    pub fn in_flight(&self, id: &str) -> Vec<(Topic, Arc<Event>)> {
        self.in_flight.with_id(id)
    }

    /// How long the pause of a worker whose engine died again and again lasts yet, if there is one.
    #[must_use]
    pub fn pause(&self, worker: WorkerId) -> Option<Duration> {
        self.circuits.pause(worker, self.ports.clock.monotonic())
    }

    fn clocks(&self) -> Clocks {
        Clocks { now: self.ports.clock.now(), monotonic: self.ports.clock.monotonic() }
    }

    /// A random number from 0 to 1.
    fn jitter(&self) -> f64 {
        // The last 32 bits of a UUID are random.
        let [.., a, b, c, d] = *self.ports.ids.next().as_bytes();
        f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX)
    }
}
