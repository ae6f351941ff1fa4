//! One worker in a process of the engine.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant as Moment},
};

use bytes::Bytes;
use serde_json::{Value, value::RawValue};
use tokio::time::Instant;
use uuid::Uuid;
use workmanager_core_domain::{
    AttemptId, Digest, Manifest, MimeType,
    event::DataKind,
    outcome::{Failure, LogStream},
    units::Size,
    version::EngineSettings,
};
use workmanager_core_frames::{
    EngineAttemptHead, ErrorHead, FailedWith, Frame, Kind, Limits, LoadHead, LoadedHead, ReplyHead,
};
use workmanager_core_kit::Tasks;
use workmanager_engines_host::{Ended, Engine as _, Level, Process, Step};
use workmanager_engines_python::{Options, Python};

/// Longest time that anything here takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) struct Harness {
    pub(crate) engine: Arc<Python>,
    pub(crate) manifest: Manifest,
}

pub(crate) struct Worker {
    pub(crate) process: Process,
    pub(crate) entry: String,
    pub(crate) loading: Answer,
    pub(crate) timeout: Duration,
    pub(crate) log_bytes: usize,
    attempts: u128,
}

/// How an exchange ended, and what was written during it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) ended: Ended,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) truncated: bool,
}

pub(crate) fn python() -> Options {
    Options { path: path(), cache: Some(cache()), ..Options::default() }
}

#[expect(clippy::disallowed_methods, reason = "tests have no command line")]
fn path() -> Option<std::ffi::OsString> {
    std::env::var_os("PATH")
}

/// The engine's compiled files are kept between tests, like in real life.
fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(python())
    }

    /// For workers that start programs and write files.
    pub(crate) fn trusted() -> Self {
        Self::with(Options { sandbox: Level::Off, ..python() })
    }

    pub(crate) fn with(options: Options) -> Self {
        let manifest = Manifest {
            format: Manifest::FORMAT,
            mime_type: MimeType::Python,
            source: Digest::of(b""),
            artefact: None,
            engine: EngineSettings::default(),
            memory: Size(256 << 20),
            config: BTreeMap::new(),
        };
        Self { engine: Arc::new(Python::new(options, Tasks::new())), manifest }
    }

    pub(crate) async fn try_load(&self, source: &str) -> Result<Worker, Failure> {
        let mut process = self.engine.spawn(&self.manifest).await.unwrap();
        process.begin(Instant::now() + LONG, 64 << 10, Limits::CODE);
        let head = LoadHead {
            digest: Digest::of(source.as_bytes()),
            manifest: self.manifest.clone(),
            file_name: self.engine.file_name("orders"),
            policy: self.engine.policy(&self.manifest, &process),
        };
        process.send(&Frame::new(Kind::Load, &head, Bytes::copy_from_slice(source.as_bytes())).unwrap()).await.unwrap();
        let loading = exchange(&mut process).await;
        let Ended::Answered(frame) = &loading.ended else { panic!("{loading:?}") };
        if frame.kind != Kind::Loaded {
            return Err(failure(frame));
        }
        let entry = frame.head::<LoadedHead>().unwrap().entry;
        Ok(Worker { process, entry, loading, timeout: LONG, log_bytes: 64 << 10, attempts: 0 })
    }

    pub(crate) async fn load(&self, source: &str) -> Worker {
        self.try_load(source).await.unwrap_or_else(|failure| panic!("{failure:?}"))
    }
}

pub(crate) async fn load(source: &str) -> Worker {
    Harness::new().load(source).await
}

async fn exchange(process: &mut Process) -> Answer {
    let (mut stdout, mut stderr, mut truncated) = (Vec::new(), Vec::new(), false);
    loop {
        match process.next().await {
            Step::Output(piece) => {
                truncated |= piece.truncated;
                match piece.stream {
                    LogStream::Stdout => stdout.extend_from_slice(&piece.bytes),
                    LogStream::Stderr => stderr.extend_from_slice(&piece.bytes),
                }
            }
            Step::Ended(ended) => {
                let text = |bytes| String::from_utf8(bytes).unwrap();
                return Answer { ended, stdout: text(stdout), stderr: text(stderr), truncated };
            }
        }
    }
}

fn failure(frame: &Frame) -> Failure {
    match frame.head::<ErrorHead>().unwrap().error {
        FailedWith::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

impl Worker {
    /// Hands an event with JSON data to the worker.
    pub(crate) async fn json(&mut self, data: &str) -> Answer {
        self.event("{}", DataKind::Json, data.as_bytes()).await
    }

    /// Hands an event to the worker; `extra` is a JSON object of attributes.
    pub(crate) async fn event(&mut self, extra: &str, data: DataKind, body: &[u8]) -> Answer {
        self.attempts += 1;
        let mut attributes: BTreeMap<String, Value> = serde_json::from_str(extra).unwrap();
        for (name, value) in [("specversion", "1.0"), ("id", "e1"), ("source", "/test"), ("type", "test.happened")] {
            attributes.entry(name.to_owned()).or_insert_with(|| value.into());
        }
        let attributes = RawValue::from_string(serde_json::to_string(&attributes).unwrap()).unwrap();
        let attempt = AttemptId::new(Uuid::from_u128(self.attempts));
        let left_ms = u64::try_from(self.timeout.as_millis()).unwrap();
        let head = EngineAttemptHead { attempt, event: &attributes, data, left_ms };
        let frame = Frame::new(Kind::Attempt, &head, Bytes::copy_from_slice(body)).unwrap();
        self.process.begin(Instant::now() + self.timeout, self.log_bytes, Limits::EVENTS);
        if let Err(ended) = self.process.send(&frame).await {
            return Answer { ended, stdout: String::new(), stderr: String::new(), truncated: false };
        }
        exchange(&mut self.process).await
    }
}

impl Answer {
    /// The reply's attributes and data.
    pub(crate) fn reply(&self) -> (BTreeMap<String, Value>, DataKind, Bytes) {
        let Ended::Answered(frame) = &self.ended else { panic!("{self:?}") };
        assert_eq!(frame.kind, Kind::Result, "{}", String::from_utf8_lossy(&frame.head));
        let head: ReplyHead = frame.head().unwrap();
        (head.reply.unwrap(), head.data, frame.body.clone())
    }

    /// The reply's data as text.
    pub(crate) fn data(&self) -> String {
        String::from_utf8(self.reply().2.to_vec()).unwrap()
    }

    pub(crate) fn is_no_reply(&self) -> bool {
        let Ended::Answered(frame) = &self.ended else { panic!("{self:?}") };
        frame.kind == Kind::Result && frame.head::<ReplyHead>().unwrap().reply.is_none() && frame.body.is_empty()
    }

    pub(crate) fn failure(&self) -> Failure {
        let Ended::Answered(frame) = &self.ended else { panic!("{self:?}") };
        assert_eq!(frame.kind, Kind::Error, "{}", String::from_utf8_lossy(&frame.head));
        failure(frame)
    }
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Moment::now() + LONG;
    while !condition() {
        assert!(Moment::now() < until, "{what}: it never happened");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process is there and not dead.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}
