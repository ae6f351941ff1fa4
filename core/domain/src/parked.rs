//! Deliveries that are kept for later.

use serde::{Deserialize, Serialize};

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
    /// The reply is known and durable; only its publication is left.
    ReplyPending,
}
