//! What the store tells about itself.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use workmanager_core_domain::ports::Collection;

const COMMIT_SECONDS: &str = "workmanager_store_commit_seconds";
const COMMIT_OPERATIONS: &str = "workmanager_store_commit_operations";
const UNREADABLE_EVENTS: &str = "workmanager_store_unreadable_events";
const PRUNED_EVENTS: &str = "workmanager_store_pruned_events";
const PRUNED_RECORDS: &str = "workmanager_store_pruned_records";
const SHORT_OF_SPACE: &str = "workmanager_store_short_of_space";

/// Names and explains the metrics.
pub(crate) fn describe() {
    describe_histogram!(COMMIT_SECONDS, Unit::Seconds, "How long a group of operations took until it was durable");
    describe_histogram!(COMMIT_OPERATIONS, Unit::Count, "How many operations shared one transaction");
    describe_counter!(UNREADABLE_EVENTS, Unit::Count, "Events in the log that could not be read and were left out");
    describe_gauge!(SHORT_OF_SPACE, "1 while the disk has so little room that nothing new is taken in");
    describe_counter!(PRUNED_EVENTS, Unit::Count, "Events that left the log because of its age or size");
    describe_counter!(PRUNED_RECORDS, Unit::Count, "Records that left the store because their time was over");
}

pub(crate) fn committed(operations: usize, took: Duration) {
    histogram!(COMMIT_SECONDS).record(took.as_secs_f64());
    histogram!(COMMIT_OPERATIONS).record(operations as f64);
}

pub(crate) fn short_of_space(is_short: bool) {
    gauge!(SHORT_OF_SPACE).set(f64::from(u8::from(is_short)));
}

pub(crate) fn unreadable_event() {
    counter!(UNREADABLE_EVENTS).increment(1);
}

pub(crate) fn pruned_events(count: usize) {
    counter!(PRUNED_EVENTS).increment(count as u64);
}

pub(crate) fn pruned_records(collection: Collection, count: usize) {
    counter!(PRUNED_RECORDS, "collection" => collection.as_str()).increment(count as u64);
}
