//! What do the delivery rules cost per event, without store, function and network?
//!
//! Input: an order of 160 bytes of JSON and six attributes. Store and bus answer at once from memory
//! and the worker does nothing, so what is left is plan, attempt, decision, record and settlement.
//! Unit: time per event, one at a time. Budget: 30 µs per event for one worker without a filter, so
//! that the rules are no more than a few percent of an event's way through a Python worker.

#![expect(clippy::unwrap_used, reason = "a bench may fail loudly")]

use std::{hint::black_box, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use workmanager_adapters_embedded::{Config, Location, Store};
use workmanager_core_delivery::{
    Candidate, Deliveries, Filter, Input, Nobody, Ports, Reach, Roster, Settings, Target, TargetError, Verdict, plan,
};
use workmanager_core_domain::{
    Digest, EngineInfo, Event, Limits, MimeType, Outcome, Topic, Worker, WorkerId,
    attempt::Attempt,
    event::{Data, DataKind},
    outcome::Report,
    ports::{
        Bus, BusError, Clock as _, Collection, Delivery, DeliveryToken, Expect, Ids as _, Key, Page, Record, Records,
        Revision, SettleError, Settlement, StoreError, Subscription, TailCapability, TailStream,
    },
    subscription::Interest,
};
use workmanager_core_kit::{SystemClock, UuidV7};

/// Answers at once, and keeps nothing.
struct Nothing;

#[async_trait]
impl Target for Nothing {
    async fn attempt(&self, attempt: &Attempt) -> Report {
        Report {
            outcome: Outcome::NoReply,
            digest: attempt.digest,
            started_at: attempt.worker.created_at,
            duration: Duration::from_millis(1),
            logs: Vec::new(),
            logs_truncated: false,
        }
    }

    async fn validate(&self, _candidate: &Candidate) -> Result<Verdict, TargetError> {
        Err(TargetError::Unavailable { reason: String::new() })
    }

    async fn engines(&self) -> Vec<EngineInfo> {
        Vec::new()
    }

    fn reach(&self, _mime_type: MimeType) -> Reach {
        Reach::Warm
    }
}

#[async_trait]
impl Records for Nothing {
    async fn get(&self, _key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(None)
    }

    async fn put(&self, _key: &Key, _value: Bytes, _expect: Expect) -> Result<Revision, StoreError> {
        Ok(Revision(1))
    }

    async fn delete(&self, _key: &Key, _expect: Expect) -> Result<(), StoreError> {
        Ok(())
    }

    async fn page(&self, _: Collection, _: &str, _: Option<&str>, _: usize) -> Result<Page, StoreError> {
        Ok(Page { records: Vec::new(), next: None })
    }
}

#[async_trait]
impl Bus for Nothing {
    async fn publish(&self, _topic: &Topic, _events: &[Arc<Event>]) -> Result<(), BusError> {
        Ok(())
    }

    async fn subscribe(&self, _topic: &Topic) -> Result<Box<dyn Subscription>, BusError> {
        Err(BusError::Unsupported("subscribe"))
    }

    async fn forget(&self, _topic: &Topic) -> Result<(), BusError> {
        Ok(())
    }

    async fn topics(&self) -> Result<Vec<(Topic, Interest)>, BusError> {
        Ok(Vec::new())
    }

    async fn settle(&self, settlement: Settlement) -> Result<(), SettleError> {
        black_box(settlement);
        Ok(())
    }

    async fn backlog(&self, _topic: &Topic) -> Result<Option<u64>, BusError> {
        Ok(None)
    }

    fn tail_capability(&self) -> TailCapability {
        TailCapability::Live
    }

    async fn tail(&self, _topic: &Topic, _since: Option<u64>) -> Result<TailStream, BusError> {
        Err(BusError::Unsupported("tail"))
    }
}

const FILTERS: [(&str, &str); 4] = [
    ("attribute", r#"event.type == "order.created""#),
    ("data", r#"event.type == "order.created" && event.data.amount > 10"#),
    ("loop", r#"event.data.items.exists(item, item.sku == "B-2")"#),
    ("pattern", r#"event.subject.matches("^orders/[0-9]+$")"#),
];

fn order() -> Event {
    let json = r#"{"amount":12.5,"currency":"EUR","customer":{"id":4711,"name":"Ada"},"items":[{"sku":"A-1","count":1},{"sku":"B-2","count":3}],"note":"leave at the door"}"#;
    let event = Event::builder().with("id", "0199a3b0-7c1e-7000-8000-000000000001").with("source", "/shop/eu");
    let event = event.with("type", "order.created").with("subject", "orders/4711").with("time", "2026-11-25T10:00:00Z");
    let data = Data { kind: DataKind::Json, bytes: Bytes::from_static(json.as_bytes()) };
    event.with("datacontenttype", "application/json").data(data).build().unwrap()
}

fn roster(workers: u128, filter: Option<&str>) -> Arc<Roster> {
    let now = SystemClock::new().now();
    let worker = |number: u128| -> Worker {
        serde_json::from_value(serde_json::json!({
            "id": WorkerId::new(Uuid::from_u128(number)), "name": format!("worker-{number}"),
            "mimeType": "text/x-python", "topics": ["orders"], "filter": filter, "group": null,
            "replyTopic": null, "config": {}, "tags": {}, "engine": {}, "isolation": "shared",
            "limits": Limits::default(), "desired": "Running", "startedOnce": true, "version": 1,
            "latestVersion": 1, "digest": Digest::of(b"v"), "source": Digest::of(b"s"), "createdAt": now,
            "updatedAt": now
        }))
        .unwrap()
    };
    let roster = Arc::new(Roster::default());
    roster.load((0..workers).map(|number| (worker(number), Revision(1))));
    roster
}

fn deliver(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut group = criterion.benchmark_group("deliver");
    let cases =
        [("1 worker", 1, None), ("1 worker with a filter on data", 1, Some(FILTERS[1].1)), ("10 workers", 10, None)];
    for (name, workers, filter) in cases {
        let ports = Ports {
            bus: Arc::new(Nothing),
            records: Arc::new(Nothing),
            target: Arc::new(Nothing),
            clock: Arc::new(SystemClock::new()),
            ids: Arc::new(UuidV7),
            roster: roster(workers, filter),
            witness: Arc::new(Nobody),
        };
        let deliveries = Deliveries::new(ports, Settings::default());
        let (event, closing) = (Arc::new(order()), CancellationToken::new());
        let delivery = Delivery {
            token: DeliveryToken(1),
            topic: "orders".parse().unwrap(),
            event,
            accepted_at: SystemClock::new().now(),
            redelivered: false,
        };
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                let room = deliveries.room().await;
                deliveries.deliver(delivery.clone(), room, &closing).await
            });
        });
    }
    group.finish();
}

fn matching(criterion: &mut Criterion) {
    let event = order();
    let mut group = criterion.benchmark_group("filter");
    for (name, filter) in FILTERS {
        let filter = Filter::compile(filter).unwrap();
        group.bench_with_input(BenchmarkId::from_parameter(name), &filter, |bencher, filter| {
            bencher.iter(|| filter.matches(&Input::new(black_box(&event))));
        });
    }
    group.bench_function("compile", |bencher| bencher.iter(|| Filter::compile(black_box(FILTERS[1].1))));
    group.finish();

    let mut group = criterion.benchmark_group("plan");
    for workers in [1, 10, 100] {
        let roster = roster(workers, Some(FILTERS[1].1));
        let (snapshot, topic) = (roster.snapshot(), "orders".parse().unwrap());
        group.bench_with_input(BenchmarkId::new("filters on data", workers), &workers, |bencher, _| {
            bencher.iter(|| plan(black_box(&event), snapshot.on(&topic)));
        });
    }
    group.finish();
}

/// What the store adds: files in a temporary directory, nothing waits for the disk.
fn embedded(criterion: &mut Criterion) {
    const AT_ONCE: usize = 64;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let clock = Arc::new(SystemClock::new());
    let store = Store::open(Config::new(Location::Ephemeral), clock.clone()).unwrap();
    let ports = Ports {
        bus: Arc::new(store.clone()),
        records: Arc::new(store.clone()),
        target: Arc::new(Nothing),
        clock,
        ids: Arc::new(UuidV7),
        roster: roster(1, None),
        witness: Arc::new(Nobody),
    };
    let (deliveries, closing) = (Deliveries::new(ports, Settings::default()), CancellationToken::new());
    let topic: Topic = "orders".parse().unwrap();
    let mut group = criterion.benchmark_group("embedded");
    let absent = Key::new(Collection::Event, "absent");
    group.bench_function("read of a record that is not there", |bencher| {
        bencher.to_async(&runtime).iter(|| store.get(&absent));
    });
    let mut subscription = runtime.block_on(store.subscribe(&topic)).unwrap();
    group.throughput(Throughput::Elements(AT_ONCE as u64));
    group.bench_function("publish, take and deliver 64 events at once", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let events: Vec<_> = (0..AT_ONCE)
                    .map(|_| {
                        let id = UuidV7.next().to_string();
                        Arc::new(order().into_builder().with("id", id).build().unwrap())
                    })
                    .collect();
                store.publish(&topic, &events).await.unwrap();
                let flights = FuturesUnordered::new();
                for _ in 0..AT_ONCE {
                    let delivery = subscription.next().await.unwrap().unwrap();
                    let room = deliveries.room().await;
                    flights.push(deliveries.deliver(delivery, room, &closing));
                }
                flights.count().await
            })
        });
    });
    group.finish();
}

criterion_group!(benches, deliver, matching, embedded);
criterion_main!(benches);
