//! The engine.

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use serde_json::value::RawValue;
use tracing::warn;
use workmanager_core_domain::{EngineInfo, Manifest, MimeType, engine::Mechanism};
use workmanager_core_kit::Tasks;
use workmanager_engines_host::{Engine, Level, Memory, Process, ResourceLimits, Sandbox, SpawnError};

use crate::nursery::Nursery;

/// Open descriptors of a worker.
const DESCRIPTORS: u64 = 1024;
/// The longest file that a worker can write.
const FILE: u64 = 256 << 20;

/// How Python is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The interpreter; `python3` on `path` when not given.
    pub python: Option<PathBuf>,
    /// Where programs are looked for.
    pub path: Option<OsString>,
    /// Where the engine's own files are kept, compiled.
    pub cache: Option<PathBuf>,
    /// How much must hold a worker's process.
    pub sandbox: Level,
}

/// The engine for `text/x-python`.
#[derive(Debug)]
pub struct Python {
    nursery: Arc<Nursery>,
    sandbox: Sandbox,
}

impl Python {
    /// The engine; nothing runs before it is started or asked for a process.
    #[must_use]
    pub fn new(options: Options, tasks: Tasks) -> Self {
        let sandbox = Sandbox::probe(options.sandbox);
        Self { nursery: Arc::new(Nursery::new(options, tasks)), sandbox }
    }
}

#[async_trait]
impl Engine for Python {
    fn mime_types(&self) -> &'static [MimeType] {
        &[MimeType::Python]
    }

    fn info(&self, mime_type: MimeType) -> EngineInfo {
        let reason = self.sandbox.refusal().or_else(|| self.nursery.failure());
        EngineInfo {
            mime_type,
            language: mime_type.language().to_owned(),
            runtime: self.nursery.version(),
            available: reason.is_none(),
            reason,
            sandbox: everywhere().into_iter().chain(self.sandbox.mechanisms()).collect(),
        }
    }

    async fn start(&self) {
        if let Err(error) = self.nursery.start() {
            warn!("Python workers cannot run here: {error}");
        }
    }

    async fn spawn(&self, _: &Manifest) -> Result<Process, SpawnError> {
        if let Some(refusal) = self.sandbox.refusal() {
            return Err(SpawnError::Missing(refusal));
        }
        self.nursery.process().await
    }

    fn file_name(&self, worker_name: &str) -> String {
        format!("{worker_name}.py")
    }

    fn policy(&self, manifest: &Manifest, process: &Process) -> Option<Box<RawValue>> {
        let memory = Memory::Mapped(manifest.memory.0);
        let limits = ResourceLimits { memory, descriptors: DESCRIPTORS, file: FILE };
        let folders = self.nursery.folders();
        let folders = folders.as_ref().map(|folders| folders.path());
        serde_json::value::to_raw_value(&self.sandbox.policy(limits, process.pid(), folders)).ok()
    }

    async fn stop(&self) {
        self.nursery.stop().await;
    }
}

/// What holds every process of this engine, whatever the kernel has.
fn everywhere() -> Vec<Mechanism> {
    let mechanism =
        |(name, note): (&str, &str)| Mechanism { name: name.to_owned(), active: true, note: Some(note.to_owned()) };
    [
        ("process-group", "each worker version runs in processes, a session and a group of its own"),
        ("empty-environment", "PATH, LANG, MALLOC_ARENA_MAX and TMPDIR only"),
        ("closed-descriptors", "standard streams and the engine's socket only"),
        ("no-new-privileges", "set before the interpreter starts"),
        ("death-with-parent", "by signal, and by the end of the engine's socket"),
    ]
    .map(mechanism)
    .into()
}
