//! Opening and closing.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::watch;
use tracing::{info, warn};
use workmanager_core_domain::{Topic, ports::Clock};

use crate::{
    Config, Error, Location, blobs,
    hub::Hub,
    lock::DirectoryLock,
    metrics,
    prune::Pruner,
    readers::Readers,
    schema,
    space::{Disk, Space},
    writer::{Counters, Parts, Writer},
};

/// Records, blobs and a bus in one directory. Cloning shares it; it is closed by [`Store::close`], or
/// when the last clone, subscription and tail are dropped.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    writer: Writer,
    readers: Readers,
    hub: Arc<Hub>,
    blobs: PathBuf,
    disk: Arc<Disk>,
    ended: watch::Receiver<()>,
}

/// What must stay until the last write is done.
struct Held {
    _lock: DirectoryLock,
    _temporary: Option<TempDir>,
    _ended: watch::Sender<()>,
}

impl Store {
    /// Opens the store, and makes it if need be. Blocks while it does.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        metrics::describe();
        let (directory, temporary) = directory(&config.location)?;
        let lock = DirectoryLock::take(&directory)?;
        let blobs = directory.join("blobs");
        blobs::prepare(&blobs).map_err(|source| Error::Directory { path: blobs.clone(), source })?;

        let path = directory.join("workmanager.db");
        let unreadable = |source| Error::Database { path: path.clone(), source };
        let connection = schema::open_writer(&path, &config.location, config.size_limit)?;
        let counters = Counters::load(&connection).map_err(unreadable)?;
        let held = subscriptions(&connection).map_err(unreadable)?;
        let waiting: u64 = held.iter().map(|(_, pending)| pending).sum();
        info!("store opened in {}: {waiting} events wait on {} topics", directory.display(), held.len());
        let hub = Arc::new(Hub::new(counters.position, held));
        let readers = Readers::open(&path)?;

        let (sender, ended) = watch::channel(());
        let held = Held { _lock: lock, _temporary: temporary, _ended: sender };
        let pruner = Pruner::new(config.log, config.records, config.dead_letters);
        let disk = Arc::new(Disk::new(directory.clone(), config.reserve));
        let space = Space::new(disk.clone(), path, config.size_limit.is_some());
        let housekeeping = config.housekeeping;
        let parts = Parts { connection, counters, hub: hub.clone(), clock, pruner, space, housekeeping };
        let writer = Writer::start(parts, held).map_err(|source| Error::Directory { path: directory, source })?;
        Ok(Self { inner: Arc::new(Inner { writer, readers, hub, blobs, disk, ended }) })
    }

    /// Finishes what was begun, refuses all else, ends subscriptions and tails, and gives the
    /// directory free.
    pub async fn close(&self) {
        self.inner.hub.stop();
        self.inner.writer.close();
        self.inner.readers.close();
        let mut ended = self.inner.ended.clone();
        // Fails when the sender is gone, which is what is waited for.
        while ended.changed().await.is_ok() {}
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.inner.writer
    }

    pub(crate) fn readers(&self) -> &Readers {
        &self.inner.readers
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    pub(crate) fn blobs(&self) -> &Path {
        &self.inner.blobs
    }

    pub(crate) fn disk(&self) -> Arc<Disk> {
        self.inner.disk.clone()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("blobs", &self.inner.blobs).finish_non_exhaustive()
    }
}

fn directory(location: &Location) -> Result<(PathBuf, Option<TempDir>), Error> {
    match location {
        Location::Directory(directory) => Ok((directory.clone(), None)),
        Location::Ephemeral => {
            let made = tempfile::Builder::new().prefix("workmanager-").tempdir();
            let temporary = made.map_err(|source| Error::Directory { path: std::env::temp_dir(), source })?;
            Ok((temporary.path().to_owned(), Some(temporary)))
        }
    }
}

/// The subscribed topics, with how many events wait on each.
fn subscriptions(connection: &Connection) -> rusqlite::Result<Vec<(Topic, u64)>> {
    let mut statement = connection.prepare("SELECT topic, pending FROM subscriptions")?;
    let mut rows = statement.query([])?;
    let mut topics = Vec::new();
    while let Some(row) = rows.next()? {
        let (topic, pending): (String, u64) = (row.get(0)?, row.get(1)?);
        match topic.parse() {
            Ok(topic) => topics.push((topic, pending)),
            Err(error) => warn!("a subscription to `{topic}` is left out: {error}"),
        }
    }
    Ok(topics)
}
