//! Records that cannot be read: nobody else notices, and one call restores them.

use std::sync::Arc;

use serde_json::{Value, json};
use workmanager_adapters_embedded::Store;
use workmanager_core_domain::ports::{Collection, Expect, Key, Records as _};

use crate::harness::{FakeClock, Harness, base64, store};

/// Flips one bit in the middle of a record, as a bad disk does.
async fn damage(store: &Store, collection: Collection, id: &str) {
    let key = Key::new(collection, id);
    let record = store.get(&key).await.unwrap().unwrap();
    let mut value = record.value.to_vec();
    let middle = value.len() / 2;
    value[middle] ^= 1;
    store.put(&key, value.into(), Expect::Any).await.unwrap();
}

async fn ids(store: &Store, collection: Collection) -> Vec<String> {
    let page = store.page(collection, "", None, 10_000).await.unwrap();
    page.records.into_iter().map(|record| record.id.into()).collect()
}

async fn entries(wm: &Harness) -> Vec<Value> {
    wm.get("/v1/quarantine").await.expect(200).json()["entries"].as_array().unwrap().clone()
}

/// A control plane with some workers, on a store that outlives it.
async fn with_workers(count: usize) -> (Harness, Arc<Store>) {
    let clock = Arc::<FakeClock>::default();
    let store = store(clock.clone());
    let wm = Harness::over(store.clone(), clock).await;
    for number in 0..count {
        let code = json!({ "content": base64("def Process(event): return None") });
        let body = json!({ "name": format!("w{number}"), "topic": format!("t{number}"), "codeSource": code });
        wm.create(&body).await;
    }
    (wm, store)
}

#[tokio::test]
async fn whatever_record_is_damaged_the_others_serve_and_one_call_restores_it() {
    const WORKERS: usize = 1_000;
    let (wm, store) = with_workers(WORKERS).await;
    let before = wm.get("/v1/workers/w500").await.expect(200).json();
    let id = before["id"].as_str().unwrap();
    let version = format!("{id}/1");
    let version = ids(&store, Collection::Version).await.into_iter().find(|key| key.starts_with(id)).unwrap_or(version);
    for (collection, record) in [(Collection::Worker, id), (Collection::Version, &*version), (Collection::Name, "w500")]
    {
        damage(&store, collection, record).await;
        let wm = wm.restarted(store.clone()).await;
        wm.get("/readyz").await.expect(200);
        for other in [0, 499, 501, WORKERS - 1] {
            wm.get(&format!("/v1/workers/w{other}")).await.expect(200);
        }
        if collection == Collection::Worker {
            let detail = wm.get("/v1/workers/w500").await.refused(409, "worker-quarantined");
            assert!(detail.contains(&format!("/v1/quarantine/worker.{id}/repair")), "{detail}");
        }
        let found = entries(&wm).await;
        // A name is made anew from its worker at the start.
        if collection == Collection::Name {
            assert_eq!(found, [] as [Value; 0]);
        } else {
            assert_eq!(found.len(), 1, "{collection:?}");
            assert_eq!((&found[0]["record"], &found[0]["repairable"]), (&json!(record), &json!(true)));
            let entry = found[0]["id"].as_str().unwrap().replace('/', "%2F");
            wm.call("POST", &format!("/v1/quarantine/{entry}/repair"), &Value::Null).await.expect(200);
        }
        let mut after = wm.get("/v1/workers/w500").await.expect(200).json();
        after["revision"] = before["revision"].clone();
        assert_eq!(after, before, "{collection:?}");
        assert_eq!(entries(&wm).await, [] as [Value; 0]);
        wm.call("POST", "/v1/workers/w500/start", &Value::Null).await.expect(200);
        wm.call("POST", "/v1/workers/w500/stop", &Value::Null).await.expect(200);
        let back = wm.call("PATCH", "/v1/workers/w500", &json!({ "tags": {} })).await.expect(200);
        drop(back);
        restore_times(&store, id, &before).await;
    }
}

/// Puts the definition back as it was before the worker was started and stopped.
async fn restore_times(store: &Store, id: &str, before: &Value) {
    use workmanager_core_domain::{Worker, document};
    for (collection, key) in [(Collection::Worker, id.to_owned()), (Collection::Copy, format!("worker.{id}"))] {
        let key = Key::new(collection, key);
        let record = store.get(&key).await.unwrap().unwrap();
        let worker: Worker = document::decode(&record.value).unwrap();
        let updated_at = before["updatedAt"].as_str().unwrap().parse().unwrap();
        let worker = Worker { updated_at, started_once: false, ..worker };
        store.put(&key, document::encode(&worker).unwrap(), Expect::Any).await.unwrap();
    }
}

#[tokio::test]
async fn what_nothing_can_restore_is_said_and_can_be_given_up() {
    let (wm, store) = with_workers(2).await;
    let id = wm.get("/v1/workers/w0").await.json()["id"].as_str().unwrap().to_owned();
    damage(&store, Collection::Worker, &id).await;
    damage(&store, Collection::Copy, &format!("worker.{id}")).await;
    let wm = wm.restarted(store.clone()).await;
    let found = entries(&wm).await;
    assert_eq!(found[0]["repairable"], false);
    let entry = format!("/v1/quarantine/{}", found[0]["id"].as_str().unwrap());
    let before = wm.everything().await;
    wm.call("POST", &format!("{entry}/repair"), &Value::Null).await.refused(409, "not-repairable");
    wm.call("POST", "/v1/quarantine/none/repair", &Value::Null).await.refused(404, "quarantine-not-found");
    wm.call("DELETE", "/v1/quarantine/none", &Value::Null).await.refused(404, "quarantine-not-found");
    wm.get("/v1/quarantine?x=1").await.refused(400, "invalid-request");
    assert_eq!(wm.everything().await, before);
    wm.call("DELETE", &entry, &Value::Null).await.expect(204);
    assert!(entries(&wm).await.is_empty());
    wm.get("/v1/workers/w0").await.refused(404, "worker-not-found");
    let code = json!({ "content": base64("def Process(event): return None") });
    wm.create(&json!({ "name": "w0", "codeSource": code })).await;
}
