//! Whether a fault explains that an event ran again.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use workmanager_core_domain::Timestamp;

use crate::{
    fault::{Kind, Target},
    history::{Execution, History},
};

/// A second execution that a kill explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duplicate {
    /// The event.
    pub event: u64,
    /// Whose kill it was.
    pub killed: Target,
    /// From the kill to the second execution.
    pub after: Duration,
}

/// The killed, and who ran what.
pub(super) struct Suspects<'h> {
    history: &'h History,
    killed: HashMap<u32, (Target, Timestamp)>,
    /// When each worker's process began its executions.
    begun: HashMap<u32, BTreeSet<Timestamp>>,
}

impl<'h> Suspects<'h> {
    pub(super) fn new(history: &'h History) -> Self {
        let kills = history.faults.iter().filter(|fault| fault.kind == Kind::Kill);
        let killed = kills.map(|fault| (fault.pid, (fault.target, fault.at))).collect();
        let mut begun: HashMap<u32, BTreeSet<_>> = HashMap::new();
        for execution in &history.executions {
            begun.entry(execution.process).or_default().insert(execution.started);
        }
        Self { history, killed, begun }
    }

    /// The kill that explains why `second` came after `first`.
    pub(super) fn explain(&self, first: &Execution, second: &Execution) -> Option<Duplicate> {
        let control_plane = self.history.homes.get(&first.function);
        let path = [Some(&first.process), Some(&first.function), control_plane];
        path.into_iter().flatten().find_map(|pid| {
            let (target, at) = *self.killed.get(pid)?;
            let in_time = at <= second.started;
            let had_answered = target == Target::Child && self.went_on(first, at);
            let after = second.started.since(at);
            (in_time && !had_answered).then_some(Duplicate { event: first.event, killed: target, after })
        })
    }

    /// Whether the execution's process began another before `until`. It does one at a time.
    fn went_on(&self, execution: &Execution, until: Timestamp) -> bool {
        let begun = self.begun.get(&execution.process);
        begun.is_some_and(|begun| begun.iter().any(|next| *next > execution.started && *next < until))
    }

    /// Whether a control plane was killed between the two.
    pub(super) fn control_plane_killed(&self, from: Timestamp, to: Timestamp) -> bool {
        let mut kills = self.killed.values().filter(|(target, _)| *target == Target::ControlPlane);
        kills.any(|(_, at)| *at >= from && *at <= to)
    }

    pub(super) fn was_killed(&self, pid: u32) -> bool {
        self.killed.contains_key(&pid)
    }

    /// Function processes that nobody is known to have started.
    pub(super) fn homeless(&self, executions: &[Execution]) -> BTreeSet<u32> {
        let functions = executions.iter().map(|execution| execution.function);
        functions.filter(|function| !self.history.homes.contains_key(function)).collect()
    }
}
