//! A child process from its first sight to its reaping.

use std::{
    fmt, fs, io,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    process::Command,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ::metrics::gauge;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, pidfd_open, pidfd_send_signal,
    waitid,
};
use tokio::{net::unix::pipe::Receiver, sync::watch, time::timeout};
use tracing::warn;
use workmanager_core_kit::Tasks;

use crate::{Folder, Newborn, metrics::PROCESSES, orphans};

/// Threads that a process may have; its memory allows fewer, unless it asks for tiny stacks.
pub(crate) const MAX_THREADS: u64 = 512;
/// How often they are counted, whether or not anybody speaks with the process.
const LOOK: Duration = Duration::from_secs(1);
/// As if it used half of the memory more than it does.
const OOM_SCORE: &str = "500";

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// Somebody else has reaped it.
    Unknown,
}

/// A process that leads its own group and is a child of this process. Dropping it kills the group;
/// what is left of it is reaped by a task.
#[derive(Debug)]
pub struct Child {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pid: Pid,
    /// Not a pipe, but like one it becomes readable, at the end of the process.
    pidfd: Receiver,
    /// Held while a signal is sent, so that none is sent to a process id that is no longer ours.
    reaped: Mutex<bool>,
    /// How many threads it had when it was killed for having too many.
    crowd: AtomicU64,
    exit: watch::Sender<Option<Exit>>,
    /// Goes with it.
    folder: OnceLock<Folder>,
}

impl Child {
    /// Starts `command`, which is confined, and takes charge of it. The kernel is to end it, and what it forks,
    /// before this process when memory runs out.
    ///
    /// # Errors
    /// It cannot be started, or not be watched: then it does not run.
    pub fn start(command: Command, tasks: &Tasks) -> io::Result<Self> {
        let child = Self::start_watched(command, |pid| Self::watch(pid, tasks))?;
        if let Err(error) = child.expendable() {
            warn!("this process may be ended before its workers when memory runs out: {error}");
        }
        Ok(child)
    }

    /// Drops the command at once, which keeps the process's end of its channel.
    fn start_watched(mut command: Command, watch: impl FnOnce(Pid) -> io::Result<Self>) -> io::Result<Self> {
        let _newborn = Newborn::begin();
        let mut child = command.spawn()?;
        watch(Pid::from_child(&child)).inspect_err(|_| {
            // Nobody else would end and reap it.
            let _ = child.kill();
            let _ = child.wait();
        })
    }

    /// Takes charge of the child `pid`.
    ///
    /// # Errors
    /// It is no child of this process, or out of descriptors.
    pub fn watch(pid: Pid, tasks: &Tasks) -> io::Result<Self> {
        let pidfd = Receiver::from_owned_fd_unchecked(pidfd_open(pid, PidfdFlags::NONBLOCK)?)?;
        let (reaped, exit, folder) = (Mutex::new(false), watch::Sender::new(None), OnceLock::new());
        let shared = Arc::new(Shared { pid, pidfd, reaped, crowd: AtomicU64::default(), exit, folder });
        orphans::know(pid);
        gauge!(PROCESSES).increment(1.0);
        tasks.spawn_infallible(reap(shared.clone(), tasks.clone()));
        Ok(Self { shared })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.shared.pid
    }

    /// How many threads it has, as far as that can be seen.
    #[must_use]
    pub fn threads(&self) -> u64 {
        self.shared.threads()
    }

    /// How many threads it had when it was killed for them; 0 if it was not.
    #[must_use]
    pub(crate) fn crowd(&self) -> u64 {
        self.shared.crowd.load(Ordering::Acquire)
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        *self.shared.exit.borrow()
    }

    /// Kills it with its whole group.
    pub fn kill(&self) {
        let reaped = self.shared.lock();
        if !*reaped {
            self.shared.kill();
        }
    }

    /// Lets the kernel end it, and what it forks, before this process when memory runs out.
    ///
    /// # Errors
    /// It cannot be said.
    pub fn expendable(&self) -> io::Result<()> {
        fs::write(format!("/proc/{}/oom_score_adj", self.shared.pid), OOM_SCORE)
    }

    /// From now on this folder is removed when the process has ended.
    pub fn owns(&self, folder: Folder) {
        let _ = self.shared.folder.set(folder);
    }

    /// Waits until it has ended and is reaped, at most `within`.
    pub async fn ended(&self, within: Duration) -> Option<Exit> {
        let mut exit = self.shared.exit.subscribe();
        let ended = timeout(within, exit.wait_for(Option::is_some)).await;
        ended.ok().and_then(Result::ok).and_then(|exit| *exit)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.reaped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn threads(&self) -> u64 {
        // One folder for each, besides the folder's own two links.
        let tasks = fs::metadata(format!("/proc/{}/task", self.pid));
        tasks.map_or(0, |tasks| tasks.nlink().saturating_sub(2))
    }

    /// The leader by its descriptor, the rest by the group's number, which cannot be anybody else's
    /// while the leader is not reaped. Either may be gone already.
    fn kill(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = kill_process_group(self.pid, Signal::KILL);
    }
}

/// Waits for the end, then takes the rest of the group along before the leader's number is free.
async fn reap(shared: Arc<Shared>, tasks: Tasks) {
    while let Err(_still_there) = timeout(LOOK, ended(&shared)).await {
        let threads = shared.threads();
        if threads > MAX_THREADS {
            warn!("process {} was killed: it had {threads} threads, {MAX_THREADS} are allowed", shared.pid);
            shared.crowd.store(threads, Ordering::Release);
            shared.kill();
        }
    }
    let exit = {
        let mut reaped = shared.lock();
        shared.kill();
        *reaped = true;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        waitid(WaitId::PidFd(shared.pidfd.as_fd()), options).ok().flatten().map_or(Exit::Unknown, Exit::from)
    };
    gauge!(PROCESSES).decrement(1.0);
    orphans::forget(shared.pid);
    orphans::sweep(shared.pid, &tasks);
    shared.exit.send_replace(Some(exit));
    if let Some(folder) = shared.folder.get() {
        folder.clone().remove().await;
    }
}

async fn ended(shared: &Shared) {
    if let Err(error) = shared.pidfd.readable().await {
        warn!("cannot watch process {}: {error}", shared.pid);
    }
}

impl From<WaitIdStatus> for Exit {
    fn from(status: WaitIdStatus) -> Self {
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Unknown,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => match name(*signal) {
                Some(name) => write!(f, "was killed by {name}"),
                None => write!(f, "was killed by signal {signal}"),
            },
            Self::Unknown => f.write_str("ended in an unknown way"),
        }
    }
}

fn name(signal: i32) -> Option<&'static str> {
    let known = [
        (Signal::KILL, "SIGKILL (killed from outside, or out of memory)"),
        (Signal::SEGV, "SIGSEGV (invalid memory access)"),
        (Signal::ABORT, "SIGABRT (it gave up)"),
        (Signal::BUS, "SIGBUS (invalid memory access)"),
        (Signal::FPE, "SIGFPE (arithmetic error)"),
        (Signal::ILL, "SIGILL (illegal instruction)"),
        (Signal::SYS, "SIGSYS (forbidden system call)"),
        (Signal::TERM, "SIGTERM"),
        (Signal::INT, "SIGINT"),
        (Signal::HUP, "SIGHUP"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::XCPU, "SIGXCPU (processor time is used up)"),
    ];
    known.into_iter().find(|(known, _)| known.as_raw() == signal).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_cannot_be_watched_is_ended_and_reaped() {
        let mut command = Command::new("sleep");
        command.arg("600");
        let mut started = None;
        let refuse = |pid| {
            started = Some(pid);
            Err(io::ErrorKind::QuotaExceeded.into())
        };
        assert!(Child::start_watched(command, refuse).is_err());
        let pid = started.unwrap();
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "process {pid} is still there");
    }

    #[test]
    fn an_exit_is_said_in_words() {
        assert_eq!(Exit::Code(3).to_string(), "exited with code 3");
        assert_eq!(Exit::Signal(11).to_string(), "was killed by SIGSEGV (invalid memory access)");
        assert_eq!(Exit::Signal(64).to_string(), "was killed by signal 64");
    }
}
