//! Compare-and-swap of one key, with an answer that can be relied on.
//!
//! What a store says of a failed write cannot: Redis calls every failure of a write with an etag a mismatch,
//! also that of a lost connection, and every failure of a create an internal error. So after each error the
//! key is read: our random mark says whether this very write is there.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use workmanager_core_domain::ports::{Clock, Expect, Revision, StoreError};

use crate::{
    cell::{Cell, Kind},
    sidecar::{Life, Sidecar, Stored},
    status::Failure,
};

/// How often a write is tried against rivals who were faster.
const TRIES: u32 = 200;

/// Pauses between the tries to read back what a failed write left, in milliseconds.
const READ_BACK_PAUSES: [u64; 5] = [10, 30, 100, 300, 600];

/// A cell as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// What is there.
    pub(crate) cell: Cell,
    /// For the next write.
    pub(crate) etag: String,
}

impl From<Stored> for Found {
    fn from(stored: Stored) -> Self {
        Self { cell: Cell::decode(stored.bytes), etag: stored.etag }
    }
}

/// A write that happened.
#[derive(Debug)]
pub(crate) struct Written {
    /// Its revision.
    pub(crate) revision: Revision,
    /// What was there before.
    pub(crate) before: Option<Cell>,
}

/// Keys of the state store.
#[derive(Clone)]
pub(crate) struct Cells {
    sidecar: Sidecar,
    clock: Arc<dyn Clock>,
}

impl Cells {
    pub(crate) fn new(sidecar: Sidecar, clock: Arc<dyn Clock>) -> Self {
        Self { sidecar, clock }
    }

    /// Microseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.clock.now().as_micros()).unwrap_or(0)
    }

    /// What stands under a key, tombstones too.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<Found>, StoreError> {
        let stored = self.sidecar.get(key).await.map_err(|failure| failure.of_read())?;
        Ok(stored.map(Found::from))
    }

    /// The same, asked for with others: for whoever writes by what was read, if at all.
    pub(crate) async fn read_gathered(&self, key: &str) -> Result<Option<Found>, StoreError> {
        let stored = self.sidecar.get_gathered(key).await.map_err(|failure| failure.of_read())?;
        Ok(stored.map(Found::from))
    }

    /// What stands under each of the keys that has something.
    pub(crate) async fn read_many(&self, keys: &[String]) -> Result<Vec<(String, Found)>, StoreError> {
        let found = self.sidecar.get_many(keys).await.map_err(|failure| failure.of_read())?;
        Ok(found.into_iter().map(|(key, stored)| (key, Found::from(stored))).collect())
    }

    /// Writes a cell that lasts, if `expect` holds.
    pub(crate) async fn write(
        &self,
        key: &str,
        kind: Kind,
        payload: Bytes,
        expect: Expect,
    ) -> Result<Written, StoreError> {
        self.write_for(Life::Lasting, key, kind, payload, expect).await
    }

    /// Writes a cell if `expect` holds.
    pub(crate) async fn write_for(
        &self,
        life: Life,
        key: &str,
        kind: Kind,
        payload: Bytes,
        mut expect: Expect,
    ) -> Result<Written, StoreError> {
        // What was there before the first of our writes that landed.
        let mut before = None;
        // A create needs no look: it is refused where something is.
        let mut known = match expect {
            Expect::Absent if kind != Kind::Tombstone => None,
            _ => self.read(key).await?,
        };
        for attempt in 0..TRIES {
            if !holds(expect, known.as_ref()) {
                return Err(StoreError::Conflict { key: key.to_owned() });
            }
            if kind == Kind::Tombstone && !known.as_ref().is_some_and(|found| found.cell.is_live()) {
                let revision = Revision(known.as_ref().map_or(0, |found| found.cell.revision));
                return Ok(Written { revision, before: None });
            }
            let cell = self.next(kind, payload.clone(), known.as_ref());
            let saved = match &known {
                Some(found) => self.sidecar.save(key, cell.encode(), Some(&found.etag), life).await,
                None => self.sidecar.create(key, cell.encode(), life).await,
            };
            let mut written = || {
                let before = before.take().unwrap_or_else(|| known.as_ref().map(|found| found.cell.clone()));
                Written { revision: Revision(cell.revision), before }
            };
            let Err(failure) = saved else { return Ok(written()) };
            // Not read if it cannot have happened and the sidecar is not there.
            if let Failure::Unreachable(_) = failure {
                return Err(failure.of_write());
            }
            let now = self.read_back(key).await.ok_or_else(|| failure.of_write())?;
            if now.as_ref().is_some_and(|found| found.cell.mark == cell.mark) {
                if life != Life::LastingAgain {
                    return Ok(written());
                }
                // Redis writes first and takes the end back then. Whether it did is not known: once more.
                before = Some(written().before);
                (expect, known) = (Expect::Revision(Revision(cell.revision)), now);
                continue;
            }
            let same = now.as_ref().map(|found| &found.etag) == known.as_ref().map(|found| &found.etag);
            // No rival was there, so it was not refused for one. Nor may a write that we lost sight of be
            // answered with a conflict, which means that it did not happen.
            let is_lost = matches!(failure, Failure::Elapsed) && matches!(expect, Expect::Revision(_));
            if same || is_lost {
                return Err(failure.of_write());
            }
            known = now;
            tokio::time::sleep(Duration::from_micros(fastrand::u64(0..=100 * u64::from(attempt.min(50))))).await;
        }
        Err(StoreError::Unavailable { reason: format!("`{key}` is written by too many at once") })
    }

    /// What stands under a key, when a write has just failed: perhaps with the connection, so more than one try.
    /// `None` if nobody can say.
    async fn read_back(&self, key: &str) -> Option<Option<Found>> {
        for pause in READ_BACK_PAUSES {
            if let Ok(found) = self.read(key).await {
                return Some(found);
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        self.read(key).await.ok()
    }

    /// Removes a key for good if it is as it was read. Only where no rival can still hold its etag.
    pub(crate) async fn remove(&self, key: &str, found: &Found) -> Result<(), StoreError> {
        self.sidecar.delete(key, &found.etag).await.map_err(|failure| failure.of_write())
    }

    fn next(&self, kind: Kind, payload: Bytes, before: Option<&Found>) -> Cell {
        let least = before.map_or(0, |found| found.cell.revision.saturating_add(1));
        Cell { kind, revision: least.max(self.now()), mark: fastrand::u64(1..), payload }
    }
}

/// Whether what was found is as expected.
pub(crate) fn holds(expect: Expect, found: Option<&Found>) -> bool {
    let live = found.filter(|found| found.cell.is_live());
    match expect {
        Expect::Any => true,
        Expect::Absent => live.is_none(),
        Expect::Revision(revision) => live.is_some_and(|found| found.cell.revision == revision.0),
    }
}
