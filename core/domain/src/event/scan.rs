//! One pass over JSON that checks everything we need to know without building anything.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::InvalidEvent;

/// Deepest nesting of arrays and objects that is served.
pub const MAX_DEPTH: usize = 64;

/// Checks that `bytes` are one JSON value in UTF-8, nested at most [`MAX_DEPTH`] deep.
///
/// # Errors
/// `Utf8`, `TooDeep`, or `Json` with line and column. Depth is looked at first, so that hostile
/// nesting costs no stack.
pub fn check(bytes: &[u8]) -> Result<(), InvalidEvent> {
    if depth(bytes) > MAX_DEPTH {
        return Err(InvalidEvent::TooDeep { limit: MAX_DEPTH });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| InvalidEvent::Utf8 { what: "the JSON text".into() })?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Skip::deserialize(&mut deserializer)
        .and_then(|_| deserializer.end())
        .map_err(|error| InvalidEvent::Json { message: error.to_string() })
}

/// The deepest nesting in `bytes`, brackets inside strings not counted. Total: works on any bytes.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for &byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                now += 1;
                deepest = deepest.max(now);
            }
            b']' | b'}' if !in_string => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Reads any JSON value and keeps nothing. Not serde's `IgnoredAny`, which lets broken escapes and
/// numbers out of range through.
struct Skip;

impl<'de> Deserialize<'de> for Skip {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SkipVisitor)
    }
}

struct SkipVisitor;

impl<'de> Visitor<'de> for SkipVisitor {
    type Value = Skip;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Skip, E> {
        Ok(Skip)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Skip, E> {
        Ok(Skip)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Skip, E> {
        Ok(Skip)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Skip, E> {
        Ok(Skip)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Skip, E> {
        Ok(Skip)
    }

    fn visit_str<E>(self, _: &str) -> Result<Skip, E> {
        Ok(Skip)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Skip, A::Error> {
        while items.next_element::<Skip>()?.is_some() {}
        Ok(Skip)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Skip, A::Error> {
        while entries.next_entry::<Skip, Skip>()?.is_some() {}
        Ok(Skip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for bad in ["", "{", "{\"a\":}", "[1,]", "nul", "\"\\x\"", "1 2", "{\"a\" 1}", "\"\u{1}\""] {
            assert!(matches!(check(bad.as_bytes()), Err(InvalidEvent::Json { .. })), "{bad:?}");
        }
        assert!(matches!(check(b"\"\xff\""), Err(InvalidEvent::Utf8 { .. })));
    }

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(check(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(matches!(check(nested(MAX_DEPTH + 1).as_bytes()), Err(InvalidEvent::TooDeep { .. })));
        assert!(matches!(check("[".repeat(10_000_000).as_bytes()), Err(InvalidEvent::TooDeep { .. })));
        let quoted = format!("\"{}\\\"{}\"", "[".repeat(100), "{".repeat(100));
        assert!(check(quoted.as_bytes()).is_ok());
    }
}
