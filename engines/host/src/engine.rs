//! What an engine is.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::time::Instant;
use workmanager_core_domain::{EngineInfo, Manifest, MimeType, outcome::Failure};

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

    /// Makes what is made once on a machine, and leaves word that it is complete: for an image, in which nothing
    /// can be written later, and where what it was made with may be missing.
    ///
    /// # Errors
    /// See [`SpawnError`].
    async fn prepare(&self) -> Result<(), SpawnError> {
        Ok(())
    }

    /// Makes of a version's source what its processes load. Engines that load source leave it as it is.
    ///
    /// # Errors
    /// See [`SpawnError`]. Nothing is known about the source then.
    async fn compile(&self, source: Source<'_>) -> Result<Compiled, SpawnError> {
        let _ = source;
        Ok(Compiled::AsItIs)
    }

    /// What [`Engine::compile`] compiles with, named so that two of one name make the same of the same source.
    /// `None` for engines that load source.
    ///
    /// # Errors
    /// See [`SpawnError`].
    async fn toolchain(&self, mime_type: MimeType) -> Result<Option<String>, SpawnError> {
        let _ = mime_type;
        Ok(None)
    }

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

/// What is to be compiled.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The version, without an artefact.
    pub manifest: &'a Manifest,
    /// The name that the code has in messages and stack traces.
    pub file_name: &'a str,
    /// The source itself.
    pub bytes: &'a Bytes,
    /// When nobody waits for it any more.
    pub deadline: Instant,
}

/// What became of a source.
#[derive(Debug)]
pub enum Compiled {
    /// It is loaded as it is.
    AsItIs,
    /// This is loaded instead. The same source gives the same bytes.
    Artefact(Bytes),
    /// It does not compile.
    Rejected(Failure),
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
