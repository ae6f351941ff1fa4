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
use workmanager_core_domain::Digest;
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
        let mut process = match running.take().filter(|running| running.process.is_alive()) {
            Some(running) => running.process,
            None => {
                let process = self.start(ground, source.deadline).await?;
                self.end_when_idle();
                process
            }
        };
        let answer = exchange(&mut process, source).await?;
        *running = Some(Running { process, used: Instant::now() });
        Ok(answer)
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

async fn exchange(process: &mut Process, source: Source<'_>) -> Result<Compiled, SpawnError> {
    let Source { manifest, file_name, bytes, deadline } = source;
    let head = LoadHead {
        digest: Digest::of(bytes),
        manifest: manifest.clone(),
        file_name: file_name.to_owned(),
        policy: None,
    };
    let frame = Frame::new(Kind::Load, &head, Bytes::clone(bytes)).map_err(protocol)?;
    process.begin(deadline, LOG, Limits::CODE);
    process.send(&frame).await.map_err(ended)?;
    loop {
        match process.next().await {
            Step::Output(_) => {}
            Step::Ended(Ended::Answered(frame)) => return answer(frame),
            Step::Ended(other) => return Err(ended(other)),
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

fn ended(ended: Ended) -> SpawnError {
    match ended {
        Ended::TimedOut => SpawnError::Slow,
        Ended::Lost(message) => SpawnError::Died(format!("the compiler: {message}")),
        Ended::Broken(error) => protocol(error),
        Ended::Answered(frame) => protocol(FrameError::Unexpected(frame.kind)),
    }
}
