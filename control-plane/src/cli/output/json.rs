//! JSON text laid out anew without reading its values: numbers keep their digits, members their order.

const INDENT: &str = "  ";

/// The text on several lines.
pub(crate) fn indent(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut opened = false;
    each(text, |byte, in_string| {
        let closes = !in_string && matches!(byte, b'}' | b']');
        if closes {
            depth = depth.saturating_sub(1);
        }
        // An empty object or array stays on its line.
        if opened != closes {
            new_line(&mut out, depth);
        }
        opened = false;
        out.push(byte);
        match byte {
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                opened = true;
            }
            b',' => new_line(&mut out, depth),
            b':' => out.push(b' '),
            _ => {}
        }
    });
    out
}

/// The text on one line.
pub(crate) fn compact(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    each(text, |byte, _| out.push(byte));
    out
}

fn new_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.extend(INDENT.bytes().cycle().take(depth * INDENT.len()));
}

/// Calls `see` with every byte but white space between values, and whether it is within a string.
fn each(text: &[u8], mut see: impl FnMut(u8, bool)) {
    let (mut in_string, mut escaped) = (false, false);
    for &byte in text {
        if in_string {
            see(byte, true);
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if !byte.is_ascii_whitespace() {
            in_string = byte == b'"';
            see(byte, in_string);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_changes_and_nothing_else() {
        let text = br#"{"b": 1.10,"a":[ ],"c":{"x":"a, {\"b\"} : \\","y":[1,{}]}, "n":12345678901234567890123}"#;
        let expected = r#"{
  "b": 1.10,
  "a": [],
  "c": {
    "x": "a, {\"b\"} : \\",
    "y": [
      1,
      {}
    ]
  },
  "n": 12345678901234567890123
}"#;
        assert_eq!(String::from_utf8(indent(text)).unwrap(), expected);
        let line = br#"{"b":1.10,"a":[],"c":{"x":"a, {\"b\"} : \\","y":[1,{}]},"n":12345678901234567890123}"#;
        assert_eq!(compact(expected.as_bytes()), line);
        assert_eq!(indent(b"\"text\""), b"\"text\"");
    }
}
