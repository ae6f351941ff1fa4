//! How long does a .NET worker take to its first answer, and to each one after it?
//!
//! Input: a compiled worker of one line. Unit: time, each start in a process of its own, one at a time.
//! Budget: with a spare process 5 ms from the request for a process to the first answer, without one 45 ms.
//! The same of a worker that reads and writes JSON of types of its own, by reflection as .NET workers usually do; without
//! a budget.
//! Also said: what compiling the source takes (budget: 1.2 s by a cold compiler, 60 ms by a warm one), and the round
//! trip of 15,000 events through one process, with what it holds in memory after them (budget: 40 MB).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench may fail loudly")]
#![allow(dead_code, reason = "the tests use more of the support")]

#[path = "../tests/engine/support.rs"]
mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use support::{Harness, Worker};
use tokio::runtime::Runtime;
use workmanager_core_domain::MimeType;
use workmanager_engines_host::Engine as _;

const WORKER: &str = "using CloudNative.CloudEvents;
public static class Worker { public static CloudEvent Process(CloudEvent e) => new() { Type = \"t\", Data = e.Data }; }";
/// Its answer is of a type of its own, too: the host writes that.
const REFLECTING: &str = "using CloudNative.CloudEvents;
using System.Text.Json;
public record Line(string Sku, int Count, decimal Price);
public record Order(string Id, DateTime At, List<Line> Lines);
public record Bill(string Order, decimal Total);
public static class Worker
{
    static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web);
    public static CloudEvent Process(CloudEvent e)
    {
        var order = ((JsonElement)e.Data).Deserialize<Order>(Options);
        return new() { Type = \"t\", Data = new Bill(order.Id, order.Lines.Sum(line => line.Count * line.Price)) };
    }
}";
const ORDER: &str = r#"{"id":"4711","at":"2024-01-01T00:00:00Z","lines":[{"sku":"bolt","count":3,"price":0.5}]}"#;
const SETTLED: Duration = Duration::from_millis(600);

fn start(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let Some(harness) = Harness::new() else { return };
    let assembly = runtime.block_on(compiling(&harness));
    let mut group = criterion.benchmark_group("dotnet");
    group.sample_size(20).measurement_time(Duration::from_secs(8));
    group.bench_function("ready", |bencher| {
        starts(bencher, &runtime, async || drop(harness.engine.spawn(&harness.manifest).await.unwrap()));
    });
    let reflecting = runtime.block_on(harness.compile(REFLECTING)).unwrap();
    let first = async |assembly: &Bytes, data: &str| {
        let mut worker = harness.load_assembly(assembly.clone()).await.unwrap();
        worker.json(data).await.data();
    };
    let (echo_first, json_first) = (async || first(&assembly, "1").await, async || first(&reflecting, ORDER).await);
    group.bench_function("first answer without a spare", |bencher| starts(bencher, &runtime, echo_first));
    let name = "first answer without a spare, JSON by reflection";
    group.bench_function(name, |bencher| starts(bencher, &runtime, json_first));
    runtime.block_on(echo(&harness, &assembly));
    runtime.block_on(async {
        harness.engine.start().await;
        while harness.engine.info(MimeType::CSharp).runtime.is_none() {
            tokio::time::sleep(SETTLED).await;
        }
    });
    group.bench_function("first answer with a spare", |bencher| starts(bencher, &runtime, echo_first));
    let name = "first answer with a spare, JSON by reflection";
    group.bench_function(name, |bencher| starts(bencher, &runtime, json_first));
    group.finish();
    runtime.block_on(harness.engine.stop());
}

/// What `start` takes, with a pause before each, in which the next spare process gets ready.
fn starts(bencher: &mut Bencher<'_>, runtime: &Runtime, start: impl AsyncFn()) {
    bencher.to_async(runtime).iter_custom(async |rounds| {
        let mut sum = Duration::ZERO;
        for _ in 0..rounds {
            tokio::time::sleep(SETTLED).await;
            let began = Instant::now();
            start().await;
            sum += began.elapsed();
        }
        sum
    });
}

/// What a new worker costs: with the compiler's process to be started, and with one that has worked before.
async fn compiling(harness: &Harness) -> Bytes {
    // The engine's own programs are there from now on.
    drop(harness.engine.spawn(&harness.manifest).await.unwrap());
    let began = Instant::now();
    let assembly = harness.compile(WORKER).await.unwrap();
    let cold = began.elapsed();
    let mut warm = Vec::new();
    for n in 0..40 {
        let began = Instant::now();
        harness.compile(&format!("{WORKER} // {n}")).await.unwrap();
        warm.push(began.elapsed());
    }
    let second = warm[0];
    warm.sort();
    eprintln!("compile: cold {cold:?}, second {second:?}, median of {} {:?}", warm.len(), warm[warm.len() / 2]);
    assembly
}

async fn echo(harness: &Harness, assembly: &Bytes) {
    let mut worker = harness.load_assembly(assembly.clone()).await.unwrap();
    let mut taken = Vec::new();
    for _ in 0..15_000 {
        let began = Instant::now();
        worker.json(r#"{"hello":"world","n":1}"#).await;
        taken.push(began.elapsed());
    }
    let warm = &mut taken[5_000..];
    warm.sort();
    let at = |percent: usize| warm[warm.len() * percent / 100];
    eprintln!("echo: p50 {:?}, p99 {:?}, n = {}, {} kB resident", at(50), at(99), warm.len(), resident(&worker));
}

fn resident(worker: &Worker) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.process.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

criterion_group!(benches, start);
criterion_main!(benches);
