//! Batched mode: a JSON array of events.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{Event, InvalidEvent, json, scan};

/// Reads a batch. Each member is judged on its own: the result has one entry per member, in order.
///
/// # Errors
/// The batch as a whole is not a JSON array.
pub fn from_batch(body: &Bytes) -> Result<Vec<Result<Event, InvalidEvent>>, InvalidEvent> {
    scan::check(body)?;
    let text = std::str::from_utf8(body).map_err(|_| InvalidEvent::Utf8 { what: "the JSON text".into() })?;
    let members: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|error| InvalidEvent::Json { message: error.to_string() })?;
    Ok(members.into_iter().map(|raw| json::from_raw(raw, body)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_member_does_not_hide_the_others() {
        let good = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":1}"#;
        let batch = Bytes::from(format!("[{good}, {{}}, {good}]"));
        let read = from_batch(&batch).unwrap();
        assert_eq!(read.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        assert!(from_batch(&Bytes::from_static(b"{}")).is_err());
        assert!(from_batch(&Bytes::from_static(b"[]")).unwrap().is_empty());
    }
}
