//! Deliveries from the lot: taken up after a start, when their time has come, or sent round again.

use std::{collections::BTreeMap, sync::Arc};

use tokio_util::sync::CancellationToken;
use tracing::warn;
use workmanager_core_domain::{
    Event, EventRecord, WorkerId,
    attempt::Lane,
    dead_letter::DeadLetter,
    document::{self, Damage},
    event::from_structured,
    parked::{Hold, ParkReason, Parked, Pinned, Redrive},
    ports::{Collection, Delivery, DeliveryToken, Expect, Key, Record, StoreError},
};
use workmanager_core_kit::chain;

use super::{Deliveries, Ending, Pending, Room, Source, berth::Stored};
use crate::{
    lanes::{self, Turn},
    quarantine::quarantine,
    record,
};

/// Parked deliveries read at once.
const PAGE: usize = 500;
/// How often a redrive is tried while others write the same parked delivery.
const TRIES: u32 = 16;
/// How long what ended in a mistake waits before it is tried again.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(5);

/// A parked delivery whose time has come.
#[derive(Debug, Clone)]
pub struct Due {
    key: Key,
    worker: WorkerId,
}

impl Deliveries {
    /// Takes up what is parked in the store and not known yet, as after a start, and says how many there
    /// are. Topics must not be taken before, or lanes lose their order.
    ///
    /// # Errors
    /// The store's; what was read until then is taken up, and doing it again is fine.
    pub async fn restore(&self) -> Result<usize, StoreError> {
        let (prefix, mut after) = (self.lot.prefix(), None);
        loop {
            let page = self.ports.records.page(Collection::Parked, &prefix, after.as_deref(), PAGE).await?;
            for record in page.records {
                let key = Key::new(Collection::Parked, record.id.clone());
                match document::decode::<Parked>(&record.value) {
                    Ok(parked) => self.take_in(&key, &parked),
                    Err(damage) => self.set_aside(&key, &record, &damage).await?,
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        for (worker, turn) in self.lanes.first() {
            turn.id.iter().for_each(|id| self.lot.unblock(id, worker));
        }
        Ok(self.lot.len())
    }

    fn take_in(&self, key: &Key, parked: &Parked) {
        if self.lot.knows(key) {
            return;
        }
        let snapshot = self.ports.roster.snapshot();
        let mut event = None;
        for member in parked.workers.keys().filter_map(|worker| snapshot.get(*worker)) {
            if member.worker.ordering == workmanager_core_domain::worker::Ordering::None {
                continue;
            }
            let event: &Option<Event> = event.get_or_insert_with(|| from_structured(&parked.event.clone().into()).ok());
            let lane = event.as_ref().map_or(Lane::None, |event| lanes::lane(&member.worker, event));
            let turn =
                Turn { accepted_at: parked.accepted_at, position: parked.position, id: Some(Arc::from(&*key.id)) };
            self.lanes.enter(member.worker.id, &lane, &turn);
        }
        self.lot.keep(key, parked, self.clocks());
    }

    /// Keeps the bytes of a record that cannot be read.
    pub(super) async fn keep_aside(&self, key: &Key, record: &Record, damage: &Damage) -> Result<(), StoreError> {
        warn!("record `{key}` cannot be read and is quarantined: {}", chain(damage));
        quarantine(&*self.ports.records, key, record.value.clone(), chain(damage), self.ports.clock.now()).await
    }

    /// Keeps the bytes of a parked delivery that cannot be read, and takes it out of the way.
    pub(super) async fn set_aside(&self, key: &Key, record: &Record, damage: &Damage) -> Result<(), StoreError> {
        let records = &*self.ports.records;
        self.keep_aside(key, record, damage).await?;
        match records.delete(key, Expect::Revision(record.revision)).await {
            Ok(()) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What each worker's part of the event of `record` waits for, if it is parked here.
    ///
    /// # Errors
    /// The store's.
    pub async fn holds(&self, record: &EventRecord) -> Result<BTreeMap<WorkerId, Hold>, StoreError> {
        let key = self.lot.key_of(&record.topic, &record.source, &record.id);
        let Some(found) = self.ports.records.get(&key).await? else { return Ok(BTreeMap::new()) };
        match document::decode::<Parked>(&found.value) {
            Ok(mut parked) => {
                parked.workers.retain(|worker, hold| !record::is_done(record, *worker, hold));
                Ok(parked.workers)
            }
            Err(damage) => self.keep_aside(&key, &found, &damage).await.map(|()| BTreeMap::new()),
        }
    }

    /// Waits for the next parked delivery whose time has come. Give it to [`Deliveries::resume`].
    /// Cancel-safe.
    pub async fn due(&self) -> Due {
        let monotonic = || self.ports.clock.monotonic();
        let (key, worker) = self.lot.next(&self.ports.roster, monotonic).await;
        Due { key, worker }
    }

    /// Makes a delivery from the lot. Once `closing` is cancelled nothing is waited for any more, and
    /// what is not done then stays in the lot.
    pub async fn resume(&self, due: Due, room: Room, closing: &CancellationToken) -> Ending {
        let Due { key, worker } = due;
        let (parked, revision) = match self.read_parked(&key, closing).await {
            Ok(Stored::There(parked, revision)) => (parked, revision),
            Ok(Stored::Nothing | Stored::Unknown) => {
                self.lot.release(&key);
                return Ending::Acknowledged;
            }
            Err(_) => return Ending::Pending(Pending::Closing),
        };
        let again = |lot: &crate::lot::Lot| lot.again(&key, worker, self.ports.clock.monotonic().saturating_add(PAUSE));
        let event = match from_structured(&parked.event.clone().into()) {
            Ok(event) => Arc::new(event),
            Err(error) => {
                warn!("the event of parked delivery `{key}` cannot be read: {error}");
                again(&self.lot);
                return Ending::Pending(Pending::Broken);
            }
        };
        let (topic, accepted_at, token) = (parked.topic.clone(), parked.accepted_at, DeliveryToken(parked.position));
        let delivery = Delivery { token, topic, event, accepted_at, redelivered: true };
        let source = Source::Lot { key: key.clone(), due: worker, parked, revision };
        let ending = self.make(&delivery, source, room, closing).await;
        match ending {
            Ending::Acknowledged | Ending::Duplicate | Ending::Parked => {}
            // The program stops, and the lot with it.
            Ending::Pending(Pending::Closing) => {}
            Ending::Pending(Pending::NobodyRuns | Pending::Fenced | Pending::Broken) => again(&self.lot),
        }
        ending
    }

    /// Sends a dead letter round again, for its worker alone: `version` runs, or the active one. The
    /// letter is gone when this returns. Its attempts do not count any more, and its age starts anew.
    ///
    /// # Errors
    /// The store's: the letter may still be there then, and doing it again is fine.
    pub async fn redrive(&self, letter: &DeadLetter, version: Option<Pinned>) -> Result<(), StoreError> {
        let damaged = |what: &dyn std::error::Error| StoreError::Damaged {
            key: Key::new(Collection::DeadLetter, letter.id.to_string()).to_string(),
            reason: chain(what),
        };
        let event = from_structured(&letter.event.clone().into()).map_err(|error| damaged(&error))?;
        let key = self.lot.key(&letter.topic, &event);
        let at = self.ports.clock.now();
        let redrive = Redrive { dead_letter: letter.id, at, version };
        let hold = Hold { reason: ParkReason::Redriven, until: at, reply: None, redrive: Some(redrive) };
        let parked = self.add_hold(&key, letter, &hold).await?;
        let records = &self.ports.records;
        records.delete(&Key::new(Collection::DeadLetter, letter.id.to_string()), Expect::Any).await?;
        self.lot.keep(&key, &parked, self.clocks());
        Ok(())
    }

    async fn add_hold(&self, key: &Key, letter: &DeadLetter, hold: &Hold) -> Result<Parked, StoreError> {
        let records = &self.ports.records;
        for _ in 0..TRIES {
            let (mut parked, expect) = match records.get(key).await? {
                None => (fresh(letter), Expect::Absent),
                Some(record) => match document::decode::<Parked>(&record.value) {
                    Ok(parked) => (parked, Expect::Revision(record.revision)),
                    Err(damage) => {
                        self.set_aside(key, &record, &damage).await?;
                        continue;
                    }
                },
            };
            let known = parked.workers.get(&letter.worker).and_then(|known| known.redrive);
            if known.is_some_and(|known| known.dead_letter == letter.id) {
                return Ok(parked);
            }
            parked.workers.insert(letter.worker, hold.clone());
            let value = document::encode(&parked).map_err(|error| StoreError::damaged(key, error))?;
            match records.put(key, value, expect).await {
                Ok(_) => return Ok(parked),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict { key: key.to_string() })
    }
}

fn fresh(letter: &DeadLetter) -> Parked {
    Parked {
        topic: letter.topic.clone(),
        accepted_at: letter.at,
        position: 0,
        event: letter.event.clone(),
        workers: BTreeMap::new(),
    }
}
