//! The log is bounded: by age and by size. What waits for an outcome stays.

use std::time::Duration;

use crate::{metrics, writer::Batch};

/// How many rows one transaction looks at.
const SLICE: usize = 1_000;

/// Walks through the log from its oldest event, a slice at a time.
#[derive(Debug)]
pub(crate) struct Pruner {
    retention: Duration,
    log_limit: u64,
    /// Where a walk that is under way goes on.
    after: Option<u64>,
    removed: usize,
    /// The last walk found nothing to remove: only time can change that.
    fruitless: bool,
}

struct Row {
    position: u64,
    accepted_at: i64,
    bytes: u64,
    pending: bool,
}

impl Pruner {
    pub(crate) fn new(retention: Duration, log_limit: u64) -> Self {
        Self { retention, log_limit, after: None, removed: 0, fruitless: false }
    }

    /// Whether the log is larger than it should be, and something can be done about it.
    pub(crate) fn is_urgent(&self, log_bytes: u64) -> bool {
        log_bytes > self.log_limit && !self.fruitless
    }

    /// Whether there is more to look at now.
    pub(crate) fn is_under_way(&self) -> bool {
        self.after.is_some()
    }

    /// Ends a walk; the next one starts over.
    pub(crate) fn give_up(&mut self) {
        self.after = None;
        self.removed = 0;
    }

    /// Looks at the next rows and removes those whose time is over. The walk ends at the first row
    /// that is young enough to stay, because those after it are younger.
    pub(crate) fn slice(&mut self, batch: &mut Batch<'_>) -> rusqlite::Result<()> {
        let after = self.after.unwrap_or(0);
        let rows = rows(batch, after)?;
        let (seen, before, mut end) = (rows.len(), self.removed, after);
        let now = batch.now.as_micros();
        let retention = i64::try_from(self.retention.as_micros()).unwrap_or(i64::MAX);
        let mut reached_young = false;
        for row in rows {
            let old = now.saturating_sub(row.accepted_at) >= retention;
            if !old && batch.counters.log_bytes <= self.log_limit {
                reached_young = true;
                break;
            }
            end = row.position;
            if !row.pending {
                batch.execute("DELETE FROM log WHERE position = ?1", [row.position])?;
                batch.counters.log_bytes = batch.counters.log_bytes.saturating_sub(row.bytes);
                self.removed += 1;
            }
        }
        metrics::pruned(self.removed - before);
        if !reached_young && seen == SLICE {
            self.after = Some(end);
        } else {
            self.fruitless = self.removed == 0;
            self.give_up();
        }
        Ok(())
    }
}

fn rows(batch: &Batch<'_>, after: u64) -> rusqlite::Result<Vec<Row>> {
    let sql = "SELECT position, accepted_at, length(attributes) + length(data),
                      EXISTS (SELECT 1 FROM pending WHERE pending.position = log.position)
               FROM log WHERE position > ?1 ORDER BY position LIMIT ?2";
    let mut statement = batch.connection.prepare_cached(sql)?;
    let rows = statement.query_map((after, SLICE), |row| {
        Ok(Row { position: row.get(0)?, accepted_at: row.get(1)?, bytes: row.get(2)?, pending: row.get(3)? })
    })?;
    rows.collect()
}
