//! A pause for a worker whose engine dies again and again, so that it does not keep the machine busy
//! with starting engines.
//!
//! After `deaths` in a row within `window` no attempt starts for a pause; then one is tried. If its
//! engine dies as well the next pause is twice as long, up to `longest`. Any other outcome ends it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use workmanager_core_domain::{Outcome, WorkerId};

/// When a worker gets a pause, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circuit {
    /// Engines that die in a row before the first pause.
    pub deaths: u32,
    /// Within this time.
    pub window: Duration,
    /// The first pause.
    pub pause: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Default for Circuit {
    fn default() -> Self {
        Self {
            deaths: 10,
            window: Duration::from_secs(60),
            pause: Duration::from_secs(10),
            longest: Duration::from_secs(300),
        }
    }
}

/// The workers whose engines died last time.
#[derive(Debug)]
pub(crate) struct Circuits {
    settings: Circuit,
    broken: Mutex<HashMap<WorkerId, Broken>>,
}

#[derive(Debug, Clone, Copy)]
enum Broken {
    /// Engines have died in a row, not often enough yet.
    Counting { deaths: u32, first: Duration },
    /// No attempt starts before this time.
    Paused { pauses: u32, until: Duration },
    /// One attempt is tried; the others wait until then for what becomes of it.
    Trying { pauses: u32, until: Duration },
}

/// Whether an attempt may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It may.
    Granted,
    /// Not before this much time has passed.
    In(Duration),
}

impl Circuits {
    pub(crate) fn new(settings: Circuit) -> Self {
        Self { settings, broken: Mutex::default() }
    }

    fn broken(&self) -> MutexGuard<'_, HashMap<WorkerId, Broken>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for an attempt of `worker`. After a pause the first to ask is let through, the others wait
    /// for what becomes of it, or for one more pause.
    pub(crate) fn ask(&self, worker: WorkerId, now: Duration) -> Leave {
        let mut broken = self.broken();
        let Some(known) = broken.get_mut(&worker) else { return Leave::Granted };
        match *known {
            Broken::Counting { .. } => Leave::Granted,
            Broken::Paused { until, .. } | Broken::Trying { until, .. } if now < until => {
                Leave::In(until.saturating_sub(now))
            }
            Broken::Paused { pauses, .. } | Broken::Trying { pauses, .. } => {
                *known = Broken::Trying { pauses, until: now.saturating_add(self.settings.pause) };
                Leave::Granted
            }
        }
    }

    /// An attempt has ended. Says how long a pause begins with it, if one does.
    pub(crate) fn note(&self, worker: WorkerId, outcome: &Outcome, now: Duration) -> Option<Duration> {
        match outcome {
            Outcome::EngineLost { .. } | Outcome::Unknown { .. } => self.died(worker, now),
            // It did not begin.
            Outcome::Overloaded { .. } => None,
            Outcome::Replied(_) | Outcome::NoReply | Outcome::Failed(_) | Outcome::TimedOut { .. } => {
                self.broken().remove(&worker);
                None
            }
        }
    }

    fn died(&self, worker: WorkerId, now: Duration) -> Option<Duration> {
        let Circuit { deaths: most, window, pause, longest } = self.settings;
        let mut broken = self.broken();
        let known = broken.entry(worker).or_insert(Broken::Counting { deaths: 0, first: now });
        let pauses = match *known {
            Broken::Counting { deaths, first } => {
                let is_old = now.saturating_sub(first) > window;
                let (deaths, first) = if is_old { (1, now) } else { (deaths.saturating_add(1), first) };
                *known = Broken::Counting { deaths, first };
                (deaths >= most).then_some(0)?
            }
            // It had begun before the pause.
            Broken::Paused { .. } => return None,
            Broken::Trying { pauses, .. } => pauses,
        };
        let pause = pause.saturating_mul(2_u32.saturating_pow(pauses)).min(longest);
        *known = Broken::Paused { pauses: pauses.saturating_add(1), until: now.saturating_add(pause) };
        Some(pause)
    }

    /// How much of a worker's pause is left.
    pub(crate) fn pause(&self, worker: WorkerId, now: Duration) -> Option<Duration> {
        match self.broken().get(&worker)? {
            Broken::Counting { .. } => None,
            Broken::Paused { until, .. } | Broken::Trying { until, .. } => {
                Some(until.saturating_sub(now)).filter(|left| !left.is_zero())
            }
        }
    }
}

#[cfg(test)]
mod tests;
