//! What a program finds when it starts.

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::json;
use workmanager_control_plane::app;
use workmanager_core_delivery::Roster;
use workmanager_core_domain::{
    Worker,
    document::{decode, encode},
    ports::{Collection, Expect, Key, Records},
};

use crate::harness::{ECHO, Harness, base64};

async fn raw(wm: &Harness, collection: Collection, id: &str) -> Bytes {
    wm.store.get(&Key::new(collection, id)).await.unwrap().unwrap().value
}

async fn write(wm: &Harness, collection: Collection, id: &str, value: Bytes) {
    wm.store.put(&Key::new(collection, id), value, Expect::Any).await.unwrap();
}

async fn remove(wm: &Harness, collection: Collection, id: &str) {
    wm.store.delete(&Key::new(collection, id), Expect::Any).await.unwrap();
}

#[tokio::test]
async fn workers_are_as_they_were() {
    let wm = Harness::start().await;
    for name in ["a", "b", "c"] {
        wm.worker(name).await;
    }
    wm.call("POST", "/v1/workers/b/start", &json!(null)).await.expect(200);
    wm.call("DELETE", "/v1/workers/c", &json!(null)).await.expect(204);
    let before = wm.get("/v1/workers").await.json();
    let wm = wm.restarted(wm.store.clone()).await;
    assert_eq!(wm.get("/v1/workers").await.json(), before);
    wm.worker("c").await;
}

#[tokio::test]
async fn workers_whose_records_cannot_be_read_are_held_and_the_rest_serves() {
    let wm = Harness::start().await;
    let mut ids = Vec::new();
    for name in ["torn", "flipped", "newer", "foreign", "good"] {
        ids.push(wm.worker(name).await["id"].as_str().unwrap().to_owned());
    }
    let good = raw(&wm, Collection::Worker, &ids[4]).await;
    write(&wm, Collection::Worker, &ids[0], good.slice(..good.len() / 2)).await;
    let mut flipped = raw(&wm, Collection::Worker, &ids[1]).await.to_vec();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    write(&wm, Collection::Worker, &ids[1], flipped.into()).await;
    write(&wm, Collection::Worker, &ids[2], Bytes::from_static(br#"{"schema":99,"crc32":2745614147,"body":{}}"#)).await;
    write(&wm, Collection::Worker, &ids[3], good).await;

    let roster = Roster::default();
    let loaded = app::load(&*wm.store, &roster, &*wm.clock).await.unwrap();
    assert_eq!(loaded.unreadable, ids[..4]);
    let wm = wm.restarted(wm.store.clone()).await;
    let listed = wm.get("/v1/workers").await.expect(200).json();
    let states = listed["workers"].as_array().unwrap().iter();
    let states: Vec<_> = states.map(|worker| worker["observed"]["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["Quarantined", "Quarantined", "Quarantined", "Quarantined", "Stopped"]);
    wm.get("/v1/workers/good").await.expect(200);
    for (name, id) in ["torn", "flipped", "newer", "foreign"].iter().zip(&ids) {
        wm.get(&format!("/v1/workers/{name}")).await.refused(409, "worker-quarantined");
        wm.get(&format!("/v1/workers/{id}")).await.refused(409, "worker-quarantined");
        let body = json!({"name": name, "codeSource": {"content": base64(ECHO)}});
        wm.call("POST", "/v1/workers", &body).await.refused(409, "name-taken");
    }
    wm.call("POST", "/v1/workers/recover", &json!(null)).await.expect(200);
    assert_eq!(wm.get("/v1/workers").await.json(), listed);
}

#[tokio::test]
async fn names_are_made_to_fit_the_workers() {
    let wm = Harness::start().await;
    for name in ["lost", "damaged", "moved", "kept"] {
        wm.worker(name).await;
    }
    let claim = raw(&wm, Collection::Name, "kept").await;
    remove(&wm, Collection::Name, "lost").await;
    write(&wm, Collection::Name, "damaged", Bytes::from_static(b"{")).await;
    write(&wm, Collection::Name, "moved", claim.clone()).await;
    write(&wm, Collection::Name, "orphan", claim).await;

    let loaded = app::load(&*wm.store, &Roster::default(), &*wm.clock).await.unwrap();
    assert!(loaded.names_repaired > 0);
    let again = app::load(&*wm.store, &Roster::default(), &*wm.clock).await.unwrap();
    assert_eq!(again.names_repaired, 0, "once is enough");
    let wm = wm.restarted(wm.store.clone()).await;
    for name in ["lost", "damaged", "moved", "kept"] {
        let body = json!({"name": name, "codeSource": {"content": base64(ECHO)}});
        wm.call("POST", "/v1/workers", &body).await.refused(409, "name-taken");
    }
    wm.worker("orphan").await;
}

#[tokio::test]
async fn thousands_of_workers_are_all_there() {
    const COUNT: u128 = 2_500;
    let wm = Harness::start().await;
    let id = wm.worker("w").await["id"].as_str().unwrap().to_owned();
    let worker: Worker = decode(&raw(&wm, Collection::Worker, &id).await).unwrap();
    let many: Vec<_> = (0..COUNT)
        .map(|i| {
            let id = workmanager_core_domain::WorkerId::new(uuid::Uuid::from_u128((0x77 << 64) + i));
            Worker { id, name: format!("w{i}").parse().unwrap(), ..worker.clone() }
        })
        .collect();
    join_all(many.iter().map(async |worker| {
        write(&wm, Collection::Worker, &worker.id.to_string(), encode(worker).unwrap()).await;
    }))
    .await;
    let wm = wm.restarted(wm.store.clone()).await;
    assert_eq!(wm.app.parts().roster.snapshot().members().count() as u128, COUNT + 1);
    assert_eq!(wm.get("/v1/workers/w2499").await.json()["name"], "w2499");
}
