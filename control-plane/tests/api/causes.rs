//! A thousand prepared events: for each of them explain names the one true cause.

use std::time::Duration;

use serde_json::{Value, json};
use workmanager_core_domain::{Outcome, outcome::FailureKind};

use crate::harness::{Harness, base64, failure, raw};

/// What becomes of an event, and how many there are.
const PREPARED: [(&str, usize); 8] = [
    ("done", 750),
    ("filtered", 100),
    ("fails", 50),
    ("times-out", 10),
    ("deleted", 5),
    ("duplicate", 50),
    ("loops", 20),
    ("parked", 15),
];

async fn worker(wm: &Harness, name: &str, topic: &str, more: Value) {
    let mut body = json!({ "name": name, "topic": topic, "start": true, "codeSource": { "content": base64("x") } });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    wm.create(&body).await;
}

fn topic(cause: &str) -> &'static str {
    match cause {
        "deleted" => "doomed",
        "parked" => "sleepy",
        _ => "orders",
    }
}

async fn publish(wm: &Harness, cause: &str, id: &str) {
    let hops = if cause == "loops" { 16 } else { 0 };
    let event = json!({ "specversion": "1.0", "id": id, "source": "/test", "type": cause, "workmanagerhops": hops });
    let path = format!("/v1/topics/{}/events", topic(cause));
    wm.send(raw("POST", &path, "application/cloudevents+json", event.to_string())).await.expect(202);
}

/// What explain says of an event's `subject`, in one word.
fn cause(event: &Value) -> String {
    let name = match event["topic"].as_str().unwrap() {
        "doomed" => "doomed",
        "sleepy" => "sleeper",
        _ => "takes",
    };
    let part = event["workers"].as_array().unwrap().iter().find(|part| part["name"] == name).unwrap();
    let (state, reason) = (part["state"].as_str().unwrap(), part["reason"].as_str().unwrap_or_default());
    let attempts = part["attempts"].as_array().unwrap();
    let last = attempts.last().map_or("", |attempt| attempt["outcome"].as_str().unwrap());
    let cause = match (state, reason, last, event["duplicates"].as_u64().unwrap()) {
        ("Done", _, "replied", 0) => "done",
        ("Done", _, "replied", 1) => "duplicate",
        ("NotMatched", "filter-false", "", 0) => "filtered",
        ("DeadLettered", "not-retryable", "worker-exception", 0) => "fails",
        ("DeadLettered", "attempts-exhausted", "timed-out", 0) => "times-out",
        ("DeadLettered", "loop", "", 0) => "loops",
        ("WorkerDeleted", ..) => "deleted",
        ("Parked", "stopped", "", 0) => "parked",
        _ => "unclear",
    };
    cause.to_owned()
}

#[tokio::test]
async fn explain_names_the_cause_of_a_thousand_of_a_thousand() {
    let wm = Harness::start().await;
    let one_try = json!({ "filter": "event.type != \"filtered\"", "limits": { "maxAttempts": 1 } });
    worker(&wm, "takes", "orders", one_try).await;
    for (name, topic) in [("doomed", "doomed"), ("sleeper", "sleepy")] {
        worker(&wm, name, topic, json!({})).await;
        worker(&wm, &format!("beside-{name}"), topic, json!({})).await;
        wm.call("POST", &format!("/v1/workers/{name}/stop"), &Value::Null).await.expect(200);
    }
    wm.target.of_kind("fails", Outcome::Failed(failure(FailureKind::Exception, "no")));
    wm.target.of_kind("times-out", Outcome::TimedOut { limit: Duration::from_secs(30) });

    let ids = PREPARED.iter().flat_map(|(cause, count)| (0..*count).map(move |n| (*cause, format!("{cause}-{n}"))));
    let ids: Vec<_> = ids.collect();
    assert_eq!(ids.len(), 1_000);
    for (cause, id) in &ids {
        publish(&wm, cause, id).await;
    }
    for (cause, id) in ids.iter().filter(|(cause, _)| *cause == "duplicate") {
        publish(&wm, cause, id).await;
    }
    let settled = async {
        // The sleeper's events stay parked; the doomed one's do until it is deleted.
        while wm.app.topics().await.unwrap().iter().any(|topic| topic.backlog != Some(0)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), settled).await.unwrap();
    wm.call("DELETE", "/v1/workers/doomed", &Value::Null).await.expect(204);

    let mut wrong = Vec::new();
    for (expected, id) in &ids {
        let told = async {
            loop {
                let event = wm.get(&format!("/v1/events/{id}")).await.expect(200).json()["events"][0].clone();
                if cause(&event) == *expected {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(5), told).await.is_err() {
            wrong.push((id, wm.get(&format!("/v1/events/{id}")).await.text));
        }
        assert!(wrong.len() < 5, "{wrong:#?}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
