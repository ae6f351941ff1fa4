//! From an attempt to an exchange.

use std::{path::PathBuf, sync::Arc, time::Duration};

use ::metrics::{counter, histogram};
use bytes::Bytes;
use futures_util::future::join_all;
use http::Uri;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use workmanager_core_domain::{EngineInfo, MimeType, WorkerId, ports::Clock};
use workmanager_core_frames::{AttemptHead, AttemptLimits, Frame, FrameError, Kind, Limits, LoadHead};
use workmanager_core_kit::Tasks;
use workmanager_engines_host::{Engine, Process, Registry, SpawnError};

use crate::{
    Code, Error, Exchange,
    birth::Birth,
    blobs::Blobs,
    exchange::{Plan, Run},
    fetch::Fetch,
    lease::{GOODBYE, Lease, end},
    metrics::{REFUSED, SPAWN},
    pool::{Pool, Slot},
    workers::Workers,
};

/// Most output that is kept of one attempt, whatever the caller says.
const MAX_LOG: usize = 1 << 20;

/// How a dispatcher works.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where code is fetched.
    pub code_url: Option<Uri>,
    /// Where fetched code is kept; nowhere when not given.
    pub cache: Option<PathBuf>,
    /// How much of it, in bytes.
    pub cache_limit: u64,
    /// Engine processes that are kept.
    pub max_engines: usize,
}

/// An attempt that has arrived.
#[derive(Debug)]
pub struct Work {
    /// What it says.
    pub head: AttemptHead,
    /// The event's data.
    pub body: Bytes,
    /// When it is over, whatever happens.
    pub deadline: Instant,
}

/// A worker that a plain event can go to.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Its id.
    pub worker: WorkerId,
    /// Its name.
    pub name: String,
    /// The version that runs now.
    pub digest: workmanager_core_domain::Digest,
    /// The limits of its last attempt.
    pub limits: Option<AttemptLimits>,
}

/// The processes of this function and what they run.
pub struct Dispatcher {
    registry: Registry,
    fetch: Fetch,
    pub(crate) blobs: Arc<Blobs>,
    pub(crate) workers: Workers,
    places: Arc<Semaphore>,
    pub(crate) clock: Arc<dyn Clock>,
    tasks: Tasks,
    pub(crate) halt: CancellationToken,
}

impl Dispatcher {
    /// A dispatcher without any process.
    #[must_use]
    pub fn new(options: Options, registry: Registry, clock: Arc<dyn Clock>, tasks: Tasks) -> Self {
        let blobs = Arc::new(Blobs::new(options.cache.as_deref(), options.cache_limit));
        Self {
            registry,
            fetch: Fetch::new(options.code_url, blobs.clone()),
            blobs,
            workers: Workers::default(),
            places: Arc::new(Semaphore::new(options.max_engines.max(1))),
            clock,
            tasks,
            halt: CancellationToken::new(),
        }
    }

    /// Opens the way to where code is fetched, ahead of the first event.
    pub fn greet(&self) -> impl Future<Output = ()> + use<> {
        self.fetch.greet()
    }

    /// The engines and what is known of them.
    #[must_use]
    pub fn engines(&self) -> Vec<EngineInfo> {
        self.registry.infos()
    }

    /// What a plain event for this worker, by id or name, would run.
    ///
    /// # Errors
    /// `VersionNotLoaded`.
    pub fn loaded(&self, worker: &str) -> Result<Loaded, Error> {
        let current = self.workers.current(worker).ok_or_else(|| Error::VersionNotLoaded { worker: worker.into() })?;
        Ok(Loaded { worker: current.worker, name: current.name, digest: current.digest, limits: current.limits })
    }

    /// Begins an attempt: its worker's code may run from now on.
    ///
    /// # Errors
    /// No attempt began, see [`Error`].
    pub async fn begin(&self, work: Work) -> Result<Exchange, Error> {
        let begun = self.try_begin(work).await;
        if let Err(error) = &begun {
            counter!(REFUSED, "code" => error.code()).increment(1);
        }
        begun
    }

    async fn try_begin(&self, work: Work) -> Result<Exchange, Error> {
        let Work { head, body, deadline } = work;
        let arrived = Instant::now();
        let AttemptHead { attempt, worker, worker_name, digest, grant, limits, event, data } = head;
        let (pool, retired) = self.workers.pool(worker, &worker_name, digest, Some(limits));
        retired.into_iter().for_each(|idle| end(idle, &self.tasks));
        let slot = pool.enter(Some(limits.concurrency as usize), deadline).await?;
        let run = Run { attempt, event, data, body, deadline };
        let log_bytes = usize::try_from(limits.log_bytes).unwrap_or(usize::MAX).min(MAX_LOG);
        let plan = |load, run| Plan { attempt: Some(attempt), load, run, timeout_ms: limits.timeout_ms };
        // A process that died while it was idle has not seen the attempt: the next one gets it.
        while let Some(mut idle) = pool.take_newest() {
            if !idle.process.is_alive() {
                continue;
            }
            idle.process.begin(deadline, log_bytes, Limits::EVENTS);
            if idle.process.send(&run.frame()?).await.is_ok() {
                let lease = Lease { slot, process: idle.process, place: idle.place, tasks: self.tasks.clone() };
                return Ok(Exchange::new(lease, plan(None, None), self.clock.clone(), self.halt.clone()));
            }
        }
        let code = pool.code(|| self.fetch.version(digest, &grant, deadline)).await?;
        let fetched = Instant::now();
        let (mut lease, engine) = self.process(slot, &code, deadline).await?;
        let birth = Birth::new(worker_name, arrived, fetched);
        lease.process.begin(deadline, log_bytes, Limits::CODE);
        let load = load_frame(engine.as_ref(), &lease.process, &pool, &code)?;
        Ok(Exchange::new(lease, plan(Some(load), Some(run)), self.clock.clone(), self.halt.clone()).of(birth))
    }

    /// A new process for `code`.
    pub(crate) async fn process(
        &self,
        slot: Slot,
        code: &Code,
        deadline: Instant,
    ) -> Result<(Lease, Arc<dyn Engine>), Error> {
        let engine = self.engine(code.manifest.mime_type)?;
        let place = self.place(slot.pool())?;
        let started = self.clock.monotonic();
        let process = spawn(engine.as_ref(), code, deadline).await.map_err(Error::Engine)?;
        histogram!(SPAWN).record(self.clock.monotonic().saturating_sub(started).as_secs_f64());
        Ok((Lease { slot, process, place, tasks: self.tasks.clone() }, engine.clone()))
    }

    /// What runs this kind of code here.
    pub(crate) fn engine(&self, mime_type: MimeType) -> Result<&Arc<dyn Engine>, Error> {
        let missing = || Error::NoEngine { mime_type, reason: self.registry.reason(mime_type) };
        self.registry.get(mime_type).ok_or_else(missing)
    }

    /// Room for one more process, made by ending the one that was idle longest if there is none.
    fn place(&self, pool: &Pool) -> Result<OwnedSemaphorePermit, Error> {
        let full = Error::Overloaded { worker: pool.name.clone(), reason: "all engine processes are busy" };
        loop {
            if let Ok(place) = self.places.clone().try_acquire_owned() {
                return Ok(place);
            }
            match self.workers.take_oldest() {
                Some(idle) => end(idle, &self.tasks),
                None => return Err(full),
            }
        }
    }

    /// Ends all processes. Attempts that are under way are lost.
    pub async fn stop(&self) {
        self.halt.cancel();
        let idle = self.workers.close();
        let stops = idle.into_iter().map(|idle| idle.process.stop(GOODBYE.min(Duration::from_millis(500))));
        join_all(stops).await;
        self.registry.stop().await;
    }
}

async fn spawn(engine: &dyn Engine, code: &Code, deadline: Instant) -> Result<Process, SpawnError> {
    timeout_at(deadline, engine.spawn(&code.manifest)).await.unwrap_or(Err(SpawnError::Slow))
}

/// Tells a process of `engine` to load `code`.
pub(crate) fn load_frame(
    engine: &dyn Engine,
    process: &Process,
    pool: &Pool,
    code: &Code,
) -> Result<Frame, FrameError> {
    let head = LoadHead {
        digest: code.digest,
        manifest: code.manifest.clone(),
        file_name: engine.file_name(&pool.name),
        policy: engine.policy(&code.manifest, process),
    };
    Frame::new(Kind::Load, &head, code.bytes.clone())
}
