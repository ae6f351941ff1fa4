//! The API's answers, as far as this program reads them. What it does not know it passes over, so an
//! older program can read a newer server.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// A worker.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Worker {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) mime_type: String,
    #[serde(default)]
    pub(crate) language: String,
    #[serde(default)]
    pub(crate) topics: Vec<String>,
    pub(crate) filter: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) reply_topic: Option<String>,
    pub(crate) ordering: Option<String>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) config: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) limits: BTreeMap<String, Value>,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) observed: Observed,
    pub(crate) version: u32,
    #[serde(default)]
    pub(crate) digest: String,
    #[serde(default)]
    pub(crate) created_at: String,
    #[serde(default)]
    pub(crate) updated_at: String,
}

/// What is true of a worker now.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Observed {
    pub(crate) state: String,
    pub(crate) message: Option<String>,
}

/// A page of workers, each as the server wrote it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page {
    pub(crate) workers: Vec<Box<RawValue>>,
    pub(crate) next_cursor: Option<String>,
}

/// The ids of events that were accepted.
#[derive(Debug, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) accepted: Vec<String>,
}
