//! The process that compiles: started when there is something to compile, ended when there was nothing for long.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};
use workmanager_core_domain::{
    Digest,
    outcome::{Failure, FailureKind},
};
use workmanager_core_frames::{ErrorHead, FailedWith, Frame, FrameError, Kind, Limits, LoadHead};
use workmanager_core_kit::Tasks;
use workmanager_engines_host::{Compiled, Ended, Process, Source, SpawnError, Step};

use crate::{
    command::connect,
    launch::{Confinement, Launch},
    nursery::Ground,
};

/// How long it may have nothing to do.
const IDLE: Duration = Duration::from_secs(300);
/// Memory of the compiler itself, in bytes: it compiles what strangers wrote.
const MEMORY: u64 = 512 << 20;
/// Bytes between two collections, in hexadecimal.
const YOUNG: &str = "800000";
/// Source that was given this much time and is not compiled is what takes too long, not what came before it.
const FAIR: Duration = Duration::from_secs(5);
/// What of its output is kept while it compiles.
const LOG: usize = 4 << 10;

/// The compile service. One source at a time.
#[derive(Debug)]
pub(crate) struct Compiler {
    tasks: Tasks,
    running: Arc<Mutex<Option<Running>>>,
}

#[derive(Debug)]
struct Running {
    process: Process,
    used: Instant,
}

impl Compiler {
    pub(crate) fn new(tasks: Tasks) -> Self {
        Self { tasks, running: Arc::default() }
    }

    /// Compiles one source.
    ///
    /// # Errors
    /// See [`SpawnError`]: nothing is known about the source then.
    pub(crate) async fn compile(&self, ground: &Ground, source: Source<'_>) -> Result<Compiled, SpawnError> {
        let running = timeout_at(source.deadline, self.running.lock()).await;
        let mut running = running.map_err(|_elapsed| SpawnError::Slow)?;
        let frame = load(source)?;
        let mut used = running.take().map(|running| running.process).filter(Process::is_alive);
        loop {
            let is_used = used.is_some();
            let mut process = match used.take() {
                Some(process) => process,
                None => {
                    let process = self.start(ground, source.deadline).await?;
                    self.end_when_idle();
                    process
                }
            };
            let began = Instant::now();
            match exchange(&mut process, &frame, source.deadline).await {
                Ended::Answered(frame) => {
                    *running = Some(Running { process, used: Instant::now() });
                    return answer(frame);
                }
                // What it compiled before may have broken it.
                Ended::Lost(_) if is_used => {}
                // A source that kills or outlasts the compiler does not compile.
                Ended::Lost(message) => return Ok(rejected(format!("the compiler cannot take it: {message}"))),
                Ended::TimedOut if began.elapsed() >= FAIR => {
                    return Ok(rejected(format!("compiling took more than {} s", began.elapsed().as_secs())));
                }
                Ended::TimedOut => return Err(SpawnError::Slow),
                Ended::Broken(error) => return Err(protocol(error)),
            }
        }
    }

    pub(crate) async fn stop(&self) {
        if let Some(running) = self.running.lock().await.take() {
            running.process.stop(Duration::from_millis(200)).await;
        }
    }

    async fn start(&self, ground: &Ground, deadline: Instant) -> Result<Process, SpawnError> {
        let Ground { launcher, runtime, programs, sandbox, .. } = ground;
        let launch = Launch {
            framework: runtime.framework.clone(),
            application: programs.compiler(),
            muxer: runtime.muxer.clone(),
            arguments: [&runtime.framework, &programs.cloud_events()].map(|path| path.display().to_string()).into(),
            properties: vec![
                ("System.GC.Concurrent".to_owned(), "false".to_owned()),
                ("System.Globalization.Invariant".to_owned(), "true".to_owned()),
            ],
            parent: std::process::id(),
            confinement: Some(Confinement::new(*sandbox, MEMORY, None)),
        };
        let (process, _) = connect(launcher, &launch, YOUNG, &self.tasks, deadline).await?;
        Ok(process)
    }

    fn end_when_idle(&self) {
        let (running, stopping) = (Arc::downgrade(&self.running), self.tasks.stopping());
        self.tasks.spawn_infallible(async move {
            tokio::select! {
                () = watch(running) => {}
                () = stopping.cancelled() => {}
            }
        });
    }
}

async fn watch(running: Weak<Mutex<Option<Running>>>) {
    loop {
        tokio::time::sleep(IDLE / 4).await;
        let Some(running) = running.upgrade() else { return };
        let mut running = running.lock().await;
        match &*running {
            Some(one) if one.used.elapsed() < IDLE => {}
            _ => {
                *running = None;
                return;
            }
        }
    }
}

fn load(source: Source<'_>) -> Result<Frame, SpawnError> {
    let Source { manifest, file_name, bytes, .. } = source;
    let head = LoadHead {
        digest: Digest::of(bytes),
        manifest: manifest.clone(),
        file_name: file_name.to_owned(),
        policy: None,
    };
    Frame::new(Kind::Load, &head, Bytes::clone(bytes)).map_err(protocol)
}

async fn exchange(process: &mut Process, frame: &Frame, deadline: Instant) -> Ended {
    process.begin(deadline, LOG, Limits::CODE);
    if let Err(ended) = process.send(frame).await {
        return ended;
    }
    loop {
        if let Step::Ended(ended) = process.next().await {
            return ended;
        }
    }
}

fn answer(frame: Frame) -> Result<Compiled, SpawnError> {
    match frame.kind {
        Kind::Loaded => Ok(Compiled::Artefact(frame.body)),
        Kind::Error => match frame.head::<ErrorHead>().map_err(protocol)?.error {
            FailedWith::Failed(failure) => Ok(Compiled::Rejected(failure)),
            FailedWith::EngineLost { message } => Err(SpawnError::Died(message)),
            FailedWith::TimedOut { .. } => Err(SpawnError::Slow),
        },
        kind => Err(protocol(FrameError::Unexpected(kind))),
    }
}

fn protocol(error: FrameError) -> SpawnError {
    SpawnError::Protocol(error.to_string())
}

fn rejected(message: String) -> Compiled {
    let (error_type, stack, errors) = (Some("CompilationFailed".to_owned()), None, Vec::new());
    Compiled::Rejected(Failure { kind: FailureKind::LoadFailed, retryable: false, error_type, message, stack, errors })
}
