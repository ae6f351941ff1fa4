//! The one list of what can be wrong, shared by every crate's `Error::kind`.

/// What a caller can do about an error. The API maps each kind to an HTTP status, a gRPC code and
/// whether a retry makes sense; nothing else decides that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is malformed: change it.
    Invalid,
    /// The request is well formed, but what it carries cannot be used (bad worker code).
    Unprocessable,
    /// Larger than a stated limit.
    TooLarge,
    /// The media type is not served.
    UnsupportedMediaType,
    /// No such thing.
    NotFound,
    /// It exists already, or is in a state that forbids the request.
    Conflict,
    /// The caller's precondition (`If-Match`) does not hold any more.
    PreconditionFailed,
    /// No or wrong credentials.
    Unauthenticated,
    /// Understood, and not allowed to this caller.
    Forbidden,
    /// More than can be taken now: slow down and try again.
    Overloaded,
    /// A part this needs is not there now: try again.
    Unavailable,
    /// The worker was run and failed: its code, or what it was given, must change.
    WorkerFailed,
    /// Time was up before the answer was known.
    Timeout,
    /// This deployment cannot do that.
    Unsupported,
    /// Our fault. The caller sees a fixed text, the log the whole chain.
    Internal,
}
