//! A worker as a file wants it to be, compared with the worker that is there.

mod carry;
mod compare;

use bytes::Bytes;
use serde_json::{Map, Value};
use workmanager_core_domain::{WorkerName, worker::Desired};

pub(crate) use carry::{carry_out, find};
pub(crate) use compare::{Change, Plan, plan};

/// What is wanted. Only what is named counts; the rest of the worker is left as it is. Values are as
/// the API writes them, so that they can be compared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Definition {
    /// Which worker.
    pub(crate) name: WorkerName,
    /// Its code.
    pub(crate) code: Bytes,
    /// What never changes: `mimeType`, `isolation`.
    pub(crate) fixed: Map<String, Value>,
    /// What changes with the code: `config`, `engine`.
    pub(crate) with_code: Map<String, Value>,
    /// What changes by itself: topics, filter, group, reply topic, limits, tags. Null removes.
    pub(crate) fields: Map<String, Value>,
    /// Whether it shall run; a new worker does unless it is told not to.
    pub(crate) status: Option<Desired>,
}
