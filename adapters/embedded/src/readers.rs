//! Connections for reading. What may take long is read away from the runtime's own threads.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, failure::Failure, schema};

/// How many reads run at the same time.
const CONNECTIONS: usize = 3;

/// A fixed set of connections; who finds none idle waits. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

/// The right to use one of the connections.
pub(crate) struct Reader {
    idle: Arc<Mutex<Vec<Connection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Readers {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let connections = (0..CONNECTIONS).map(|_| schema::open_reader(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { idle: Arc::new(Mutex::new(connections)), permits: Arc::new(Semaphore::new(CONNECTIONS)) })
    }

    /// Waits until a connection is idle.
    pub(crate) async fn acquire(&self) -> Result<Reader, Failure> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| Failure::stopped())?;
        Ok(Reader { idle: self.idle.clone(), _permit: permit })
    }

    /// A connection, if one is idle now.
    pub(crate) fn try_acquire(&self) -> Option<Reader> {
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        Some(Reader { idle: self.idle.clone(), _permit: permit })
    }

    /// Lets nobody read any more.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Runs `read` on an idle connection. It goes on to its end even if the caller does not wait.
    pub(crate) async fn run<T, F>(&self, read: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let reader = self.acquire().await?;
        let read = tokio::task::spawn_blocking(move || reader.with(read));
        read.await.map_err(|_| Failure::stopped())?
    }
}

impl Reader {
    /// Runs `read` on this thread, which must be one that may wait as long as `read` takes.
    pub(crate) fn with<T>(self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Failure> {
        let connection = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = connection.ok_or_else(Failure::stopped)?;
        let result = read(&connection);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(result?)
    }
}
