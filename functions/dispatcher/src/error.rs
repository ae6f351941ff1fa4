//! Why no attempt began.

use workmanager_core_domain::{ErrorKind, MimeType};
use workmanager_core_frames::FrameError;
use workmanager_engines_host::SpawnError;

/// No attempt began. Nothing of the worker's code has run for it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// All processes that may run are busy, and enough attempts wait already.
    #[error("worker `{worker}` has no room for another attempt: {reason}")]
    Overloaded {
        /// Whose attempt it is.
        worker: String,
        /// What is full.
        reason: &'static str,
    },
    /// The control plane did not accept the grant.
    #[error("the control plane refused the grant for version {digest}")]
    GrantRefused {
        /// Which version.
        digest: String,
    },
    /// The version's code could not be had.
    #[error("the code of version {digest} cannot be had: {reason}")]
    VersionUnavailable {
        /// Which version.
        digest: String,
        /// Why not.
        reason: String,
    },
    /// What the version's source was compiled to is not in the store any more.
    #[error("what version {digest} was compiled to is lost; the control plane has it made again")]
    ArtefactMissing {
        /// Which version.
        digest: String,
    },
    /// An artefact that something else compiled than what compiles here.
    #[error("the artefact was made by {made_by}, here is {here}")]
    OtherToolchain {
        /// As said.
        made_by: String,
        /// As found.
        here: String,
    },
    /// No version of this worker is loaded here.
    #[error("no version of worker `{worker}` is loaded here")]
    VersionNotLoaded {
        /// As asked for.
        worker: String,
    },
    /// Nothing here runs this kind of code.
    #[error("{reason}")]
    NoEngine {
        /// The kind of code.
        mime_type: MimeType,
        /// Why not.
        reason: String,
    },
    /// The engine has no process to run it in.
    #[error("the engine has no process for the attempt: {0}")]
    Engine(#[source] SpawnError),
    /// The source is not the one that the manifest names.
    #[error("the source has digest {found}, the manifest says {expected}")]
    WrongSource {
        /// As computed.
        found: String,
        /// As said.
        expected: String,
    },
    /// A frame could not be made.
    #[error("a frame cannot be written")]
    Frame(#[from] FrameError),
}

impl Error {
    /// What a caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Overloaded { .. } => ErrorKind::Overloaded,
            Self::GrantRefused { .. } => ErrorKind::Forbidden,
            Self::VersionUnavailable { .. } | Self::VersionNotLoaded { .. } | Self::ArtefactMissing { .. } => {
                ErrorKind::Unavailable
            }
            Self::OtherToolchain { .. } => ErrorKind::Conflict,
            Self::Engine(SpawnError::Missing(_)) | Self::NoEngine { .. } => ErrorKind::Unsupported,
            Self::Engine(_) => ErrorKind::Unavailable,
            Self::WrongSource { .. } => ErrorKind::Invalid,
            Self::Frame(_) => ErrorKind::Internal,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Overloaded { .. } => "overloaded",
            Self::GrantRefused { .. } => "grant-refused",
            Self::VersionUnavailable { .. } => "version-unavailable",
            Self::ArtefactMissing { .. } => "artefact-missing",
            Self::OtherToolchain { .. } => "toolchain-differs",
            Self::VersionNotLoaded { .. } => "version-not-loaded",
            Self::Engine(SpawnError::Missing(_)) | Self::NoEngine { .. } => "engine-unavailable",
            Self::Engine(_) => "engine-not-started",
            Self::WrongSource { .. } => "digest-mismatch",
            Self::Frame(_) => "internal",
        }
    }
}
