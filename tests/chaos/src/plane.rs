//! A control plane that is started again whenever it ends, as a supervisor would.

use std::{
    collections::HashMap,
    fs::File,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use rustix::process::{Pid, Signal, kill_process};
use workmanager_tests_e2e::{eventually, free_ports, workmanager};

use crate::{client::Client, history::Death};

/// What every start has in common.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it works, and its logs are.
    pub directory: PathBuf,
    /// Where its data is.
    pub data: PathBuf,
    /// The port of its REST interface.
    pub port: u16,
    internal: u16,
}

/// A supervised control plane. Dropped without a stop, it is killed.
#[derive(Debug)]
pub struct Plane {
    place: Place,
    shared: Arc<Mutex<State>>,
    supervisor: Option<JoinHandle<ExitStatus>>,
}

#[derive(Debug, Default)]
struct State {
    /// The process that runs.
    pid: Option<u32>,
    /// All that ran.
    pids: Vec<u32>,
    deaths: Vec<Death>,
    stopping: bool,
}

impl Place {
    /// In `directory`, on free ports.
    #[must_use]
    pub fn new(directory: PathBuf, data: PathBuf) -> Self {
        let [port, internal] = free_ports();
        Self { directory, data, port, internal }
    }

    /// What processes keep in temporary directories is kept here.
    #[must_use]
    pub fn temporary(&self) -> PathBuf {
        self.directory.join("tmp")
    }

    fn log(&self, start: usize) -> PathBuf {
        self.directory.join(format!("control-plane-{start}.log"))
    }

    /// The last line of a log.
    fn last_words(&self, start: usize) -> String {
        let log = std::fs::read_to_string(self.log(start)).unwrap_or_default();
        log.lines().last().unwrap_or_default().to_owned()
    }

    fn spawn(&self, start: usize) -> Child {
        let mut command = Command::new(workmanager());
        command.args(["serve", "--http-port", &self.port.to_string(), "--internal-port", &self.internal.to_string()]);
        command.arg("--data-dir").arg(&self.data).args(["--log", "info"]);
        command.current_dir(&self.directory).env("TMPDIR", self.temporary()).process_group(0);
        let log = File::create(self.log(start)).expect("the log can be made");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.spawn().expect("workmanager starts")
    }
}

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts, waits for the end, starts again.
fn supervise(place: &Place, shared: &Mutex<State>) -> ExitStatus {
    loop {
        let mut child = {
            let mut state = lock(shared);
            let child = place.spawn(state.pids.len());
            state.pid = Some(child.id());
            state.pids.push(child.id());
            child
        };
        let status = child.wait().expect("it can be waited for");
        let mut state = lock(shared);
        state.pid = None;
        if state.stopping {
            return status;
        }
        let last = place.last_words(state.pids.len() - 1);
        state.deaths.push(Death { pid: child.id(), status: format!("{status}: {last}") });
    }
}

impl Plane {
    /// Starts it, and waits until it is healthy.
    ///
    /// # Panics
    /// It is not healthy in time.
    #[must_use]
    pub fn start(place: Place) -> Self {
        // Built before the first start, which would otherwise wait for cargo.
        let _ = workmanager();
        std::fs::create_dir_all(place.temporary()).expect("a folder for temporary files");
        let shared = Arc::new(Mutex::new(State::default()));
        let (of_thread, of_state) = (place.clone(), shared.clone());
        let supervisor = std::thread::spawn(move || supervise(&of_thread, &of_state));
        let plane = Self { place, shared, supervisor: Some(supervisor) };
        plane.healthy();
        plane
    }

    /// Waits until it is healthy.
    ///
    /// # Panics
    /// Not in time.
    pub fn healthy(&self) {
        let client = Client::new(self.place.port);
        eventually("the control plane is healthy", || {
            client.get("/health").filter(|answer| answer.status == 200).map(drop)
        });
    }

    /// The process that runs now.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        lock(&self.shared).pid
    }

    /// Every process that ran.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        lock(&self.shared).pids.clone()
    }

    /// Those that ended before they were told to.
    #[must_use]
    pub fn deaths(&self) -> Vec<Death> {
        lock(&self.shared).deaths.clone()
    }

    /// Which control plane started which function process, as their logs say.
    ///
    /// # Panics
    /// A log cannot be read.
    #[must_use]
    pub fn homes(&self) -> HashMap<u32, u32> {
        let mut homes = HashMap::new();
        for (start, pid) in self.pids().into_iter().enumerate() {
            let log = std::fs::read_to_string(self.place.log(start)).expect("the log can be read");
            let started = log.lines().filter_map(|line| line.split_once("function process ")?.1.split_once(" starts"));
            homes.extend(started.filter_map(|(function, _)| Some((function.parse().ok()?, pid))));
        }
        homes
    }

    /// Tells it to stop, and waits until it has.
    ///
    /// # Panics
    /// It does not stop in time, or ran no more.
    pub fn stop(&mut self) -> ExitStatus {
        self.end(Signal::TERM);
        let supervisor = self.supervisor.take().expect("it is stopped once");
        eventually("the control plane ends", || supervisor.is_finished().then_some(()));
        supervisor.join().expect("the supervisor does not panic")
    }

    fn end(&self, signal: Signal) {
        let mut state = lock(&self.shared);
        state.stopping = true;
        let pid = state.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended just now.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        if let Some(supervisor) = self.supervisor.take() {
            self.end(Signal::KILL);
            drop(supervisor.join());
        }
    }
}
