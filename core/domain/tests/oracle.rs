//! Our envelope against the field's own library: what one writes, the other reads as the same event.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use bytes::Bytes;
use cloudevents::{AttributesReader as _, Data as TheirData, Event as Theirs, EventBuilder as _, EventBuilderV10};
use serde_json::{Value, json};
use workmanager_core_domain::{
    Event,
    event::{AttributeValue, Data, DataKind, from_structured, to_structured},
};

fn ours() -> Event {
    let builder = Event::builder().with("id", "a 1").with("source", "/shop?x=1").with("type", "order.created");
    let builder = builder.with("subject", "caf\u{e9}").with("time", "2026-11-25T10:00:00.5Z").with("replytopic", "r");
    let builder = builder.with("attempts", 7).with("datacontenttype", "application/json");
    let data = Data { kind: DataKind::Json, bytes: Bytes::from_static(br#"{"items":[1,2.5,"x"],"none":null}"#) };
    builder.data(data).build().unwrap()
}

#[test]
fn what_we_write_they_read() {
    let theirs: Theirs = serde_json::from_slice(&to_structured(&ours()).unwrap()).unwrap();
    assert_eq!((theirs.id(), theirs.source().as_str(), theirs.ty()), ("a 1", "/shop?x=1", "order.created"));
    assert_eq!(theirs.subject(), Some("caf\u{e9}"));
    assert_eq!(theirs.time().unwrap().timestamp_millis(), 1_795_600_800_500);
    assert_eq!(theirs.extension("replytopic").unwrap().to_string(), "r");
    assert_eq!(theirs.extension("attempts").unwrap().to_string(), "7");
    let Some(TheirData::Json(data)) = theirs.data() else { panic!("{theirs}") };
    assert_eq!(*data, json!({"items": [1, 2.5, "x"], "none": null}));
}

#[test]
fn what_they_write_we_read() {
    let build = |builder: EventBuilderV10| builder.id("1").source("/s").ty("t").build().unwrap();
    let events = [
        build(EventBuilderV10::new().subject("s").extension("n", 5_i64).extension("flag", true)),
        build(EventBuilderV10::new().data("application/json", json!({"a": 1}))),
        build(EventBuilderV10::new().data("text/plain", "hello")),
        build(EventBuilderV10::new().data("application/octet-stream", vec![0_u8, 255])),
    ];
    for theirs in events {
        let text = serde_json::to_vec(&theirs).unwrap();
        let event = from_structured(&Bytes::from(text.clone())).unwrap();
        assert_eq!((event.id(), event.source(), event.kind()), ("1", "/s", "t"));
        let again: Value = serde_json::from_slice(&to_structured(&event).unwrap()).unwrap();
        assert_eq!(again, serde_json::from_slice::<Value>(&text).unwrap());
    }
    let typed = build(EventBuilderV10::new().extension("n", 5_i64));
    let event = from_structured(&Bytes::from(serde_json::to_vec(&typed).unwrap())).unwrap();
    assert_eq!(event.attribute("n"), Some(&AttributeValue::Integer(5)));
}
