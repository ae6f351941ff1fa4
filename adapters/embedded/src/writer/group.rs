//! Group commit.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tracing::warn;
use workmanager_core_domain::ports::Clock;

use super::{Batch, Counters, Queued};
use crate::{
    failure::Failure,
    hub::Hub,
    metrics,
    prune::{Due, Pruner},
    shrink::Shrinker,
    space::Space,
};

/// Owns the connection that writes.
pub(super) struct Committer {
    connection: Connection,
    counters: Counters,
    hub: Arc<Hub>,
    clock: Arc<dyn Clock>,
    space: Space,
    shrinker: Shrinker,
}

impl Committer {
    pub(super) fn new(
        connection: Connection,
        counters: Counters,
        hub: Arc<Hub>,
        clock: Arc<dyn Clock>,
        space: Space,
    ) -> Self {
        Self { connection, counters, hub, clock, space, shrinker: Shrinker::default() }
    }

    pub(super) fn counters(&self) -> Counters {
        self.counters
    }

    /// Refuses what is new while there is little room, and leaves the others.
    pub(super) fn admit(&mut self, mut group: Vec<Queued>) -> Vec<Queued> {
        self.space.prepare(&self.connection, group.iter().map(|queued| queued.job.size()));
        for queued in group.extract_if(.., |queued| {
            let (is_intake, size) = (queued.job.is_intake(), queued.job.size());
            if !is_intake {
                self.space.spend(size);
            }
            is_intake && !self.space.admits(size)
        }) {
            queued.job.answer(Err(Failure::Full));
        }
        group
    }

    /// Commits the group and answers everyone in it. If the transaction fails, each gets one of its
    /// own, so that nobody fails because of another.
    pub(super) fn commit(&mut self, mut group: Vec<Queued>) {
        let begun = self.clock.monotonic();
        let result = self.transact(|batch| group.iter_mut().try_for_each(|queued| queued.job.run(batch)));
        if result.is_ok() {
            metrics::committed(group.len(), self.clock.monotonic().saturating_sub(begun));
        }
        match result {
            Ok(()) => group.into_iter().for_each(|queued| queued.job.answer(Ok(()))),
            Err(_) if group.len() > 1 => group.into_iter().for_each(|queued| self.commit(vec![queued])),
            Err(failure) => group.into_iter().for_each(|queued| queued.job.answer(Err(failure.clone()))),
        }
    }

    /// Removes a slice of what is past its time.
    pub(super) fn prune(&mut self, pruner: &mut Pruner, due: Due) {
        if let Err(failure) = self.transact(|batch| pruner.slice(batch, due)) {
            warn!("what is past its time cannot be removed: {failure:?}");
            pruner.give_up();
        }
        self.space.look(&self.connection);
    }

    /// Gives back to the disk what the file does not need.
    pub(super) fn shrink(&mut self, due: Due) {
        if due == Due::Now || self.shrinker.is_urgent(&self.space) {
            self.shrinker.slice(&mut self.space, &self.connection);
        }
    }

    /// Whether there is more to give back now.
    pub(super) const fn is_shrinking(&self) -> bool {
        self.shrinker.is_under_way()
    }

    fn transact(&mut self, work: impl FnOnce(&mut Batch<'_>) -> rusqlite::Result<()>) -> Result<(), Failure> {
        let disk = self.space.disk().clone();
        let before_commit = |error: rusqlite::Error| match error.sqlite_error_code() {
            // SQLite names what it cannot write after the file, and not after the reason.
            Some(ErrorCode::SystemIoFailure) if disk.is_exhausted() => Failure::Full,
            _ => Failure::from(error),
        };
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.map_err(before_commit)?;
        let mut batch = Batch::new(&transaction, self.counters, self.clock.now());
        work(&mut batch).map_err(before_commit)?;
        let (counters, effects) = batch.finish().map_err(before_commit)?;
        transaction.commit().map_err(after_commit)?;
        self.counters = counters;
        self.hub.apply(effects, counters.position);
        Ok(())
    }
}

/// A commit that failed to reach the disk may be found there after a crash. One that found no space
/// is not: its last page was not written.
fn after_commit(error: rusqlite::Error) -> Failure {
    match Failure::from(error) {
        Failure::Unavailable(reason) => {
            warn!("a commit failed and may or may not be durable: {reason}");
            Failure::Unknown
        }
        failure => failure,
    }
}
