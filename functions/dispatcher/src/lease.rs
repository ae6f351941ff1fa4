//! A process for the time of one exchange.

use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use workmanager_core_kit::Tasks;
use workmanager_engines_host::Process;

use crate::pool::{Idle, Slot};

/// How long a process that is not needed any more may take to end by itself.
pub(crate) const GOODBYE: std::time::Duration = std::time::Duration::from_secs(1);

/// A process and the right to use it. Dropped in the middle of an exchange, the process is killed.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) slot: Slot,
    pub(crate) process: Process,
    pub(crate) place: OwnedSemaphorePermit,
    pub(crate) tasks: Tasks,
}

impl Lease {
    /// The exchange is over and the process can be used again.
    pub(crate) fn give_back(self) {
        let Self { slot, process, place, tasks } = self;
        let idle = Idle { process, place, since: Instant::now() };
        if let Some(spare) = slot.pool().keep(idle) {
            end(spare, &tasks);
        }
    }
}

/// Ends a process that is not needed. Its place is free at once.
pub(crate) fn end(idle: Idle, tasks: &Tasks) {
    let Idle { process, place, .. } = idle;
    drop(place);
    tasks.spawn_infallible(process.stop(GOODBYE));
}
