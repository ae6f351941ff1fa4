//! Records by key, with compare-and-swap.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ErrorKind;

/// The kinds of records. A store may map each to a table, a key prefix or a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Collection {
    /// Worker definitions, by worker id.
    Worker,
    /// Versions, by worker id and number.
    Version,
    /// Name claims: the name maps to the worker id.
    Name,
    /// Event records, by the digests of id and source.
    Event,
    /// Deliveries that are kept for later, by partition and event.
    Parked,
    /// Dead letters, by id.
    DeadLetter,
    /// Who may run a group's workers, by the group's name.
    Lease,
    /// Records that cannot be read, by collection and id.
    Quarantine,
    /// Second copies of definitions, by collection and id.
    Copy,
    /// First answers to idempotent requests, by key.
    Claim,
    /// Control planes that share the store, by partition.
    Replica,
    /// Which workers changed last; one record.
    Recent,
    /// What sources were compiled to, by the digest of what goes into that.
    Artefact,
}

impl Collection {
    /// Every collection.
    pub const ALL: [Self; 13] = [
        Self::Worker,
        Self::Version,
        Self::Name,
        Self::Event,
        Self::Parked,
        Self::DeadLetter,
        Self::Lease,
        Self::Quarantine,
        Self::Copy,
        Self::Claim,
        Self::Replica,
        Self::Recent,
        Self::Artefact,
    ];

    /// The stable name, for stores and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Version => "version",
            Self::Name => "name",
            Self::Event => "event",
            Self::Parked => "parked",
            Self::DeadLetter => "dead-letter",
            Self::Lease => "lease",
            Self::Quarantine => "quarantine",
            Self::Copy => "copy",
            Self::Claim => "claim",
            Self::Replica => "replica",
            Self::Recent => "recent",
            Self::Artefact => "artefact",
        }
    }
}

/// Names one record. `id` is at most 512 bytes of printable ASCII without `|`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Which kind of record.
    pub collection: Collection,
    /// Which one.
    pub id: Box<str>,
}

impl Key {
    /// A key.
    #[must_use]
    pub fn new(collection: Collection, id: impl Into<Box<str>>) -> Self {
        Self { collection, id: id.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection.as_str(), self.id)
    }
}

/// Grows with every write of a record, also over its deletion; opaque to all but the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What must hold for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// No such record (never written, or deleted).
    Absent,
    /// The record is still as it was read.
    Revision(Revision),
    /// Whatever is there.
    Any,
}

/// A stored record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its key's `id`.
    pub id: Box<str>,
    /// As stored; may be damaged, which the reader finds out.
    pub value: Bytes,
    /// For the next compare-and-swap.
    pub revision: Revision,
}

/// A page of a collection, in the order of ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// At most as many as asked for.
    pub records: Vec<Record>,
    /// Give it as `after` to go on; `None` at the end.
    pub next: Option<Box<str>>,
}

/// Why a store operation did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What was expected does not hold. Nothing changed.
    #[error("`{key}` has changed since it was read")]
    Conflict {
        /// The record.
        key: String,
    },
    /// The store is not there now. Nothing changed.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// What was seen.
        reason: String,
    },
    /// No answer in time: it may or may not have happened. Read back before you decide.
    #[error("the store did not answer in time")]
    Timeout,
    /// No space left. Nothing changed.
    #[error("the store is full")]
    Full,
    /// Stored bytes are not what was written.
    #[error("`{key}` is damaged: {reason}")]
    Damaged {
        /// The record or blob.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl StoreError {
    /// Something under `key` cannot be read, or cannot be written as what it is.
    #[must_use]
    pub fn damaged(key: &impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::Damaged { key: key.to_string(), reason: reason.to_string() }
    }

    /// What a caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict { .. } => ErrorKind::Conflict,
            Self::Unavailable { .. } | Self::Full => ErrorKind::Unavailable,
            Self::Timeout => ErrorKind::Timeout,
            Self::Damaged { .. } => ErrorKind::Internal,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "store-conflict",
            Self::Unavailable { .. } => "store-unavailable",
            Self::Timeout => "store-timeout",
            Self::Full => "store-full",
            Self::Damaged { .. } => "store-damaged",
        }
    }
}

/// A store of records, strongly consistent per key. Most have some KiB; one that holds an event and a
/// reply of the largest size has up to 4 MiB, and an adapter chunks it where its store needs that.
#[async_trait]
pub trait Records: Send + Sync {
    /// The record, or `None` if it was never written or is deleted.
    ///
    /// # Errors
    /// The store's; never `Conflict`.
    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError>;

    /// Writes if `expect` holds; durable when it returns.
    ///
    /// # Errors
    /// `Conflict` if `expect` does not hold; otherwise the store's.
    async fn put(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Revision, StoreError>;

    /// Deletes if `expect` holds; deleting what is not there is fine under `Absent` and `Any`.
    ///
    /// # Errors
    /// `Conflict` if `expect` does not hold; otherwise the store's.
    async fn delete(&self, key: &Key, expect: Expect) -> Result<(), StoreError>;

    /// Up to `limit` records with ids that start with `prefix`, after id `after`. A snapshot per page,
    /// not over pages; a record that exists throughout is on exactly one page. Event records can be too many for a
    /// list: they are found by a prefix that begins with `EventRecord::key_prefix`, and not each store finds them by
    /// less.
    ///
    /// # Errors
    /// The store's; never `Conflict`.
    async fn page(
        &self,
        collection: Collection,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError>;
}
