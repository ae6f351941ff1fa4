//! Publishers that keep their connections, and a control plane to publish to.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tempfile::TempDir;

use super::{
    http::{self, Program},
    ours, proc,
};

const ECHO: &str = "def Process(event):\n    return {\"type\": \"echo\", \"data\": event[\"data\"]}\n";
const JSON: &str = "content-type: application/json\r\n";
/// Attempts at a time of the worker.
pub(super) const CONCURRENCY: u32 = 8;

/// Makes a running worker on `orders` that replies to `replies` with the data that it got, with so many attempts at a time.
pub(super) fn create_echo(server: SocketAddr, concurrency: u32) -> anyhow::Result<()> {
    let content = STANDARD.encode(ECHO);
    let body = format!(
        "{{\"name\": \"echo\", \"topic\": \"orders\", \"replyTopic\": \"replies\", \"start\": true, \"limits\": \
         {{\"concurrency\": {concurrency}}}, \"codeSource\": {{\"content\": \"{content}\"}}}}"
    );
    http::ask(server, "POST /v1/workers", JSON, &body, 201).map(drop)
}

/// A control plane on a disk, with a running worker on `orders` that replies to `replies`.
pub(super) struct Plane {
    pub(super) server: SocketAddr,
    program: Program,
    _folder: TempDir,
}

impl Plane {
    pub(super) fn start() -> anyhow::Result<Self> {
        Self::with(&[])
    }

    /// [`Plane::start`] with further options.
    pub(super) fn with(options: &[&str]) -> anyhow::Result<Self> {
        let (binary, folder) = (ours::built("workmanager")?, tempfile::tempdir()?);
        let (mut command, server) = ours::control_plane(&binary, "serve", folder.path())?;
        let program = Program(command.args(["--log", "error"]).args(options).spawn()?);
        http::until("the program is healthy", || http::ask(server, "GET /health", "", "", 200).is_ok())?;
        create_echo(server, CONCURRENCY)?;
        Ok(Self { server, program, _folder: folder })
    }

    /// How many replies are durable.
    pub(super) fn replies(&self) -> anyhow::Result<u64> {
        let metrics = http::ask(self.server, "GET /metrics", "", "", 200)?;
        let line =
            metrics.lines().find(|line| line.starts_with("workmanager_replies_total") && line.contains("published"));
        let number = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or(0.0);
        Ok(number as u64)
    }

    /// Waits until so many replies are durable.
    pub(super) fn replied(&self, count: u64, patience: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        while self.replies()? < count {
            anyhow::ensure!(start.elapsed() < patience, "{} of {count} replies within {patience:?}", self.replies()?);
            // Nobody unparks.
            thread::park_timeout(Duration::from_millis(5));
        }
        Ok(())
    }

    /// A figure of `/proc/PID/status`, in MiB.
    pub(super) fn memory(&self, figure: &str) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(figure)).context("no such figure")?;
        Ok(line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }

    /// Its open descriptors.
    pub(super) fn descriptors(&self) -> anyhow::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.program.0.id()))?.count())
    }

    /// Itself and the processes that come from it.
    pub(super) fn processes(&self) -> anyhow::Result<usize> {
        Ok(proc::family(self.program.0.id())?.len())
    }

    /// Bytes of its data, in MiB.
    pub(super) fn disk(&self) -> anyhow::Result<f64> {
        fn size(folder: &Path) -> u64 {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries
                .map(|entry| entry.metadata().map_or(0, |m| if m.is_dir() { size(&entry.path()) } else { m.len() }))
                .sum()
        }
        Ok(size(self._folder.path()) as f64 / f64::from(1 << 20))
    }
}

/// One connection that publishes.
pub(super) struct Publisher(BufReader<TcpStream>);

impl Publisher {
    pub(super) fn connect(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(http::PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Publishes one event of 1 KB. Says whether it was accepted; if not, it was refused for now.
    pub(super) fn publish(&mut self, id: &str) -> anyhow::Result<bool> {
        let body = format!("{{\"text\":\"{}\"}}", "x".repeat(1_000));
        let request = format!(
            "POST /v1/topics/orders/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             ce-specversion: 1.0\r\nce-id: {id}\r\nce-source: /bench\r\nce-type: bench\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes())?;
        let (mut line, mut length, mut status) = (String::new(), 0, String::new());
        loop {
            line.clear();
            anyhow::ensure!(self.0.read_line(&mut line)? > 0, "the connection was closed");
            if status.is_empty() {
                status = line.trim().to_owned();
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        std::io::copy(&mut self.0.by_ref().take(length), &mut std::io::sink())?;
        match status.split(' ').nth(1) {
            Some("202") => Ok(true),
            Some("503" | "429") => Ok(false),
            _ => anyhow::bail!("{status}"),
        }
    }
}

/// Publishes from this many connections until `more` says no. Returns how many were accepted, and how
/// many were refused.
pub(super) fn flood(
    to: SocketAddr,
    name: &str,
    connections: usize,
    more: impl Fn(u64) -> bool + Sync,
) -> anyhow::Result<(u64, u64)> {
    let (next, accepted, refused) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let publish = || -> anyhow::Result<()> {
        let mut publisher = Publisher::connect(to)?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if !more(number) {
                return Ok(());
            }
            let counter = if publisher.publish(&format!("{name}-{number}"))? { &accepted } else { &refused };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(publish)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow::anyhow!("a publisher panicked"))?)
    })?;
    Ok((accepted.into_inner(), refused.into_inner()))
}

/// Publishes at a steady rate for some time, and measures from each publish to its reply on the tail.
pub(super) fn paced(to: SocketAddr, name: &str, rate: u32, time: Duration) -> anyhow::Result<Vec<Duration>> {
    let sent: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let tail = http::open(to, "GET /v1/topics/replies/events?follow=true", "", "")?;
    let count = (time.as_secs_f64() * f64::from(rate)) as usize;
    let (begun, wanted) = (sent.clone(), count);
    let reader = thread::spawn(move || {
        let mut samples = Vec::new();
        for line in tail.lines().map_while(Result::ok).filter(|line| line.starts_with("data:")) {
            let cause = line.split("\"causationid\":\"").nth(1).and_then(|rest| rest.split('"').next());
            let start = cause.and_then(|cause| begun.lock().unwrap_or_else(PoisonError::into_inner).remove(cause));
            samples.extend(start.map(|start| start.elapsed()));
            if samples.len() == wanted {
                break;
            }
        }
        samples
    });
    let mut publisher = Publisher::connect(to)?;
    let start = Instant::now();
    for number in 0..count {
        let due = start + Duration::from_secs_f64(number as f64 / f64::from(rate));
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            thread::park_timeout(left);
        }
        let id = format!("{name}-{number}");
        sent.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), Instant::now());
        anyhow::ensure!(publisher.publish(&id)?, "an event was refused");
    }
    reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))
}
