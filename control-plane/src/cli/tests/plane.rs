//! A real control plane for the command line: the API, the use cases and the embedded store. Only the
//! function is a fake.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::net::TcpListener;
use workmanager_adapters_embedded::{Config, Location, Store};
use workmanager_core_delivery::{Artefact, Candidate, Reach, Roster, Target, TargetError, Verdict};
use workmanager_core_domain::{
    EngineInfo, MimeType, Outcome, Timestamp,
    attempt::Attempt,
    outcome::{Failure, FailureKind, LogLine, LogStream, Report},
};
use workmanager_core_kit::{
    SystemClock, Tasks, UuidV7,
    http::{Listener, serve},
};

use super::fake::{Ran, run};
use crate::{
    api::{self, Api, Gate, Readiness, Stage},
    app::{self, App, Settings},
    feed::Feed,
    router::{self, Router},
};

/// A function that runs nothing: code with a `syntax error` does not load, events of type `fails` fail,
/// and no event has a reply.
struct FakeTarget;

#[async_trait]
impl Target for FakeTarget {
    async fn attempt(&self, attempt: &Attempt) -> Report {
        let failure = || Failure {
            kind: FailureKind::Exception,
            retryable: false,
            error_type: Some("ValueError".to_owned()),
            message: "no price".to_owned(),
            stack: None,
            errors: Vec::new(),
        };
        let fails = attempt.event.kind() == "fails";
        let at = Timestamp::from_micros(0).unwrap();
        let line = || LogLine { at, stream: LogStream::Stderr, text: "red \u{1b}[31malert".to_owned() };
        Report {
            outcome: if fails { Outcome::Failed(failure()) } else { Outcome::NoReply },
            digest: attempt.digest,
            started_at: at,
            duration: Duration::ZERO,
            logs: fails.then(line).into_iter().collect(),
            logs_truncated: false,
        }
    }

    async fn validate(&self, candidate: &Candidate) -> Result<Verdict, TargetError> {
        if String::from_utf8_lossy(&candidate.source).contains("syntax error") {
            return Ok(Verdict::Rejected(Failure {
                kind: FailureKind::LoadFailed,
                retryable: false,
                error_type: Some("SyntaxError".to_owned()),
                message: "SyntaxError: invalid syntax (line 1)".to_owned(),
                stack: Some("  File \"orders.py\", line 1".to_owned()),
                errors: Vec::new(),
            }));
        }
        Ok(Verdict::Loaded { entry: "Process".to_owned(), artefact: Artefact::None })
    }

    async fn engines(&self) -> Vec<EngineInfo> {
        Vec::new()
    }

    fn reach(&self, _: MimeType) -> Reach {
        Reach::Warm
    }
}

/// The control plane; stops when it is dropped.
pub(crate) struct Plane {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    app: App,
    tasks: Tasks,
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

impl Plane {
    /// Starts it on an empty store.
    pub(crate) async fn start() -> Self {
        let tasks = Tasks::new();
        let app = application(&tasks).await;
        let (readiness, metrics) = (Readiness::default(), Arc::new(String::new) as api::Metrics);
        readiness.set(Stage::Ready);
        let rest = api::rest::router(Api { app: app.clone(), gate: Gate::new([]), readiness, metrics });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let (log, answer) = (Arc::clone(&asked), api::Front::new(rest).service());
        let service = move |request: http::Request<hyper::body::Incoming>| {
            log.lock().unwrap().push(format!("{} {}", request.method(), request.uri().path()));
            answer(request)
        };
        tasks.spawn_infallible(serve(Listener::Tcp(listener), service, tasks.stopping(), Duration::ZERO));
        Self { address, asked, app, tasks }
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Runs a command line against it.
    pub(crate) async fn run(&self, line: &[&str]) -> Ran {
        let server = self.url();
        run(&[line, &["--server", &server]].concat()).await
    }

    /// A worker as the API shows it.
    pub(crate) async fn worker(&self, name: &str) -> Value {
        let ran = self.run(&["get", name, "--output", "json"]).await;
        serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"))
    }

    /// The code of a worker.
    pub(crate) async fn code(&self, name: &str) -> String {
        let worker = self.worker(name).await;
        String::from_utf8(STANDARD.decode(worker["codeSource"]["content"].as_str().unwrap()).unwrap()).unwrap()
    }

    /// The names of all workers, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let snapshot = self.app.parts().roster.snapshot();
        let mut names: Vec<_> = snapshot.members().map(|member| member.worker.name.to_string()).collect();
        names.sort_unstable();
        names
    }

    /// What it was asked to change so far: method and path, in order.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().filter(|line| !line.starts_with("GET ")).cloned().collect()
    }
}

async fn application(tasks: &Tasks) -> App {
    let (clock, ids) = (Arc::new(SystemClock::new()), Arc::new(UuidV7));
    let store = Arc::new(Store::open(Config::new(Location::Ephemeral), clock.clone()).unwrap());
    let (roster, target) = (Arc::<Roster>::default(), Arc::new(FakeTarget));
    app::load(&*store, &roster, &*clock).await.unwrap();
    let parts = router::Parts {
        bus: store.clone(),
        records: store.clone(),
        target: target.clone(),
        clock: clock.clone(),
        ids: ids.clone(),
        roster: roster.clone(),
        feed: Feed::default(),
    };
    App::new(app::Parts {
        records: store.clone(),
        blobs: store.clone(),
        bus: store,
        target,
        dedicated: None,
        roster,
        router: Router::start(parts, workmanager_core_delivery::Settings::default(), tasks),
        clock,
        ids,
        tasks: tasks.clone(),
        settings: Settings::default(),
    })
}
