//! `Idempotency-Key` on POST.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use workmanager_core_domain::{Outcome, outcome::FailureKind};

use crate::harness::{Answer, ECHO, Harness, Ports, base64, event, failure, json_body, raw};

fn keyed(mut request: Request<Body>, key: &str) -> Request<Body> {
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

fn create(key: &str) -> Request<Body> {
    keyed(json_body("POST", "/v1/workers", &json!({"codeSource": {"content": base64(ECHO)}})), key)
}

async fn count<S: Ports>(wm: &Harness<S>) -> usize {
    wm.get("/v1/workers").await.expect(200).json()["workers"].as_array().unwrap().len()
}

fn same(first: &Answer, again: &Answer) {
    assert_eq!((first.status, &first.text), (again.status, &again.text));
    for name in ["content-type", "location", "etag", "ce-id"] {
        assert_eq!(first.headers.get(name), again.headers.get(name), "{name}");
    }
    assert!(!first.headers.contains_key("idempotency-replayed"));
    assert_eq!(again.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn a_repeated_create_gets_the_first_answer_also_after_a_restart() {
    let wm = Harness::start().await;
    let first = wm.send(create("k")).await.expect(201);
    wm.call("PATCH", first.header("location"), &json!({"group": "g"})).await.expect(200);
    same(&first, &wm.send(create("k")).await);
    let wm = wm.restarted(wm.store.clone()).await;
    same(&first, &wm.send(create("k")).await);
    assert_eq!(count(&wm).await, 1);
    assert_ne!(wm.send(create("other")).await.expect(201).header("location"), first.header("location"));
    let again = wm.send(json_body("POST", "/v1/workers", &json!({"codeSource": {"content": base64(ECHO)}}))).await;
    again.expect(201);
    assert_eq!(count(&wm).await, 3);
}

#[tokio::test]
async fn a_key_is_for_one_request() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    wm.send(create("k")).await.expect(201);
    let before = wm.everything().await;
    let other = json!({"codeSource": {"content": base64("x = 1")}});
    let structured =
        |id: &str| raw("POST", "/v1/topics/t/events", "application/cloudevents+json", event(id, &json!(1)).to_string());
    for request in [
        json_body("POST", "/v1/workers", &other),
        json_body("POST", "/v1/workers?wait=10s", &json!({"codeSource": {"content": base64(ECHO)}})),
        json_body("POST", "/v1/workers/w/start", &Value::Null),
        structured("1"),
    ] {
        wm.send(keyed(request, "k")).await.refused(422, "idempotency-key-reused");
    }
    assert_eq!(wm.everything().await, before);
    wm.send(keyed(structured("1"), "event")).await.expect(202);
    wm.send(keyed(structured("2"), "event")).await.refused(422, "idempotency-key-reused");
    assert_eq!(wm.events("t").await.len(), 1);
}

#[tokio::test]
async fn events_in_binary_mode_are_told_apart_by_their_headers() {
    let wm = Harness::start().await;
    let publish = |id: &str| {
        let request = Request::post("/v1/topics/t/events").header("ce-specversion", "1.0").header("ce-id", id);
        keyed(request.header("ce-source", "/s").header("ce-type", "t").body(Body::from("x")).unwrap(), "k")
    };
    let first = wm.send(publish("1")).await.expect(202);
    same(&first, &wm.send(publish("1")).await);
    wm.send(publish("2")).await.refused(422, "idempotency-key-reused");
    assert_eq!(wm.events("t").await.len(), 1);
}

#[tokio::test]
async fn an_invocation_is_repeated_with_its_reply_and_runs_once() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    let invoke = |accept: &str| {
        let mut request =
            raw("POST", "/v1/workers/w/invoke", "application/cloudevents+json", event("1", &json!(1)).to_string());
        request.headers_mut().insert("accept", accept.parse().unwrap());
        keyed(request, accept)
    };
    for accept in ["application/cloudevents+json", "text/plain"] {
        let first = wm.send(invoke(accept)).await.expect(200);
        same(&first, &wm.send(invoke(accept)).await);
    }
    assert_eq!(wm.target.attempts.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_dead_letter_is_sent_round_once_however_often_it_is_asked_for() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    wm.call("POST", "/v1/workers/w/start", &Value::Null).await.expect(200);
    wm.target.answer(Outcome::Failed(failure(FailureKind::Exception, "no")));
    let body = event("1", &json!(1)).to_string();
    wm.send(raw("POST", "/v1/topics/orders/events", "application/cloudevents+json", body)).await.expect(202);
    let state = async |wanted: &str| {
        let told = async {
            while wm.get("/v1/events/1").await.json()["events"][0]["workers"][0]["state"] != wanted {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), told).await.unwrap();
    };
    state("DeadLettered").await;
    let letter = wm.get("/v1/dead-letters").await.json()["deadLetters"][0]["id"].as_str().unwrap().to_owned();
    let one = || keyed(json_body("POST", &format!("/v1/dead-letters/{letter}/redrive"), &json!({})), "one");
    let many = || keyed(json_body("POST", "/v1/dead-letters:redrive?all=true", &Value::Null), "many");
    let first = wm.send(one()).await.expect(200);
    same(&first, &wm.send(one()).await);
    state("Done").await;
    let none = wm.send(many()).await.expect(200);
    assert_eq!(none.json()["count"], 0);
    same(&none, &wm.send(many()).await);
    assert_eq!(wm.target.attempts.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn while_the_first_is_worked_on_the_second_is_told_so() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    let invoke = || {
        keyed(
            raw("POST", "/v1/workers/w/invoke", "application/cloudevents+json", event("1", &json!(1)).to_string()),
            "k",
        )
    };
    wm.target.close();
    let (first, ()) = tokio::join!(wm.send(invoke()), async {
        wm.target.waiting.notified().await;
        wm.send(invoke()).await.refused(409, "idempotency-in-progress");
        wm.target.open();
    });
    same(&first.expect(200), &wm.send(invoke()).await);
}

#[tokio::test]
async fn a_refused_request_does_not_use_its_key_up() {
    let wm = Harness::start().await;
    let before = wm.everything().await;
    let bad = json!({"codeSource": {"content": base64("syntax error")}});
    wm.send(keyed(json_body("POST", "/v1/workers", &bad), "k")).await.refused(422, "load-failed");
    wm.send(keyed(raw("POST", "/v1/workers", "application/json", "{"), "k")).await.refused(400, "json-malformed");
    assert_eq!(wm.everything().await, before);
    wm.target.set_unreachable(true);
    wm.send(create("k")).await.refused(503, "validation-unavailable");
    wm.target.set_unreachable(false);
    wm.send(create("k")).await.expect(201);
    assert_eq!(count(&wm).await, 1);
}

#[tokio::test]
async fn a_request_whose_caller_went_away_is_taken_up_by_the_next() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    wm.target.close();
    let invoke = || {
        keyed(
            raw("POST", "/v1/workers/w/invoke", "application/cloudevents+json", event("1", &json!(1)).to_string()),
            "k",
        )
    };
    {
        let gone = wm.send(invoke());
        tokio::pin!(gone);
        tokio::select! {
            _ = &mut gone => panic!("it waits"),
            () = wm.target.waiting.notified() => {}
        }
    }
    wm.target.open();
    wm.send(invoke()).await.expect(200);
}

#[tokio::test]
async fn after_a_day_a_key_is_new_again_and_old_ones_are_swept() {
    let wm = Harness::start().await;
    let first = wm.send(create("k")).await.expect(201);
    wm.send(create("other")).await.expect(201);
    wm.clock.pass(Duration::from_secs(24 * 3600));
    same(&first, &wm.send(create("k")).await);
    assert_eq!(wm.app.sweep_claims().await.unwrap(), 0);
    wm.clock.pass(Duration::from_secs(1));
    assert_ne!(wm.send(create("k")).await.expect(201).header("location"), first.header("location"));
    assert_eq!(wm.app.sweep_claims().await.unwrap(), 1);
}

#[tokio::test]
async fn an_answer_larger_than_a_record_is_repeated_whole() {
    let wm = Harness::start().await;
    let body = json!({"codeSource": {"content": base64(vec![b'#'; 3 << 20])}});
    let request = || keyed(json_body("POST", "/v1/workers", &body), "k");
    let first = wm.send(request()).await.expect(201);
    assert!(first.text.len() > 4 << 20);
    same(&first, &wm.send(request()).await);
}

#[tokio::test]
async fn keys_that_cannot_be_are_refused_and_other_methods_have_none() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    let long = "k".repeat(256);
    for key in [&b""[..], b"\xff", b"a\tb", long.as_bytes()] {
        let mut request = create("x");
        request.headers_mut().insert("idempotency-key", http::HeaderValue::from_bytes(key).unwrap());
        wm.send(request).await.refused(400, "invalid-request");
    }
    let mut two = create("x");
    two.headers_mut().append("idempotency-key", "y".parse().unwrap());
    wm.send(two).await.refused(400, "invalid-request");
    assert_eq!(count(&wm).await, 1);
    let patch = |group: &str| keyed(json_body("PATCH", "/v1/workers/w", &json!({"group": group})), "k");
    wm.send(patch("a")).await.expect(200);
    assert_eq!(wm.send(patch("b")).await.expect(200).json()["group"], "b");
}
