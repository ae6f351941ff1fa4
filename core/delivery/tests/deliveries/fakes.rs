//! Stand-ins for what is outside: a place to run workers that does as it is told, a bus that fails on
//! its way to the store, a clock that is set by hand, and somebody who writes down what happens.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch;
use workmanager_adapters_embedded::Store;
use workmanager_core_delivery::{Candidate, Reach, Sight, Target, TargetError, Verdict, Witness};
use workmanager_core_domain::{
    EngineInfo, Event, MimeType, Outcome, Timestamp, Topic,
    attempt::Attempt,
    outcome::{LogLine, LogStream, Report},
    ports::{Bus, BusError, Clock, SettleError, Settlement, StoreError, Subscription, TailCapability, TailStream},
    subscription::Interest,
};

/// Runs workers as scripted: each attempt takes the next outcome of its worker, and `NoReply` when the
/// script is over.
pub(crate) struct FakeTarget {
    scripts: Mutex<HashMap<String, VecDeque<Outcome>>>,
    seen: Mutex<Vec<Seen>>,
    running: AtomicUsize,
    most: AtomicUsize,
    begun: watch::Sender<usize>,
    held: watch::Sender<Held>,
    takes: Mutex<Duration>,
    clock: Arc<HandClock>,
}

/// An attempt as the target saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) worker: String,
    pub(crate) version: u32,
    pub(crate) number: u32,
    pub(crate) event: Arc<Event>,
}

/// Whose attempts do not end.
enum Held {
    Nobody,
    These(Vec<String>),
    All,
}

impl Held {
    fn holds(&self, worker: &str) -> bool {
        match self {
            Self::Nobody => false,
            Self::These(held) => held.iter().any(|held| held == worker),
            Self::All => true,
        }
    }
}

impl FakeTarget {
    pub(crate) fn new(clock: Arc<HandClock>) -> Self {
        Self {
            scripts: Mutex::default(),
            seen: Mutex::default(),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            begun: watch::Sender::new(0),
            held: watch::Sender::new(Held::Nobody),
            takes: Mutex::default(),
            clock,
        }
    }

    pub(crate) fn script(&self, worker: &str, outcomes: impl IntoIterator<Item = Outcome>) {
        self.scripts.lock().unwrap().entry(worker.to_owned()).or_default().extend(outcomes);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The workers that were run, in order.
    pub(crate) fn workers(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.worker).collect()
    }

    /// The most attempts that ran at one time.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// Every attempt takes so long.
    pub(crate) fn slow(&self, time: Duration) {
        *self.takes.lock().unwrap() = time;
    }

    /// Attempts begin, and do not end until [`FakeTarget::release`].
    pub(crate) fn hold(&self) {
        self.held.send_replace(Held::All);
    }

    /// Attempts of these workers do not end until [`FakeTarget::release`]; those of others do.
    pub(crate) fn hold_only(&self, workers: &[&str]) {
        self.held.send_replace(Held::These(workers.iter().map(ToString::to_string).collect()));
    }

    pub(crate) fn release(&self) {
        self.held.send_replace(Held::Nobody);
    }

    /// Waits until `count` attempts have begun.
    pub(crate) async fn begun(&self, count: usize) {
        let mut begun = self.begun.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(10), begun.wait_for(|begun| *begun >= count)).await;
        assert!(waited.is_ok(), "{} attempts have begun, not {count}", *self.begun.borrow());
    }
}

#[async_trait]
impl Target for FakeTarget {
    async fn attempt(&self, attempt: &Attempt) -> Report {
        let worker = attempt.worker.name.to_string();
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let (version, number, event) = (attempt.worker.version, attempt.number, attempt.event.clone());
        self.seen.lock().unwrap().push(Seen { worker: worker.clone(), version, number, event });
        let outcome = self.scripts.lock().unwrap().get_mut(&worker).and_then(VecDeque::pop_front);
        self.begun.send_modify(|begun| *begun += 1);
        self.held.subscribe().wait_for(|held| !held.holds(&worker)).await.unwrap();
        let takes = *self.takes.lock().unwrap();
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        Report {
            outcome: outcome.unwrap_or(Outcome::NoReply),
            digest: attempt.digest,
            started_at: self.clock.now(),
            duration: Duration::from_millis(3),
            logs: vec![LogLine { at: self.clock.now(), stream: LogStream::Stdout, text: format!("try {number}") }],
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

/// How a settlement goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The store is away: nothing happened.
    Unavailable,
    /// Everything happened, and the answer is lost.
    AnswerLost,
    /// Only the acknowledgement is missing.
    NotAcknowledged,
}

/// The store's bus, with faults on demand.
pub(crate) struct FaultyBus {
    store: Store,
    faults: Mutex<VecDeque<Fault>>,
    settled: watch::Sender<usize>,
}

impl FaultyBus {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, faults: Mutex::default(), settled: watch::Sender::new(0) }
    }

    /// The next settlements go wrong in these ways.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().unwrap().extend(faults);
    }

    /// How many settlements were asked for.
    pub(crate) fn settlements(&self) -> usize {
        *self.settled.borrow()
    }

    /// Waits until `count` settlements have been answered.
    pub(crate) async fn settled(&self, count: usize) {
        let mut settled = self.settled.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(10), settled.wait_for(|settled| *settled >= count)).await;
        assert!(waited.is_ok(), "{} settlements were answered, not {count}", self.settlements());
    }
}

#[async_trait]
impl Bus for FaultyBus {
    async fn publish(&self, topic: &Topic, events: &[Arc<Event>]) -> Result<(), BusError> {
        self.store.publish(topic, events).await
    }

    async fn subscribe(&self, topic: &Topic) -> Result<Box<dyn Subscription>, BusError> {
        self.store.subscribe(topic).await
    }

    async fn forget(&self, topic: &Topic) -> Result<(), BusError> {
        self.store.forget(topic).await
    }

    async fn topics(&self) -> Result<Vec<(Topic, Interest)>, BusError> {
        self.store.topics().await
    }

    async fn settle(&self, mut settlement: Settlement) -> Result<(), SettleError> {
        let fault = self.faults.lock().unwrap().pop_front();
        let answer = match fault {
            None => self.store.settle(settlement).await,
            Some(Fault::Unavailable) => Err(SettleError::Publish(BusError::Unavailable { reason: "a fault".into() })),
            Some(Fault::AnswerLost) => {
                self.store.settle(settlement).await.and(Err(SettleError::Record(StoreError::Timeout)))
            }
            Some(Fault::NotAcknowledged) => {
                settlement.ack = None;
                self.store.settle(settlement).await.and(Err(SettleError::Ack(BusError::Timeout)))
            }
        };
        self.settled.send_modify(|settled| *settled += 1);
        answer
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

/// A clock that stands until it is moved.
pub(crate) struct HandClock {
    micros: AtomicI64,
}

impl HandClock {
    pub(crate) fn new() -> Self {
        let start: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
        Self { micros: AtomicI64::new(start.as_micros()) }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.micros.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.load(Ordering::SeqCst)).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.micros.load(Ordering::SeqCst)).unwrap())
    }
}

/// Writes down what happens, one word or two each.
#[derive(Default)]
pub(crate) struct Diary {
    entries: Mutex<Vec<String>>,
}

impl Diary {
    pub(crate) fn entries(&self) -> Vec<String> {
        self.entries.lock().unwrap().clone()
    }
}

impl Witness for Diary {
    fn saw(&self, sight: &Sight<'_>) {
        let entry = match sight {
            Sight::Accepted { topic, event } => format!("accepted {} on {topic}", event.id()),
            Sight::Attempted { worker, number, report, .. } => {
                format!("{} {number}: {}", worker.name, report.outcome.code())
            }
            Sight::Replied { worker, topic, .. } => {
                format!("{} replied to {}", worker.name, topic.map_or("nobody", Topic::as_str))
            }
            Sight::DeadLettered { worker, reason, .. } => format!("{} gave up: {}", worker.name, reason.code()),
        };
        self.entries.lock().unwrap().push(entry);
    }
}
