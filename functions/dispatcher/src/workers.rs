//! The workers that are known to this function, and their versions.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;
use workmanager_core_domain::{Digest, WorkerId};
use workmanager_core_frames::AttemptLimits;

use crate::pool::{Idle, Pool};

/// Workers that are remembered without a process.
const MAX_WORKERS: usize = 1024;
/// Code that is kept in memory for versions without a process, in bytes.
const MAX_CODE: usize = 256 << 20;

/// What a plain event needs to know about a worker.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    pub(crate) worker: WorkerId,
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) limits: Option<AttemptLimits>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    current: Option<Digest>,
    limits: Option<AttemptLimits>,
    pools: Vec<Arc<Pool>>,
    /// Where the last attempt went.
    runs: Option<Arc<Pool>>,
    used: Instant,
    pinned: bool,
}

impl Entry {
    /// Attempts go to `pool` from now on. Takes the processes of the others, but not of the one before, whose
    /// retries may come, nor of the newest, which may have been validated a moment ago.
    fn change_to(&mut self, pool: &Arc<Pool>) -> Vec<Idle> {
        pool.employ();
        let before = self.runs.replace(pool.clone());
        let newest = self.pools.last().cloned();
        let is_kept = |other: &Arc<Pool>| {
            [Some(pool), before.as_ref(), newest.as_ref()].into_iter().flatten().any(|kept| Arc::ptr_eq(kept, other))
        };
        self.pools.iter().filter(|other| !is_kept(other)).flat_map(|other| other.retire()).collect()
    }
}

/// All of them. The lock is held for a look-up, never while something is awaited.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<WorkerId, Entry>,
    names: HashMap<String, WorkerId>,
}

impl Workers {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The processes of one version, made known if it is new. An attempt's limits say that this version
    /// is the one that runs now; the processes of older ones are not needed any more.
    pub(crate) fn pool(
        &self,
        worker: WorkerId,
        name: &str,
        digest: Digest,
        limits: Option<AttemptLimits>,
    ) -> (Arc<Pool>, Vec<Idle>) {
        let mut inner = self.lock();
        let now = Instant::now();
        let entry = inner.entry(worker, name, now);
        entry.used = now;
        let known = entry.pools.iter().find(|pool| pool.digest == digest && pool.name == name).cloned();
        let is_new = known.is_none();
        let pool = known.unwrap_or_else(|| Arc::new(Pool::new(name.to_owned(), digest)));
        if is_new {
            entry.pools.push(pool.clone());
        }
        let mut idle = Vec::new();
        if limits.is_some() && (entry.runs.as_ref().is_none_or(|runs| !Arc::ptr_eq(runs, &pool))) {
            idle = entry.change_to(&pool);
        }
        if limits.is_some() {
            (entry.current, entry.limits) = (Some(digest), limits);
        }
        if is_new {
            inner.prune(worker);
        }
        (pool, idle)
    }

    /// A version has loaded: plain events go to it from now on.
    pub(crate) fn loaded(&self, worker: WorkerId, digest: Digest) {
        if let Some(entry) = self.lock().entries.get_mut(&worker) {
            entry.current = Some(digest);
        }
    }

    /// This worker is never forgotten.
    pub(crate) fn pin(&self, worker: WorkerId) {
        if let Some(entry) = self.lock().entries.get_mut(&worker) {
            entry.pinned = true;
        }
    }

    /// A worker's version that runs now, by the worker's id or name.
    pub(crate) fn current(&self, wanted: &str) -> Option<Current> {
        let inner = self.lock();
        let worker = wanted.parse().ok().or_else(|| inner.names.get(wanted).copied())?;
        let entry = inner.entries.get(&worker)?;
        Some(Current { worker, name: entry.name.clone(), digest: entry.current?, limits: entry.limits })
    }

    /// Takes the process that was idle longest.
    pub(crate) fn take_oldest(&self) -> Option<Idle> {
        let inner = self.lock();
        let pools = inner.entries.values().flat_map(|entry| &entry.pools);
        let (_, pool) = pools.filter_map(|pool| Some((pool.oldest()?, pool))).min_by_key(|(since, _)| *since)?;
        pool.take_oldest()
    }

    /// Closes every pool and takes all processes that are idle.
    pub(crate) fn close(&self) -> Vec<Idle> {
        let inner = self.lock();
        let pools = inner.entries.values().flat_map(|entry| &entry.pools);
        pools.inspect(|pool| pool.close()).flat_map(|pool| std::iter::from_fn(|| pool.take_oldest())).collect()
    }
}

impl Inner {
    fn entry(&mut self, worker: WorkerId, name: &str, now: Instant) -> &mut Entry {
        let Self { entries, names } = self;
        let new = || Entry {
            name: String::new(),
            current: None,
            limits: None,
            pools: Vec::new(),
            runs: None,
            used: now,
            pinned: false,
        };
        let entry = entries.entry(worker).or_insert_with(new);
        if entry.name != name {
            names.remove(&entry.name);
            names.insert(name.to_owned(), worker);
            name.clone_into(&mut entry.name);
        }
        entry
    }

    /// Forgets versions that nobody runs: older ones of `worker`, and the workers used longest ago when
    /// there are too many or their code takes too much room.
    fn prune(&mut self, worker: WorkerId) {
        if let Some(entry) = self.entries.get_mut(&worker) {
            let newest = entry.pools.last().map(|pool| pool.digest);
            let current = entry.current;
            // The entry itself holds the one that runs.
            entry.pools.retain(|pool| is_used(pool) || [current, newest].contains(&Some(pool.digest)));
        }
        let size = |entry: &Entry| entry.pools.iter().map(|pool| pool.code_size()).sum::<usize>();
        let mut total: usize = self.entries.values().map(size).sum();
        while self.entries.len() > MAX_WORKERS || total > MAX_CODE {
            let unused =
                |(id, entry): &(&WorkerId, &Entry)| **id != worker && !entry.pinned && !entry.pools.iter().any(is_used);
            let oldest = self.entries.iter().filter(unused).min_by_key(|(_, entry)| entry.used);
            let Some(id) = oldest.map(|(id, _)| *id) else { break };
            if let Some(entry) = self.entries.remove(&id) {
                self.names.remove(&entry.name);
                total -= size(&entry);
            }
        }
    }
}

/// Whether somebody holds it, or a process waits in it.
fn is_used(pool: &Arc<Pool>) -> bool {
    Arc::strong_count(pool) > 1 || pool.oldest().is_some()
}
