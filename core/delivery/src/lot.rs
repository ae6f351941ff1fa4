//! The parked deliveries of one partition: what each waits for, in memory. The store has their bytes.
//!
//! A delivery is here once for each worker that it waits for: until a time, until the worker runs
//! again, until an earlier event of its lane is done, or until the worker has a place free. Times are
//! kept by the monotonic clock, so that a jump of the wall clock neither wakes all nor holds up any.

mod index;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use index::Index;
use tokio::{sync::Notify, time::Instant};
use workmanager_core_domain::{
    Event, EventRecord, Timestamp, Topic, WorkerId,
    parked::{Hold, ParkReason, Parked},
    ports::{Collection, Key},
};

use crate::{metrics, roster::Roster};

/// How parking is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// The partition, which this process alone writes.
    pub partition: Box<str>,
    /// Most deliveries that are parked at one time; with none, nothing is parked.
    pub capacity: usize,
    /// Most deliveries that are parked for one stopped worker; more are dead-lettered.
    pub stopped: usize,
    /// How long a delivery may be open on the bus before it is parked.
    pub budget: Duration,
}

impl Default for Parking {
    fn default() -> Self {
        Self { partition: "local".into(), capacity: 100_000, stopped: 10_000, budget: Duration::from_secs(5) }
    }
}

/// The lot. Whoever parks a delivery durably tells it here.
#[derive(Debug)]
pub(crate) struct Lot {
    settings: Parking,
    index: Mutex<Index>,
    wake: Notify,
}

/// When a hold's time is, by the clock that does not jump.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    /// Wall-clock time now.
    pub(crate) now: Timestamp,
    /// Monotonic time at that moment.
    pub(crate) monotonic: Duration,
}

impl Clocks {
    fn at(self, until: Timestamp) -> Duration {
        self.monotonic.saturating_add(until.since(self.now))
    }
}

impl Lot {
    pub(crate) fn new(settings: Parking) -> Self {
        Self { settings, index: Mutex::default(), wake: Notify::new() }
    }

    pub(crate) const fn settings(&self) -> &Parking {
        &self.settings
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the index, and has it looked at.
    fn change(&self, change: impl FnOnce(&mut Index)) {
        let count = {
            let mut index = self.index();
            change(&mut index);
            index.len()
        };
        metrics::parked_now(count);
        self.wake.notify_one();
    }

    /// The key under which the delivery of `event` on `topic` is parked.
    pub(crate) fn key(&self, topic: &Topic, event: &Event) -> Key {
        self.key_of(topic, event.source(), event.id())
    }

    /// [`Lot::key`] of the event with this source and id.
    pub(crate) fn key_of(&self, topic: &Topic, source: &str, id: &str) -> Key {
        let name = format!("{}\0{}", EventRecord::key(source, id), topic.as_str());
        let digest = workmanager_core_domain::Digest::of(name.as_bytes()).hex();
        Key::new(Collection::Parked, format!("{}.{digest}", self.settings.partition))
    }

    /// What the keys of this partition begin with.
    pub(crate) fn prefix(&self) -> String {
        format!("{}.", self.settings.partition)
    }

    /// Whether one more delivery may be parked.
    pub(crate) fn has_room(&self) -> bool {
        self.index().len() < self.settings.capacity
    }

    /// Whether one more may be parked for this stopped worker.
    pub(crate) fn keeps_for(&self, worker: WorkerId) -> bool {
        self.index().waiting(worker) < self.settings.stopped
    }

    /// Whether a delivery waits here for `worker`.
    pub(crate) fn waits_for(&self, id: &str, worker: WorkerId) -> bool {
        self.index().waits_for(id, worker)
    }

    /// Whether a delivery is parked, or runs and was parked before.
    pub(crate) fn knows(&self, key: &Key) -> bool {
        self.index().knows(&key.id)
    }

    /// How many are parked.
    pub(crate) fn len(&self) -> usize {
        self.index().len()
    }

    /// A delivery is parked, or parked anew: nobody runs it now.
    pub(crate) fn keep(&self, key: &Key, parked: &Parked, clocks: Clocks) {
        let holds = parked.workers.iter().map(|(worker, hold)| (*worker, Wait::of(hold, clocks)));
        self.change(|index| index.put(&key.id, holds));
    }

    /// A delivery is parked while it goes on here.
    pub(crate) fn keep_running(&self, key: &Key) {
        self.change(|index| index.put_running(&key.id));
    }

    /// A delivery is not parked any more.
    pub(crate) fn release(&self, key: &Key) {
        self.change(|index| index.remove(&key.id));
    }

    /// What could not be run now is tried again later.
    pub(crate) fn again(&self, key: &Key, worker: WorkerId, at: Duration) {
        self.change(|index| index.put(&key.id, [(worker, Wait::Time(at))]));
    }

    /// An earlier event of a lane is done: the next may go on.
    pub(crate) fn unblock(&self, id: &str, worker: WorkerId) {
        self.change(|index| index.unblock(id, worker));
    }

    /// Waits for the next delivery whose time has come, and takes it. Cancel-safe.
    pub(crate) async fn next(&self, roster: &Roster, monotonic: impl Fn() -> Duration) -> (Key, WorkerId) {
        let mut changes = roster.changes();
        loop {
            changes.mark_unchanged();
            let now = monotonic();
            let (taken, due) = {
                let mut index = self.index();
                index.advance(now, &roster.snapshot());
                (index.take(&roster.snapshot()), index.next_time())
            };
            if let Some((id, worker)) = taken {
                return (Key::new(Collection::Parked, &*id), worker);
            }
            let due = due.map(|due| Instant::now() + due.saturating_sub(now));
            tokio::select! {
                () = self.wake.notified() => {}
                _ = changes.changed() => {}
                () = until(due) => {}
            }
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// What a parked delivery waits for, for one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// This time.
    Time(Duration),
    /// A free place.
    Place,
    /// The worker to run, until this time at the longest.
    Running(Duration),
    /// Its turn in its lane, until this time at the longest.
    Turn(Duration),
}

impl Wait {
    fn of(hold: &Hold, clocks: Clocks) -> Self {
        let at = clocks.at(hold.until);
        match hold.reason {
            ParkReason::Busy | ParkReason::Redriven => Self::Place,
            ParkReason::Stopped => Self::Running(at),
            ParkReason::LaneBusy => Self::Turn(at),
            ParkReason::Retry
            | ParkReason::Slow
            | ParkReason::ArtefactMissing
            | ParkReason::GroupBusy
            | ParkReason::CircuitOpen
            | ParkReason::ReplyPending => Self::Time(at),
        }
    }
}

pub(crate) type Id = Arc<str>;

#[cfg(test)]
mod tests;
