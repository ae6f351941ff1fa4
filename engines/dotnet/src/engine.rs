//! The engine.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use serde_json::value::RawValue;
use workmanager_core_domain::{
    Digest, EngineInfo, Limits, Manifest, MimeType, engine::Mechanism, version::EngineSettings,
};
use workmanager_core_kit::Tasks;
use workmanager_engines_host::{Compiled, Engine, Level, Process, Sandbox, Source, SpawnError};

use crate::{
    compiler::Compiler,
    launch::{Launcher, Way},
    nursery::Nursery,
};

/// How .NET is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of the runtimes; looked for on `path` and in the usual places when not given.
    pub root: Option<PathBuf>,
    /// The folder of the C# compiler; that of the newest SDK when not given.
    pub roslyn: Option<PathBuf>,
    /// The assembly with the type of events, as the CloudEvents package has it; a stand-in when not given.
    pub cloud_events: Option<PathBuf>,
    /// One that was found ([`events_of`](crate::events_of)) and is taken when none is given, if it can be used.
    pub found_events: Option<PathBuf>,
    /// Where programs are looked for.
    pub path: Option<OsString>,
    /// Where the engine's own programs are kept, compiled.
    pub cache: Option<PathBuf>,
    /// Where processes have their temporary files; in the cache when not given.
    pub folders: Option<PathBuf>,
    /// How much must hold a worker's process.
    pub sandbox: Level,
    /// What starts the runtime; this program itself when not given.
    pub launcher: Option<Launcher>,
    /// How it does that.
    pub way: Way,
    /// Processes that are kept ahead of the need for them.
    pub spares: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            root: None,
            roslyn: None,
            cloud_events: None,
            found_events: None,
            path: None,
            cache: None,
            folders: None,
            sandbox: Level::default(),
            launcher: None,
            way: Way::default(),
            spares: 1,
        }
    }
}

/// The engine for `text/x-csharp` and `text/x-dll`.
#[derive(Debug)]
pub struct Dotnet {
    nursery: Arc<Nursery>,
    compiler: Compiler,
    sandbox: Sandbox,
}

impl Dotnet {
    /// The engine; nothing runs before it is started or asked for a process.
    #[must_use]
    pub fn new(options: Options, tasks: Tasks) -> Self {
        let sandbox = Sandbox::probe(options.sandbox);
        Self { nursery: Arc::new(Nursery::new(options, tasks.clone())), compiler: Compiler::new(tasks), sandbox }
    }

    /// What there is to say about this machine, without starting anything.
    #[must_use]
    pub fn look(&self) -> EngineInfo {
        let found = self.nursery.look();
        let reason = self.sandbox.refusal().or_else(|| found.as_ref().err().map(ToString::to_string));
        EngineInfo { runtime: found.ok(), available: reason.is_none(), reason, ..self.info(MimeType::CSharp) }
    }

    fn refuse(&self) -> Result<(), SpawnError> {
        self.sandbox.refusal().map_or(Ok(()), |refusal| Err(SpawnError::Missing(refusal)))
    }
}

#[async_trait]
impl Engine for Dotnet {
    fn mime_types(&self) -> &'static [MimeType] {
        &[MimeType::CSharp, MimeType::Dll]
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
        self.nursery.start(&usual());
    }

    async fn prepare(&self) -> Result<(), SpawnError> {
        let ground = self.nursery.ground().await?;
        ground.programs.seal(&ground.runtime)
    }

    async fn compile(&self, source: Source<'_>) -> Result<Compiled, SpawnError> {
        if source.manifest.mime_type != MimeType::CSharp {
            return Ok(Compiled::AsItIs);
        }
        self.refuse()?;
        self.compiler.compile(self.nursery.ground().await?, source).await
    }

    async fn toolchain(&self, mime_type: MimeType) -> Result<Option<String>, SpawnError> {
        if mime_type != MimeType::CSharp {
            return Ok(None);
        }
        Ok(Some(self.nursery.ground().await?.programs.toolchain().to_owned()))
    }

    async fn spawn(&self, manifest: &Manifest) -> Result<Process, SpawnError> {
        self.refuse()?;
        self.nursery.process(manifest).await
    }

    fn file_name(&self, worker_name: &str) -> String {
        format!("{worker_name}.cs")
    }

    /// The launcher has done it all before the runtime started its threads.
    fn policy(&self, _: &Manifest, _: &Process) -> Option<Box<RawValue>> {
        None
    }

    async fn stop(&self) {
        self.compiler.stop().await;
        self.nursery.stop().await;
    }
}

/// A version with nothing but defaults.
fn usual() -> Manifest {
    Manifest {
        format: Manifest::FORMAT,
        mime_type: MimeType::CSharp,
        source: Digest::of(b""),
        artefact: None,
        engine: EngineSettings::default(),
        memory: Limits::default().memory,
        config: BTreeMap::new(),
    }
}

/// What holds every process of this engine, whatever the kernel has.
fn everywhere() -> Vec<Mechanism> {
    let mechanism =
        |(name, note): (&str, &str)| Mechanism { name: name.to_owned(), active: true, note: Some(note.to_owned()) };
    [
        ("process-group", "each worker version runs in processes and groups of its own"),
        ("empty-environment", "PATH, LANG, MALLOC_ARENA_MAX, TMPDIR and the runtime's settings only"),
        ("closed-descriptors", "standard streams and the engine's socket only"),
        ("no-new-privileges", "set before the runtime starts"),
        ("death-with-parent", "by signal, and by the end of the engine's socket"),
        ("heap-limit", "the collector keeps a worker's objects within its memory"),
    ]
    .map(mechanism)
    .into()
}
