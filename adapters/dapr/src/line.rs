//! Where each stream stands, for those who wait for it and for those who look at the numbers.

use metrics::{Gauge, Unit, describe_counter, describe_gauge, gauge};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::status::Failure;

/// Streams by `state`.
const STREAMS: &str = "workmanager_dapr_streams";

/// Events that came too late.
pub(crate) const EXPIRED: &str = "workmanager_dapr_expired_total";

/// Tells the recorder what the number means.
pub(crate) fn describe() {
    describe_counter!(EXPIRED, Unit::Count, "Events that came after their expiration and were dropped");
    describe_gauge!(STREAMS, Unit::Count, "Streams of topics and of the redo topic, by state: opening, open, failed");
}

/// Where a stream stands.
#[derive(Debug, Clone)]
pub(crate) enum State {
    /// Not yet there.
    Opening,
    /// Events come.
    Open,
    /// It has ended, or could not be opened; the next try is under way.
    Failed(Failure),
}

impl State {
    fn count(&self) -> Gauge {
        let state = match self {
            Self::Opening => "opening",
            Self::Open => "open",
            Self::Failed(_) => "failed",
        };
        gauge!(STREAMS, "state" => state)
    }
}

/// A stream's life.
#[derive(Debug)]
pub(crate) struct Line {
    /// Ends the stream.
    pub(crate) stop: CancellationToken,
    /// Has it end and opened again.
    pub(crate) again: Notify,
    state: watch::Sender<State>,
}

impl Line {
    /// A stream that is not there yet.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        let state = State::Opening;
        state.count().increment(1);
        Self { stop, again: Notify::new(), state: watch::Sender::new(state) }
    }

    /// Where it stands, from now on.
    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Says where it stands now; returns where it stood.
    pub(crate) fn moved(&self, to: State) -> State {
        to.count().increment(1);
        let from = self.state.send_replace(to);
        from.count().decrement(1);
        from
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.state.borrow().count().decrement(1);
    }
}
