//! What does the sandbox add to the start of a worker's process?
//!
//! Input: a worker of one line, in an engine whose zygote has imported everything. Unit: time from the
//! request for a process to the answer to its first event, each in a process of its own, one at a time.
//! Budget: at most 1 ms more with the sandbox (`standard`) than with limits of resources alone (`off`).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench may fail loudly")]
#![allow(dead_code, reason = "the tests use more of the support")]

#[path = "../tests/engine/support.rs"]
mod support;

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use support::{Harness, python};
use workmanager_engines_host::Level;
use workmanager_engines_python::Options;

const WORKER: &str = "def Process(event): return {'type': 't', 'data': event['data']}";

fn start(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut group = criterion.benchmark_group("request to first answer");
    group.sample_size(60).measurement_time(Duration::from_secs(6));
    for level in [Level::Off, Level::Standard] {
        let harness = runtime.block_on(warm(level));
        group.bench_function(level.to_string(), |bencher| {
            bencher.to_async(&runtime).iter_custom(async |rounds| {
                let mut sum = Duration::ZERO;
                for _ in 0..rounds {
                    let start = Instant::now();
                    let mut worker = harness.load(WORKER).await;
                    worker.json("1").await;
                    sum += start.elapsed();
                    worker.process.stop(Duration::from_secs(1)).await;
                }
                sum
            });
        });
    }
    group.finish();
}

/// An engine whose zygote has been idle long enough to have imported everything. It was not told to keep a
/// spare process, so each one is forked when it is asked for.
async fn warm(level: Level) -> Harness {
    let harness = Harness::with(Options { sandbox: level, ..python() });
    drop(harness.load(WORKER).await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    harness
}

criterion_group!(benches, start);
criterion_main!(benches);
