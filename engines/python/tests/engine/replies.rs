//! What a worker may answer.

use workmanager_core_domain::{event::DataKind, outcome::FailureKind};

use crate::support::load;

async fn answer(expression: &str) -> crate::support::Answer {
    load(&format!("import datetime\ndef Process(event): return {expression}")).await.json("1").await
}

#[tokio::test]
async fn names_of_attributes_are_taken_in_any_case() {
    let answer = answer("{'Type': 'com.example.output', 'SOURCE': 'python-worker', 'Data': event['data']}").await;
    let (attributes, kind, data) = answer.reply();
    assert_eq!(attributes["type"], "com.example.output");
    assert_eq!(attributes["source"], "python-worker");
    assert_eq!((attributes.len(), kind, data.as_ref()), (2, DataKind::Json, b"1".as_ref()));
}

#[tokio::test]
async fn nothing_is_no_reply() {
    assert!(answer("None").await.is_no_reply());
}

#[tokio::test]
async fn data_becomes_json_text_or_bytes() {
    let table = [
        ("{'a': [1, 2.5, None, True, 'h\u{e9}']}", DataKind::Json, "{\"a\":[1,2.5,null,true,\"h\u{e9}\"]}"),
        ("'text'", DataKind::Json, "\"text\""),
        ("None", DataKind::Json, "null"),
        ("12345678901234567890123", DataKind::Json, "12345678901234567890123"),
        ("{1: (2, 3)}", DataKind::Json, "{\"1\":[2,3]}"),
        ("'\\ud800 and \u{e9}'", DataKind::Json, "\"\\ud800 and \\u00e9\""),
        ("'text', 'datacontenttype': 'Text/Plain; charset=utf-8'", DataKind::Text, "text"),
        ("'lone \\ud800', 'datacontenttype': 'text/plain'", DataKind::Text, "lone ?"),
        ("['list'], 'datacontenttype': 'text/plain'", DataKind::Json, "[\"list\"]"),
        ("b'bytes'", DataKind::Binary, "bytes"),
        ("bytearray(b'bytes')", DataKind::Binary, "bytes"),
        ("memoryview(b'bytes')", DataKind::Binary, "bytes"),
    ];
    for (data, kind, expected) in table {
        let answer = answer(&format!("{{'type': 't', 'data': {data}}}")).await;
        let (_, found, body) = answer.reply();
        assert_eq!((found, String::from_utf8_lossy(&body).as_ref()), (kind, expected), "{data}");
    }
    assert_eq!(answer("{'type': 't'}").await.reply().1, DataKind::None);
}

#[tokio::test]
async fn times_become_text_and_lone_surrogates_do_no_harm() {
    let utc = "{'type': 't', 'time': datetime.datetime(2026, 1, 2, 3, 4, 5), 'odd': '\\udc80'}";
    let (attributes, ..) = answer(utc).await.reply();
    assert_eq!(attributes["time"], "2026-01-02T03:04:05Z");
    assert_eq!(attributes["odd"], "?");
    let zoned = "{'time': datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)}";
    assert_eq!(answer(zoned).await.reply().0["time"], "2026-01-02T00:00:00+00:00");
}

#[tokio::test]
async fn what_is_no_event_is_an_invalid_reply_that_is_not_tried_again() {
    let table = [
        ("'text'", "returned str"),
        ("[]", "returned list"),
        ("True", "returned bool"),
        ("{1: 2}", "key 1"),
        ("{'Type': 'a', 'type': 'b'}", "`type` twice"),
        ("{'data': 1, 'Data': 2}", "`data` twice"),
        ("{'type': 't', 'list': []}", "`list` is list"),
        ("{'type': 't', 'half': 0.5}", "`half` is float"),
        ("{'type': 't', 'data': float('nan')}", "JSON compliant"),
        ("{'type': 't', 'data': [float('-inf')]}", "JSON compliant"),
        ("{'type': 't', 'data': {1, 2}}", "set is not a JSON value"),
        ("{'type': 't', 'data': {(1, 2): 3}}", "tuple"),
        ("{'type': 't', 'data': (lambda l: (l.append(l), l)[1])([])}", "Circular"),
        ("{'type': 't', 'data': __import__('functools').reduce(lambda a, _: [a], range(100000), [])}", "JSON"),
    ];
    for (reply, says) in table {
        let failure = answer(reply).await.failure();
        assert_eq!((failure.kind, failure.retryable), (FailureKind::InvalidReply, false), "{reply}");
        assert!(failure.message.contains(says), "{reply}: {} should say {says}", failure.message);
    }
}

#[tokio::test]
async fn after_an_invalid_reply_the_next_one_is_fine() {
    let source = "shared = []\ndef Process(event): return {'type': 't', 'data': [shared, event['data']] if event['data'] else {1, 2}}";
    let mut worker = load(source).await;
    for _ in 0..2 {
        assert_eq!(worker.json("0").await.failure().kind, FailureKind::InvalidReply);
        assert_eq!(worker.json("1").await.data(), "[[],1]");
    }
}

#[tokio::test]
async fn a_reply_of_more_than_a_mebibyte_is_too_large() {
    for data in ["'x' * (1 << 20)", "b'x' * (1 << 20)", "1, 'extension': 'x' * (1 << 20)"] {
        let failure = answer(&format!("{{'type': 't', 'data': {data}}}")).await.failure();
        assert_eq!((failure.kind, failure.retryable), (FailureKind::ReplyTooLarge, false), "{data}");
    }
}
