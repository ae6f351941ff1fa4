//! A worker beside one that takes all it can get.

use std::{
    io::Read as _,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Row, Setting,
    http::{self, Program},
    ours,
};

const JSON: &str = "content-type: application/json\r\n";
const NEIGHBOUR: &str = "def Process(event): return {'type': 'fine', 'data': event['data']}\n";
/// Requests of the neighbour a second: few enough that it does not fill the machine itself.
const RATE: u32 = 200;

/// Of `/proc/stat`, a second: the same on every Linux that Rust has a standard library for.
const TICKS: f64 = 100.0;

/// What harms.
const HARMS: [(&str, &str); 5] = [
    ("loops", "while True: pass"),
    ("allocates", "while True: bytearray(100 << 20)"),
    ("prints", "while True: print('x' * 4096)"),
    ("starts threads", THREADS),
    ("exits at once", "import os; os._exit(1)"),
];
/// Its memory lets it have about 30 at a time.
const THREADS: &str = "import threading, time
    while True:
        try: threading.Thread(target=time.sleep, args=(0.1,)).start()
        except RuntimeError: pass";
/// Takes the share of a core that its argument says, and nothing else.
const PLAIN: &str = "import sys, time
share, start = float(sys.argv[1]), time.monotonic()
while True:
    if time.process_time() < share * (time.monotonic() - start): pass
    else: time.sleep(0.002)";

/// The neighbour's answers while another worker does harm all the time, and while plain processes take as
/// much of the machine's time instead; both take turns.
pub(super) fn neighbours(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    let (turns, time) = if setting.quick { (1, Duration::from_secs(1)) } else { (5, Duration::from_secs(4)) };
    let binary = ours::built("workmanager")?;
    let folder = tempfile::tempdir()?;
    let (mut command, server) = ours::control_plane(&binary, "serve", folder.path())?;
    let _program = Program(command.args(["--log", "error"]).spawn()?);
    http::until("the program is healthy", || http::ask(server, "GET /health", "", "", 200).is_ok())?;
    create(server, "neighbour", NEIGHBOUR)?;
    let (calm, alone) = with_load(|| paced(server, time))?;
    let command = format!("POST /v1/workers/neighbour/invoke, {RATE} a second");
    let mut rows = vec![Row::of_times("neighbour of nobody", "request to answer, ms", calm, command.clone())?];
    for (number, (name, harm)) in HARMS.into_iter().enumerate() {
        let worker = format!("hostile-{number}");
        create(server, &worker, &format!("def Process(event):\n    {harm}\n"))?;
        let (mut beside_worker, mut beside_plain, mut load) = (Vec::new(), Vec::new(), 0.0);
        for _ in 0..turns {
            let (samples, both) = while_provoked(server, &worker, || with_load(|| paced(server, time)))?;
            beside_worker.extend(samples);
            let harms = (both - alone).max(0.0);
            load += harms / turns as f64;
            let _plain = Plain::start(harms)?;
            beside_plain.extend(paced(server, time)?);
        }
        let subject = |who: &str| format!("neighbour of a {who} that {name}");
        let ours = Row::of_times(&subject("worker"), "request to answer, ms", beside_worker, command.clone())?;
        let subject = format!("neighbour of plain processes of its load, {load:.2} cores");
        let plain = Row::of_times(&subject, "request to answer, ms", beside_plain, command.clone())?;
        let times = ours.p99.zip(plain.p99).map_or(f64::NAN, |(ours, plain)| ours / plain);
        let (n, measure) = (ours.n, "p99 beside the worker by p99 beside the processes");
        let times =
            Row { subject: ours.subject.clone(), measure, median: times, p99: None, n, command: command.clone() };
        rows.extend([ours, plain, times]);
    }
    Ok(rows)
}

/// What was measured, and how many cores the machine was busy with meanwhile.
fn with_load<T>(measure: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, f64)> {
    let (before, start) = (busy()?, Instant::now());
    let measured = measure()?;
    Ok((measured, (busy()? - before) / start.elapsed().as_secs_f64()))
}

/// Seconds that the machine's cores worked since its start.
fn busy() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let figures = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<f64> = figures.map(str::parse).collect::<Result<_, _>>()?;
    // user, nice, system, idle, iowait, irq, softirq: see proc_stat(5).
    let worked: f64 = ticks.iter().take(7).enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, t)| t).sum();
    Ok(worked / TICKS)
}

fn create(server: SocketAddr, name: &str, source: &str) -> anyhow::Result<()> {
    let content = STANDARD.encode(source);
    let body = format!(
        "{{\"name\": \"{name}\", \"limits\": {{\"timeout\": \"2s\"}}, \"codeSource\": {{\"content\": \"{content}\"}}}}"
    );
    http::ask(server, "POST /v1/workers", JSON, &body, 201).map(drop)
}

/// Measures while the worker has an event all the time.
fn while_provoked<T>(
    server: SocketAddr,
    worker: &str,
    measure: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let (line, over) = (format!("POST /v1/workers/{worker}/invoke"), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // How it ends does not matter, only that it goes on.
                let answer = http::open(server, &line, http::EVENT, "{}");
                drop(answer.map(|mut answer| answer.read_to_end(&mut Vec::new())));
            }
        });
        // It runs once the first event has got to it.
        thread::park_timeout(Duration::from_millis(200));
        let measured = measure();
        over.store(true, Ordering::Relaxed);
        measured
    })
}

/// The neighbour's answers at a steady rate, each over a connection of its own.
fn paced(server: SocketAddr, time: Duration) -> anyhow::Result<Vec<Duration>> {
    let start = Instant::now();
    let count = (time.as_secs_f64() * f64::from(RATE)) as u32;
    let invoke = |number: u32| {
        let due = start + Duration::from_secs(1) * number / RATE;
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            thread::park_timeout(left);
        }
        let start = Instant::now();
        http::ask(server, "POST /v1/workers/neighbour/invoke", http::EVENT, "{\"a\":1}", 200)?;
        Ok(start.elapsed())
    };
    (0..count).map(invoke).collect()
}

/// Plain processes, ended when dropped.
struct Plain(Vec<Child>);

impl Plain {
    /// So many that together they take `load` cores. Each is in a session of its own, as workers are: a
    /// scheduler that shares time among sessions would let them take from whoever measures, and make the
    /// worker look gentle.
    fn start(load: f64) -> anyhow::Result<Self> {
        let count = load.ceil().max(1.0);
        let start = |_| {
            let mut command = Command::new("setsid");
            command.args(["python3", "-I", "-S", "-c", PLAIN, &(load / count).to_string()]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        };
        let plain = Self((0..count as usize).map(start).collect::<Result<_, _>>()?);
        thread::park_timeout(Duration::from_millis(200));
        Ok(plain)
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
