//! What a stage waits for before its attempt.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::sync::watch;
use workmanager_core_domain::parked::ParkReason;

use super::{End, Origin, Permits, Stage, Step};
use crate::roster::Member;

/// A worker that can be run now.
pub(super) struct Place {
    pub(super) member: Arc<Member>,
    pub(super) permits: Permits,
}

/// How the wait for a slot ended.
pub(super) enum Slot {
    Place(Place),
    /// The worker's definition is another one now.
    Changed,
    End(End),
}

/// How a wait ended.
pub(super) enum Waited {
    Over,
    Deleted,
    Cut,
}

impl Stage<'_> {
    /// Waits for one of the worker's slots.
    pub(super) async fn slot(&self, member: &Arc<Member>) -> Slot {
        let is_fresh = self.origin != Origin::Parked;
        let place = is_fresh.then(|| member.places.clone().try_acquire_owned().ok()).flatten();
        if is_fresh && place.is_none() && self.is_shared() && self.may_park() {
            return Slot::End(End::Park(ParkReason::Busy, self.now()));
        }
        // Nearly always there is a slot at once.
        if let Ok(slot) = member.slots.clone().try_acquire_owned() {
            return Slot::Place(Place { member: member.clone(), permits: (slot, place) });
        }
        let mut changes = self.deliveries.ports.roster.changes();
        loop {
            let current = self.member().filter(|member| member.is_running());
            // Its definition may have changed before `changes` was there, or while this waited in line.
            let Some(member) = current.filter(|current| Arc::ptr_eq(&current.slots, &member.slots)) else {
                return Slot::Changed;
            };
            tokio::select! {
                slot = member.slots.clone().acquire_owned() => {
                    let current = self.member();
                    // Fails only when closed, which nobody does.
                    return match (slot, current) {
                        (Ok(slot), Some(current))
                            if current.is_running() && Arc::ptr_eq(&current.slots, &member.slots) =>
                        {
                            Slot::Place(Place { member: current, permits: (slot, place) })
                        }
                        _ => Slot::Changed,
                    };
                }
                () = self.overtime() => return Slot::End(End::Park(ParkReason::Busy, self.now())),
                more = self.changed(&mut changes) => {
                    if !more && self.member().is_some() {
                        return Slot::End(End::Cut);
                    }
                }
            }
        }
    }

    /// Whether others would have to wait for this worker.
    fn is_shared(&self) -> bool {
        let snapshot = self.deliveries.ports.roster.snapshot();
        snapshot.on(&self.delivery.topic).iter().filter(|member| member.is_running()).count() > 1
    }

    /// Waits for the event's turn in its lane. In the lot it waits without a place: whoever is before it
    /// may need that one, and tells it when it is done.
    pub(super) async fn take_turn(&self, member: &Member) -> Step<()> {
        let patience = async {
            match self.origin {
                Origin::Bus(_) => self.overtime().await,
                Origin::Parked => {}
            }
        };
        tokio::select! {
            biased;
            () = self.deliveries.lanes.turn(self.worker, &self.lane, &self.turn) => Step::On(()),
            () = patience => Step::End(End::Park(ParkReason::LaneBusy, self.end(member))),
            () = self.closing.cancelled() => Step::End(End::Cut),
        }
    }

    /// Ends when the bus has waited long enough, if the delivery can be parked then.
    pub(super) async fn overtime(&self) {
        match self.origin {
            Origin::Bus(until) => {
                tokio::time::sleep_until(until).await;
                if !self.may_park() {
                    std::future::pending::<()>().await;
                }
            }
            Origin::Parked => std::future::pending().await,
        }
    }

    /// Waits for some time, unless the worker is deleted.
    pub(super) async fn sleep(&self, time: Duration) -> Waited {
        let mut due = pin!(tokio::time::sleep(time));
        let mut changes = self.deliveries.ports.roster.changes();
        loop {
            if self.member().is_none() {
                return Waited::Deleted;
            }
            tokio::select! {
                () = &mut due => return Waited::Over,
                more = self.changed(&mut changes) => {
                    if !more && self.member().is_some() {
                        return Waited::Cut;
                    }
                }
            }
        }
    }

    /// Waits until the worker runs.
    pub(super) async fn running(&self) -> Waited {
        let mut changes = self.deliveries.ports.roster.changes();
        loop {
            match self.member() {
                None => return Waited::Deleted,
                Some(member) if member.is_running() => return Waited::Over,
                Some(_) => {}
            }
            if !self.changed(&mut changes).await && self.member().is_some() {
                return Waited::Cut;
            }
        }
    }

    /// Waits for the roster to change; `false` once the intake closes.
    async fn changed(&self, changes: &mut watch::Receiver<u64>) -> bool {
        tokio::select! {
            changed = changes.changed() => changed.is_ok(),
            () = self.closing.cancelled() => false,
        }
    }
}
