//! One worker's record, changed by compare-and-swap.

use std::sync::Arc;

use workmanager_core_delivery::Member;
use workmanager_core_domain::{
    Worker, WorkerId,
    ports::{Expect, Revision},
};

use super::{
    App, Error,
    store::{self, Stored, is_conflict},
};

/// How often a change is tried again when others change the same worker.
const TRIES: usize = 8;

/// Which revision a caller wants to change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Condition {
    /// Whatever is there.
    #[default]
    Any,
    /// One of these.
    OneOf(Vec<Revision>),
}

impl Condition {
    /// Whether it holds.
    ///
    /// # Errors
    /// `Revision` if not.
    pub fn check(&self, found: Revision) -> Result<(), Error> {
        match self {
            Self::Any => Ok(()),
            Self::OneOf(revisions) if revisions.contains(&found) => Ok(()),
            Self::OneOf(_) => Err(Error::Revision { found: found.0 }),
        }
    }
}

impl App {
    /// From now on the worker is known as the store has it.
    pub(super) fn know(&self, id: WorkerId, stored: Option<Stored<Worker>>) {
        match stored {
            Some(Stored { value, revision }) => self.parts.roster.put(value, revision),
            None => self.parts.roster.remove(id),
        }
    }

    /// Changes a worker's record and what is known of it here. An edit that changes nothing writes
    /// nothing.
    pub(super) async fn update(
        &self,
        id: WorkerId,
        condition: &Condition,
        edit: impl Fn(&Worker) -> Result<Worker, Error> + Send + Sync,
    ) -> Result<Arc<Member>, Error> {
        let gone = || Error::NoWorker { reference: id.to_string() };
        let (records, roster) = (&*self.parts.records, &self.parts.roster);
        let _writing = self.lock(id).await;
        for tried in 0..TRIES {
            if tried > 0 {
                // Somebody else was first: another control plane on the same store.
                self.know(id, self.read(&id.to_string()).await?);
            }
            let member = roster.snapshot().get(id).cloned().ok_or_else(gone)?;
            condition.check(member.revision)?;
            let mut next = edit(&member.worker)?;
            if next == *member.worker {
                return Ok(member);
            }
            next.updated_at = self.parts.clock.now();
            let expect = Expect::Revision(member.revision);
            match store::put_twice(records, &id.to_string(), &next, expect).await {
                Ok(revision) => {
                    roster.put(next, revision);
                    return roster.snapshot().get(id).cloned().ok_or_else(gone);
                }
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Busy { worker: id.to_string() })
    }
}
