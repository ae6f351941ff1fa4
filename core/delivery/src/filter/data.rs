//! Event data as values of the filter language. Text is borrowed from the event where JSON allows it.

use std::{collections::HashMap, fmt};

use cel::common::{
    types::{CelBool, CelBytes, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt},
    value::Val,
};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use workmanager_core_domain::event::{Data, DataKind};

/// Data, readable by filters.
#[derive(Debug)]
pub(super) struct Tree<'e> {
    pub(super) root: Box<dyn Val + 'e>,
    /// How many values it has.
    pub(super) values: usize,
}

/// Reads data; `None` when the event has none.
pub(super) fn read(data: &Data) -> Option<Result<Tree<'_>, String>> {
    match data.kind {
        DataKind::None => None,
        DataKind::Json => Some(json(&data.bytes)),
        DataKind::Text => Some(
            std::str::from_utf8(&data.bytes)
                .map(|text| Tree { root: Box::new(CelString::from(text)), values: 1 })
                .map_err(|_| "`data` is not UTF-8".to_owned()),
        ),
        DataKind::Binary => Some(Ok(Tree { root: Box::new(CelBytes::from(&data.bytes[..])), values: 1 })),
    }
}

fn json(bytes: &[u8]) -> Result<Tree<'_>, String> {
    let mut values = 0;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let root = Reader(&mut values)
        .deserialize(&mut deserializer)
        .and_then(|root| deserializer.end().map(|()| root))
        .map_err(|error| format!("`data` is not JSON: {error}"))?;
    Ok(Tree { root, values })
}

/// Builds values while it counts them.
struct Reader<'c>(&'c mut usize);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Box<dyn Val + 'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        *self.0 += 1;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Box<dyn Val + 'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Box::new(CelNull))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Box::new(CelBool::from(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Box::new(CelInt::from(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        // A number that fits is an `int`, as a literal in a filter is.
        match i64::try_from(value) {
            Ok(value) => Ok(Box::new(CelInt::from(value))),
            Err(_) => Ok(Box::new(CelUInt::from(value))),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Box::new(CelDouble::from(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Box::new(CelString::from(value.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Box::new(CelString::from(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = sequence.next_element_seed(Reader(self.0))? {
            list.push(value);
        }
        Ok(Box::new(CelList::from(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map: HashMap<CelMapKey<'de>, Self::Value> = HashMap::new();
        while let Some(key) = entries.next_key_seed(KeyReader)? {
            map.insert(CelMapKey::String(key), entries.next_value_seed(Reader(self.0))?);
        }
        Ok(Box::new(CelMap::from(map)))
    }
}

struct KeyReader;

impl<'de> DeserializeSeed<'de> for KeyReader {
    type Value = CelString<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeyReader {
    type Value = CelString<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(CelString::from(value.to_owned()))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(CelString::from(value))
    }
}
