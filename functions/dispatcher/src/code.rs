//! A version's code, as an engine gets it.

use bytes::Bytes;
use workmanager_core_domain::{Digest, Manifest};

/// A verified version.
#[derive(Debug, Clone)]
pub struct Code {
    /// The version.
    pub digest: Digest,
    /// What it says about itself.
    pub manifest: Manifest,
    /// Source, or artefact where there is one.
    pub bytes: Bytes,
}
