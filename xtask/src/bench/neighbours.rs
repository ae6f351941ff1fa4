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

/// What harms, and a plain process that does the same.
const HARMS: [(&str, &str, &str); 5] = [
    ("loops", "while True: pass", "while True: pass"),
    ("allocates", "while True: bytearray(100 << 20)", "while True: bytearray(100 << 20)"),
    ("prints", "while True: print('x' * 4096)", "while True: print('x' * 4096)"),
    ("starts threads", WORKERS_THREADS, PLAIN_THREADS),
    ("exits at once", "import os; os._exit(1)", PLAIN_EXITS),
];
/// Its memory lets it have about 30 at a time.
const WORKERS_THREADS: &str = "import threading, time
    while True:
        try: threading.Thread(target=time.sleep, args=(0.1,)).start()
        except RuntimeError: pass";
const PLAIN_THREADS: &str = "import threading, time
while True:
    if threading.active_count() < 30: threading.Thread(target=time.sleep, args=(0.1,)).start()";
const PLAIN_EXITS: &str = "import os
while True:
    if os.fork() == 0: os._exit(1)
    os.wait()";

/// The neighbour's answers while another worker does harm all the time, and while a plain process does the
/// same instead; both take turns.
pub(super) fn neighbours(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    let (turns, time) = if setting.quick { (1, Duration::from_secs(1)) } else { (5, Duration::from_secs(4)) };
    let binary = ours::built("workmanager")?;
    let folder = tempfile::tempdir()?;
    let (mut command, server) = ours::control_plane(&binary, "serve", folder.path())?;
    let _program = Program(command.args(["--log", "error"]).spawn()?);
    http::until("the program is healthy", || http::ask(server, "GET /health", "", "", 200).is_ok())?;
    create(server, "neighbour", NEIGHBOUR)?;
    let mut rows = Vec::new();
    for (number, (name, harm, plain)) in HARMS.into_iter().enumerate() {
        let worker = format!("hostile-{number}");
        create(server, &worker, &format!("def Process(event):\n    {harm}\n"))?;
        let (mut beside_worker, mut beside_process) = (Vec::new(), Vec::new());
        for _ in 0..turns {
            beside_worker.extend(while_provoked(server, &worker, || paced(server, time))?);
            let process = Busy::start(plain)?;
            beside_process.extend(paced(server, time)?);
            drop(process);
        }
        let command = format!("POST /v1/workers/neighbour/invoke, {RATE} a second");
        let subject = |who: &str| format!("neighbour of a {who} that {name}");
        let ours = Row::of_times(&subject("worker"), "request to answer, ms", beside_worker, command.clone())?;
        let plain = Row::of_times(&subject("plain process"), "request to answer, ms", beside_process, command.clone())?;
        let times = ours.p99.zip(plain.p99).map_or(f64::NAN, |(ours, plain)| ours / plain);
        let (n, measure) = (ours.n, "p99 beside the worker by p99 beside the process");
        rows.extend([ours, plain, Row { subject: subject("worker"), measure, median: times, p99: None, n, command }]);
    }
    Ok(rows)
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

/// A plain process, ended when dropped.
struct Busy(Child);

impl Busy {
    /// In a session of its own, as workers are: a scheduler that shares time among sessions would let it take
    /// from whoever measures, and make the worker look gentle.
    fn start(source: &str) -> anyhow::Result<Self> {
        let mut command = Command::new("setsid");
        command
            .args(["python3", "-I", "-S", "-c", source])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = Self(command.spawn()?);
        thread::park_timeout(Duration::from_millis(200));
        Ok(child)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
