//! What one transaction of the writer knows and leaves behind.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _};
use workmanager_core_domain::{Timestamp, Topic};

use crate::hub::Effect;

/// The store's own counters, as kept in table `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    /// The highest revision given to a record.
    pub(crate) revision: u64,
    /// The highest position given to an event.
    pub(crate) position: u64,
    /// Bytes of events in the log.
    pub(crate) log_bytes: u64,
    /// Bytes of event records.
    pub(crate) record_bytes: u64,
}

impl Counters {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        connection.query_row("SELECT revision, position, log_bytes, record_bytes FROM state", [], |row| {
            Ok(Self { revision: row.get(0)?, position: row.get(1)?, log_bytes: row.get(2)?, record_bytes: row.get(3)? })
        })
    }

    fn save(self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "UPDATE state SET revision = ?1, position = ?2, log_bytes = ?3, record_bytes = ?4";
        connection.prepare_cached(sql)?.execute((self.revision, self.position, self.log_bytes, self.record_bytes))?;
        Ok(())
    }
}

/// Why a piece of work did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The expectation does not hold for this key. The others of the group are not concerned.
    Conflict(String),
    /// The transaction is lost.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// An open transaction. Counters and effects take hold only if it is committed.
pub(crate) struct Batch<'c> {
    pub(crate) connection: &'c Connection,
    pub(crate) now: Timestamp,
    pub(crate) counters: Counters,
    pub(crate) effects: Vec<Effect>,
    /// How many more events wait on each topic than before.
    pub(crate) waiting: HashMap<Topic, i64>,
    before: Counters,
}

impl<'c> Batch<'c> {
    pub(super) fn new(connection: &'c Connection, counters: Counters, now: Timestamp) -> Self {
        Self { connection, now, counters, effects: Vec::new(), waiting: HashMap::new(), before: counters }
    }

    /// Runs one statement, prepared once per connection.
    pub(crate) fn execute(&self, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(values)
    }

    /// The first column of the first row, if there is one.
    pub(crate) fn value<T: rusqlite::types::FromSql>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
    ) -> rusqlite::Result<Option<T>> {
        self.connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()
    }

    /// So many more events wait on a subscribed topic.
    pub(crate) fn waits(&mut self, topic: &Topic, more: i64) {
        match self.waiting.get_mut(topic) {
            Some(waiting) => *waiting += more,
            None => drop(self.waiting.insert(topic.clone(), more)),
        }
    }

    /// Writes the counters, if they have changed.
    pub(super) fn finish(self) -> rusqlite::Result<(Counters, Vec<Effect>)> {
        if self.counters != self.before {
            self.counters.save(self.connection)?;
        }
        for (topic, more) in self.waiting.iter().filter(|(_, more)| **more != 0) {
            let sql = "UPDATE subscriptions SET pending = pending + ?2 WHERE topic = ?1";
            self.execute(sql, (topic.as_str(), more))?;
        }
        Ok((self.counters, self.effects))
    }
}
