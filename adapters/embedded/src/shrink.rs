//! What the file does not need goes back to the disk: many free pages that nothing will fill soon; and all
//! of them, with the write-ahead log, while the disk is short of room.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use tracing::debug;

use crate::{schema::PATIENCE, space::Space};

/// How many pages are given back at a time. What moves for them is in the write-ahead log meanwhile.
const SLICE: u64 = 128;
/// So many free pages are nothing to speak of: 64 MiB.
const FEW: u64 = 16_384;
/// How often the little is looked for that a full disk may still get.
const OFTEN: Duration = Duration::from_millis(100);

/// Gives pages back in small slices, so that no commit waits long.
#[derive(Debug, Default)]
pub(crate) struct Shrinker {
    is_under_way: bool,
    last: Option<Instant>,
}

impl Shrinker {
    /// Whether there is more to give back now.
    pub(crate) const fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// Whether to look for something to give back, though it is not time for housekeeping.
    pub(crate) fn is_urgent(&self, space: &Space) -> bool {
        self.is_under_way || (space.is_short() && self.last.is_none_or(|last| last.elapsed() >= OFTEN))
    }

    /// Gives a slice back, if there is reason to.
    pub(crate) fn slice(&mut self, space: &mut Space, connection: &Connection) {
        self.last = Some(Instant::now());
        space.look(connection);
        if !space.is_short() && !self.is_loose(space) {
            self.is_under_way = false;
            return;
        }
        let (was_short, (_, free)) = (space.is_short(), space.pages());
        let given = give_back(connection, free.min(SLICE));
        space.look(connection);
        let (_, left) = space.pages();
        // A file that was made without a map of its pages gives none of them back.
        self.is_under_way = left < free && (self.is_loose(space) || (space.is_short() && left > 0));
        let cut = if was_short || !self.is_under_way { wind_up(connection) } else { Ok(()) };
        if let Err(error) = given.and(cut) {
            debug!("nothing is given back to the disk: {error}");
        }
    }

    /// Whether much of the file is free; a shrinking that has begun goes a little further.
    const fn is_loose(&self, space: &Space) -> bool {
        let (pages, free) = space.pages();
        free > FEW && free > if self.is_under_way { pages / 4 } else { pages / 2 }
    }
}

/// Moves the last pages of the file to free ones, and cuts it.
fn give_back(connection: &Connection, pages: u64) -> rusqlite::Result<()> {
    if pages == 0 {
        return Ok(());
    }
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    // One row per page.
    while rows.next()?.is_some() {}
    Ok(())
}

/// Brings the write-ahead log into the file and cuts it to nothing, unless somebody reads it now.
fn wind_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    connection.busy_timeout(PATIENCE)?;
    done
}
