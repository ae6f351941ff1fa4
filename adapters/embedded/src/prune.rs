//! What is past its time leaves the store: events of the log and finished event records, by age and
//! by size, dead letters by age alone. What waits for an outcome, and what cannot be read, stays.

mod log;
mod records;

use std::time::Duration;

use records::Kind;
use workmanager_core_domain::Timestamp;

use crate::{
    config::Keep,
    writer::{Batch, Counters},
};

/// Removes in small slices, so that no commit waits long.
#[derive(Debug)]
pub(crate) struct Pruner {
    log: Walk,
    records: Walk,
    letters: Walk,
}

/// A walk from the oldest to the youngest row.
#[derive(Debug)]
struct Walk {
    keep: Keep,
    /// Where a walk that is under way goes on.
    after: Option<u64>,
    removed: usize,
    /// The size that the walk under way wants to reach.
    goal: u64,
    /// The last walk found nothing to remove: only time can change that.
    fruitless: bool,
}

/// A row that a walk looks at.
struct Row {
    id: u64,
    bytes: u64,
    life: Life,
}

/// Whether a row may go.
#[derive(Debug, Clone, Copy)]
enum Life {
    /// Not now, however old it is.
    Needed,
    /// Since then.
    Over(Timestamp),
}

impl Pruner {
    pub(crate) fn new(log: Keep, records: Keep, letters: Duration) -> Self {
        let letters = Keep { time: letters, bytes: u64::MAX };
        Self { log: Walk::new(log), records: Walk::new(records), letters: Walk::new(letters) }
    }

    /// Whether a slice must be looked at now, though no time has passed: a walk is under way, or a
    /// size is beyond its limit and something can be done about it.
    pub(crate) fn is_urgent(&self, counters: Counters) -> bool {
        self.log.is_urgent(counters.log_bytes)
            || self.records.is_urgent(counters.record_bytes)
            || self.letters.after.is_some()
    }

    /// Whether there is more to look at now.
    pub(crate) fn is_under_way(&self) -> bool {
        self.log.after.is_some() || self.records.after.is_some() || self.letters.after.is_some()
    }

    /// Ends walks that cannot go on. The next ones start over, once it is time.
    pub(crate) fn give_up(&mut self) {
        for walk in [&mut self.log, &mut self.records, &mut self.letters] {
            walk.fruitless = true;
            walk.end();
        }
    }

    /// Looks at the next rows, and removes those whose time is over.
    pub(crate) fn slice(&mut self, batch: &mut Batch<'_>, due: Due) -> rusqlite::Result<()> {
        if due == Due::Now || self.log.is_urgent(batch.counters.log_bytes) {
            log::slice(&mut self.log, batch)?;
        }
        if due == Due::Now || self.records.is_urgent(batch.counters.record_bytes) {
            records::slice(&mut self.records, Kind::Event, batch)?;
        }
        if due == Due::Now || self.letters.after.is_some() {
            records::slice(&mut self.letters, Kind::DeadLetter, batch)?;
        }
        Ok(())
    }
}

/// Whether it is time to look for what is old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// It is.
    Now,
    /// Only sizes and walks under way are looked at.
    Later,
}

impl Walk {
    fn new(keep: Keep) -> Self {
        Self { keep, after: None, removed: 0, goal: keep.bytes, fruitless: false }
    }

    fn is_urgent(&self, bytes: u64) -> bool {
        self.after.is_some() || (bytes > self.keep.bytes && !self.fruitless)
    }

    fn end(&mut self) {
        self.after = None;
        self.removed = 0;
    }

    /// Decides over `rows`, oldest first, of which there are `limit` unless the end is reached, and
    /// returns the ids of those that go. `bytes` is the size before, and after.
    ///
    /// The walk ends at the first row that is young enough to stay, because those after it are younger.
    fn over(
        &mut self,
        rows: impl Iterator<Item = rusqlite::Result<Row>>,
        limit: usize,
        now: Timestamp,
        bytes: &mut u64,
    ) -> rusqlite::Result<Vec<u64>> {
        if self.after.is_none() {
            // A little more than needed, so that the next event is not the next reason.
            self.goal = if *bytes > self.keep.bytes { self.keep.bytes / 16 * 15 } else { self.keep.bytes };
        }
        let (mut seen, mut goes) = (0, Vec::new());
        let mut young = false;
        for row in rows {
            let row = row?;
            if let Life::Over(since) = row.life {
                young = *bytes <= self.goal && now.since(since) < self.keep.time;
                if young {
                    break;
                }
                *bytes = bytes.saturating_sub(row.bytes);
                goes.push(row.id);
            }
            seen += 1;
            self.after = Some(row.id);
        }
        self.removed += goes.len();
        if young || seen < limit {
            self.fruitless = self.removed == 0;
            self.end();
        }
        Ok(goes)
    }
}
