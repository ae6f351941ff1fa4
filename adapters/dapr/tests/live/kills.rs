//! Nothing that was accepted is lost, whoever dies.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::task::JoinSet;
use workmanager_adapters_dapr::{Config, Dapr};
use workmanager_core_domain::{
    Topic,
    ports::{Bus, Expect, Records as _, StoreError},
};
use workmanager_core_kit::{Secret, SystemClock};
use workmanager_tests_contracts::{
    Fixture as _,
    sample::{acknowledge, event, key, topic},
    within,
};

use crate::machine::{Broker, Dies, Live, Store};

const TOPICS: usize = 8;

/// Publishes until each event was accepted.
async fn publish_all(bus: Arc<Dapr>, topic: Topic, number: usize, each: usize) {
    for i in 0..each {
        let event = event(format!("{number}-{i}"));
        while bus.publish(&topic, std::slice::from_ref(&event)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Takes a topic's events as a router does: kept first, acknowledged then; until the client stops.
async fn take_all(bus: Arc<Dapr>, topic: Topic, seen: Arc<Mutex<BTreeSet<String>>>) {
    loop {
        let Ok(mut subscription) = bus.subscribe(&topic).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        while let Some(delivery) = subscription.next().await {
            let delivery = delivery.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            seen.lock().unwrap().insert(delivery.event.id().to_owned());
            acknowledge(&*bus, delivery.token).await.unwrap();
        }
    }
}

/// What is done to whom in a loop of kills.
pub(crate) struct Kills {
    /// Events of each topic.
    pub(crate) each: usize,
    /// How long what is missing may take when nothing is killed any more.
    pub(crate) rest: Duration,
    /// Whether the broker dies, too.
    pub(crate) broker: bool,
}

/// Kills what dies after a round beside the client; whether that was the broker, too.
fn kill_some(live: &mut Live, round: u32, kills: &Kills) -> bool {
    let (sidecar_dies, broker_dies) = (round.is_multiple_of(3), kills.broker && round.is_multiple_of(5));
    if sidecar_dies {
        live.machine.kill_daprd();
    }
    if broker_dies {
        live.machine.restart_broker();
    }
    // After the broker: with some a sidecar that does not find it ends.
    if sidecar_dies {
        live.machine.start_daprd();
    }
    broker_dies
}

/// Kills client, sidecar and broker again and again as long as events are published; says which of them did not come,
/// and how often the broker died.
pub(crate) async fn missing(live: &mut Live, kills: &Kills) -> (Vec<String>, usize) {
    let topics: Vec<_> = (0..TOPICS).map(|number| topic(&format!("topic-{number}"))).collect();
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    // A broker may keep events from the first subscription on.
    let first = live.machine.client().await;
    for topic in &topics {
        first.subscribe(topic).await.unwrap();
    }
    first.stop();
    let publisher = live.store();
    let mut publishing = JoinSet::new();
    for (number, topic) in topics.iter().enumerate() {
        publishing.spawn(publish_all(publisher.clone(), topic.clone(), number, kills.each));
    }
    let (start, mut round, mut broker_kills) = (Instant::now(), 0_u32, 0);
    let is_complete = || seen.lock().unwrap().len() == TOPICS * kills.each;
    while !is_complete() {
        round += 1;
        let client = live.machine.client().await;
        let mut taking = JoinSet::new();
        for topic in &topics {
            taking.spawn(take_all(client.clone(), topic.clone(), seen.clone()));
        }
        // As long as events are published something dies every second; then all may come to rest.
        let is_over = publishing.is_empty();
        let pause = if is_over { kills.rest } else { Duration::from_millis(400 + fastrand::u64(0..1_200)) };
        let end = Instant::now() + pause;
        while Instant::now() < end && !is_complete() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            while publishing.try_join_next().is_some() {}
        }
        if is_over {
            break;
        }
        taking.abort_all();
        client.stop();
        drop(client);
        broker_kills += usize::from(kill_some(live, round, kills));
    }
    assert!(round > 3, "{round} rounds of kills in {:?}", start.elapsed());
    let expected = (0..TOPICS).flat_map(|number| (0..kills.each).map(move |i| format!("{number}-{i}")));
    let seen = seen.lock().unwrap();
    (expected.filter(|id| !seen.contains(id)).collect(), broker_kills)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_while_clients_sidecar_and_redis_are_killed() {
    let Some(mut live) = Live::redis().await else { return };
    within(async {
        let kills = Kills { each: 100, rest: Duration::from_secs(45), broker: true };
        let (missing, _) = missing(&mut live, &kills).await;
        assert!(missing.is_empty(), "lost: {missing:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stays_finds_the_sidecar_and_its_records_again() {
    let Some(live) = Live::new(Store::Redis, Broker::Redis, Dies::All).await else { return };
    within(async {
        let store = live.store();
        let revision = store.put(&key("a"), Bytes::from_static(b"1"), Expect::Absent).await.unwrap();
        let live = live.restarted().await;
        assert_eq!(live.store().get(&key("a")).await.unwrap().unwrap().revision, revision);
        assert_eq!(store.get(&key("a")).await.unwrap().unwrap().revision, revision);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_no_write_claims_a_conflict() {
    let Some(mut live) = Live::new(Store::Redis, Broker::Memory, Dies::All).await else { return };
    within(async {
        let store = live.store();
        let revision = store.put(&key("a"), Bytes::from_static(b"1"), Expect::Absent).await.unwrap();
        live.machine.kill_redis();
        for expect in [Expect::Revision(revision), Expect::Any, Expect::Absent] {
            let result = store.put(&key("a"), Bytes::from_static(b"2"), expect).await;
            let is_honest = matches!(result, Err(StoreError::Timeout | StoreError::Unavailable { .. }));
            assert!(is_honest, "{expect:?}: {result:?}");
        }
        live.machine.start_redis();
        let record = loop {
            if let Ok(record) = store.get(&key("a")).await {
                break record.unwrap();
            }
        };
        assert_eq!((&*record.value, record.revision), (&b"1"[..], revision));
        assert!(store.put(&key("a"), Bytes::from_static(b"2"), Expect::Revision(revision)).await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sidecar_that_is_not_there_is_said_at_once_and_found_when_it_comes() {
    let Some(mut live) = Live::new(Store::Memory, Broker::Memory, Dies::Client).await else { return };
    within(async {
        let store = live.store();
        live.machine.kill_daprd();
        let error = store.get(&key("a")).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        let error = store.put(&key("a"), Bytes::new(), Expect::Absent).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        assert!(store.publish(&topic("orders"), &[event("1")]).await.is_err());
        assert!(store.subscribe(&topic("orders")).await.is_err());
        let waits = async {
            store.ready().await;
            Instant::now()
        };
        let starts = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            live.machine.start_daprd();
            Instant::now()
        };
        let (ready, started) = tokio::join!(waits, starts);
        assert!(ready > started);
        store.put(&key("a"), Bytes::new(), Expect::Absent).await.unwrap();
        assert!(store.subscribe(&topic("orders")).await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sidecar_that_asks_for_a_token_gets_it_on_calls_and_streams() {
    let Some(live) = Live::with_token("hush").await else { return };
    within(async {
        let bus = live.store();
        let mut subscription = bus.subscribe(&topic("orders")).await.unwrap();
        bus.publish(&topic("orders"), &[event("1")]).await.unwrap();
        assert_eq!(subscription.next().await.unwrap().unwrap().event.id(), "1");
        let wrong = Config { token: Some(Secret::new("wrong".to_owned())), ..live.machine.config() };
        let stranger = Dapr::new(&wrong, Arc::new(SystemClock::new())).unwrap();
        let error = stranger.get(&key("a")).await.unwrap_err().to_string();
        assert!(error.contains("Unauthenticated") && !error.contains("wrong"), "{error}");
    })
    .await;
}

/// A sidecar gives up what a dead client held, and sends it round by the redo topic. It acknowledges it even if that
/// fails, so it must not fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_client_held_is_sent_round_though_redis_is_away_for_a_moment() {
    let Some(mut live) = Live::redis().await else { return };
    within(async {
        let topics: Vec<_> = (0..TOPICS).map(|number| topic(&format!("held-{number}"))).collect();
        let client = live.store();
        let (mut held, mut subscriptions) = (BTreeSet::new(), Vec::new());
        for topic in &topics {
            let mut subscription = client.subscribe(topic).await.unwrap();
            for i in 0..10 {
                let id = format!("{topic}-{i}");
                client.publish(topic, &[event(id.clone())]).await.unwrap();
                assert_eq!(subscription.next().await.unwrap().unwrap().event.id(), id);
                held.insert(id);
            }
            subscriptions.push(subscription);
        }
        client.stop();
        // The sidecar tries once more after 300 ms, then it publishes.
        tokio::time::sleep(Duration::from_millis(200)).await;
        live.machine.kill_redis();
        tokio::time::sleep(Duration::from_millis(400)).await;
        live.machine.start_redis();

        let client = live.machine.client().await;
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let mut taking = JoinSet::new();
        for topic in &topics {
            taking.spawn(take_all(client.clone(), topic.clone(), seen.clone()));
        }
        while !held.is_subset(&seen.lock().unwrap()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let log = live.machine.log_text();
        assert!(log.contains("Retrying in 300ms"), "the sidecar gave nothing up");
        assert!(!log.contains("error sending message to dead letter"), "{log}");
    })
    .await;
}
