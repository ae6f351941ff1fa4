//! What a function can run.

use serde::{Deserialize, Serialize};

use crate::MimeType;

/// One engine, as `GET /v1/engines` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineInfo {
    /// What it runs.
    pub mime_type: MimeType,
    /// The language users see.
    pub language: String,
    /// The runtime, as in `CPython 3.11.7`; unknown until it was found.
    pub runtime: Option<String>,
    /// Whether it can run here.
    pub available: bool,
    /// Why not, and what to do.
    pub reason: Option<String>,
    /// What keeps a worker in its place.
    pub sandbox: Vec<Mechanism>,
}

/// One mechanism of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mechanism {
    /// Its name, as in `no-new-privs`.
    pub name: String,
    /// Whether it is in force.
    pub active: bool,
    /// Why not, or how far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
