//! A worker whose definition cannot be read loses nothing: what waited for it waits, what comes is kept.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use workmanager_adapters_embedded::Store;
use workmanager_core_domain::{
    Outcome,
    outcome::FailureKind,
    ports::{Bus as _, Collection, Expect, Key, Records as _},
};

use crate::harness::{FakeClock, Harness, base64, event, failure, raw, store};

fn id(worker: &Value) -> &str {
    worker["id"].as_str().unwrap()
}

/// Breaks a record, as a bad disk does.
async fn damage(store: &Store, collection: Collection, id: &str) {
    let key = Key::new(collection, id);
    let record = store.get(&key).await.unwrap().unwrap();
    let mut value = record.value.to_vec();
    let middle = value.len() / 2;
    value[middle] ^= 1;
    store.put(&key, value.into(), Expect::Any).await.unwrap();
}

async fn running(wm: &Harness, name: &str, topic: &str) -> Value {
    let body = json!({ "name": name, "topic": topic, "start": true, "codeSource": { "content": base64("x") } });
    wm.create(&body).await
}

async fn publish(wm: &Harness, topic: &str, id: &str) {
    let event = event(id, &json!({ "n": 1 })).to_string();
    let path = format!("/v1/topics/{topic}/events");
    wm.send(raw("POST", &path, "application/cloudevents+json", event)).await.expect(202);
}

/// What `worker` makes of an event, once it is as wanted.
async fn told(wm: &Harness, id: &str, worker: &str, wanted: &str) -> Value {
    let found = async {
        loop {
            let answer = wm.get(&format!("/v1/events/{id}")).await;
            if answer.status == 200 {
                let event = answer.json()["events"][0].clone();
                let part = event["workers"].as_array().unwrap().iter().find(|part| part["name"] == worker).cloned();
                if let Some(part) = part.filter(|part| part["state"] == wanted) {
                    return part;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(10), found).await;
    match found {
        Ok(found) => found,
        Err(_) => panic!("{id}: {}", wm.get(&format!("/v1/events/{id}")).await.text),
    }
}

async fn ended(wm: &Harness) {
    wm.app.parts().tasks.stop();
    assert!(wm.app.parts().tasks.drained(Duration::from_secs(5)).await);
}

/// Ends a control plane, and starts one on what it left, with the definition of `worker` damaged meanwhile.
async fn restarted_with_damage(wm: Harness, worker: &Value) -> Harness {
    ended(&wm).await;
    damage(&wm.store, Collection::Worker, id(worker)).await;
    wm.restarted(wm.store.clone()).await
}

async fn repair(wm: &Harness, worker: &Value) {
    let path = format!("/v1/quarantine/worker.{}/repair", id(worker));
    wm.call("POST", &path, &Value::Null).await.expect(200);
}

async fn start() -> Harness {
    let clock = Arc::<FakeClock>::default();
    Harness::over(store(clock.clone()), clock).await
}

async fn backlog(wm: &Harness, topic: &str) -> Option<u64> {
    wm.store.backlog(&topic.parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn what_was_parked_for_it_is_done_once_it_is_repaired() {
    let wm = start().await;
    let (worker, _beside) = (running(&wm, "w", "shared").await, running(&wm, "beside", "shared").await);
    wm.call("POST", "/v1/workers/w/stop", &Value::Null).await.expect(200);
    publish(&wm, "shared", "1").await;
    told(&wm, "1", "w", "Parked").await;
    let wm = restarted_with_damage(wm, &worker).await;
    publish(&wm, "shared", "2").await;
    for id in ["1", "2"] {
        told(&wm, id, "w", "Parked").await;
        told(&wm, id, "beside", "Done").await;
    }
    repair(&wm, &worker).await;
    wm.call("POST", "/v1/workers/w/start", &Value::Null).await.expect(200);
    for id in ["1", "2"] {
        told(&wm, id, "w", "Done").await;
    }
}

#[tokio::test]
async fn its_topic_is_not_given_up_and_what_comes_waits_on_the_bus() {
    let wm = start().await;
    let worker = running(&wm, "w", "solo").await;
    ended(&wm).await;
    publish(&wm, "solo", "1").await;
    let wm = restarted_with_damage(wm, &worker).await;
    wm.get("/readyz").await.expect(200);
    publish(&wm, "solo", "2").await;
    assert_eq!(backlog(&wm, "solo").await, Some(2));
    repair(&wm, &worker).await;
    for id in ["1", "2"] {
        told(&wm, id, "w", "Done").await;
    }
}

#[tokio::test]
async fn while_only_its_id_is_known_any_topic_may_be_its_own_until_it_is_given_up() {
    let wm = start().await;
    let worker = running(&wm, "w", "solo").await;
    wm.call("PATCH", "/v1/workers/w", &json!({ "topics": ["solo", "shared"] })).await.expect(200);
    running(&wm, "beside", "shared").await;
    wm.call("POST", "/v1/workers/w/stop", &Value::Null).await.expect(200);
    publish(&wm, "shared", "1").await;
    told(&wm, "1", "w", "Parked").await;
    ended(&wm).await;
    publish(&wm, "solo", "2").await;
    damage(&wm.store, Collection::Copy, &format!("worker.{}", id(&worker))).await;
    let wm = restarted_with_damage(wm, &worker).await;
    running(&wm, "new", "shared").await;
    publish(&wm, "shared", "3").await;
    told(&wm, "3", "new", "Done").await;
    assert_eq!(told(&wm, "1", "w", "Parked").await["reason"], "stopped");
    assert_eq!(backlog(&wm, "solo").await, Some(1));
    wm.get("/v1/workers/w").await.refused(409, "worker-quarantined");
    let listed = wm.get("/v1/workers").await.expect(200).json();
    let names: Vec<_> = listed["workers"].as_array().unwrap().iter().map(|worker| &worker["name"]).collect();
    assert_eq!(names, ["beside", "new"]);

    let entry = format!("/v1/quarantine/worker.{}", id(&worker));
    wm.call("POST", &format!("{entry}/repair"), &Value::Null).await.refused(409, "not-repairable");
    wm.call("DELETE", &entry, &Value::Null).await.expect(204);
    told(&wm, "1", "w", "WorkerDeleted").await;
    let given_up = async {
        while backlog(&wm, "solo").await != Some(0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), given_up).await.unwrap();
    wm.get("/v1/workers/w").await.refused(404, "worker-not-found");
}

#[tokio::test]
async fn it_is_listed_as_quarantined_and_whatever_is_asked_of_it_names_the_call_that_repairs_it() {
    let wm = start().await;
    let worker = running(&wm, "w", "orders").await;
    let wm = restarted_with_damage(wm, &worker).await;
    let listed = wm.get("/v1/workers").await.expect(200).json()["workers"][0].clone();
    assert_eq!((&listed["status"], &listed["observed"]["state"]), (&json!("Running"), &json!("Quarantined")));
    let call = format!("POST /v1/quarantine/worker.{}/repair", id(&worker));
    assert!(listed["observed"]["message"].as_str().unwrap().contains(&call), "{listed}");
    let before = wm.everything().await;
    for (method, path, body) in [
        ("GET", "/v1/workers/w", Value::Null),
        ("GET", "/v1/workers/w/logs", Value::Null),
        ("GET", "/v1/workers/w/tags", Value::Null),
        ("POST", "/v1/workers/w/start", Value::Null),
        ("POST", "/v1/workers/w/stop", Value::Null),
        ("POST", "/v1/workers/w/rollback", json!({ "version": 1 })),
        ("PATCH", "/v1/workers/w", json!({ "tags": {} })),
        ("PUT", "/v1/workers/w/code", json!({ "content": base64("x") })),
        ("DELETE", "/v1/workers/w", Value::Null),
        ("GET", &format!("/v1/workers/{}", id(&worker)), Value::Null),
    ] {
        let detail = wm.call(method, path, &body).await.refused(409, "worker-quarantined");
        assert!(detail.contains(&call), "{method} {path}: {detail}");
    }
    let event = event("1", &json!(1)).to_string();
    let invoke = raw("POST", "/v1/workers/w/invoke", "application/cloudevents+json", event);
    wm.send(invoke).await.refused(409, "worker-quarantined");
    let again = json!({ "name": "w", "codeSource": { "content": base64("x") } });
    wm.call("POST", "/v1/workers", &again).await.refused(409, "name-taken");
    assert_eq!(wm.everything().await, before);
    wm.call("POST", "/v1/workers/recover", &Value::Null).await.expect(200);
    assert_eq!(wm.get("/v1/workers").await.json()["workers"][0]["observed"]["state"], "Quarantined");
    repair(&wm, &worker).await;
    let repaired = wm.get("/v1/workers/w").await.expect(200).json();
    assert_eq!(Value::Null, worker["observed"]["message"]);
    for field in ["id", "status", "digest", "createdAt", "updatedAt", "topics", "observed"] {
        assert_eq!(repaired[field], worker[field], "{field}");
    }
}

#[tokio::test]
async fn a_dead_letter_of_its_waits_for_the_repair_when_it_is_sent_round_again() {
    let wm = start().await;
    let worker = running(&wm, "w", "orders").await;
    wm.target.answer(Outcome::Failed(failure(FailureKind::Exception, "no")));
    publish(&wm, "orders", "1").await;
    told(&wm, "1", "w", "DeadLettered").await;
    let wm = restarted_with_damage(wm, &worker).await;
    let letter = wm.get("/v1/dead-letters").await.expect(200).json()["deadLetters"][0]["id"].clone();
    let redrive = format!("/v1/dead-letters/{}/redrive", letter.as_str().unwrap());
    wm.call("POST", &redrive, &Value::Null).await.expect(200);
    told(&wm, "1", "w", "Parked").await;
    repair(&wm, &worker).await;
    told(&wm, "1", "w", "Done").await;
}

#[tokio::test]
async fn one_that_runs_while_its_record_is_damaged_runs_on_and_is_repaired_from_memory_if_need_be() {
    let wm = start().await;
    let worker = running(&wm, "w", "orders").await;
    damage(&wm.store, Collection::Worker, id(&worker)).await;
    damage(&wm.store, Collection::Copy, &format!("worker.{}", id(&worker))).await;
    wm.call("POST", "/v1/workers/recover", &Value::Null).await.expect(200);
    publish(&wm, "orders", "1").await;
    told(&wm, "1", "w", "Done").await;
    assert_eq!(wm.get("/v1/workers/w").await.expect(200).json()["observed"]["state"], "Ready");
    repair(&wm, &worker).await;
    let wm = {
        ended(&wm).await;
        wm.restarted(wm.store.clone()).await
    };
    publish(&wm, "orders", "2").await;
    told(&wm, "2", "w", "Done").await;
}
