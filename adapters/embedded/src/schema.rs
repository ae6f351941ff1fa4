//! The tables, and the settings of a connection.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use crate::{Error, config::Location};

/// The schema that this program writes; kept in SQLite's `user_version`.
const KNOWN: u32 = 1;

/// `state` has one row. `pending` names the events of `log` that wait for an outcome: a table of its
/// own, so that an acknowledgement does not touch the event's bytes.
const TABLES: &str = "
    CREATE TABLE state (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        revision INTEGER NOT NULL,
        position INTEGER NOT NULL,
        log_bytes INTEGER NOT NULL,
        record_bytes INTEGER NOT NULL
    ) STRICT;
    INSERT INTO state VALUES (1, 0, 0, 0, 0);
    CREATE TABLE records (
        collection TEXT NOT NULL,
        id TEXT NOT NULL,
        revision INTEGER NOT NULL,
        value BLOB NOT NULL,
        UNIQUE (collection, id)
    ) STRICT;
    CREATE TABLE log (
        position INTEGER PRIMARY KEY,
        topic TEXT NOT NULL,
        accepted_at INTEGER NOT NULL,
        data_kind INTEGER NOT NULL,
        attributes BLOB NOT NULL,
        data BLOB NOT NULL
    ) STRICT;
    CREATE INDEX log_by_topic ON log (topic);
    CREATE TABLE pending (
        position INTEGER PRIMARY KEY,
        topic TEXT NOT NULL
    ) STRICT;
    CREATE INDEX pending_by_topic ON pending (topic);
    CREATE TABLE subscriptions (topic TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
";

/// Opens the one connection that writes, and brings the tables up to date.
pub(crate) fn open_writer(path: &Path, location: &Location, size_limit: Option<u64>) -> Result<Connection, Error> {
    let unreadable = |source| Error::Database { path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(unreadable)?;
    prepare_writer(&connection, location).map_err(unreadable)?;
    let found = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unreadable)?;
    if found > KNOWN {
        return Err(Error::Newer { path: path.to_owned(), found, known: KNOWN });
    }
    if found == 0 {
        create(&mut connection).map_err(unreadable)?;
    }
    limit_size(&connection, size_limit).map_err(unreadable)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let unreadable = |source| Error::Database { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(unreadable)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(unreadable)?;
    Ok(connection)
}

fn prepare_writer(connection: &Connection, location: &Location) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(
        None,
        "synchronous",
        match location {
            Location::Directory(_) => "FULL",
            Location::Ephemeral => "OFF",
        },
    )?;
    // Fewer, larger checkpoints: each waits for the disk and holds up a commit.
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "cache_size", -16_384)
}

fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "user_version", KNOWN)?;
    transaction.commit()
}

fn limit_size(connection: &Connection, limit: Option<u64>) -> rusqlite::Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    let page: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    connection.pragma_update_and_check(None, "max_page_count", limit / page, |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_schema_is_refused_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let location = Location::Directory(directory.path().to_owned());
        let connection = open_writer(&path, &location, None).unwrap();
        connection.pragma_update(None, "user_version", KNOWN + 1).unwrap();
        drop(connection);
        let error = open_writer(&path, &location, None).unwrap_err();
        assert!(matches!(error, Error::Newer { found, known: KNOWN, .. } if found == KNOWN + 1), "{error}");
        assert_eq!(error.code(), "data-directory-newer");
    }

    #[test]
    fn what_is_no_database_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        std::fs::write(&path, "this is not a database, but a text of some length").unwrap();
        let error = open_writer(&path, &Location::Ephemeral, None).unwrap_err();
        assert_eq!(error.code(), "database-unreadable");
        assert!(error.to_string().contains(&path.display().to_string()));
    }
}
