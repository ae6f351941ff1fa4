//! What ends in a delivery: what it means for the record, and who is told.

use std::sync::Arc;

use workmanager_core_domain::{
    DeadLetterId, Event, Outcome, Timestamp, Worker,
    dead_letter::{DeadLetter, Reason},
    document,
    event_record::TrackState,
    outcome::{FailureKind, Report},
    parked::{Hold, ParkReason, PendingReply},
    ports::{Collection, Expect, Key, Put},
    units::Span,
};

use super::{
    berth::Stored,
    ledger::{Found, Outgoing, What},
    run::{Mistake, Next, Run},
    stage::{Attempted, End, born_at},
};
use crate::{
    metrics::{self, Route as Way},
    policy::{self, MAX_HOPS, Verdict},
    record::{self, Route},
    state::{Ended, IllegalStep, Input, State},
    witness::Sight,
};

/// Why another attempt is made later.
fn waits_for(outcome: &Outcome) -> ParkReason {
    match outcome {
        Outcome::Failed(failure) if failure.kind == FailureKind::ArtefactMissing => ParkReason::ArtefactMissing,
        _ => ParkReason::Retry,
    }
}

impl Run<'_> {
    /// A stage of `leg` has ended.
    pub(super) fn ended(&mut self, leg: usize, end: End) -> Result<Next, Mistake> {
        match end {
            End::Cut => Ok(Next::Nothing),
            End::Deleted => {
                self.step(leg, Input::Delete)?;
                self.record(leg, TrackState::WorkerDeleted);
                Ok(Next::Nothing)
            }
            End::Park(reason, until) => {
                if reason != ParkReason::Retry {
                    self.step(leg, Input::Park(reason))?;
                }
                self.rest(leg, reason, until);
                Ok(Next::Nothing)
            }
            End::Refused(member, reason) => {
                self.legs[leg].worker = member.worker.clone();
                self.step(leg, Input::GiveUp(reason))?;
                let message = refusal(reason, &member.worker);
                self.dead_letter(leg, reason, message)?;
                Ok(Next::Nothing)
            }
            End::Attempted(attempted) => self.attempted(leg, *attempted),
        }
    }

    fn attempted(&mut self, leg: usize, attempted: Attempted) -> Result<Next, Mistake> {
        let Attempted { member, id, version, tries, report, lease } = attempted;
        let (ports, worker) = (&self.deliveries.ports, &member.worker);
        let number = tries.begun.saturating_add(1);
        metrics::attempted(&report.outcome, report.duration);
        ports.witness.saw(&Sight::Attempted { worker, event: &self.delivery.event, id, number, report: &report });
        self.deliveries.note(worker, &report.outcome);
        self.legs[leg].worker = worker.clone();
        if self.ledger.is_over(worker.id) {
            self.step(leg, Input::Overtake)?;
            if let Outcome::Replied(_) = report.outcome {
                metrics::replied(Way::Discarded);
            }
            return Ok(Next::Nothing);
        }
        // Only now: of what was overtaken nothing is written, so nothing would give the lease back.
        self.legs[leg].lease = lease;
        let began = policy::began(&report.outcome);
        if let Some(track) = self.ledger.record.workers.get_mut(&worker.id)
            && began
        {
            record::push(&mut track.attempts, record::attempt(id, number, version, &report));
        }
        let age = ports.clock.now().since(born_at(self.delivery, self.legs[leg].redrive));
        let backoff = &self.deliveries.settings.backoff;
        match policy::decide(&report.outcome, tries, age, &worker.limits, backoff, self.deliveries.jitter()) {
            Verdict::Settle => self.done(leg, report)?,
            Verdict::Retry { after, tries } => {
                metrics::retried();
                self.step(leg, Input::Ended(Ended::Retry { after, tries }))?;
                if began {
                    self.ledger.touch();
                } else {
                    // Nothing is written of it, and the next try takes the lease again.
                    self.legs[leg].lease = None;
                }
                let reason = waits_for(&report.outcome);
                if let State::Waiting { until, .. } = self.legs[leg].state
                    && (began || reason != ParkReason::Retry)
                    && self.may_park()
                {
                    self.rest(leg, reason, until);
                    return Ok(Next::Nothing);
                }
                return Ok(Next::Stage);
            }
            Verdict::DeadLetter { reason } => {
                self.step(leg, Input::Ended(Ended::GiveUp(reason)))?;
                self.dead_letter(leg, reason, report.outcome.message())?;
            }
        }
        Ok(Next::Nothing)
    }

    /// The worker is done with the event.
    fn done(&mut self, leg: usize, report: Report) -> Result<(), Mistake> {
        let Outcome::Replied(reply) = report.outcome else {
            self.step(leg, Input::Ended(Ended::NoReply))?;
            self.record(leg, TrackState::Done { reply: None });
            return Ok(());
        };
        let (reply, worker): (Arc<Event>, _) = (Arc::from(reply), self.legs[leg].worker.clone());
        let route = record::route(&self.delivery.event, &worker);
        self.record(leg, TrackState::Done { reply: Some(record::reply(&reply, &route)) });
        let topic = match route {
            Route::Publish(topic) => Some(topic),
            Route::Keep { .. } => None,
        };
        self.ledger.send(Outgoing { worker, what: What::Reply { topic, reply: reply.clone() } });
        self.step(leg, Input::Ended(Ended::Replied(reply)))?;
        Ok(())
    }

    /// Whether a leg can go on in the lot.
    fn may_park(&self) -> bool {
        self.berth.is_parked || self.deliveries.lot.has_room()
    }

    /// The leg goes on in the lot.
    fn rest(&mut self, leg: usize, reason: ParkReason, until: Timestamp) {
        metrics::parked(reason);
        let leg = &mut self.legs[leg];
        leg.rest = Some(Hold { reason, until, reply: None, redrive: leg.redrive });
    }

    pub(super) fn dead_letter(&mut self, leg: usize, reason: Reason, message: String) -> Result<(), Mistake> {
        let (ports, worker) = (&self.deliveries.ports, self.legs[leg].worker.clone());
        let track = self.ledger.record.workers.get(&worker.id);
        let letter = DeadLetter {
            id: DeadLetterId::new(ports.ids.next()),
            worker: worker.id,
            topic: self.delivery.topic.clone(),
            reason,
            message,
            at: ports.clock.now(),
            event: record::structured(&self.delivery.event)?,
            attempts: track.map(|track| track.attempts.clone()).unwrap_or_default(),
        };
        let key = Key::new(Collection::DeadLetter, letter.id.to_string());
        // The id is new, and the same letter may be written twice when an answer is lost.
        let put = Put { key, value: document::encode(&letter)?, expect: Expect::Any };
        self.record(leg, TrackState::DeadLettered { reason, dead_letter: letter.id });
        self.ledger.send(Outgoing { worker, what: What::DeadLetter { reason, put } });
        Ok(())
    }

    pub(super) fn step(&mut self, leg: usize, input: Input) -> Result<(), IllegalStep> {
        let leg = &mut self.legs[leg];
        leg.state = leg.state.clone().step(input, self.deliveries.ports.clock.now())?;
        Ok(())
    }

    fn record(&mut self, leg: usize, state: TrackState) {
        if let Some(track) = self.ledger.record.workers.get_mut(&self.legs[leg].id) {
            track.state = state;
            self.ledger.touch();
        }
    }

    /// The settlement under way is durable.
    pub(super) fn settled(&mut self) -> Result<(), Mistake> {
        self.conflicts = 0;
        if let Some(write) = self.under_way.take() {
            self.arrived(write);
        }
        let durable: Vec<_> = self.ledger.settled().collect();
        durable.into_iter().try_for_each(|outgoing| self.tell(outgoing))
    }

    /// Somebody else has written the record.
    pub(super) fn conflicted(&mut self) {
        self.conflicts = self.conflicts.saturating_add(1);
        self.under_way = None;
        self.ledger.conflicted();
        self.berth.forget();
    }

    /// The replies cannot be published now: they are kept, so that no worker runs again for them.
    pub(super) fn hold_back(&mut self) -> Result<(), Mistake> {
        self.under_way = None;
        let until = self.deliveries.ports.clock.now().plus(self.deliveries.settings.settle_backoff.cap);
        for (worker, topic, reply) in self.ledger.hold_back() {
            metrics::parked(ParkReason::ReplyPending);
            let event = record::structured(&reply)?;
            let Some(leg) = self.legs.iter_mut().find(|leg| leg.id == worker) else { continue };
            let reply = Some(PendingReply { topic, event });
            leg.rest = Some(Hold { reason: ParkReason::ReplyPending, until, reply, redrive: leg.redrive });
        }
        Ok(())
    }

    /// The record was read again.
    pub(super) fn reread(&mut self, found: Option<Found>, stored: Option<Stored>) -> Result<(), Mistake> {
        if let Some(stored) = stored {
            self.berth.found(stored);
        }
        let Some(found) = found else { return Ok(()) };
        let reread = self.ledger.reread(found);
        for outgoing in reread.durable {
            self.tell(outgoing)?;
        }
        for Outgoing { worker, what } in reread.late {
            if let Some(leg) = self.legs.iter().position(|leg| leg.id == worker.id) {
                self.step(leg, Input::Overtake)?;
            }
            match what {
                What::Reply { .. } => metrics::replied(Way::Discarded),
                What::DeadLetter { .. } => {}
            }
        }
        // Everything is there already: no write will give the leases back.
        if !self.ledger.is_changed() {
            self.legs.iter_mut().for_each(|leg| leg.lease = None);
        }
        Ok(())
    }

    /// An outcome is durable.
    fn tell(&mut self, outgoing: Outgoing) -> Result<(), Mistake> {
        let (witness, worker) = (&self.deliveries.ports.witness, &outgoing.worker);
        match &outgoing.what {
            What::Reply { topic, reply } => {
                metrics::replied(if topic.is_some() { Way::Published } else { Way::Kept });
                witness.saw(&Sight::Replied { worker, topic: topic.as_ref(), reply });
                if let Some(leg) = self.legs.iter().position(|leg| leg.id == worker.id) {
                    self.step(leg, Input::Published)?;
                }
            }
            What::DeadLetter { reason, .. } => {
                metrics::dead_lettered(*reason);
                let event = &self.delivery.event;
                witness.saw(&Sight::DeadLettered { worker, event, reason: *reason });
            }
        }
        Ok(())
    }
}

/// Why no attempt was made, for people.
fn refusal(reason: Reason, worker: &Worker) -> String {
    match reason {
        Reason::Loop => format!("the event has come round {MAX_HOPS} times as the reply to another"),
        Reason::TooOld => {
            format!("the event was older than {} before an attempt could begin", Span(worker.limits.max_age.0))
        }
        Reason::AttemptsExhausted | Reason::NotRetryable | Reason::BacklogOverflow => reason.code().to_owned(),
    }
}
