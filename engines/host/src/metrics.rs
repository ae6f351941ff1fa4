//! Numbers about engine processes.

use ::metrics::{describe_counter, describe_gauge};

/// Processes alive now.
pub(crate) const PROCESSES: &str = "workmanager_engine_processes";
/// Output that belonged to no attempt.
pub(crate) const STRAY_OUTPUT: &str = "workmanager_engine_stray_output_bytes";
/// Processes that workers left behind.
pub(crate) const ORPHANS: &str = "workmanager_engine_orphans";

/// Says what the numbers mean.
pub fn describe() {
    describe_gauge!(PROCESSES, "Engine processes alive now");
    describe_counter!(STRAY_OUTPUT, "Bytes that workers wrote outside of any attempt; dropped");
    describe_counter!(ORPHANS, "Processes left behind by workers and killed");
}
