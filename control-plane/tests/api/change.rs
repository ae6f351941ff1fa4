//! `PATCH /v1/workers/{id}`: a JSON merge patch.

use serde_json::json;

use crate::harness::{ECHO, Harness, base64, raw};

/// Patches with something wrong in them, and the pointers to it.
const BAD: &[(&str, &[&str])] = &[
    (r#"{"name": null}"#, &["/name"]),
    (r#"{"name": ""}"#, &["/name"]),
    (r#"{"name": 7}"#, &["/name"]),
    (r#"{"topics": null}"#, &["/topics"]),
    (r#"{"topics": []}"#, &["/topics"]),
    (r#"{"topics": "a"}"#, &["/topics"]),
    (r#"{"topics": ["a", 7]}"#, &["/topics/1"]),
    (r#"{"topic": null}"#, &["/topics"]),
    (r#"{"topic": "a", "topics": ["b"]}"#, &["/topic"]),
    (r#"{"filter": ""}"#, &["/filter"]),
    (r#"{"filter": {}}"#, &["/filter"]),
    (r#"{"group": "a b"}"#, &["/group"]),
    (r#"{"replyTopic": ""}"#, &["/replyTopic"]),
    (r#"{"limits": {"timeout": "1h"}}"#, &["/limits/timeout"]),
    (r#"{"limits": {"concurrency": 0}}"#, &["/limits/concurrency"]),
    (r#"{"limits": {"x": 1}}"#, &["/limits/x"]),
    (r#"{"limits": "1"}"#, &["/limits"]),
    (r#"{"tags": {"a": 1}}"#, &["/tags/a"]),
    (r#"{"tags": []}"#, &["/tags"]),
    (r#"{"mimeType": "text/x-python"}"#, &["/mimeType"]),
    (r#"{"mimeType": null}"#, &["/mimeType"]),
    (r#"{"codeSource": {}}"#, &["/codeSource"]),
    (r#"{"config": {"a": "b"}}"#, &["/config"]),
    (r#"{"engine": {}}"#, &["/engine"]),
    (r#"{"status": "Running"}"#, &["/status"]),
    (r#"{"id": "x", "name": "", "limits": {"memory": "1B"}}"#, &["/id", "/name", "/limits/memory"]),
    (r#"[]"#, &[""]),
    (r#""x""#, &[""]),
];

async fn filled() -> Harness {
    let wm = Harness::start().await;
    wm.create(&json!({
        "name": "w", "topics": ["a", "b"], "filter": "true", "group": "g", "replyTopic": "out",
        "tags": {"x": "1", "y": "2"}, "config": {"c": "1"}, "limits": {"timeout": "5s", "concurrency": 3},
        "codeSource": {"content": base64(ECHO)},
    }))
    .await;
    wm
}

#[tokio::test]
async fn what_is_named_changes_null_resets_and_all_else_stays() {
    let table = [
        (json!({"topics": ["c"]}), json!({"topics": ["c"], "topic": "c"})),
        (json!({"topic": "c"}), json!({"topics": ["c"], "topic": "c"})),
        (json!({"filter": null}), json!({"filter": null})),
        (json!({"filter": "event.type == 'x'"}), json!({"filter": "event.type == 'x'"})),
        (json!({"group": null, "replyTopic": "other"}), json!({"group": null, "replyTopic": "other"})),
        (json!({"tags": {"y": null, "z": "3"}}), json!({"tags": {"x": "1", "z": "3"}})),
        (json!({"tags": null}), json!({"tags": {}})),
        (
            json!({"limits": {"concurrency": 4}}),
            json!({"limits": {"timeout": "5s", "memory": "256MiB",
            "concurrency": 4, "maxAttempts": 5, "maxAge": "6h", "logBytes": "64KiB"}}),
        ),
        (
            json!({"limits": {"timeout": null}}),
            json!({"limits": {"timeout": "30s", "memory": "256MiB",
            "concurrency": 3, "maxAttempts": 5, "maxAge": "6h", "logBytes": "64KiB"}}),
        ),
        (
            json!({"limits": null}),
            json!({"limits": {"timeout": "30s", "memory": "256MiB",
            "concurrency": 1, "maxAttempts": 5, "maxAge": "6h", "logBytes": "64KiB"}}),
        ),
        (json!({"NAME": "w"}), json!({})),
        (json!({}), json!({})),
    ];
    for (patch, changed) in table {
        let wm = filled().await;
        let before = wm.get("/v1/workers/w").await.json();
        let after = wm.call("PATCH", "/v1/workers/w", &patch).await.expect(200);
        assert_eq!(after.header("etag"), format!("\"{}\"", after.json()["revision"].as_str().unwrap()));
        let mut expected = before.clone();
        for (field, value) in changed.as_object().unwrap() {
            expected[field] = value.clone();
        }
        if changed != json!({}) {
            assert_ne!(after.json()["revision"], before["revision"], "{patch}");
            expected["revision"] = after.json()["revision"].clone();
        }
        assert_eq!(after.json(), expected, "{patch}");
        assert_eq!(wm.get("/v1/workers/w").await.json(), expected, "{patch}");
    }
}

#[tokio::test]
async fn a_rename_moves_the_name_and_frees_the_old_one() {
    let wm = filled().await;
    wm.worker("other").await;
    let id = wm.get("/v1/workers/w").await.json()["id"].clone();
    wm.call("PATCH", "/v1/workers/w", &json!({"name": "other"})).await.refused(409, "name-taken");
    let renamed = wm.call("PATCH", "/v1/workers/w", &json!({"name": "new"})).await.expect(200).json();
    assert_eq!((&renamed["id"], &renamed["name"]), (&id, &json!("new")));
    wm.get("/v1/workers/w").await.refused(404, "worker-not-found");
    assert_eq!(wm.get("/v1/workers/new").await.json()["id"], id);
    wm.worker("w").await;
}

#[tokio::test]
async fn new_memory_makes_a_new_version_that_must_load() {
    let wm = filled().await;
    let before = wm.get("/v1/workers/w").await.json();
    let patch = json!({"limits": {"memory": "512MiB"}, "tags": null});
    let after = wm.call("PATCH", "/v1/workers/w", &patch).await.expect(200).json();
    assert_eq!((&after["version"], &after["limits"]["memory"]), (&json!(2), &json!("512MiB")));
    assert_ne!(after["digest"], before["digest"]);
    assert_eq!((&after["codeSource"], &after["tags"]), (&before["codeSource"], &json!({})));
    let asked = wm.target.candidates.lock().unwrap().last().unwrap().clone();
    assert_eq!((asked.manifest.memory.0, &*asked.source), (512 << 20, ECHO.as_bytes()));

    let everything = wm.everything().await;
    wm.target.set_unreachable(true);
    let patch = json!({"limits": {"memory": "1GiB"}, "name": "x"});
    wm.call("PATCH", "/v1/workers/w", &patch).await.refused(503, "validation-unavailable");
    assert_eq!(wm.everything().await, everything);
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_changes() {
    let wm = filled().await;
    let before = wm.everything().await;
    let long = format!(r#"{{"tags":{{"a":"{}"}}}}"#, "x".repeat(1025));
    for (patch, pointers) in BAD.iter().copied().chain([(long.as_str(), &["/tags/a"][..])]) {
        let answer = wm.send(raw("PATCH", "/v1/workers/w", "application/json", patch.to_owned())).await;
        answer.refused(400, "invalid-request");
        assert_eq!(answer.pointers(), pointers, "{patch}");
    }
    for (content_type, body, status, code) in [
        ("text/plain", "{}", 415, "unsupported-media-type"),
        ("application/json-patch+json", "[]", 415, "unsupported-media-type"),
        ("", "{}", 415, "unsupported-media-type"),
        ("application/json", "", 400, "json-malformed"),
        ("application/merge-patch+json", "{", 400, "json-malformed"),
    ] {
        wm.send(raw("PATCH", "/v1/workers/w", content_type, body)).await.refused(status, code);
    }
    let large = format!("{{\"name\":\"{}\"}}", "a".repeat(1 << 20));
    wm.send(raw("PATCH", "/v1/workers/w", "application/json", large)).await.refused(413, "body-too-large");
    wm.call("PATCH", "/v1/workers/w?x=1", &json!({})).await.refused(400, "invalid-request");
    wm.call("PATCH", "/v1/workers/none", &json!({})).await.refused(404, "worker-not-found");
    assert_eq!(wm.everything().await, before);
    let merged = raw("PATCH", "/v1/workers/w", "application/merge-patch+json", r#"{"group":"new"}"#);
    assert_eq!(wm.send(merged).await.expect(200).json()["group"], "new");
}

#[tokio::test]
async fn tags_in_a_patch_are_counted_as_they_come_out() {
    let wm = filled().await;
    let many = |count: usize| (0..count).map(|i| (format!("k{i}"), json!("v"))).collect::<serde_json::Map<_, _>>();
    let answer = wm.call("PATCH", "/v1/workers/w", &json!({"tags": many(49)})).await;
    answer.refused(400, "invalid-request");
    assert_eq!(answer.pointers(), ["/tags"]);
    wm.call("PATCH", "/v1/workers/w", &json!({"tags": many(48)})).await.expect(200);
}

#[tokio::test]
async fn a_change_on_a_revision_that_is_not_there_any_more_is_refused() {
    let wm = filled().await;
    let tag = wm.get("/v1/workers/w").await.header("etag").to_owned();
    let patch = |tag: &str, group: &str| {
        let mut request = raw("PATCH", "/v1/workers/w", "application/json", format!(r#"{{"group":"{group}"}}"#));
        request.headers_mut().insert("if-match", tag.parse().unwrap());
        request
    };
    wm.send(patch(&tag, "one")).await.expect(200);
    let before = wm.everything().await;
    let weak = format!("W/{tag}");
    for stale in [tag.as_str(), &weak, "\"999\"", "\"not-a-number\"", "\"\"", "\"1\", \"2\""] {
        wm.send(patch(stale, "two")).await.refused(412, "revision-conflict");
    }
    for malformed in ["7", "\"7", "W/7", "", "\"7\" \"8\""] {
        wm.send(patch(malformed, "two")).await.refused(400, "invalid-request");
    }
    assert_eq!(wm.everything().await, before);
    let tag = wm.get("/v1/workers/w").await.header("etag").to_owned();
    wm.send(patch(&format!("\"1\", {tag}"), "three")).await.expect(200);
    assert_eq!(wm.send(patch("*", "four")).await.expect(200).json()["group"], "four");
}

#[tokio::test]
async fn changes_at_the_same_time_do_not_lose_each_other() {
    let wm = filled().await;
    let calls = (0..40).map(|i| {
        let patch = json!({"tags": {format!("n{i}"): "v"}});
        let wm = &wm;
        async move { wm.call("PATCH", "/v1/workers/w", &patch).await.expect(200) }
    });
    futures_util::future::join_all(calls).await;
    let tags = wm.get("/v1/workers/w").await.json()["tags"].as_object().unwrap().len();
    assert_eq!(tags, 42);
}
