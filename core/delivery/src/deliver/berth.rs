//! A delivery's place in the lot, as the store has it.

use std::collections::BTreeMap;

use workmanager_core_domain::{
    WorkerId, document,
    parked::{Hold, Parked},
    ports::{Delivery, Expect, Key, Put, Removal, Revision, Settlement},
};

use super::run::Mistake;
use crate::{lot::Lot, record};

/// What the store has under the delivery's parked key.
pub(super) enum Stored {
    /// It must be read.
    Unknown,
    /// Nothing.
    Nothing,
    /// A parked delivery.
    There(Box<Parked>, Revision),
}

/// The delivery's place in the lot.
pub(super) struct Berth {
    /// Made when it is needed: most deliveries are never parked.
    key: Option<Key>,
    stored: Stored,
    /// Whether the delivery is parked, and the bus does not wait for it any more.
    pub(super) is_parked: bool,
}

/// What a settlement does with the parked delivery.
pub(super) enum Left {
    /// It is there, with this in it.
    There(Box<Parked>),
    /// It is gone.
    Gone,
}

impl Berth {
    pub(super) const fn of_bus() -> Self {
        Self { key: None, stored: Stored::Nothing, is_parked: false }
    }

    pub(super) const fn of_parked(key: Key, parked: Box<Parked>, revision: Revision) -> Self {
        Self { key: Some(key), stored: Stored::There(parked, revision), is_parked: true }
    }

    pub(super) fn key(&mut self, lot: &Lot, delivery: &Delivery) -> Key {
        self.key.get_or_insert_with(|| lot.key(&delivery.topic, &delivery.event)).clone()
    }

    pub(super) const fn key_if_known(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    pub(super) const fn is_unknown(&self) -> bool {
        matches!(self.stored, Stored::Unknown)
    }

    pub(super) const fn is_empty(&self) -> bool {
        matches!(self.stored, Stored::Nothing)
    }

    /// It was written, or somebody else may have written it.
    pub(super) fn forget(&mut self) {
        self.stored = Stored::Unknown;
    }

    pub(super) fn found(&mut self, stored: Stored) {
        self.stored = stored;
    }

    /// Puts into `settlement` what is to be left of the parked delivery: `holds`, and those of others,
    /// which `is_ours` does not know.
    ///
    /// It is written before the event's record, because a copy from the bus does not take up what the record
    /// says is parked. For the same reason the store keeps what was parked of a worker whose outcome goes
    /// into the record now: should the record not be written, it goes on from there, and else there is
    /// nothing to do.
    pub(super) fn leave(
        &mut self,
        lot: &Lot,
        settlement: &mut Settlement,
        delivery: &Delivery,
        holds: BTreeMap<WorkerId, Hold>,
        is_ours: impl Fn(&WorkerId, &Hold) -> bool,
    ) -> Result<Left, Mistake> {
        let key = self.key(lot, delivery);
        let (known, expect) = match &self.stored {
            Stored::There(parked, revision) => (Some(parked), Expect::Revision(*revision)),
            Stored::Nothing | Stored::Unknown => (None, Expect::Absent),
        };
        let mut workers = holds;
        if let Some(known) = known {
            let others = known.workers.iter().filter(|(worker, hold)| !is_ours(worker, hold));
            workers.extend(others.map(|(worker, hold)| (*worker, hold.clone())));
        }
        if workers.is_empty() {
            if known.is_some() {
                settlement.removals.push(Removal { key, expect });
            }
            return Ok(Left::Gone);
        }
        let event = match known {
            Some(known) => known.event.clone(),
            None => record::structured(&delivery.event)?,
        };
        let parked = Parked {
            topic: delivery.topic.clone(),
            accepted_at: delivery.accepted_at,
            position: delivery.token.0,
            event,
            workers,
        };
        let mut stored = parked.clone();
        for (worker, hold) in known.into_iter().flat_map(|known| &known.workers) {
            stored.workers.entry(*worker).or_insert_with(|| hold.clone());
        }
        let value = document::encode(&stored)?;
        settlement.puts.insert(0, Put { key, value, expect });
        Ok(Left::There(Box::new(parked)))
    }
}
