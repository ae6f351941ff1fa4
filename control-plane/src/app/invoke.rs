//! One event, run now.

use std::sync::Arc;

use tokio::time::timeout;
use workmanager_core_domain::{
    AttemptId, ErrorKind, Event, Outcome,
    attempt::Attempt,
    outcome::{FailureKind, LogLine, Report},
    reply,
};

use super::{App, Error, error::Invocation};

/// What the worker answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// With an event. It is published nowhere.
    Event(Box<Event>),
    /// With nothing.
    None,
}

impl App {
    /// Runs a worker's active version on `event`, running or stopped. It takes one of the worker's
    /// slots, so it may wait for attempts in flight, at most as long as an attempt lasts.
    ///
    /// # Errors
    /// `Invocation`: the attempt has no reply.
    pub async fn invoke(&self, reference: &str, event: Event) -> Result<Reply, Error> {
        let member = self.get(reference).await?;
        let worker = member.worker.clone();
        let limit = worker.limits.timeout.0;
        let Ok(Ok(_slot)) = timeout(limit, member.slots.acquire()).await else {
            let message = "the worker's concurrency is used up by attempts in flight".to_owned();
            return Err(without_reply(Outcome::Overloaded { message }, Vec::new()));
        };
        let attempt = Attempt {
            id: AttemptId::new(self.parts.ids.next()),
            digest: worker.digest,
            event: Arc::new(numbered(event)),
            number: 1,
            epoch: 0,
            timeout: limit,
            worker,
        };
        let report = self.parts.target.attempt(&attempt).await;
        self.parts.router.board().note(attempt.worker.id, &report);
        let Report { outcome, logs, .. } = report;
        match outcome {
            Outcome::Replied(event) => Ok(Reply::Event(event)),
            Outcome::NoReply => Ok(Reply::None),
            other => Err(without_reply(other, logs)),
        }
    }
}

/// The event as a first attempt gets it. One that has no room for the attribute goes without.
fn numbered(event: Event) -> Event {
    event.clone().into_builder().with(reply::ATTEMPT, 1).build().unwrap_or(event)
}

fn without_reply(outcome: Outcome, logs: Vec<LogLine>) -> Error {
    let (code, kind, message) = (outcome.code(), kind(&outcome), outcome.message());
    let failure = match outcome {
        Outcome::Failed(failure) => Some(failure),
        _ => None,
    };
    Error::Invocation(Box::new(Invocation { code, kind, message, failure, logs }))
}

/// What a caller can do about an attempt without a reply.
fn kind(outcome: &Outcome) -> ErrorKind {
    match outcome {
        Outcome::Failed(failure) => match failure.kind {
            FailureKind::LoadFailed => ErrorKind::Unprocessable,
            FailureKind::InvalidEvent => ErrorKind::Invalid,
            FailureKind::VersionUnavailable | FailureKind::ArtefactMissing | FailureKind::GrantRefused => {
                ErrorKind::Unavailable
            }
            FailureKind::Exception
            | FailureKind::InvalidReply
            | FailureKind::OutOfMemory
            | FailureKind::ReplyTooLarge
            | FailureKind::Protocol => ErrorKind::WorkerFailed,
        },
        Outcome::Overloaded { .. } => ErrorKind::Overloaded,
        Outcome::TimedOut { .. } => ErrorKind::Timeout,
        Outcome::Replied(_) | Outcome::NoReply | Outcome::EngineLost { .. } | Outcome::Unknown { .. } => {
            ErrorKind::WorkerFailed
        }
    }
}
