//! The processes of one version of one worker.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{
    sync::{OnceCell, OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use workmanager_core_domain::Digest;
use workmanager_engines_host::Process;

use crate::{Code, Error};

/// Attempts that may wait for a process, on top of as many as may run.
const WAITING: usize = 8;

/// A process that has the version loaded and does nothing.
#[derive(Debug)]
pub(crate) struct Idle {
    pub(crate) process: Process,
    /// Its place among all processes of this function.
    pub(crate) place: OwnedSemaphorePermit,
    pub(crate) since: Instant,
}

/// Two workers never share a process, even if their code is the same.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) digest: Digest,
    code: OnceCell<Arc<Code>>,
    slots: Arc<Semaphore>,
    size: Mutex<Size>,
    waiting: AtomicUsize,
    idle: Mutex<Vec<Idle>>,
    /// Another version runs now: what is given back is not kept.
    retired: AtomicBool,
}

#[derive(Debug)]
struct Size {
    limit: usize,
    /// Slots in use that are one too many since the limit was lowered.
    debt: usize,
}

/// The right to run one attempt.
#[derive(Debug)]
pub(crate) struct Slot {
    pool: Arc<Pool>,
    permit: Option<OwnedSemaphorePermit>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub(crate) fn new(name: String, digest: Digest) -> Self {
        Self {
            name,
            digest,
            code: OnceCell::new(),
            slots: Arc::new(Semaphore::new(1)),
            size: Mutex::new(Size { limit: 1, debt: 0 }),
            waiting: AtomicUsize::new(0),
            idle: Mutex::default(),
            retired: AtomicBool::new(false),
        }
    }

    /// The code; `fetch` runs once for all who ask at the same time, and again if it failed.
    pub(crate) async fn code<F>(&self, fetch: impl FnOnce() -> F) -> Result<Arc<Code>, Error>
    where
        F: Future<Output = Result<Code, Error>>,
    {
        let fetch = || async { fetch().await.map(Arc::new) };
        self.code.get_or_try_init(fetch).await.cloned()
    }

    /// The size of the code kept here.
    pub(crate) fn code_size(&self) -> usize {
        self.code.get().map_or(0, |code| code.bytes.len())
    }

    /// Takes a slot, waiting for one until `deadline` if not too many wait already. `concurrency` is how
    /// many there are from now on.
    pub(crate) async fn enter(self: &Arc<Self>, concurrency: Option<usize>, deadline: Instant) -> Result<Slot, Error> {
        if let Some(concurrency) = concurrency {
            self.resize(concurrency.max(1));
        }
        if let Ok(permit) = self.slots.clone().try_acquire_owned() {
            return Ok(Slot { pool: self.clone(), permit: Some(permit) });
        }
        let overloaded = |reason| Error::Overloaded { worker: self.name.clone(), reason };
        let _waiting = Waiting::among(&self.waiting, lock(&self.size).limit + WAITING)
            .ok_or_else(|| overloaded("enough attempts wait already"))?;
        match timeout_at(deadline, self.slots.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Slot { pool: self.clone(), permit: Some(permit) }),
            Ok(Err(_closed)) => Err(overloaded("the function is stopping")),
            Err(_elapsed) => Err(overloaded("no process was free in time")),
        }
    }

    /// Nobody who waits or comes gets a slot any more.
    pub(crate) fn close(&self) {
        self.slots.close();
    }

    /// The process that was used last: its memory is the warmest.
    pub(crate) fn take_newest(&self) -> Option<Idle> {
        lock(&self.idle).pop()
    }

    /// The process that was used longest ago.
    pub(crate) fn take_oldest(&self) -> Option<Idle> {
        let mut idle = lock(&self.idle);
        if idle.is_empty() { None } else { Some(idle.remove(0)) }
    }

    /// Since when the oldest process is idle.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        lock(&self.idle).first().map(|idle| idle.since)
    }

    /// This version runs now.
    pub(crate) fn employ(&self) {
        self.retired.store(false, Ordering::Release);
    }

    /// Another version runs now; takes the processes that wait here for nothing.
    pub(crate) fn retire(&self) -> Vec<Idle> {
        let mut idle = lock(&self.idle);
        // Under the lock, so that none is kept after this.
        self.retired.store(true, Ordering::Release);
        std::mem::take(&mut *idle)
    }

    /// Keeps a process, or gives it back if there are more than can be used.
    pub(crate) fn keep(&self, process: Idle) -> Option<Idle> {
        let limit = lock(&self.size).limit;
        let mut idle = lock(&self.idle);
        if idle.len() >= limit || self.retired.load(Ordering::Acquire) {
            return Some(process);
        }
        idle.push(process);
        None
    }

    fn resize(&self, limit: usize) {
        let mut size = lock(&self.size);
        if limit > size.limit {
            let more = limit - size.limit;
            let forgiven = more.min(size.debt);
            size.debt -= forgiven;
            self.slots.add_permits(more - forgiven);
        } else if limit < size.limit {
            let fewer = size.limit - limit;
            size.debt += fewer - self.slots.forget_permits(fewer);
        }
        size.limit = limit;
    }
}

impl Slot {
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut size = lock(&self.pool.size);
        if size.debt > 0
            && let Some(permit) = self.permit.take()
        {
            size.debt -= 1;
            permit.forget();
        }
    }
}

/// One of those who wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(count: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < limit).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
