//! How a typed record becomes the bytes that a store keeps: one line of JSON with the schema's number
//! and a checksum. What cannot be read back is a [`Damage`], never a failed start.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::ports::Collection;

/// A type that stores keep, under a key of its collection.
pub trait Document: Serialize + DeserializeOwned {
    /// Where it is kept.
    const COLLECTION: Collection;
    /// The schema that [`encode`] writes.
    const SCHEMA: u32;
}

/// Why stored bytes cannot be read as the type they should be.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// Not the envelope at all: truncated, or not ours.
    #[error("is not a record")]
    Envelope(#[source] serde_json::Error),
    /// The body is not what was written.
    #[error("has checksum {found:08x}, should have {expected:08x}")]
    Checksum {
        /// As written in the envelope.
        expected: u32,
        /// As computed now.
        found: u32,
    },
    /// Written by a newer program.
    #[error("has schema {found}, this program reads up to {known}")]
    Schema {
        /// The highest that is known here.
        known: u32,
        /// As written.
        found: u32,
    },
    /// The body does not fit the type.
    #[error("does not have the fields of schema {schema}")]
    Body {
        /// As written.
        schema: u32,
        /// What is missing or wrong.
        #[source]
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    schema: u32,
    crc32: u32,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// The bytes to store.
///
/// # Errors
/// Only if the type itself cannot be written as JSON.
pub fn encode<T: Document>(document: &T) -> Result<Bytes, serde_json::Error> {
    let body = serde_json::value::to_raw_value(document)?;
    let crc32 = crc32fast::hash(body.get().as_bytes());
    serde_json::to_vec(&Envelope { schema: T::SCHEMA, crc32, body: &body }).map(Bytes::from)
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// See [`Damage`].
pub fn decode<T: Document>(bytes: &[u8]) -> Result<T, Damage> {
    let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(Damage::Envelope)?;
    let found = crc32fast::hash(envelope.body.get().as_bytes());
    if found != envelope.crc32 {
        return Err(Damage::Checksum { expected: envelope.crc32, found });
    }
    if envelope.schema > T::SCHEMA {
        return Err(Damage::Schema { known: T::SCHEMA, found: envelope.schema });
    }
    let schema = envelope.schema;
    serde_json::from_str(envelope.body.get()).map_err(|source| Damage::Body { schema, source })
}

/// Reads what is left of a damaged document: a body that still has the fields of its type, whatever its
/// checksum says. For repairs that somebody asked for; never on the way of an event.
#[must_use]
pub fn salvage<T: Document>(bytes: &[u8]) -> Option<T> {
    let envelope: Envelope<'_> = serde_json::from_slice(bytes).ok()?;
    serde_json::from_str(envelope.body.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        text: String,
    }

    impl Document for Note {
        const COLLECTION: Collection = Collection::Claim;
        const SCHEMA: u32 = 2;
    }

    #[test]
    fn what_was_written_is_read() {
        let note = Note { text: "a \"b\" \u{1F600}".into() };
        assert_eq!(decode::<Note>(&encode(&note).unwrap()).unwrap(), note);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = encode(&Note { text: "hello".into() }).unwrap();
        for i in 0..good.len() * 8 {
            let mut bad = good.to_vec();
            bad[i / 8] ^= 1 << (i % 8);
            let read = decode::<Note>(&bad);
            let harmless = matches!(&read, Ok(note) if note.text == "hello");
            assert!(read.is_err() || harmless, "bit {i} changed the document unnoticed");
        }
    }

    #[test]
    fn a_newer_schema_is_named() {
        let newer = br#"{"schema":3,"crc32":2745614147,"body":{}}"#;
        assert!(matches!(decode::<Note>(newer), Err(Damage::Schema { known: 2, found: 3 })));
        assert!(matches!(decode::<Note>(b"{"), Err(Damage::Envelope(_))));
    }
}
