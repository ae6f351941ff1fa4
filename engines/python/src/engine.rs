//! The engine.

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use serde::Serialize;
use serde_json::value::RawValue;
use tracing::warn;
use workmanager_core_domain::{EngineInfo, Manifest, MimeType, engine::Mechanism};
use workmanager_core_kit::Tasks;
use workmanager_engines_host::{Engine, Process, SpawnError};

use crate::nursery::Nursery;

/// Open files of a worker.
const OPEN_FILES: u64 = 1024;

/// How Python is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The interpreter; `python3` on `path` when not given.
    pub python: Option<PathBuf>,
    /// Where programs are looked for.
    pub path: Option<OsString>,
    /// Where the engine's own files are kept, compiled.
    pub cache: Option<PathBuf>,
}

/// The engine for `text/x-python`.
#[derive(Debug)]
pub struct Python {
    nursery: Arc<Nursery>,
}

/// What `load` carries; read by the Python side.
#[derive(Serialize)]
struct Policy {
    limits: PolicyLimits,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct PolicyLimits {
    /// Address space on top of the interpreter's own.
    r#as: u64,
    nofile: u64,
    core: u64,
}

impl Python {
    /// The engine; nothing runs before it is started or asked for a process.
    #[must_use]
    pub fn new(options: Options, tasks: Tasks) -> Self {
        Self { nursery: Arc::new(Nursery::new(options, tasks)) }
    }
}

#[async_trait]
impl Engine for Python {
    fn mime_types(&self) -> &'static [MimeType] {
        &[MimeType::Python]
    }

    fn info(&self, mime_type: MimeType) -> EngineInfo {
        let reason = self.nursery.failure();
        EngineInfo {
            mime_type,
            language: mime_type.language().to_owned(),
            runtime: self.nursery.version(),
            available: reason.is_none(),
            reason,
            sandbox: mechanisms(),
        }
    }

    async fn start(&self) {
        if let Err(error) = self.nursery.start() {
            warn!("Python workers cannot run here: {error}");
        }
    }

    async fn spawn(&self, _: &Manifest) -> Result<Process, SpawnError> {
        self.nursery.process().await
    }

    fn file_name(&self, worker_name: &str) -> String {
        format!("{worker_name}.py")
    }

    fn policy(&self, manifest: &Manifest) -> Option<Box<RawValue>> {
        let limits = PolicyLimits { r#as: manifest.memory.0, nofile: OPEN_FILES, core: 0 };
        serde_json::value::to_raw_value(&Policy { limits }).ok()
    }

    async fn stop(&self) {
        self.nursery.stop().await;
    }
}

fn mechanisms() -> Vec<Mechanism> {
    let active = [
        ("process-group", "each worker version runs in processes, a session and a group of its own"),
        ("empty-environment", "PATH, LANG and MALLOC_ARENA_MAX only"),
        ("closed-descriptors", "standard streams and the engine's socket only"),
        ("no-new-privileges", "set before the interpreter starts"),
        ("resource-limits", "address space, open files, core dumps"),
        ("death-with-parent", "by signal, and by the end of the engine's socket"),
    ];
    let missing = [("landlock", "the file system is not restricted yet"), ("seccomp", "no system call is denied yet")];
    let mechanism = |active| {
        move |(name, note): (&str, &str)| Mechanism { name: name.to_owned(), active, note: Some(note.to_owned()) }
    };
    active.into_iter().map(mechanism(true)).chain(missing.into_iter().map(mechanism(false))).collect()
}
