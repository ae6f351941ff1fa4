//! One stage of one worker's delivery: from where it is to the end of its next attempt.

mod attempt;
mod wait;

use std::{sync::Arc, time::Duration};

use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use tokio_util::sync::CancellationToken;
use wait::{Place, Slot, Waited};
use workmanager_core_domain::{
    AttemptId, Timestamp, WorkerId,
    attempt::Lane,
    dead_letter::Reason,
    outcome::Report,
    parked::{ParkReason, Redrive},
    ports::Delivery,
};

use super::Deliveries;
use crate::{
    circuit::Leave,
    lanes::Turn,
    leases::{self, Busy, Held},
    policy::{self, Tries},
    roster::Member,
    state::{IllegalStep, Input, State},
};

/// How a stage ended.
pub(super) enum End {
    /// With an attempt.
    Attempted(Box<Attempted>),
    /// No attempt may start.
    Refused(Arc<Member>, Reason),
    /// The worker is gone.
    Deleted,
    /// It is to be kept for later.
    Park(ParkReason, Timestamp),
    /// The intake closes.
    Cut,
}

/// An attempt that was made.
pub(super) struct Attempted {
    /// The worker as it was when the attempt began.
    pub(super) member: Arc<Member>,
    pub(super) id: AttemptId,
    /// The version that ran.
    pub(super) version: u32,
    /// Before it.
    pub(super) tries: Tries,
    pub(super) report: Report,
    /// What its group's lease was.
    pub(super) lease: Option<Held>,
}

/// A worker's part of a delivery, with what all its stages share.
#[derive(Clone)]
pub(super) struct Stage<'d> {
    pub(super) deliveries: &'d Deliveries,
    pub(super) delivery: &'d Delivery,
    pub(super) worker: WorkerId,
    pub(super) closing: &'d CancellationToken,
    pub(super) origin: Origin,
    pub(super) redrive: Option<Redrive>,
    pub(super) lane: Lane,
    pub(super) turn: Turn,
}

/// Where the delivery is kept while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// On the bus, which waits until then.
    Bus(Instant),
    /// In the lot.
    Parked,
}

/// Goes on, or ends the stage.
enum Step<T> {
    On(T),
    End(End),
}

impl Stage<'_> {
    /// Goes on from `state` to the end of the next attempt.
    pub(super) async fn run(self, mut state: State) -> Result<(State, End), IllegalStep> {
        if let State::Waiting { until, .. } = state {
            match self.wait(until).await {
                Step::On(()) => state = state.step(Input::Due, self.now().max(until))?,
                Step::End(end) => return Ok((state, end)),
            }
        }
        if let State::Parked { .. } = state {
            state = state.step(Input::Resume, self.now())?;
        }
        let (member, permits) = match self.place(&mut state).await? {
            Step::On(Place { member, permits }) => (member, permits),
            Step::End(end) => return Ok((state, end)),
        };
        let lease = match self.lease(&member).await {
            Step::On(lease) => lease,
            Step::End(end) => return Ok((state, end)),
        };
        if self.closing.is_cancelled() {
            return Ok((state, End::Cut));
        }
        if let Some(reason) = self.refusal(&member) {
            return Ok((state, End::Refused(member, reason)));
        }
        let tries = match &state {
            State::Matched { tries } => *tries,
            _ => return Err(IllegalStep { state: state.name(), input: Input::Begin.name() }),
        };
        state = state.step(Input::Begin, self.now())?;
        let attempted = self.attempt(member, tries, lease, permits).await;
        Ok((state, End::Attempted(Box::new(attempted))))
    }

    fn now(&self) -> Timestamp {
        self.deliveries.ports.clock.now()
    }

    /// From when no attempt may start any more.
    fn end(&self, member: &Member) -> Timestamp {
        born_at(self.delivery, self.redrive).plus(member.worker.limits.max_age.0)
    }

    /// Why no attempt may start, if so.
    fn refusal(&self, member: &Member) -> Option<Reason> {
        policy::refuse(
            &self.delivery.event,
            self.now().since(born_at(self.delivery, self.redrive)),
            &member.worker.limits,
        )
    }

    /// Whether it may be kept for later. If not, it waits where it is.
    fn may_park(&self) -> bool {
        match self.origin {
            Origin::Parked => true,
            Origin::Bus(_) => self.deliveries.lot.has_room(),
        }
    }

    /// The worker as it is now.
    fn member(&self) -> Option<Arc<Member>> {
        self.deliveries.ports.roster.snapshot().get(self.worker).cloned()
    }

    /// Waits until `until` where it is: nothing has begun yet, or there is no room in the lot.
    async fn wait(&self, until: Timestamp) -> Step<()> {
        tokio::select! {
            waited = self.sleep(until.since(self.now())) => match waited {
                Waited::Over => Step::On(()),
                Waited::Deleted => Step::End(End::Deleted),
                Waited::Cut => Step::End(End::Cut),
            },
            () = self.overtime() => Step::End(End::Park(ParkReason::Retry, until)),
        }
    }

    /// A place to run: the worker runs, gets no pause, it is the event's turn, and a slot is free.
    async fn place(&self, state: &mut State) -> Result<Step<Place>, IllegalStep> {
        loop {
            let Some(member) = self.member() else { return Ok(Step::End(End::Deleted)) };
            if let Some(reason) = self.refusal(&member) {
                return Ok(Step::End(End::Refused(member, reason)));
            }
            let ready =
                if member.is_running() { self.ready(&member).await } else { self.stopped(state, &member).await? };
            if let Step::End(end) = ready {
                return Ok(Step::End(end));
            }
            match self.slot(&member).await {
                Slot::Place(place) => return Ok(Step::On(place)),
                Slot::Changed => {}
                Slot::End(end) => return Ok(Step::End(end)),
            }
        }
    }

    /// Waits for the worker's pause to end, and for the event's turn.
    async fn ready(&self, member: &Member) -> Step<()> {
        match self.take_turn(member).await {
            Step::On(()) => self.pause().await,
            end @ Step::End(_) => end,
        }
    }

    async fn stopped(&self, state: &mut State, member: &Member) -> Result<Step<()>, IllegalStep> {
        if self.may_park() {
            return Ok(Step::End(End::Park(ParkReason::Stopped, self.end(member))));
        }
        *state = state.clone().step(Input::Park(ParkReason::Stopped), self.now())?;
        let step = match self.running().await {
            Waited::Over => Step::On(()),
            Waited::Deleted => Step::End(End::Deleted),
            Waited::Cut => Step::End(End::Cut),
        };
        if let Step::On(()) = step {
            *state = state.clone().step(Input::Resume, self.now())?;
        }
        Ok(step)
    }

    /// A worker whose engine died too often gets a pause.
    async fn pause(&self) -> Step<()> {
        loop {
            match self.deliveries.circuits.ask(self.worker, self.deliveries.ports.clock.monotonic()) {
                Leave::Granted => return Step::On(()),
                Leave::In(left) if self.may_park() => {
                    return Step::End(End::Park(ParkReason::CircuitOpen, self.now().plus(left)));
                }
                Leave::In(left) => match self.sleep(left).await {
                    Waited::Over => {}
                    Waited::Deleted => return Step::End(End::Deleted),
                    Waited::Cut => return Step::End(End::Cut),
                },
            }
        }
    }

    async fn lease(&self, member: &Member) -> Step<Option<Held>> {
        let Some(group) = &member.worker.group else { return Step::On(None) };
        loop {
            let left = tokio::select! {
                taken = self.deliveries.leases.take(group, member.worker.limits.timeout.0) => match taken {
                    Ok(held) => return Step::On(Some(held)),
                    Err(Busy::Held(left)) => left.min(leases::LOOK),
                    Err(Busy::Store(error)) => {
                        tracing::warn!("the lease of group `{group}` cannot be taken, trying again: {error}");
                        leases::LOOK
                    }
                },
                () = self.overtime() => return self.park(ParkReason::GroupBusy, leases::LOOK),
                () = self.closing.cancelled() => return Step::End(End::Cut),
            };
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                () = self.overtime() => return self.park(ParkReason::GroupBusy, left),
                () = self.closing.cancelled() => return Step::End(End::Cut),
            }
        }
    }

    fn park<T>(&self, reason: ParkReason, wait: Duration) -> Step<T> {
        Step::End(End::Park(reason, self.now().plus(wait)))
    }
}

/// From when an event's age counts.
pub(super) fn born_at(delivery: &Delivery, redrive: Option<Redrive>) -> Timestamp {
    redrive.map_or(delivery.accepted_at, |redrive| redrive.at)
}

/// What an attempt occupies until it ends: one of the worker's slots, and a place in front of them
/// unless there was none.
type Permits = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);
