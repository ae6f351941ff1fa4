//! A dispatcher, and where it fetches code.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant as Moment},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::value::RawValue;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::Notify, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;
use workmanager_core_domain::{
    AttemptId, Digest, Manifest, MimeType, WorkerId, event::DataKind, outcome::LogStream, units::Size,
    version::EngineSettings,
};
use workmanager_core_frames::{
    AttemptHead, AttemptLimits, ErrorHead, FailedWith, Frame, Kind, LogHead, ReplyHead, ValidateHead,
};
use workmanager_core_kit::{
    SystemClock, Tasks,
    http::{Listener, serve},
};
use workmanager_engines_host::Registry;
use workmanager_engines_python::{Options as PythonOptions, Python};
use workmanager_functions_dispatcher::{Dispatcher, Error, Exchange, Options, Step, Work};

use crate::compiling::Compiling;

pub(crate) const LONG: Duration = Duration::from_secs(30);
pub(crate) const GRANT: &str = "good-grant";

pub(crate) const ECHO: &str = "
import os
def Process(event): return {'type': 't', 'data': [os.getpid(), event['data']]}
";

/// The control plane's code listener.
#[derive(Default)]
pub(crate) struct Store {
    blobs: Mutex<HashMap<String, Bytes>>,
    pub(crate) requests: AtomicUsize,
    /// While it is there, answers wait for a permit.
    pub(crate) hold: Mutex<Option<Arc<Notify>>>,
}

impl Store {
    pub(crate) fn put(&self, digest: Digest, bytes: impl Into<Bytes>) {
        self.blobs.lock().unwrap().insert(digest.hex(), bytes.into());
    }

    pub(crate) fn remove(&self, digest: Digest) {
        self.blobs.lock().unwrap().remove(&digest.hex());
    }

    /// Adds a version of Python code.
    pub(crate) fn version(&self, source: &str) -> (Digest, Manifest) {
        let manifest = manifest(source);
        let canonical = manifest.canonical().unwrap();
        let digest = Digest::of(&canonical);
        self.put(digest, canonical);
        self.put(manifest.source, source.to_owned());
        (digest, manifest)
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let hold = self.hold.lock().unwrap().clone();
        if let Some(hold) = hold {
            hold.notified().await;
        }
        let status = |status| Response::builder().status(status).body(Full::default()).unwrap();
        if request.headers()["authorization"] != format!("Bearer {GRANT}") {
            return status(StatusCode::FORBIDDEN);
        }
        let hex = request.uri().path().strip_prefix("/v1/blobs/").unwrap();
        match self.blobs.lock().unwrap().get(hex) {
            Some(bytes) => Response::new(Full::new(bytes.clone())),
            None => status(StatusCode::NOT_FOUND),
        }
    }
}

pub(crate) fn manifest(source: &str) -> Manifest {
    Manifest {
        format: Manifest::FORMAT,
        mime_type: MimeType::Python,
        source: Digest::of(source.as_bytes()),
        artefact: None,
        engine: EngineSettings::default(),
        memory: Size(256 << 20),
        config: BTreeMap::new(),
    }
}

pub(crate) struct Harness {
    pub(crate) store: Arc<Store>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) cache: TempDir,
    pub(crate) limits: AttemptLimits,
    url: String,
    _stop: DropGuard,
}

impl Harness {
    pub(crate) async fn new() -> Self {
        Self::with(32).await
    }

    pub(crate) async fn with(max_engines: usize) -> Self {
        let store = Arc::new(Store::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let service = {
            let store = store.clone();
            move |request| store.clone().answer(request)
        };
        Tasks::new().spawn_infallible(serve(Listener::Tcp(listener), service, stop.clone(), Duration::ZERO));
        let cache = tempfile::tempdir().unwrap();
        let dispatcher = dispatcher(&cache, Some(&url), max_engines);
        let limits = AttemptLimits { timeout_ms: 30_000, log_bytes: 64 << 10, concurrency: 1 };
        Self { store, dispatcher, cache, limits, url, _stop: stop.drop_guard() }
    }

    /// As after a restart of the function: the disk is the same, memory is not.
    pub(crate) fn restart(&mut self) {
        self.dispatcher = dispatcher(&self.cache, Some(&self.url), 32);
    }

    pub(crate) fn work(&self, worker: u128, digest: Digest, data: &str) -> Work {
        let head = AttemptHead {
            attempt: AttemptId::new(Uuid::now_v7()),
            worker: WorkerId::new(Uuid::from_u128(worker)),
            worker_name: format!("worker-{worker}"),
            digest,
            grant: GRANT.to_owned(),
            limits: self.limits,
            event: RawValue::from_string(r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#.to_owned())
                .unwrap(),
            data: DataKind::Json,
        };
        let deadline = Instant::now() + Duration::from_millis(self.limits.timeout_ms);
        Work { head, body: Bytes::copy_from_slice(data.as_bytes()), deadline }
    }

    pub(crate) async fn begin(&self, worker: u128, digest: Digest, data: &str) -> Result<Exchange, Error> {
        self.dispatcher.begin(self.work(worker, digest, data)).await
    }

    pub(crate) async fn run(&self, worker: u128, digest: Digest, data: &str) -> Answer {
        finish(self.begin(worker, digest, data).await.unwrap()).await
    }

    pub(crate) async fn validate(&self, source: &str, timeout: Duration) -> Result<Frame, Error> {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap();
        let worker = WorkerId::new(Uuid::from_u128(1));
        let head = ValidateHead {
            worker,
            worker_name: "worker-1".into(),
            manifest: manifest(source),
            toolchain: None,
            timeout_ms,
        };
        self.dispatcher.validate(head, Bytes::copy_from_slice(source.as_bytes())).await
    }
}

pub(crate) fn dispatcher(cache: &TempDir, url: Option<&str>, max_engines: usize) -> Arc<Dispatcher> {
    let tasks = Tasks::new();
    let cache_home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache");
    let python = PythonOptions { python: None, path: path(), cache: Some(cache_home), ..PythonOptions::default() };
    let registry = Registry::new()
        .with(Arc::new(Python::new(python.clone(), tasks.clone())))
        .with(Arc::new(Compiling(Python::new(python, tasks.clone()))));
    let options = Options {
        code_url: url.map(|url| url.parse().unwrap()),
        cache: Some(cache.path().to_owned()),
        cache_limit: 1 << 30,
        max_engines,
    };
    Arc::new(Dispatcher::new(options, registry, Arc::new(SystemClock::new()), tasks))
}

#[expect(clippy::disallowed_methods, reason = "tests have no command line")]
fn path() -> Option<std::ffi::OsString> {
    std::env::var_os("PATH")
}

/// What an exchange brought.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) last: Frame,
    pub(crate) stdout: String,
}

pub(crate) async fn finish(mut exchange: Exchange) -> Answer {
    let mut stdout = String::new();
    loop {
        match exchange.next().await.unwrap() {
            Step::Log(frame) => {
                if frame.head::<LogHead>().unwrap().stream == LogStream::Stdout {
                    stdout.push_str(std::str::from_utf8(&frame.body).unwrap());
                }
            }
            Step::Final(last) => return Answer { last, stdout },
        }
    }
}

impl Answer {
    pub(crate) fn data(&self) -> String {
        assert_eq!(self.last.kind, Kind::Result, "{}", String::from_utf8_lossy(&self.last.head));
        assert!(self.last.head::<ReplyHead>().unwrap().reply.is_some());
        String::from_utf8(self.last.body.to_vec()).unwrap()
    }

    /// For workers that answer `[pid, data]`.
    pub(crate) fn pid(&self) -> u32 {
        serde_json::from_str::<(u32, serde_json::Value)>(&self.data()).unwrap().0
    }

    pub(crate) fn error(&self) -> ErrorHead {
        assert_eq!(self.last.kind, Kind::Error);
        self.last.head().unwrap()
    }

    pub(crate) fn failure(&self) -> workmanager_core_domain::outcome::Failure {
        match self.error().error {
            FailedWith::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Moment::now() + LONG;
    while !condition() {
        assert!(Moment::now() < until, "{what}: it never happened");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn exists(pid: u32) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

/// Kills a process and waits, without letting the runtime see anything, until it is dead.
pub(crate) fn kill(pid: u32) {
    assert!(std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    let until = Moment::now() + LONG;
    let is_dead = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with(['Z', 'X']))
    };
    while !is_dead() {
        assert!(Moment::now() < until, "process {pid} does not die");
        std::thread::yield_now();
    }
}
