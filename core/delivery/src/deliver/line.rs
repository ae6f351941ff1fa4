//! A delivery's places in the lanes of its workers.

use std::sync::Arc;

use workmanager_core_domain::{WorkerId, attempt::Lane, ports::Delivery};

use super::Deliveries;
use crate::lanes::{self, Turn};

/// Where a delivery stands in line. Dropped, it leaves every line that it was not left in.
pub(super) struct Line<'d> {
    deliveries: &'d Deliveries,
    turn: Turn,
    /// Whether it comes from the bus: what waits in the lot has the same turn, and keeps it.
    is_of_bus: bool,
    places: Vec<(WorkerId, Lane)>,
}

impl Deliveries {
    /// Stands in line for every worker that may want the event in order. Waits for nothing, so that
    /// deliveries stand in the order in which they were taken.
    pub(super) fn stand_in_line(&self, delivery: &Delivery, is_of_bus: bool) -> Line<'_> {
        let snapshot = self.ports.roster.snapshot();
        let (accepted_at, position) = (delivery.accepted_at, delivery.token.0);
        let turn = Turn { accepted_at, position, id: None };
        let mut line = Line { deliveries: self, turn, is_of_bus, places: Vec::new() };
        for member in snapshot.on(&delivery.topic) {
            let lane = lanes::lane(&member.worker, &delivery.event);
            if lane != Lane::None {
                let id = || Arc::from(&*self.lot.key(&delivery.topic, &delivery.event).id);
                line.turn.id.get_or_insert_with(id);
                self.lanes.enter(member.worker.id, &lane, &line.turn);
                line.places.push((member.worker.id, lane));
            }
        }
        line
    }
}

impl Line<'_> {
    pub(super) const fn turn(&self) -> &Turn {
        &self.turn
    }

    /// Leaves the lines of those that do not take part.
    pub(super) fn retain(&mut self, takes_part: impl Fn(WorkerId) -> bool) {
        let Self { deliveries, turn, is_of_bus, places } = self;
        for (worker, lane) in places.extract_if(.., |(worker, _)| !takes_part(*worker)) {
            let is_parked = *is_of_bus && turn.id.as_ref().is_some_and(|id| deliveries.lot.waits_for(id, worker));
            if !is_parked {
                deliveries.leave(worker, &lane, turn);
            }
        }
    }

    /// Stays in the line of a worker after the delivery has ended here: it goes on in the lot.
    pub(super) fn stay(&mut self, worker: WorkerId) {
        self.places.retain(|(place, _)| *place != worker);
    }
}

impl Deliveries {
    /// Leaves a line, and tells whose turn it is.
    fn leave(&self, worker: WorkerId, lane: &Lane, turn: &Turn) {
        if let Some(Turn { id: Some(id), .. }) = self.lanes.leave(worker, lane, turn) {
            self.lot.unblock(&id, worker);
        }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.retain(|_| false);
    }
}
