//! What is counted. Labels are the names of enums' variants, never ids.

use std::time::Duration;

use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use workmanager_core_domain::{Outcome, dead_letter::Reason, parked::ParkReason, ports::SettleError};

/// Decisions of the plan, by result.
const MATCHES: &str = "workmanager_matches_total";
/// Attempts, by the outcome's code.
const ATTEMPTS: &str = "workmanager_attempts_total";
/// How long attempts took.
const ATTEMPT_DURATION: &str = "workmanager_attempt_duration_seconds";
/// Retries that were decided on.
const RETRIES: &str = "workmanager_retries_total";
/// Deliveries that were given up, by reason.
const DEAD_LETTERS: &str = "workmanager_dead_letters_total";
/// Replies, by where they went.
const REPLIES: &str = "workmanager_replies_total";
/// Settlements that failed and were tried again, by the step that failed.
const SETTLE_FAILURES: &str = "workmanager_settle_failures_total";
/// Deliveries that ended here, by how.
const DELIVERIES: &str = "workmanager_deliveries_total";
/// How long deliveries took, from the bus to their end here.
const DELIVERY_DURATION: &str = "workmanager_delivery_duration_seconds";
/// Deliveries that have not ended.
const IN_FLIGHT: &str = "workmanager_deliveries_in_flight";
/// Event records that could not be read and were written anew.
const DAMAGED: &str = "workmanager_event_records_damaged_total";

/// Deliveries that were kept for later, by why.
const PARKED: &str = "workmanager_parked_total";
/// Deliveries that are kept for later now.
const PARKED_NOW: &str = "workmanager_parked_deliveries";
/// Pauses of workers whose engines died again and again.
const CIRCUIT_OPENED: &str = "workmanager_circuit_opened_total";

/// Tells the recorder what each number means.
pub(crate) fn describe() {
    describe_counter!(MATCHES, "decisions whether an event is for a worker, by result");
    describe_counter!(ATTEMPTS, "attempts, by the outcome's code");
    describe_histogram!(ATTEMPT_DURATION, Unit::Seconds, "how long attempts took, loading included");
    describe_counter!(RETRIES, "retries that were decided on");
    describe_counter!(DEAD_LETTERS, "deliveries given up, by reason");
    describe_counter!(REPLIES, "replies, by where they went");
    describe_counter!(SETTLE_FAILURES, "settlements that failed and were tried again, by the step that failed");
    describe_counter!(DELIVERIES, "deliveries that ended here, by how");
    describe_histogram!(DELIVERY_DURATION, Unit::Seconds, "how long deliveries took, from the bus to their end here");
    describe_gauge!(IN_FLIGHT, "deliveries that have not ended");
    describe_counter!(PARKED, "workers' parts of deliveries that were kept for later, by why");
    describe_gauge!(PARKED_NOW, "deliveries that are kept for later now");
    describe_counter!(CIRCUIT_OPENED, "pauses of workers whose engines died again and again");
    describe_counter!(DAMAGED, "event records that could not be read and were written anew");
}

/// What the plan decided.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Match {
    Matched,
    FilterFalse,
    FilterFailed,
    Stopped,
}

/// Where a reply went.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Route {
    Published,
    Kept,
    Discarded,
}

/// How a delivery ended here.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Acknowledged,
    Duplicate,
    Parked,
    Pending,
}

pub(crate) fn matched(result: Match) {
    let result = match result {
        Match::Matched => "matched",
        Match::FilterFalse => "filter-false",
        Match::FilterFailed => "filter-failed",
        Match::Stopped => "stopped",
    };
    counter!(MATCHES, "result" => result).increment(1);
}

pub(crate) fn attempted(outcome: &Outcome, duration: Duration) {
    counter!(ATTEMPTS, "outcome" => outcome.code()).increment(1);
    histogram!(ATTEMPT_DURATION).record(duration);
}

pub(crate) fn retried() {
    counter!(RETRIES).increment(1);
}

pub(crate) fn dead_lettered(reason: Reason) {
    counter!(DEAD_LETTERS, "reason" => reason.code()).increment(1);
}

pub(crate) fn replied(route: Route) {
    let route = match route {
        Route::Published => "published",
        Route::Kept => "kept",
        Route::Discarded => "discarded",
    };
    counter!(REPLIES, "route" => route).increment(1);
}

pub(crate) fn settle_failed(error: &SettleError) {
    let step = match error {
        SettleError::Publish(_) => "publish",
        SettleError::Record(_) => "record",
        SettleError::Ack(_) => "ack",
    };
    counter!(SETTLE_FAILURES, "step" => step).increment(1);
}

pub(crate) fn parked(reason: ParkReason) {
    counter!(PARKED, "reason" => reason.code()).increment(1);
}

pub(crate) fn parked_now(count: usize) {
    gauge!(PARKED_NOW).set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
}

pub(crate) fn circuit_opened() {
    counter!(CIRCUIT_OPENED).increment(1);
}

pub(crate) fn record_damaged() {
    counter!(DAMAGED).increment(1);
}

pub(crate) fn started() {
    gauge!(IN_FLIGHT).increment(1.0);
}

pub(crate) fn ended(end: End, duration: Duration) {
    let end = match end {
        End::Acknowledged => "acknowledged",
        End::Duplicate => "duplicate",
        End::Parked => "parked",
        End::Pending => "pending",
    };
    gauge!(IN_FLIGHT).decrement(1.0);
    counter!(DELIVERIES, "end" => end).increment(1);
    histogram!(DELIVERY_DURATION).record(duration);
}
