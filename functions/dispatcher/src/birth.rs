//! How long a worker's new process takes until its first answer.

use tokio::time::Instant;
use tracing::info;
use workmanager_core_kit::field::WORKER_NAME;

/// The steps that are done.
#[derive(Debug)]
pub(crate) struct Birth {
    worker: String,
    arrived: Instant,
    /// The code is here.
    fetched: Instant,
    /// The process is here.
    spawned: Instant,
    /// It has loaded the code.
    loaded: Option<Instant>,
}

impl Birth {
    /// For an attempt that came at `arrived` and whose code came at `fetched`; the process is there now.
    pub(crate) fn new(worker: String, arrived: Instant, fetched: Instant) -> Self {
        Self { worker, arrived, fetched, spawned: Instant::now(), loaded: None }
    }

    pub(crate) fn loaded(&mut self) {
        self.loaded = Some(Instant::now());
    }

    /// Says when each step was done, counted from the arrival of the attempt.
    pub(crate) fn answered(self) {
        let Self { worker, arrived, fetched, spawned, loaded } = self;
        let after = |step: Instant| (step - arrived).as_secs_f64() * 1000.0;
        info!(
            { WORKER_NAME } = worker,
            fetched_ms = after(fetched),
            spawned_ms = after(spawned),
            loaded_ms = after(loaded.unwrap_or(spawned)),
            answered_ms = after(Instant::now()),
            "a new process of worker `{worker}` has answered its first event"
        );
    }
}
