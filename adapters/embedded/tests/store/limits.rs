//! Bounds of space and time.

use futures_util::StreamExt as _;
use workmanager_adapters_embedded::Store;
use workmanager_core_domain::{
    EventRecord, Timestamp,
    dead_letter::DeadLetter,
    document,
    event::DataKind,
    ports::{Bus as _, BusError, Collection, Expect, Key, Put, Records as _, Settlement, StoreError},
};
use workmanager_tests_contracts::sample::{acknowledge, drain, event, events, key, take, topic, with_data};

use crate::support::{HOUR, KIB, config, eventually, open};

/// The id of the oldest event that a tail of the topic shows.
async fn oldest(store: &Store, topic: &workmanager_core_domain::Topic) -> String {
    let mut tail = store.tail(topic, Some(0)).await.unwrap();
    tail.next().await.unwrap().unwrap().event.id().to_owned()
}

#[tokio::test]
async fn a_full_store_changes_nothing_and_heals_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.size_limit = Some(1 << 20);
    let (store, clock) = open(config);
    let (orders, other) = (topic("orders"), topic("other"));
    let mut subscription = store.subscribe(&orders).await.unwrap();
    let large = |id: usize| with_data(id, DataKind::Binary, vec![7; 64 * KIB].into());
    let revision = store.put(&key("a"), vec![1].into(), Expect::Absent).await.unwrap();

    let mut published = 0;
    let refused = loop {
        match store.publish(&other, &[large(published)]).await {
            Ok(()) => published += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, BusError::Full), "{refused}");
    let batch: Vec<_> = (0..8).map(large).collect();
    assert!(matches!(store.publish(&orders, &batch).await, Err(BusError::Full)));
    let put = store.put(&key("a"), vec![2; 512 * KIB].into(), Expect::Any).await;
    assert!(matches!(put, Err(StoreError::Full)), "{put:?}");
    let put = Put { key: key("outcome"), value: vec![3; 16 * KIB].into(), expect: Expect::Absent };
    let outcome =
        Settlement { replies: vec![(orders.clone(), event("reply"))], puts: vec![put], ..Settlement::default() };
    store.settle(outcome).await.expect("a part is kept for outcomes");
    assert_eq!(drain(&store, &mut subscription, 1).await, ["reply"]);
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap().revision, revision);
    assert_eq!(store.backlog(&orders).await.unwrap(), Some(0), "nothing of the batch is there");

    clock.advance(2 * HOUR);
    eventually("there is room again", || async { store.publish(&orders, &[event("fits")]).await.ok() }).await;
    assert_eq!(take(&mut subscription).await.event.id(), "fits");
    assert!(published > 5);
}

#[tokio::test]
async fn old_events_leave_the_log_but_not_while_somebody_waits_for_them() {
    let directory = tempfile::tempdir().unwrap();
    let (store, clock) = open(config(directory.path()));
    let (orders, other) = (topic("orders"), topic("other"));
    let mut subscription = store.subscribe(&orders).await.unwrap();
    store.publish(&other, &events("old", 2_500)).await.unwrap();
    store.publish(&orders, &events("waits", 3)).await.unwrap();
    assert_eq!(drain(&store, &mut subscription, 1).await, ["waits0"]);
    clock.advance(2 * HOUR);
    store.publish(&other, &events("young", 1)).await.unwrap();

    eventually("only the young are left", || async { (oldest(&store, &other).await == "young0").then_some(()) }).await;
    eventually("what is finished goes", || async { (oldest(&store, &orders).await == "waits1").then_some(()) }).await;
    drop(subscription);
    let mut subscription = store.subscribe(&orders).await.unwrap();
    assert_eq!(take(&mut subscription).await.event.id(), "waits1");
    let last = take(&mut subscription).await;
    assert_eq!(last.event.id(), "waits2");
    acknowledge(&store, last.token).await.unwrap();
}

#[tokio::test]
async fn a_large_log_loses_its_oldest_events_that_nobody_waits_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.log.bytes = 1_000 * KIB as u64;
    let (store, _) = open(config);
    let (orders, other) = (topic("orders"), topic("other"));
    drop(store.subscribe(&orders).await.unwrap());
    store.publish(&orders, &events("waits", 10)).await.unwrap();
    let all: Vec<_> = (0..2_000).map(|id| with_data(id, DataKind::Binary, vec![7; KIB].into())).collect();
    for some in all.chunks(50) {
        store.publish(&other, some).await.unwrap();
    }
    let oldest_id = eventually("the oldest go", || async {
        let id: usize = oldest(&store, &other).await.parse().unwrap();
        (id > 900).then_some(id)
    })
    .await;
    assert!(oldest_id < 1_500, "no more than needed: {oldest_id}");
    assert_eq!(store.backlog(&orders).await.unwrap(), Some(10));
    assert_eq!(oldest(&store, &orders).await, "waits0");
}

#[tokio::test]
async fn finished_event_records_go_after_their_time_and_all_others_stay() {
    let directory = tempfile::tempdir().unwrap();
    let (store, clock) = open(config(directory.path()));
    let start: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
    let record = |finished_at| {
        let mut record = EventRecord::new(&event("1"), topic("orders"), start);
        record.finished_at = finished_at;
        document::encode(&record).unwrap()
    };
    let at = |id: &str| Key::new(Collection::Event, id);
    let late = start.plus(HOUR * 3 / 2);
    store.put(&at("damaged"), vec![b'{'].into(), Expect::Absent).await.unwrap();
    store.put(&at("open"), record(None), Expect::Absent).await.unwrap();
    store.put(&at("old"), record(Some(start)), Expect::Absent).await.unwrap();
    store.put(&key("claim"), record(Some(start)), Expect::Absent).await.unwrap();
    store.put(&at("young"), record(Some(late)), Expect::Absent).await.unwrap();
    clock.advance(2 * HOUR);
    eventually("the old one goes", || async { store.get(&at("old")).await.unwrap().is_none().then_some(()) }).await;
    let page = store.page(Collection::Event, "", None, 10).await.unwrap();
    let left: Vec<_> = page.records.iter().map(|record| &*record.id).collect();
    assert_eq!(left, ["damaged", "open", "young"]);
    assert!(store.get(&key("claim")).await.unwrap().is_some());
}

#[tokio::test]
async fn too_many_event_records_lose_the_oldest_finished_ones() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.records.bytes = 64 * KIB as u64;
    let (store, _) = open(config);
    let at: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
    let mut record = EventRecord::new(&event("1"), topic("orders"), at);
    record.finished_at = Some(at);
    record.kind = "x".repeat(KIB);
    let value = document::encode(&record).unwrap();
    let key = |i: usize| Key::new(Collection::Event, format!("{i:04}"));
    for i in 0..100 {
        // Written twice, as a retry does: it counts once.
        store.put(&key(i), value.clone(), Expect::Absent).await.unwrap();
        store.put(&key(i), value.clone(), Expect::Any).await.unwrap();
    }
    let left = eventually("the oldest go", || async {
        let page = store.page(Collection::Event, "", None, 1_000).await.unwrap();
        (page.records.len() * value.len() <= 64 * KIB).then_some(page.records)
    })
    .await;
    assert!(left.len() * value.len() > 56 * KIB, "no more than needed: {}", left.len());
    assert_eq!(&*left.last().unwrap().id, "0099");
}

#[tokio::test]
async fn dead_letters_go_after_their_time_and_not_before() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.dead_letters = 24 * HOUR;
    let (store, clock) = open(config);
    let start: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
    let key = |id: &str| Key::new(Collection::DeadLetter, id);
    let letter = |at: Timestamp| -> DeadLetter {
        serde_json::from_value(serde_json::json!({
            "id": "dl_0199a3b0-7c1e-7000-8000-000000000001", "worker": "0199a3b0-7c1e-7000-8000-000000000001",
            "topic": "orders", "reason": "too-old", "message": "", "at": at, "event": "{}", "attempts": []
        }))
        .unwrap()
    };
    for (id, at) in [("old", start), ("young", start.plus(12 * HOUR))] {
        store.put(&key(id), document::encode(&letter(at)).unwrap(), Expect::Absent).await.unwrap();
    }
    store.put(&key("damaged"), vec![b'{'].into(), Expect::Absent).await.unwrap();
    clock.advance(25 * HOUR);
    eventually("the old one goes", || async { store.get(&key("old")).await.unwrap().is_none().then_some(()) }).await;
    assert!(store.get(&key("young")).await.unwrap().is_some() && store.get(&key("damaged")).await.unwrap().is_some());
}
