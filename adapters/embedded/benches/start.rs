//! How long does a start take with much in the store, and how long do the workers take to be read?
//!
//! Input: 10,000 workers of 700 bytes, with a version, a name and two second copies each; 100,000 event
//! records of 900 bytes; 300,000 events of 3 KiB that wait on one topic: a file of about 1.2 GiB. The
//! file is in the system's cache. `open` is `Store::open` after an orderly end; `page` are the first 100
//! workers, `workers` all of them in pages of 100.
//! Unit: time.
//! Budget: 100 ms to open, 5 ms for a page.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails has no result")]

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use workmanager_adapters_embedded::{Config, Location, Store};
use workmanager_core_domain::{
    Digest, Event, Topic,
    event::{Data, DataKind},
    ports::{Bus as _, Collection, Expect, Key, Put, Records as _, Settlement},
};
use workmanager_core_kit::SystemClock;

const WORKERS: usize = 10_000;
const EVENT_RECORDS: usize = 100_000;
const EVENTS: usize = 300_000;
/// What is written together.
const BATCH: usize = 500;

fn open(directory: &Path) -> Store {
    let config = Config::new(Location::Directory(directory.to_owned()));
    Store::open(config, Arc::new(SystemClock::new())).unwrap()
}

/// Ids are spread, as those of workers and events are.
fn id(number: usize) -> String {
    Digest::of(&number.to_le_bytes()).hex()
}

async fn write(store: &Store, collection: Collection, count: usize, size: usize) {
    let value = Bytes::from(vec![b'x'; size]);
    for numbers in (0..count).collect::<Vec<_>>().chunks(BATCH) {
        let put = |number: &usize| Put {
            key: Key::new(collection, id(*number)),
            value: value.clone(),
            expect: Expect::Absent,
        };
        let puts = numbers.iter().map(put).collect();
        store.settle(Settlement { puts, ..Settlement::default() }).await.unwrap();
    }
}

async fn publish(store: &Store) {
    let topic: Topic = "orders".parse().unwrap();
    drop(store.subscribe(&topic).await.unwrap());
    let data = Data { kind: DataKind::Binary, bytes: vec![7; 3 << 10].into() };
    for numbers in (0..EVENTS).collect::<Vec<_>>().chunks(BATCH) {
        let event = |number: &usize| {
            let event = Event::builder().with("id", number.to_string()).with("source", "/bench").with("type", "bench");
            Arc::new(event.data(data.clone()).build().unwrap())
        };
        store.publish(&topic, &numbers.iter().map(event).collect::<Vec<_>>()).await.unwrap();
    }
}

async fn fill(directory: &Path) {
    let store = open(directory);
    write(&store, Collection::Worker, WORKERS, 700).await;
    write(&store, Collection::Version, WORKERS, 700).await;
    write(&store, Collection::Name, WORKERS, 80).await;
    write(&store, Collection::Copy, 2 * WORKERS, 700).await;
    write(&store, Collection::Event, EVENT_RECORDS, 900).await;
    publish(&store).await;
    store.close().await;
}

async fn all_workers(store: &Store) -> usize {
    let (mut count, mut after) = (0, None::<Box<str>>);
    loop {
        let page = store.page(Collection::Worker, "", after.as_deref(), 100).await.unwrap();
        count += page.records.len();
        match page.next {
            Some(next) => after = Some(next),
            None => return count,
        }
    }
}

fn start(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    // Beside the build, which is on a disk; the system's temporary directory may be in memory.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    runtime.block_on(fill(directory.path()));
    let mut group = criterion.benchmark_group("start");
    group.bench_function("open", |bencher| {
        bencher.iter_custom(|times| {
            let mut opening = Duration::ZERO;
            for _ in 0..times {
                let begun = Instant::now();
                let store = open(directory.path());
                opening += begun.elapsed();
                runtime.block_on(store.close());
            }
            opening
        });
    });
    let store = open(directory.path());
    group.bench_function("page", |bencher| {
        bencher.iter(|| {
            let page = runtime.block_on(store.page(Collection::Worker, "", None, 100)).unwrap();
            assert_eq!(page.records.len(), 100);
        });
    });
    group.bench_function("workers", |bencher| {
        bencher.iter(|| assert_eq!(runtime.block_on(all_workers(&store)), WORKERS));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = start
}
criterion_main!(benches);
