//! Deliveries that are kept for later.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{DeadLetterId, Digest, Timestamp, Topic, WorkerId, document::Document, ports::Collection};

/// Why a delivery is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParkReason {
    /// A retry is due later than the bus waits.
    Retry,
    /// The attempt takes longer than the bus waits.
    Slow,
    /// The worker has no room for another open delivery.
    Busy,
    /// The worker is stopped.
    Stopped,
    /// The version's artefact must be made again.
    ArtefactMissing,
    /// Another member of the group has the lease.
    GroupBusy,
    /// An earlier event of the same lane is not done.
    LaneBusy,
    /// The worker's engine died too often: it gets a pause.
    CircuitOpen,
    /// The reply is known and durable; only its publication is left.
    ReplyPending,
    /// It was a dead letter, and was sent round again.
    Redriven,
}

impl ParkReason {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Slow => "slow",
            Self::Busy => "busy",
            Self::Stopped => "stopped",
            Self::ArtefactMissing => "artefact-missing",
            Self::GroupBusy => "group-busy",
            Self::LaneBusy => "lane-busy",
            Self::CircuitOpen => "circuit-open",
            Self::ReplyPending => "reply-pending",
            Self::Redriven => "redriven",
        }
    }
}

/// A delivery that the bus was told is done, because it is here. Its event's record tells what
/// happened so far; it is deleted when every worker named here is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parked {
    /// The topic the event came on.
    pub topic: Topic,
    /// When the bus accepted it.
    pub accepted_at: Timestamp,
    /// Its place among the events of its topic, as the bus gave it: lanes keep that order.
    pub position: u64,
    /// The event as a structured CloudEvent.
    pub event: String,
    /// Who is not done with it.
    pub workers: BTreeMap<WorkerId, Hold>,
}

/// What one worker's part waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// Why it is parked.
    pub reason: ParkReason,
    /// When to look at it again, at the latest.
    pub until: Timestamp,
    /// The worker's answer, if only its publication is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<PendingReply>,
    /// If it was sent round again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redrive: Option<Redrive>,
}

/// An answer that is durable and not published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingReply {
    /// Where it goes.
    pub topic: Topic,
    /// The reply as a structured CloudEvent.
    pub event: String,
}

/// How a dead letter was sent round again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Redrive {
    /// Which.
    pub dead_letter: DeadLetterId,
    /// When.
    pub at: Timestamp,
    /// Which version runs; without one, the version that is active then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Pinned>,
}

/// A version that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pinned {
    /// Its number.
    pub number: u32,
    /// Its digest.
    pub digest: Digest,
}

impl Document for Parked {
    const COLLECTION: Collection = Collection::Parked;
    const SCHEMA: u32 = 1;
}
