//! Carries a plan out.

use std::{
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use workmanager_core_domain::ports::Clock as _;
use workmanager_core_kit::SystemClock;

use crate::{
    family::Victim,
    fault::{Fault, FaultLog, Kind, Target},
    plan::{Plan, Step},
    plane::Plane,
};

/// A thread that breaks things until it is told to stop.
#[derive(Debug)]
pub(crate) struct Injector {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

/// A process that is stopped until then.
struct Asleep {
    victim: Victim,
    until: Instant,
}

impl Injector {
    pub(crate) fn start(plan: Plan, plane: Arc<Plane>, log: Arc<FaultLog>) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || inject(plan, &plane, &log, &stopped));
        Self { stop, thread }
    }

    /// No more faults; whoever is stopped goes on.
    pub(crate) fn stop(self) {
        // It ends only when it is told to.
        let _ = self.stop.send(());
        self.thread.join().expect("the injector does not panic");
    }
}

fn inject(plan: Plan, plane: &Plane, log: &FaultLog, stopped: &mpsc::Receiver<()>) {
    let mut asleep: Vec<Asleep> = Vec::new();
    let mut due = Instant::now();
    'plan: for step in plan {
        due += step.after;
        loop {
            let wake = asleep.iter().map(|asleep| asleep.until).fold(due, Instant::min);
            let wait = wake.saturating_duration_since(Instant::now());
            if stopped.recv_timeout(wait) != Err(mpsc::RecvTimeoutError::Timeout) {
                break 'plan;
            }
            let now = Instant::now();
            for awake in asleep.extract_if(.., |asleep| asleep.until <= now) {
                awake.victim.signal(Signal::CONT);
            }
            if now >= due {
                break;
            }
        }
        asleep.extend(strike(step, plane, log));
    }
    for awake in asleep {
        awake.victim.signal(Signal::CONT);
    }
}

/// Does it, unless there is nobody to do it to.
fn strike(step: Step, plane: &Plane, log: &FaultLog) -> Option<Asleep> {
    let Step { target, kind, pick, .. } = step;
    let victim = Victim::hold(plane.pid()?, target, pick)?;
    if !hit(&victim, target, kind, log) {
        return None;
    }
    match kind {
        Kind::Kill => None,
        Kind::Pause { millis } => Some(Asleep { victim, until: Instant::now() + Duration::from_millis(millis) }),
    }
}

/// Kills a control plane. Says whether it was there.
pub(crate) fn kill(control_plane: u32, log: &FaultLog) -> bool {
    let victim = Victim::hold(control_plane, Target::ControlPlane, 0);
    victim.is_some_and(|victim| hit(&victim, Target::ControlPlane, Kind::Kill, log))
}

fn hit(victim: &Victim, target: Target, kind: Kind, log: &FaultLog) -> bool {
    let at = SystemClock::new().now();
    let signal = match kind {
        Kind::Kill => Signal::KILL,
        Kind::Pause { .. } => Signal::STOP,
    };
    let is_hit = victim.signal(signal);
    if is_hit {
        log.record(Fault { at, target, pid: victim.pid, kind });
    }
    is_hit
}

/// The number of faults of a target, for messages.
pub(crate) fn count(faults: &[Fault], target: Target, is: impl Fn(Kind) -> bool) -> usize {
    faults.iter().filter(|fault| fault.target == target && is(fault.kind)).count()
}
