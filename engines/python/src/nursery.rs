//! Where processes come from.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use tracing::warn;
use workmanager_core_kit::Tasks;
use workmanager_engines_host::{Folders, Newborn, Process, SpawnError, end_stillborn, pair};

use crate::{Options, interpreter, runtime, zygote::Zygote};

/// How long a process may take to be ready. Far more than it needs, even where the machine is busy.
const READY: Duration = Duration::from_secs(20);

/// The zygote, and one process ahead of the need for it.
#[derive(Debug)]
pub(crate) struct Nursery {
    options: Options,
    tasks: Tasks,
    version: Arc<OnceLock<String>>,
    /// Only locked for a moment, never while something is awaited.
    state: Mutex<State>,
    /// A spare process is wanted.
    wanted: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    executable: Option<PathBuf>,
    running: Option<Arc<Zygote>>,
    spare: Option<Process>,
    stopped: bool,
    /// The files of an engine without a cache; they go with it.
    temporary: Option<tempfile::TempDir>,
    /// Where each process makes its own folder.
    folders: Option<Arc<Folders>>,
    failure: Option<String>,
}

impl Nursery {
    pub(crate) fn new(options: Options, tasks: Tasks) -> Self {
        Self { options, tasks, version: Arc::default(), state: Mutex::default(), wanted: Arc::default() }
    }

    /// What runs, once it has said so.
    pub(crate) fn version(&self) -> Option<String> {
        self.version.get().cloned()
    }

    /// Why nothing can be started, as far as is known.
    pub(crate) fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// Starts the zygote, and a spare process once it is warm and whenever the last one was taken.
    pub(crate) fn start(self: &Arc<Self>) -> Result<(), SpawnError> {
        self.zygote()?;
        let (nursery, wanted, stopping) = (Arc::downgrade(self), self.wanted.clone(), self.tasks.stopping());
        self.tasks.spawn_infallible(async move {
            tokio::select! {
                () = keep_spare(nursery, wanted) => {}
                () = stopping.cancelled() => {}
            }
        });
        Ok(())
    }

    /// A process: the spare one if there is one, else a new one.
    pub(crate) async fn process(&self) -> Result<Process, SpawnError> {
        let spare = self.lock().spare.take();
        match spare.filter(Process::is_alive) {
            Some(spare) => {
                self.wanted.notify_one();
                Ok(spare)
            }
            None => self.spawn().await,
        }
    }

    /// Where the processes make their folders, if they can.
    pub(crate) fn folders(&self) -> Option<Arc<Folders>> {
        self.lock().folders.clone()
    }

    /// Ends the zygote and the spare process.
    pub(crate) async fn stop(&self) {
        let (spare, running) = {
            let mut state = self.lock();
            state.stopped = true;
            (state.spare.take(), state.running.take())
        };
        if let Some(spare) = spare {
            spare.stop(Duration::from_millis(200)).await;
        }
        if let Some(zygote) = running {
            zygote.stop().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The zygote, started if there is none or the last one is gone.
    fn zygote(&self) -> Result<Arc<Zygote>, SpawnError> {
        let mut state = self.lock();
        if state.stopped {
            return Err(SpawnError::Died("the engine is stopped".to_owned()));
        }
        if let Some(zygote) = state.running.as_ref().filter(|zygote| zygote.is_alive()) {
            return Ok(zygote.clone());
        }
        let started = self.start_zygote(&mut state);
        state.failure = started.as_ref().err().map(ToString::to_string);
        started
    }

    fn start_zygote(&self, state: &mut State) -> Result<Arc<Zygote>, SpawnError> {
        let files = self.files(state)?;
        self.make_folders(state, &files);
        let executable = match state.executable.take() {
            Some(known) => known,
            None => {
                let Options { python, path, cache, .. } = &self.options;
                interpreter::find(python.as_deref(), path.as_deref(), cache.as_deref())?
            }
        };
        let executable = state.executable.insert(executable).clone();
        let zygote = Arc::new(Zygote::start(&executable, &files, &self.version, &self.wanted, &self.tasks)?);
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

    /// Makes the place for the processes' folders, once. What others have left there is removed meanwhile.
    fn make_folders(&self, state: &mut State, files: &Path) {
        let Some(parent) = files.parent().map(|python| python.join("folders")) else { return };
        if state.folders.is_some() {
            return;
        }
        match Folders::new(&parent) {
            Ok(folders) => state.folders = Some(Arc::new(folders)),
            Err(error) => return warn!("workers have no folder for temporary files: {error}"),
        }
        drop(tokio::task::spawn_blocking(move || Folders::sweep(&parent)));
    }

    async fn fork(&self, zygote: &Zygote) -> Result<Process, SpawnError> {
        let deadline = Instant::now() + READY;
        let _newborn = Newborn::expect().map_err(SpawnError::system("become a subreaper"))?;
        let (ours, theirs) = pair().map_err(SpawnError::system("descriptors"))?;
        zygote.fork(&theirs).await.map_err(SpawnError::system("fork python"))?;
        drop(theirs);
        let (process, ready) = Process::connect(ours, None, &self.tasks, deadline).await?;
        if let Some(folders) = self.folders() {
            process.owns(folders.of(process.pid()));
        }
        let _ = self.version.set(ready.runtime);
        Ok(process)
    }

    /// A new process. If the zygote has died, so did what it was asked for: then once more.
    async fn spawn(&self) -> Result<Process, SpawnError> {
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
}

async fn keep_spare(nursery: Weak<Nursery>, wanted: Arc<Notify>) {
    loop {
        wanted.notified().await;
        let Some(nursery) = nursery.upgrade() else { return };
        match nursery.spawn().await {
            Ok(spare) => {
                let mut state = nursery.lock();
                // Whoever stopped it has already looked for a spare.
                if !state.stopped {
                    state.spare = Some(spare);
                }
            }
            Err(error) => warn!("no spare Python process can be started: {error}"),
        }
    }
}
