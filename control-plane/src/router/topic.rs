//! What is shown of a topic.

use workmanager_core_domain::{Timestamp, Topic};

/// How far the subscription of a topic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IntakeState {
    /// Being opened.
    Opening,
    /// Events are taken.
    Open,
    /// The bus refused; it is tried again.
    Failing,
    /// Every worker is stopped: the bus keeps the events.
    Closed,
}

impl IntakeState {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Open => "open",
            Self::Failing => "failing",
            Self::Closed => "closed",
        }
    }
}

/// A topic as this process takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    /// Which.
    pub topic: Topic,
    /// How far its subscription is.
    pub state: IntakeState,
    /// Since when it is in that state.
    pub since: Timestamp,
    /// The bus's last error, while `Failing`.
    pub error: Option<String>,
    /// Deliveries that have no outcome yet.
    pub in_flight: u64,
    /// Deliveries taken since this process started, duplicates included.
    pub accepted_total: u64,
    /// Deliveries acknowledged since this process started.
    pub acknowledged_total: u64,
    /// Of those, duplicates of events that were done already.
    pub duplicates_total: u64,
}
