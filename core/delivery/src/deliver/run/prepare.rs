//! Who takes part in a delivery, and where each goes on.

use std::sync::Arc;

use workmanager_core_domain::{
    Worker, WorkerId,
    dead_letter::Reason,
    event_record::{Track, TrackState},
    parked::{Hold, ParkReason, Parked, Redrive},
};

use super::{Leg, Mistake, Progress, Run};
use crate::{
    deliver::ledger::{Outgoing, What},
    lanes,
    plan::{Decision, Planned, plan},
    policy::Tries,
    record,
    roster::Member,
    state::{Input, State},
};

impl Run<'_> {
    /// Decides who gets an event from the bus, and where each goes on. Says whether anybody is there at
    /// all.
    pub(in crate::deliver) fn prepare(&mut self) -> Result<bool, Mistake> {
        let snapshot = self.deliveries.ports.roster.snapshot();
        let planned = plan(&self.delivery.event, snapshot.on(&self.delivery.topic));
        let known = |id| self.ledger.record.workers.contains_key(&id);
        if !planned.iter().any(|Planned { member, .. }| member.is_running() || known(member.worker.id)) {
            return Ok(false);
        }
        let mut has_news = false;
        for Planned { member, decision } in planned {
            has_news |= self.decide(&member, decision)?;
        }
        has_news |= self.ledger.close(|id| snapshot.get(*id).is_none());
        // Otherwise the first outcome takes the news along.
        if has_news && self.legs.is_empty() {
            self.ledger.touch();
        }
        Ok(true)
    }

    /// One worker's part. Says whether the record has news that no leg will bring.
    fn decide(&mut self, member: &Arc<Member>, decision: Decision) -> Result<bool, Mistake> {
        let worker = &member.worker;
        match (self.ledger.record.workers.get(&worker.id), decision) {
            // What was decided earlier stays decided, also for a worker that is stopped now.
            (Some(track), _) => {
                if let Some(state) = record::resume(track) {
                    self.legs.push(self.leg(worker, state, None));
                }
            }
            (None, Decision::Matched) => {
                self.ledger.record.workers.insert(worker.id, record::open(worker));
                self.legs.push(self.leg(worker, State::Matched { tries: Tries::default() }, None));
            }
            (None, Decision::NotMatched(reason)) => {
                let state = TrackState::NotMatched { reason };
                self.ledger.record.workers.insert(worker.id, Track { state, ..record::open(worker) });
                return Ok(true);
            }
            (None, Decision::Stopped) => {
                self.ledger.record.workers.insert(worker.id, record::open(worker));
                self.legs.push(self.leg(worker, State::Matched { tries: Tries::default() }, None));
                if !self.deliveries.lot.keeps_for(worker.id) {
                    let leg = self.legs.len() - 1;
                    self.step(leg, Input::GiveUp(Reason::BacklogOverflow))?;
                    let most = self.deliveries.lot.settings().stopped;
                    let message = format!("the worker is stopped, and {most} events wait for it already");
                    self.dead_letter(leg, Reason::BacklogOverflow, message)?;
                }
            }
        }
        Ok(false)
    }

    pub(super) fn leg(&self, worker: &Arc<Worker>, state: State, redrive: Option<Redrive>) -> Leg {
        let lane = lanes::lane(worker, &self.delivery.event);
        Leg { id: worker.id, worker: worker.clone(), state, rest: None, redrive, lane, lease: None }
    }

    /// Takes up a delivery from the lot because the time of `due` has come; what others wait for may
    /// not have.
    pub(in crate::deliver) fn take_up(&mut self, parked: &Parked, due: WorkerId) -> Result<(), Mistake> {
        let snapshot = self.deliveries.ports.roster.snapshot();
        for (id, hold) in &parked.workers {
            let Some(member) = snapshot.get(*id) else { continue };
            self.ledger.record.workers.entry(*id).or_insert_with(|| record::open(&member.worker));
            if hold.redrive.is_some_and(|redrive| !self.reopen(*id, redrive)) || self.ledger.is_over(*id) {
                continue;
            }
            let tries = self.ledger.record.workers.get(id).map(record::tries).unwrap_or_default();
            let leg = self.leg(&member.worker, State::Parked { tries, reason: hold.reason }, hold.redrive);
            self.legs.push(leg);
            let leg = self.legs.len() - 1;
            if hold.reply.is_some() {
                self.take_up_reply(leg, hold)?;
            } else if *id != due && self.still_waits(member, hold) {
                self.legs[leg].rest = Some(hold.clone());
            }
        }
        if self.ledger.close(|id| snapshot.get(*id).is_none()) {
            self.ledger.touch();
        }
        Ok(())
    }

    /// Whether a part that is not due has to wait on.
    fn still_waits(&self, member: &Member, hold: &Hold) -> bool {
        let is_early = self.deliveries.ports.clock.now() < hold.until;
        match hold.reason {
            ParkReason::Stopped => is_early && !member.is_running(),
            ParkReason::LaneBusy
            | ParkReason::Retry
            | ParkReason::GroupBusy
            | ParkReason::CircuitOpen
            | ParkReason::ArtefactMissing => is_early,
            ParkReason::Slow | ParkReason::Busy | ParkReason::Redriven | ParkReason::ReplyPending => false,
        }
    }

    /// Opens again what ended in the dead letter that was sent round. Says whether it is open.
    fn reopen(&mut self, worker: WorkerId, redrive: Redrive) -> bool {
        let Some(track) = self.ledger.record.workers.get_mut(&worker) else { return false };
        let is_that =
            matches!(&track.state, TrackState::DeadLettered { dead_letter, .. } if *dead_letter == redrive.dead_letter);
        if track.redriven_at == Some(redrive.at) {
            return !track.state.is_terminal();
        }
        if is_that || !track.state.is_terminal() {
            track.redriven_at = Some(redrive.at);
            track.state = TrackState::Parked { reason: ParkReason::Redriven };
            self.ledger.record.finished_at = None;
            self.ledger.touch();
            return true;
        }
        false
    }

    /// The worker has answered: only the publication is left.
    fn take_up_reply(&mut self, leg: usize, hold: &Hold) -> Result<(), Mistake> {
        let Some(pending) = &hold.reply else { return Ok(()) };
        let reply = Arc::new(workmanager_core_domain::event::from_structured(&pending.event.clone().into())?);
        let route = record::Route::Publish(pending.topic.clone());
        let state = TrackState::Done { reply: Some(record::reply(&reply, &route)) };
        self.ledger.mark(self.legs[leg].id, state);
        let what = What::Reply { topic: Some(pending.topic.clone()), reply: reply.clone() };
        self.ledger.send(Outgoing { worker: self.legs[leg].worker.clone(), what });
        self.legs[leg].state = State::ReplyPending { reply };
        Ok(())
    }

    /// Whether every worker is done with the event, or goes on elsewhere.
    pub(in crate::deliver) const fn is_nothing_to_do(&self) -> bool {
        self.legs.is_empty() && !self.ledger.is_changed()
    }

    /// The workers whose parts go on in the lot.
    pub(in crate::deliver) fn resting(&self) -> impl Iterator<Item = WorkerId> {
        self.legs.iter().filter(|leg| leg.progress() == Progress::Resting).map(|leg| leg.id)
    }
}
