//! A store that outlives programs, and programs that take its events until nothing is left to do.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use workmanager_adapters_embedded::{Config, Location, Store};
use workmanager_core_delivery::{Circuit, Deliveries, Ending, Parking, Ports, Roster, Settings, policy::Backoff};
use workmanager_core_domain::{
    Digest, Event, EventRecord, Limits, Outcome, Topic, Worker, WorkerId,
    dead_letter::DeadLetter,
    document::{self, Document},
    event_record::TrackState,
    outcome::{Failure, FailureKind},
    ports::{Bus, Clock as _, Collection, Records, Revision, Settlement},
    worker::Desired,
};
use workmanager_core_kit::UuidV7;
use workmanager_tests_contracts::fault::{Fault, Faulty, Plan};

use crate::{
    fakes::{Diary, FakeTarget, HandClock},
    stepwise::Stepwise,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// How a settlement is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settles {
    /// In one transaction, as the embedded store does it.
    AtOnce,
    /// Step by step, as it is done where there are no transactions: each step is a use of the store.
    Stepwise,
}

pub(crate) struct World {
    settles: Settles,
    store: Arc<Store>,
    pub(crate) target: Arc<FakeTarget>,
    clock: Arc<HandClock>,
    roster: Arc<Roster>,
    published: Mutex<Vec<String>>,
    plan: Mutex<Later>,
    revisions: AtomicU64,
}

/// What happens while programs run, and what is looked at in the end.
#[derive(Default)]
struct Later {
    starts: Option<String>,
    redrives: bool,
    in_order: Option<String>,
}

impl World {
    pub(crate) async fn open(settles: Settles) -> Self {
        let clock = Arc::new(HandClock::new());
        let store = Arc::new(Store::open(Config::new(Location::Ephemeral), clock.clone()).unwrap());
        for name in ["orders", "replies"] {
            store.subscribe(&topic(name)).await.unwrap();
        }
        Self {
            settles,
            target: Arc::new(FakeTarget::new(clock.clone())),
            store,
            clock,
            roster: Arc::default(),
            published: Mutex::default(),
            plan: Mutex::default(),
            revisions: AtomicU64::new(1),
        }
    }

    pub(crate) fn worker(&self, name: &str, edit: impl FnOnce(&mut Worker)) {
        let mut worker: Worker = serde_json::from_value(serde_json::json!({
            "id": worker_id(name), "name": name, "mimeType": "text/x-python", "topics": ["orders"], "filter": null,
            "group": null, "replyTopic": "replies", "config": {}, "tags": {}, "engine": {}, "isolation": "shared",
            "limits": Limits::default(), "desired": "Running", "startedOnce": true, "version": 1,
            "latestVersion": 1, "digest": Digest::of(b"version 1"), "source": Digest::of(b"source"),
            "createdAt": self.clock.now(), "updatedAt": self.clock.now()
        }))
        .unwrap();
        edit(&mut worker);
        self.roster.put(worker, Revision(self.revisions.fetch_add(1, SeqCst)));
    }

    pub(crate) fn stop(&self, name: &str) {
        self.worker(name, |worker| worker.desired = Desired::Stopped);
    }

    pub(crate) async fn publish(&self, id: &str, key: Option<&str>) {
        let mut event = Event::builder().with("id", id).with("source", "/shop").with("type", "order");
        if let Some(key) = key {
            event = event.with("partitionkey", key);
        }
        self.store.publish(&topic("orders"), &[Arc::new(event.build().unwrap())]).await.unwrap();
        self.published.lock().unwrap().push(id.to_owned());
    }

    /// The worker is started once nothing is left to do without it.
    pub(crate) fn starts_later(&self, name: &str) {
        self.plan.lock().unwrap().starts = Some(name.to_owned());
    }

    /// Every dead letter is sent round again.
    pub(crate) fn redrives(&self) {
        self.plan.lock().unwrap().redrives = true;
    }

    /// In the end the worker's last attempts must be in the order of publication.
    pub(crate) fn expects_order(&self, name: &str) {
        self.plan.lock().unwrap().in_order = Some(name.to_owned());
    }

    /// A program runs with the faults of `plan` until nothing is left to do, or until it dies. Returns
    /// how often it used the store.
    pub(crate) async fn life(&self, plan: Plan) -> u64 {
        let store = Arc::new(Faulty::new(self.store.clone(), plan));
        let deliveries = Deliveries::new(self.ports(&store), settings());
        let gone = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(1));
            while !store.injected().iter().any(|(_, fault)| *fault == Fault::Gone) {
                ticks.tick().await;
                self.clock.advance(Duration::from_millis(1));
            }
        };
        let lived = async {
            tokio::select! {
                () = self.drive(&deliveries, &store) => {}
                () = gone => {}
            }
        };
        let in_time = tokio::time::timeout(DEADLINE, lived).await;
        // A dead program's last write may wait in the store's line: it comes before what is written now, and
        // the next program must not start before it.
        self.store.settle(Settlement::default()).await.unwrap();
        assert!(in_time.is_ok(), "not done in time after {:?} of {:?}", store.injected(), store.operations());
        store.count()
    }

    /// A program runs without faults until nothing is left to do.
    pub(crate) async fn rest_of_its_life(&self) {
        self.clock.advance(Duration::from_secs(120));
        self.life(Plan::none()).await;
    }

    fn ports(&self, store: &Arc<Faulty<Store>>) -> Ports {
        let bus: Arc<dyn Bus> = match self.settles {
            Settles::AtOnce => store.clone(),
            Settles::Stepwise => Arc::new(Stepwise(store.clone())),
        };
        Ports {
            bus,
            records: store.clone(),
            target: self.target.clone(),
            clock: self.clock.clone(),
            ids: Arc::new(UuidV7),
            roster: self.roster.clone(),
            witness: Arc::new(Diary::default()),
        }
    }

    async fn drive(&self, deliveries: &Deliveries, store: &Faulty<Store>) {
        let closing = CancellationToken::new();
        until_ok(async || deliveries.restore().await.ok()).await;
        if self.plan.lock().unwrap().redrives {
            for letter in self.all::<DeadLetter>().await {
                until_ok(async || deliveries.redrive(&letter, None).await.ok()).await;
            }
        }
        let mut subscription = until_ok(async || store.subscribe(&topic("orders")).await.ok()).await;
        let mut flights: FuturesUnordered<BoxFuture<'_, Ending>> = FuturesUnordered::new();
        let mut quiet = tokio::time::interval(Duration::from_millis(1));
        loop {
            tokio::select! {
                Some(_) = flights.next(), if !flights.is_empty() => {}
                Some(Ok(delivery)) = subscription.next() => {
                    let room = deliveries.room().await;
                    flights.push(deliveries.deliver(delivery, room, &closing).boxed());
                }
                due = deliveries.due() => {
                    let room = deliveries.room().await;
                    flights.push(deliveries.resume(due, room, &closing).boxed());
                }
                _ = quiet.tick(), if flights.is_empty() => if self.is_done().await { return },
            }
        }
    }

    /// Whether nothing is left to do.
    async fn is_done(&self) -> bool {
        let backlog = self.store.backlog(&topic("orders")).await.unwrap().unwrap();
        let parked = self.store.page(Collection::Parked, "", None, 10).await.unwrap().records.len();
        let starts = if backlog == 0 { self.plan.lock().unwrap().starts.take() } else { None };
        if let Some(name) = starts {
            self.worker(&name, |_| {});
            return false;
        }
        backlog == 0 && parked == 0
    }

    async fn all<T: Document>(&self) -> Vec<T> {
        let page = self.store.page(T::COLLECTION, "", None, 100).await.unwrap();
        page.records.iter().map(|record| document::decode(&record.value).unwrap()).collect()
    }

    /// What must hold whatever happened.
    pub(crate) async fn check(&self) {
        let letters = self.all::<DeadLetter>().await;
        let published = self.published.lock().unwrap().clone();
        let records = self.all::<EventRecord>().await;
        assert_eq!(records.len(), published.len());
        let mut replies = 0;
        for record in records {
            assert!(record.is_finished() && record.finished_at.is_some(), "{record:?}");
            assert_eq!(record.workers.len(), self.roster.snapshot().on(&topic("orders")).len());
            for track in record.workers.values() {
                match &track.state {
                    TrackState::Done { reply } => replies += usize::from(reply.is_some()),
                    TrackState::DeadLettered { dead_letter, .. } => {
                        assert!(letters.iter().any(|letter| letter.id == *dead_letter), "{track:?}");
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        let quarantined = self.store.page(Collection::Quarantine, "", None, 10).await.unwrap();
        assert_eq!(quarantined.records.len(), 0);
        let there = self.store.backlog(&topic("replies")).await.unwrap().unwrap();
        match self.settles {
            // Not one reply too few, and not one too many.
            Settles::AtOnce => assert_eq!(there, replies as u64),
            // A reply is published before its outcome is written, and again if that was not.
            Settles::Stepwise => assert!(there >= replies as u64, "{there} replies of {replies}"),
        }
        self.check_order(&published);
    }

    fn check_order(&self, published: &[String]) {
        let Some(name) = &self.plan.lock().unwrap().in_order else { return };
        let seen = self.target.seen();
        let last = |id: &String| seen.iter().rposition(|seen| seen.worker == *name && seen.event.id() == id);
        let first = |id: &String| seen.iter().position(|seen| seen.worker == *name && seen.event.id() == id);
        for pair in published.windows(2) {
            assert!(
                last(&pair[0]) < first(&pair[1]),
                "{:?}",
                seen.iter().map(|seen| seen.event.id()).collect::<Vec<_>>()
            );
        }
    }
}

async fn until_ok<T>(act: impl AsyncFn() -> Option<T>) -> T {
    loop {
        match act().await {
            Some(result) => return result,
            None => tokio::task::yield_now().await,
        }
    }
}

fn settings() -> Settings {
    let short = Backoff { base: Duration::from_millis(2), factor: 1, cap: Duration::from_millis(2) };
    let parking = Parking { budget: Duration::from_millis(20), ..Parking::default() };
    // A crash kills no engines here; the pause has tests of its own.
    let circuit = Circuit { deaths: 1_000, ..Circuit::default() };
    Settings { backoff: short, settle_backoff: short, parking, circuit, ..Settings::default() }
}

fn topic(name: &str) -> Topic {
    name.parse().unwrap()
}

fn worker_id(name: &str) -> WorkerId {
    WorkerId::new(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
}

pub(crate) fn reply() -> Outcome {
    let reply = Event::builder().with("id", "r").with("source", "/worker").with("type", "done").build();
    Outcome::Replied(Box::new(reply.unwrap()))
}

pub(crate) fn failure(retryable: bool) -> Outcome {
    let (kind, message) = (FailureKind::Exception, "boom".to_owned());
    Outcome::Failed(Failure { kind, retryable, error_type: None, message, stack: None, errors: Vec::new() })
}
