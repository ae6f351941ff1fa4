//! What of a delivery is not durable yet, and the record that it goes into.

use std::{sync::Arc, time::Instant};

use workmanager_core_domain::{
    Event, EventRecord, Timestamp, Topic, Worker, WorkerId,
    dead_letter::Reason,
    event_record::TrackState,
    ports::{Expect, Key, Put, Revision, Settlement},
};

use crate::record;

/// The record of an event as it was read.
pub(super) enum Found {
    /// There is none.
    Nothing,
    /// There is one.
    Record(Box<EventRecord>, Revision),
    /// There is one that cannot be read.
    Damaged(Revision),
}

/// One worker's outcome on its way to being durable.
pub(super) struct Outgoing {
    pub(super) worker: Arc<Worker>,
    pub(super) what: What,
}

/// What an outcome brings along.
pub(super) enum What {
    /// A reply, for a topic or for the record alone.
    Reply { topic: Option<Topic>, reply: Arc<Event> },
    /// A dead letter.
    DeadLetter { reason: Reason, put: Put },
}

/// The record and what belongs to it.
pub(super) struct Ledger {
    pub(super) key: Key,
    pub(super) record: EventRecord,
    /// Under which condition the record can be written; `None` if it must be read again first.
    expect: Option<Expect>,
    /// When that was read first; `None` once it was written.
    read_at: Option<Instant>,
    changed: bool,
    outgoing: Vec<Outgoing>,
    /// How many of `outgoing` are in the settlement under way.
    under_way: usize,
}

impl Ledger {
    /// Goes on from what was found `at`.
    pub(super) fn new(key: Key, fresh: EventRecord, found: Found, at: Instant) -> Self {
        let (record, expect) = match found {
            Found::Nothing => (fresh, Expect::Absent),
            Found::Record(record, revision) => (*record, Expect::Revision(revision)),
            Found::Damaged(revision) => (fresh, Expect::Revision(revision)),
        };
        Self {
            key,
            record,
            expect: Some(expect),
            read_at: Some(at),
            changed: false,
            outgoing: Vec::new(),
            under_way: 0,
        }
    }

    /// The record has changed and must be written.
    pub(super) const fn touch(&mut self) {
        self.changed = true;
    }

    /// The event has come again.
    pub(super) const fn count_duplicate(&mut self) {
        self.record.duplicates = self.record.duplicates.saturating_add(1);
        self.changed = true;
    }

    /// Something goes with the next settlement.
    pub(super) fn send(&mut self, outgoing: Outgoing) {
        self.outgoing.push(outgoing);
        self.changed = true;
    }

    /// Workers that are gone will not go on. Says whether there were any.
    pub(super) fn close(&mut self, gone: impl Fn(&WorkerId) -> bool) -> bool {
        let left = self.record.workers.iter_mut().filter(|(id, track)| !track.state.is_terminal() && gone(id));
        left.map(|(_, track)| track.state = TrackState::WorkerDeleted).count() > 0
    }

    pub(super) const fn is_changed(&self) -> bool {
        self.changed
    }

    /// Whether the record must be read before it can be written.
    pub(super) const fn is_stale(&self) -> bool {
        self.expect.is_none()
    }

    /// Whether an outcome of `worker` is durable or on its way.
    pub(super) fn is_over(&self, worker: WorkerId) -> bool {
        self.record.workers.get(&worker).is_some_and(|track| track.state.is_terminal())
    }

    /// Says where a worker stands.
    pub(super) fn mark(&mut self, worker: WorkerId, state: TrackState) {
        if let Some(track) = self.record.workers.get_mut(&worker)
            && track.state != state
        {
            track.state = state;
            self.changed = true;
        }
    }

    /// Takes out the replies that could not be published, to keep them elsewhere.
    pub(super) fn hold_back(&mut self) -> Vec<(WorkerId, Topic, Arc<Event>)> {
        self.under_way = 0;
        let unpublished = |outgoing: &mut Outgoing| matches!(outgoing.what, What::Reply { topic: Some(_), .. });
        let held = self.outgoing.extract_if(.., unpublished).filter_map(|outgoing| match outgoing.what {
            What::Reply { topic: Some(topic), reply } => Some((outgoing.worker.id, topic, reply)),
            What::Reply { topic: None, .. } | What::DeadLetter { .. } => None,
        });
        let held = held.collect();
        self.changed = true;
        held
    }

    /// Everything that is not durable yet, as one settlement: a store may carry it out step by step and
    /// stop after any of them.
    pub(super) fn settle(&mut self, now: Timestamp) -> Result<Settlement, serde_json::Error> {
        let mut settlement = Settlement { seen_at: self.read_at.take(), ..Settlement::default() };
        for outgoing in &self.outgoing {
            match &outgoing.what {
                What::Reply { topic: Some(topic), reply } => settlement.replies.push((topic.clone(), reply.clone())),
                What::Reply { topic: None, .. } => {}
                What::DeadLetter { put, .. } => settlement.puts.push(put.clone()),
            }
        }
        // After what it tells of.
        if self.changed {
            let finished_at = self.record.finished_at.unwrap_or(now);
            self.record.finished_at = self.record.is_finished().then_some(finished_at);
            let value = record::encode(&self.record)?;
            settlement.puts.push(Put { key: self.key.clone(), value, expect: self.expect.unwrap_or(Expect::Absent) });
        }
        self.under_way = self.outgoing.len();
        self.changed = false;
        Ok(settlement)
    }

    /// The settlement under way is durable. The next one needs the record's new revision.
    pub(super) fn settled(&mut self) -> std::vec::Drain<'_, Outgoing> {
        self.expect = None;
        self.outgoing.drain(..std::mem::take(&mut self.under_way))
    }

    /// The settlement under way did not happen, because somebody else has written the record.
    pub(super) const fn conflicted(&mut self) {
        self.expect = None;
        self.changed = true;
        self.under_way = 0;
    }

    /// Takes in what is in the store now.
    pub(super) fn reread(&mut self, found: Found) -> Reread {
        let durable = match found {
            Found::Record(durable, revision) => {
                self.expect = Some(Expect::Revision(revision));
                durable
            }
            Found::Nothing => {
                self.expect = Some(Expect::Absent);
                return Reread::default();
            }
            Found::Damaged(revision) => {
                self.expect = Some(Expect::Revision(revision));
                return Reread::default();
            }
        };
        let mut reread = Reread::default();
        let ours = &self.record.workers;
        let decided =
            |worker: &WorkerId| durable.workers.get(worker).filter(|track| record::is_decided(track, ours.get(worker)));
        for outgoing in self.outgoing.extract_if(.., |outgoing| decided(&outgoing.worker.id).is_some()) {
            let worker = &outgoing.worker.id;
            let same = decided(worker) == self.record.workers.get(worker);
            if same { reread.durable.push(outgoing) } else { reread.late.push(outgoing) }
        }
        let before = durable.clone();
        record::merge(&mut self.record, *durable);
        self.changed = self.record != *before || !self.outgoing.is_empty();
        reread
    }
}

/// What came of the outcomes that were on their way.
#[derive(Default)]
pub(super) struct Reread {
    /// They are in the store: a settlement happened whose answer was lost.
    pub(super) durable: Vec<Outgoing>,
    /// Another outcome was durable first.
    pub(super) late: Vec<Outgoing>,
}
