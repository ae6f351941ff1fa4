//! One try to run one worker on one event.

use std::{sync::Arc, time::Duration};

use crate::{AttemptId, Digest, Event, Worker};

/// What varies from attempt to attempt; everything else of a worker is in its version's manifest.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Its id; an answer names it.
    pub id: AttemptId,
    /// Whose code runs.
    pub worker: Arc<Worker>,
    /// The version that runs. Chosen when the attempt begins, so a reload never mixes code.
    pub digest: Digest,
    /// The event.
    pub event: Arc<Event>,
    /// 1, 2, 3, …
    pub number: u32,
    /// The group lease's epoch; 0 without a group.
    pub epoch: u64,
    /// Wall-clock limit, from now.
    pub timeout: Duration,
}

/// Orders deliveries of one worker: those of one lane run one after another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Lane {
    /// No order is asked for.
    None,
    /// By the event's `partitionkey`.
    Key(Box<str>),
}
