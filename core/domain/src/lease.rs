//! Who may run the workers of a group.

use serde::{Deserialize, Serialize};

use crate::{Timestamp, document::Document, ports::Collection, units::Span};

/// A group's lease. Whoever wrote it last holds it, until it is given back or a whole `life` has passed
/// in which it did not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// Which replica holds it; `None` once it was given back.
    pub holder: Option<String>,
    /// Grows each time the lease is taken, and never falls: the first is the time in microseconds.
    pub epoch: u64,
    /// How long it lasts from when it was written. Clocks are not compared: others wait that long by a
    /// clock of their own.
    pub life: Span,
    /// When it was written, for people.
    pub at: Timestamp,
}

impl Document for Lease {
    const COLLECTION: Collection = Collection::Lease;
    const SCHEMA: u32 = 1;
}
