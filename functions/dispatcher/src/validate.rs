//! Does this code load?

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use workmanager_core_domain::{Digest, Manifest, WorkerId};
use workmanager_core_frames::{Frame, FrameError, Kind, Limits, ValidateHead};

use crate::{Code, Dispatcher, Error, Exchange, Step, dispatcher::load_frame, exchange::Plan};

impl Dispatcher {
    /// Loads a candidate in a process of its own and says how that went: a `Loaded` or an `Error`
    /// frame. The process is kept, so the version's first event finds it warm.
    ///
    /// # Errors
    /// Nothing was loaded, see [`Error`].
    pub async fn validate(&self, head: ValidateHead, source: Bytes) -> Result<Frame, Error> {
        let ValidateHead { worker, worker_name, manifest, timeout_ms } = head;
        let deadline = Instant::now() + Duration::from_millis(timeout_ms);
        let code = verified(manifest, source).await?;
        let digest = code.digest;
        let answer = self.load(worker, &worker_name, code.clone(), deadline, timeout_ms).await?;
        if answer.kind == Kind::Loaded {
            self.workers.loaded(worker, digest);
            let blobs = self.blobs.clone();
            drop(tokio::task::spawn_blocking(move || {
                blobs.put(&code.manifest.source, &code.bytes);
                if let Ok(canonical) = code.manifest.canonical() {
                    blobs.put(&digest, &canonical);
                }
            }));
        }
        Ok(answer)
    }

    /// Loads a worker that this function is started with. It is never forgotten.
    ///
    /// # Errors
    /// Nothing was loaded, see [`Error`].
    pub async fn preload(&self, head: ValidateHead, source: Bytes) -> Result<Frame, Error> {
        let worker = head.worker;
        let answer = self.validate(head, source).await?;
        self.workers.pin(worker);
        Ok(answer)
    }

    async fn load(
        &self,
        worker: WorkerId,
        name: &str,
        code: Code,
        deadline: Instant,
        timeout_ms: u64,
    ) -> Result<Frame, Error> {
        let pool = self.workers.pool(worker, name, code.digest, None);
        let slot = pool.enter(None, deadline).await?;
        let code = pool.code(|| std::future::ready(Ok(code))).await?;
        let (mut lease, engine) = self.process(slot, &code, deadline).await?;
        lease.process.begin(deadline, 0, Limits::CODE);
        let load = load_frame(engine.as_ref(), &lease.process, &pool, &code)?;
        let plan = Plan { attempt: None, load: Some(load), run: None, timeout_ms };
        let mut exchange = Exchange::new(lease, plan, self.clock.clone(), self.halt.clone());
        loop {
            if let Step::Final(frame) = exchange.next().await.map_err(Error::Frame)? {
                return Ok(frame);
            }
        }
    }
}

/// The candidate, if the source is the one that its manifest names.
async fn verified(manifest: Manifest, source: Bytes) -> Result<Code, Error> {
    let malformed = |source| Error::Frame(FrameError::Malformed { kind: Kind::Validate, source });
    let digest = Digest::of(&manifest.canonical().map_err(malformed)?);
    let found = crate::fetch::digest_of(source.clone()).await;
    if found == Some(manifest.source) {
        return Ok(Code { digest, manifest, bytes: source });
    }
    let found = found.map_or_else(String::new, |found| found.to_string());
    Err(Error::WrongSource { found, expected: manifest.source.to_string() })
}
