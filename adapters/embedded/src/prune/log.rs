//! The log: an event that nobody waits for may go.

use workmanager_core_domain::Timestamp;

use super::{Life, Row, Walk};
use crate::{metrics, writer::Batch};

/// How many rows one transaction looks at.
const SLICE: usize = 1_000;

pub(super) fn slice(walk: &mut Walk, batch: &mut Batch<'_>) -> rusqlite::Result<()> {
    let sql = "SELECT position, length(attributes) + length(data), accepted_at,
                      EXISTS (SELECT 1 FROM pending WHERE pending.topic = log.topic AND pending.position = log.position)
               FROM log WHERE position > ?1 ORDER BY position LIMIT ?2";
    let mut statement = batch.connection.prepare_cached(sql)?;
    let rows = statement.query_map((walk.after.unwrap_or(0), SLICE), |row| {
        let accepted_at = Timestamp::from_micros(row.get(2)?);
        let life = match (row.get(3)?, accepted_at) {
            (false, Ok(accepted_at)) => Life::Over(accepted_at),
            (true, _) | (_, Err(_)) => Life::Needed,
        };
        Ok(Row { id: row.get(0)?, bytes: row.get(1)?, life })
    })?;
    let goes = walk.over(rows, SLICE, batch.now, &mut batch.counters.log_bytes)?;
    metrics::pruned_events(goes.len());
    for position in goes {
        batch.execute("DELETE FROM log WHERE position = ?1", [position])?;
    }
    Ok(())
}
