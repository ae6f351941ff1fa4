//! A router over the embedded store, with a fake place to run workers and a bus that can refuse.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;
use workmanager_adapters_embedded::{Config, Location, Store};
use workmanager_core_delivery::{Candidate, Reach, Roster, Settings, Target, TargetError, Verdict};
use workmanager_core_domain::{
    Digest, EngineInfo, Event, Limits, MimeType, Outcome, Topic, Worker, WorkerId,
    attempt::Attempt,
    outcome::{Failure, FailureKind, Report},
    ports::{
        Bus, BusError, Clock as _, Delivery, Revision, SettleError, Settlement, Subscription, TailCapability,
        TailStream,
    },
    subscription::Interest,
    worker::Desired,
};
use workmanager_core_kit::{SystemClock, Tasks, UuidV7};

use super::{Parts, Router, TopicState};
use crate::feed::Feed;

const DEADLINE: Duration = Duration::from_secs(20);

pub(super) struct Scene {
    pub(super) router: Router,
    pub(super) bus: Arc<Moody>,
    pub(super) target: Arc<FakeTarget>,
    pub(super) feed: Feed,
    pub(super) tasks: Tasks,
    roster: Arc<Roster>,
    revisions: AtomicU64,
}

impl Scene {
    pub(super) fn open() -> Self {
        Self::with(Settings::default())
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self::over(Self::store(), settings)
    }

    pub(super) fn store() -> Store {
        Store::open(Config::new(Location::Ephemeral), Arc::new(SystemClock::new())).unwrap()
    }

    pub(super) fn over(store: Store, settings: Settings) -> Self {
        let clock = Arc::new(SystemClock::new());
        let bus = Arc::new(Moody::new(store.clone()));
        let (target, roster) = (Arc::new(FakeTarget::default()), Arc::new(Roster::default()));
        let (feed, tasks) = (Feed::default(), Tasks::new());
        let parts = Parts {
            bus: bus.clone(),
            records: Arc::new(store),
            target: target.clone(),
            clock,
            ids: Arc::new(UuidV7),
            roster: roster.clone(),
            feed: feed.clone(),
        };
        let router = Router::start(parts, settings, &tasks);
        Self { router, bus, target, feed, tasks, roster, revisions: AtomicU64::new(1) }
    }

    pub(super) fn worker(&self, name: &str, topic: &str, desired: Desired) {
        self.edit(name, topic, |worker| worker.desired = desired);
    }

    pub(super) fn edit(&self, name: &str, topic: &str, edit: impl FnOnce(&mut Worker)) {
        let now = SystemClock::new().now();
        let mut worker: Worker = serde_json::from_value(serde_json::json!({
            "id": id(name), "name": name, "mimeType": "text/x-python", "topics": [topic], "filter": null,
            "group": null, "replyTopic": null, "config": {}, "tags": {}, "engine": {}, "isolation": "shared",
            "limits": Limits::default(), "desired": "Running", "startedOnce": true, "version": 1,
            "latestVersion": 1, "digest": Digest::of(b"v"), "source": Digest::of(b"s"), "createdAt": now,
            "updatedAt": now
        }))
        .unwrap();
        edit(&mut worker);
        self.roster.put(worker, Revision(self.revisions.fetch_add(1, Ordering::SeqCst)));
    }

    pub(super) fn delete(&self, name: &str) {
        self.roster.remove(id(name));
    }

    pub(super) async fn settled(&self, name: &str) {
        self.router.settled(&[topic(name)], DEADLINE).await.unwrap();
    }

    pub(super) async fn publish(&self, name: &str, id: &str) {
        self.bus.publish(&topic(name), &[Arc::new(event(id))]).await.unwrap();
    }

    /// Waits until the topics are as described.
    pub(super) async fn eventually(&self, what: &str, condition: impl Fn(&[TopicState]) -> bool) {
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        let reached = async {
            while !condition(&self.router.topics()) {
                ticks.tick().await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, reached).await;
        assert!(waited.is_ok(), "{what}, but: {:?}", self.router.topics());
    }
}

pub(super) fn topic(name: &str) -> Topic {
    name.parse().unwrap()
}

pub(super) fn id(name: &str) -> WorkerId {
    WorkerId::new(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
}

pub(super) fn event(id: &str) -> Event {
    Event::builder().with("id", id).with("source", "/shop").with("type", "order").build().unwrap()
}

pub(super) fn failed(kind: FailureKind, message: &str) -> Outcome {
    let message = message.to_owned();
    Outcome::Failed(Failure { kind, retryable: false, error_type: None, message, stack: None, errors: Vec::new() })
}

/// Runs workers: writes `worker:event` down and answers with the next outcome, or with no reply.
pub(super) struct FakeTarget {
    seen: Mutex<Vec<String>>,
    outcomes: Mutex<VecDeque<Outcome>>,
    begun: watch::Sender<usize>,
    /// Whose attempts do not end; everybody's if the name is empty.
    held: watch::Sender<Option<String>>,
}

impl Default for FakeTarget {
    fn default() -> Self {
        let (begun, held) = (watch::Sender::new(0), watch::Sender::new(None));
        Self { seen: Mutex::default(), outcomes: Mutex::default(), begun, held }
    }
}

impl FakeTarget {
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn next(&self, outcome: Outcome) {
        self.outcomes.lock().unwrap().push_back(outcome);
    }

    pub(super) fn hold(&self) {
        self.hold_only("");
    }

    pub(super) fn hold_only(&self, worker: &str) {
        self.held.send_replace(Some(worker.to_owned()));
    }

    pub(super) fn release(&self) {
        self.held.send_replace(None);
    }

    pub(super) async fn begun(&self, count: usize) {
        let mut begun = self.begun.subscribe();
        let waited = tokio::time::timeout(DEADLINE, begun.wait_for(|begun| *begun >= count)).await;
        assert!(waited.is_ok(), "{count} attempts begin");
    }
}

#[async_trait]
impl Target for FakeTarget {
    async fn attempt(&self, attempt: &Attempt) -> Report {
        let worker = attempt.worker.name.to_string();
        self.seen.lock().unwrap().push(format!("{worker}:{}", attempt.event.id()));
        self.begun.send_modify(|begun| *begun += 1);
        assert_ne!(attempt.event.id(), "panic", "as a mistake of ours would");
        let is_free = |held: &Option<String>| held.as_ref().is_none_or(|held| !held.is_empty() && *held != worker);
        self.held.subscribe().wait_for(is_free).await.unwrap();
        Report {
            outcome: self.outcomes.lock().unwrap().pop_front().unwrap_or(Outcome::NoReply),
            digest: attempt.digest,
            started_at: SystemClock::new().now(),
            duration: Duration::ZERO,
            logs: Vec::new(),
            logs_truncated: false,
        }
    }

    async fn validate(&self, _candidate: &Candidate) -> Result<Verdict, TargetError> {
        Err(TargetError::Unavailable { reason: "a fake".into() })
    }

    async fn engines(&self) -> Vec<EngineInfo> {
        Vec::new()
    }

    fn reach(&self, _mime_type: MimeType) -> Reach {
        Reach::Warm
    }
}

/// The store's bus, which can refuse subscriptions and break them.
pub(super) struct Moody {
    store: Store,
    refuses: watch::Sender<bool>,
    broken: Arc<watch::Sender<u64>>,
    subscriptions: AtomicU64,
}

impl Moody {
    fn new(store: Store) -> Self {
        let (refuses, broken) = (watch::Sender::new(false), Arc::new(watch::Sender::new(0)));
        Self { store, refuses, broken, subscriptions: AtomicU64::new(0) }
    }

    pub(super) fn refuse(&self) {
        self.refuses.send_replace(true);
    }

    pub(super) fn accept(&self) {
        self.refuses.send_replace(false);
    }

    /// Breaks every subscription that is open.
    pub(super) fn interrupt(&self) {
        self.broken.send_modify(|count| *count += 1);
    }

    /// How many subscriptions were opened.
    pub(super) fn subscriptions(&self) -> u64 {
        self.subscriptions.load(Ordering::SeqCst)
    }
}

fn fault() -> BusError {
    BusError::Unavailable { reason: "a fault".into() }
}

struct Breakable {
    inner: Box<dyn Subscription>,
    broken: watch::Receiver<u64>,
}

#[async_trait]
impl Subscription for Breakable {
    async fn next(&mut self) -> Option<Result<Delivery, BusError>> {
        tokio::select! {
            next = self.inner.next() => next,
            _ = self.broken.changed() => Some(Err(fault())),
        }
    }
}

#[async_trait]
impl Bus for Moody {
    async fn publish(&self, topic: &Topic, events: &[Arc<Event>]) -> Result<(), BusError> {
        self.store.publish(topic, events).await
    }

    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, BusError> {
        if *self.refuses.borrow() {
            return Err(fault());
        }
        self.subscriptions.fetch_add(1, Ordering::SeqCst);
        let inner = self.store.subscribe(topic).await?;
        Ok(Box::new(Breakable { inner, broken: self.broken.subscribe() }))
    }

    async fn forget(&self, topic: &Topic) -> Result<(), BusError> {
        self.store.forget(topic).await
    }

    async fn topics(&self) -> Result<Vec<(Topic, Interest)>, BusError> {
        self.store.topics().await
    }

    async fn settle(&self, settlement: Settlement) -> Result<(), SettleError> {
        self.store.settle(settlement).await
    }

    async fn backlog(&self, topic: &Topic) -> Result<Option<u64>, BusError> {
        self.store.backlog(topic).await
    }

    fn tail_capability(&self) -> TailCapability {
        self.store.tail_capability()
    }

    async fn tail(&self, topic: &Topic, since: Option<u64>) -> Result<TailStream, BusError> {
        self.store.tail(topic, since).await
    }
}
