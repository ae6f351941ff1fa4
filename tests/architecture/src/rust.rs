//! Just enough of Rust's grammar to tell code from text and tests from the product.

use std::ops::Range;

/// The same text with comments and the insides of literals replaced by spaces. Lines and columns of
/// what is left stay where they are.
#[must_use]
pub fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (inside, end) = match rest {
            [b'/', b'/', ..] => (0..find(rest, b"\n").unwrap_or(rest.len()), None),
            [b'/', b'*', ..] => (0..block_comment(rest), None),
            [b'"', ..] => quoted(rest, 0),
            [b'r', b'"' | b'#', ..] if !is_word(bytes, at) => raw(rest),
            [b'\'', ..] => character(rest),
            _ => (0..0, Some(1)),
        };
        blank(&mut code[at + inside.start..at + inside.end]);
        at += end.unwrap_or(inside.end);
    }
    // Only ASCII was written over whole characters, or over all bytes of one.
    String::from_utf8_lossy(&code).into_owned()
}

/// For each line, whether it belongs to an item under `#[cfg(test)]`. Takes what [`code_only`] gives.
#[must_use]
pub fn test_lines(code: &str) -> Vec<bool> {
    const ATTRIBUTE: &str = "#[cfg(test)]";
    let mut is_test = vec![false; code.lines().count()];
    let line_of = |at: usize| code[..at].matches('\n').count();
    let mut from = 0;
    while let Some(found) = code[from..].find(ATTRIBUTE) {
        let start = from + found;
        let end = item_end(code, start + ATTRIBUTE.len());
        for line in line_of(start)..=line_of(end) {
            if let Some(line) = is_test.get_mut(line) {
                *line = true;
            }
        }
        from = end;
    }
    is_test
}

/// Where the item ends that begins at `from`: at its closing brace or its semicolon.
fn item_end(code: &str, from: usize) -> usize {
    let (mut braces, mut others) = (0_usize, 0_usize);
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => others += 1,
            b')' | b']' => others = others.saturating_sub(1),
            b'{' => braces += 1,
            b'}' if braces <= 1 => return at,
            b'}' => braces -= 1,
            b';' if braces == 0 && others == 0 => return at,
            _ => {}
        }
    }
    code.len()
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// What lies between the quotes, and where the literal ends.
fn quoted(rest: &[u8], quote: usize) -> (Range<usize>, Option<usize>) {
    let mut at = quote + 1;
    while at < rest.len() && rest[at] != rest[quote] {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    let at = at.min(rest.len());
    (quote + 1..at, Some((at + 1).min(rest.len())))
}

fn raw(rest: &[u8]) -> (Range<usize>, Option<usize>) {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return (0..0, Some(1));
    }
    let open = hashes + 2;
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let end = find(&rest[open..], &close).map_or(rest.len(), |at| open + at);
    (open..end, Some((end + close.len()).min(rest.len())))
}

fn character(rest: &[u8]) -> (Range<usize>, Option<usize>) {
    let text = String::from_utf8_lossy(&rest[1..rest.len().min(8)]).into_owned();
    let mut chars = text.chars();
    let (first, second) = (chars.next(), chars.next());
    match (first, second) {
        (Some('\\'), _) => quoted(rest, 0),
        (Some(_), Some('\'')) => quoted(rest, 0),
        // A lifetime.
        _ => (0..0, Some(1)),
    }
}

fn is_word(bytes: &[u8], at: usize) -> bool {
    // `br"…"` and `cr"…"` are raw strings too.
    let before = at.checked_sub(1).map(|before| bytes[before]);
    before.is_some_and(|byte| (byte.is_ascii_alphanumeric() || byte == b'_') && !matches!(byte, b'b' | b'c'))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_code_stays_where_it_is() {
        let source = concat!(
            "let a = \"x.unwrap()\"; // y.unwrap()\n",
            "/* z /* nested */ .unwrap() */ b.call();\n",
            "let c = r#\"a \" .unwrap()\"#; let d = '\"'; let e = '\\''; fn f<'a>(g: &'a str) {}\n",
            "let h = \"é\\\"\"; i.unwrap();\n",
        );
        let code = code_only(source);
        assert_eq!(code.len(), source.len());
        assert_eq!(code.lines().count(), 4);
        assert_eq!(code.matches(".unwrap()").count(), 1, "{code}");
        for kept in ["let a", "b.call();", "fn f<'a>(g: &'a str) {}", "i.unwrap();"] {
            assert_eq!(code.find(kept), source.find(kept), "{kept}");
        }
    }

    #[test]
    fn items_under_cfg_test_are_found_to_their_end() {
        let source = concat!(
            "fn product() {}\n",
            "#[cfg(test)]\nmod other;\n",
            "fn product_again() { if true { } }\n",
            "#[cfg(test)]\n#[expect(dead_code, reason = \"}\")]\nmod tests {\n    fn a() { }\n}\n",
            "fn last() {}\n",
        );
        let lines = test_lines(&code_only(source));
        assert_eq!(lines, [false, true, true, false, true, true, true, true, true, false]);
    }
}
