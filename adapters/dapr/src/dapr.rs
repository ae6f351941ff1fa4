//! The adapter's one type.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::OnceCell, time::Instant};
use tokio_util::sync::DropGuard;
use workmanager_core_domain::{
    Checkup,
    ports::{Clock, StoreError},
};
use workmanager_core_kit::Tasks;

use crate::{Config, cells::Cells, hub::Hub, index::Index, line, sidecar::Sidecar, status::Failure};

/// The longest pause between two looks for a sidecar that is not there.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// For how long a sidecar that starts beside us may be missed without a word.
const PATIENCE: Duration = Duration::from_secs(5);

/// Records, blobs and topics by a Dapr sidecar. Cloning shares it; when the last clone is dropped its streams
/// end, and what was not settled comes again.
#[derive(Clone)]
pub struct Dapr {
    shared: Arc<Shared>,
    _streams: Arc<DropGuard>,
}

/// What the streams' tasks need, too.
pub(crate) struct Shared {
    pub(crate) sidecar: Sidecar,
    pub(crate) cells: Cells,
    pub(crate) index: Index,
    pub(crate) hub: Hub,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tasks: Tasks,
    pub(crate) retention: Retention,
    pub(crate) compare_every: Duration,
    app: OnceCell<String>,
    checkup: Mutex<Checkup>,
}

/// How long what has an end stays.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    /// Finished event records.
    pub(crate) events: Duration,
    /// Dead letters.
    pub(crate) dead_letters: Duration,
}

impl Dapr {
    /// An adapter that connects when it is first used.
    ///
    /// # Errors
    /// The configuration names no address, or a token that no header can carry.
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        line::describe();
        let tasks = Tasks::new();
        let sidecar = Sidecar::new(config, &tasks).map_err(Error::Configuration)?;
        let retention = Retention { events: config.event_retention, dead_letters: config.dead_letter_retention };
        let cells = Cells::new(sidecar.clone(), clock.clone());
        let shared = Arc::new(Shared {
            index: Index::new(cells.clone()),
            sidecar,
            cells,
            hub: Hub::default(),
            clock,
            tasks,
            retention,
            compare_every: config.compare_every,
            app: OnceCell::new(),
            checkup: Mutex::default(),
        });
        let streams = Arc::new(shared.tasks.stopping().drop_guard());
        Ok(Self { shared, _streams: streams })
    }

    /// Waits until the sidecar is there and has our components. Has no end of its own.
    pub async fn ready(&self) {
        let (mut pause, mut told, start) = (Duration::from_millis(50), String::new(), Instant::now());
        loop {
            let reason = match self.missing().await {
                Ok(missing) if missing.is_empty() => return,
                Ok(missing) => format!("the sidecar has no component {}", missing.join(" and ")),
                Err(failure) => failure.reason().to_owned(),
            };
            if start.elapsed() > PATIENCE && told != reason {
                tracing::warn!("nothing can be done yet, because {reason}");
                told = reason;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The configured components that the sidecar does not have.
    async fn missing(&self) -> Result<Vec<String>, Failure> {
        let known = self.shared.sidecar.metadata().await?.registered_components;
        let needed = [(self.shared.sidecar.store(), "state."), (self.shared.sidecar.pubsub(), "pubsub.")];
        let missing = needed.into_iter().filter(|(name, kind)| {
            !known.iter().any(|component| component.name == *name && component.r#type.starts_with(kind))
        });
        Ok(missing.map(|(name, kind)| format!("`{name}` ({kind}…)")).collect())
    }

    /// Ends every subscription and tail, as a program does that stops. What is not settled comes again.
    pub fn stop(&self) {
        self.shared.tasks.stop();
    }

    pub(crate) fn cells(&self) -> &Cells {
        &self.shared.cells
    }

    pub(crate) fn index(&self) -> &Index {
        &self.shared.index
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl std::fmt::Debug for Dapr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dapr").finish_non_exhaustive()
    }
}

impl Shared {
    /// The sidecar's app id, which all replicas share.
    pub(crate) async fn app(&self) -> Result<&str, Failure> {
        let ask = || async { self.sidecar.metadata().await.map(|metadata| metadata.id) };
        self.app.get_or_try_init(ask).await.map(String::as_str)
    }

    /// What was found out about the components.
    pub(crate) fn checkup(&self) -> Checkup {
        self.checkup.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_checkup(&self, checkup: Checkup) {
        *self.checkup.lock().unwrap_or_else(PoisonError::into_inner) = checkup;
    }
}

/// Why there is no adapter.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error("the sidecar cannot be used: {0}")]
    Configuration(String),
}

/// A store's error as a bus's, for the little that the bus keeps there.
pub(crate) fn as_bus_error(error: StoreError) -> workmanager_core_domain::ports::BusError {
    use workmanager_core_domain::ports::BusError;
    match error {
        StoreError::Timeout => BusError::Timeout,
        StoreError::Full => BusError::Full,
        other => BusError::Unavailable { reason: other.to_string() },
    }
}
