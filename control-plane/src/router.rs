//! From the bus to the functions and back: one subscription per topic that somebody takes, opened and
//! closed as workers start and stop.

mod board;
mod topic;

use std::{sync::Arc, time::Duration};

pub use board::{Board, LoadFailure};
pub use topic::{IntakeState, TopicState};
use workmanager_core_delivery::{Roster, Target};
use workmanager_core_domain::{
    ErrorKind, Topic,
    ports::{Bus, Clock, Ids, Records},
};
use workmanager_core_kit::Tasks;

use crate::feed::Feed;

/// What the router works with.
#[derive(Clone)]
pub struct Parts {
    /// Where events come from and replies go.
    pub bus: Arc<dyn Bus>,
    /// Where event records are kept.
    pub records: Arc<dyn Records>,
    /// Where workers run.
    pub target: Arc<dyn Target>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub ids: Arc<dyn Ids>,
    /// The workers.
    pub roster: Arc<Roster>,
    /// Who watches.
    pub feed: Feed,
}

/// A topic whose subscription is not as the workers want it to be.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("topic `{topic}` cannot be subscribed to now: {reason}")]
pub struct NotSettled {
    /// Which.
    pub topic: Topic,
    /// What was seen last.
    pub reason: String,
}

impl NotSettled {
    /// What a caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "topic-unavailable"
    }
}

/// The router. Cloning shares it.
#[derive(Clone)]
pub struct Router {
    board: Arc<Board>,
}

impl Router {
    /// Starts taking events for every running worker of the roster, now and as it changes, until
    /// `tasks` stop. Then nothing new is taken, and attempts in flight go to their end; what is not
    /// done when `tasks` are no longer waited for stays on the bus.
    #[must_use]
    pub fn start(parts: Parts, tasks: &Tasks) -> Self {
        let _ = (parts, tasks);
        Self { board: Arc::default() }
    }

    /// Waits until the subscriptions of `topics` are as the roster wants them at the time of the call,
    /// so that an event that is published afterwards is not missed.
    ///
    /// # Errors
    /// Not so within `wait`.
    pub async fn settled(&self, topics: &[Topic], wait: Duration) -> Result<(), NotSettled> {
        let _ = (topics, wait);
        Ok(())
    }

    /// Every topic that some worker owns, as it is taken here.
    #[must_use]
    pub fn topics(&self) -> Vec<TopicState> {
        Vec::new()
    }

    /// What was last seen of each worker's code.
    #[must_use]
    pub const fn board(&self) -> &Arc<Board> {
        &self.board
    }
}
