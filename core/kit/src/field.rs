//! Names of telemetry fields; the unit is in the name.

/// A worker's id.
pub const WORKER_ID: &str = "worker.id";
/// A worker's name.
pub const WORKER_NAME: &str = "worker.name";
/// An event's id.
pub const EVENT_ID: &str = "event.id";
/// A topic.
pub const TOPIC: &str = "topic";
/// An attempt's id.
pub const ATTEMPT_ID: &str = "attempt.id";
/// An engine's kind.
pub const ENGINE_KIND: &str = "engine.kind";
/// A version's digest.
pub const DIGEST: &str = "version.digest";
/// A request's id, as the caller sees it.
pub const REQUEST_ID: &str = "request.id";
/// A process id.
pub const PID: &str = "pid";
/// How long something took.
pub const DURATION_MS: &str = "duration_ms";
