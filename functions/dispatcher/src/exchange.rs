//! One exchange with a process: load where needed, then the attempt.

use std::sync::Arc;

use ::metrics::counter;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use workmanager_core_domain::{
    AttemptId,
    event::DataKind,
    outcome::{Failure, FailureKind},
    ports::Clock,
};
use workmanager_core_frames::{EngineAttemptHead, ErrorHead, FailedWith, Frame, FrameError, Kind, Limits, LogHead};
use workmanager_engines_host::{Ended, Piece, Step as Happening};

use crate::{birth::Birth, lease::Lease, metrics::ATTEMPTS};

/// What happened next.
#[derive(Debug)]
pub enum Step {
    /// The worker wrote something.
    Log(Frame),
    /// The answer. Nothing comes after it.
    Final(Frame),
}

/// What an exchange is to bring.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Whose answer is awaited; a load alone has none.
    pub(crate) attempt: Option<AttemptId>,
    /// The load, if the process does not have the version yet.
    pub(crate) load: Option<Frame>,
    /// The attempt, if it has not been sent yet.
    pub(crate) run: Option<Run>,
    /// For people, when it is over.
    pub(crate) timeout_ms: u64,
}

/// An attempt that is to be sent.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) attempt: AttemptId,
    pub(crate) event: Box<RawValue>,
    pub(crate) data: DataKind,
    pub(crate) body: Bytes,
    pub(crate) deadline: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Loading,
    Running,
}

/// An exchange under way. Dropping it before the end kills the process.
pub struct Exchange {
    lease: Option<Lease>,
    plan: Plan,
    phase: Phase,
    /// Of a process that is new.
    birth: Option<Birth>,
    /// An answer of something else came: the process cannot be trusted to be in step.
    out_of_step: bool,
    clock: Arc<dyn Clock>,
    /// Cancelled when nothing may run any more.
    halt: CancellationToken,
}

#[derive(Deserialize)]
struct Named {
    attempt: Option<AttemptId>,
}

impl Run {
    /// What an engine is told, with the time that is left now: what fetching and loading took is not the worker's.
    pub(crate) fn frame(&self) -> Result<Frame, FrameError> {
        let Self { attempt, event, data, body, deadline } = self;
        let left = deadline.saturating_duration_since(Instant::now());
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let head = EngineAttemptHead { attempt: *attempt, event, data: *data, left_ms };
        Frame::new(Kind::Attempt, &head, body.clone())
    }
}

impl Exchange {
    pub(crate) fn new(lease: Lease, plan: Plan, clock: Arc<dyn Clock>, halt: CancellationToken) -> Self {
        let phase = if plan.load.is_some() { Phase::Loading } else { Phase::Running };
        Self { lease: Some(lease), plan, phase, birth: None, out_of_step: false, clock, halt }
    }

    /// The same in a new process.
    pub(crate) fn of(self, birth: Birth) -> Self {
        Self { birth: Some(birth), ..self }
    }

    /// Waits for what happens next.
    ///
    /// # Errors
    /// A frame cannot be written, or this is called after the end.
    pub async fn next(&mut self) -> Result<Step, FrameError> {
        loop {
            let Some(lease) = &mut self.lease else { return Err(FrameError::Unexpected(Kind::Attempt)) };
            let due = match self.phase {
                Phase::Loading => self.plan.load.take(),
                Phase::Running => self.plan.run.take().map(|run| run.frame()).transpose()?,
            };
            if let Some(frame) = due
                && let Err(ended) = lease.process.send(&frame).await
            {
                return self.failed(ended).map(Step::Final);
            }
            let happening = tokio::select! {
                biased;
                happening = lease.process.next() => happening,
                () = self.halt.cancelled() => Happening::Ended(Ended::Lost("the function was stopped".to_owned())),
            };
            match happening {
                Happening::Output(piece) => {
                    if let Some(log) = self.log(piece)? {
                        return Ok(Step::Log(log));
                    }
                }
                Happening::Ended(Ended::Answered(frame)) => {
                    if let Some(last) = self.answered(frame)? {
                        return Ok(Step::Final(last));
                    }
                }
                Happening::Ended(ended) => return self.failed(ended).map(Step::Final),
            }
        }
    }

    fn log(&self, piece: Piece) -> Result<Option<Frame>, FrameError> {
        // What a load alone writes is nobody's log.
        let Some(attempt) = self.plan.attempt else { return Ok(None) };
        let head = LogHead { attempt, stream: piece.stream, at: self.clock.now(), truncated: piece.truncated };
        Frame::new(Kind::Log, &head, piece.bytes).map(Some)
    }

    /// The last frame, if `frame` is what was waited for.
    fn answered(&mut self, frame: Frame) -> Result<Option<Frame>, FrameError> {
        match (self.phase, frame.kind, self.plan.attempt) {
            (Phase::Loading, Kind::Loaded, None) => {
                self.over();
                Ok(Some(frame))
            }
            (Phase::Loading, Kind::Loaded, Some(_)) => {
                self.phase = Phase::Running;
                if let Some(birth) = &mut self.birth {
                    birth.loaded();
                }
                if let Some(lease) = &mut self.lease {
                    lease.process.limit(Limits::EVENTS);
                }
                Ok(None)
            }
            (Phase::Loading, Kind::Error, attempt) => {
                // Its code does not load: nothing to keep.
                self.lease = None;
                let head: ErrorHead = frame.head()?;
                self.error(ErrorHead { attempt, ..head }).map(Some)
            }
            (Phase::Running, Kind::Result | Kind::Error, Some(attempt)) => {
                let named: Named = match frame.head() {
                    Ok(named) => named,
                    Err(error) => return self.failed(Ended::Broken(error)).map(Some),
                };
                if named.attempt != Some(attempt) {
                    self.out_of_step = true;
                    return Ok(None);
                }
                self.close(frame).map(Some)
            }
            (_, kind, _) => self.failed(Ended::Broken(FrameError::Unexpected(kind))).map(Some),
        }
    }

    /// The attempt's own answer.
    fn close(&mut self, frame: Frame) -> Result<Frame, FrameError> {
        if let Some(birth) = self.birth.take() {
            birth.answered();
        }
        if frame.kind == Kind::Result {
            counter!(ATTEMPTS, "outcome" => "answered").increment(1);
            self.over();
            return Ok(frame);
        }
        let head: ErrorHead = frame.head()?;
        counter!(ATTEMPTS, "outcome" => outcome(&head.error)).increment(1);
        // Memory that ran out once is not whole again.
        if matches!(&head.error, FailedWith::Failed(failure) if failure.kind == FailureKind::OutOfMemory) {
            self.lease = None;
        }
        self.over();
        Ok(frame)
    }

    fn over(&mut self) {
        if let Some(lease) = self.lease.take()
            && !self.out_of_step
        {
            lease.give_back();
        }
    }

    /// The process is of no use any more.
    fn failed(&mut self, ended: Ended) -> Result<Frame, FrameError> {
        self.lease = None;
        let error = match ended {
            Ended::TimedOut => FailedWith::TimedOut { limit_ms: self.plan.timeout_ms },
            Ended::Lost(message) => FailedWith::EngineLost { message },
            Ended::Broken(error) => protocol(&error),
            Ended::Answered(frame) => protocol(&FrameError::Unexpected(frame.kind)),
        };
        self.error(ErrorHead { attempt: self.plan.attempt, error })
    }

    fn error(&self, head: ErrorHead) -> Result<Frame, FrameError> {
        if self.plan.attempt.is_some() {
            counter!(ATTEMPTS, "outcome" => outcome(&head.error)).increment(1);
        }
        Frame::new(Kind::Error, &head, Bytes::new())
    }
}

fn protocol(error: &FrameError) -> FailedWith {
    FailedWith::Failed(Failure {
        kind: FailureKind::Protocol,
        retryable: true,
        error_type: None,
        message: format!("the worker's process does not keep to the protocol: {error}"),
        stack: None,
        errors: Vec::new(),
    })
}

const fn outcome(error: &FailedWith) -> &'static str {
    match error {
        FailedWith::Failed(failure) => failure.kind.code(),
        FailedWith::EngineLost { .. } => "engine-lost",
        FailedWith::TimedOut { .. } => "timed-out",
    }
}
