//! What every operation answers, byte for byte where it matters.

use serde_json::{Value, json};

use crate::harness::{ECHO, Harness, base64, raw};

#[tokio::test]
async fn the_quick_start_creates_a_stopped_worker_with_the_defaults() {
    let wm = Harness::start().await;
    let body = concat!(
        "{\n\"codeSource\": {\"Content\": \"ZGVmIFByb2Nlc3MoZXZlbnQpOgogICAgcmV0dXJuIHsiVHlwZSI6ICJjb20uZXhhbXBsZS5v",
        "dXRwdXQiLCAiU291cmNlIjogInB5dGhvbi13b3JrZXIiLCAiRGF0YSI6IGV2ZW50WydkYXRhJ119\"}\n}",
    );
    let answer = wm.send(raw("POST", "/v1/workers", "application/json", body)).await.expect(201);
    let id = "01990000-0000-7000-8000-000000000001";
    assert_eq!(answer.header("location"), format!("/v1/workers/{id}"));
    assert_eq!(answer.header("content-type"), "application/json");
    let worker = answer.json();
    assert_eq!(answer.header("etag"), format!("\"{}\"", worker["revision"].as_str().unwrap()));
    let (name, digest) = (worker["name"].as_str().unwrap(), worker["digest"].as_str().unwrap());
    let revision = worker["revision"].as_str().unwrap();
    let content = "ZGVmIFByb2Nlc3MoZXZlbnQpOgogICAgcmV0dXJuIHsiVHlwZSI6ICJjb20uZXhhbXBsZS5vdXRwdXQiLCAiU291cmNlIjogIn\
                   B5dGhvbi13b3JrZXIiLCAiRGF0YSI6IGV2ZW50WydkYXRhJ119";
    let expected = format!(
        concat!(
            r#"{{"id":"{id}","name":"{name}","mimeType":"text/x-python","language":"python","#,
            r#""codeSource":{{"content":"{content}"}},"topic":"time-worker-topic","topics":["time-worker-topic"],"#,
            r#""filter":null,"group":null,"replyTopic":null,"config":{{}},"tags":{{}},"#,
            r#""engine":{{"entry":null,"invariant":false}},"isolation":"shared","ordering":"none","#,
            r#""limits":{{"timeout":"30s","memory":"256MiB","concurrency":1,"maxAttempts":5,"maxAge":"6h","#,
            r#""logBytes":"64KiB"}},"status":"Stopped","#,
            r#""observed":{{"state":"Stopped","message":null,"since":"2026-11-25T10:00:00Z"}},"#,
            r#""version":1,"digest":"{digest}","createdAt":"2026-11-25T10:00:00Z","#,
            r#""updatedAt":"2026-11-25T10:00:00Z","revision":"{revision}"}}"#,
        ),
        id = id,
        name = name,
        content = content,
        digest = digest,
        revision = revision,
    );
    assert_eq!(answer.text, expected);
    assert!(digest.starts_with("sha256:"));
}

#[tokio::test]
async fn a_worker_is_found_by_its_id_and_by_its_name() {
    let wm = Harness::start().await;
    let worker = wm.worker("orders").await;
    let by_name = wm.get("/v1/workers/orders").await.expect(200);
    assert_eq!(by_name.json(), worker);
    let by_id = wm.get(&format!("/v1/workers/{}", worker["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(by_id.json(), worker);
    assert_eq!(by_id.header("etag"), by_name.header("etag"));
}

#[tokio::test]
async fn everything_that_can_be_set_is_shown_as_it_was_set() {
    let wm = Harness::start().await;
    let worker = wm
        .create(&json!({
            "name": "all", "mimeType": "Text/X-Python", "topics": ["a", "b"], "filter": "event.type == \"x\"",
            "group": "g", "replyTopic": "out", "config": {"region": "eu"}, "tags": {"team": "a/b", "empty": ""},
            "engine": {"entry": "handle"}, "isolation": "shared", "start": true,
            "limits": {"timeout": "1m30s", "concurrency": 7},
            "codeSource": {"content": base64(ECHO), "sha256": null},
        }))
        .await;
    let expected = json!({
        "name": "all", "mimeType": "text/x-python", "topic": "a", "topics": ["a", "b"],
        "filter": "event.type == \"x\"", "group": "g", "replyTopic": "out", "config": {"region": "eu"},
        "tags": {"team": "a/b", "empty": ""}, "engine": {"entry": "handle", "invariant": false},
        "status": "Running",
        "limits": {"timeout": "1m30s", "memory": "256MiB", "concurrency": 7, "maxAttempts": 5, "maxAge": "6h",
            "logBytes": "64KiB"},
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&worker[field], value, "{field}");
    }
    assert_ne!(worker["codeSource"], Value::Null);
}
