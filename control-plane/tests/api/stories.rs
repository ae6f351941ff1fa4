//! What people see of deliveries: explain, dead letters, logs.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower_service::Service as _;
use workmanager_core_domain::{Outcome, outcome::FailureKind};

use crate::harness::{Harness, base64, event, failure, json_body, raw};

/// A worker on `orders` that runs.
async fn running(wm: &Harness, name: &str, more: Value) {
    let mut body = json!({ "name": name, "topic": "orders", "start": true, "codeSource": { "content": base64("x") } });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    wm.create(&body).await;
}

async fn publish(wm: &Harness, id: &str) {
    let event = event(id, &json!({ "n": 1 })).to_string();
    wm.send(raw("POST", "/v1/topics/orders/events", "application/cloudevents+json", event)).await.expect(202);
}

/// The story of an event, once it is as wanted.
async fn told(wm: &Harness, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let found = async {
        loop {
            let answer = wm.get(&format!("/v1/events/{id}")).await;
            if answer.status == 200 && wanted(&answer.json()["events"][0]) {
                return answer.json()["events"][0].clone();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), found).await.unwrap()
}

/// The story of an event, once every worker is done with it.
async fn finished(wm: &Harness, id: &str) -> Value {
    told(wm, id, |event| event["state"] == "Finished").await
}

/// The story of an event, once its only worker is done with it and has not given it up.
async fn done(wm: &Harness, id: &str) -> Value {
    told(wm, id, |event| event["workers"][0]["state"] == "Done").await
}

#[tokio::test]
async fn the_story_of_an_event_says_what_each_worker_did_with_it_and_why() {
    let wm = Harness::start().await;
    running(&wm, "takes", json!({})).await;
    running(&wm, "wants-others", json!({ "filter": "event.type == \"none\"" })).await;
    running(&wm, "cannot-tell", json!({ "filter": "event.data.none > 1" })).await;
    publish(&wm, "7").await;
    let story = finished(&wm, "7").await;
    assert_eq!((&story["id"], &story["topic"], &story["duplicates"]), (&json!("7"), &json!("orders"), &json!(0)));
    let worker = |name: &str| story["workers"].as_array().unwrap().iter().find(|w| w["name"] == name).unwrap().clone();
    let takes = worker("takes");
    assert_eq!((&takes["state"], &takes["attempts"][0]["number"]), (&json!("Done"), &json!(1)));
    let others = worker("wants-others");
    assert_eq!((&others["state"], &others["reason"]), (&json!("NotMatched"), &json!("filter-false")));
    assert_eq!(others["filter"], "event.type == \"none\"");
    let cannot = worker("cannot-tell");
    assert_eq!(cannot["reason"], "filter-failed");
    assert!(!cannot["message"].as_str().unwrap().is_empty());

    publish(&wm, "7").await;
    told(&wm, "7", |event| event["duplicates"] == 1).await;
}

#[tokio::test]
async fn while_an_event_is_delivered_its_story_says_so() {
    let wm = Harness::start().await;
    running(&wm, "w", json!({})).await;
    wm.target.close();
    publish(&wm, "7").await;
    wm.target.waiting.notified().await;
    let story = told(&wm, "7", |event| event["state"] == "Running").await;
    assert_eq!((&story["topic"], &story["type"], &story["workers"]), (&json!("orders"), &json!("test"), &json!([])));
    wm.target.open();
    assert_eq!(finished(&wm, "7").await["workers"][0]["state"], "Done");
}

#[tokio::test]
async fn what_waits_says_for_what_and_until_when() {
    let wm = Harness::start().await;
    running(&wm, "w", json!({})).await;
    running(&wm, "sleeps", json!({ "limits": { "maxAge": "2h" } })).await;
    wm.call("POST", "/v1/workers/sleeps/stop", &Value::Null).await.expect(200);
    publish(&wm, "7").await;
    let parked = |event: &Value| {
        let parts = event["workers"].as_array().unwrap();
        parts.iter().find(|part| part["name"] == "sleeps" && part["state"] == "Parked").cloned()
    };
    let story = told(&wm, "7", |event| parked(event).is_some() && event["state"] == "Open").await;
    let part = parked(&story).unwrap();
    assert_eq!((&part["reason"], &part["until"]), (&json!("stopped"), &json!("2026-11-25T12:00:00Z")));
}

#[tokio::test]
async fn events_of_several_sources_with_one_id_are_all_told() {
    let wm = Harness::start().await;
    running(&wm, "w", json!({})).await;
    publish(&wm, "7").await;
    let other = json!({ "specversion": "1.0", "id": "7", "source": "/other", "type": "test" }).to_string();
    wm.send(raw("POST", "/v1/topics/orders/events", "application/cloudevents+json", other)).await.expect(202);
    let both = async {
        while wm.get("/v1/events/7").await.json()["events"].as_array().is_none_or(|events| events.len() < 2) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    let one = wm.get("/v1/events/7?source=/other").await.expect(200).json()["events"].clone();
    assert_eq!((one.as_array().unwrap().len(), &one[0]["source"]), (1, &json!("/other")));
}

#[tokio::test]
async fn an_id_that_very_many_sources_use_is_told_of_in_part_and_that_is_said() {
    let wm = Harness::start().await;
    running(&wm, "w", json!({ "filter": "false" })).await;
    for source in 0..=100 {
        let one = json!({ "specversion": "1.0", "id": "1", "source": format!("/{source}"), "type": "t" }).to_string();
        wm.send(raw("POST", "/v1/topics/orders/events", "application/cloudevents+json", one)).await.expect(202);
    }
    let all = async {
        while wm.get("/v1/events/1").await.json()["more"] != true {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.unwrap();
    assert_eq!(wm.get("/v1/events/1").await.json()["events"].as_array().unwrap().len(), 100);
    let one = wm.get("/v1/events/1?source=/100").await.expect(200).json();
    assert_eq!((&one["more"], &one["events"][0]["source"]), (&json!(false), &json!("/100")));
}

#[tokio::test]
async fn of_an_event_that_nobody_knows_it_is_said_what_may_be_the_case() {
    let wm = Harness::start().await;
    let detail = wm.get("/v1/events/none").await.refused(404, "event-not-found");
    assert!(detail.contains("never accepted"), "{detail}");
    running(&wm, "w", json!({})).await;
    publish(&wm, "7").await;
    let source = finished(&wm, "7").await["source"].as_str().unwrap().to_owned();
    wm.get(&format!("/v1/events/7?source={source}")).await.expect(200);
    wm.get("/v1/events/7?source=other").await.refused(404, "event-not-found");
    wm.get("/v1/events/7?x=1").await.refused(400, "invalid-request");
}

#[tokio::test]
async fn a_dead_letter_is_listed_shown_sent_round_again_and_given_up() {
    let wm = Harness::start().await;
    running(&wm, "w", json!({})).await;
    for id in ["1", "2"] {
        wm.target.answer(Outcome::Failed(failure(FailureKind::Exception, "no such order")));
        publish(&wm, id).await;
        finished(&wm, id).await;
    }
    let list = wm.get("/v1/dead-letters?worker=w&reason=not-retryable&limit=1").await.expect(200).json();
    let letter = &list["deadLetters"][0];
    assert_eq!((&letter["eventId"], &letter["message"]), (&json!("1"), &json!("SyntaxError: no such order")));
    assert_eq!(letter["worker"]["name"], "w");
    let cursor = list["nextCursor"].as_str().unwrap();
    let rest = wm.get(&format!("/v1/dead-letters?cursor={cursor}")).await.expect(200).json();
    assert_eq!((&rest["deadLetters"][0]["eventId"], &rest["nextCursor"]), (&json!("2"), &Value::Null));
    let (first, second) = (letter["id"].as_str().unwrap(), rest["deadLetters"][0]["id"].as_str().unwrap());
    let whole = wm.get(&format!("/v1/dead-letters/{first}")).await.expect(200).json();
    assert_eq!((&whole["event"]["id"], whole["attempts"].as_array().unwrap().len()), (&json!("1"), 1));

    let before = wm.everything().await;
    let redrive = format!("/v1/dead-letters/{first}/redrive");
    wm.call("POST", &format!("{redrive}?dryRun=true"), &Value::Null).await.expect(200);
    wm.call("POST", &redrive, &json!({ "version": 9 })).await.refused(404, "version-not-found");
    wm.call("POST", &redrive, &json!({ "versions": 1 })).await.refused(400, "invalid-request");
    wm.call("POST", "/v1/dead-letters/dl_none/redrive", &Value::Null).await.refused(404, "dead-letter-not-found");
    wm.call("POST", "/v1/dead-letters:redrive", &Value::Null).await.refused(400, "invalid-request");
    wm.call("DELETE", "/v1/dead-letters", &Value::Null).await.refused(400, "invalid-request");
    wm.call("DELETE", "/v1/dead-letters/none", &Value::Null).await.refused(404, "dead-letter-not-found");
    wm.get("/v1/dead-letters?reason=bad").await.refused(400, "invalid-request");
    wm.get("/v1/dead-letters?worker=none").await.refused(404, "worker-not-found");
    assert_eq!(wm.everything().await, before);

    let mut twice = Vec::new();
    for _ in 0..2 {
        let mut request = json_body("POST", &redrive, &json!({ "version": 1 }));
        request.headers_mut().insert("idempotency-key", "once".parse().unwrap());
        twice.push(wm.send(request).await.expect(200).json());
    }
    assert_eq!(twice[0], twice[1]);
    let story = done(&wm, "1").await;
    assert_eq!(
        (&story["workers"][0]["state"], story["workers"][0]["attempts"].as_array().unwrap().len()),
        (&json!("Done"), 2)
    );
    wm.get(&format!("/v1/dead-letters/{first}")).await.refused(404, "dead-letter-not-found");
    wm.call("DELETE", &format!("/v1/dead-letters/{second}"), &Value::Null).await.expect(204);
    assert_eq!(wm.get("/v1/dead-letters").await.expect(200).json()["deadLetters"], json!([]));
}

#[tokio::test]
async fn many_dead_letters_are_sent_round_again_by_a_filter_and_those_of_nobody_stay() {
    let wm = Harness::start().await;
    for name in ["a", "b"] {
        running(&wm, name, json!({})).await;
    }
    for _ in 0..2 {
        wm.target.answer(Outcome::Failed(failure(FailureKind::Exception, "no")));
    }
    publish(&wm, "1").await;
    finished(&wm, "1").await;
    wm.call("DELETE", "/v1/workers/b", &Value::Null).await.expect(204);
    let dry = wm.call("POST", "/v1/dead-letters:redrive?all=true&dryRun=true", &Value::Null).await.expect(200).json();
    assert_eq!((&dry["count"], &dry["dryRun"], &dry["more"]), (&json!(1), &json!(true), &json!(false)));
    assert_eq!(dry["orphaned"], 1);
    let sent = wm.call("POST", "/v1/dead-letters:redrive?worker=a", &Value::Null).await.expect(200).json();
    assert_eq!(sent["ids"], dry["ids"]);
    told(&wm, "1", |event| event["workers"][0]["state"] == "Done").await;
    let left = wm.get("/v1/dead-letters").await.json()["deadLetters"][0].clone();
    assert_eq!(left["worker"]["name"], Value::Null);
    let orphan = format!("/v1/dead-letters/{}/redrive", left["id"].as_str().unwrap());
    wm.call("POST", &orphan, &Value::Null).await.refused(409, "dead-letter-orphaned");
    let gone = wm.call("DELETE", "/v1/dead-letters?all=true", &Value::Null).await.expect(200).json();
    assert_eq!(gone["count"], 1);
}

#[tokio::test]
async fn what_a_worker_writes_is_kept_for_a_while_with_its_execution() {
    let wm = Harness::start().await;
    running(&wm, "w", json!({})).await;
    assert_eq!(wm.get("/v1/workers/w/logs").await.expect(200).text, r#"{"lines":[]}"#);
    wm.target.writes("hello");
    wm.target.answer(Outcome::NoReply);
    publish(&wm, "7").await;
    let story = finished(&wm, "7").await;
    let lines = wm.get("/v1/workers/w/logs").await.expect(200).json()["lines"].clone();
    assert_eq!(
        (&lines[0]["text"], &lines[0]["eventId"], &lines[0]["stream"]),
        (&json!("hello"), &json!("7"), &json!("stdout"))
    );
    assert_eq!(lines[0]["executionId"], story["workers"][0]["attempts"][0]["id"]);
    wm.get("/v1/workers/none/logs").await.refused(404, "worker-not-found");
    wm.get("/v1/workers/w/logs?since=1").await.refused(400, "invalid-request");
}

#[tokio::test]
async fn who_follows_the_lines_of_a_worker_gets_what_is_kept_and_what_comes() {
    let wm = Harness::start().await;
    running(&wm, "w", json!({})).await;
    wm.target.writes("before");
    publish(&wm, "1").await;
    finished(&wm, "1").await;
    let mut lines = Followed::open(&wm, "/v1/workers/w/logs?follow=true").await;
    assert_eq!(lines.next().await["text"], "before");
    wm.target.writes("after");
    publish(&wm, "2").await;
    let line = lines.next().await;
    assert_eq!((&line["text"], &line["eventId"]), (&json!("after"), &json!("2")));
    wm.app.parts().tasks.stop();
    assert!(lines.0.frame().await.is_none(), "it ends when the server does");
}

/// Server-sent events, read one by one.
struct Followed(Body);

impl Followed {
    async fn open(wm: &Harness, path: &str) -> Self {
        let response = wm.rest.clone().call(raw("GET", path, "", "")).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self(response.into_body())
    }

    async fn next(&mut self) -> Value {
        let frame = tokio::time::timeout(Duration::from_secs(10), self.0.frame()).await.unwrap();
        let text = frame.unwrap().unwrap().into_data().unwrap();
        serde_json::from_slice(text.strip_prefix(b"data: ").unwrap()).unwrap()
    }
}

#[tokio::test]
async fn an_order_is_asked_for_kept_and_taken_back() {
    let wm = Harness::start().await;
    running(&wm, "w", json!({ "ordering": "partitionkey" })).await;
    assert_eq!(wm.get("/v1/workers/w").await.json()["ordering"], "partitionkey");
    let before = wm.everything().await;
    let bad = wm.call("PATCH", "/v1/workers/w", &json!({ "ordering": "time" })).await;
    bad.refused(400, "invalid-request");
    assert_eq!(bad.pointers(), ["/ordering"]);
    assert_eq!(wm.everything().await, before);
    let reset = wm.call("PATCH", "/v1/workers/w", &json!({ "ordering": null })).await.expect(200).json();
    assert_eq!(reset["ordering"], "none");
}

#[tokio::test]
async fn a_worker_whose_engine_dies_again_and_again_is_shown_as_quarantined_for_a_while() {
    let wm = Harness::start().await;
    running(&wm, "w", json!({ "limits": { "maxAttempts": 1 } })).await;
    for id in 0..10 {
        wm.target.answer(Outcome::EngineLost { message: "killed by signal 9".to_owned() });
        publish(&wm, &id.to_string()).await;
        finished(&wm, &id.to_string()).await;
    }
    let observed = wm.get("/v1/workers/w").await.json()["observed"].clone();
    assert_eq!(observed["state"], "Quarantined");
    assert!(observed["message"].as_str().unwrap().contains("died again and again"), "{observed}");
}
