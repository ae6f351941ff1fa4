//! The intake of one topic: from the bus into deliveries.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use workmanager_core_delivery::{Deliveries, Ending, Pending, policy::Backoff};
use workmanager_core_domain::{
    Timestamp, Topic,
    ports::{BusError, Delivery, Subscription},
};
use workmanager_core_kit::field;

use super::{IntakeState, TopicState, keeper::Keeper};

/// What the roster wants of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Some worker runs.
    Open,
    /// Every owner is stopped.
    Closed,
    /// The last owner was deleted.
    Gone,
}

/// How far the intake is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Opening,
    Open,
    Failing { error: Arc<str> },
    Closed,
}

/// One topic's intake. Its task owns everything that moves; this is what others see.
pub(super) struct Intake {
    topic: Topic,
    wanted: watch::Sender<Wanted>,
    phase: watch::Sender<(Phase, Timestamp)>,
    in_flight: AtomicU64,
    accepted: AtomicU64,
    acknowledged: AtomicU64,
    duplicates: AtomicU64,
}

pub(super) type Flight = Pin<Box<dyn Future<Output = Ending> + Send>>;
/// How long what ended in a mistake of our own waits until it is delivered again.
const BROKEN: Duration = Duration::from_secs(5);

type Flights = FuturesUnordered<Flight>;

/// Why an opened intake does not go on.
enum Stopped {
    /// The bus has failed.
    Failed(Arc<str>),
    /// A delivery was left alone while no worker ran, and some worker may run again by now, or ended in a
    /// mistake of ours some time ago: a fresh subscription brings it back.
    LeftAlone,
    /// Something else is wanted, or the program stops.
    Wanted,
}

impl Intake {
    pub(super) fn new(topic: Topic, wanted: Wanted, now: Timestamp) -> Self {
        let phase = if wanted == Wanted::Open { Phase::Opening } else { Phase::Closed };
        Self {
            topic,
            wanted: watch::Sender::new(wanted),
            phase: watch::Sender::new((phase, now)),
            in_flight: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
        }
    }

    pub(super) const fn topic(&self) -> &Topic {
        &self.topic
    }

    pub(super) fn want(&self, wanted: Wanted) {
        self.wanted.send_if_modified(|known| std::mem::replace(known, wanted) != wanted);
    }

    pub(super) fn wanted(&self) -> Wanted {
        *self.wanted.borrow()
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.borrow().0.clone()
    }

    /// Waits until it is as it is wanted to be.
    pub(super) async fn settled(&self) {
        let mut wanted = self.wanted.subscribe();
        let mut phase = self.phase.subscribe();
        loop {
            let settled = match *wanted.borrow_and_update() {
                Wanted::Open => phase.borrow_and_update().0 == Phase::Open,
                // The bus keeps events, or drops them; neither needs to be waited for.
                Wanted::Closed | Wanted::Gone => true,
            };
            if settled {
                return;
            }
            tokio::select! {
                _ = wanted.changed() => {}
                _ = phase.changed() => {}
            }
        }
    }

    pub(super) fn state(&self) -> TopicState {
        let (phase, since) = self.phase.borrow().clone();
        let (state, error) = match phase {
            Phase::Opening => (IntakeState::Opening, None),
            Phase::Open => (IntakeState::Open, None),
            Phase::Failing { error } => (IntakeState::Failing, Some(error.to_string())),
            Phase::Closed => (IntakeState::Closed, None),
        };
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TopicState {
            topic: self.topic.clone(),
            state,
            since,
            error,
            in_flight: read(&self.in_flight),
            accepted_total: read(&self.accepted),
            acknowledged_total: read(&self.acknowledged),
            duplicates_total: read(&self.duplicates),
        }
    }

    /// Takes events while they are wanted, until the topic is given up or the program stops.
    pub(super) async fn run(self: Arc<Self>, keeper: Arc<Keeper>) {
        let stopping = keeper.tasks.stopping();
        let mut wanted = self.wanted.subscribe();
        let mut flights = Flights::new();
        while !stopping.is_cancelled() {
            let now = *wanted.borrow_and_update();
            match now {
                Wanted::Open => {
                    let closing = stopping.child_token();
                    self.open(&keeper, &mut flights, &mut wanted, &closing).await;
                    // What waits in flight stays on the bus; attempts that run go to their end.
                    closing.cancel();
                    continue;
                }
                Wanted::Closed => {
                    self.enter(&keeper, Phase::Closed);
                    self.keep_flying(&mut flights, &mut wanted, &stopping).await;
                }
                Wanted::Gone => tokio::select! {
                    () = self.forget(&keeper) => if keeper.dismiss(&self) { break },
                    () = self.keep_flying(&mut flights, &mut wanted, &stopping) => {}
                },
            }
        }
        while let Some(ending) = flights.next().await {
            self.landed(ending, flights.len());
        }
    }

    fn enter(&self, keeper: &Keeper, phase: Phase) {
        let now = keeper.ports.clock.now();
        self.phase.send_if_modified(|(known, since)| {
            let is_new = *known != phase;
            if is_new {
                (*known, *since) = (phase, now);
            }
            is_new
        });
    }

    /// Subscribes and takes events, and does so again whenever the bus fails.
    async fn open(
        &self,
        keeper: &Arc<Keeper>,
        flights: &mut Flights,
        wanted: &mut watch::Receiver<Wanted>,
        closing: &CancellationToken,
    ) {
        let backoff = Backoff::default();
        let mut retry = 0;
        while *wanted.borrow_and_update() == Wanted::Open && !closing.is_cancelled() {
            let subscribed = tokio::select! {
                subscribed = keeper.ports.bus.subscribe(&self.topic) => subscribed,
                () = self.keep_flying(flights, wanted, closing) => continue,
            };
            let error = match subscribed {
                Ok(subscription) => {
                    retry = 0;
                    self.enter(keeper, Phase::Open);
                    info!({ field::TOPIC } = self.topic.as_str(), "topic `{}` is open", self.topic);
                    match self.take(keeper, subscription, flights, wanted, closing).await {
                        Stopped::Failed(error) => error,
                        Stopped::LeftAlone => continue,
                        Stopped::Wanted => return,
                    }
                }
                Err(error) => describe(&error),
            };
            warn!({ field::TOPIC } = self.topic.as_str(), "topic `{}` cannot be taken: {error}", self.topic);
            self.enter(keeper, Phase::Failing { error });
            let pause = tokio::time::sleep(backoff.longest(retry));
            retry += 1;
            tokio::select! {
                () = pause => {}
                () = self.keep_flying(flights, wanted, closing) => {}
            }
        }
    }

    /// Takes events from `subscription`.
    async fn take(
        &self,
        keeper: &Arc<Keeper>,
        mut subscription: Box<dyn Subscription>,
        flights: &mut Flights,
        wanted: &mut watch::Receiver<Wanted>,
        closing: &CancellationToken,
    ) -> Stopped {
        // Taken from the bus, and without room yet.
        let mut waiting: Option<Delivery> = None;
        // When a fresh subscription brings back what ended in a mistake of ours.
        let mut reopen = None;
        loop {
            let is_full = flights.len() >= keeper.deliveries.settings().in_flight_per_topic;
            tokio::select! {
                Some(ending) = flights.next(), if !flights.is_empty() => {
                    self.landed(ending, flights.len());
                    match ending {
                        Ending::Acknowledged | Ending::Duplicate | Ending::Parked => {}
                        Ending::Pending(Pending::Closing) => {}
                        Ending::Pending(Pending::NobodyRuns | Pending::Fenced) => return Stopped::LeftAlone,
                        // The others go on meanwhile.
                        Ending::Pending(Pending::Broken) => {
                            reopen.get_or_insert_with(|| Box::pin(tokio::time::sleep(BROKEN)));
                        }
                    }
                }
                taken = next(&keeper.deliveries, &self.topic, &mut subscription), if waiting.is_none() && !is_full => match taken {
                    Some(Ok(delivery)) => waiting = Some(delivery),
                    Some(Err(error)) => return Stopped::Failed(describe(&error)),
                    None => return Stopped::Failed("the bus has ended the subscription".into()),
                },
                room = keeper.deliveries.room(), if waiting.is_some() => if let Some(delivery) = waiting.take() {
                    let (deliveries, closing) = (keeper.deliveries.clone(), closing.clone());
                    flights.push(fly(async move { deliveries.deliver(delivery, room, &closing).await }));
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                    self.in_flight.store(flights.len() as u64, Ordering::Relaxed);
                },
                changed = wanted.changed() => {
                    if changed.is_err() || *wanted.borrow_and_update() != Wanted::Open {
                        return Stopped::Wanted;
                    }
                }
                () = due(&mut reopen) => return Stopped::LeftAlone,
                () = closing.cancelled() => return Stopped::Wanted,
            }
        }
    }

    /// Lets what is in flight go on until something else is wanted or the program stops.
    async fn keep_flying(
        &self,
        flights: &mut Flights,
        wanted: &mut watch::Receiver<Wanted>,
        stopping: &CancellationToken,
    ) {
        loop {
            tokio::select! {
                Some(ending) = flights.next(), if !flights.is_empty() => self.landed(ending, flights.len()),
                _ = wanted.changed() => return,
                () = stopping.cancelled() => return,
            }
        }
    }

    fn landed(&self, ending: Ending, in_flight: usize) {
        self.in_flight.store(in_flight as u64, Ordering::Relaxed);
        match ending {
            Ending::Acknowledged | Ending::Parked => self.acknowledged.fetch_add(1, Ordering::Relaxed),
            Ending::Duplicate => {
                self.duplicates.fetch_add(1, Ordering::Relaxed);
                self.acknowledged.fetch_add(1, Ordering::Relaxed)
            }
            Ending::Pending(_) => 0,
        };
    }

    /// Gives the topic up: its last owner was deleted.
    async fn forget(&self, keeper: &Keeper) {
        let backoff = Backoff::default();
        for retry in 0.. {
            let Err(error) = keeper.ports.bus.forget(&self.topic).await else { return };
            warn!({ field::TOPIC } = self.topic.as_str(), "topic `{}` cannot be given up: {error}", self.topic);
            tokio::time::sleep(backoff.longest(retry)).await;
        }
    }
}

/// Ends when it is time; never if no time is set.
async fn due(time: &mut Option<Pin<Box<tokio::time::Sleep>>>) {
    match time {
        Some(time) => time.await,
        None => std::future::pending().await,
    }
}

/// The next delivery, once somebody has a place for it: until then the bus keeps it.
async fn next(
    deliveries: &Deliveries,
    topic: &Topic,
    subscription: &mut Box<dyn Subscription>,
) -> Option<Result<Delivery, BusError>> {
    deliveries.place(topic).await;
    subscription.next().await
}

/// One delivery. A mistake that panics costs this delivery only, not the topic.
pub(super) fn fly(delivery: impl Future<Output = Ending> + Send + 'static) -> Flight {
    Box::pin(async move {
        let ending = AssertUnwindSafe(delivery).catch_unwind().await;
        ending.unwrap_or_else(|_| {
            error!("a delivery has panicked; its event will come again");
            Ending::Pending(Pending::Broken)
        })
    })
}

fn describe(error: &BusError) -> Arc<str> {
    error.to_string().into()
}
