//! Records that cannot be read, kept as they were found.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    document::Document,
    ports::{Collection, Key},
};

/// A record that cannot be read. Its bytes are kept until somebody repairs it or gives it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantined {
    /// Which kind of record it is.
    pub collection: Collection,
    /// Its id there.
    pub record: String,
    /// What is wrong with it.
    pub reason: String,
    /// When that was noticed.
    pub at: Timestamp,
    /// As it was found.
    #[serde(with = "base64")]
    pub bytes: Bytes,
}

impl Quarantined {
    /// The id of the entry for the record `key`: one record has one entry.
    #[must_use]
    pub fn id(key: &Key) -> String {
        format!("{}.{}", key.collection.as_str(), key.id)
    }
}

impl Document for Quarantined {
    const COLLECTION: Collection = Collection::Quarantine;
    const SCHEMA: u32 = 1;
}

mod base64 {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Bytes::from).map_err(D::Error::custom)
    }
}
