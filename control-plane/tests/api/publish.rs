//! `POST /v1/topics/{topic}/events`

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::harness::{Harness, binary, event, raw};

const PATH: &str = "/v1/topics/orders/events";
const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";
const REQUIRED: [(&str, &str); 4] = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];

type Headers = &'static [(&'static str, &'static str)];

/// The required headers, some of them changed or, with an empty value, left out, and some more.
fn headers(changes: Headers, body: impl Into<Body>) -> Request<Body> {
    let mut all: Vec<_> =
        REQUIRED.iter().filter(|(name, _)| !changes.iter().any(|(c, _)| c == name)).copied().collect();
    all.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    binary(PATH, &all, body)
}

#[tokio::test]
async fn the_three_modes_are_taken_and_answered_with_the_ids() {
    let wm = Harness::start().await;
    let answer = wm.send(headers(&[("content-type", "application/json")], r#"{"n": 1.10}"#)).await.expect(202);
    assert_eq!(answer.text, r#"{"accepted":["1"]}"#);
    let answer = wm.send(raw("POST", PATH, STRUCTURED, event("2", &json!({"n": 2})).to_string())).await.expect(202);
    assert_eq!(answer.text, r#"{"accepted":["2"]}"#);
    let batch = json!([event("3", &json!(null)), event("4", &json!("x"))]).to_string();
    let content_type = "Application/CloudEvents-Batch+JSON; charset=utf-8";
    let answer = wm.send(raw("POST", PATH, content_type, batch)).await.expect(202);
    assert_eq!(answer.text, r#"{"accepted":["3","4"]}"#);
    let answer = wm.send(raw("POST", PATH, BATCH, "[]")).await.expect(202);
    assert_eq!(answer.text, r#"{"accepted":[]}"#);
    let answer =
        wm.send(headers(&[("ce-id", "5"), ("content-type", "image/png")], Bytes::from_static(b"\x89\x00"))).await;
    answer.expect(202);
    let ids: Vec<_> = wm.events("orders").await.iter().map(|event| event["id"].clone()).collect();
    assert_eq!(ids, ["1", "2", "3", "4", "5"]);
    assert_eq!(wm.events("orders").await[4]["data_base64"], "iQA=");
    assert_eq!(wm.events("other").await, [] as [Value; 0]);
}

#[tokio::test]
async fn headers_that_are_missing_or_malformed_are_refused_and_the_attribute_is_named() {
    let wm = Harness::start().await;
    let table: &[(Headers, &str, &str)] = &[
        (&[("ce-id", "")], "invalid-event", "/id"),
        (&[("ce-source", "")], "invalid-event", "/source"),
        (&[("ce-type", "")], "invalid-event", "/type"),
        (&[("ce-specversion", "")], "invalid-event", "/specversion"),
        (&[("ce-id", " ")], "invalid-event", "/id"),
        (&[("ce-source", "\"\"")], "invalid-event", "/source"),
        (&[("ce-specversion", "0.3")], "invalid-event", "/specversion"),
        (&[("ce-specversion", "2.0")], "invalid-event", "/specversion"),
        (&[("ce-time", "yesterday")], "invalid-event", "/time"),
        (&[("ce-time", "2026-13-01T00:00:00Z")], "invalid-event", "/time"),
        (&[("ce-with-dash", "x")], "invalid-event", "/with-dash"),
        (&[("ce-datacontenttype", "text/plain")], "invalid-event", "/datacontenttype"),
        (&[("ce-data", "x")], "invalid-event", "/data"),
        (&[("ce-subject", "%00")], "invalid-event", "/subject"),
        (&[("ce-ext", "%ff")], "invalid-utf8", ""),
    ];
    for (changes, code, pointer) in table {
        let answer = wm.send(headers(changes, "x")).await;
        answer.refused(400, code);
        assert_eq!(answer.pointers(), [*pointer], "{changes:?}");
    }
    let mut twice = headers(&[], "x");
    twice.headers_mut().append("ce-id", "2".parse().unwrap());
    wm.send(twice).await.refused(400, "invalid-event");
    assert_eq!(wm.events("orders").await, [] as [Value; 0]);
}

#[tokio::test]
async fn members_of_an_event_in_json_are_judged_alike() {
    let wm = Harness::start().await;
    let valid = event("1", &json!(1));
    let without = |name: &str| {
        let mut event = valid.clone();
        event.as_object_mut().unwrap().remove(name);
        event
    };
    let with = |name: &str, value: Value| {
        let mut event = valid.clone();
        event[name] = value;
        event
    };
    let table = [
        (without("id"), "/id"),
        (without("source"), "/source"),
        (without("type"), "/type"),
        (without("specversion"), "/specversion"),
        (with("id", json!("")), "/id"),
        (with("id", json!(null)), "/id"),
        (with("id", json!(7)), "/id"),
        (with("source", json!({})), "/source"),
        (with("type", json!([])), "/type"),
        (with("specversion", json!(1.0)), "/specversion"),
        (with("specversion", json!("1.1")), "/specversion"),
        (with("time", json!("now")), "/time"),
        (with("time", json!(0)), "/time"),
        (with("Upper", json!("x")), "/Upper"),
        (with("a/b", json!("x")), "/a~1b"),
        (with("ext", json!(1.5)), "/ext"),
        (with("ext", json!(3_000_000_000_u64)), "/ext"),
        (with("ext", json!({})), "/ext"),
        (with("ext", json!("")), "/ext"),
        (with("data_base64", json!("AA==")), "/data_base64"),
    ];
    for (body, pointer) in table {
        let answer = wm.send(raw("POST", PATH, STRUCTURED, body.to_string())).await;
        answer.refused(400, "invalid-event");
        assert_eq!(answer.pointers(), [pointer], "{body}");
    }
    assert_eq!(wm.events("orders").await, [] as [Value; 0]);
}

#[tokio::test]
async fn bodies_that_are_no_event_are_refused() {
    let wm = Harness::start().await;
    let deep = format!("{{\"data\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let table: Vec<(&str, Bytes, u16, &str)> = vec![
        (STRUCTURED, "".into(), 400, "json-malformed"),
        (STRUCTURED, "{".into(), 400, "json-malformed"),
        (STRUCTURED, "[]".into(), 400, "json-malformed"),
        (STRUCTURED, "null".into(), 400, "json-malformed"),
        (STRUCTURED, "{}".into(), 400, "invalid-event"),
        (STRUCTURED, Bytes::from_static(b"{\"id\":\"\xff\"}"), 400, "invalid-utf8"),
        (STRUCTURED, deep.clone().into(), 400, "json-too-deep"),
        (BATCH, "".into(), 400, "json-malformed"),
        (BATCH, "{}".into(), 400, "json-malformed"),
        (BATCH, "[1]".into(), 400, "json-malformed"),
        (BATCH, format!("[{deep}]").into(), 400, "json-too-deep"),
        ("application/cloudevents", "x".into(), 415, "unsupported-media-type"),
        ("application/cloudevents+xml", "<a/>".into(), 415, "unsupported-media-type"),
        ("application/cloudevents-batch+avro", "x".into(), 415, "unsupported-media-type"),
        ("application/json", "{}".into(), 400, "invalid-event"),
        ("", "{}".into(), 400, "invalid-event"),
    ];
    for (content_type, body, status, code) in table {
        wm.send(raw("POST", PATH, content_type, body)).await.refused(status, code);
    }
    wm.send(headers(&[("content-type", "application/json")], "{")).await.refused(400, "json-malformed");
    wm.send(headers(&[("content-type", "application/json")], deep)).await.refused(400, "json-too-deep");
    assert_eq!(wm.events("orders").await, [] as [Value; 0]);
}

#[tokio::test]
async fn one_bad_member_refuses_the_whole_batch_and_is_named() {
    let wm = Harness::start().await;
    let good = event("1", &json!(1));
    let large = event("2", &json!("x".repeat(1 << 20)));
    let table = [
        (json!([good, {}]), 400, "invalid-event", "/1/specversion"),
        (
            json!([good, good, {"specversion": "1.0", "id": "", "source": "/s", "type": "t"}]),
            400,
            "invalid-event",
            "/2/id",
        ),
        (
            json!([{"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "a/b": 1}, good]),
            400,
            "invalid-event",
            "/0/a~1b",
        ),
        (json!([good, 7]), 400, "json-malformed", "/1"),
        (json!([good, large]), 413, "event-too-large", "/1"),
    ];
    for (batch, status, code, pointer) in table {
        let answer = wm.send(raw("POST", PATH, BATCH, batch.to_string())).await;
        answer.refused(status, code);
        assert_eq!(answer.pointers(), [pointer]);
    }
    assert_eq!(wm.events("orders").await, [] as [Value; 0]);
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_limit_itself_is_taken() {
    let wm = Harness::start().await;
    let overhead: usize = REQUIRED[1..].iter().map(|(name, value)| name.len() - 3 + value.len()).sum();
    let most = (1 << 20) - overhead;
    wm.send(headers(&[], vec![0; most])).await.expect(202);
    wm.send(headers(&[], vec![0; most + 1])).await.refused(413, "event-too-large");
    wm.send(headers(&[], vec![0; 2 << 20])).await.refused(413, "body-too-large");
    let structured = |size: usize| event("2", &json!("x".repeat(size))).to_string();
    wm.send(raw("POST", PATH, STRUCTURED, structured(1 << 20))).await.refused(413, "event-too-large");
    wm.send(raw("POST", PATH, STRUCTURED, structured(3 << 20))).await.refused(413, "body-too-large");
    let batch = |count: usize| {
        let member = event("3", &json!("x".repeat(1_000_000)));
        Value::from((0..count).map(|_| member.clone()).collect::<Vec<_>>()).to_string()
    };
    wm.send(raw("POST", PATH, BATCH, batch(5))).await.refused(413, "body-too-large");
    assert_eq!(wm.events("orders").await.len(), 1);
    wm.send(raw("POST", PATH, BATCH, batch(4))).await.expect(202);
    assert_eq!(wm.events("orders").await.len(), 5);
}

#[tokio::test]
async fn topics_that_cannot_be_are_refused() {
    let wm = Harness::start().await;
    let long = "a".repeat(256);
    for topic in ["", "a%20b", "%2e%2e", "a%2Fb", "%00", "-a", ".a", "a$", "%C3%A9", &long] {
        let body = event("1", &json!(1)).to_string();
        let answer = wm.send(raw("POST", &format!("/v1/topics/{topic}/events"), STRUCTURED, body)).await;
        answer.refused(400, "invalid-request");
        assert_eq!(answer.pointers(), ["/topic"], "{topic}");
        wm.get(&format!("/v1/topics/{topic}/events")).await.refused(400, "invalid-request");
    }
    wm.send(raw("POST", "/v1/topics/%ff/events", STRUCTURED, "")).await.refused(400, "invalid-utf8");
    let answer = wm.send(raw("POST", &format!("{PATH}?wait=1"), STRUCTURED, event("1", &json!(1)).to_string())).await;
    assert_eq!(answer.pointers(), ["?wait"]);
}
