//! JSON that callers send: read once into a tree that borrows from the text and forgets nothing, so
//! that everything that is wrong with it can be said at once.

mod reader;

use std::borrow::Cow;

pub(crate) use reader::{Fields, change, list, map, text, text_or_null};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use workmanager_core_domain::event::{InvalidEvent, check_json};

use super::error::Error;
use crate::app::Code;

/// A JSON value; members in their order, also those that are there twice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number that fits.
    Unsigned(u64),
    /// Any other number.
    Number,
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Node<'a>>),
    /// An object.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl Node<'_> {
    /// What it is, in words.
    pub(crate) const fn what(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Unsigned(_) | Self::Number => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads a JSON text.
pub(crate) fn parse(bytes: &[u8]) -> Result<Node<'_>, Error> {
    let malformed = |message: String| Error::Plain(Code::JsonMalformed, format!("the body is not JSON: {message}"));
    check_json(bytes).map_err(|error| match error {
        InvalidEvent::TooDeep { .. } => Error::Plain(Code::JsonTooDeep, format!("the body {error}")),
        InvalidEvent::Utf8 { .. } => Error::Plain(Code::InvalidUtf8, "the body is not UTF-8".to_owned()),
        InvalidEvent::Json { message } => malformed(message),
        other => malformed(other.to_string()),
    })?;
    serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(Node::Unsigned(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node<'de>, E> {
        Ok(Node::Number)
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = entries.next_key::<Node<'de>>()? {
            let key = match key {
                Node::Text(key) => key,
                other => Cow::Borrowed(other.what()),
            };
            members.push((key, entries.next_value()?));
        }
        Ok(Node::Object(members))
    }
}
