//! The local target: one function process for all workers of this machine.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;
use workmanager_core_delivery::{Candidate, Reach, Target, TargetError, Verdict};
use workmanager_core_domain::{EngineInfo, MimeType, Outcome, attempt::Attempt, outcome::Report, ports::Clock};
use workmanager_core_kit::Tasks;

use super::{
    Error, LocalOptions,
    answer::{self, Answer},
    place::Place,
    process::{Function, Launch},
    request,
    verdict::{self, unavailable},
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
    pub options: LocalOptions,
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
    place: Place,
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
        Ok(Self { function, place: Place::here(), grants, clock })
    }

    async fn run(&self, attempt: &Attempt) -> Answer {
        let grant = self.grants.issue(attempt.worker.id, &attempt.digest, self.clock.now());
        let request = match request::attempt(&self.place, attempt, attempt.timeout, grant) {
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
        for made in candidate.made.iter().map(Some).chain([None]) {
            let request = request::validate(&self.place, candidate, made).map_err(unavailable)?;
            let awake = self.function.wake().await.map_err(unavailable)?;
            let response = awake.client().send(request).await.map_err(unavailable)?;
            awake.answered();
            if let Some(verdict) = verdict::read(response, candidate, made.is_some()).await? {
                return Ok(verdict);
            }
        }
        Err(verdict::nothing_taken())
    }
}

#[async_trait]
impl Target for Local {
    async fn attempt(&self, attempt: &Attempt) -> Report {
        let (started_at, started) = (self.clock.now(), self.clock.monotonic());
        let answer = timeout(attempt.timeout + MARGIN, self.run(attempt)).await.unwrap_or_else(|_| {
            Answer::without_logs(Outcome::Unknown { message: "the function did not answer in time".into() })
        });
        answer.report(attempt, started_at, self.clock.monotonic().saturating_sub(started))
    }

    async fn validate(&self, candidate: &Candidate) -> Result<Verdict, TargetError> {
        timeout(candidate.timeout + MARGIN, self.ask(candidate))
            .await
            .unwrap_or_else(|_| Err(unavailable("the function did not answer in time")))
    }

    async fn engines(&self) -> Vec<EngineInfo> {
        let ask = async {
            let awake = self.function.wake().await.ok()?;
            let response = awake.client().send(request::engines(&self.place)).await.ok()?;
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
