//! How many events of 1 KiB are published durably in a second, and how long does a settlement take?
//!
//! Input: events with 1,024 bytes of JSON data; a settlement has one reply of that size, one record of
//! 512 bytes and one acknowledgement. `1` and `64` are callers at the same time, each waiting for its
//! answer before it goes on. `disk/sync` is what the disk itself takes to keep 4 KiB.
//! Unit: time per operation, and operations per second.
//! Budget: 10,000 published events per second from 64 callers; from one caller, close to one sync.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails has no result")]

use std::{
    fs::File,
    future::Future,
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::Mutex, task::JoinSet};
use workmanager_adapters_embedded::{Config, Location, Store};
use workmanager_core_domain::{
    Event, Topic,
    event::{Data, DataKind},
    ports::{Bus as _, Collection, Expect, Key, Put, Settlement},
};
use workmanager_core_kit::SystemClock;

const CALLERS: [u64; 2] = [1, 64];

static NEXT: AtomicU64 = AtomicU64::new(0);

struct Bench {
    runtime: Runtime,
    store: Store,
    _directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        // Beside the build, which is on a disk; the system's temporary directory may be in memory.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let config = Config::new(Location::Directory(directory.path().to_owned()));
        let store = Store::open(config, Arc::new(SystemClock::new())).unwrap();
        Self { runtime, store, _directory: directory }
    }

    /// Has `operations` done by `callers` at the same time. Returns how long it took.
    fn time<F, R>(&self, callers: u64, operations: u64, operation: F) -> Duration
    where
        F: Fn(Store) -> R + Clone + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            let begun = Instant::now();
            for caller in 0..callers {
                let (store, operation) = (self.store.clone(), operation.clone());
                let own = operations / callers + u64::from(caller < operations % callers);
                tasks.spawn(async move {
                    for _ in 0..own {
                        operation(store.clone()).await;
                    }
                });
            }
            tasks.join_all().await;
            begun.elapsed()
        })
    }
}

fn topic(name: &str) -> Topic {
    name.parse().unwrap()
}

fn event() -> Arc<Event> {
    let data = Data { kind: DataKind::Json, bytes: Bytes::from(format!("\"{}\"", "x".repeat(1_022))) };
    let id = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    Arc::new(Event::builder().with("id", id).with("source", "/bench").with("type", "bench").data(data).build().unwrap())
}

fn disk(criterion: &mut Criterion) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = File::create(directory.path().join("file")).unwrap();
    let mut end = 0;
    criterion.bench_function("disk/sync", |bencher| {
        bencher.iter(|| {
            file.write_all_at(&[7; 4_096], end).unwrap();
            file.sync_data().unwrap();
            end += 4_096;
        });
    });
}

fn publish(criterion: &mut Criterion) {
    let bench = Bench::new();
    let mut group = criterion.benchmark_group("publish");
    group.throughput(Throughput::Elements(1));
    for callers in CALLERS {
        group.bench_function(callers.to_string(), |bencher| {
            bencher.iter_custom(|operations| {
                bench.time(callers, operations, |store| async move {
                    store.publish(&topic("orders"), &[event()]).await.unwrap();
                })
            });
        });
    }
}

/// Takes an event, and settles it with a reply and a record. Publishing it is not counted.
fn settle(criterion: &mut Criterion) {
    let bench = Bench::new();
    let subscription = bench.runtime.block_on(bench.store.subscribe(&topic("orders"))).unwrap();
    let subscription = Arc::new(Mutex::new(subscription));
    let mut group = criterion.benchmark_group("settle");
    group.throughput(Throughput::Elements(1));
    for callers in CALLERS {
        group.bench_function(callers.to_string(), |bencher| {
            bencher.iter_custom(|operations| {
                let events: Vec<_> = (0..operations).map(|_| event()).collect();
                bench.runtime.block_on(bench.store.publish(&topic("orders"), &events)).unwrap();
                let subscription = subscription.clone();
                bench.time(callers, operations, move |store| {
                    let subscription = subscription.clone();
                    async move {
                        let delivery = subscription.lock().await.next().await.unwrap().unwrap();
                        let key = Key::new(Collection::Event, delivery.event.id());
                        let puts = vec![Put { key, value: vec![b'x'; 512].into(), expect: Expect::Absent }];
                        let replies = vec![(topic("replies"), event())];
                        let settlement =
                            Settlement { replies, puts, ack: Some(delivery.token), ..Settlement::default() };
                        store.settle(settlement).await.unwrap();
                    }
                })
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = disk, publish, settle
}
criterion_main!(benches);
