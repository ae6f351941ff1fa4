//! An event for people.

use workmanager_core_domain::{Event, event::DataKind};

use crate::cli::output::{Style, compact, indent, plain};

/// An event's data on one line, cut after `limit` characters.
pub(crate) fn data_line(event: &Event, limit: usize) -> String {
    let data = event.data();
    let text = match data.kind {
        DataKind::None => return String::new(),
        DataKind::Json => String::from_utf8_lossy(&compact(&data.bytes)).into_owned(),
        DataKind::Text => String::from_utf8_lossy(&data.bytes).replace('\n', " "),
        DataKind::Binary => return format!("<{} bytes>", data.bytes.len()),
    };
    let text = plain(&text);
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

/// A whole event: its attributes, one a line, an empty line, its data.
pub(crate) fn whole(event: &Event, style: Style) -> String {
    let mut lines: Vec<String> = event
        .attributes()
        .map(|(name, value)| format!("{} {}", style.bold(&format!("{name}:")), plain(&value.to_string())))
        .collect();
    let data = event.data();
    if data.kind != DataKind::None {
        lines.push(String::new());
    }
    match data.kind {
        DataKind::None => {}
        DataKind::Json => lines.push(plain(&String::from_utf8_lossy(&indent(&data.bytes))).into_owned()),
        DataKind::Text => lines.push(plain(&String::from_utf8_lossy(&data.bytes)).into_owned()),
        DataKind::Binary => lines.push(data_line(event, 0)),
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use workmanager_core_domain::event::Data;

    use super::*;

    fn event(kind: DataKind, bytes: &'static [u8]) -> Event {
        let event = Event::builder().with("id", "1").with("source", "/s").with("type", "t");
        event.data(Data { kind, bytes: bytes.into() }).build().unwrap()
    }

    #[test]
    fn data_is_one_line_whatever_it_is() {
        let line = |kind, bytes, limit| data_line(&event(kind, bytes), limit);
        assert_eq!(line(DataKind::None, b"", 9), "");
        assert_eq!(line(DataKind::Json, b"{\n \"a\": 1.10 }", 99), r#"{"a":1.10}"#);
        assert_eq!(line(DataKind::Json, "[\"é\u{e9}\"]".as_bytes(), 3), "[\"é…");
        assert_eq!(line(DataKind::Text, b"a\nb\x1b[2J", 99), "a b\\u{1b}[2J");
        assert_eq!(line(DataKind::Binary, b"\xff\x00", 0), "<2 bytes>");
    }

    #[test]
    fn a_whole_event_is_its_attributes_and_its_data() {
        let shown = whole(&event(DataKind::Json, br#"{"a":1}"#), Style::new(false));
        assert_eq!(shown, "id: 1\nsource: /s\ntype: t\n\n{\n  \"a\": 1\n}");
        assert_eq!(whole(&event(DataKind::None, b""), Style::new(false)), "id: 1\nsource: /s\ntype: t");
    }
}
