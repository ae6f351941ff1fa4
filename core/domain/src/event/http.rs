//! The HTTP protocol binding: which mode a message is in, and binary mode.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::{AttributeValue, Data, DataKind, Event, EventBuilder, InvalidEvent, scan};

/// Content type of one event in the JSON event format.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// Content type of a batch in the JSON batch format.
pub const BATCH: &str = "application/cloudevents-batch+json";

/// Space, `"`, `%` and what is not printable ASCII is percent-encoded in header values.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// The three modes of the binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Attributes in `ce-` headers, data in the body.
    Binary,
    /// The whole event in the body.
    Structured,
    /// Several events in the body.
    Batch,
}

/// The mode of a message, by its content type.
///
/// # Errors
/// An event format other than JSON.
pub fn content_mode(content_type: Option<&str>) -> Result<Mode, InvalidEvent> {
    let media = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        STRUCTURED => Ok(Mode::Structured),
        BATCH => Ok(Mode::Batch),
        _ if media.starts_with("application/cloudevents") => Err(InvalidEvent::ContentType(media)),
        _ => Ok(Mode::Binary),
    }
}

/// Reads an event in binary mode. The body becomes the data as it is.
///
/// # Errors
/// A header that is no attribute, or what [`EventBuilder::build`] refuses; data that says it is JSON
/// and is not.
pub fn from_binary(headers: &HeaderMap, body: Bytes) -> Result<Event, InvalidEvent> {
    let mut builder = EventBuilder::default();
    for (name, value) in headers {
        let Some(attribute) = name.as_str().strip_prefix("ce-") else { continue };
        if attribute == "datacontenttype" {
            let reason = "must be given as the header content-type";
            return Err(InvalidEvent::Attribute { name: attribute.to_owned(), reason });
        }
        builder.add(attribute, AttributeValue::from(decode(attribute, value)?))?;
    }
    if !builder.has("specversion") {
        return Err(InvalidEvent::Missing { name: "specversion" });
    }
    let content_type = match headers.get(CONTENT_TYPE) {
        Some(value) => Some(decode("datacontenttype", value)?),
        None => None,
    };
    let kind = data_kind(content_type.as_deref(), &body)?;
    if let Some(content_type) = content_type {
        builder.set("datacontenttype", content_type.into());
    }
    builder.data(Data { kind, bytes: body }).build()
}

/// How a body is to be read, and whether it can be.
fn data_kind(content_type: Option<&str>, body: &[u8]) -> Result<DataKind, InvalidEvent> {
    if body.is_empty() {
        return Ok(DataKind::None);
    }
    match content_type.map(|known| Data::kind_of(Some(known))) {
        Some(DataKind::Json) => scan::check(body).map(|()| DataKind::Json),
        Some(DataKind::Text) if std::str::from_utf8(body).is_ok() => Ok(DataKind::Text),
        _ => Ok(DataKind::Binary),
    }
}

fn decode(name: &str, value: &HeaderValue) -> Result<String, InvalidEvent> {
    let not_utf8 = || InvalidEvent::Utf8 { what: format!("attribute `{name}`") };
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| not_utf8())?.trim();
    let unquoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let plain = match unquoted {
        Some(inner) => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => text.to_owned(),
    };
    percent_decode_str(&plain).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| not_utf8())
}

/// An attribute's value as a header value.
#[must_use]
pub fn header_value(value: &AttributeValue) -> Option<HeaderValue> {
    HeaderValue::from_str(&utf8_percent_encode(&value.to_string(), ENCODED).to_string()).ok()
}

/// The headers of an event in binary mode; the body is its data as it is.
#[must_use]
pub fn to_binary(event: &Event) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("ce-specversion", HeaderValue::from_static("1.0"));
    for (name, value) in event.attributes() {
        let header = match name {
            "datacontenttype" => Some(CONTENT_TYPE),
            _ => HeaderName::try_from(format!("ce-{name}")).ok(),
        };
        let value = match (name, value) {
            // A content type is a header of its own right and is not percent-encoded.
            ("datacontenttype", AttributeValue::String(text)) => HeaderValue::from_str(text).ok(),
            _ => header_value(value),
        };
        if let (Some(header), Some(value)) = (header, value) {
            headers.insert(header, value);
        }
    }
    if event.attribute("datacontenttype").is_none() && event.data().kind == DataKind::Json {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let base = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        let mut map = HeaderMap::new();
        for (name, value) in base.iter().chain(pairs).map(pair) {
            map.append(name, value);
        }
        map
    }

    #[test]
    fn the_mode_is_the_content_type_in_any_case() {
        let mode = |text| content_mode(Some(text));
        assert_eq!(mode("Application/CloudEvents+JSON; charset=utf-8").unwrap(), Mode::Structured);
        assert_eq!(mode("application/cloudevents-batch+json").unwrap(), Mode::Batch);
        assert_eq!(mode("application/json").unwrap(), Mode::Binary);
        assert_eq!(content_mode(None).unwrap(), Mode::Binary);
        assert!(matches!(mode("application/cloudevents+avro"), Err(InvalidEvent::ContentType(_))));
    }

    #[test]
    fn attributes_are_percent_decoded_once_and_unquoted() {
        let map = headers(&[("ce-a", "Euro%20%E2%82%AC%2525"), ("ce-b", "\"q \\\" q\""), ("ce-c", "caf\u{e9}")]);
        let event = from_binary(&map, Bytes::new()).unwrap();
        assert_eq!(event.text("a"), Some("Euro \u{20ac}%25"));
        assert_eq!(event.text("b"), Some("q \" q"));
        assert_eq!(event.text("c"), Some("caf\u{e9}"));
        let again = from_binary(&to_binary(&event), Bytes::new()).unwrap();
        assert_eq!(again, event);
    }

    #[test]
    fn the_body_is_judged_by_its_content_type() {
        let read = |content_type: Option<&str>, body: &'static [u8]| {
            let pairs: Vec<_> = content_type.map(|c| ("content-type", c)).into_iter().collect();
            from_binary(&headers(&pairs), Bytes::from_static(body)).map(|event| event.data().kind)
        };
        assert_eq!(read(Some("application/json"), b"{}").unwrap(), DataKind::Json);
        assert_eq!(read(Some("application/x+json; a=b"), b"{}").unwrap(), DataKind::Json);
        assert_eq!(read(Some("text/plain"), b"hi").unwrap(), DataKind::Text);
        assert_eq!(read(Some("text/plain"), b"\xff").unwrap(), DataKind::Binary);
        assert_eq!(read(None, b"hi").unwrap(), DataKind::Binary);
        assert_eq!(read(Some("application/json"), b"").unwrap(), DataKind::None);
        assert!(matches!(read(Some("application/json"), b"{"), Err(InvalidEvent::Json { .. })));
    }

    #[test]
    fn a_wrong_header_is_named() {
        let error = |pairs: &[(&str, &str)]| from_binary(&headers(pairs), Bytes::new()).unwrap_err().to_string();
        assert!(error(&[("ce-datacontenttype", "a/b")]).contains("content-type"));
        assert!(error(&[("ce-id", "2")]).contains("twice"));
        assert!(error(&[("ce-my-ext", "2")]).contains("`my-ext` must be named"));
        assert!(error(&[("ce-a", "%ff")]).contains("not UTF-8"));
    }
}
