//! `POST /v1/workers/{id}/invoke`

use std::time::Duration;

use serde_json::{Value, json};
use workmanager_core_domain::{Outcome, outcome::FailureKind};

use crate::harness::{Harness, base64, binary, event, failure, media_type, raw};

const PATH: &str = "/v1/workers/w/invoke";
const STRUCTURED: &str = "application/cloudevents+json";

fn call() -> http::Request<axum::body::Body> {
    raw("POST", PATH, STRUCTURED, event("1", &json!({"n": 1})).to_string())
}

#[tokio::test]
async fn a_stopped_worker_runs_one_event_and_its_reply_is_the_answer_and_goes_nowhere() {
    let wm = Harness::start().await;
    let body = json!({"name": "w", "topic": "orders", "replyTopic": "out", "codeSource": {"content": base64("x = 1")}});
    let worker = wm.create(&body).await;
    let before = wm.everything().await;
    let answer = wm.send(call()).await.expect(200);
    assert_eq!(media_type(&answer), STRUCTURED);
    let reply = answer.json();
    assert_eq!(
        (&reply["type"], &reply["causationid"], &reply["data"]),
        (&json!("echo"), &json!("1"), &json!({"n": 1}))
    );
    let attempt = wm.target.attempts.lock().unwrap()[0].clone();
    assert_eq!(json!(attempt.digest.to_string()), worker["digest"]);
    assert_eq!((attempt.number, attempt.epoch, attempt.timeout), (1, 0, Duration::from_secs(30)));
    assert_eq!(wm.everything().await, before);
    for topic in ["orders", "out"] {
        assert_eq!(wm.events(topic).await, [] as [Value; 0]);
    }
}

#[tokio::test]
async fn the_reply_comes_as_the_caller_can_take_it() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    for (accept, structured) in [
        ("*/*", true),
        ("application/cloudevents+json", true),
        ("text/html, application/*;q=0.5", true),
        ("application/json", false),
        ("text/plain", false),
    ] {
        let mut request = call();
        request.headers_mut().insert("accept", accept.parse().unwrap());
        let answer = wm.send(request).await.expect(200);
        if structured {
            assert_eq!(media_type(&answer), STRUCTURED, "{accept}");
        } else {
            assert_eq!((media_type(&answer), answer.header("ce-type")), ("application/json", "echo"), "{accept}");
            assert_eq!(answer.text, r#"{"n":1}"#);
        }
    }
    let headers = [("ce-specversion", "1.0"), ("ce-id", "2"), ("ce-source", "/s"), ("ce-type", "t")];
    let answer = wm.send(binary(PATH, &headers, "bytes")).await.expect(200);
    assert_eq!((media_type(&answer), &answer.json()["data_base64"]), (STRUCTURED, &json!(base64("bytes"))));
    wm.target.answer(Outcome::NoReply);
    let answer = wm.send(call()).await.expect(204);
    assert_eq!(answer.text, "");
}

#[tokio::test]
async fn every_end_without_a_reply_has_its_status_and_the_workers_own_words() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    let message = || "said so".to_owned();
    let table = [
        (FailureKind::Exception, 502, "worker-exception"),
        (FailureKind::InvalidReply, 502, "invalid-reply"),
        (FailureKind::OutOfMemory, 502, "out-of-memory"),
        (FailureKind::ReplyTooLarge, 502, "reply-too-large"),
        (FailureKind::Protocol, 502, "engine-protocol"),
        (FailureKind::LoadFailed, 422, "load-failed"),
        (FailureKind::InvalidEvent, 400, "invalid-event"),
        (FailureKind::VersionUnavailable, 503, "version-unavailable"),
        (FailureKind::GrantRefused, 503, "grant-refused"),
    ];
    for (kind, status, code) in table {
        wm.target.answer(Outcome::Failed(failure(kind, "said so")));
        let answer = wm.send(call()).await;
        assert_eq!(answer.refused(status, code), "SyntaxError: said so");
        let failure = &answer.json()["failure"];
        assert_eq!((&failure["errorType"], &failure["message"]), (&json!("SyntaxError"), &json!("said so")));
        assert!(failure["stack"].as_str().unwrap().contains("worker.py"));
    }
    for (outcome, status, code) in [
        (Outcome::EngineLost { message: message() }, 502, "engine-lost"),
        (Outcome::Unknown { message: message() }, 502, "unknown"),
        (Outcome::Overloaded { message: message() }, 503, "overloaded"),
        (Outcome::TimedOut { limit: Duration::from_secs(30) }, 504, "timed-out"),
    ] {
        wm.target.answer(outcome);
        let answer = wm.send(call()).await;
        let detail = answer.refused(status, code);
        assert!(detail == "said so" || detail.contains("30s"), "{detail}");
        assert_eq!(answer.headers.contains_key("retry-after"), status >= 503, "{code}");
    }
}

#[tokio::test]
async fn what_is_no_event_or_no_worker_never_runs() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    let before = wm.everything().await;
    let batch = json!([event("1", &json!(1))]).to_string();
    for (content_type, body, status, code) in [
        (STRUCTURED, "", 400, "json-malformed"),
        (STRUCTURED, "{}", 400, "invalid-event"),
        (STRUCTURED, "[]", 400, "json-malformed"),
        ("application/json", "{}", 400, "invalid-event"),
        ("", "", 400, "invalid-event"),
        ("application/cloudevents-batch+json", batch.as_str(), 415, "unsupported-media-type"),
        ("application/cloudevents+xml", "<a/>", 415, "unsupported-media-type"),
    ] {
        wm.send(raw("POST", PATH, content_type, body.to_owned())).await.refused(status, code);
    }
    let large = event("1", &json!("x".repeat(1 << 20))).to_string();
    wm.send(raw("POST", PATH, STRUCTURED, large)).await.refused(413, "event-too-large");
    let query = raw("POST", &format!("{PATH}?timeout=1s"), STRUCTURED, event("1", &json!(1)).to_string());
    wm.send(query).await.refused(400, "invalid-request");
    let elsewhere = raw("POST", "/v1/workers/none/invoke", STRUCTURED, event("1", &json!(1)).to_string());
    wm.send(elsewhere).await.refused(404, "worker-not-found");
    assert_eq!(wm.target.attempts.lock().unwrap().len(), 0);
    assert_eq!(wm.everything().await, before);
}

#[tokio::test]
async fn an_invocation_waits_for_room_no_longer_than_an_attempt_may_take() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    wm.call("PATCH", "/v1/workers/w", &json!({"limits": {"timeout": "20ms"}})).await.expect(200);
    wm.target.close();
    let (first, second) = tokio::join!(wm.send(call()), async {
        wm.target.waiting.notified().await;
        let second = wm.send(call()).await;
        wm.target.open();
        second
    });
    second.refused(503, "overloaded");
    first.expect(200);
}
