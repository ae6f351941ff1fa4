//! The story of one event: ledger, dedupe and `explain` in one record.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    AttemptId, DeadLetterId, Digest, Event, Timestamp, Topic, WorkerId, document::Document, outcome::LogLine,
    ports::Collection,
};

/// Everything that happened to one event, per worker. Its key is (source, id).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventRecord {
    /// The event's source.
    pub source: String,
    /// The event's id.
    pub id: String,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The topic it came on.
    pub topic: Topic,
    /// When the bus accepted it.
    pub accepted_at: Timestamp,
    /// When the last worker was done with it.
    pub finished_at: Option<Timestamp>,
    /// How often it came again when every worker had been done with it, or it was parked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duplicates: u32,
    /// What each worker of the topic did with it.
    pub workers: BTreeMap<WorkerId, Track>,
}

/// Half of a digest's hex digits.
const HALF: usize = 32;

/// One worker's part of an event's story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Track {
    /// The worker's name at that time.
    pub worker: String,
    /// Every attempt, oldest first.
    pub attempts: Vec<AttemptRecord>,
    /// When it was taken up again from a dead letter: attempts before that do not count any more, and
    /// its age counts from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redriven_at: Option<Timestamp>,
    /// Where it stands.
    pub state: TrackState,
}

/// Where one worker stands with one event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "state")]
pub enum TrackState {
    /// Attempts go on; a copy of the event that comes again takes it up.
    Open,
    /// A retry waits for its time in a parked delivery.
    Waiting {
        /// When it is due.
        until: Timestamp,
    },
    /// Kept for later in a parked delivery, and why.
    Parked {
        /// Why.
        reason: crate::parked::ParkReason,
    },
    /// Terminal: the worker is done with it.
    Done {
        /// The reply, if there is one.
        reply: Option<ReplyRecord>,
    },
    /// Terminal: it failed for good.
    DeadLettered {
        /// Why.
        reason: crate::dead_letter::Reason,
        /// Where its bytes are.
        dead_letter: DeadLetterId,
    },
    /// Terminal: not for this worker.
    NotMatched {
        /// Why not.
        reason: MismatchReason,
    },
    /// Terminal: the worker was deleted before it was done.
    WorkerDeleted,
}

impl TrackState {
    /// Whether nothing will happen any more.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        match self {
            Self::Open | Self::Waiting { .. } | Self::Parked { .. } => false,
            Self::Done { .. } | Self::DeadLettered { .. } | Self::NotMatched { .. } | Self::WorkerDeleted => true,
        }
    }
}

/// Why an event is not for a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum MismatchReason {
    /// The filter said no.
    FilterFalse {
        /// The filter.
        filter: String,
    },
    /// The filter could not be evaluated on this event, which is no match.
    FilterFailed {
        /// The filter.
        filter: String,
        /// The evaluator's message.
        message: String,
    },
}

/// A reply that was published, or kept because it has no topic to go to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplyRecord {
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it went.
    pub topic: Option<Topic>,
    /// Without a topic: the reply as a structured event, cut to its first 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// What a reader should know about where it went, as a `replytopic` that is no topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptRecord {
    /// Its id.
    pub id: AttemptId,
    /// 1, 2, 3, …
    pub number: u32,
    /// The version's number.
    pub version: u32,
    /// The version's digest.
    pub digest: Digest,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in microseconds.
    #[serde(rename = "durationUs", with = "micros")]
    pub duration: Duration,
    /// The outcome's code.
    pub outcome: String,
    /// The outcome's message; empty when all went well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The last of its output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_tail: Vec<LogLine>,
}

impl EventRecord {
    /// A fresh record for `event`.
    #[must_use]
    pub fn new(event: &Event, topic: Topic, accepted_at: Timestamp) -> Self {
        Self {
            source: event.source().to_owned(),
            id: event.id().to_owned(),
            kind: event.kind().to_owned(),
            topic,
            accepted_at,
            finished_at: None,
            duplicates: 0,
            workers: BTreeMap::new(),
        }
    }

    /// The key of the record of (source, id): half a digest of each, because neither has a bounded
    /// alphabet. The records of one id are together, whatever their sources.
    #[must_use]
    pub fn key(source: &str, id: &str) -> String {
        let mut key = Self::key_prefix(id);
        key.push_str(&Digest::of(source.as_bytes()).hex()[..HALF]);
        key
    }

    /// What the keys of all records of this id begin with.
    #[must_use]
    pub fn key_prefix(id: &str) -> String {
        let mut prefix = Digest::of(id.as_bytes()).hex();
        prefix.truncate(HALF);
        prefix
    }

    /// Whether every worker is done with it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.workers.values().all(|track| track.state.is_terminal())
    }
}

impl Document for EventRecord {
    const COLLECTION: Collection = Collection::Event;
    const SCHEMA: u32 = 1;
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}
