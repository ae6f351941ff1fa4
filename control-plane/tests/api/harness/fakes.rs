//! What the world around the API does in these tests.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;
use workmanager_core_delivery::{Artefact, Candidate, Compiled, Reach, Target, TargetError, Verdict};
use workmanager_core_domain::{
    EngineInfo, MimeType, Outcome, Timestamp,
    attempt::Attempt,
    engine::Mechanism,
    outcome::{CodeError, Failure, FailureKind, LogLine, LogStream, Report},
    ports::{Clock, Ids},
    reply,
};

/// A clock that moves when it is told to.
pub(crate) struct FakeClock(Mutex<Timestamp>);

impl Default for FakeClock {
    fn default() -> Self {
        Self(Mutex::new("2026-11-25T10:00:00Z".parse().unwrap()))
    }
}

impl FakeClock {
    pub(crate) fn pass(&self, time: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.plus(time);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.now().since(Timestamp::from_micros(0).unwrap())
    }
}

/// Identifiers in order: 1, 2, 3, …
#[derive(Default)]
pub(crate) struct FakeIds(AtomicU64);

impl FakeIds {
    /// No identifier is given out that `other` gave out.
    pub(crate) fn go_on_after(&self, other: &Self) {
        self.0.store(other.0.load(Ordering::SeqCst) + 1_000, Ordering::SeqCst);
    }
}

impl Ids for FakeIds {
    fn next(&self) -> Uuid {
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 | u128::from(number))
    }
}

/// A function that never runs code: what is in the code says whether it loads, and what an attempt
/// answers is what the test has put there, or the event itself.
pub(crate) struct FakeTarget {
    outcomes: Mutex<VecDeque<Outcome>>,
    by_kind: Mutex<HashMap<String, Outcome>>,
    reach: Mutex<Reach>,
    unreachable: Mutex<bool>,
    /// Attempts wait here for a permit when the gate is closed.
    gate: Semaphore,
    closed: Mutex<bool>,
    /// Told when an attempt waits at the gate.
    pub(crate) waiting: Notify,
    pub(crate) attempts: Mutex<Vec<Attempt>>,
    lines: Mutex<Vec<String>>,
    pub(crate) candidates: Mutex<Vec<Candidate>>,
    /// What compiles C# here.
    pub(crate) toolchain: Mutex<String>,
}

impl Default for FakeTarget {
    fn default() -> Self {
        Self {
            outcomes: Mutex::default(),
            by_kind: Mutex::default(),
            reach: Mutex::new(Reach::Warm),
            unreachable: Mutex::new(false),
            gate: Semaphore::new(0),
            closed: Mutex::new(false),
            waiting: Notify::new(),
            attempts: Mutex::default(),
            lines: Mutex::default(),
            candidates: Mutex::default(),
            toolchain: Mutex::new("this compiler".to_owned()),
        }
    }
}

impl FakeTarget {
    /// Every attempt on an event of this type ends so.
    pub(crate) fn of_kind(&self, kind: &str, outcome: Outcome) {
        self.by_kind.lock().unwrap().insert(kind.to_owned(), outcome);
    }

    /// The next attempt writes this.
    pub(crate) fn writes(&self, line: &str) {
        self.lines.lock().unwrap().push(line.to_owned());
    }

    /// The next attempt ends so.
    pub(crate) fn answer(&self, outcome: Outcome) {
        self.outcomes.lock().unwrap().push_back(outcome);
    }

    pub(crate) fn set_reach(&self, reach: Reach) {
        *self.reach.lock().unwrap() = reach;
    }

    /// No function can be reached from now on, or again.
    pub(crate) fn set_unreachable(&self, unreachable: bool) {
        *self.unreachable.lock().unwrap() = unreachable;
    }

    /// Attempts wait until [`Self::open`].
    pub(crate) fn close(&self) {
        *self.closed.lock().unwrap() = true;
    }

    pub(crate) fn open(&self) {
        *self.closed.lock().unwrap() = false;
        self.gate.add_permits(1_000);
    }
}

impl FakeTarget {
    /// Compiles as a function does: only what nobody has compiled with the same toolchain.
    fn compile(&self, candidate: &Candidate) -> Verdict {
        self.candidates.lock().unwrap().push(candidate.clone());
        let toolchain = self.toolchain.lock().unwrap().clone();
        if String::from_utf8_lossy(&candidate.source).contains("syntax error") {
            let place = |line, id: &str| CodeError {
                file: "w.cs".to_owned(),
                line,
                column: 5,
                id: id.to_owned(),
                message: "; expected".to_owned(),
            };
            let errors = vec![place(1, "CS1002"), place(3, "CS1003")];
            return Verdict::Rejected(Failure { errors, ..failure(FailureKind::LoadFailed, "2 errors") });
        }
        let is_made = candidate.made.as_ref().is_some_and(|made| made.toolchain == toolchain);
        let bytes = [toolchain.as_bytes(), b" made this of ", &candidate.source].concat().into();
        let artefact = if is_made { Artefact::AsGiven } else { Artefact::Fresh(Compiled { toolchain, bytes }) };
        Verdict::Loaded { entry: "Process".to_owned(), artefact }
    }
}

fn line(at: Timestamp, text: String) -> LogLine {
    LogLine { at, stream: LogStream::Stdout, text }
}

/// A failure with everything in it.
pub(crate) fn failure(kind: FailureKind, message: &str) -> Failure {
    Failure {
        kind,
        retryable: false,
        error_type: Some("SyntaxError".to_owned()),
        message: message.to_owned(),
        stack: Some(format!("  File \"worker.py\", line 1\n{message}")),
        errors: Vec::new(),
    }
}

#[async_trait]
impl Target for FakeTarget {
    async fn attempt(&self, attempt: &Attempt) -> Report {
        self.attempts.lock().unwrap().push(attempt.clone());
        if *self.closed.lock().unwrap() {
            self.waiting.notify_one();
            self.gate.acquire().await.unwrap().forget();
        }
        let planned = self.outcomes.lock().unwrap().pop_front();
        let planned = planned.or_else(|| self.by_kind.lock().unwrap().get(attempt.event.kind()).cloned());
        let context = reply::Context {
            worker: attempt.worker.id,
            worker_name: attempt.worker.name.as_str(),
            cause: &attempt.event,
            now: "2026-11-25T10:00:01Z".parse().unwrap(),
        };
        let echo = || {
            let attributes = [("type".to_owned(), serde_json::Value::from("echo"))].into();
            Outcome::Replied(Box::new(reply::complete(attributes, attempt.event.data().clone(), context).unwrap()))
        };
        Report {
            outcome: planned.unwrap_or_else(echo),
            digest: attempt.digest,
            started_at: context.now,
            duration: Duration::from_millis(1),
            logs: self.lines.lock().unwrap().drain(..).map(|text| line(context.now, text)).collect(),
            logs_truncated: false,
        }
    }

    async fn validate(&self, candidate: &Candidate) -> Result<Verdict, TargetError> {
        if *self.unreachable.lock().unwrap() {
            return Err(TargetError::Unavailable { reason: "no function answers".to_owned() });
        }
        if candidate.manifest.mime_type == MimeType::CSharp {
            return Ok(self.compile(candidate));
        }
        if candidate.manifest.mime_type != MimeType::Python {
            let mime_type = candidate.manifest.mime_type.to_string();
            return Err(TargetError::NoEngine { mime_type, reason: "only Python".to_owned() });
        }
        self.candidates.lock().unwrap().push(candidate.clone());
        let text = String::from_utf8_lossy(&candidate.source);
        if text.contains("syntax error") {
            return Ok(Verdict::Rejected(failure(FailureKind::LoadFailed, "invalid syntax (line 1)")));
        }
        Ok(Verdict::Loaded { entry: "Process".to_owned(), artefact: Artefact::None })
    }

    async fn engines(&self) -> Vec<EngineInfo> {
        vec![EngineInfo {
            mime_type: MimeType::Python,
            language: "python".to_owned(),
            runtime: Some("CPython 3.12.1".to_owned()),
            available: true,
            reason: None,
            sandbox: vec![Mechanism { name: "no-new-privs".to_owned(), active: true, note: None }],
        }]
    }

    fn reach(&self, _: MimeType) -> Reach {
        *self.reach.lock().unwrap()
    }
}
