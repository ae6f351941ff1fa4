//! What a worker may answer.

use workmanager_core_domain::{event::DataKind, outcome::FailureKind};

use crate::support::{Answer, Harness};

async fn answer(harness: &Harness, members: &str) -> Answer {
    let source = format!(
        "using CloudNative.CloudEvents;\nusing System.Text.Json;\nusing System.Text.Json.Nodes;
class Worker {{ public CloudEvent Process(CloudEvent e) {{ return new CloudEvent {{ {members} }}; }} }}
class Ring {{ public Ring Next {{ get; }} public Ring() => Next = this; }}"
    );
    harness.load(&source).await.json("1").await
}

#[tokio::test]
async fn data_becomes_json_text_or_bytes() {
    let Some(harness) = Harness::new() else { return };
    let table = [
        ("Data = new { a = 1, b = new[] { 1.5 }, c = (string)null }", DataKind::Json, r#"{"a":1,"b":[1.5],"c":null}"#),
        ("Data = e.Data", DataKind::Json, "1"),
        ("Data = JsonNode.Parse(\"[1]\")", DataKind::Json, "[1]"),
        ("Data = JsonDocument.Parse(\"{}\")", DataKind::Json, "{}"),
        ("Data = \"text\"", DataKind::Json, "\"text\""),
        ("DataContentType = \"Text/Plain; charset=utf-8\", Data = \"h\u{e9}\"", DataKind::Text, "h\u{e9}"),
        ("Data = new byte[] { 65, 66 }", DataKind::Binary, "AB"),
        ("Data = new ReadOnlyMemory<byte>(new byte[] { 65 })", DataKind::Binary, "A"),
        ("Type = \"t\"", DataKind::None, ""),
    ];
    for (members, kind, expected) in table {
        let answer = answer(&harness, members).await;
        let (_, found, body) = answer.reply();
        assert_eq!((found, String::from_utf8_lossy(&body).as_ref()), (kind, expected), "{members}");
    }
}

#[tokio::test]
async fn attributes_are_written_as_the_specification_has_them() {
    let Some(harness) = Harness::new() else { return };
    let members = "Id = \"1\", Source = new Uri(\"/a b\", UriKind.Relative), Type = \"t\", [\"ext\"] = \"v\\\"\u{e9}\",
        Time = new DateTimeOffset(2026, 1, 2, 3, 4, 5, 60, TimeSpan.FromHours(1)), DataSchema = new Uri(\"urn:s\")";
    let answer = answer(&harness, members).await;
    let attributes = serde_json::to_value(answer.reply().0).unwrap();
    let expected = serde_json::json!({
        "id": "1", "source": "/a b", "type": "t", "ext": "v\"\u{e9}", "time": "2026-01-02T03:04:05.06+01:00",
        "dataschema": "urn:s",
    });
    assert_eq!(attributes, expected);
}

#[tokio::test]
async fn data_that_is_no_json_is_an_invalid_reply_that_is_not_tried_again() {
    let Some(harness) = Harness::new() else { return };
    for (members, says) in [
        ("Data = new Ring()", "cycle"),
        ("Data = double.NaN", "infinity"),
        ("Data = new Action(() => { })", "not supported"),
    ] {
        let failure = answer(&harness, members).await.failure();
        assert_eq!((failure.kind, failure.retryable), (FailureKind::InvalidReply, false), "{members}: {failure:?}");
        assert!(failure.message.contains(says), "{members}: {} should say {says}", failure.message);
    }
}

#[tokio::test]
async fn a_reply_of_more_than_a_mebibyte_is_too_large() {
    let Some(harness) = Harness::new() else { return };
    for members in ["Data = new string('x', 1 << 20)", "Data = new byte[1 << 20]"] {
        let failure = answer(&harness, members).await.failure();
        assert_eq!((failure.kind, failure.retryable), (FailureKind::ReplyTooLarge, false), "{members}");
    }
}
