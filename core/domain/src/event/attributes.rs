//! The envelope.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use super::{Data, InvalidEvent, MAX_EVENT};
use crate::Timestamp;

/// Longest attribute name that is served. The specification advises at most 20.
const MAX_NAME: usize = 64;

/// The value of an attribute. Binary, URI and timestamp attributes travel as strings, as in the JSON
/// event format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// `true` or `false`.
    Boolean(bool),
    /// A 32-bit integer.
    Integer(i32),
    /// Text.
    String(Box<str>),
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::String(value) => f.write_str(value),
        }
    }
}

impl Serialize for AttributeValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i32(*value),
            Self::String(value) => serializer.serialize_str(value),
        }
    }
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<i32> for AttributeValue {
    fn from(number: i32) -> Self {
        Self::Integer(number)
    }
}

/// A valid CloudEvent: `id`, `source` and `type` are there and not empty, every attribute is well
/// formed, none is there twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    attributes: Vec<(Box<str>, AttributeValue)>,
    data: Data,
}

impl Event {
    /// Starts an event. [`EventBuilder::build`] checks it.
    #[must_use]
    pub fn builder() -> EventBuilder {
        EventBuilder::default()
    }

    fn required(&self, name: &str) -> &str {
        match self.attribute(name) {
            Some(AttributeValue::String(text)) => text,
            // `build` has checked that the three are there.
            _ => "",
        }
    }

    /// Attribute `id`.
    #[must_use]
    pub fn id(&self) -> &str {
        self.required("id")
    }

    /// Attribute `source`.
    #[must_use]
    pub fn source(&self) -> &str {
        self.required("source")
    }

    /// Attribute `type`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.required("type")
    }

    /// An attribute by its name, required ones included; `specversion` is not kept.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        self.attributes.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    /// An attribute's value if it is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.attribute(name)? {
            AttributeValue::String(text) => Some(text),
            AttributeValue::Boolean(_) | AttributeValue::Integer(_) => None,
        }
    }

    /// All attributes but `specversion`, in the order they came.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.attributes.iter().map(|(name, value)| (&**name, value))
    }

    /// The data.
    #[must_use]
    pub const fn data(&self) -> &Data {
        &self.data
    }

    /// Attributes and data in bytes, as counted against [`MAX_EVENT`].
    #[must_use]
    pub fn size(&self) -> usize {
        size(&self.attributes, &self.data)
    }

    /// The event taken apart, to build another from it. Data is shared, not copied.
    #[must_use]
    pub fn into_builder(self) -> EventBuilder {
        EventBuilder { attributes: self.attributes, data: self.data }
    }

    /// The attributes as one JSON object, `specversion` included, data not.
    ///
    /// # Errors
    /// None that these types can cause.
    pub fn attributes_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&AttributesJson(self))
    }

    /// The same, to be put into other JSON as it is.
    ///
    /// # Errors
    /// None that these types can cause.
    pub fn attributes_raw(&self) -> Result<Box<RawValue>, serde_json::Error> {
        serde_json::value::to_raw_value(&AttributesJson(self))
    }
}

struct AttributesJson<'a>(&'a Event);

impl Serialize for AttributesJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.attributes.len() + 1))?;
        map.serialize_entry("specversion", "1.0")?;
        for (name, value) in self.0.attributes() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// An event in the making: attributes may be missing, wrong or there twice until it is built.
#[derive(Debug, Clone, Default)]
pub struct EventBuilder {
    attributes: Vec<(Box<str>, AttributeValue)>,
    data: Data,
}

impl EventBuilder {
    /// Sets an attribute, replacing an earlier value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<AttributeValue>) -> Self {
        self.set(name, value.into());
        self
    }

    /// Sets the data.
    #[must_use]
    pub fn data(mut self, data: Data) -> Self {
        self.data = data;
        self
    }

    /// Sets an attribute, replacing an earlier value.
    pub fn set(&mut self, name: &str, value: AttributeValue) {
        match self.attributes.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, old)) => *old = value,
            None => self.attributes.push((name.into(), value)),
        }
    }

    /// Whether an attribute is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.attributes.iter().any(|(known, _)| **known == *name)
    }

    /// Adds an attribute that must not be there yet.
    ///
    /// # Errors
    /// It is there already.
    pub fn add(&mut self, name: &str, value: AttributeValue) -> Result<(), InvalidEvent> {
        if self.has(name) {
            return Err(InvalidEvent::Attribute { name: name.to_owned(), reason: "is there twice" });
        }
        self.attributes.push((name.into(), value));
        Ok(())
    }

    /// Checks everything and makes the event. `specversion` is checked and left out: it is always 1.0.
    ///
    /// # Errors
    /// The first thing that is wrong, see [`InvalidEvent`].
    pub fn build(mut self) -> Result<Event, InvalidEvent> {
        if let Some(at) = self.attributes.iter().position(|(name, _)| &**name == "specversion") {
            let (_, version) = self.attributes.remove(at);
            if version != AttributeValue::from("1.0") {
                return Err(InvalidEvent::SpecVersion { found: version.to_string() });
            }
        }
        for (name, value) in &self.attributes {
            check_attribute(name, value)?;
        }
        for name in ["id", "source", "type"] {
            if !self.has(name) {
                return Err(InvalidEvent::Missing { name });
            }
        }
        let size = size(&self.attributes, &self.data);
        if size > MAX_EVENT {
            return Err(InvalidEvent::TooLarge { size, limit: MAX_EVENT });
        }
        Ok(Event { attributes: self.attributes, data: self.data })
    }
}

fn size(attributes: &[(Box<str>, AttributeValue)], data: &Data) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::String(text) => text.len(),
        AttributeValue::Boolean(_) | AttributeValue::Integer(_) => 4,
    };
    attributes.iter().map(|(name, v)| name.len() + value(v)).sum::<usize>() + data.bytes.len()
}

fn check_attribute(name: &str, value: &AttributeValue) -> Result<(), InvalidEvent> {
    let wrong = |reason| Err(InvalidEvent::Attribute { name: name.to_owned(), reason });
    let well_named = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if name.is_empty() || name.len() > MAX_NAME || !well_named {
        return wrong("must be named with 1 to 64 of a-z and 0-9");
    }
    if matches!(name, "data" | "database64") {
        return wrong("is a reserved name");
    }
    let required = match name {
        "id" => Some("id"),
        "source" => Some("source"),
        "type" => Some("type"),
        _ => None,
    };
    match value {
        AttributeValue::String(text) if text.is_empty() => match required {
            Some(name) => Err(InvalidEvent::Missing { name }),
            None => wrong("must not be empty"),
        },
        AttributeValue::String(text) if text.chars().any(|c| c.is_ascii_control()) => {
            wrong("must not have control characters")
        }
        AttributeValue::String(text) if name == "time" && text.parse::<Timestamp>().is_err() => {
            wrong("must be a timestamp in RFC 3339")
        }
        AttributeValue::String(_) => Ok(()),
        AttributeValue::Boolean(_) | AttributeValue::Integer(_) => match name {
            "id" | "source" | "type" | "subject" | "time" | "datacontenttype" | "dataschema" => {
                wrong("must be a string")
            }
            _ => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> EventBuilder {
        Event::builder().with("id", "1").with("source", "/s").with("type", "t")
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        let table: [(EventBuilder, &str); 11] = [
            (Event::builder(), "`id` is required"),
            (valid().with("id", ""), "`id` is required"),
            (valid().with("type", ""), "`type` is required"),
            (valid().with("id", 7), "`id` must be a string"),
            (valid().with("Upper", "x"), "`Upper` must be named"),
            (valid().with("with-dash", "x"), "`with-dash` must be named"),
            (valid().with(&"a".repeat(65), "x"), "must be named"),
            (valid().with("data", "x"), "`data` is a reserved name"),
            (valid().with("time", "yesterday"), "RFC 3339"),
            (valid().with("subject", "a\u{0}b"), "control characters"),
            (valid().with("specversion", "0.3"), "specversion `0.3`"),
        ];
        for (builder, expected) in table {
            let error = builder.build().unwrap_err();
            assert!(error.to_string().contains(expected), "{error} should say {expected}");
        }
    }

    #[test]
    fn an_event_is_as_large_as_its_attributes_and_data() {
        let data = |len| Data { kind: super::super::DataKind::Binary, bytes: vec![0; len].into() };
        let overhead = valid().build().unwrap().size();
        assert!(valid().data(data(MAX_EVENT - overhead)).build().is_ok());
        let error = valid().data(data(MAX_EVENT - overhead + 1)).build().unwrap_err();
        assert!(matches!(error, InvalidEvent::TooLarge { size, .. } if size == MAX_EVENT + 1));
    }
}
