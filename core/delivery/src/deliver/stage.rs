//! One stage of one worker's delivery: from where it is to the end of its next attempt.

use std::{pin::pin, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug_span};
use workmanager_core_domain::{
    AttemptId, Event, Outcome, Timestamp, WorkerId, attempt::Attempt, dead_letter::Reason, outcome::Report,
    parked::ParkReason, ports::Delivery, reply, units::Span,
};
use workmanager_core_kit::field;

use super::Deliveries;
use crate::{
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
    /// The intake closes.
    Cut,
}

/// An attempt that was made.
pub(super) struct Attempted {
    /// The worker as it was when the attempt began.
    pub(super) member: Arc<Member>,
    pub(super) id: AttemptId,
    /// Before it.
    pub(super) tries: Tries,
    pub(super) report: Report,
}

/// A worker's part of a delivery, with what all its stages share.
#[derive(Clone, Copy)]
pub(super) struct Stage<'d> {
    pub(super) deliveries: &'d Deliveries,
    pub(super) delivery: &'d Delivery,
    pub(super) worker: WorkerId,
    pub(super) closing: &'d CancellationToken,
}

/// A place to run, or why there is none.
enum Place {
    Free(Arc<Member>, OwnedSemaphorePermit),
    Deleted,
    Cut,
}

impl Stage<'_> {
    /// Goes on from `state` to the end of the next attempt.
    pub(super) async fn run(self, mut state: State) -> Result<(State, End), IllegalStep> {
        if let State::Waiting { until, .. } = state {
            match self.sleep(until).await {
                Woken::Due => state = state.step(Input::Due, self.now().max(until))?,
                Woken::Deleted => return Ok((state, End::Deleted)),
                Woken::Cut => return Ok((state, End::Cut)),
            }
        }
        if let State::Parked { .. } = state {
            state = state.step(Input::Resume, self.now())?;
        }
        let (member, _slot) = match self.place(&mut state).await? {
            Place::Free(member, slot) => (member, slot),
            Place::Deleted => return Ok((state, End::Deleted)),
            Place::Cut => return Ok((state, End::Cut)),
        };
        if self.closing.is_cancelled() {
            return Ok((state, End::Cut));
        }
        let now = self.now();
        let age = now.since(self.delivery.accepted_at);
        if let Some(reason) = policy::refuse(&self.delivery.event, age, &member.worker.limits) {
            return Ok((state, End::Refused(member, reason)));
        }
        let tries = match &state {
            State::Matched { tries } => *tries,
            _ => return Err(IllegalStep { state: state.name(), input: Input::Begin.name() }),
        };
        state = state.step(Input::Begin, now)?;
        let attempted = self.attempt(member, tries).await;
        Ok((state, End::Attempted(Box::new(attempted))))
    }

    fn now(&self) -> Timestamp {
        self.deliveries.ports.clock.now()
    }

    /// The worker as it is now.
    fn member(&self) -> Option<Arc<Member>> {
        self.deliveries.ports.roster.snapshot().get(self.worker).cloned()
    }

    async fn sleep(&self, until: Timestamp) -> Woken {
        let mut due = pin!(tokio::time::sleep(until.since(self.now())));
        let mut changes = self.deliveries.ports.roster.changes();
        loop {
            if self.member().is_none() {
                return Woken::Deleted;
            }
            tokio::select! {
                () = &mut due => return Woken::Due,
                more = self.changed(&mut changes) => {
                    if !more && self.member().is_some() {
                        return Woken::Cut;
                    }
                }
            }
        }
    }

    /// Waits until the worker runs and has a slot free. While it is stopped the delivery is parked.
    async fn place(&self, state: &mut State) -> Result<Place, IllegalStep> {
        // Nearly always there is a slot at once.
        if let Some(place) = self.member().and_then(free) {
            return Ok(place);
        }
        let mut changes = self.deliveries.ports.roster.changes();
        loop {
            changes.mark_unchanged();
            let Some(member) = self.member() else { return Ok(Place::Deleted) };
            let slots = member.slots.clone();
            if !member.is_running() {
                self.step(state, Input::Park(ParkReason::Stopped))?;
                if !self.changed(&mut changes).await && self.member().is_some() {
                    return Ok(Place::Cut);
                }
                self.step(state, Input::Resume)?;
                continue;
            }
            let permit = tokio::select! {
                // Fails only when closed, which nobody does.
                permit = slots.clone().acquire_owned() => permit.ok(),
                more = self.changed(&mut changes) => {
                    if !more && self.member().is_some() {
                        return Ok(Place::Cut);
                    }
                    None
                }
            };
            // The definition may have changed while this waited in line.
            let member = self.member().filter(|member| member.is_running() && Arc::ptr_eq(&member.slots, &slots));
            if let (Some(permit), Some(member)) = (permit, member) {
                return Ok(Place::Free(member, permit));
            }
        }
    }

    fn step(&self, state: &mut State, input: Input) -> Result<(), IllegalStep> {
        *state = state.clone().step(input, self.now())?;
        Ok(())
    }

    /// Waits for the roster to change; `false` once the intake closes.
    async fn changed(&self, changes: &mut watch::Receiver<u64>) -> bool {
        tokio::select! {
            changed = changes.changed() => changed.is_ok(),
            () = self.closing.cancelled() => false,
        }
    }

    async fn attempt(&self, member: Arc<Member>, tries: Tries) -> Attempted {
        let Deliveries { ports, settings, .. } = self.deliveries;
        let id = AttemptId::new(ports.ids.next());
        let number = tries.begun.saturating_add(1);
        let timeout = member.worker.limits.timeout.0;
        let attempt = Attempt {
            id,
            worker: member.worker.clone(),
            digest: member.worker.digest,
            event: numbered(&self.delivery.event, number),
            number,
            epoch: 0,
            timeout,
        };
        let started_at = self.now();
        let span = debug_span!("invoke", { field::WORKER_NAME } = %member.worker.name, number);
        let limit = timeout.saturating_add(settings.slack);
        let answer = tokio::time::timeout(limit, ports.target.attempt(&attempt)).instrument(span).await;
        let report = answer.unwrap_or_else(|_| Report {
            outcome: Outcome::Unknown { message: format!("the function gave no answer within {}", Span(limit)) },
            digest: attempt.digest,
            started_at,
            duration: limit,
            logs: Vec::new(),
            logs_truncated: false,
        });
        Attempted { member, id, tries, report }
    }
}

enum Woken {
    Due,
    Deleted,
    Cut,
}

fn free(member: Arc<Member>) -> Option<Place> {
    let permit = member.is_running().then(|| member.slots.clone().try_acquire_owned().ok())??;
    Some(Place::Free(member, permit))
}

/// The event with the attempt's number. One that has no room for the attribute goes without.
fn numbered(event: &Arc<Event>, number: u32) -> Arc<Event> {
    let value = i32::try_from(number).unwrap_or(i32::MAX);
    let numbered = Event::clone(event).into_builder().with(reply::ATTEMPT, value).build();
    numbered.map_or_else(|_| event.clone(), Arc::new)
}
