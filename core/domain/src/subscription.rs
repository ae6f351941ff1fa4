//! Which events the bus keeps for this deployment.

use serde::{Deserialize, Serialize};

/// Why a topic's events are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Interest {
    /// Somebody takes its events now.
    Open,
    /// Its owners are stopped: the bus keeps the events until one starts or is deleted.
    Held,
}
