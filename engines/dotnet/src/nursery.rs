//! Where processes come from.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    sync::{Notify, OnceCell},
    time::Instant,
};
use tracing::{debug, warn};
use workmanager_core_domain::Manifest;
use workmanager_core_kit::Tasks;
use workmanager_engines_host::{Folders, Level, Process, SpawnError};

use crate::{
    Launcher, Options,
    command::connect,
    launch::{Confinement, Launch},
    programs::Programs,
    runtime::{self, Runtime},
    toolchain,
};

/// How long a process may take to be ready. Far more than it needs, even where the machine is busy.
const READY: Duration = Duration::from_secs(20);
/// How long the place of a spare process that was taken stays empty: starting the next one takes a processor for
/// as long as the one that was taken needs for its first answer.
const PATIENCE: Duration = Duration::from_millis(250);
/// Bytes between two collections of a worker, in hexadecimal.
const YOUNG: &str = "100000";
/// The least that a runtime with its own objects can live with.
const LEAST_HEAP: u64 = 24 << 20;

/// What is found on this machine, and made once.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) launcher: Launcher,
    pub(crate) runtime: Runtime,
    pub(crate) programs: Programs,
    pub(crate) sandbox: Level,
    folders: Option<Arc<Folders>>,
    /// The files of an engine without a cache; they go with it.
    _temporary: Option<tempfile::TempDir>,
}

/// What a process is started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settings {
    /// Bytes of the worker's own objects.
    memory: u64,
    /// Without data about cultures.
    invariant: bool,
}

/// The programs, and processes ahead of the need for them.
#[derive(Debug)]
pub(crate) struct Nursery {
    options: Options,
    tasks: Tasks,
    ground: OnceCell<Ground>,
    /// Only locked for a moment, never while something is awaited.
    state: Mutex<State>,
    /// A spare process is wanted.
    wanted: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    /// Those that were started first come first.
    spares: Vec<(Settings, Process)>,
    /// What the last process was asked with: the next one is probably alike.
    usual: Option<Settings>,
    version: Option<String>,
    failure: Option<String>,
    stopped: bool,
}

impl Nursery {
    pub(crate) fn new(options: Options, tasks: Tasks) -> Self {
        Self { options, tasks, ground: OnceCell::new(), state: Mutex::default(), wanted: Arc::default() }
    }

    /// What runs, once it has said so.
    pub(crate) fn version(&self) -> Option<String> {
        self.lock().version.clone()
    }

    /// Why nothing can be started, as far as is known.
    pub(crate) fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// Keeps spare processes from now on: whenever a process was asked for, what is missing is started.
    pub(crate) fn start(self: &Arc<Self>, usual: &Manifest) {
        let settings = Settings::of(usual);
        self.lock().usual.get_or_insert(settings);
        let (nursery, wanted, stopping) = (Arc::downgrade(self), self.wanted.clone(), self.tasks.stopping());
        self.wanted.notify_one();
        self.tasks.spawn_infallible(async move {
            tokio::select! {
                () = keep_spares(nursery, wanted) => {}
                () = stopping.cancelled() => {}
            }
        });
    }

    /// A process for `manifest`: the spare one if it fits, else a new one.
    pub(crate) async fn process(&self, manifest: &Manifest) -> Result<Process, SpawnError> {
        let settings = Settings::of(manifest);
        let spare = {
            let mut state = self.lock();
            state.usual = Some(settings);
            // One that does not fit makes room for one that does.
            let fits = state.spares.iter().position(|(found, process)| *found == settings && process.is_alive());
            let place = fits.or_else(|| (!state.spares.is_empty()).then_some(0));
            place.map(|place| (state.spares.remove(place), fits.is_some()))
        };
        // Even if there was none: starting one may have failed.
        self.wanted.notify_one();
        match spare {
            Some(((_, process), true)) => Ok(process),
            _ => self.spawn(settings, &[]).await,
        }
    }

    /// What is on this machine, without making anything of it.
    ///
    /// # Errors
    /// `Missing`, with what to do.
    pub(crate) fn look(&self) -> Result<String, SpawnError> {
        let Options { root, roslyn, cloud_events, found_events, path, way, .. } = &self.options;
        let runtime = runtime::find(root.as_deref(), path.as_deref(), *way)?;
        let events = cloud_events.as_ref().or(found_events.as_ref());
        let toolchain = toolchain::find(roslyn.as_deref(), &runtime.root, events.map(PathBuf::as_path))?;
        let (root, compiler) = (runtime.root.display(), toolchain.folder.display());
        Ok(format!(".NET {} at {root}, C# compiler in {compiler}, {}", runtime.version, toolchain.whose_events()))
    }

    /// What is found and made once. Seconds, if the programs have to be compiled.
    ///
    /// # Errors
    /// See [`SpawnError`]; the next call tries again.
    pub(crate) async fn ground(&self) -> Result<&Ground, SpawnError> {
        let ground = self.ground.get_or_try_init(|| async {
            let options = self.options.clone();
            let made = tokio::task::spawn_blocking(move || Ground::make(&options)).await;
            made.unwrap_or_else(|error| Err(SpawnError::Died(error.to_string())))
        });
        let ground = ground.await;
        self.lock().failure = ground.as_ref().err().map(ToString::to_string);
        ground
    }

    /// Ends the spare processes; there will be no others.
    pub(crate) async fn stop(&self) {
        let spares = {
            let mut state = self.lock();
            state.stopped = true;
            std::mem::take(&mut state.spares)
        };
        join_all(spares.into_iter().map(|(_, spare)| spare.stop(Duration::from_millis(200)))).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn spawn(&self, settings: Settings, arguments: &[&str]) -> Result<Process, SpawnError> {
        if self.lock().stopped {
            return Err(SpawnError::Died("the engine is stopped".to_owned()));
        }
        let ground = self.ground().await?;
        let launch = ground.host(settings, arguments);
        let (process, ready) = connect(&ground.launcher, &launch, YOUNG, &self.tasks, Instant::now() + READY).await?;
        if let Some(folders) = &ground.folders {
            process.owns(folders.of(process.pid()));
        }
        self.lock().version = Some(format!("{}, {}", ready.runtime, ground.programs.events()));
        Ok(process)
    }

    /// Starts what is missing of the spare processes, one after the other.
    async fn renew_spares(&self) {
        while self.lock().spares.len() < self.options.spares && self.renew_spare().await {}
    }

    /// Whether there is one more.
    async fn renew_spare(&self) -> bool {
        let Some(settings) = self.lock().usual else { return false };
        match self.spawn(settings, &["prewarmed"]).await {
            Ok(process) => {
                let mut state = self.lock();
                // Whoever stopped it has already looked for a spare.
                if !state.stopped {
                    state.spares.push((settings, process));
                    return true;
                }
            }
            Err(SpawnError::Missing(what)) => debug!("no .NET workers here: {what}"),
            Err(error) => warn!("no spare .NET process can be started: {error}"),
        }
        false
    }
}

async fn keep_spares(nursery: Weak<Nursery>, wanted: Arc<Notify>) {
    let mut patience = Duration::ZERO;
    loop {
        wanted.notified().await;
        tokio::time::sleep(patience).await;
        patience = PATIENCE;
        let Some(nursery) = nursery.upgrade() else { return };
        nursery.renew_spares().await;
    }
}

impl Settings {
    fn of(manifest: &Manifest) -> Self {
        Self { memory: manifest.memory.0.max(LEAST_HEAP), invariant: manifest.engine.invariant }
    }
}

impl Options {
    /// The engine's programs: those of an image, which are complete; else they are made, by a compiler that must be
    /// there.
    fn programs(&self, cache: &Path, launcher: &Launcher, runtime: &Runtime) -> Result<Programs, SpawnError> {
        let is_asked = self.roslyn.is_some() || self.cloud_events.is_some();
        if !is_asked && let Some(sealed) = Programs::sealed(cache, runtime) {
            return Ok(sealed);
        }
        let made = |events: Option<&Path>| {
            let toolchain = toolchain::find(self.roslyn.as_deref(), &runtime.root, events)?;
            Programs::make(cache, launcher, runtime, &toolchain)
        };
        match (self.cloud_events.as_deref(), self.found_events.as_deref()) {
            (None, Some(found)) => made(Some(found)).or_else(|error| {
                warn!("workers get a stand-in for CloudEvents; what {} has cannot be used: {error}", found.display());
                made(None)
            }),
            (given, _) => made(given),
        }
    }
}

impl Ground {
    fn make(options: &Options) -> Result<Self, SpawnError> {
        let runtime = runtime::find(options.root.as_deref(), options.path.as_deref(), options.way)?;
        let launcher = match &options.launcher {
            Some(launcher) => launcher.clone(),
            None => Launcher(std::env::current_exe().map_err(SpawnError::system("own executable"))?),
        };
        let temporary = options.cache.is_none().then(tempfile::tempdir).transpose();
        let temporary = temporary.map_err(SpawnError::system("temporary directory"))?;
        let place = temporary.as_ref().map(|folder| folder.path().to_owned());
        let cache: PathBuf = options.cache.clone().or(place).unwrap_or_default();
        let programs = options.programs(&cache, &launcher, &runtime)?;
        let parent = options.folders.as_ref().unwrap_or(&cache).join("dotnet-folders");
        Folders::sweep(&parent);
        let folders = match Folders::new(&parent) {
            Ok(folders) => Some(Arc::new(folders)),
            Err(error) => {
                warn!("workers have no folder for temporary files: {error}");
                None
            }
        };
        Ok(Self { launcher, runtime, programs, sandbox: options.sandbox, folders, _temporary: temporary })
    }

    fn host(&self, settings: Settings, arguments: &[&str]) -> Launch {
        let property = |key: &str, value: String| (key.to_owned(), value);
        let folders = self.folders.as_ref().map(|folders| folders.path());
        Launch {
            framework: self.runtime.framework.clone(),
            application: self.programs.host(),
            muxer: self.runtime.muxer.clone(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            properties: vec![
                property("System.GC.Concurrent", "false".to_owned()),
                property("System.GC.HeapHardLimit", format!("{:#x}", settings.memory)),
                property("System.Globalization.Invariant", settings.invariant.to_string()),
            ],
            parent: std::process::id(),
            confinement: Some(Confinement::new(self.sandbox, settings.memory, folders)),
        }
    }
}
