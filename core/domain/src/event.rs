//! CloudEvents 1.0: an envelope of small attributes around data bytes that nobody touches on the way.
//!
//! Source: CloudEvents specification 1.0.2, JSON event format and HTTP protocol binding.

mod attributes;
mod batch;
mod error;
mod http;
mod json;
mod scan;

pub use attributes::{AttributeValue, Event, EventBuilder};
pub use batch::from_batch;
pub use error::InvalidEvent;
pub use http::{BATCH, Mode, STRUCTURED, content_mode, from_binary, header_value, to_binary};
pub use json::{from_structured, to_structured};
pub use scan::{MAX_DEPTH, check as check_json};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Largest event and largest reply, in bytes of data and attributes together.
pub const MAX_EVENT: usize = 1 << 20;

/// How an event's data is to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataKind {
    /// There is none.
    #[default]
    None,
    /// JSON text.
    Json,
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
}

/// An event's data: the bytes as they came, and how to read them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Data {
    /// How to read them.
    pub kind: DataKind,
    /// The bytes.
    pub bytes: Bytes,
}

impl Data {
    /// How data of this content type is to be read, by the rules of the JSON event format: no content
    /// type means JSON.
    #[must_use]
    pub fn kind_of(content_type: Option<&str>) -> DataKind {
        let Some(full) = content_type else { return DataKind::Json };
        let media = full.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let subtype = media.split_once('/').map_or("", |(_, subtype)| subtype);
        if subtype == "json" || subtype.ends_with("+json") {
            DataKind::Json
        } else if media.starts_with("text/") {
            DataKind::Text
        } else {
            DataKind::Binary
        }
    }
}
