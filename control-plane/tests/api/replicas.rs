//! Several control planes on one store: what one changes the others know, and what one leaves behind
//! another finishes.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use workmanager_control_plane::replicas::Membership;
use workmanager_core_domain::ports::{Collection, Key, Records as _};
use workmanager_core_kit::{Tasks, UuidV7};

use crate::harness::{FakeClock, Harness, event, raw, store};

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("{what}"));
}

async fn two() -> (Harness, Harness) {
    let clock = Arc::<FakeClock>::default();
    let store = store(clock.clone());
    let one = Harness::replica(store.clone(), clock.clone(), "one").await;
    let other = Harness::replica(store, clock, "other").await;
    other.go_on_after(&one);
    (one, other)
}

#[tokio::test]
async fn what_one_changes_the_others_know_within_a_second() {
    let (one, other) = two().await;
    let worker = one.worker("w").await;
    let begun = tokio::time::Instant::now();
    until("the worker is known", async || other.get("/v1/workers/w").await.status == 200).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    other.call("POST", "/v1/workers/w/start", &Value::Null).await.expect(200);
    until("it is started", async || one.get("/v1/workers/w").await.json()["status"] == "Running").await;
    // What somebody else has changed meanwhile is no reason to refuse.
    one.call("PATCH", "/v1/workers/w", &json!({ "tags": { "a": "1" } })).await.expect(200);
    other.call("PATCH", "/v1/workers/w", &json!({ "tags": { "b": "2" } })).await.expect(200);
    let tags = async |wm: &Harness| wm.get("/v1/workers/w").await.json()["tags"].clone();
    until("both tags are there", async || tags(&one).await == json!({ "a": "1", "b": "2" })).await;
    one.call("DELETE", &format!("/v1/workers/{}", worker["id"].as_str().unwrap()), &Value::Null).await.expect(204);
    until("it is gone", async || other.get("/v1/workers/w").await.status == 404).await;
}

#[tokio::test]
async fn what_one_has_made_the_others_find_at_once() {
    let (one, other) = two().await;
    let worker = one.worker("w").await;
    other.call("POST", "/v1/workers/w/start", &Value::Null).await.expect(200);
    let second = one.worker("by-id").await;
    let path = |worker: &Value| format!("/v1/workers/{}", worker["id"].as_str().unwrap());
    other.get(&path(&second)).await.expect(200);
    other.call("DELETE", &path(&worker), &Value::Null).await.expect(204);
    other.get("/v1/workers/none").await.expect(404);
}

#[tokio::test]
async fn what_nobody_writes_any_more_is_taken_over_and_done_once() {
    let (one, other) = two().await;
    for name in ["stays", "w"] {
        one.worker(name).await;
        one.call("POST", &format!("/v1/workers/{name}/start"), &Value::Null).await.expect(200);
    }
    one.call("POST", "/v1/workers/w/stop", &Value::Null).await.expect(200);
    until("it is known", async || other.get("/v1/workers/w").await.json()["status"] == "Stopped").await;
    for id in 0..20 {
        let body = event(&id.to_string(), &json!(id)).to_string();
        one.send(raw("POST", "/v1/topics/orders/events", "application/cloudevents+json", body)).await.expect(202);
    }
    let parked = async |partition: &str| {
        let prefix = format!("{partition}.");
        one.store.page(Collection::Parked, &prefix, None, 100).await.unwrap().records.len()
    };
    until("all is parked", async || parked("one").await + parked("other").await == 20).await;
    // Neither has ever shown that it lives: to whoever comes both are gone, and what they still try fails.
    let heir = Harness::replica(one.store.clone(), one.clock.clone(), "heir").await;
    let membership = Membership::enter(one.store.clone(), one.clock.clone(), &UuidV7).await.unwrap();
    let tasks = Tasks::new();
    tasks.spawn_infallible({
        let (router, tasks) = (heir.app.parts().router.clone(), tasks.clone());
        membership.run(router, tasks)
    });
    until("all of it is the heir's", async || parked("heir").await == 20).await;
    heir.call("POST", "/v1/workers/w/start", &Value::Null).await.expect(200);
    until("all is done", async || parked("heir").await == 0).await;
    let done = async |id: usize| heir.get(&format!("/v1/events/{id}")).await.json()["events"][0]["state"] == "Finished";
    for id in 0..20 {
        until("every event is finished", async || done(id).await).await;
    }
    let ran = |wm: &Harness| {
        let attempts = wm.target.attempts.lock().unwrap();
        attempts.iter().filter(|attempt| attempt.worker.name.as_str() == "w").count()
    };
    assert_eq!((ran(&heir), ran(&one), ran(&other)), (20, 0, 0));
    tasks.stop();
}

#[tokio::test]
async fn one_that_was_silent_for_too_long_is_taken_over_and_enters_again() {
    let (one, other) = two().await;
    let enter = async || Membership::enter(one.store.clone(), one.clock.clone(), &UuidV7).await.unwrap();
    let (silent, alive, tasks) = (enter().await, enter().await, Tasks::new());
    let name = silent.name().to_owned();
    let there = async || one.store.get(&Key::new(Collection::Replica, name.as_str())).await.unwrap();
    let live = |membership: Membership, wm: &Harness| {
        tasks.spawn_infallible(membership.run(wm.app.parts().router.clone(), tasks.clone()));
    };
    live(alive, &other);
    // It is looked at every three seconds, and must be silent for ten by the clock of whoever looks.
    until("it is taken over", async || {
        one.clock.pass(Duration::from_millis(500));
        there().await.is_none()
    })
    .await;
    live(silent, &one);
    until("it is there again", async || there().await.is_some()).await;
    tasks.stop();
    assert!(tasks.drained(Duration::from_secs(10)).await);
    let left = there().await.unwrap();
    assert!(String::from_utf8_lossy(&left.value).contains("\"left\":true"), "it has left in order");
}
