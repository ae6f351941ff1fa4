//! Metrics of the local function process.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Function processes started.
pub(super) const STARTS: &str = "workmanager_function_starts_total";
/// Function processes that ended, by `reason`: `idle`, `shutdown` or `lost`.
pub(super) const STOPS: &str = "workmanager_function_stops_total";
/// Function processes that run now: 0 is scaled to zero.
pub(super) const RUNNING: &str = "workmanager_function_running";
/// From the spawn of a function process to its first answer.
pub(super) const COLD_START: &str = "workmanager_function_cold_start_seconds";

/// Describes them to the recorder.
pub fn describe() {
    describe_counter!(STARTS, Unit::Count, "Function processes started");
    describe_counter!(STOPS, Unit::Count, "Function processes that ended, by reason: idle, shutdown, lost");
    describe_gauge!(RUNNING, Unit::Count, "Function processes that run now; 0 is scaled to zero");
    describe_histogram!(COLD_START, Unit::Seconds, "From the spawn of a function process to its first answer");
}
