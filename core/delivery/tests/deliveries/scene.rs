//! A store, workers on topic `orders`, and deliveries between them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use workmanager_adapters_embedded::{Config, Location, Store};
use workmanager_core_delivery::{Deliveries, Ending, Parking, Ports, Roster, Settings, policy::Backoff};
use workmanager_core_domain::{
    Digest, Event, EventRecord, Limits, Outcome, Topic, Worker, WorkerId,
    dead_letter::DeadLetter,
    document,
    event::{Data, EventBuilder},
    event_record::{Track, TrackState},
    lease::Lease,
    outcome::{Failure, FailureKind},
    parked::Parked,
    ports::{Bus as _, Clock as _, Collection, Delivery, Expect, Key, Records as _, Revision, Subscription},
    worker::Desired,
};
use workmanager_core_kit::UuidV7;

use crate::fakes::{Diary, FakeTarget, FaultyBus, HandClock};

/// Everything that waits, waits at most so long.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Scene {
    pub(crate) store: Store,
    pub(crate) bus: Arc<FaultyBus>,
    pub(crate) target: Arc<FakeTarget>,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) diary: Arc<Diary>,
    ports: Ports,
    pub(crate) deliveries: Deliveries,
    pub(crate) closing: CancellationToken,
    subscription: Mutex<Option<Box<dyn Subscription>>>,
    revisions: AtomicU64,
}

impl Scene {
    /// Waits between attempts are a few milliseconds at most.
    pub(crate) async fn open() -> Self {
        Self::with(Duration::from_millis(2)).await
    }

    /// What must wait is parked, and goes on by [`Scene::resume`].
    pub(crate) async fn parking() -> Self {
        let parking = Parking { stopped: 3, budget: Duration::from_millis(100), ..Parking::default() };
        Self::build(Duration::from_millis(2), parking).await
    }

    /// Waits between attempts are up to `base`, and do not grow. Nothing can be parked.
    pub(crate) async fn with(base: Duration) -> Self {
        Self::build(base, Parking { capacity: 0, ..Parking::default() }).await
    }

    async fn build(base: Duration, parking: Parking) -> Self {
        let clock = Arc::new(HandClock::new());
        let store = Store::open(Config::new(Location::Ephemeral), clock.clone()).unwrap();
        let bus = Arc::new(FaultyBus::new(store.clone()));
        let target = Arc::new(FakeTarget::new(clock.clone()));
        let (roster, diary) = (Arc::new(Roster::default()), Arc::new(Diary::default()));
        let ports = Ports {
            bus: bus.clone(),
            records: Arc::new(store.clone()),
            target: target.clone(),
            clock: clock.clone(),
            ids: Arc::new(UuidV7),
            roster: roster.clone(),
            witness: diary.clone(),
        };
        let short = Backoff { base: Duration::from_millis(2), factor: 1, cap: Duration::from_millis(2) };
        let backoff = Backoff { base, factor: 1, cap: base };
        let settings = Settings { backoff, settle_backoff: short, parking, ..Settings::default() };
        let subscription = Mutex::new(Some(store.subscribe(&topic("orders")).await.unwrap()));
        let deliveries = Deliveries::new(ports.clone(), settings);
        let (closing, revisions) = (CancellationToken::new(), AtomicU64::new(1));
        Self { store, bus, target, clock, roster, diary, ports, deliveries, closing, subscription, revisions }
    }

    /// Puts a worker in, or changes it: `edit` starts from a fresh definition.
    pub(crate) fn worker(&self, name: &str, edit: impl FnOnce(&mut Worker)) {
        let mut worker = definition(name, self.clock.now());
        edit(&mut worker);
        self.roster.put(worker, Revision(self.revisions.fetch_add(1, Ordering::SeqCst)));
    }

    pub(crate) fn stop(&self, name: &str) {
        self.worker(name, |worker| worker.desired = Desired::Stopped);
    }

    /// Publishes `event` on `orders` and takes it from the bus.
    pub(crate) async fn take(&self, event: Event) -> Delivery {
        self.store.publish(&topic("orders"), &[Arc::new(event)]).await.unwrap();
        self.next().await
    }

    /// Takes what is next on `orders`.
    pub(crate) async fn next(&self) -> Delivery {
        let mut subscription = self.subscription.lock().await;
        let next = subscription.as_mut().expect("a subscription").next();
        tokio::time::timeout(DEADLINE, next).await.expect("a delivery in time").unwrap().unwrap()
    }

    /// Returns to the bus what is not acknowledged, as after a crash.
    pub(crate) async fn reopen(&self) {
        let mut subscription = self.subscription.lock().await;
        *subscription = None;
        *subscription = Some(self.store.subscribe(&topic("orders")).await.unwrap());
    }

    pub(crate) async fn deliver(&self, delivery: Delivery) -> Ending {
        let room = self.deliveries.room().await;
        let ending = self.deliveries.deliver(delivery, room, &self.closing);
        tokio::time::timeout(DEADLINE, ending).await.expect("an ending in time")
    }

    /// Makes the next delivery of the lot.
    pub(crate) async fn resume(&self) -> Ending {
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        let time_passes = async {
            loop {
                ticks.tick().await;
                self.clock.advance(Duration::from_millis(1));
            }
        };
        let due = async {
            tokio::select! {
                due = self.deliveries.due() => due,
                () = time_passes => unreachable!("time has no end"),
            }
        };
        let due = tokio::time::timeout(DEADLINE, due).await.expect("something due in time");
        let ending = self.deliveries.resume(due, self.deliveries.room().await, &self.closing);
        tokio::time::timeout(DEADLINE, ending).await.expect("an ending in time")
    }

    /// Another replica takes a group's lease over.
    pub(crate) async fn take_lease_over(&self, group: &str) {
        let key = Key::new(Collection::Lease, group);
        let record = self.store.get(&key).await.unwrap().expect("a lease");
        let lease: Lease = document::decode(&record.value).unwrap();
        let taken = Lease { holder: Some("another".into()), epoch: lease.epoch + 1, ..lease };
        self.store.put(&key, document::encode(&taken).unwrap(), Expect::Any).await.unwrap();
    }

    /// What is parked in the store.
    pub(crate) async fn parked(&self) -> Vec<Parked> {
        let page = self.store.page(Collection::Parked, "", None, 100).await.unwrap();
        page.records.iter().map(|record| document::decode(&record.value).unwrap()).collect()
    }

    /// The same store after a restart of the program.
    pub(crate) async fn restarted(self) -> Self {
        let parking = self.deliveries.settings().parking.clone();
        let settings = Settings { parking, ..self.deliveries.settings().clone() };
        let deliveries = Deliveries::new(self.ports.clone(), settings);
        deliveries.restore().await.unwrap();
        let scene = Self { deliveries, ..self };
        scene.reopen().await;
        scene
    }

    /// Publishes, takes and delivers.
    pub(crate) async fn run(&self, event: Event) -> Ending {
        self.deliver(self.take(event).await).await
    }

    /// The record of the event that [`order`] makes with this id.
    pub(crate) async fn record(&self, id: &str) -> EventRecord {
        let record = self.store.get(&key(id)).await.unwrap().expect("a record");
        document::decode(&record.value).unwrap()
    }

    pub(crate) async fn track(&self, id: &str, worker: &str) -> Track {
        self.record(id).await.workers.remove(&worker_id(worker)).expect("a track")
    }

    pub(crate) async fn state(&self, id: &str, worker: &str) -> TrackState {
        self.track(id, worker).await.state
    }

    /// Waits until it is durable that a worker is done.
    pub(crate) async fn eventually_done(&self, id: &str, worker: &str) {
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        let done = async {
            while !self.state(id, worker).await.is_terminal() {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(DEADLINE, done).await.expect("done in time");
    }

    /// Writes a record as another process would.
    pub(crate) async fn overwrite(&self, record: &EventRecord) {
        let key = key(&record.id);
        self.store.put(&key, document::encode(record).unwrap(), Expect::Any).await.unwrap();
    }

    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetter> {
        let page = self.store.page(Collection::DeadLetter, "", None, 100).await.unwrap();
        page.records.iter().map(|record| document::decode(&record.value).unwrap()).collect()
    }

    /// Events on `orders` that are not acknowledged.
    pub(crate) async fn backlog(&self) -> u64 {
        self.store.backlog(&topic("orders")).await.unwrap().unwrap()
    }

    /// Begins to keep what is published on a topic.
    pub(crate) async fn listen(&self, name: &str) {
        self.store.subscribe(&topic(name)).await.unwrap();
    }

    /// What was published on a topic since [`Scene::listen`].
    pub(crate) async fn published(&self, name: &str) -> Vec<Arc<Event>> {
        let count = self.store.backlog(&topic(name)).await.unwrap().unwrap();
        let mut subscription = self.store.subscribe(&topic(name)).await.unwrap();
        let mut events = Vec::new();
        for _ in 0..count {
            let next = tokio::time::timeout(DEADLINE, subscription.next()).await.expect("a reply in time");
            events.push(next.unwrap().unwrap().event);
        }
        events
    }
}

pub(crate) fn topic(name: &str) -> Topic {
    name.parse().unwrap()
}

pub(crate) fn worker_id(name: &str) -> WorkerId {
    WorkerId::new(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
}

fn key(id: &str) -> Key {
    Key::new(Collection::Event, EventRecord::key("/shop", id))
}

pub(crate) fn order(id: &str) -> EventBuilder {
    let data = Data { kind: workmanager_core_domain::event::DataKind::Json, bytes: r#"{"amount":12}"#.into() };
    Event::builder().with("id", id).with("source", "/shop").with("type", "order.created").data(data)
}

pub(crate) fn event(id: &str) -> Event {
    order(id).build().unwrap()
}

pub(crate) fn reply(id: &str) -> Outcome {
    let reply = Event::builder().with("id", id).with("source", "/worker").with("type", "done").build();
    Outcome::Replied(Box::new(reply.unwrap()))
}

pub(crate) fn boom() -> Outcome {
    failure(true)
}

pub(crate) fn failure(retryable: bool) -> Outcome {
    let (kind, message) = (FailureKind::Exception, "boom".to_owned());
    Outcome::Failed(Failure { kind, retryable, error_type: None, message, stack: None, errors: Vec::new() })
}

fn definition(name: &str, now: workmanager_core_domain::Timestamp) -> Worker {
    serde_json::from_value(serde_json::json!({
        "id": worker_id(name), "name": name, "mimeType": "text/x-python", "topics": ["orders"], "filter": null,
        "group": null, "replyTopic": null, "config": {}, "tags": {}, "engine": {}, "isolation": "shared",
        "limits": Limits::default(), "desired": "Running", "startedOnce": true, "version": 1, "latestVersion": 1,
        "digest": Digest::of(b"version 1"), "source": Digest::of(b"source"), "createdAt": now, "updatedAt": now
    }))
    .unwrap()
}
