//! How much room there is. When little is left nothing new is taken in, so that there is room for the
//! outcomes of what was taken in before, and for what is past its time to go.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use rustix::fs::statvfs;
use tracing::{info, warn};

use crate::{metrics, schema};

/// How often is looked, at least while there is something to do.
const OFTEN: Duration = Duration::from_millis(100);
/// The reserve is never more than this part of the whole.
const PART: u64 = 8;
/// What is written is in the write-ahead log first, and in the file later.
const COPIES: u64 = 2;
/// Bytes of pages that an operation changes a little, and those that every commit changes, in the log.
const OPERATION: u64 = 3 * 4_096;
const COMMIT: u64 = 16 * 4_096;
/// With less than this nothing can be done on a disk.
const LEAST: u64 = 256 << 10;

/// The file system of a directory.
#[derive(Debug)]
pub(crate) struct Disk {
    directory: PathBuf,
    reserve: u64,
}

/// Bytes that are left, and how many of them are kept.
#[derive(Debug, Clone, Copy)]
struct Room {
    left: u64,
    reserve: u64,
}

/// The database file, as the connection that writes knows it.
#[derive(Debug, Clone, Copy, Default)]
struct File {
    page_bytes: u64,
    pages: u64,
    free_pages: u64,
    most_pages: u64,
}

/// Decides what is taken in.
#[derive(Debug)]
pub(crate) struct Space {
    disk: Arc<Disk>,
    database: PathBuf,
    is_limited: bool,
    looked_at: Option<Instant>,
    file: File,
    /// What new things may still use until the next look.
    budget: u64,
    is_short: bool,
}

impl Disk {
    /// Keeps `reserve` bytes free of new things; with 0 everything can be used up.
    pub(crate) const fn new(directory: PathBuf, reserve: u64) -> Self {
        Self { directory, reserve }
    }

    /// Whether something new of so many bytes leaves the reserve as it is.
    pub(crate) fn takes(&self, bytes: u64) -> bool {
        self.reserve == 0 || self.room().is_none_or(|room| room.left >= room.reserve + bytes)
    }

    /// Whether there is nothing left to write to: what fails then, fails for that.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.room().is_some_and(|room| room.left < LEAST)
    }

    /// `None` for a disk that does not say. It is taken to have room: writing will tell.
    fn room(&self) -> Option<Room> {
        let disk = statvfs(&self.directory).ok().filter(|disk| disk.f_blocks > 0)?;
        Some(Room::of(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize, self.reserve))
    }
}

impl Room {
    fn of(left: u64, all: u64, reserve: u64) -> Self {
        Self { left, reserve: reserve.min(all / PART) }
    }

    const fn is_short(self) -> bool {
        self.left < self.reserve
    }

    /// A little more than needed, so that what is taken in next is not the next reason.
    const fn is_short_still(self) -> bool {
        self.left < self.reserve + self.reserve / 4
    }

    /// Half of the reserve, at least, is left alone between two looks.
    const fn budget(self) -> u64 {
        self.left.saturating_sub(self.reserve / 2)
    }
}

impl File {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        Ok(Self {
            page_bytes: pragma("page_size")?,
            pages: pragma("page_count")?,
            free_pages: pragma("freelist_count")?,
            most_pages: pragma("max_page_count")?,
        })
    }

    /// What a checkpoint still has to add to the file.
    fn promised(self, path: &Path) -> u64 {
        let written = std::fs::metadata(path).map_or(0, |file| file.len());
        (self.pages * self.page_bytes).saturating_sub(written)
    }

    fn room(self, reserve: u64) -> Room {
        let left = self.most_pages.saturating_sub(self.pages) + self.free_pages;
        Room::of(left * self.page_bytes, self.most_pages * self.page_bytes, reserve)
    }
}

impl Space {
    /// Of the file `database`, which is on `disk`, and may have a limit of its own.
    pub(crate) fn new(disk: Arc<Disk>, database: PathBuf, is_limited: bool) -> Self {
        metrics::short_of_space(false);
        Self { disk, database, is_limited, looked_at: None, file: File::default(), budget: 0, is_short: false }
    }

    /// Prepares for a commit of so many bytes: looks if it is time, or if that is more than the last
    /// look allows.
    pub(crate) fn prepare(&mut self, connection: &Connection, sizes: impl Iterator<Item = usize>) {
        let needed = COMMIT + sizes.map(cost).sum::<u64>();
        if self.looked_at.is_none_or(|at| at.elapsed() >= OFTEN) || needed > self.budget {
            self.look(connection);
        }
        self.budget = self.budget.saturating_sub(COMMIT);
    }

    /// Whether something new is taken in.
    pub(crate) fn admits(&mut self, bytes: usize) -> bool {
        let admits = !self.is_short && cost(bytes) <= self.budget;
        if admits {
            self.spend(bytes);
        }
        admits
    }

    /// So much is written, whatever it is.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.budget = self.budget.saturating_sub(cost(bytes));
    }

    /// Whether nothing new is taken in at all.
    pub(crate) const fn is_short(&self) -> bool {
        self.is_short
    }

    /// The pages of the file, and how many of them are free, at the last look.
    pub(crate) const fn pages(&self) -> (u64, u64) {
        (self.file.pages, self.file.free_pages)
    }

    /// The disk.
    pub(crate) const fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// Looks, and says so when intake stops or goes on.
    pub(crate) fn look(&mut self, connection: &Connection) {
        self.looked_at = Some(Instant::now());
        // What cannot be read now will tell by itself.
        let Ok(file) = File::read(connection) else { return };
        self.file = file;
        let mut rooms = Vec::with_capacity(2);
        if self.disk.reserve > 0 {
            let promised = file.promised(&self.database);
            rooms.extend(self.disk.room().map(|room| Room { left: room.left.saturating_sub(promised), ..room }));
            rooms.extend(self.is_limited.then(|| file.room(self.disk.reserve)));
        }
        self.budget = rooms.iter().map(|room| room.budget()).min().unwrap_or(u64::MAX);
        let is_short = if self.is_short { Room::is_short_still } else { Room::is_short };
        let is_short = rooms.iter().any(|room| is_short(*room));
        if std::mem::replace(&mut self.is_short, is_short) != is_short {
            self.tell(&rooms);
            let pages = if is_short { schema::MANY_CHECKPOINTS } else { schema::FEW_CHECKPOINTS };
            // Cannot fail but for want of memory; the log is larger then.
            let _ = schema::checkpoint_every(connection, pages);
        }
    }

    fn tell(&self, rooms: &[Room]) {
        metrics::short_of_space(self.is_short);
        let left = rooms.iter().map(|room| room.left >> 10).min().unwrap_or_default();
        let database = self.database.display();
        if self.is_short {
            warn!("{database} has {left} KiB left to grow: nothing new is taken in until there is more");
        } else {
            info!("{database} has {left} KiB left to grow: new things are taken in again");
        }
    }
}

const fn cost(bytes: usize) -> u64 {
    bytes as u64 * COPIES + OPERATION
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_reserve_is_a_part_of_a_small_disk_only() {
        assert_eq!(Room::of(0, 32 * MIB, 64 * MIB).reserve, 4 * MIB);
        assert_eq!(Room::of(0, 1_000 * MIB, 64 * MIB).reserve, 64 * MIB);
    }

    #[test]
    fn what_was_short_needs_a_little_more_to_go_on() {
        let room = |left| Room { left, reserve: 8 * MIB };
        assert!(room(8 * MIB - 1).is_short() && !room(8 * MIB).is_short());
        assert!(room(10 * MIB - 1).is_short_still() && !room(10 * MIB).is_short_still());
    }

    #[test]
    fn a_disk_takes_what_leaves_its_reserve() {
        let directory = tempfile::tempdir().unwrap();
        let disk = |reserve| Disk::new(directory.path().to_owned(), reserve);
        assert!(disk(0).takes(u64::MAX), "without a reserve the disk itself says");
        assert!(disk(1).takes(1) && !disk(1).takes(u64::MAX - 1));
        assert!(Disk::new("/nowhere/at/all".into(), 1).takes(u64::MAX - 1), "what does not say has room");
    }

    fn small() -> (tempfile::TempDir, Connection, Space) {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("db");
        let connection = Connection::open(&database).unwrap();
        connection.pragma_update_and_check(None, "max_page_count", 256, |_| Ok(())).unwrap();
        let disk = Arc::new(Disk::new(directory.path().to_owned(), MIB));
        let space = Space::new(disk, database, true);
        (directory, connection, space)
    }

    #[test]
    fn that_intake_stops_and_that_it_goes_on_is_said_once_each() {
        let (directory, connection, mut space) = small();
        let log = directory.path().join("log");
        let file = std::fs::File::create(&log).unwrap();
        let subscriber = tracing_subscriber::fmt().with_writer(file).finish();
        tracing::subscriber::with_default(subscriber, || {
            connection.execute_batch("CREATE TABLE filled (bytes BLOB)").unwrap();
            for bytes in [950 << 10, 950 << 10, 0, 0] {
                connection.execute("DELETE FROM filled", []).unwrap();
                connection.execute("INSERT INTO filled VALUES (zeroblob(?1))", [bytes]).unwrap();
                for _ in 0..10 {
                    space.look(&connection);
                    assert_eq!((space.is_short(), space.admits(1)), (bytes > 0, bytes == 0));
                }
            }
        });
        let said = std::fs::read_to_string(log).unwrap();
        let said: Vec<_> = said.lines().map(|line| line.split_once(" left to grow: ").unwrap().1).collect();
        assert_eq!(said, ["nothing new is taken in until there is more", "new things are taken in again"]);
    }

    #[test]
    fn between_two_looks_half_of_the_reserve_is_left_alone() {
        let (_directory, connection, mut space) = small();
        space.look(&connection);
        // Of 1 MiB; the reserve is 128 KiB.
        assert!(!space.admits(500 << 10) && space.admits(400 << 10) && !space.admits(100 << 10));
    }
}
