//! What a use case can answer instead of doing it.

use std::{ops::RangeInclusive, time::Duration};

use workmanager_core_delivery::TargetError;
use workmanager_core_domain::{
    ErrorKind,
    document::Damage,
    outcome::{Failure, LogLine},
    ports::{BusError, StoreError},
    units::Span,
};

use super::Problems;
use crate::router::NotSettled;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $kind:ident;)*) => {
        /// The codes of the control plane's own errors; what its parts say keeps the code they give it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What a caller can do about it.
            #[must_use]
            pub const fn kind(self) -> ErrorKind {
                match self { $(Self::$name => ErrorKind::$kind,)* }
            }
        }
    };
}

codes! {
    /// Fields are missing, wrong or unknown.
    InvalidRequest = "invalid-request", Invalid;
    /// The body is no JSON.
    JsonMalformed = "json-malformed", Invalid;
    /// The body is nested too deep.
    JsonTooDeep = "json-too-deep", Invalid;
    /// Text that is no UTF-8.
    InvalidUtf8 = "invalid-utf8", Invalid;
    /// The body cannot be read to its end.
    BodyUnreadable = "body-unreadable", Invalid;
    /// The body is larger than the operation takes.
    BodyTooLarge = "body-too-large", TooLarge;
    /// The body's media type is not served.
    UnsupportedMediaType = "unsupported-media-type", UnsupportedMediaType;
    /// No operation has this path.
    UnknownPath = "unknown-path", NotFound;
    /// The path's operations have other methods.
    MethodNotAllowed = "method-not-allowed", Invalid;
    /// No or wrong token.
    Unauthenticated = "unauthenticated", Unauthenticated;
    /// The request was meant for another host, or sent by another site.
    HostRefused = "host-refused", Forbidden;
    /// The grant does not open that.
    GrantRefused = "grant-refused", Forbidden;
    /// No such blob.
    BlobNotFound = "blob-not-found", NotFound;
    /// The server is starting or stopping.
    NotReady = "not-ready", Unavailable;
    /// No worker has this id or name.
    WorkerNotFound = "worker-not-found", NotFound;
    /// The worker has no version of this number.
    VersionNotFound = "version-not-found", NotFound;
    /// Nothing is known of an event with this id.
    EventNotFound = "event-not-found", NotFound;
    /// No dead letter has this id.
    DeadLetterNotFound = "dead-letter-not-found", NotFound;
    /// The dead letter's worker was deleted.
    DeadLetterOrphaned = "dead-letter-orphaned", Conflict;
    /// No quarantine entry has this id.
    QuarantineNotFound = "quarantine-not-found", NotFound;
    /// Nothing tells what a damaged record was.
    NotRepairable = "not-repairable", Conflict;
    /// A record that the request is about cannot be read.
    RecordQuarantined = "record-quarantined", Conflict;
    /// The worker's record cannot be read.
    WorkerQuarantined = "worker-quarantined", Conflict;
    /// The worker has no tag of this key.
    TagNotFound = "tag-not-found", NotFound;
    /// Another worker has this name.
    NameTaken = "name-taken", Conflict;
    /// The worker was changed by others all the time.
    WorkerBusy = "worker-busy", Conflict;
    /// `If-Match` does not hold.
    RevisionConflict = "revision-conflict", PreconditionFailed;
    /// The code does not load.
    LoadFailed = "load-failed", Unprocessable;
    /// Code by URL is switched off.
    CodeUrlDisabled = "code-url-disabled", Unprocessable;
    /// The code is larger than the limit.
    CodeTooLarge = "code-too-large", TooLarge;
    /// The worker's code is not in the store.
    CodeMissing = "code-missing", Internal;
    /// The key was used for another request.
    KeyReused = "idempotency-key-reused", Unprocessable;
    /// The first request with this key is still being worked on.
    KeyInProgress = "idempotency-in-progress", Conflict;
    /// The bus cannot show the past.
    NoTailHistory = "tail-history-unavailable", Unsupported;
    /// A record cannot be read.
    RecordDamaged = "record-damaged", Internal;
    /// The server was stopped meanwhile.
    Stopping = "stopping", Unavailable;
    /// Something that must not be.
    Internal = "internal", Internal;
}

/// Why a use case was not carried out. Unless its text says otherwise, nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields are missing, wrong or unknown.
    #[error("{}", .0.summary())]
    Invalid(Problems),
    /// No worker has this id or name.
    #[error("no worker has the id or name `{reference}`")]
    NoWorker {
        /// As it was given.
        reference: String,
    },
    /// The worker has no such version.
    #[error("worker `{worker}` has no version {number}")]
    NoVersion {
        /// Whose.
        worker: String,
        /// Which.
        number: u32,
    },
    /// Nothing is known of the event.
    #[error(
        "nothing is known of an event with the id `{id}`: it was never accepted here, it waits to be taken, or it was \
         finished longer ago than events are remembered"
    )]
    NoEvent {
        /// Which.
        id: String,
    },
    /// No such dead letter.
    #[error("no dead letter has the id `{id}`: it was sent round again, given up, or is older than they are kept")]
    NoLetter {
        /// Which.
        id: String,
    },
    /// Nobody can take the letter.
    #[error("the worker of dead letter `{id}` was deleted: publish its event again, or give it up")]
    LetterOrphaned {
        /// Which.
        id: String,
    },
    /// No such entry.
    #[error("no quarantine entry has the id `{id}`")]
    NoQuarantine {
        /// Which.
        id: String,
    },
    /// It cannot be restored.
    #[error("`{id}` cannot be repaired: {reason}")]
    NotRepairable {
        /// Which.
        id: String,
        /// Why not.
        reason: String,
    },
    /// What the request is about is there, and cannot be read.
    #[error("record `{key}` cannot be read; restore it by POST /v1/quarantine/{}/repair", .entry.replace('/', "%2F"))]
    RecordQuarantined {
        /// Which.
        key: String,
        /// The quarantine entry.
        entry: String,
    },
    /// The worker is there, and cannot be read.
    #[error("the record of worker `{reference}` cannot be read; restore it by POST /v1/quarantine/{entry}/repair")]
    WorkerQuarantined {
        /// As it was given.
        reference: String,
        /// The quarantine entry.
        entry: String,
    },
    /// The worker has no such tag.
    #[error("worker `{worker}` has no tag `{key}`")]
    NoTag {
        /// Whose.
        worker: String,
        /// Which.
        key: String,
    },
    /// Another worker has this name.
    #[error("another worker has the name `{name}`")]
    NameTaken {
        /// Which.
        name: String,
    },
    /// Others changed the worker each time.
    #[error("worker `{worker}` is being changed by others; try again")]
    Busy {
        /// Which.
        worker: String,
    },
    /// The caller has seen another revision.
    #[error("the worker has revision {found}, the request expects another")]
    Revision {
        /// What is there now.
        found: u64,
    },
    /// The code does not load.
    #[error("{}", .failure.summary())]
    Rejected {
        /// Where the code stands in the request.
        at: String,
        /// What is wrong with it.
        failure: Box<Failure>,
    },
    /// Code by URL.
    #[error("code by `url` is switched off; send it as `content`")]
    CodeUrl,
    /// Too much code.
    #[error("the code has {size} bytes, the limit is {limit}")]
    CodeTooLarge {
        /// What was given.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The code that a version names is not there.
    #[error("the code of version {number} is not in the store")]
    CodeMissing {
        /// Which version.
        number: u32,
    },
    /// No verdict on the code.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The worker is started, and its topics are not taken yet.
    #[error("the worker is started, but {0}")]
    NotSettled(#[source] NotSettled),
    /// The worker ran, or could not, and there is no reply.
    #[error("{}", .0.message)]
    Invocation(Box<Invocation>),
    /// The key belongs to another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The first request is not done.
    #[error("the first request with this idempotency key is not done yet")]
    KeyInProgress,
    /// The past of a topic, on a bus that has none.
    #[error("this bus shows only what comes from now on; ask without `since`")]
    NoTailHistory,
    /// The bus.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record that cannot be read.
    #[error("record `{key}` cannot be read")]
    Damaged {
        /// Which.
        key: String,
        /// Why not.
        #[source]
        source: Damage,
    },
    /// A record that cannot be written.
    #[error("record `{key}` cannot be written")]
    Encode {
        /// Which.
        key: String,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// A fault of ours; the log has its place.
    #[error("a use case panicked")]
    Panicked,
    /// The server stops.
    #[error("the server was stopped before it was known how this ended")]
    Cut,
}

/// An attempt on request that has no reply.
#[derive(Debug)]
pub struct Invocation {
    /// The outcome's code.
    pub code: &'static str,
    /// What a caller can do about it.
    pub kind: ErrorKind,
    /// One line.
    pub message: String,
    /// The worker's own words, if it said any.
    pub failure: Option<Failure>,
    /// What it wrote.
    pub logs: Vec<LogLine>,
}

impl Error {
    /// Code that does not load, as a create has it.
    pub(super) fn rejected(failure: Failure) -> Self {
        Self::Rejected { at: "/codeSource/content".to_owned(), failure: failure.into() }
    }

    /// The same, where the code stands elsewhere.
    pub(super) fn at(self, pointer: &str) -> Self {
        match self {
            Self::Rejected { failure, .. } => Self::Rejected { at: pointer.to_owned(), failure },
            other => other,
        }
    }

    /// A caller's wait is out of its range.
    pub(super) fn wait(pointer: &str, range: &RangeInclusive<Duration>) -> Self {
        let (least, most) = (Span(*range.start()), Span(*range.end()));
        Self::Invalid(Problems::one(pointer, format!("must be from {least} to {most}")))
    }

    fn own(&self) -> Result<Code, (ErrorKind, &'static str)> {
        Ok(match self {
            Self::Invalid(_) => Code::InvalidRequest,
            Self::NoWorker { .. } => Code::WorkerNotFound,
            Self::NoVersion { .. } => Code::VersionNotFound,
            Self::NoEvent { .. } => Code::EventNotFound,
            Self::NoLetter { .. } => Code::DeadLetterNotFound,
            Self::LetterOrphaned { .. } => Code::DeadLetterOrphaned,
            Self::NoQuarantine { .. } => Code::QuarantineNotFound,
            Self::NotRepairable { .. } => Code::NotRepairable,
            Self::RecordQuarantined { .. } => Code::RecordQuarantined,
            Self::WorkerQuarantined { .. } => Code::WorkerQuarantined,
            Self::NoTag { .. } => Code::TagNotFound,
            Self::NameTaken { .. } => Code::NameTaken,
            Self::Busy { .. } => Code::WorkerBusy,
            Self::Revision { .. } => Code::RevisionConflict,
            Self::Rejected { .. } => Code::LoadFailed,
            Self::CodeUrl => Code::CodeUrlDisabled,
            Self::CodeTooLarge { .. } => Code::CodeTooLarge,
            Self::CodeMissing { .. } => Code::CodeMissing,
            Self::KeyReused => Code::KeyReused,
            Self::KeyInProgress => Code::KeyInProgress,
            Self::NoTailHistory => Code::NoTailHistory,
            Self::Damaged { .. } => Code::RecordDamaged,
            Self::Encode { .. } | Self::Panicked => Code::Internal,
            Self::Cut => Code::Stopping,
            Self::Target(error) => return Err((error.kind(), error.code())),
            Self::NotSettled(error) => return Err((error.kind(), error.code())),
            Self::Invocation(error) => return Err((error.kind, error.code)),
            Self::Bus(error) => return Err((error.kind(), error.code())),
            Self::Store(error) => return Err((error.kind(), error.code())),
        })
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.own().map_or_else(|(kind, _)| kind, Code::kind)
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.own().map_or_else(|(_, code)| code, Code::as_str)
    }
}
