//! The function process of this machine: woken by whoever needs it, stopped when nobody did for a while.
//!
//! The control plane keeps the listening socket and hands a copy to each process as its descriptor 0.
//! So a request can be sent the moment the process is spawned, or even while there is none: it waits in
//! the socket's backlog. Nothing polls for readiness.

use std::{
    ffi::OsString,
    os::fd::{AsFd as _, OwnedFd},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use metrics::{counter, gauge, histogram};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{info, warn};
use workmanager_core_delivery::Reach;
use workmanager_core_kit::{Tasks, field};

use super::{
    Error,
    client::{FunctionClient, Socket},
    metrics::{COLD_START, RUNNING, STARTS, STOPS},
};
use crate::feed::{Feed, Happening};

/// First and longest pause before a process that died by itself is started again.
const RESTART_PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(15));
/// A process that lived this long has not failed to start.
const SETTLED: Duration = Duration::from_secs(5);

/// How the process is run.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    /// The executable.
    pub executable: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// How long it may be idle.
    pub idle: Duration,
    /// How long it may take to stop.
    pub grace: Duration,
}

/// Where the process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// There is none.
    Cold,
    /// It was spawned and has not answered yet.
    Starting { since: Instant },
    /// It has answered.
    Warm,
    /// It was told to stop; a new one is started once it is gone.
    Stopping,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    client: FunctionClient,
    in_flight: usize,
    last_used: Instant,
    /// Processes that died by themselves in a row.
    deaths: u32,
    not_before: Instant,
}

/// The process, or its absence.
#[derive(Debug)]
pub(super) struct Function {
    command: Launch,
    socket: Socket,
    listener: UnixListener,
    inner: Mutex<Inner>,
    phase: watch::Sender<Phase>,
    tasks: Tasks,
    feed: Feed,
}

/// Holds the process awake while it is alive.
#[derive(Debug)]
pub(super) struct Awake {
    function: Arc<Function>,
    client: FunctionClient,
}

impl Awake {
    pub(super) fn client(&self) -> &FunctionClient {
        &self.client
    }

    /// The process has answered.
    pub(super) fn answered(&self) {
        self.function.answered();
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        let mut inner = self.function.lock();
        inner.in_flight -= 1;
        inner.last_used = Instant::now();
        drop(inner);
        // The supervisor looks again at how long it may sleep.
        self.function.phase.send_modify(|_| {});
    }
}

impl Function {
    /// Prepares the socket in `directory`; starts nothing.
    pub(super) fn new(command: Launch, directory: &Path, tasks: Tasks, feed: Feed) -> Result<Arc<Self>, Error> {
        let fail = |source| Error::Socket { path: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(fail)?;
        let opened: OwnedFd = std::fs::File::open(directory).map_err(fail)?.into();
        let socket = Socket::new(opened, "function.sock");
        // A socket file of an earlier run; the data directory's lock says that nobody uses it.
        match std::fs::remove_file(socket.path()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
        let listener = UnixListener::bind(socket.path()).map_err(fail)?;
        let now = Instant::now();
        let inner = Inner {
            phase: Phase::Cold,
            client: FunctionClient::new(socket.clone()),
            in_flight: 0,
            last_used: now,
            deaths: 0,
            not_before: now,
        };
        gauge!(RUNNING).set(0.0);
        let phase = watch::Sender::new(Phase::Cold);
        Ok(Arc::new(Self { command, socket, listener, inner: Mutex::new(inner), phase, tasks, feed }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, inner: &mut Inner, phase: Phase) {
        inner.phase = phase;
        self.phase.send_replace(phase);
        gauge!(RUNNING).set(if phase == Phase::Cold { 0.0 } else { 1.0 });
    }

    /// How far away the next attempt is.
    pub(super) fn reach(&self) -> Reach {
        match self.lock().phase {
            Phase::Cold | Phase::Stopping => Reach::Cold,
            Phase::Starting { .. } => Reach::Starting,
            Phase::Warm => Reach::Warm,
        }
    }

    /// Starts the process if there is none, and keeps it awake while the result lives.
    pub(super) async fn wake(self: &Arc<Self>) -> std::io::Result<Awake> {
        let mut phases = self.phase.subscribe();
        loop {
            if self.tasks.stopping().is_cancelled() && self.reach() == Reach::Cold {
                return Err(std::io::Error::other("the program is stopping"));
            }
            let pause = {
                let mut inner = self.lock();
                match inner.phase {
                    Phase::Starting { .. } | Phase::Warm => return Ok(self.awake(&mut inner)),
                    Phase::Stopping => None,
                    Phase::Cold if inner.not_before <= Instant::now() => {
                        self.spawn(&mut inner)?;
                        return Ok(self.awake(&mut inner));
                    }
                    Phase::Cold => Some(inner.not_before),
                }
            };
            match pause {
                Some(until) => sleep_until(until).await,
                // The sender lives as long as `self`.
                None => drop(phases.wait_for(|phase| *phase != Phase::Stopping).await),
            }
        }
    }

    fn awake(self: &Arc<Self>, inner: &mut Inner) -> Awake {
        inner.in_flight += 1;
        Awake { function: self.clone(), client: inner.client.clone() }
    }

    fn answered(&self) {
        let mut inner = self.lock();
        if let Phase::Starting { since } = inner.phase {
            histogram!(COLD_START).record(since.elapsed().as_secs_f64());
            self.enter(&mut inner, Phase::Warm);
        }
    }

    /// Spawns on a thread of the runtime, never on a passing one: the process dies with the thread
    /// that made it.
    fn spawn(self: &Arc<Self>, inner: &mut Inner) -> std::io::Result<()> {
        let socket = self.listener.as_fd().try_clone_to_owned()?;
        let child = Command::new(&self.command.executable)
            .args(&self.command.arguments)
            .stdin(Stdio::from(socket))
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        counter!(STARTS).increment(1);
        inner.client = FunctionClient::new(self.socket.clone());
        inner.last_used = Instant::now();
        let pid = child.id().unwrap_or_default();
        info!({ field::PID } = pid, "function process {pid} starts");
        self.feed.tell(Happening::FunctionStarted { pid });
        self.enter(inner, Phase::Starting { since: Instant::now() });
        self.tasks.spawn_infallible(self.clone().supervise(child, pid));
        Ok(())
    }

    /// Lives as long as the process does.
    async fn supervise(self: Arc<Self>, mut child: Child, pid: u32) {
        let started = Instant::now();
        let reason = tokio::select! {
            status = child.wait() => {
                let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                Err(status)
            }
            () = self.idle() => Ok("idle"),
            () = self.shutdown() => Ok("shutdown"),
        };
        match reason {
            Ok(reason) => {
                self.end(&mut child, pid).await;
                counter!(STOPS, "reason" => reason).increment(1);
                info!({ field::PID } = pid, "function process {pid} stopped: {reason}");
                self.gone(pid, reason.to_owned(), None);
            }
            Err(status) => {
                counter!(STOPS, "reason" => "lost").increment(1);
                warn!({ field::PID } = pid, "function process {pid} is lost: {status}");
                self.gone(pid, status, Some(started.elapsed()));
            }
        }
    }

    /// Returns once the process has been idle for long enough, with the phase already set to stopping:
    /// nobody can wake it between the look and the stop.
    async fn idle(&self) {
        let mut phases = self.phase.subscribe();
        loop {
            let due = {
                let mut inner = self.lock();
                let due = inner.last_used + self.command.idle;
                if inner.in_flight == 0 && due <= Instant::now() {
                    self.enter(&mut inner, Phase::Stopping);
                    return;
                }
                (inner.in_flight == 0).then_some(due)
            };
            tokio::select! {
                () = async { match due { Some(due) => sleep_until(due).await, None => std::future::pending().await } } => {}
                _ = phases.changed() => {}
            }
        }
    }

    /// Returns once the program stops and nobody needs the process any more, or the grace period is over.
    async fn shutdown(&self) {
        self.tasks.stopping().cancelled().await;
        let mut phases = self.phase.subscribe();
        let unused = async {
            // The lock is taken between looks at the phase, never under one.
            while self.lock().in_flight > 0 {
                drop(phases.changed().await);
            }
        };
        // Past the grace period the process ends itself what it still has.
        drop(timeout(self.command.grace, unused).await);
        self.enter(&mut self.lock(), Phase::Stopping);
    }

    /// SIGTERM, the grace period, SIGKILL.
    async fn end(&self, child: &mut Child, pid: u32) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
            && let Err(error) = kill_process(pid, Signal::TERM)
        {
            warn!("cannot stop function process {pid:?}: {error}");
        }
        // It has its own grace period for what is in flight; a little more lets it say goodbye.
        if timeout(self.command.grace + Duration::from_secs(2), child.wait()).await.is_err() {
            warn!({ field::PID } = pid, "function process {pid} did not stop in time and is killed");
            drop(child.kill().await);
        }
    }

    fn gone(self: &Arc<Self>, pid: u32, reason: String, lived: Option<Duration>) {
        self.feed.tell(Happening::FunctionStopped { pid, reason });
        let mut inner = self.lock();
        inner.deaths = match lived {
            Some(lived) if lived < SETTLED => inner.deaths.saturating_add(1),
            Some(_) => 1,
            None => 0,
        };
        let (first, longest) = RESTART_PAUSE;
        let pause = if inner.deaths == 0 { Duration::ZERO } else { first * 2_u32.saturating_pow(inner.deaths - 1) };
        inner.not_before = Instant::now() + pause.min(longest);
        self.enter(&mut inner, Phase::Cold);
        // Requests that it had not accepted still wait in the socket's backlog for a successor.
        let waiting = inner.in_flight > 0 && !self.tasks.stopping().is_cancelled();
        drop(inner);
        if waiting {
            let function = self.clone();
            self.tasks.spawn_infallible(async move {
                if let Err(error) = function.wake().await {
                    warn!("cannot start a function process: {error}");
                    sleep(longest).await;
                }
            });
        }
    }
}
