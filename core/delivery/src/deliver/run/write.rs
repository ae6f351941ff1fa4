//! What a delivery writes next.

use std::{collections::BTreeMap, future::Future, pin::Pin};

use workmanager_core_domain::{
    WorkerId,
    event_record::TrackState,
    parked::{Hold, ParkReason},
};

use super::{Mistake, Progress, Run};
use crate::deliver::{
    Ending,
    berth::{Left, Stored},
    ledger::Found,
    settle::{Closing, Settled},
};
use crate::record;

/// What a write to the store, or a read before one, came to.
pub(in crate::deliver) enum Written {
    Settled(Result<Settled, Closing>),
    Read(Result<(Option<Found>, Option<Stored>), Closing>),
}

pub(super) type Writing<'d> = Pin<Box<dyn Future<Output = Written> + Send + 'd>>;

/// A settlement.
pub(in crate::deliver) struct Write {
    pub(in crate::deliver) kind: Kind,
    /// What becomes of the parked delivery, if it is touched.
    pub(in crate::deliver) left: Option<Left>,
    /// The legs whose leases guard it.
    pub(in crate::deliver) guarded: Vec<usize>,
}

/// What a settlement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::deliver) enum Kind {
    /// Some of it is done, the rest goes on.
    Progress,
    /// Some of it goes on here, and the bus does not wait for it any more.
    Transfer,
    /// What is left goes on in the lot.
    Park,
    /// All is done.
    End,
}

impl<'d> Run<'d> {
    /// What there is to write now.
    fn kind(&self, is_late: bool) -> Option<Kind> {
        let any = |progress| self.legs.iter().any(|leg| leg.progress() == progress);
        if self.ending.is_some() {
            None
        } else if !any(Progress::Under) {
            Some(if any(Progress::Resting) { Kind::Park } else { Kind::End })
        } else if is_late && !self.berth.is_parked && !self.closing.is_cancelled() && self.deliveries.lot.has_room() {
            Some(Kind::Transfer)
        } else {
            self.ledger.is_changed().then_some(Kind::Progress)
        }
    }

    /// The next write, if there is something to write.
    pub(super) fn next_write(&mut self, is_late: bool) -> Result<Option<Writing<'d>>, Mistake> {
        let Some(kind) = self.kind(is_late) else { return Ok(None) };
        self.mark(kind);
        let needs_record = self.ledger.is_stale() && self.ledger.is_changed();
        let needs_berth = self.berth.is_unknown() && kind != Kind::Progress;
        if needs_record || needs_berth {
            return Ok(Some(self.read(needs_record, needs_berth)));
        }
        let Self { deliveries, delivery, closing, .. } = *self;
        let mut settlement = self.ledger.settle(deliveries.ports.clock.now())?;
        let guarded: Vec<_> = (0..self.legs.len()).filter(|leg| self.legs[*leg].lease.is_some()).collect();
        settlement
            .guards
            .extend(guarded.iter().filter_map(|leg| self.legs[*leg].lease.as_ref()).map(|held| held.guard.clone()));
        let left = match kind {
            Kind::Progress => None,
            // Unless it was parked after all, by a write whose answer was lost.
            Kind::End if !self.berth.is_parked && self.berth.is_empty() => None,
            Kind::Transfer | Kind::Park | Kind::End => {
                let holds = self.holds();
                let Self { legs, ledger, berth, .. } = self;
                let ours = |worker: &WorkerId, hold: &Hold| {
                    legs.iter().any(|leg| leg.id == *worker && leg.redrive == hold.redrive)
                        || record::is_done(&ledger.record, *worker, hold)
                };
                Some(berth.leave(&deliveries.lot, &mut settlement, delivery, holds, ours)?)
            }
        };
        // What the parked delivery expects was read at another time.
        settlement.seen_at = settlement.seen_at.filter(|_| left.is_none());
        if kind != Kind::Progress && !self.berth.is_parked {
            settlement.ack = Some(delivery.token);
        }
        self.under_way = Some(Write { kind, left, guarded });
        Ok(Some(Box::pin(async move {
            Written::Settled(deliveries.settle(settlement, delivery.event.id(), closing).await)
        })))
    }

    /// Reads what somebody else has changed, or may have.
    fn read(&mut self, record: bool, berth: bool) -> Writing<'d> {
        let Self { deliveries, closing, conflicts, .. } = *self;
        let key = self.ledger.key.clone();
        let parked = berth.then(|| self.berth.key(&deliveries.lot, self.delivery));
        Box::pin(async move {
            if conflicts > 0
                && let Err(closing) = deliveries.again(conflicts - 1, closing).await
            {
                return Written::Read(Err(closing));
            }
            let read = async {
                let found = if record { Some(deliveries.read(&key, closing).await?) } else { None };
                let stored = match &parked {
                    Some(key) => Some(deliveries.read_parked(key, closing).await?),
                    None => None,
                };
                Ok((found, stored))
            };
            Written::Read(read.await)
        })
    }

    /// What the legs that are not over wait for in the lot.
    fn holds(&self) -> BTreeMap<WorkerId, Hold> {
        let deliveries = self.deliveries;
        let slow = deliveries.ports.clock.now();
        let hold = |leg: &super::Leg| match leg.progress() {
            Progress::Over => None,
            Progress::Resting => leg.rest.clone(),
            Progress::Under => {
                let until = slow.plus(leg.worker.limits.timeout.0.saturating_add(deliveries.settings.slack));
                Some(Hold { reason: ParkReason::Slow, until, reply: None, redrive: leg.redrive })
            }
        };
        self.legs.iter().filter_map(|leg| Some((leg.id, hold(leg)?))).collect()
    }

    /// Says in the record where each leg goes on: a copy from the bus must not take up what goes on in
    /// the lot, and must take up what does not.
    fn mark(&mut self, kind: Kind) {
        let is_parked = self.berth.is_parked || matches!(kind, Kind::Transfer | Kind::Park);
        for leg in &self.legs {
            let reason = leg.rest.as_ref().map_or(ParkReason::Slow, |hold| hold.reason);
            // Somebody else may have written its outcome while its attempt runs here.
            let is_over = self.ledger.is_over(leg.id) && reason != ParkReason::ReplyPending;
            if is_over || leg.progress() == Progress::Over {
                continue;
            }
            let state = match &leg.rest {
                _ if !is_parked => TrackState::Open,
                Some(Hold { reason: ParkReason::Retry, until, .. }) => TrackState::Waiting { until: *until },
                Some(_) | None => TrackState::Parked { reason },
            };
            self.ledger.mark(leg.id, state);
        }
    }

    /// What the delivery has come to, with the settlement that is durable now.
    pub(in crate::deliver) fn arrived(&mut self, write: Write) {
        let lot = &self.deliveries.lot;
        let key = self.berth.key_if_known();
        for leg in write.guarded {
            self.legs[leg].lease = None;
        }
        match (write.kind, &write.left, key) {
            (Kind::Transfer, _, Some(key)) => lot.keep_running(key),
            (_, Some(Left::There(parked)), Some(key)) => {
                lot.keep(key, parked, self.deliveries.clocks());
                // The one before it may have been done while it was being parked.
                let is_turn = |leg: &&super::Leg| self.deliveries.lanes.is_turn(leg.id, &leg.lane, &self.turn);
                self.legs.iter().filter(is_turn).for_each(|leg| lot.unblock(&key.id, leg.id));
            }
            (_, Some(Left::Gone), Some(key)) => lot.release(key),
            (_, None, _) | (_, _, None) => {}
        }
        match write.kind {
            Kind::Progress => {}
            Kind::Transfer => {
                self.berth.is_parked = true;
                self.berth.forget();
            }
            Kind::Park => self.ending = Some(Ending::Parked),
            Kind::End => self.ending = Some(Ending::Acknowledged),
        }
    }
}
