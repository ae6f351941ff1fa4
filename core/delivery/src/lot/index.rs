//! Who waits for what.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use workmanager_core_domain::WorkerId;

use super::{Id, Wait};
use crate::roster::Snapshot;

/// Every parked delivery, by its id, and the queues that it stands in.
#[derive(Debug, Default)]
pub(crate) struct Index {
    entries: HashMap<Id, Entry>,
    /// What waits for a time, or at the longest until then.
    timed: BTreeSet<(Duration, WorkerId, Id)>,
    /// What waits for a free place, in the order in which it came.
    ready: BTreeMap<WorkerId, VecDeque<Id>>,
    /// How many of a worker's deliveries were taken and are not put back yet.
    taken: HashMap<WorkerId, usize>,
    /// What waits for its worker to run.
    stopped: HashMap<WorkerId, BTreeSet<Id>>,
}

/// One delivery.
#[derive(Debug, Default)]
struct Entry {
    waits: Vec<(WorkerId, Wait)>,
    /// Whether somebody runs it: what it waits for is said when it is put again.
    run: Run,
}

/// Whether somebody runs a delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Run {
    #[default]
    No,
    /// It was parked while it ran.
    Transferred,
    /// It was taken because the time of this worker's part had come.
    For(WorkerId),
}

/// How many deliveries from the lot may be open for one worker. They wait in line for its slots like
/// those from the bus, so neither keeps the other waiting for ever.
const OPEN: usize = 8;

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn knows(&self, id: &str) -> bool {
        self.entries.contains_key(id)
    }

    /// Whether a delivery waits for `worker`.
    pub(crate) fn waits_for(&self, id: &str, worker: WorkerId) -> bool {
        self.entries.get(id).is_some_and(|entry| entry.waits.iter().any(|(of, _)| *of == worker))
    }

    /// How many wait for `worker` to run.
    pub(crate) fn waiting(&self, worker: WorkerId) -> usize {
        self.stopped.get(&worker).map_or(0, BTreeSet::len)
    }

    /// Puts a delivery in, or says anew what it waits for.
    pub(crate) fn put(&mut self, id: &str, waits: impl IntoIterator<Item = (WorkerId, Wait)>) {
        self.remove(id);
        let id: Id = id.into();
        let waits: Vec<_> = waits.into_iter().collect();
        for (worker, wait) in &waits {
            self.queue(&id, *worker, *wait);
        }
        self.entries.insert(id, Entry { waits, run: Run::No });
    }

    /// Puts a delivery in that somebody runs.
    pub(crate) fn put_running(&mut self, id: &str) {
        self.remove(id);
        self.entries.insert(id.into(), Entry { waits: Vec::new(), run: Run::Transferred });
    }

    pub(crate) fn remove(&mut self, id: &str) {
        let Some((id, entry)) = self.entries.remove_entry(id) else { return };
        if let Run::For(worker) = entry.run {
            self.put_back(worker);
        }
        // What stands in `ready` is left there, and passed over when its turn comes.
        for (worker, wait) in entry.waits {
            self.unqueue(&id, worker, wait);
        }
    }

    fn put_back(&mut self, worker: WorkerId) {
        if let Some(taken) = self.taken.get_mut(&worker) {
            *taken -= 1;
            if *taken == 0 {
                self.taken.remove(&worker);
            }
        }
    }

    fn queue(&mut self, id: &Id, worker: WorkerId, wait: Wait) {
        match wait {
            Wait::Place => self.ready.entry(worker).or_default().push_back(id.clone()),
            Wait::Time(at) | Wait::Turn(at) => {
                self.timed.insert((at, worker, id.clone()));
            }
            Wait::Running(at) => {
                self.timed.insert((at, worker, id.clone()));
                self.stopped.entry(worker).or_default().insert(id.clone());
            }
        }
    }

    fn unqueue(&mut self, id: &Id, worker: WorkerId, wait: Wait) {
        match wait {
            Wait::Place => {}
            Wait::Time(at) | Wait::Turn(at) => {
                self.timed.remove(&(at, worker, id.clone()));
            }
            Wait::Running(at) => {
                self.timed.remove(&(at, worker, id.clone()));
                if let Some(stopped) = self.stopped.get_mut(&worker) {
                    stopped.remove(id);
                    if stopped.is_empty() {
                        self.stopped.remove(&worker);
                    }
                }
            }
        }
    }

    /// What waited is ready now.
    fn ready(&mut self, id: &Id, worker: WorkerId) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let Some((_, wait)) = entry.waits.iter_mut().find(|(waiting, _)| *waiting == worker) else { return };
        let waited = std::mem::replace(wait, Wait::Place);
        self.unqueue(id, worker, waited);
        self.queue(id, worker, Wait::Place);
    }

    /// It is the delivery's turn in its lane.
    pub(crate) fn unblock(&mut self, id: &str, worker: WorkerId) {
        let known = self.entries.get_key_value(id);
        let waits = known
            .filter(|(_, entry)| entry.waits.iter().any(|wait| matches!(wait, (of, Wait::Turn(_)) if *of == worker)));
        if let Some(id) = waits.map(|(id, _)| id.clone()) {
            self.ready(&id, worker);
        }
    }

    /// Time has passed, and workers may have been started, stopped or deleted.
    pub(crate) fn advance(&mut self, now: Duration, snapshot: &Snapshot) {
        while self.timed.first().is_some_and(|(at, ..)| *at <= now) {
            if let Some((_, worker, id)) = self.timed.pop_first() {
                self.ready(&id, worker);
            }
        }
        let started = |worker: &WorkerId| snapshot.get(*worker).is_none_or(|member| member.is_running());
        let workers: Vec<_> = self.stopped.keys().filter(|worker| started(worker)).copied().collect();
        for worker in workers {
            for id in self.stopped.get(&worker).cloned().unwrap_or_default() {
                self.ready(&id, worker);
            }
        }
    }

    /// Takes the next delivery that can go on.
    pub(crate) fn take(&mut self, snapshot: &Snapshot) -> Option<(Id, WorkerId)> {
        let Self { entries, ready, taken, .. } = self;
        let open = |worker: &WorkerId| taken.get(worker).copied().unwrap_or(0);
        // Who is gone or stopped needs no place.
        let is_idle = |worker: &WorkerId| snapshot.get(*worker).is_none_or(|member| !member.is_running());
        for (worker, queue) in ready.iter_mut().filter(|(worker, _)| open(worker) < OPEN || is_idle(worker)) {
            while let Some(id) = queue.pop_front() {
                let stands = |entry: &&mut Entry| entry.run == Run::No && entry.waits.contains(&(*worker, Wait::Place));
                if let Some(entry) = entries.get_mut(&id).filter(stands) {
                    entry.run = Run::For(*worker);
                    let worker = *worker;
                    *taken.entry(worker).or_default() += 1;
                    return Some((id, worker));
                }
            }
        }
        self.ready.retain(|_, queue| !queue.is_empty());
        None
    }

    /// When time is to be looked at next.
    pub(crate) fn next_time(&self) -> Option<Duration> {
        self.timed.first().map(|(at, ..)| *at)
    }
}
