//! Events as rows.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, Row};
use tracing::warn;
use workmanager_core_domain::{
    Event, Timestamp, Topic,
    event::{Data, DataKind, from_structured},
};

use crate::{
    hub::Effect,
    metrics,
    queue::{Page, READY, READY_BYTES, Waiting},
    writer::Batch,
};

/// An event with its attributes written out, ready for the log.
#[derive(Debug)]
pub(crate) struct Entry {
    attributes: Vec<u8>,
    event: Arc<Event>,
}

impl Entry {
    /// Writes the attributes out; the data stays where it is.
    pub(crate) fn new(event: &Arc<Event>) -> Result<Self, String> {
        let attributes = event.attributes_json().map_err(|error| error.to_string())?;
        Ok(Self { attributes, event: event.clone() })
    }

    /// Bytes in the log.
    pub(crate) fn size(&self) -> usize {
        self.attributes.len() + self.event.data().bytes.len()
    }
}

/// Adds entries to the log of a topic, and keeps them for us if the topic is subscribed.
pub(crate) fn append(batch: &mut Batch<'_>, topic: &Topic, entries: &[Entry]) -> rusqlite::Result<()> {
    let subscribed = "SELECT 1 FROM subscriptions WHERE topic = ?1";
    let pending = batch.value::<i64>(subscribed, [topic.as_str()])?.is_some();
    for entry in entries {
        let position = batch.counters.position + 1;
        let data = entry.event.data();
        batch.execute(
            "INSERT INTO log VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (position, topic.as_str(), batch.now.as_micros(), number(data.kind), &entry.attributes, &*data.bytes),
        )?;
        if pending {
            batch.execute("INSERT INTO pending VALUES (?1, ?2)", (topic.as_str(), position))?;
            batch.waits(topic, 1);
        }
        batch.counters.position = position;
        batch.counters.log_bytes += entry.size() as u64;
        let waiting = Waiting { position, accepted_at: batch.now, event: entry.event.clone() };
        batch.effects.push(Effect::Published { topic: topic.clone(), waiting, pending });
    }
    Ok(())
}

/// What of a topic to read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which {
    /// What waits for an outcome.
    Pending,
    /// Everything.
    All,
}

/// The next events of a topic after a position, as many as fit into memory.
pub(crate) fn read(connection: &Connection, topic: &Topic, which: Which, after: u64) -> rusqlite::Result<Page> {
    let sql = match which {
        Which::Pending => {
            "SELECT position, accepted_at, data_kind, attributes, data FROM pending JOIN log USING (position)
             WHERE pending.topic = ?1 AND pending.position > ?2 ORDER BY pending.position LIMIT ?3"
        }
        Which::All => {
            "SELECT position, accepted_at, data_kind, attributes, data FROM log
             WHERE topic = ?1 AND position > ?2 ORDER BY position LIMIT ?3"
        }
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((topic.as_str(), after, READY))?;
    let mut page = Page { waiting: Vec::new(), read_to: after, more: false };
    let (mut count, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        page.read_to = row.get(0)?;
        count += 1;
        match decode(row) {
            Ok(waiting) => {
                bytes += waiting.event.size();
                page.waiting.push(waiting);
            }
            Err(reason) => {
                metrics::unreadable_event();
                warn!(position = page.read_to, %topic, "an event in the log cannot be read and is left out: {reason}");
            }
        }
        if count == READY || bytes >= READY_BYTES {
            page.more = true;
            break;
        }
    }
    Ok(page)
}

/// The last position of a topic, 0 if it has none.
pub(crate) fn last(connection: &Connection, topic: &Topic) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT ifnull(max(position), 0) FROM log WHERE topic = ?1")?;
    statement.query_row([topic.as_str()], |row| row.get(0))
}

fn decode(row: &Row<'_>) -> Result<Waiting, String> {
    let column = |error: rusqlite::Error| error.to_string();
    let bytes = |index| {
        let value = row.get_ref(index).map_err(column)?;
        value.as_blob().map(Bytes::copy_from_slice).map_err(|error| error.to_string())
    };
    let accepted_at = row.get(1).map_err(column)?;
    let accepted_at = Timestamp::from_micros(accepted_at).map_err(|error| error.to_string())?;
    let kind = kind(row.get(2).map_err(column)?).ok_or("unknown kind of data")?;
    let event = from_structured(&bytes(3)?).map_err(|error| error.to_string())?;
    let event = event.into_builder().data(Data { kind, bytes: bytes(4)? });
    let event = event.build().map_err(|error| error.to_string())?;
    Ok(Waiting { position: row.get(0).map_err(column)?, accepted_at, event: Arc::new(event) })
}

const fn number(kind: DataKind) -> i64 {
    match kind {
        DataKind::None => 0,
        DataKind::Json => 1,
        DataKind::Text => 2,
        DataKind::Binary => 3,
    }
}

const fn kind(number: i64) -> Option<DataKind> {
    match number {
        0 => Some(DataKind::None),
        1 => Some(DataKind::Json),
        2 => Some(DataKind::Text),
        3 => Some(DataKind::Binary),
        _ => None,
    }
}
