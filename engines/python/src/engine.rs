//! The engine.

use std::{
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use tracing::warn;
use workmanager_core_domain::{EngineInfo, Manifest, MimeType, engine::Mechanism};
use workmanager_core_kit::Tasks;
use workmanager_engines_host::{Engine, Newborn, Process, SpawnError, end_stillborn, pair};

use crate::{interpreter, runtime, zygote::Zygote};

/// How long a process may take to be ready. Far more than it needs, even where the machine is busy.
const READY: Duration = Duration::from_secs(20);
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
    options: Options,
    tasks: Tasks,
    version: Arc<OnceLock<String>>,
    /// Only locked for a moment, never while something is awaited.
    zygote: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    executable: Option<PathBuf>,
    running: Option<Arc<Zygote>>,
    /// The files of an engine without a cache; they go with it.
    temporary: Option<tempfile::TempDir>,
    failure: Option<String>,
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
        Self { options, tasks, version: Arc::default(), zygote: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.zygote.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The zygote, started if there is none or the last one is gone.
    fn zygote(&self) -> Result<Arc<Zygote>, SpawnError> {
        let mut state = self.lock();
        if let Some(zygote) = state.running.as_ref().filter(|zygote| zygote.is_alive()) {
            return Ok(zygote.clone());
        }
        let started = self.start_zygote(&mut state);
        state.failure = started.as_ref().err().map(ToString::to_string);
        started
    }

    fn start_zygote(&self, state: &mut State) -> Result<Arc<Zygote>, SpawnError> {
        let executable = match state.executable.take() {
            Some(known) => known,
            None => interpreter::find(self.options.python.as_deref(), self.options.path.as_deref())?,
        };
        let executable = state.executable.insert(executable).clone();
        let files = self.files(state)?;
        let zygote = Arc::new(Zygote::start(&executable, &files, &self.version, &self.tasks)?);
        state.running = Some(zygote.clone());
        Ok(zygote)
    }

    /// The engine's files, in the cache if that can be.
    fn files(&self, state: &mut State) -> Result<PathBuf, SpawnError> {
        match self.options.cache.as_deref().map(runtime::unpack) {
            Some(Ok(files)) => return Ok(files),
            Some(Err(error)) => warn!("cannot keep the engine's files in the cache, starts will be slower: {error}"),
            None => {}
        }
        let directory = match state.temporary.take() {
            Some(known) => known,
            None => tempfile::tempdir().map_err(SpawnError::system("temporary directory"))?,
        };
        let directory = state.temporary.insert(directory);
        runtime::unpack(directory.path()).map_err(SpawnError::system("temporary files"))
    }

    async fn fork(&self, zygote: &Zygote) -> Result<Process, SpawnError> {
        let deadline = Instant::now() + READY;
        let _newborn = Newborn::expect().map_err(SpawnError::system("become a subreaper"))?;
        let (ours, theirs) = pair().map_err(SpawnError::system("descriptors"))?;
        zygote.fork(&theirs).await.map_err(SpawnError::system("fork python"))?;
        drop(theirs);
        let (process, ready) = Process::connect(ours, None, &self.tasks, deadline).await?;
        let _ = self.version.set(ready.runtime);
        Ok(process)
    }
}

#[async_trait]
impl Engine for Python {
    fn mime_types(&self) -> &'static [MimeType] {
        &[MimeType::Python]
    }

    fn info(&self, mime_type: MimeType) -> EngineInfo {
        let reason = self.lock().failure.clone();
        EngineInfo {
            mime_type,
            language: mime_type.language().to_owned(),
            runtime: self.version.get().cloned(),
            available: reason.is_none(),
            reason,
            sandbox: mechanisms(),
        }
    }

    async fn start(&self) {
        if let Err(error) = self.zygote() {
            warn!("Python workers cannot run here: {error}");
        }
    }

    async fn spawn(&self, _: &Manifest) -> Result<Process, SpawnError> {
        let zygote = self.zygote()?;
        let error = match self.fork(&zygote).await {
            Ok(process) => return Ok(process),
            Err(error) => error,
        };
        end_stillborn(&self.tasks);
        let words = zygote.last_words().await;
        if zygote.is_alive() {
            return Err(error);
        }
        warn!("{words} and is started again");
        let zygote = self.zygote()?;
        match self.fork(&zygote).await {
            Err(_) if !zygote.is_alive() => Err(SpawnError::Died(zygote.last_words().await)),
            forked => forked,
        }
    }

    fn file_name(&self, worker_name: &str) -> String {
        format!("{worker_name}.py")
    }

    fn policy(&self, manifest: &Manifest) -> Option<Box<RawValue>> {
        let limits = PolicyLimits { r#as: manifest.memory.0, nofile: OPEN_FILES, core: 0 };
        serde_json::value::to_raw_value(&Policy { limits }).ok()
    }

    async fn stop(&self) {
        let running = self.lock().running.take();
        if let Some(zygote) = running.and_then(Arc::into_inner) {
            zygote.stop().await;
        }
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
