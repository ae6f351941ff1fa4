//! Structured mode: the JSON event format. Data is borrowed from the text, never parsed and written
//! again, so numbers keep their digits.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{AttributeValue, Data, DataKind, Event, EventBuilder, InvalidEvent, scan};

/// Reads one event in the JSON event format. Its data shares `body`'s memory where it can.
///
/// # Errors
/// Malformed JSON, or what [`EventBuilder::build`] refuses.
pub fn from_structured(body: &Bytes) -> Result<Event, InvalidEvent> {
    scan::check(body)?;
    let text = std::str::from_utf8(body).map_err(|_| InvalidEvent::Utf8 { what: "the JSON text".into() })?;
    let members: Members<'_> =
        serde_json::from_str(text).map_err(|error| InvalidEvent::Json { message: error.to_string() })?;
    build(members, body)
}

pub(super) fn from_raw(raw: &RawValue, body: &Bytes) -> Result<Event, InvalidEvent> {
    let members: Members<'_> =
        serde_json::from_str(raw.get()).map_err(|error| InvalidEvent::Json { message: error.to_string() })?;
    build(members, body)
}

/// The members of a JSON object in order, values untouched.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an event as a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some(entry) = entries.next_entry()? {
                    members.push(entry);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

fn build(members: Members<'_>, body: &Bytes) -> Result<Event, InvalidEvent> {
    let mut builder = EventBuilder::default();
    let (mut data, mut data_base64) = (None, None);
    for (name, raw) in members.0 {
        let target = match name.as_str() {
            "data" => &mut data,
            "data_base64" => &mut data_base64,
            // The JSON event format: a member that is null is as if it were absent.
            _ if raw.get() == "null" => continue,
            _ => {
                builder.add(&name, attribute(&name, raw)?)?;
                continue;
            }
        };
        if target.replace(raw).is_some() {
            return Err(InvalidEvent::Attribute { name, reason: "is there twice" });
        }
    }
    if !builder.has("specversion") {
        return Err(InvalidEvent::Missing { name: "specversion" });
    }
    let event = builder.build()?;
    let data = read_data(&event, data, data_base64, body)?;
    event.into_builder().data(data).build()
}

fn attribute(name: &str, raw: &RawValue) -> Result<AttributeValue, InvalidEvent> {
    let text = raw.get();
    let wrong = |reason| InvalidEvent::Attribute { name: name.to_owned(), reason };
    match text.as_bytes().first() {
        Some(b'"') => {
            let text: String =
                serde_json::from_str(text).map_err(|error| InvalidEvent::Json { message: error.to_string() })?;
            Ok(AttributeValue::String(text.into()))
        }
        Some(b't') => Ok(AttributeValue::Boolean(true)),
        Some(b'f') => Ok(AttributeValue::Boolean(false)),
        Some(b'[' | b'{') => Err(wrong("must be a string, a boolean or an integer")),
        _ => text.parse().map(AttributeValue::Integer).map_err(|_| wrong("must be an integer of 32 bits")),
    }
}

fn read_data(
    event: &Event,
    data: Option<&RawValue>,
    data_base64: Option<&RawValue>,
    body: &Bytes,
) -> Result<Data, InvalidEvent> {
    let string = |raw: &RawValue| {
        let wrong = |_| InvalidEvent::Attribute { name: "data_base64".into(), reason: "must be a string" };
        serde_json::from_str::<String>(raw.get()).map_err(wrong)
    };
    match (data, data_base64.filter(|raw| raw.get() != "null")) {
        (None, None) => Ok(Data::default()),
        (Some(_), Some(_)) => {
            let reason = "must not be there together with data";
            Err(InvalidEvent::Attribute { name: "data_base64".into(), reason })
        }
        (None, Some(raw)) => {
            let wrong = |_| InvalidEvent::Attribute { name: "data_base64".into(), reason: "must be base64" };
            let bytes = STANDARD.decode(string(raw)?).map_err(wrong)?;
            let kind = match Data::kind_of(event.text("datacontenttype")) {
                DataKind::Json if event.text("datacontenttype").is_some() && scan::check(&bytes).is_ok() => {
                    DataKind::Json
                }
                DataKind::Text if std::str::from_utf8(&bytes).is_ok() => DataKind::Text,
                DataKind::None | DataKind::Json | DataKind::Text | DataKind::Binary => DataKind::Binary,
            };
            Ok(Data { kind, bytes: bytes.into() })
        }
        (Some(raw), None) => {
            let is_string = raw.get().starts_with('"');
            match Data::kind_of(event.text("datacontenttype")) {
                DataKind::Text | DataKind::Binary if is_string => {
                    Ok(Data { kind: DataKind::Text, bytes: string(raw)?.into() })
                }
                _ => Ok(Data { kind: DataKind::Json, bytes: body.slice_ref(raw.get().as_bytes()) }),
            }
        }
    }
}

/// Writes an event in the JSON event format.
///
/// # Errors
/// None that a valid event can cause, except data that says it is JSON or text and is not UTF-8.
pub fn to_structured(event: &Event) -> Result<Vec<u8>, InvalidEvent> {
    let broken = |error: serde_json::Error| InvalidEvent::Json { message: error.to_string() };
    let mut out = event.attributes_json().map_err(broken)?;
    let data = event.data();
    let text = || std::str::from_utf8(&data.bytes).map_err(|_| InvalidEvent::Utf8 { what: "the data".into() });
    // Reopens the object that `attributes_json` has closed.
    out.pop();
    match data.kind {
        DataKind::None => {}
        DataKind::Json => {
            text()?;
            out.extend_from_slice(b",\"data\":");
            out.extend_from_slice(&data.bytes);
        }
        DataKind::Text => {
            out.extend_from_slice(b",\"data\":");
            serde_json::to_writer(&mut out, text()?).map_err(broken)?;
        }
        DataKind::Binary => {
            out.extend_from_slice(b",\"data_base64\":\"");
            out.extend_from_slice(STANDARD.encode(&data.bytes).as_bytes());
            out.push(b'"');
        }
    }
    out.push(b'}');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Event, InvalidEvent> {
        from_structured(&Bytes::copy_from_slice(text.as_bytes()))
    }

    fn with(members: &str) -> String {
        format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{members}}}"#)
    }

    #[test]
    fn data_keeps_its_digits_and_its_order() {
        let text = with(r#","data":{"b":1.10,"a":12345678901234567890123,"c":[ 1 ]}"#);
        let event = read(&text).unwrap();
        assert_eq!(event.data().bytes, r#"{"b":1.10,"a":12345678901234567890123,"c":[ 1 ]}"#);
        assert_eq!(to_structured(&event).unwrap(), text.as_bytes());
    }

    #[test]
    fn every_kind_of_data_survives_the_way_back() {
        let table = [
            ("", DataKind::None, ""),
            (r#","data":null"#, DataKind::Json, "null"),
            (r#","data":"text""#, DataKind::Json, r#""text""#),
            (r#","datacontenttype":"text/plain","data":"a\nb""#, DataKind::Text, "a\nb"),
            (r#","datacontenttype":"application/xml","data":"<a/>""#, DataKind::Text, "<a/>"),
            (r#","datacontenttype":"application/octet-stream","data_base64":"AAE=""#, DataKind::Binary, "\u{0}\u{1}"),
            (r#","datacontenttype":"application/json","data_base64":"e30=""#, DataKind::Json, "{}"),
        ];
        for (members, kind, bytes) in table {
            let event = read(&with(members)).unwrap();
            assert_eq!((event.data().kind, event.data().bytes.as_ref()), (kind, bytes.as_bytes()), "{members}");
            let again = from_structured(&to_structured(&event).unwrap().into()).unwrap();
            assert_eq!(again, event, "{members}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let table = [
            ("[]", "event as a JSON object"),
            ("{}", "`specversion` is required"),
            (&with(r#","id":"2""#), "`id` is there twice"),
            (&with(r#","data":1,"data":2"#), "`data` is there twice"),
            (&with(r#","data":1,"data_base64":"AA==""#), "together with data"),
            (&with(r#","data_base64":"?""#), "must be base64"),
            (&with(r#","data_base64":7"#), "must be a string"),
            (&with(r#","ext":1.5"#), "integer of 32 bits"),
            (&with(r#","ext":3000000000"#), "integer of 32 bits"),
            (&with(r#","ext":{}"#), "a string, a boolean or an integer"),
        ];
        for (text, expected) in table {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error} should say {expected}");
        }
        assert!(read(&with(r#","ext":null"#)).unwrap().attribute("ext").is_none());
    }
}
