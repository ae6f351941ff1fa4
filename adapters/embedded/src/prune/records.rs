//! Event records: one whose event is finished may go. Other records are their owners' concern.

use workmanager_core_domain::{EventRecord, document, ports::Collection};

use super::{Life, Row, Walk};
use crate::writer::Batch;

/// How many records one transaction looks at; each must be read.
const SLICE: usize = 200;

pub(super) fn slice(walk: &mut Walk, batch: &mut Batch<'_>) -> rusqlite::Result<()> {
    let sql = "SELECT rowid, value FROM records WHERE rowid > ?1 AND collection = ?2 ORDER BY rowid LIMIT ?3";
    let mut statement = batch.connection.prepare_cached(sql)?;
    let after = walk.after.unwrap_or(0);
    let rows = statement.query_map((after, Collection::Event.as_str(), SLICE), |row| {
        let value = row.get_ref(1)?.as_blob()?;
        Ok(Row { id: row.get(0)?, bytes: value.len() as u64, life: life(value) })
    })?;
    for id in walk.over(rows, SLICE, batch.now, &mut batch.counters.record_bytes)? {
        batch.execute("DELETE FROM records WHERE rowid = ?1", [id])?;
    }
    Ok(())
}

/// Damaged records stay: someone must look at them.
fn life(value: &[u8]) -> Life {
    match document::decode::<EventRecord>(value) {
        Ok(EventRecord { finished_at: Some(finished_at), .. }) => Life::Over(finished_at),
        Ok(EventRecord { finished_at: None, .. }) | Err(_) => Life::Needed,
    }
}
