//! A subscribed topic in memory: what is ready, what is taken, and up to where the table was read.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use workmanager_core_domain::{
    Event, Timestamp, Topic,
    ports::{Delivery, DeliveryToken},
    subscription::Interest,
};

use crate::failure::Failure;

/// How many events wait in memory; the others wait in the table.
pub(crate) const READY: usize = 256;
/// How many bytes of events wait in memory.
pub(crate) const READY_BYTES: usize = 4 << 20;

/// How many events may wait before publishers wait too, so that those who work come to their turn.
pub(crate) const CROWDED: u64 = 10_000;

/// An event that waits for its outcome.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) position: u64,
    pub(crate) accepted_at: Timestamp,
    pub(crate) event: Arc<Event>,
}

/// One topic. Every waiting event up to `cursor` is in `ready`, `returned` or `taken`; those after it
/// are only in the table, and `behind` says that there are some.
#[derive(Debug)]
pub(crate) struct Queue {
    topic: Topic,
    /// What was in the log when the process started may have been delivered before.
    restarted_at: u64,
    state: Mutex<State>,
    wake: Notify,
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Waiting>,
    ready_bytes: usize,
    returned: BTreeMap<u64, Waiting>,
    taken: HashMap<u64, Taken>,
    cursor: u64,
    behind: bool,
    loading: bool,
    failure: Option<Failure>,
    pending: u64,
    live: usize,
    joined: u64,
    ended: bool,
}

#[derive(Debug)]
struct Taken {
    by: u64,
    waiting: Waiting,
}

/// What a subscription finds.
pub(crate) enum Turn {
    /// An event, which is its own until it is acknowledged or the subscription is dropped.
    Delivery(Delivery),
    /// The table could not be read.
    Failed(Failure),
    /// There is more in the table after this position, and nobody reads it yet.
    Behind,
    /// Nothing now.
    Nothing,
    /// The topic was given up.
    Ended,
}

impl Queue {
    /// The queue of a topic that is subscribed now. `position` is the last of the log.
    pub(crate) fn fresh(topic: Topic, position: u64) -> Self {
        let state = State { cursor: position, ..State::default() };
        Self::new(topic, 0, state)
    }

    /// The queue of a topic that was subscribed before the process started.
    pub(crate) fn found(topic: Topic, position: u64, pending: u64) -> Self {
        let state = State { behind: pending > 0, pending, ..State::default() };
        Self::new(topic, position, state)
    }

    fn new(topic: Topic, restarted_at: u64, state: State) -> Self {
        Self { topic, restarted_at, state: Mutex::new(state), wake: Notify::new(), room: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Ends after the next call of [`Queue::offer`] and its like.
    pub(crate) fn wake(&self) -> tokio::sync::futures::Notified<'_> {
        self.wake.notified()
    }

    /// Waits while so many events wait, and somebody takes them, that another would only wait longer.
    pub(crate) async fn room(&self) {
        let is_crowded = || {
            let state = self.state();
            state.live > 0 && state.pending >= CROWDED
        };
        while is_crowded() {
            self.room.notified().await;
        }
    }

    /// How many events wait for an outcome, taken or not.
    pub(crate) fn pending(&self) -> u64 {
        self.state().pending
    }

    /// Whether somebody takes events now.
    pub(crate) fn interest(&self) -> Interest {
        if self.state().live > 0 { Interest::Open } else { Interest::Held }
    }

    /// A new subscription. Returns its number.
    pub(crate) fn join(&self) -> u64 {
        let mut state = self.state();
        state.live += 1;
        state.joined += 1;
        state.joined
    }

    /// The subscription is dropped: what it has taken is there for others again.
    pub(crate) fn leave(&self, subscription: u64) {
        let mut state = self.state();
        let State { taken, returned, .. } = &mut *state;
        for (position, taken) in taken.extract_if(|_, taken| taken.by == subscription) {
            returned.insert(position, taken.waiting);
        }
        state.live -= 1;
        if state.live == 0 {
            state.forget_ready();
            self.room.notify_waiters();
        }
        drop(state);
        self.wake.notify_waiters();
    }

    /// What there is for a subscription.
    pub(crate) fn take(&self, subscription: u64) -> Turn {
        let mut state = self.state();
        if state.ended {
            return Turn::Ended;
        }
        if let Some((_, waiting)) = state.returned.pop_first() {
            return Turn::Delivery(self.hand_out(&mut state, waiting, subscription, true));
        }
        if let Some(waiting) = state.ready.pop_front() {
            state.ready_bytes -= waiting.event.size();
            let redelivered = waiting.position <= self.restarted_at;
            return Turn::Delivery(self.hand_out(&mut state, waiting, subscription, redelivered));
        }
        match state.failure.take() {
            Some(failure) => Turn::Failed(failure),
            None if state.behind && !state.loading => Turn::Behind,
            None => Turn::Nothing,
        }
    }

    fn hand_out(&self, state: &mut State, waiting: Waiting, subscription: u64, redelivered: bool) -> Delivery {
        let delivery = Delivery {
            token: DeliveryToken(waiting.position),
            topic: self.topic.clone(),
            event: waiting.event.clone(),
            accepted_at: waiting.accepted_at,
            redelivered,
        };
        state.taken.insert(waiting.position, Taken { by: subscription, waiting });
        delivery
    }

    /// A fresh event is durable. It waits here if there is room and nothing older waits in the table.
    pub(crate) fn offer(&self, waiting: Waiting) {
        let mut state = self.state();
        state.pending += 1;
        if waiting.position > state.cursor {
            let full = state.ready.len() >= READY || state.ready_bytes >= READY_BYTES;
            if full || state.behind || state.loading || state.live == 0 {
                state.behind = true;
            } else {
                state.push(waiting);
            }
        }
        drop(state);
        self.wake.notify_waiters();
    }

    /// An event has its outcome. One that was not pending any more is not told here.
    pub(crate) fn acknowledge(&self, position: u64) {
        let mut state = self.state();
        state.pending = state.pending.saturating_sub(1);
        if state.taken.remove(&position).is_none() && state.returned.remove(&position).is_none() {
            state.withdraw(position);
        }
        if state.pending < CROWDED {
            self.room.notify_one();
        }
    }

    /// Whether little is ready, and more waits in the table that nobody reads yet.
    pub(crate) fn runs_low(&self) -> bool {
        let state = self.state();
        state.behind && !state.loading && state.ready.len() < READY / 2
    }

    /// Starts reading the table: the position to read after, or `None` if somebody reads already.
    pub(crate) fn begin_loading(&self) -> Option<u64> {
        let mut state = self.state();
        if state.loading || !state.behind {
            return None;
        }
        state.loading = true;
        // Whatever is published from now on may be missing in what is read.
        state.behind = false;
        Some(state.cursor)
    }

    /// Ends reading the table after the position that [`Queue::begin_loading`] gave.
    pub(crate) fn end_loading(&self, after: u64, loaded: Result<Page, Failure>) {
        let mut state = self.state();
        state.loading = false;
        match loaded {
            // Everybody left meanwhile: what was ready is to be read again, and comes before this.
            Ok(_) if state.cursor != after => state.behind = true,
            Ok(page) => {
                state.behind |= page.more;
                page.waiting.into_iter().for_each(|waiting| state.push(waiting));
                // Beyond the last one that could be read.
                state.cursor = page.read_to;
                if state.live == 0 {
                    state.forget_ready();
                }
            }
            Err(failure) => {
                state.behind = true;
                state.failure = Some(failure);
            }
        }
        drop(state);
        self.wake.notify_waiters();
    }

    /// The topic is given up.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        *state = State { ended: true, live: state.live, joined: state.joined, ..State::default() };
        drop(state);
        self.wake.notify_waiters();
        self.room.notify_waiters();
    }
}

/// Waiting events as read from the table.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// In the order of positions.
    pub(crate) waiting: Vec<Waiting>,
    /// The last position that was looked at, readable or not.
    pub(crate) read_to: u64,
    /// Whether there may be more.
    pub(crate) more: bool,
}

impl State {
    fn push(&mut self, waiting: Waiting) {
        self.cursor = waiting.position;
        self.ready_bytes += waiting.event.size();
        self.ready.push_back(waiting);
    }

    /// Nobody listens: the table keeps what is ready as well.
    fn forget_ready(&mut self) {
        if let Some(first) = self.ready.front() {
            self.cursor = first.position - 1;
            self.behind = true;
            self.ready.clear();
            self.ready_bytes = 0;
        }
    }

    fn withdraw(&mut self, position: u64) {
        if let Ok(at) = self.ready.binary_search_by_key(&position, |waiting| waiting.position)
            && let Some(waiting) = self.ready.remove(at)
        {
            self.ready_bytes -= waiting.event.size();
        }
    }
}

#[cfg(test)]
mod tests;
