//! What the function says about a candidate.

use http::{Response, StatusCode};
use hyper::body::Incoming;
use workmanager_core_delivery::{Candidate, TargetError, Verdict};
use workmanager_core_domain::outcome::{Failure, FailureKind};
use workmanager_core_frames::{ErrorHead, FailedWith, FrameError, Kind, Limits, LoadedHead};

use super::answer::{Frames, Problem};

/// No verdict, for this reason.
pub(super) fn unavailable(reason: impl ToString) -> TargetError {
    TargetError::Unavailable { reason: reason.to_string() }
}

/// Reads the function's answer.
pub(super) async fn read(response: Response<Incoming>, candidate: &Candidate) -> Result<Verdict, TargetError> {
    if response.status() != StatusCode::OK {
        let problem = Problem::read(response).await;
        return Err(match problem.code.as_str() {
            "engine-unavailable" => {
                let mime_type = candidate.manifest.mime_type.to_string();
                TargetError::NoEngine { mime_type, reason: problem.detail }
            }
            _ => unavailable(problem.detail),
        });
    }
    let mut frames = Frames::new(response.into_body(), Limits::CODE);
    verdict(&mut frames).await.map_err(unavailable)
}

async fn verdict(frames: &mut Frames) -> Result<Verdict, FrameError> {
    let Some(frame) = frames.next().await? else {
        return Err(FrameError::Io(std::io::ErrorKind::UnexpectedEof.into()));
    };
    // Code that kills its process or never ends does not load either: that is the code's fault.
    let rejected = |message: String| {
        let kind = FailureKind::LoadFailed;
        Verdict::Rejected(Failure { kind, retryable: false, error_type: None, message, stack: None })
    };
    match frame.kind {
        Kind::Loaded => {
            let head: LoadedHead = frame.head()?;
            Ok(Verdict::Loaded { entry: head.entry, artefact: head.artefact.then_some(frame.body) })
        }
        Kind::Error => Ok(match frame.head::<ErrorHead>()?.error {
            FailedWith::Failed(failure) => Verdict::Rejected(failure),
            FailedWith::EngineLost { message } => rejected(format!("the process died while loading: {message}")),
            FailedWith::TimedOut { limit_ms } => rejected(format!("loading took more than {limit_ms} ms")),
        }),
        kind => Err(FrameError::Unexpected(kind)),
    }
}
