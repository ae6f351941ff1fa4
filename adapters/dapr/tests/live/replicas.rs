//! Several clients of one deployment, and what time does to what they leave.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::task::JoinSet;
use workmanager_adapters_dapr::{Config, Dapr};
use workmanager_core_domain::{
    EventRecord, Timestamp, document,
    ports::{Bus as _, Clock, Collection, Expect, Key, Records},
};
use workmanager_core_kit::SystemClock;
use workmanager_tests_contracts::{
    Fixture as _,
    sample::{collect, event, events, ids, key, take, topic},
    within,
};

use crate::formats::publish;
use crate::machine::{Broker, Dies, Live, RETENTION, Store};

/// The real clock, and as many seconds as a test adds.
struct Ahead(SystemClock, AtomicU64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        self.0.now().plus(Duration::from_secs(self.1.load(Ordering::Relaxed)))
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

async fn listed(store: &impl Records, collection: Collection) -> Vec<String> {
    let page = store.page(collection, "", None, 1_000).await.unwrap();
    assert_eq!(page.next, None);
    page.records.into_iter().map(|record| record.id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_gives_back_another_gets() {
    let Some(live) = Live::redis().await else { return };
    within(async {
        let (one, two) = (live.store(), live.machine.client().await);
        let orders = topic("orders");
        // Both have a way back for what comes round; none but the first takes orders.
        let _other = two.subscribe(&topic("other")).await.unwrap();
        let mut subscription = one.subscribe(&orders).await.unwrap();
        one.publish(&orders, &events("", 40)).await.unwrap();
        for _ in 0..20 {
            take(&mut subscription).await;
        }
        drop(subscription);
        one.stop();
        let mut subscription = two.subscribe(&orders).await.unwrap();
        collect(&*two, &mut subscription, ids("", 40)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_back_while_another_replica_gives_its_topic_up_comes_still() {
    let Some(live) = Live::redis().await else { return };
    within(async {
        let replica = || {
            let config = Config { compare_every: Duration::from_secs(1), ..live.machine.config() };
            Dapr::new(&config, Arc::new(SystemClock::new())).unwrap()
        };
        let (one, two, orders) = (replica(), replica(), topic("orders"));
        let mut subscription = one.subscribe(&orders).await.unwrap();
        let _other = two.subscribe(&topic("other")).await.unwrap();
        // It does not know that the other one takes it, and half of what comes round comes to it.
        two.forget(&orders).await.unwrap();
        for id in ids("", 20) {
            let body = format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","topic":"orders"}}"#);
            publish(&live.machine, "wm-redo-wm?metadata.rawPayload=true", "application/json", body.as_bytes());
        }
        collect(&one, &mut subscription, ids("", 20)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_make_and_delete_the_same_records_agree_on_what_is_there() {
    let Some(live) = Live::new(Store::Redis, Broker::Memory, Dies::Client).await else { return };
    within(async {
        let replicas = [live.store(), live.machine.client().await, live.machine.client().await];
        let mut rivals = JoinSet::new();
        for store in &replicas {
            let store = store.clone();
            rivals.spawn(async move {
                for round in 0..40 {
                    for id in 0..4 {
                        let key = key(id);
                        // Whoever is late is told so, or finds nothing to delete.
                        let _ = store.put(&key, Bytes::from(vec![round]), Expect::Absent).await;
                        let _ = store.delete(&key, Expect::Any).await;
                        let _ = store.put(&key, Bytes::from(vec![round]), Expect::Any).await;
                    }
                }
            });
        }
        rivals.join_all().await;
        assert_eq!(listed(&*replicas[0], Collection::Claim).await, ["0", "1", "2", "3"]);
        replicas[1].delete(&key(2), Expect::Any).await.unwrap();
        assert_eq!(listed(&*replicas[2], Collection::Claim).await, ["0", "1", "3"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_leaves_nothing_in_the_end() {
    let Some(live) = Live::new(Store::Redis, Broker::Memory, Dies::Client).await else { return };
    within(async {
        let clock = Arc::new(Ahead(SystemClock::new(), AtomicU64::new(0)));
        let store = Dapr::new(&live.machine.config(), clock.clone()).unwrap();
        let names: Vec<String> = (0..40).map(|i| format!("name-{i}")).collect();
        for name in &names {
            store.put(&key(name), Bytes::new(), Expect::Absent).await.unwrap();
            store.delete(&key(name), Expect::Any).await.unwrap();
        }
        let tombstone = live.machine.raw("record/claim/name-0").await;
        assert!(!tombstone.data.is_empty(), "a tombstone stands for a while");
        clock.1.store(3_600, Ordering::Relaxed);
        // Each id that is entered looks after some of its neighbours.
        for i in 0..80 {
            store.put(&key(format!("new-{i}")), Bytes::new(), Expect::Absent).await.unwrap();
        }
        for name in &names {
            assert!(live.machine.raw(&format!("record/claim/{name}")).await.data.is_empty(), "{name}");
        }
        for bucket in 0..8 {
            let text = live.machine.raw(&format!("index/claim/{bucket}")).await.data;
            assert!(!String::from_utf8_lossy(&text).contains("name-"), "the index forgets them, too");
        }
        let last = store.put(&key("name-0"), Bytes::new(), Expect::Absent).await.unwrap();
        assert!(last.0 > 0);
        assert_eq!(listed(&store, Collection::Claim).await.len(), 81);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finished_event_record_ends_and_one_that_is_taken_up_again_does_not() {
    for store in [Store::Redis, Store::Sqlite, Store::Memory] {
        let Some(live) = Live::new(store, Broker::Memory, Dies::Client).await else { return };
        within(async {
            let store = live.store();
            let now = SystemClock::new().now();
            let mut record = EventRecord::new(&event("1"), topic("orders"), now);
            let open = document::encode(&record).unwrap();
            let mut finished = || {
                record.finished_at = Some(SystemClock::new().now());
                document::encode(&record).unwrap()
            };
            let of = |id: &str, source: &str| Key::new(Collection::Event, EventRecord::key(source, id));
            let put = async |key: &Key, value: &Bytes, expect| store.put(key, value.clone(), expect).await.unwrap();
            let gone = async |key: &Key| {
                while store.get(key).await.unwrap().is_some() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            let (ends, again, other) = (of("ends", "/s"), of("again", "/s"), of("ends", "/other"));
            let first = put(&again, &finished(), Expect::Absent).await;
            put(&again, &open, Expect::Revision(first)).await;
            put(&ends, &finished(), Expect::Absent).await;
            gone(&ends).await;
            // Another source's record with the same id keeps it until both are finished.
            put(&ends, &finished(), Expect::Absent).await;
            let second = put(&other, &open, Expect::Absent).await;
            let page = store.page(Collection::Event, &EventRecord::key_prefix("ends"), None, 10).await.unwrap();
            let ids: BTreeSet<_> = page.records.into_iter().map(|record| record.id).collect();
            assert_eq!(ids, BTreeSet::from([ends.id.clone(), other.id.clone()]));
            tokio::time::sleep(RETENTION * 2).await;
            assert!(store.get(&ends).await.unwrap().is_some(), "it shares its place with one that is open");
            // What has come to its end goes with the next write.
            put(&other, &finished(), Expect::Revision(second)).await;
            assert_eq!(store.get(&ends).await.unwrap(), None);
            gone(&other).await;
            assert!(store.get(&again).await.unwrap().is_some(), "its end was taken back");
            assert_eq!(
                store.page(Collection::Event, &EventRecord::key_prefix("ends"), None, 10).await.unwrap().records,
                []
            );
        })
        .await;
    }
}
