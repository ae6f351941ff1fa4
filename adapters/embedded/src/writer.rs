//! The one thread that writes. It takes everything that waits, puts it into one transaction, and
//! answers once that is durable.

mod batch;
mod gather;
mod group;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use workmanager_core_domain::ports::Clock;

pub(crate) use batch::{Batch, Counters, Refusal};
use gather::{Gathered, Queue};
use group::Committer;

use crate::{
    failure::Failure,
    hub::Hub,
    prune::{Due, Pruner},
    space::Space,
};

/// How many operations wait or are being written; more wait outside for a place.
const PLACES: usize = 1_024;

/// Something to be written. It may be run again after a rollback, so it keeps nothing of a run.
pub(crate) trait Work: Send + 'static {
    /// What the caller gets.
    type Output: Send + 'static;

    /// Checks first and writes then: after a refusal for a conflict it must have written nothing.
    fn run(&self, batch: &mut Batch<'_>) -> Result<Self::Output, Refusal>;

    /// Bytes that it writes, roughly.
    fn size(&self) -> usize {
        0
    }

    /// Whether it brings something new, and is refused while there is little room left.
    fn is_intake(&self) -> bool {
        false
    }
}

/// A [`Work`] whose result has a way back to its caller.
trait Job: Send {
    /// `Err` only if the whole transaction must be given up.
    fn run(&mut self, batch: &mut Batch<'_>) -> rusqlite::Result<()>;
    /// Bytes that it writes, roughly.
    fn size(&self) -> usize;
    /// Whether it brings something new.
    fn is_intake(&self) -> bool;
    /// Tells the caller: the result of the last run, or that its transaction failed.
    fn answer(self: Box<Self>, transaction: Result<(), Failure>);
}

struct Task<W: Work> {
    work: W,
    result: Option<Result<W::Output, Failure>>,
    caller: oneshot::Sender<Result<W::Output, Failure>>,
}

impl<W: Work> Job for Task<W> {
    fn run(&mut self, batch: &mut Batch<'_>) -> rusqlite::Result<()> {
        self.result = Some(match self.work.run(batch) {
            Ok(output) => Ok(output),
            Err(Refusal::Conflict(key)) => Err(Failure::Conflict(key)),
            Err(Refusal::Sqlite(error)) => return Err(error),
        });
        Ok(())
    }

    fn size(&self) -> usize {
        self.work.size()
    }

    fn is_intake(&self) -> bool {
        self.work.is_intake()
    }

    fn answer(self: Box<Self>, transaction: Result<(), Failure>) {
        let Self { result, caller, .. } = *self;
        let result = transaction.and_then(|()| result.unwrap_or(Err(Failure::Unknown)));
        // The caller may have gone; what it asked for has happened all the same.
        let _ = caller.send(result);
    }
}

struct Queued {
    job: Box<dyn Job>,
    _place: OwnedSemaphorePermit,
}

enum Message {
    Write(Queued),
    Close,
}

/// Hands work to the thread. The thread ends, after all that was handed to it, when the last clone
/// is dropped.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
    places: Arc<Semaphore>,
}

/// What the thread needs.
pub(crate) struct Parts {
    pub(crate) connection: Connection,
    pub(crate) counters: Counters,
    pub(crate) hub: Arc<Hub>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pruner: Pruner,
    pub(crate) space: Space,
    pub(crate) housekeeping: Duration,
}

impl Writer {
    /// Starts the thread. `ended` is dropped when it has ended and its connection is closed.
    pub(crate) fn start<E: Send + 'static>(parts: Parts, ended: E) -> std::io::Result<Self> {
        let (sender, queue) = mpsc::channel();
        let places = Arc::new(Semaphore::new(PLACES));
        let waiting = places.clone();
        thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            let hub = parts.hub.clone();
            let _on_exit = OnExit { places: waiting, hub, _ended: ended };
            run(parts, queue);
        })?;
        Ok(Self { queue: sender, places })
    }

    /// Has `work` done and waits until it is durable. It happens even if the caller stops waiting.
    pub(crate) async fn run<W: Work>(&self, work: W) -> Result<W::Output, Failure> {
        let place = self.places.clone().acquire_owned().await.map_err(|_| Failure::stopped())?;
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Task { work, result: None, caller });
        self.queue.send(Message::Write(Queued { job, _place: place })).map_err(|_| Failure::stopped())?;
        answer.await.unwrap_or(Err(Failure::Unknown))
    }

    /// Lets nothing more in; the thread ends after what it has.
    pub(crate) fn close(&self) {
        self.places.close();
        // Fails if the thread has ended.
        let _ = self.queue.send(Message::Close);
    }
}

struct OnExit<E> {
    places: Arc<Semaphore>,
    hub: Arc<Hub>,
    _ended: E,
}

impl<E> Drop for OnExit<E> {
    fn drop(&mut self) {
        self.places.close();
        self.hub.stop();
    }
}

fn run(parts: Parts, queue: mpsc::Receiver<Message>) {
    let Parts { connection, counters, hub, clock, mut pruner, space, housekeeping } = parts;
    let mut committer = Committer::new(connection, counters, hub, clock.clone(), space);
    let mut queue = Queue::new(queue);
    let mut pruned_at = clock.monotonic();
    loop {
        let is_busy = pruner.is_under_way() || committer.is_shrinking();
        let Gathered { group, end, .. } = queue.gather(if is_busy { Duration::ZERO } else { housekeeping });
        let group = committer.admit(group);
        if !group.is_empty() {
            let (operations, begun) = (group.len(), Instant::now());
            committer.commit(group);
            queue.committed(operations, begun.elapsed());
        }
        if end {
            return;
        }
        if clock.monotonic().saturating_sub(pruned_at) >= housekeeping {
            pruned_at = clock.monotonic();
            committer.prune(&mut pruner, Due::Now);
            committer.shrink(Due::Now);
        } else {
            if pruner.is_urgent(committer.counters()) {
                committer.prune(&mut pruner, Due::Later);
            }
            committer.shrink(Due::Later);
        }
    }
}

#[cfg(test)]
mod tests;
