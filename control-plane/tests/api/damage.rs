//! Records that cannot be read: nobody else notices, and one call restores them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::{Value, json};
use workmanager_adapters_embedded::Store;
use workmanager_core_domain::{
    Outcome,
    outcome::FailureKind,
    ports::{Collection, Expect, Key, Records as _},
};

use crate::harness::{FakeClock, Harness, base64, event, failure, json_body, raw, store};

const WORKERS: usize = 1_000;
/// Which record of each collection is damaged, and where.
const SEED: u64 = 20_261_125;

/// Numbers that are the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }
}

/// Flips one bit of a record's body, as a bad disk does. Returns what it was.
async fn damage(store: &Store, collection: Collection, id: &str, chance: &mut Chance) -> Bytes {
    let key = Key::new(collection, id);
    let good = store.get(&key).await.unwrap().unwrap().value;
    let body = good.windows(8).position(|window| window == b"\"body\":{").unwrap() + 8;
    let mut bad = good.to_vec();
    bad[body + chance.below(good.len() - body)] ^= 1 << chance.below(8);
    store.put(&key, bad.into(), Expect::Any).await.unwrap();
    good
}

async fn records(store: &Store, collection: Collection) -> BTreeMap<String, Bytes> {
    let page = store.page(collection, "", None, 10_000).await.unwrap();
    page.records.into_iter().map(|record| (record.id.into(), record.value)).collect()
}

async fn entries(wm: &Harness) -> Vec<Value> {
    wm.get("/v1/quarantine").await.expect(200).json()["entries"].as_array().unwrap().clone()
}

/// The path of a quarantine entry.
fn path(entry: &Value) -> String {
    format!("/v1/quarantine/{}", entry["id"].as_str().unwrap().replace('/', "%2F"))
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waits = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), waits).await.is_ok(), "{what}");
}

fn definition(name: &str, topic: &str) -> Value {
    let code = json!({ "content": base64("def Process(event): return None") });
    json!({ "name": name, "topic": topic, "codeSource": code })
}

/// A control plane with some workers, on a store that outlives it.
async fn with_workers(count: usize) -> (Harness, Arc<Store>) {
    let clock = Arc::<FakeClock>::default();
    let store = store(clock.clone());
    let wm = Harness::over(store.clone(), clock).await;
    let all: Vec<_> = (0..count).map(|number| definition(&format!("w{number}"), &format!("t{number}"))).collect();
    for some in all.chunks(50) {
        join_all(some.iter().map(|body| wm.create(body))).await;
    }
    (wm, store)
}

/// The program as it starts again once the last one is gone.
async fn again(wm: &Harness, store: &Arc<Store>) -> Harness {
    wm.app.parts().tasks.stop();
    assert!(wm.app.parts().tasks.drained(Duration::from_secs(20)).await);
    wm.restarted(store.clone()).await
}

async fn publish(wm: &Harness, topic: &str, id: &str) {
    let body = event(id, &json!({})).to_string();
    let path = format!("/v1/topics/{topic}/events");
    wm.send(raw("POST", &path, "application/cloudevents+json", body)).await.expect(202);
}

/// Makes at least one record of every collection that a program's life leaves behind.
async fn leaves_records(wm: &Harness, store: &Store) {
    for (name, group) in [("runs", json!("g")), ("sleeps", Value::Null)] {
        let mut body = definition(name, "orders");
        (body["start"], body["group"]) = (json!(true), group);
        wm.create(&body).await;
    }
    wm.call("POST", "/v1/workers/sleeps/stop", &Value::Null).await.expect(200);
    publish(wm, "orders", "1").await;
    eventually("a lease is taken", async || !records(store, Collection::Lease).await.is_empty()).await;
    wm.target.answer(Outcome::Failed(failure(FailureKind::Exception, "no")));
    publish(wm, "orders", "2").await;
    let mut once = json_body("POST", "/v1/workers", &definition("once", "once"));
    once.headers_mut().insert("idempotency-key", "k".parse().unwrap());
    wm.send(once).await.expect(201);
    eventually("all is as it stays", async || {
        records(store, Collection::DeadLetter).await.len() == 1 && records(store, Collection::Parked).await.len() == 2
    })
    .await;
}

/// Every worker as it is shown, by its id.
async fn workers(wm: &Harness) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = wm.get(&format!("/v1/workers?limit=1000{cursor}")).await.expect(200).json();
        for worker in page["workers"].as_array().unwrap() {
            let mut worker = worker.clone();
            worker.as_object_mut().unwrap().retain(|field, _| field != "revision" && field != "observed");
            all.insert(worker["id"].as_str().unwrap().to_owned(), worker);
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// The ids of the workers that are shown as quarantined.
async fn quarantined(wm: &Harness) -> Vec<String> {
    let page = wm.get("/v1/workers?limit=1000").await.expect(200).json();
    let rest = match page["nextCursor"].as_str() {
        Some(next) => wm.get(&format!("/v1/workers?limit=1000&cursor={next}")).await.expect(200).json(),
        None => json!({ "workers": [] }),
    };
    let all = page["workers"].as_array().unwrap().iter().chain(rest["workers"].as_array().unwrap());
    let held = all.filter(|worker| worker["observed"]["state"] == "Quarantined");
    held.map(|worker| worker["id"].as_str().unwrap().to_owned()).collect()
}

/// What has to be asked for before damage of this kind is noticed.
async fn is_used(wm: &Harness, store: &Store, collection: Collection, id: &str) {
    match collection {
        Collection::Event => {
            for event in ["1", "2"] {
                wm.get(&format!("/v1/events/{event}")).await.expect(200);
            }
        }
        Collection::Parked => {
            let is_gone = async || !records(store, collection).await.contains_key(id);
            eventually("a damaged delivery is out of the way", is_gone).await;
        }
        _ => {}
    }
}

#[tokio::test]
async fn whatever_record_is_damaged_the_others_serve_and_one_call_restores_it() {
    let (mut wm, store) = with_workers(WORKERS).await;
    leaves_records(&wm, &store).await;
    let before = workers(&wm).await;
    let mut chance = Chance(SEED);
    // One control plane alone has no others to tell something, and Python is not compiled.
    let others = [Collection::Quarantine, Collection::Replica, Collection::Recent, Collection::Artefact];
    for collection in Collection::ALL.into_iter().filter(|collection| !others.contains(collection)) {
        let all = records(&store, collection).await;
        assert!(!all.is_empty(), "there is a {collection:?}");
        let id = all.keys().nth(chance.below(all.len())).unwrap().clone();
        let what = format!("{collection:?} `{id}`, seed {SEED}");
        let good = damage(&store, collection, &id, &mut chance).await;
        wm = again(&wm, &store).await;

        wm.get("/readyz").await.expect(200);
        let mut others = before.clone();
        others.retain(|worker, _| collection != Collection::Worker || *worker != id);
        // Its second copy tells what it was meanwhile.
        assert_eq!(workers(&wm).await, before, "{what}");
        let held: &[_] = if collection == Collection::Worker { std::slice::from_ref(&id) } else { &[] };
        assert_eq!(quarantined(&wm).await, held, "{what}");
        for _ in 0..10 {
            let other = others.keys().nth(chance.below(others.len())).unwrap();
            let (path, body) = (format!("/v1/workers/{other}/invoke"), event("now", &json!({})).to_string());
            wm.send(raw("POST", &path, "application/cloudevents+json", body)).await.expect(200);
        }

        is_used(&wm, &store, collection, &id).await;
        restores(&wm, (collection, &id), &what).await;
        assert_eq!(entries(&wm).await, [] as [Value; 0], "{what}");
        assert_eq!(workers(&wm).await, before, "{what}");
        if matches!(collection, Collection::Worker | Collection::Version | Collection::Copy) {
            assert_eq!(records(&store, collection).await[&id], good, "{what}");
        }
        store.put(&Key::new(collection, id), good, Expect::Any).await.unwrap();
    }
}

/// One call restores a definition; of everything else what its bytes still tell.
async fn restores(wm: &Harness, (collection, id): (Collection, &str), what: &str) {
    let found = entries(wm).await;
    if matches!(collection, Collection::Name | Collection::Copy) {
        // Made anew from what they are made of, by themselves.
        assert_eq!(found, [] as [Value; 0], "{what}");
        return;
    }
    assert_eq!((found.len(), &found[0]["record"]), (1, &json!(id)), "{what}");
    let repairable = found[0]["repairable"].as_bool().unwrap();
    let repair = wm.call("POST", &format!("{}/repair", path(&found[0])), &Value::Null).await;
    if repairable {
        repair.expect(200);
    } else {
        assert!(!matches!(collection, Collection::Worker | Collection::Version), "{what}");
        repair.refused(409, "not-repairable");
        wm.call("DELETE", &path(&found[0]), &Value::Null).await.expect(204);
    }
}

#[tokio::test]
async fn a_damaged_worker_says_which_call_repairs_it_and_runs_again_then() {
    let (wm, store) = with_workers(2).await;
    let worker = wm.call("POST", "/v1/workers/w0/start", &Value::Null).await.expect(200).json();
    let id = worker["id"].as_str().unwrap();
    damage(&store, Collection::Worker, id, &mut Chance(1)).await;
    let wm = again(&wm, &store).await;
    let before = wm.everything().await;
    for (method, path) in [
        ("GET", "/v1/workers/w0"),
        ("PATCH", "/v1/workers/w0"),
        ("DELETE", "/v1/workers/w0"),
        ("POST", "/v1/workers/w0/start"),
        ("GET", "/v1/workers/w0/logs"),
        ("GET", "/v1/workers/w0/tags/a"),
        ("GET", "/v1/workers/w0/history"),
    ] {
        let body = if method == "PATCH" { json!({ "tags": {} }) } else { Value::Null };
        let detail = wm.call(method, path, &body).await.refused(409, "worker-quarantined");
        assert!(detail.contains(&format!("POST /v1/quarantine/worker.{id}/repair")), "{path}: {detail}");
    }
    wm.get("/v1/workers/w9").await.refused(404, "worker-not-found");
    wm.call("POST", "/v1/workers", &definition("w0", "t")).await.refused(409, "name-taken");
    assert_eq!(wm.everything().await, before);

    let repair = format!("/v1/quarantine/worker.{id}/repair");
    let repaired = wm.call("POST", &repair, &Value::Null).await.expect(200).json();
    assert_eq!(
        (&repaired["collection"], &repaired["from"], &repaired["asOf"]),
        (&json!("worker"), &json!("its second copy"), &worker["updatedAt"])
    );
    wm.call("POST", &repair, &Value::Null).await.refused(404, "quarantine-not-found");
    publish(&wm, "t0", "7").await;
    eventually("it runs", async || {
        let story = wm.get("/v1/events/7").await;
        story.status == 200 && story.json()["events"][0]["workers"][0]["state"] == "Done"
    })
    .await;
}

#[tokio::test]
async fn what_a_request_is_about_and_cannot_be_read_is_named_with_its_repair() {
    let (wm, store) = with_workers(1).await;
    wm.call("POST", "/v1/workers/w0/start", &Value::Null).await.expect(200);
    wm.target.answer(Outcome::Failed(failure(FailureKind::Exception, "no")));
    publish(&wm, "t0", "1").await;
    eventually("it is dead", async || records(&store, Collection::DeadLetter).await.len() == 1).await;
    let letter = records(&store, Collection::DeadLetter).await.into_keys().next().unwrap();
    let version = records(&store, Collection::Version).await.into_keys().next().unwrap();
    damage(&store, Collection::Version, &version, &mut Chance(1)).await;
    let named = |id: &str| format!("POST /v1/quarantine/{}/repair", id.replace('/', "%2F"));
    let version = named(&format!("version.{version}"));

    let redrive = format!("/v1/dead-letters/{letter}/redrive");
    for (path, body) in [(&*redrive, json!({ "version": 1 })), ("/v1/workers/w0/rollback", json!({ "version": 1 }))] {
        let detail = wm.call("POST", path, &body).await.refused(409, "record-quarantined");
        assert!(detail.ends_with(&version), "{detail}");
    }
    let history = wm.get("/v1/workers/w0/history").await.expect(200).json();
    assert_eq!(history["history"], json!([]), "{history}");

    damage(&store, Collection::DeadLetter, &letter, &mut Chance(1)).await;
    let detail = wm.get(&format!("/v1/dead-letters/{letter}")).await.refused(409, "record-quarantined");
    assert!(detail.ends_with(&named(&format!("dead-letter.{letter}"))), "{detail}");
    assert_eq!(wm.get("/v1/dead-letters").await.expect(200).json()["deadLetters"], json!([]));
    assert_eq!(entries(&wm).await.len(), 2);

    let record = records(&store, Collection::Event).await.into_keys().next().unwrap();
    damage(&store, Collection::Event, &record, &mut Chance(1)).await;
    let story = wm.get("/v1/events/1").await.expect(200).json()["events"][0].clone();
    assert_eq!((&story["state"], &story["quarantine"]), (&json!("Unreadable"), &json!(format!("event.{record}"))));
}

#[tokio::test]
async fn what_nothing_can_restore_is_said_and_can_be_given_up() {
    let (wm, store) = with_workers(2).await;
    let id = wm.get("/v1/workers/w0").await.json()["id"].as_str().unwrap().to_owned();
    let torn = Bytes::from_static(b"{\"schema\":1,");
    for (collection, id) in [(Collection::Worker, id.clone()), (Collection::Copy, format!("worker.{id}"))] {
        store.put(&Key::new(collection, id), torn.clone(), Expect::Any).await.unwrap();
    }
    let wm = again(&wm, &store).await;
    let found = entries(&wm).await;
    assert_eq!(found[0]["repairable"], false);
    let entry = path(&found[0]);
    let before = wm.everything().await;
    wm.call("POST", &format!("{entry}/repair"), &Value::Null).await.refused(409, "not-repairable");
    wm.call("POST", "/v1/quarantine/none/repair", &Value::Null).await.refused(404, "quarantine-not-found");
    wm.call("DELETE", "/v1/quarantine/none", &Value::Null).await.refused(404, "quarantine-not-found");
    wm.get("/v1/quarantine?x=1").await.refused(400, "invalid-request");
    assert_eq!(wm.everything().await, before);
    wm.call("DELETE", &entry, &Value::Null).await.expect(204);
    assert!(entries(&wm).await.is_empty());
    wm.get("/v1/workers/w0").await.refused(404, "worker-not-found");
    wm.create(&definition("w0", "t0")).await;
}

#[tokio::test]
async fn a_record_of_a_newer_program_is_kept_for_it() {
    let (wm, store) = with_workers(1).await;
    let id = records(&store, Collection::Worker).await.into_keys().next().unwrap();
    let good = records(&store, Collection::Worker).await[&id].clone();
    let newer = String::from_utf8(good.to_vec()).unwrap().replacen("\"schema\":", "\"schema\":9", 1);
    for (collection, id) in [(Collection::Worker, id.clone()), (Collection::Copy, format!("worker.{id}"))] {
        store.put(&Key::new(collection, id), newer.clone().into(), Expect::Any).await.unwrap();
    }
    let wm = again(&wm, &store).await;
    let entry = path(&entries(&wm).await[0]);
    wm.call("POST", &format!("{entry}/repair"), &Value::Null).await.refused(409, "not-repairable");
    assert_eq!(records(&store, Collection::Worker).await[&id], newer.as_bytes());
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_itself_is_listed_and_its_record_is_restored_all_the_same() {
    let (wm, store) = with_workers(1).await;
    let id = records(&store, Collection::Worker).await.into_keys().next().unwrap();
    damage(&store, Collection::Worker, &id, &mut Chance(1)).await;
    let wm = again(&wm, &store).await;
    let entry = format!("worker.{id}");
    store.put(&Key::new(Collection::Quarantine, &*entry), Bytes::from_static(b"?"), Expect::Any).await.unwrap();
    let found = entries(&wm).await;
    assert_eq!(
        (&found[0]["id"], &found[0]["collection"], &found[0]["repairable"]),
        (&json!(entry), &json!("quarantine"), &json!(false))
    );
    wm.call("DELETE", &path(&found[0]), &Value::Null).await.expect(204);
    assert_eq!(entries(&wm).await[0]["collection"], "worker");
    wm.call("POST", &format!("/v1/quarantine/{entry}/repair"), &Value::Null).await.expect(200);
    wm.get("/v1/workers/w0").await.expect(200);
}
