//! Health, metrics, engines, topics, and what holds for every operation.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use workmanager_control_plane::api::{self, Stage};

use crate::harness::{Harness, answered, media_type, raw};

#[tokio::test]
async fn health_says_how_the_program_is() {
    let wm = Harness::start().await;
    for (stage, status, name) in
        [(Stage::Starting, 503, "starting"), (Stage::Ready, 200, "ready"), (Stage::Stopping, 503, "stopping")]
    {
        wm.readiness.set(stage);
        for path in ["/health", "/readyz"] {
            let answer = wm.get(path).await;
            if status == 200 {
                assert_eq!(answer.expect(200).text, format!(r#"{{"status":"{name}"}}"#));
            } else {
                assert!(answer.refused(503, "not-ready").contains(name));
            }
        }
        for path in ["/health/live", "/healthz"] {
            assert_eq!(wm.get(path).await.expect(200).text, r#"{"status":"alive"}"#);
        }
    }
}

#[tokio::test]
async fn a_sidecar_is_told_that_there_is_nothing_to_set_up_before_anything_else_is_served() {
    let (wm, early) = (Harness::start().await, api::rest::early());
    for (path, text) in [("/dapr/config", "{}"), ("/dapr/subscribe", "[]")] {
        assert_eq!(wm.get(path).await.expect(200).text, text);
        assert_eq!(answered(&early, raw("GET", path, "", "")).await.expect(200).text, text);
    }
    let alive = answered(&early, raw("GET", "/healthz", "", "")).await;
    assert_eq!(alive.expect(200).text, r#"{"status":"alive"}"#);
    for path in ["/health", "/readyz", "/v1/workers", "/metrics"] {
        let answer = answered(&early, raw("GET", path, "", "")).await;
        assert!(answer.refused(503, "not-ready").contains("starting"), "{path}");
    }
}

#[tokio::test]
async fn metrics_are_text_for_prometheus() {
    let wm = Harness::start().await;
    let answer = wm.get("/metrics").await.expect(200);
    assert_eq!(media_type(&answer), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(answer.text, "# metrics\n");
}

#[tokio::test]
async fn what_is_part_of_the_program_needs_no_checkup() {
    let wm = Harness::start().await;
    assert_eq!(wm.get("/v1/checkup").await.expect(200).text, r#"{"state":"none"}"#);
}

#[tokio::test]
async fn engines_say_what_runs_here_and_why_the_rest_does_not() {
    let wm = Harness::start().await;
    let answer = wm.get("/v1/engines").await.expect(200);
    let python = concat!(
        r#"{"engines":[{"mimeType":"text/x-python","language":"python","runtime":"CPython 3.12.1","available":true,"#,
        r#""reason":null,"sandbox":[{"name":"no-new-privs","active":true}]},"#,
    );
    assert!(answer.text.starts_with(python), "{}", answer.text);
    let engines = answer.json()["engines"].as_array().unwrap().clone();
    assert_eq!(engines.len(), 3);
    for engine in &engines[1..] {
        assert_eq!(engine["available"], false);
        assert!(!engine["reason"].as_str().unwrap().is_empty());
    }
    wm.get("/v1/engines?x=1").await.refused(400, "invalid-request");
}

#[tokio::test]
async fn topics_are_those_that_workers_name() {
    let wm = Harness::start().await;
    assert_eq!(wm.get("/v1/topics").await.expect(200).text, r#"{"topics":[]}"#);
    wm.worker("a").await;
    wm.worker("b").await;
    let topics = wm.get("/v1/topics").await.json()["topics"].clone();
    assert_eq!(topics.as_array().unwrap().len(), 1);
    let topic = &topics[0];
    assert_eq!(
        (&topic["topic"], &topic["workers"], &topic["running"]),
        (&json!("orders"), &json!(["a", "b"]), &json!(0))
    );
    for field in
        ["state", "since", "error", "backlog", "inFlight", "acceptedTotal", "acknowledgedTotal", "duplicatesTotal"]
    {
        assert!(topic.as_object().unwrap().contains_key(field), "{field}");
    }
    wm.get("/v1/topics?limit=1").await.refused(400, "invalid-request");
}

#[tokio::test]
async fn what_is_no_operation_is_refused() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/workers",
        "/V1/workers",
        "/v1/workers/",
        "/v1/workers/w/",
        "/v1/workers/w/unknown",
        "/v1/topics/orders",
        "/v1/dead-letters/1/unknown",
        "/openapi.json",
        "/docs",
        "/console",
        "/dapr/other",
        "/favicon.ico",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let detail = wm.call(method, path, &Value::Null).await.refused(404, "unknown-path");
            assert!(detail.contains(path), "{detail}");
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_refused_with_those_that_are_right() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    let before = wm.everything().await;
    for (path, wrong, allowed) in [
        ("/v1/workers", &["PUT", "PATCH", "DELETE"][..], "GET,HEAD,POST"),
        ("/v1/workers/recover", &["PUT", "TRACE"], "POST"),
        ("/v1/workers/w", &["POST", "PUT"], "DELETE,GET,HEAD,PATCH"),
        ("/v1/workers/w/start", &["GET", "PUT"], "POST"),
        ("/v1/workers/w/stop", &["GET", "DELETE"], "POST"),
        ("/v1/workers/w/code", &["GET", "POST"], "PUT"),
        ("/v1/workers/w/history", &["POST"], "GET,HEAD"),
        ("/v1/workers/w/rollback", &["GET"], "POST"),
        ("/v1/workers/w/tags", &["POST", "DELETE"], "GET,HEAD,PATCH,PUT"),
        ("/v1/workers/w/tags/a", &["POST", "PATCH"], "DELETE,GET,HEAD,PUT"),
        ("/v1/workers/w/invoke", &["GET"], "POST"),
        ("/v1/engines", &["POST"], "GET,HEAD"),
        ("/v1/topics", &["POST"], "GET,HEAD"),
        ("/v1/topics/orders/events", &["PUT"], "GET,HEAD,POST"),
        ("/health", &["POST"], "GET,HEAD"),
        ("/metrics", &["POST"], "GET,HEAD"),
    ] {
        let sorted = |allow: &str| {
            let mut methods: Vec<_> = allow.split(',').map(str::trim).map(str::to_owned).collect();
            methods.sort_unstable();
            methods.join(",")
        };
        for method in wrong {
            let answer = wm.call(method, path, &Value::Null).await;
            answer.refused(405, "method-not-allowed");
            assert_eq!(sorted(answer.header("allow")), allowed, "{method} {path}");
        }
        let options = wm.call("OPTIONS", path, &Value::Null).await.expect(204);
        assert_eq!(sorted(options.header("allow")), allowed, "{path}");
        assert!(!options.headers.contains_key("access-control-allow-origin"));
    }
    assert_eq!(wm.everything().await, before);
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    let get = wm.get("/v1/workers/w").await;
    let head = wm.call("HEAD", "/v1/workers/w", &Value::Null).await.expect(200);
    assert_eq!((head.text.as_str(), head.header("etag")), ("", get.header("etag")));
}

#[tokio::test]
async fn a_request_has_an_id_its_own_if_it_is_fit_for_logs() {
    let wm = Harness::start().await;
    let send = async |id: &[u8]| {
        let request = Request::get("/v1/workers/none").header("x-request-id", id).body(Body::empty()).unwrap();
        crate::harness::answered(&wm.rest, request).await
    };
    for id in ["a", "7f3c-Q_x.1", &"a".repeat(128)] {
        assert_eq!(send(id.as_bytes()).await.header("x-request-id"), id);
    }
    let long = "a".repeat(129);
    for id in [&b""[..], b"a b", b"a\tb", b"<script>", b"\xff", long.as_bytes()] {
        let answer = send(id).await;
        assert!(answer.header("x-request-id").starts_with("req_"), "{id:?}");
        answer.refused(404, "worker-not-found");
    }
    let request = raw("GET", "/health", "", "");
    assert!(crate::harness::answered(&wm.rest, request).await.header("x-request-id").starts_with("req_"));
}
