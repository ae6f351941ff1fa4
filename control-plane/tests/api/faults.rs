//! The store fails at every step of every change, in every way: what the caller is told is true, and
//! the program that starts afterwards finds nothing half made.

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use workmanager_adapters_embedded::Store;
use workmanager_core_domain::ports::Collection;
use workmanager_core_domain::ports::Records as _;
use workmanager_tests_contracts::fault::{Fault, Faulty, Plan, Step, at_every_step};

use crate::harness::{Answer, ECHO, FakeClock, Harness, base64, event, json_body, raw, store};

/// Faults whose answer is true: what was refused has not happened.
const HONEST: [Fault; 3] = [Fault::Refused, Fault::TimedOut, Fault::Gone];
/// Faults after which it may have happened.
const ALL: [Fault; 5] = [Fault::Refused, Fault::TimedOut, Fault::Gone, Fault::AnswerLost, Fault::Lied];

/// A control plane that has started well, with these workers, on a store that then fails as planned.
async fn failing(workers: &[&str], plan: Plan) -> Harness<Faulty<Store>> {
    let clock = Arc::<FakeClock>::default();
    let first = Harness::over(store(clock.clone()), clock).await;
    for name in workers {
        first.worker(name).await;
    }
    let faulty = Arc::new(Faulty::new(first.store.clone(), plan));
    first.beside(faulty).await
}

/// The program that starts afterwards, on the store itself.
async fn afterwards(wm: &Harness<Faulty<Store>>) -> Harness {
    wm.restarted(wm.store.inner().clone()).await
}

async fn names(wm: &Harness) -> Vec<String> {
    let body = wm.get("/v1/workers").await.expect(200).json();
    body["workers"].as_array().unwrap().iter().map(|worker| worker["name"].as_str().unwrap().to_owned()).collect()
}

/// Every worker has a name that leads to it and a version that can be read; every name has a worker.
async fn whole(wm: &Harness) {
    for name in names(wm).await {
        let worker = wm.get(&format!("/v1/workers/{name}")).await.expect(200).json();
        assert_ne!(worker["codeSource"], Value::Null);
        let history = wm.get(&format!("/v1/workers/{name}/history")).await.expect(200).json();
        let active =
            history["history"].as_array().unwrap().iter().find(|entry| entry["status"] == "Active").unwrap().clone();
        assert_eq!(active["digest"], worker["digest"]);
    }
    let claims = wm.store.page(Collection::Name, "", None, 100).await.unwrap().records;
    let mut claimed: Vec<_> = claims.iter().map(|record| record.id.to_string()).collect();
    let mut named = names(wm).await;
    claimed.sort_unstable();
    named.sort_unstable();
    assert_eq!(claimed, named);
}

/// A refusal of a failing store says that it is one.
fn is_the_stores(answer: &Answer) {
    let code = answer.json()["code"].as_str().unwrap().to_owned();
    assert!(matches!(answer.status, 503 | 504), "{answer:?}");
    assert!(
        matches!(code.as_str(), "store-unavailable" | "store-timeout" | "bus-unavailable" | "bus-timeout"),
        "{code}"
    );
}

fn create(key: Option<&str>) -> Request<Body> {
    let mut request = json_body("POST", "/v1/workers", &json!({"name": "w", "codeSource": {"content": base64(ECHO)}}));
    if let Some(key) = key {
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_create_that_is_refused_left_nothing_and_its_name_is_free() {
    at_every_step(&HONEST, async |plan| {
        let wm = failing(&[], plan).await;
        let answer = wm.send(create(None)).await;
        let next = afterwards(&wm).await;
        whole(&next).await;
        if answer.status == 201 {
            assert_eq!(names(&next).await, ["w"]);
        } else {
            is_the_stores(&answer);
            assert_eq!(names(&next).await, [] as [String; 0]);
            next.send(create(None)).await.expect(201);
        }
        wm.store.count()
    })
    .await;
}

#[tokio::test]
async fn a_create_is_tried_again_with_its_key_until_there_is_exactly_one_worker() {
    at_every_step(&ALL, async |plan| {
        let wm = failing(&[], plan).await;
        let answer = wm.send(create(Some("k"))).await;
        let next = afterwards(&wm).await;
        let again = next.send(create(Some("k"))).await.expect(201);
        assert_eq!(names(&next).await, ["w"]);
        whole(&next).await;
        if answer.status == 201 {
            assert_eq!(answer.json()["id"], again.json()["id"]);
        } else {
            is_the_stores(&answer);
        }
        wm.store.count()
    })
    .await;
}

#[tokio::test]
async fn the_same_program_recovers_too_when_its_store_does() {
    let faults = [Fault::Refused, Fault::TimedOut, Fault::AnswerLost, Fault::Lied];
    at_every_step(&faults, async |plan| {
        let wm = failing(&[], plan).await;
        let (mut answer, mut tries) = (wm.send(create(Some("k"))).await, 1);
        while answer.status != 201 {
            is_the_stores(&answer);
            answer = wm.send(create(Some("k"))).await;
            tries += 1;
        }
        assert!(tries <= 2, "one fault costs one try");
        let listed = wm.get("/v1/workers").await.json();
        assert_eq!(listed["workers"].as_array().unwrap().len(), 1);
        assert_eq!(listed["workers"][0]["id"], answer.json()["id"]);
        wm.store.count()
    })
    .await;
}

#[tokio::test]
async fn a_change_has_happened_as_a_whole_or_not_at_all() {
    let load = || raw("PUT", "/v1/workers/w/code", "application/octet-stream", "x = 2");
    let rename = || json_body("PATCH", "/v1/workers/w", &json!({"name": "new", "group": "g"}));
    let memory = || json_body("PATCH", "/v1/workers/w", &json!({"limits": {"memory": "512MiB"}, "group": "g"}));
    let start = || json_body("POST", "/v1/workers/w/start", &Value::Null);
    let delete = || json_body("DELETE", "/v1/workers/w", &Value::Null);
    let tags = || json_body("PUT", "/v1/workers/w/tags", &json!({"a": "b"}));
    let changes: [(&str, &dyn Fn() -> Request<Body>); 6] = [
        ("load", &load),
        ("rename", &rename),
        ("memory", &memory),
        ("start", &start),
        ("delete", &delete),
        ("tags", &tags),
    ];
    for (what, change) in changes {
        at_every_step(&ALL, async |plan| {
            let wm = failing(&["w", "other"], plan).await;
            let before = afterwards(&wm).await.get("/v1/workers").await.json();
            let answer = wm.send(change()).await;
            let next = afterwards(&wm).await;
            whole(&next).await;
            let after = next.get("/v1/workers").await.json();
            let changed = after["workers"] != before["workers"];
            assert_eq!(
                after["workers"].as_array().unwrap().len(),
                if what == "delete" && changed { 1 } else { 2 },
                "{what}"
            );
            if answer.status < 300 {
                assert!(changed, "{what} was said to have happened");
            } else if answer.json()["code"] == "topic-unavailable" {
                assert!(what == "start" && changed, "it is started all the same");
            } else {
                is_the_stores(&answer);
            }
            let injected = wm.store.injected();
            let refused = answer.status >= 300 && answer.json()["code"] != "topic-unavailable";
            if refused && injected.iter().all(|(_, fault)| HONEST.contains(fault)) {
                assert!(!changed, "{what} was said not to have happened: {injected:?}");
            }
            wm.store.count()
        })
        .await;
    }
}

#[tokio::test]
async fn a_bus_that_is_full_or_away_is_said_and_accepts_nothing() {
    let publish =
        || raw("POST", "/v1/topics/t/events", "application/cloudevents+json", event("1", &json!(1)).to_string());
    for (fault, status, code) in [(Fault::Refused, 503, "bus-unavailable"), (Fault::TimedOut, 504, "bus-timeout")] {
        let plan = Plan::when(move |operation| (operation.step == Step::Publish).then_some(fault));
        let wm = failing(&[], plan).await;
        let answer = wm.send(publish()).await;
        answer.refused(status, code);
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(afterwards(&wm).await.events("t").await, [] as [Value; 0]);
    }
    for step in [Step::Tail, Step::Position] {
        let plan = Plan::when(move |operation| (operation.step == step).then_some(Fault::Refused));
        failing(&[], plan).await.get("/v1/topics/t/events").await.refused(503, "bus-unavailable");
    }
}

#[tokio::test]
async fn reading_goes_on_without_the_store_as_far_as_it_can() {
    let wm = failing(&["w"], Plan::when(|_| Some(Fault::Gone))).await;
    let worker = wm.get("/v1/workers/w").await.expect(200).json();
    assert_eq!((&worker["name"], &worker["codeSource"]), (&json!("w"), &Value::Null));
    assert_eq!(wm.get("/v1/workers").await.expect(200).json()["workers"].as_array().unwrap().len(), 1);
    wm.get("/v1/workers/w/history").await.refused(503, "store-unavailable");
    wm.get("/health").await.expect(200);
}
