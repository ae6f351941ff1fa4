//! The heads of the frames: small JSON objects, in the order in which they are sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use workmanager_core_domain::{
    AttemptId, Digest, Manifest, Timestamp, WorkerId,
    event::DataKind,
    outcome::{Failure, LogStream},
};

/// Router to function: run one attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptHead {
    /// The attempt's id; the answer names it.
    pub attempt: AttemptId,
    /// Whose code runs.
    pub worker: WorkerId,
    /// The worker's name, for logs and for the reply's `source`.
    pub worker_name: String,
    /// The version that runs.
    pub digest: Digest,
    /// Opens the code of this version, for this attempt.
    pub grant: String,
    /// What this attempt may use.
    pub limits: AttemptLimits,
    /// The event's attributes as one JSON object; handed to the engine as it is.
    pub event: Box<RawValue>,
    /// How the body is to be read.
    pub data: DataKind,
}

/// What one attempt may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptLimits {
    /// Wall-clock time from when the function has read the attempt, in milliseconds.
    pub timeout_ms: u64,
    /// Log bytes that are sent back.
    pub log_bytes: u64,
    /// Attempts of this worker that may run here at once.
    pub concurrency: u32,
}

/// Dispatcher to engine: run one attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineAttemptHead<'a> {
    /// The attempt's id; the answer names it.
    pub attempt: AttemptId,
    /// The event's attributes, as they came.
    #[serde(borrow)]
    pub event: &'a RawValue,
    /// How the body is to be read.
    pub data: DataKind,
    /// Time that is left of the attempt, in milliseconds. A worker can ask to be told before it is over.
    pub left_ms: u64,
}

/// A piece of output.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogHead {
    /// The attempt that it belongs to.
    pub attempt: AttemptId,
    /// Where it was written.
    pub stream: LogStream,
    /// When it was read.
    pub at: Timestamp,
    /// Whether output after this piece was left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// The worker's answer. Without `reply` it answered nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplyHead {
    /// The attempt that it answers.
    pub attempt: AttemptId,
    /// The reply's attributes as the worker gave them, names in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<BTreeMap<String, serde_json::Value>>,
    /// How the body is to be read.
    #[serde(default)]
    pub data: DataKind,
}

/// A failure. Of a load when there is no attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorHead {
    /// The attempt that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptId>,
    /// What failed.
    #[serde(flatten)]
    pub error: FailedWith,
}

/// The failures that travel.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum FailedWith {
    /// The worker, or loading it, failed.
    Failed(Failure),
    /// The process died.
    EngineLost {
        /// Exit code or signal, in words.
        message: String,
    },
    /// The deadline passed.
    TimedOut {
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
}

/// Engine to dispatcher: the process is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadyHead {
    /// Its process id, as it sees itself.
    pub pid: u32,
    /// The frame contract that it speaks.
    pub contract: u32,
    /// The runtime, as in `CPython 3.11.7`.
    pub runtime: String,
}

/// Dispatcher to engine: load a version.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadHead {
    /// The version.
    pub digest: Digest,
    /// What the function sees of it.
    pub manifest: Manifest,
    /// The logical file name, for stack traces.
    pub file_name: String,
    /// What the process does to itself before the worker's code runs; opaque but to its engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Box<RawValue>>,
}

/// The version is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadedHead {
    /// The entry that was found, as in `Process`.
    pub entry: String,
    /// Whether the body is an artefact to keep.
    #[serde(default)]
    pub artefact: bool,
    /// What compiled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toolchain: Option<String>,
}

/// Control plane to function: does this load?
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidateHead {
    /// Whose code it is.
    pub worker: WorkerId,
    /// The worker's name, for stack traces.
    pub worker_name: String,
    /// The candidate. The body is its source, or its artefact where it names one.
    pub manifest: Manifest,
    /// What compiled that artefact. A function that compiles otherwise does not take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toolchain: Option<String>,
    /// How long loading may take, in milliseconds.
    pub timeout_ms: u64,
}

#[cfg(test)]
mod tests {
    use workmanager_core_domain::outcome::FailureKind;

    use super::*;

    #[test]
    fn a_failure_travels_flat() {
        let failure = Failure {
            kind: FailureKind::Exception,
            retryable: true,
            error_type: Some("ValueError".into()),
            message: "no".into(),
            stack: None,
            errors: Vec::new(),
        };
        let head = ErrorHead { attempt: None, error: FailedWith::Failed(failure) };
        let json = serde_json::to_string(&head).unwrap();
        let expected =
            r#"{"outcome":"failed","kind":"exception","retryable":true,"errorType":"ValueError","message":"no"}"#;
        assert_eq!(json, expected);
        assert!(matches!(serde_json::from_str::<ErrorHead>(&json).unwrap().error, FailedWith::Failed(_)));
        let late = r#"{"attempt":"att_0199a3b0-7c1e-7000-8000-000000000001","outcome":"timed-out","limitMs":5}"#;
        assert!(matches!(serde_json::from_str::<ErrorHead>(late).unwrap().error, FailedWith::TimedOut { limit_ms: 5 }));
    }
}
