//! What the function says about a candidate.

use http::{Response, StatusCode};
use hyper::body::Incoming;
use workmanager_core_delivery::{Artefact, Candidate, Compiled, TargetError, Verdict};
use workmanager_core_domain::outcome::{Failure, FailureKind};
use workmanager_core_frames::{ErrorHead, FailedWith, FrameError, Kind, Limits, LoadedHead};

use super::answer::{Frames, Problem};

/// No verdict, for this reason.
pub(super) fn unavailable(reason: impl ToString) -> TargetError {
    TargetError::Unavailable { reason: reason.to_string() }
}

/// The function took neither what is made nor the source.
pub(super) fn nothing_taken() -> TargetError {
    unavailable("the function takes neither source nor artefact")
}

/// Reads the function's answer about source, or about what `is_made` of it. `None` if it compiles with something
/// else than what that was compiled with: then it wants the source.
pub(super) async fn read(
    response: Response<Incoming>,
    candidate: &Candidate,
    is_made: bool,
) -> Result<Option<Verdict>, TargetError> {
    if response.status() != StatusCode::OK {
        let problem = Problem::read(response).await;
        return match problem.code.as_str() {
            "toolchain-differs" if is_made => Ok(None),
            "engine-unavailable" => {
                let mime_type = candidate.manifest.mime_type.to_string();
                Err(TargetError::NoEngine { mime_type, reason: problem.detail })
            }
            _ => Err(unavailable(problem.detail)),
        };
    }
    let mut frames = Frames::new(response.into_body(), Limits::CODE);
    verdict(&mut frames, is_made).await.map(Some).map_err(unavailable)
}

async fn verdict(frames: &mut Frames, is_made: bool) -> Result<Verdict, FrameError> {
    let Some(frame) = frames.next().await? else {
        return Err(FrameError::Io(std::io::ErrorKind::UnexpectedEof.into()));
    };
    // Code that kills its process or never ends does not load either: that is the code's fault.
    let rejected = |message: String| {
        let kind = FailureKind::LoadFailed;
        let (error_type, stack, errors) = (None, None, Vec::new());
        Verdict::Rejected(Failure { kind, retryable: false, error_type, message, stack, errors })
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
