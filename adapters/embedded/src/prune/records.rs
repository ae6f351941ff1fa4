//! Records whose time is over: those of finished events, and dead letters. Others are their owners'
//! concern.

use workmanager_core_domain::{EventRecord, dead_letter::DeadLetter, document, ports::Collection};

use super::{Life, Row, Walk};
use crate::{metrics, writer::Batch};

/// How many records one transaction looks at; each must be read.
const SLICE: usize = 200;

/// Which records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Event,
    DeadLetter,
}

pub(super) fn slice(walk: &mut Walk, kind: Kind, batch: &mut Batch<'_>) -> rusqlite::Result<()> {
    let mut statement = batch.connection.prepare_cached(kind.oldest())?;
    let rows = statement.query_map((walk.after.unwrap_or(0), SLICE), |row| {
        let value = row.get_ref(1)?.as_blob()?;
        Ok(Row { id: row.get(0)?, bytes: value.len() as u64, life: kind.life(value) })
    })?;
    // Only the bytes of event records are counted.
    let mut uncounted = 0;
    let bytes = match kind {
        Kind::Event => &mut batch.counters.record_bytes,
        Kind::DeadLetter => &mut uncounted,
    };
    let goes = walk.over(rows, SLICE, batch.now, bytes)?;
    metrics::pruned_records(kind.collection(), goes.len());
    for id in goes {
        batch.execute("DELETE FROM records WHERE rowid = ?1", [id])?;
    }
    Ok(())
}

impl Kind {
    const fn collection(self) -> Collection {
        match self {
            Self::Event => Collection::Event,
            Self::DeadLetter => Collection::DeadLetter,
        }
    }

    /// The index is one of some collections: the name of the collection must be in the statement.
    const fn oldest(self) -> &'static str {
        match self {
            Self::Event => {
                "SELECT rowid, value FROM records INDEXED BY records_by_age
                 WHERE collection = 'event' AND rowid > ?1 ORDER BY rowid LIMIT ?2"
            }
            Self::DeadLetter => {
                "SELECT rowid, value FROM records INDEXED BY records_by_age
                 WHERE collection = 'dead-letter' AND rowid > ?1 ORDER BY rowid LIMIT ?2"
            }
        }
    }

    /// Damaged records stay: someone must look at them.
    fn life(self, value: &[u8]) -> Life {
        match self {
            Self::Event => match document::decode::<EventRecord>(value) {
                Ok(EventRecord { finished_at: Some(finished_at), .. }) => Life::Over(finished_at),
                Ok(EventRecord { finished_at: None, .. }) | Err(_) => Life::Needed,
            },
            Self::DeadLetter => {
                document::decode::<DeadLetter>(value).map_or(Life::Needed, |letter| Life::Over(letter.at))
            }
        }
    }
}
