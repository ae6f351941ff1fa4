//! The tables, and the settings of a connection.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use crate::{Error, config::Location};

/// The schema that this program writes; kept in SQLite's `user_version`.
const KNOWN: u32 = 2;

/// Fewer, larger checkpoints: each waits for the disk and holds up a commit.
pub(crate) const FEW_CHECKPOINTS: u32 = 4_000;
/// For a disk with little room: the log stays small.
pub(crate) const MANY_CHECKPOINTS: u32 = 250;

/// How long a connection waits for another.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// `state` has one row. `pending` names the events of `log` that wait for an outcome: a table of its
/// own, so that an acknowledgement does not touch the event's bytes. `subscriptions` counts them, so that
/// a start does not. `records_by_age` leads to what may be pruned, past all that may not.
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
    CREATE INDEX records_by_age ON records (collection) WHERE collection = 'event' OR collection = 'dead-letter';
    CREATE TABLE pending (
        topic TEXT NOT NULL,
        position INTEGER NOT NULL,
        PRIMARY KEY (topic, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE subscriptions (
        topic TEXT PRIMARY KEY,
        pending INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// From schema 1, which counted at each start, and walked over all records.
const SECOND: &str = "
    CREATE INDEX records_by_age ON records (collection) WHERE collection = 'event' OR collection = 'dead-letter';
    ALTER TABLE pending RENAME TO waiting;
    CREATE TABLE pending (
        topic TEXT NOT NULL,
        position INTEGER NOT NULL,
        PRIMARY KEY (topic, position)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO pending SELECT topic, position FROM waiting;
    DROP TABLE waiting;
    ALTER TABLE subscriptions ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;
    UPDATE subscriptions
        SET pending = (SELECT count(*) FROM pending WHERE pending.topic = subscriptions.topic);
";

/// Opens the one connection that writes, and brings the tables up to date.
pub(crate) fn open_writer(path: &Path, location: &Location, size_limit: Option<u64>) -> Result<Connection, Error> {
    let unreadable = |source| Error::Database { path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(unreadable)?;
    let found = version(&connection).map_err(unreadable)?;
    prepare_writer(&connection, location, found).map_err(unreadable)?;
    if found > KNOWN {
        return Err(Error::Newer { path: path.to_owned(), found, known: KNOWN });
    }
    match found {
        0 => change(&mut connection, TABLES).map_err(unreadable)?,
        1 => change(&mut connection, SECOND).map_err(unreadable)?,
        _ => {}
    }
    limit_size(&connection, size_limit).map_err(unreadable)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let unreadable = |source| Error::Database { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(unreadable)?;
    connection.busy_timeout(PATIENCE).map_err(unreadable)?;
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn prepare_writer(connection: &Connection, location: &Location, found: u32) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(64);
    if found == 0 {
        // A file that is there stays as it was made. Even to say it again would need room on the disk.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(
        None,
        "synchronous",
        match location {
            Location::Directory(_) => "FULL",
            Location::Ephemeral => "OFF",
        },
    )?;
    checkpoint_every(connection, FEW_CHECKPOINTS)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "cache_size", -16_384)
}

/// Brings the tables to the schema that is known, all or nothing.
fn change(connection: &mut Connection, sql: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "user_version", KNOWN)?;
    transaction.commit()
}

/// How many pages the write-ahead log has when it is brought into the file.
pub(crate) fn checkpoint_every(connection: &Connection, pages: u32) -> rusqlite::Result<()> {
    connection.pragma_update(None, "wal_autocheckpoint", pages)
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
    fn the_first_schema_is_brought_up_to_date_with_all_that_waits() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let first = "
            CREATE TABLE state (
                only INTEGER PRIMARY KEY, revision INTEGER, position INTEGER, log_bytes INTEGER, record_bytes INTEGER
            ) STRICT;
            CREATE TABLE records (
                collection TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, value BLOB NOT NULL,
                UNIQUE (collection, id)
            ) STRICT;
            CREATE TABLE pending (position INTEGER PRIMARY KEY, topic TEXT NOT NULL) STRICT;
            CREATE INDEX pending_by_topic ON pending (topic);
            CREATE TABLE subscriptions (topic TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
            INSERT INTO pending VALUES (1, 'orders'), (2, 'other'), (3, 'orders');
            INSERT INTO subscriptions VALUES ('orders'), ('other'), ('quiet');
            PRAGMA user_version = 1;";
        Connection::open(&path).unwrap().execute_batch(first).unwrap();
        let connection = open_writer(&path, &Location::Ephemeral, None).unwrap();
        let mut statement = connection.prepare("SELECT topic, pending FROM subscriptions ORDER BY topic").unwrap();
        let counts = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let counts: Vec<(String, u64)> = counts.map(Result::unwrap).collect();
        assert_eq!(counts, [("orders".to_owned(), 2), ("other".to_owned(), 1), ("quiet".to_owned(), 0)]);
        let waits = "SELECT count(*) FROM pending WHERE topic = 'orders' AND position IN (1, 3)";
        assert_eq!(connection.query_row(waits, [], |row| row.get::<_, u64>(0)).unwrap(), 2);
        drop(statement);
        drop(connection);
        open_writer(&path, &Location::Ephemeral, None).unwrap();
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
