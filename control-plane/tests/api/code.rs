//! `PUT /v1/workers/{id}/code`, `GET …/history`, `POST …/rollback`

use bytes::Bytes;
use serde_json::{Value, json};

use crate::harness::{ECHO, Harness, base64, raw};

const NEXT: &str = "def Process(event):\n    return None\n";

async fn load(wm: &Harness, code: &str) -> Value {
    wm.call("PUT", "/v1/workers/w/code", &json!({"content": base64(code)})).await.expect(200).json()
}

#[tokio::test]
async fn new_code_is_a_new_version_and_all_else_stays() {
    let wm = Harness::start().await;
    let before = wm.worker("w").await;
    let after = load(&wm, NEXT).await;
    let mut expected = before.clone();
    for field in ["version", "digest", "codeSource", "revision"] {
        assert_ne!(after[field], before[field], "{field}");
        expected[field] = after[field].clone();
    }
    assert_eq!(after, expected);
    assert_eq!((&after["version"], &after["codeSource"]["content"]), (&json!(2), &json!(base64(NEXT))));
    assert_eq!(wm.get("/v1/workers/w").await.json(), after);
}

#[tokio::test]
async fn code_comes_bare_as_a_code_source_or_as_in_a_new_worker() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    let bytes = Bytes::from_static(b"\xff\x00 any bytes");
    let path = "/v1/workers/w/code";
    let answer = wm.send(raw("PUT", path, "application/octet-stream", bytes.clone())).await.expect(200).json();
    assert_eq!(answer["codeSource"]["content"], base64(&bytes));
    let body = json!({"CodeSource": {"content": base64(NEXT)}, "config": {"a": "1"}, "engine": {"entry": "run"}});
    let answer = wm.call("PUT", path, &body).await.expect(200).json();
    assert_eq!(
        (&answer["version"], &answer["config"], &answer["engine"]["entry"]),
        (&json!(3), &json!({"a": "1"}), &json!("run"))
    );
    let answer = wm.call("PUT", path, &json!({"content": base64(ECHO)})).await.expect(200).json();
    assert_eq!((&answer["version"], &answer["config"]), (&json!(4), &json!({"a": "1"})), "what is absent stays");
}

#[tokio::test]
async fn code_of_exactly_the_limit_is_taken() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    let largest = vec![b'#'; 50 << 20];
    let answer = wm.send(raw("PUT", "/v1/workers/w/code", "application/octet-stream", largest)).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn the_same_code_again_is_no_new_version() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    let first = load(&wm, NEXT).await;
    assert_eq!(load(&wm, NEXT).await, first);
}

#[tokio::test]
async fn code_that_does_not_load_leaves_the_old_one_serving() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    let before = wm.everything().await;
    let bad = json!({"content": base64("syntax error"), "config": {"a": "1"}});
    let answer = wm.call("PUT", "/v1/workers/w/code", &bad).await;
    assert_eq!(answer.refused(422, "load-failed"), "SyntaxError: invalid syntax (line 1)");
    wm.target.set_unreachable(true);
    let good = json!({"content": base64(NEXT)});
    wm.call("PUT", "/v1/workers/w/code", &good).await.refused(503, "validation-unavailable");
    assert_eq!(wm.everything().await, before);
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_changes() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    let before = wm.everything().await;
    let content = base64(NEXT);
    let table: &[(Value, &[&str])] = &[
        (json!({}), &[""]),
        (json!([]), &[""]),
        (json!({"content": ""}), &["/content"]),
        (json!({"content": 7}), &["/content"]),
        (json!({"content": "!"}), &["/content"]),
        (json!({"content": content, "url": "https://example.com"}), &[""]),
        (json!({"content": content, "sha256": "0".repeat(64)}), &["/sha256"]),
        (json!({"content": content, "codeSource": {"content": content}}), &["/codeSource"]),
        (json!({"codeSource": {}}), &["/codeSource"]),
        (json!({"codeSource": "x"}), &["/codeSource"]),
        (json!({"codeSource": {"content": "!"}}), &["/codeSource/content"]),
        (json!({"content": content, "mimeType": "text/x-python"}), &["/mimeType"]),
        (json!({"content": content, "config": {"ID": "x"}}), &["/config/ID"]),
        (json!({"content": content, "config": []}), &["/config"]),
        (json!({"content": content, "engine": {"entry": ""}}), &["/engine/entry"]),
        (json!({"content": content, "tags": {}}), &["/tags"]),
    ];
    for (body, pointers) in table {
        let answer = wm.call("PUT", "/v1/workers/w/code", body).await;
        answer.refused(400, "invalid-request");
        assert_eq!(answer.pointers(), *pointers, "{body}");
    }
    let path = "/v1/workers/w/code";
    wm.call("PUT", path, &json!({"url": "https://example.com"})).await.refused(422, "code-url-disabled");
    for (content_type, body, status, code) in [
        ("text/plain", "x", 415, "unsupported-media-type"),
        ("text/x-python", "x", 415, "unsupported-media-type"),
        ("", "x", 415, "unsupported-media-type"),
        ("application/json", "{", 400, "json-malformed"),
        ("application/octet-stream", "", 400, "invalid-request"),
    ] {
        wm.send(raw("PUT", path, content_type, body)).await.refused(status, code);
    }
    let large = vec![b'#'; (50 << 20) + 1];
    wm.send(raw("PUT", path, "application/octet-stream", large)).await.refused(413, "code-too-large");
    wm.call("PUT", "/v1/workers/none/code", &json!({"content": content})).await.refused(404, "worker-not-found");
    let mut stale = raw("PUT", path, "application/octet-stream", NEXT);
    stale.headers_mut().insert("if-match", "\"0\"".parse().unwrap());
    wm.send(stale).await.refused(412, "revision-conflict");
    assert_eq!(wm.everything().await, before);
    assert_eq!(wm.target.candidates.lock().unwrap().len(), 1, "nothing of it reached a function");
}

#[tokio::test]
async fn history_is_oldest_first_and_the_way_back_moves_only_the_pointer() {
    let wm = Harness::start().await;
    let first = wm.worker("w").await;
    load(&wm, NEXT).await;
    let answer = wm.get("/v1/workers/w/history").await.expect(200);
    let expected = format!(
        concat!(
            r#"{{"history":[{{"version":1,"digest":{},"codeSource":{{"content":"{}"}},"#,
            r#""createdAt":"2026-11-25T10:00:00Z","status":"Validated"}},"#,
            r#"{{"version":2,"digest":{},"codeSource":{{"content":"{}"}},"#,
            r#""createdAt":"2026-11-25T10:00:00Z","status":"Active"}}],"nextCursor":null}}"#,
        ),
        first["digest"],
        base64(ECHO),
        wm.get("/v1/workers/w").await.json()["digest"],
        base64(NEXT),
    );
    assert_eq!(answer.text, expected);

    let back = wm.call("POST", "/v1/workers/w/rollback", &json!({"version": 1})).await.expect(200).json();
    for field in ["version", "digest", "codeSource", "config", "engine", "limits"] {
        assert_eq!(back[field], first[field], "{field}");
    }
    assert_eq!(load(&wm, "x = 1").await["version"], 3, "numbers are not used twice");
    let history = wm.get("/v1/workers/w/history").await.json();
    let status: Vec<_> =
        history["history"].as_array().unwrap().iter().map(|entry| entry["status"].as_str().unwrap()).collect();
    assert_eq!(status, ["Validated", "Validated", "Active"]);
}

#[tokio::test]
async fn history_comes_in_pages() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    for number in 2..=5 {
        load(&wm, &format!("x = {number}")).await;
    }
    let mut path = "/v1/workers/w/history?limit=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = wm.get(&path).await.expect(200).json();
        seen.extend(page["history"].as_array().unwrap().iter().map(|entry| entry["version"].as_u64().unwrap()));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/v1/workers/w/history?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    for query in ["limit=0", "limit=1001", "cursor=x", "x=1"] {
        wm.get(&format!("/v1/workers/w/history?{query}")).await.refused(400, "invalid-request");
    }
    wm.get("/v1/workers/none/history").await.refused(404, "worker-not-found");
    wm.get("/v1/workers/0199a3b0-7c1e-7000-8000-000000000001/history").await.refused(404, "worker-not-found");
}

#[tokio::test]
async fn a_way_back_that_is_none_is_refused() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    let before = wm.everything().await;
    let path = "/v1/workers/w/rollback";
    for body in [
        json!({}),
        json!({"version": null}),
        json!({"version": "1"}),
        json!({"version": 0}),
        json!({"version": -1}),
        json!({"version": 1.5}),
        json!({"version": 4_294_967_296_u64}),
        json!([1]),
    ] {
        let answer = wm.call("POST", path, &body).await;
        answer.refused(400, "invalid-request");
        assert!(answer.pointers().contains(&"/version".to_owned()), "{body}");
    }
    let answer = wm.call("POST", path, &json!({"version": 1, "force": true})).await;
    assert_eq!(answer.pointers(), ["/force"]);
    assert!(wm.call("POST", path, &json!({"version": 2})).await.refused(404, "version-not-found").contains('2'));
    wm.call("POST", "/v1/workers/none/rollback", &json!({"version": 1})).await.refused(404, "worker-not-found");
    wm.send(raw("POST", path, "", "")).await.refused(415, "unsupported-media-type");
    assert_eq!(wm.everything().await, before);
}

#[tokio::test]
async fn loads_at_the_same_time_get_numbers_of_their_own_and_one_of_them_stands() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    let calls = (0..20).map(|i| {
        let (body, wm) = (json!({"content": base64(format!("x = {i}"))}), &wm);
        async move { wm.call("PUT", "/v1/workers/w/code", &body).await.expect(200).json() }
    });
    let mut numbers: Vec<_> =
        futures_util::future::join_all(calls).await.iter().map(|w| w["version"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (2..=21).collect::<Vec<_>>());
    let worker = wm.get("/v1/workers/w").await.json();
    let history = wm.get("/v1/workers/w/history").await.json();
    let active =
        history["history"].as_array().unwrap().iter().find(|entry| entry["status"] == "Active").unwrap().clone();
    assert_eq!(
        (&active["version"], &active["digest"], &active["codeSource"]),
        (&worker["version"], &worker["digest"], &worker["codeSource"]),
    );
}
