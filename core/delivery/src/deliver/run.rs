//! One delivery: its workers side by side, and one settlement after another.

mod prepare;
mod write;

use std::{future::Future, sync::Arc};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use workmanager_core_domain::{
    Worker, WorkerId,
    attempt::Lane,
    event::InvalidEvent,
    parked::{Hold, Redrive},
    ports::Delivery,
};
use write::{Write, Writing, Written};

use super::{
    Deliveries, Ending, Pending,
    berth::Berth,
    ledger::Ledger,
    settle::{Closing, Settled},
    stage::{End, Origin, Stage},
};
use crate::{
    lanes::Turn,
    leases::Held,
    state::{IllegalStep, State},
};

/// A mistake in our own code.
#[derive(Debug, thiserror::Error)]
pub(super) enum Mistake {
    #[error(transparent)]
    Step(#[from] IllegalStep),
    #[error("a record cannot be written as JSON: {0}")]
    Encode(#[from] serde_json::Error),
    #[error("the event cannot be written as a structured event: {0}")]
    Event(#[from] InvalidEvent),
}

/// One worker's part.
pub(super) struct Leg {
    pub(super) id: WorkerId,
    /// As it was when its last attempt began.
    pub(super) worker: Arc<Worker>,
    pub(super) state: State,
    /// What it waits for in the lot, if it goes on there.
    pub(super) rest: Option<Hold>,
    /// How it was sent round again, if it was.
    pub(super) redrive: Option<Redrive>,
    pub(super) lane: Lane,
    /// Its group's lease, until its outcome is durable.
    pub(super) lease: Option<Held>,
}

/// How far a leg is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It waits for its slot, or its attempt runs.
    Under,
    /// It goes on in the lot.
    Resting,
    /// Only durability is left.
    Over,
}

impl Leg {
    pub(super) const fn progress(&self) -> Progress {
        if self.rest.is_some() {
            Progress::Resting
        } else if self.state.is_terminal() || matches!(self.state, State::ReplyPending { .. }) {
            Progress::Over
        } else {
            Progress::Under
        }
    }
}

/// What follows for a leg.
pub(super) enum Next {
    /// Another stage.
    Stage,
    /// It is over, rests, or waits for the event to come again.
    Nothing,
}

/// A delivery under way.
pub(super) struct Run<'d> {
    pub(super) deliveries: &'d Deliveries,
    pub(super) delivery: &'d Delivery,
    pub(super) closing: &'d CancellationToken,
    pub(super) turn: Turn,
    /// Until when the bus waits.
    pub(super) until: Instant,
    pub(super) ledger: Ledger,
    pub(super) berth: Berth,
    pub(super) legs: Vec<Leg>,
    /// How often in a row somebody else was faster.
    pub(super) conflicts: u32,
    /// What is being written.
    pub(super) under_way: Option<Write>,
    /// How it ended, once that is durable.
    pub(super) ending: Option<Ending>,
}

impl<'d> Run<'d> {
    fn stage(&self, leg: usize) -> impl Future<Output = (usize, Result<(State, End), IllegalStep>)> + use<'d> {
        let Self { deliveries, delivery, closing, .. } = *self;
        let Leg { id: worker, state, redrive, lane, .. } = &self.legs[leg];
        let stage = Stage {
            deliveries,
            delivery,
            worker: *worker,
            closing,
            origin: if self.berth.is_parked { Origin::Parked } else { Origin::Bus(self.until) },
            redrive: *redrive,
            lane: lane.clone(),
            turn: self.turn.clone(),
        };
        let state = state.clone();
        async move { (leg, stage.run(state).await) }
    }

    /// Runs every leg to its end, and makes durable what ends.
    pub(super) async fn go(&mut self) -> Result<Ending, Mistake> {
        let under = |leg: &usize| self.legs[*leg].progress() == Progress::Under;
        let mut stages: FuturesUnordered<_> = (0..self.legs.len()).filter(under).map(|leg| self.stage(leg)).collect();
        let mut overtime = std::pin::pin!(tokio::time::sleep_until(self.until));
        let mut is_late = self.berth.is_parked;
        let mut writing: Option<Writing<'d>> = None;
        loop {
            if writing.is_none() {
                writing = self.next_write(is_late)?;
            }
            let written = tokio::select! {
                Some((leg, ended)) = stages.next(), if !stages.is_empty() => {
                    let (state, end) = ended?;
                    self.legs[leg].state = state;
                    match self.ended(leg, end)? {
                        Next::Stage => stages.push(self.stage(leg)),
                        Next::Nothing => {}
                    }
                    continue;
                }
                Some(written) = next(&mut writing) => written,
                () = &mut overtime, if !is_late && !stages.is_empty() => {
                    is_late = true;
                    continue;
                }
                else => return Ok(self.ending.unwrap_or(Ending::Pending(Pending::Closing))),
            };
            writing = None;
            match written {
                Written::Settled(Ok(Settled::Durable)) => self.settled()?,
                Written::Settled(Ok(Settled::NotPublished)) => self.hold_back()?,
                Written::Settled(Ok(Settled::Conflict(key))) if self.is_fenced(&key) => {
                    return Ok(Ending::Pending(Pending::Fenced));
                }
                Written::Settled(Ok(Settled::Conflict(_))) => self.conflicted(),
                Written::Read(Ok((found, stored))) => self.reread(found, stored)?,
                // Attempts that run go to their end; nothing of them can be kept.
                Written::Settled(Err(Closing)) | Written::Read(Err(Closing)) => {
                    while stages.next().await.is_some() {}
                    return Ok(Ending::Pending(Pending::Closing));
                }
            }
        }
    }

    /// Whether another replica has taken a group's lease over: what ended here does not count.
    fn is_fenced(&self, key: &str) -> bool {
        let lost =
            self.legs.iter().filter(|leg| leg.lease.as_ref().is_some_and(|held| held.guard.0.to_string() == key));
        let groups = lost.filter_map(|leg| leg.worker.group.as_ref());
        groups.map(|group| self.deliveries.leases.lost(group)).count() > 0
    }
}

/// What is being written, once it is; never if nothing is.
async fn next(writing: &mut Option<Writing<'_>>) -> Option<Written> {
    match writing {
        Some(writing) => Some(writing.await),
        None => None,
    }
}
