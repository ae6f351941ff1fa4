//! What an engine is.

use std::io;

use async_trait::async_trait;
use serde_json::value::RawValue;
use workmanager_core_domain::{EngineInfo, Manifest, MimeType};

use crate::Process;

/// Runs one kind of code. A process of it speaks the frames of `core/frames`: it says `ready`, is told
/// to `load` one version, and then answers one `attempt` at a time.
#[async_trait]
pub trait Engine: Send + Sync {
    /// What it runs.
    fn mime_types(&self) -> &'static [MimeType];

    /// What there is to know about it. Does no I/O: what is not known yet is left out.
    fn info(&self, mime_type: MimeType) -> EngineInfo;

    /// Prepares what makes the first process fast. Called once, returns soon; a failure shows in
    /// [`Engine::spawn`].
    async fn start(&self);

    /// A process that has said `ready` and can be told to load a version of `manifest`.
    ///
    /// # Errors
    /// See [`SpawnError`]. No code of a worker has run then.
    async fn spawn(&self, manifest: &Manifest) -> Result<Process, SpawnError>;

    /// The name that a version's code has in its stack traces.
    fn file_name(&self, worker_name: &str) -> String;

    /// What `process` does to itself before it runs code of `manifest`; travels with `load`.
    fn policy(&self, manifest: &Manifest, process: &Process) -> Option<Box<RawValue>>;

    /// Ends everything but the processes it has spawned.
    async fn stop(&self);
}

/// No process could be made.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The runtime is not there.
    #[error("{0}")]
    Missing(String),
    /// The system refused it.
    #[error("no process can be started: {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("the process ended before it was ready: {0}")]
    Died(String),
    /// It said something else than `ready`.
    #[error("the process is not of this engine: {0}")]
    Protocol(String),
    /// It took too long.
    #[error("the process was not ready in time")]
    Slow,
}

impl SpawnError {
    /// Names what was tried when the system refused it.
    pub fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { what, source: source.into() }
    }
}
