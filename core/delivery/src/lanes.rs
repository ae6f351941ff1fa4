//! Deliveries of one worker that must keep their order: those of one lane run one after another.
//!
//! Whoever enters a lane stays in it until its worker is done with the event, parked or not.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use workmanager_core_domain::{Event, Timestamp, Worker, WorkerId, attempt::Lane, worker::Ordering};

/// The event's attribute that names its lane.
const PARTITION_KEY: &str = "partitionkey";

/// A place in a lane: the bus's order, and the delivery's parked key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    /// When the bus accepted the event.
    pub(crate) accepted_at: Timestamp,
    /// Its place among events of that moment.
    pub(crate) position: u64,
    /// The id that the delivery has in the lot, if it is in any lane.
    pub(crate) id: Option<Arc<str>>,
}

#[derive(Debug, Default)]
struct Row {
    turns: BTreeSet<Turn>,
    moved: Arc<Notify>,
}

/// Every lane that somebody is in.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    rows: Mutex<HashMap<(WorkerId, Box<str>), Row>>,
}

impl Row {
    fn is_turn(&self, turn: &Turn) -> bool {
        !self.turns.contains(turn) || self.turns.first() == Some(turn)
    }
}

/// In which lane of `worker` the event goes.
pub(crate) fn lane(worker: &Worker, event: &Event) -> Lane {
    match worker.ordering {
        Ordering::None => Lane::None,
        Ordering::PartitionKey => {
            event.attribute(PARTITION_KEY).map_or(Lane::None, |key| Lane::Key(key.to_string().into()))
        }
    }
}

impl Lanes {
    fn rows(&self) -> MutexGuard<'_, HashMap<(WorkerId, Box<str>), Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stands in line. Doing so twice is fine.
    pub(crate) fn enter(&self, worker: WorkerId, lane: &Lane, turn: &Turn) {
        if let Lane::Key(key) = lane {
            self.rows().entry((worker, key.clone())).or_default().turns.insert(turn.clone());
        }
    }

    /// Leaves the line. Returns whose turn it is now, if that has changed.
    pub(crate) fn leave(&self, worker: WorkerId, lane: &Lane, turn: &Turn) -> Option<Turn> {
        let Lane::Key(key) = lane else { return None };
        let name = (worker, key.clone());
        let mut rows = self.rows();
        let row = rows.get_mut(&name)?;
        let was_first = row.turns.first() == Some(turn);
        row.turns.remove(turn);
        if row.turns.is_empty() {
            rows.remove(&name);
            return None;
        }
        if was_first {
            row.moved.notify_waiters();
        }
        row.turns.first().filter(|_| was_first).cloned()
    }

    /// Whether it is one's turn. Who is not in line has it at once.
    pub(crate) fn is_turn(&self, worker: WorkerId, lane: &Lane, turn: &Turn) -> bool {
        let Lane::Key(key) = lane else { return true };
        self.rows().get(&(worker, key.clone())).is_none_or(|row| row.is_turn(turn))
    }

    /// Whose turn it is in each lane.
    pub(crate) fn first(&self) -> Vec<(WorkerId, Turn)> {
        let rows = self.rows();
        rows.iter().filter_map(|((worker, _), row)| Some((*worker, row.turns.first()?.clone()))).collect()
    }

    /// Waits for one's turn.
    pub(crate) async fn turn(&self, worker: WorkerId, lane: &Lane, turn: &Turn) {
        let Lane::Key(key) = lane else { return };
        let name = (worker, key.clone());
        loop {
            let moved = {
                let rows = self.rows();
                match rows.get(&name).filter(|row| !row.is_turn(turn)) {
                    None => return,
                    // Registered before the lock is given back, so that no move is missed.
                    Some(row) => row.moved.clone().notified_owned(),
                }
            };
            moved.await;
        }
    }
}

#[cfg(test)]
mod tests;
