//! The local target: one function process for all workers of this machine.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;
use workmanager_core_delivery::{Artefact, Candidate, Compiled, Reach, Target, TargetError, Verdict};
use workmanager_core_domain::{
    EngineInfo, MimeType, Outcome,
    attempt::Attempt,
    outcome::{Failure, FailureKind, Report},
    ports::Clock,
};
use workmanager_core_frames::{ErrorHead, FailedWith, FrameError, Kind, Limits, LoadedHead};
use workmanager_core_kit::Tasks;

use super::{
    Error, Options,
    answer::{self, Answer, Frames, Problem},
    process::{Function, Launch},
    request,
};
use crate::{feed::Feed, grant::Grants};

/// How much later than the function we give up waiting for its answer: it measures the attempt's time
/// itself and needs a moment to say that it is over.
const MARGIN: Duration = Duration::from_secs(5);
/// Longest wait for the list of engines.
const ENGINES_TIMEOUT: Duration = Duration::from_secs(10);

/// What the local target is made of.
#[derive(Debug)]
pub struct Parts {
    /// How it is run.
    pub options: Options,
    /// The executable that has a `function` command.
    pub executable: PathBuf,
    /// Where its socket and its cache are.
    pub directory: PathBuf,
    /// Where it fetches code.
    pub code: SocketAddr,
    /// What it logs.
    pub log: String,
    /// What opens code to it.
    pub grants: Grants,
    /// Who watches.
    pub feed: Feed,
    /// Who stops it.
    pub tasks: Tasks,
}

/// Function processes on this machine.
pub struct Local {
    function: Arc<Function>,
    grants: Grants,
    clock: Arc<dyn Clock>,
}

impl Local {
    /// Prepares everything; no process is started before it is needed.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn new(parts: Parts, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let Parts { options, executable, directory, code, log, grants, feed, tasks } = parts;
        let mut arguments: Vec<OsString> = vec!["function".into(), "--listen".into(), "stdin".into()];
        arguments.extend(["--parent".into(), std::process::id().to_string().into()]);
        arguments.extend(["--log".into(), log.into()]);
        arguments.extend(["--code-url".into(), format!("http://{code}").into()]);
        arguments.extend(["--cache-dir".into(), directory.join("cache").into()]);
        arguments.extend(["--grace".into(), options.function_grace.to_string().into()]);
        if let Some(python) = options.python {
            arguments.extend(["--python".into(), python.into()]);
        }
        let launch = Launch { executable, arguments, idle: options.function_idle.0, grace: options.function_grace.0 };
        let function = Function::new(launch, &directory, tasks, feed)?;
        Ok(Self { function, grants, clock })
    }

    async fn run(&self, attempt: &Attempt) -> Answer {
        let grant = self.grants.issue(attempt.worker.id, &attempt.digest, self.clock.now());
        let request = match request::attempt(attempt, grant) {
            Ok(request) => request,
            Err(error) => return Answer::without_logs(Outcome::Unknown { message: error.to_string() }),
        };
        let awake = match self.function.wake().await {
            Ok(awake) => awake,
            Err(error) => {
                let message = format!("no function process can be started: {error}");
                return Answer::without_logs(Outcome::Overloaded { message });
            }
        };
        match awake.client().send(request).await {
            Ok(response) => {
                awake.answered();
                answer::read(response, attempt, self.clock.now()).await
            }
            // Refused: it was never sent. Everything else may have reached the worker.
            Err(error) if error.is_connect() => {
                Answer::without_logs(Outcome::Overloaded { message: format!("no function answers: {error}") })
            }
            Err(error) => {
                let message = format!("the function was lost during the attempt: {error}");
                Answer::without_logs(Outcome::Unknown { message })
            }
        }
    }

    /// Asks with what is made already; the source is sent only where that is not taken.
    async fn ask(&self, candidate: &Candidate) -> Result<Verdict, TargetError> {
        if candidate.made.is_some()
            && let Some(verdict) = self.ask_with(candidate, candidate.made.as_ref()).await?
        {
            return Ok(verdict);
        }
        let refused = || TargetError::Unavailable { reason: "the function takes neither source nor artefact".into() };
        self.ask_with(candidate, None).await?.ok_or_else(refused)
    }

    /// `None` if the function compiles with something else than what `made` was compiled with.
    async fn ask_with(&self, candidate: &Candidate, made: Option<&Compiled>) -> Result<Option<Verdict>, TargetError> {
        let unavailable = |reason: String| TargetError::Unavailable { reason };
        let request = request::validate(candidate, made).map_err(|error| unavailable(error.to_string()))?;
        let awake = self.function.wake().await.map_err(|error| unavailable(error.to_string()))?;
        let response = awake.client().send(request).await.map_err(|error| unavailable(error.to_string()))?;
        awake.answered();
        if response.status() != StatusCode::OK {
            let problem = Problem::read(response).await;
            return Err(match problem.code.as_str() {
                "toolchain-differs" => return Ok(None),
                "engine-unavailable" => TargetError::NoEngine {
                    mime_type: candidate.manifest.mime_type.to_string(),
                    reason: problem.detail,
                },
                _ => unavailable(problem.detail),
            });
        }
        let mut frames = Frames::new(response.into_body(), Limits::CODE);
        let verdict = verdict(&mut frames, made.is_some()).await;
        verdict.map(Some).map_err(|error| unavailable(error.to_string()))
    }
}

async fn verdict(frames: &mut Frames, is_made: bool) -> Result<Verdict, FrameError> {
    let Some(frame) = frames.next().await? else {
        return Err(FrameError::Io(std::io::ErrorKind::UnexpectedEof.into()));
    };
    // Code that kills its process or never ends does not load either: that is the code's fault.
    let rejected = |message: String| {
        let kind = FailureKind::LoadFailed;
        Verdict::Rejected(Failure {
            kind,
            retryable: false,
            error_type: None,
            message,
            stack: None,
            errors: Vec::new(),
        })
    };
    match frame.kind {
        Kind::Loaded => {
            let head: LoadedHead = frame.head()?;
            let artefact = match head.toolchain {
                Some(toolchain) if head.artefact => Artefact::Fresh(Compiled { toolchain, bytes: frame.body }),
                _ if is_made => Artefact::AsGiven,
                _ => Artefact::None,
            };
            Ok(Verdict::Loaded { entry: head.entry, artefact })
        }
        Kind::Error => Ok(match frame.head::<ErrorHead>()?.error {
            FailedWith::Failed(failure) => Verdict::Rejected(failure),
            FailedWith::EngineLost { message } => rejected(format!("the process died while loading: {message}")),
            FailedWith::TimedOut { limit_ms } => rejected(format!("loading took more than {limit_ms} ms")),
        }),
        kind => Err(FrameError::Unexpected(kind)),
    }
}

#[async_trait]
impl Target for Local {
    async fn attempt(&self, attempt: &Attempt) -> Report {
        let (started_at, started) = (self.clock.now(), self.clock.monotonic());
        let answer = timeout(attempt.timeout + MARGIN, self.run(attempt)).await.unwrap_or_else(|_| {
            Answer::without_logs(Outcome::Unknown { message: "the function did not answer in time".into() })
        });
        Report {
            outcome: answer.outcome,
            digest: attempt.digest,
            started_at,
            duration: self.clock.monotonic().saturating_sub(started),
            logs: answer.logs,
            logs_truncated: answer.truncated,
        }
    }

    async fn validate(&self, candidate: &Candidate) -> Result<Verdict, TargetError> {
        timeout(candidate.timeout + MARGIN, self.ask(candidate))
            .await
            .unwrap_or_else(|_| Err(TargetError::Unavailable { reason: "the function did not answer in time".into() }))
    }

    async fn engines(&self) -> Vec<EngineInfo> {
        let ask = async {
            let awake = self.function.wake().await.ok()?;
            let response = awake.client().send(request::engines()).await.ok()?;
            awake.answered();
            let body = Limited::new(response.into_body(), 1 << 20).collect().await.ok()?;
            serde_json::from_slice(&body.to_bytes()).ok()
        };
        timeout(ENGINES_TIMEOUT, ask).await.ok().flatten().unwrap_or_default()
    }

    fn reach(&self, _: MimeType) -> Reach {
        self.function.reach()
    }
}
