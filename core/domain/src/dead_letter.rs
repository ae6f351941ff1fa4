//! Events that failed for good, kept until someone looks.

use serde::{Deserialize, Serialize};

use crate::{
    DeadLetterId, Timestamp, Topic, WorkerId, document::Document, event_record::AttemptRecord, ports::Collection,
};

/// Why an event is dead; the codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// `limits.maxAttempts` failed.
    AttemptsExhausted,
    /// The worker's failure says that a retry is useless.
    NotRetryable,
    /// `limits.maxAge` passed.
    TooOld,
    /// The event came round too often.
    Loop,
    /// More events than a stopped worker keeps.
    BacklogOverflow,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::AttemptsExhausted, Self::NotRetryable, Self::TooOld, Self::Loop, Self::BacklogOverflow];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AttemptsExhausted => "attempts-exhausted",
            Self::NotRetryable => "not-retryable",
            Self::TooOld => "too-old",
            Self::Loop => "loop",
            Self::BacklogOverflow => "backlog-overflow",
        }
    }
}

/// One dead event of one worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Its id.
    pub id: DeadLetterId,
    /// Whose delivery failed.
    pub worker: WorkerId,
    /// The topic the event came on.
    pub topic: Topic,
    /// Why.
    pub reason: Reason,
    /// The last outcome's message.
    pub message: String,
    /// When it was given up.
    pub at: Timestamp,
    /// The event as a structured CloudEvent, so that it can be delivered again.
    pub event: String,
    /// Every attempt, oldest first.
    pub attempts: Vec<AttemptRecord>,
}

impl Document for DeadLetter {
    const COLLECTION: Collection = Collection::DeadLetter;
    const SCHEMA: u32 = 1;
}
