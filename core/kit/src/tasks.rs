//! Named tasks and the order in which a program stops.

use std::{fmt::Display, future::Future, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, warn};

/// What the failure of a task means for the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// It is logged, the program goes on.
    Log,
    /// The program cannot do its work without it and stops.
    StopProcess,
}

/// The tasks of one program. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the program shall stop. Loops select on it.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Tells every task to stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Runs `task` under `name` until it ends.
    pub fn spawn<E, F>(&self, name: &'static str, on_error: OnError, task: F)
    where
        E: Display,
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            if let Err(error) = task.await {
                error!(task = name, "task `{name}` failed: {error:#}");
                if on_error == OnError::StopProcess {
                    stop.cancel();
                }
            }
        });
    }

    /// Runs a task that cannot fail.
    pub fn spawn_infallible<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(task);
    }

    /// Waits until all tasks have ended, at most `grace`. Says whether they did.
    pub async fn drained(&self, grace: Duration) -> bool {
        self.tracker.close();
        let drained = tokio::time::timeout(grace, self.tracker.wait()).await.is_ok();
        if !drained {
            warn!("{} tasks still run after the grace period", self.tracker.len());
        }
        drained
    }
}

/// Ends with the first SIGINT or SIGTERM.
///
/// # Errors
/// The signal handlers cannot be installed.
pub async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_must_not_fail_stops_the_program() {
        let tasks = Tasks::new();
        tasks.spawn("optional", OnError::Log, async { Err("no") });
        assert!(!tasks.stopping().is_cancelled());
        tasks.spawn("vital", OnError::StopProcess, async { Err("no") });
        assert!(tasks.drained(Duration::from_secs(5)).await);
        assert!(tasks.stopping().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_said() {
        let tasks = Tasks::new();
        tasks.spawn_infallible(std::future::pending());
        assert!(!tasks.drained(Duration::from_secs(1)).await);
    }
}
