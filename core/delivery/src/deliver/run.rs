//! One delivery: its workers side by side, and one settlement after another.

use std::{future::Future, pin::Pin, sync::Arc};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio_util::sync::CancellationToken;
use workmanager_core_domain::{
    EventRecord, Worker, WorkerId,
    event::InvalidEvent,
    event_record::{Track, TrackState},
    ports::{Collection, Delivery, Key},
};

use super::{
    Deliveries, Ending, Pending,
    ledger::{Found, Ledger},
    settle::{Closing, Settled},
    stage::{End, Stage},
};
use crate::{
    plan::{Decision, Planned, plan},
    policy::Tries,
    record,
    state::{IllegalStep, State},
};

/// A mistake in our own code.
#[derive(Debug, thiserror::Error)]
pub(super) enum Mistake {
    #[error(transparent)]
    Step(#[from] IllegalStep),
    #[error("the event's record cannot be written as JSON: {0}")]
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
}

impl Leg {
    /// Whether only durability is left.
    const fn is_over(&self) -> bool {
        self.state.is_terminal() || matches!(self.state, State::ReplyPending { .. })
    }
}

/// What follows for a leg.
pub(super) enum Next {
    /// Another stage.
    Stage,
    /// It is over, or waits for the event to come again.
    Nothing,
}

/// What a write to the store, or a read before one, came to.
enum Written {
    Settled(Result<Settled, Closing>),
    Read(Result<Found, Closing>),
}

type Writing<'d> = Pin<Box<dyn Future<Output = Written> + Send + 'd>>;

/// A delivery under way.
pub(super) struct Run<'d> {
    pub(super) deliveries: &'d Deliveries,
    pub(super) delivery: &'d Delivery,
    closing: &'d CancellationToken,
    pub(super) ledger: Ledger,
    pub(super) legs: Vec<Leg>,
    /// How often in a row somebody else was faster.
    pub(super) conflicts: u32,
    pub(super) acknowledgement: Acknowledgement,
}

/// How far the acknowledgement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acknowledgement {
    NotYet,
    UnderWay,
    Durable,
}

/// Makes a delivery that is the only one of its event.
pub(super) async fn run(
    deliveries: &Deliveries,
    delivery: &Delivery,
    key: &str,
    closing: &CancellationToken,
) -> Result<Ending, Mistake> {
    let key = Key::new(Collection::Event, key);
    let Ok(found) = deliveries.read(&key, closing).await else { return Ok(Ending::Pending(Pending::Closing)) };
    let known = matches!(found, Found::Record(..));
    let fresh = EventRecord::new(&delivery.event, delivery.topic.clone(), delivery.accepted_at);
    let ledger = Ledger::new(key, fresh, found);
    let acknowledgement = Acknowledgement::NotYet;
    let mut run = Run { deliveries, delivery, closing, ledger, legs: Vec::new(), conflicts: 0, acknowledgement };
    if !run.prepare() {
        return Ok(Ending::Pending(Pending::NobodyRuns));
    }
    let is_duplicate = known && run.legs.is_empty() && !run.ledger.is_changed();
    run.go().await?;
    Ok(match run.acknowledgement {
        Acknowledgement::Durable if is_duplicate => Ending::Duplicate,
        Acknowledgement::Durable => Ending::Acknowledged,
        Acknowledgement::NotYet | Acknowledgement::UnderWay => Ending::Pending(Pending::Closing),
    })
}

impl<'d> Run<'d> {
    /// Decides who gets the event, and where each goes on. Says whether anybody is there at all.
    fn prepare(&mut self) -> bool {
        let snapshot = self.deliveries.ports.roster.snapshot();
        let planned = plan(&self.delivery.event, snapshot.on(&self.delivery.topic));
        let known = |id| self.ledger.record.workers.contains_key(&id);
        if !planned.iter().any(|Planned { member, .. }| member.is_running() || known(member.worker.id)) {
            return false;
        }
        let mut has_news = false;
        for Planned { member, decision } in planned {
            let (id, worker) = (member.worker.id, member.worker.clone());
            let state = match (self.ledger.record.workers.get(&id), decision) {
                // What was decided earlier stays decided, also for a worker that is stopped now.
                (Some(track), _) => record::resume(track),
                (None, Decision::Matched { .. }) => {
                    self.ledger.record.workers.insert(id, record::open(&worker));
                    Some(State::Matched { tries: Tries::default() })
                }
                (None, Decision::NotMatched(reason)) => {
                    let state = TrackState::NotMatched { reason };
                    self.ledger.record.workers.insert(id, Track { state, ..record::open(&worker) });
                    has_news = true;
                    None
                }
                // Nothing is kept for a stopped worker yet.
                (None, Decision::Parked(_)) => None,
            };
            self.legs.extend(state.map(|state| Leg { id, worker, state }));
        }
        has_news |= self.ledger.close(|id| snapshot.get(*id).is_none());
        // Otherwise the first outcome takes the news along.
        if has_news && self.legs.is_empty() {
            self.ledger.touch();
        }
        true
    }

    fn stage(&self, leg: usize) -> impl Future<Output = (usize, Result<(State, End), IllegalStep>)> + use<'d> {
        let Self { deliveries, delivery, closing, .. } = *self;
        let Leg { id: worker, state, .. } = &self.legs[leg];
        let (stage, state) = (Stage { deliveries, delivery, worker: *worker, closing }, state.clone());
        async move { (leg, stage.run(state).await) }
    }

    /// Runs every leg to its end, and makes durable what ends.
    async fn go(&mut self) -> Result<(), Mistake> {
        let mut stages: FuturesUnordered<_> = (0..self.legs.len()).map(|leg| self.stage(leg)).collect();
        let mut writing: Option<Writing<'d>> = None;
        loop {
            if writing.is_none() {
                writing = self.next_write()?;
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
                else => return Ok(()),
            };
            writing = None;
            match written {
                Written::Settled(Ok(Settled::Durable)) => self.settled()?,
                Written::Settled(Ok(Settled::Conflict)) => self.conflicted(),
                Written::Read(Ok(found)) => self.reread(found)?,
                // Attempts that run go to their end; nothing of them can be kept.
                Written::Settled(Err(Closing)) | Written::Read(Err(Closing)) => {
                    while stages.next().await.is_some() {}
                    return Ok(());
                }
            }
        }
    }

    /// The next write, if there is something to write.
    fn next_write(&mut self) -> Result<Option<Writing<'d>>, Mistake> {
        let is_over = self.legs.iter().all(Leg::is_over);
        if self.acknowledgement == Acknowledgement::Durable || !(is_over || self.ledger.is_changed()) {
            return Ok(None);
        }
        let Self { deliveries, delivery, closing, conflicts, .. } = *self;
        if self.ledger.is_stale() && self.ledger.is_changed() {
            let key = self.ledger.key.clone();
            return Ok(Some(Box::pin(async move {
                if conflicts > 0
                    && let Err(closing) = deliveries.again(conflicts - 1, closing).await
                {
                    return Written::Read(Err(closing));
                }
                Written::Read(deliveries.read(&key, closing).await)
            })));
        }
        let ack = is_over.then_some(delivery.token);
        if is_over {
            self.acknowledgement = Acknowledgement::UnderWay;
        }
        let settlement = self.ledger.settle(deliveries.ports.clock.now(), ack)?;
        Ok(Some(Box::pin(async move {
            Written::Settled(deliveries.settle(settlement, delivery.event.id(), closing).await)
        })))
    }
}

/// What is being written, once it is; never if nothing is.
async fn next(writing: &mut Option<Writing<'_>>) -> Option<Written> {
    match writing {
        Some(writing) => Some(writing.await),
        None => None,
    }
}
