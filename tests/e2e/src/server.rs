//! A real control plane in a process of its own.

use std::{
    ffi::OsString,
    fs::File,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use ureq::{Agent, http};

use crate::{Dotnet, eventually, within, workmanager};

/// A running `workmanager`, stopped when dropped.
pub struct Server {
    child: Child,
    url: String,
    directory: PathBuf,
    _temporary: Option<TempDir>,
    agent: Agent,
}

/// An answer: status and body.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// Fails unless the status is `expected`.
    #[must_use]
    #[track_caller]
    pub fn expect(self, expected: u16) -> Self {
        assert_eq!(self.status, expected, "{}", self.text);
        self
    }
}

/// Standard base64.
#[must_use]
pub fn base64(text: &(impl AsRef<[u8]> + ?Sized)) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| char::from(ALPHABET[(bits & 63) as usize]);
    let mut out = String::new();
    for chunk in text.as_ref().chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digits = [digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), digit(bits)];
        out.extend(digits.iter().take(chunk.len() + 1));
        out.extend(std::iter::repeat_n('=', 3 - chunk.len()));
    }
    out
}

impl Server {
    /// `workmanager serve` on free ports with a data directory of its own.
    #[must_use]
    pub fn serve(arguments: &[&str]) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let directory = temporary.path().to_owned();
        Self::start("serve", directory, Some(temporary), arguments)
    }

    /// `workmanager serve` on a data directory that stays.
    #[must_use]
    pub fn serve_in(directory: &Path, arguments: &[&str]) -> Self {
        Self::start("serve", directory.to_owned(), None, arguments)
    }

    /// `workmanager dev` with these files, in their directory.
    #[must_use]
    pub fn dev(arguments: &[&str]) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let directory = temporary.path().to_owned();
        Self::start("dev", directory, Some(temporary), arguments)
    }

    /// `workmanager dev` or `serve` with this .NET.
    #[must_use]
    pub fn with_dotnet(dotnet: &Dotnet, verb: &str, arguments: &[&str]) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let directory = temporary.path().to_owned();
        Self::start_with(&dotnet.environment(), verb, directory, Some(temporary), arguments)
    }

    /// The same with these variables.
    #[must_use]
    pub fn with_environment(environment: &[(&str, OsString)], verb: &str, arguments: &[&str]) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let directory = temporary.path().to_owned();
        Self::start_with(environment, verb, directory, Some(temporary), arguments)
    }

    /// `workmanager serve` with this .NET, on a data directory that stays.
    #[must_use]
    pub fn with_dotnet_in(dotnet: &Dotnet, directory: &Path, arguments: &[&str]) -> Self {
        Self::start_with(&dotnet.environment(), "serve", directory.to_owned(), None, arguments)
    }

    fn start(verb: &str, directory: PathBuf, temporary: Option<TempDir>, arguments: &[&str]) -> Self {
        Self::start_with(&[], verb, directory, temporary, arguments)
    }

    fn start_with(
        environment: &[(&str, OsString)],
        verb: &str,
        directory: PathBuf,
        temporary: Option<TempDir>,
        arguments: &[&str],
    ) -> Self {
        let [http, internal] = free_ports();
        let mut command = Command::new(workmanager());
        command.arg(verb).args(["--http-port", &http.to_string(), "--internal-port", &internal.to_string()]);
        command.arg("--data-dir").arg(directory.join("data")).args(arguments).current_dir(&directory);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        Self::spawn(command, format!("http://127.0.0.1:{http}"), directory, temporary)
    }

    /// Runs `command`, which serves at `url`, and waits until it is healthy.
    #[must_use]
    pub fn spawn(mut command: Command, url: String, directory: PathBuf, temporary: Option<TempDir>) -> Self {
        let screen = File::create(directory.join("screen.txt")).expect("a file for its output");
        command.stdin(Stdio::null()).stdout(screen).process_group(0);
        let child = command.spawn().expect("workmanager starts");
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
        let mut server = Self { child, url, directory, _temporary: temporary, agent: config.build().into() };
        let health = format!("{}/health", server.url);
        // The first one with .NET compiles the engine's programs, and the machine may be busy.
        within(Duration::from_secs(120), "the server is healthy", || {
            if let Some(status) = server.child.try_wait().expect("it can be waited for") {
                panic!("workmanager ended: {status}");
            }
            server.agent.get(&health).call().ok().filter(|answer| answer.status() == 200)
        });
        server
    }

    /// Where it serves.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its working directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What it has printed.
    #[must_use]
    pub fn screen(&self) -> String {
        std::fs::read_to_string(self.directory.join("screen.txt")).unwrap_or_default()
    }

    /// A request with a JSON body (none for null).
    #[track_caller]
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let headers: &[_] = if body.is_null() { &[] } else { &[("content-type", "application/json")] };
        self.send(method, path, headers, text.as_bytes())
    }

    /// Any request.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).expect("a request");
        let mut answer = self.agent.run(request).unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let text = answer.body_mut().read_to_string().expect("a body in UTF-8");
        Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), text }
    }

    /// The status of a request that may find nobody any more, which is `Some(0)`.
    #[must_use]
    pub fn attempt(&self, method: &str, path: &str) -> Option<u16> {
        let request = http::Request::builder().method(method).uri(format!("{}{path}", self.url)).body(()).ok()?;
        Some(self.agent.run(request).map_or(0, |answer| answer.status().as_u16()))
    }

    /// A started worker with this source on this topic.
    #[track_caller]
    pub fn worker(&self, name: &str, topic: &str, source: &str) -> Value {
        let content = base64(source);
        let body = serde_json::json!({
            "name": name, "topic": topic, "codeSource": {"content": content}, "start": true,
        });
        self.call("POST", "/v1/workers", &body).expect(201).json()
    }

    /// What it says of a topic, once it has one of that name.
    #[must_use]
    #[track_caller]
    pub fn topic(&self, name: &str) -> Option<Value> {
        let all = self.call("GET", "/v1/topics", &Value::Null).expect(200).json();
        let mut topics = all["topics"].as_array().expect("a list of topics").iter();
        let found = topics.find(|topic| topic["topic"] == name)?;
        // A misspelt member would read as null, and never be what it is compared with.
        assert!(found["state"].is_string(), "a topic has a state: {found}");
        Some(found.clone())
    }

    /// Publishes one event with JSON data; its reply goes to `replies`.
    #[track_caller]
    pub fn publish(&self, topic: &str, id: &str, data: &Value) {
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", id),
            ("ce-source", "/test"),
            ("ce-type", "test"),
            ("ce-replytopic", "replies"),
            ("content-type", "application/json"),
        ];
        let answer = self.send("POST", &format!("/v1/topics/{topic}/events"), &headers, data.to_string().as_bytes());
        assert_eq!(answer.expect(202).json(), serde_json::json!({"accepted": [id]}));
    }

    /// Follows a topic.
    #[must_use]
    pub fn tail(&self, topic: &str, query: &str) -> Tail {
        Tail::open(&format!("{}/v1/topics/{topic}/events?follow=true{query}", self.url))
    }

    /// The value of a metric, labels included in `name`.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = self.call("GET", "/metrics", &Value::Null).text;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("it can be signalled");
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn ended(&mut self) -> std::process::ExitStatus {
        eventually("the server ends", || self.child.try_wait().expect("it can be waited for"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            if !std::thread::panicking() {
                self.ended();
                return;
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A followed topic.
pub struct Tail {
    events: mpsc::Receiver<Value>,
}

impl Tail {
    fn open(url: &str) -> Self {
        let (sender, events) = mpsc::channel();
        let config = Agent::config_builder().timeout_connect(Some(Duration::from_secs(5))).build();
        let answer = Agent::from(config).get(url).call().expect("the tail opens");
        // Ends when the server does, or when nobody listens any more.
        std::thread::spawn(move || {
            for line in BufReader::new(answer.into_body().into_reader()).lines().map_while(Result::ok) {
                let Some(data) = line.strip_prefix("data:") else { continue };
                let event = serde_json::from_str(data).expect("an event in JSON");
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        Self { events }
    }

    /// The next event.
    #[must_use]
    #[track_caller]
    pub fn next(&self) -> Value {
        self.events.recv_timeout(Duration::from_secs(30)).expect("another event")
    }

    /// The next event if it comes within `limit`.
    #[must_use]
    pub fn next_within(&self, limit: Duration) -> Option<Value> {
        self.events.recv_timeout(limit).ok()
    }
}

/// Ports that were free a moment ago, below those that the system gives to clients: nobody takes them by
/// chance meanwhile.
///
/// # Panics
/// There are none.
#[must_use]
pub fn free_ports<const N: usize>() -> [u16; N] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let port = || {
        let count = NEXT.fetch_add(1, Ordering::Relaxed);
        // Test programs that run side by side begin at different places.
        let port = 10_000 + (std::process::id().wrapping_mul(97).wrapping_add(count) % 20_000);
        u16::try_from(port).ok().filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
    };
    std::array::from_fn(|_| (0..1_000).find_map(|_| port()).expect("a free port"))
}
