//! A worker's definition.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Digest, GroupName, Limits, Timestamp, Topic, WorkerId, WorkerName,
    document::Document,
    ports::Collection,
    version::{EngineSettings, MimeType},
};

/// Most tags a worker has.
pub const MAX_TAGS: usize = 50;
/// Longest tag key, in characters.
pub const MAX_TAG_KEY: usize = 128;
/// Longest tag value, in characters.
pub const MAX_TAG_VALUE: usize = 1024;

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Desired {
    /// Take events.
    Running,
    /// Take none; the backlog is kept.
    Stopped,
}

/// Where a worker's processes live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Isolation {
    /// In the engine's shared function pool, each in its own process.
    #[default]
    Shared,
    /// In a function container of its own.
    Dedicated,
}

/// Whether events are handled in the order in which they came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ordering {
    /// No order is promised.
    #[default]
    None,
    /// Those with the same `partitionkey` one after another; one that fails holds back only these.
    PartitionKey,
}

/// A worker's definition: everything a user can set, and which version is active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Worker {
    /// Its id.
    pub id: WorkerId,
    /// Its unique name.
    pub name: WorkerName,
    /// The kind of its code; never changes.
    pub mime_type: MimeType,
    /// The topics whose events it gets; at least one, none twice.
    pub topics: Vec<Topic>,
    /// CEL over `event`; no filter takes all.
    pub filter: Option<String>,
    /// Mutual exclusion with the other members.
    pub group: Option<GroupName>,
    /// Where replies go unless the event's `replytopic` says otherwise.
    pub reply_topic: Option<Topic>,
    /// Extension attributes for every event.
    pub config: BTreeMap<String, String>,
    /// For people and filters; the engine never sees them.
    pub tags: BTreeMap<String, String>,
    /// How the engine treats the code.
    pub engine: EngineSettings,
    /// Where its processes live.
    pub isolation: Isolation,
    /// Which of its events keep their order.
    #[serde(default)]
    pub ordering: Ordering,
    /// What it may use.
    pub limits: Limits,
    /// What the user asked for.
    pub desired: Desired,
    /// Whether it ever ran: only then it owns its topics' events.
    pub started_once: bool,
    /// The active version's number.
    pub version: u32,
    /// The highest number given so far.
    pub latest_version: u32,
    /// The active version's digest.
    pub digest: Digest,
    /// The active version's source blob.
    pub source: Digest,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its definition last changed.
    pub updated_at: Timestamp,
}

impl Document for Worker {
    const COLLECTION: Collection = Collection::Worker;
    const SCHEMA: u32 = 1;
}
