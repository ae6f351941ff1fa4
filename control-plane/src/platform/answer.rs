//! What the function answers, as a report.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use tokio_util::codec::Decoder as _;
use workmanager_core_domain::{
    Outcome, Timestamp,
    attempt::Attempt,
    event::Data,
    outcome::{Failure, FailureKind, LogLine, LogStream, Report},
    reply,
};
use workmanager_core_frames::{
    Codec, ErrorHead, FailedWith, Frame, FrameError, Kind, Limits, LogHead, NOT_ATTEMPTED, OUTCOME_HEADER, ReplyHead,
};

/// What a problem document says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    pub(super) code: String,
    pub(super) detail: String,
}

/// Largest problem document that is read.
const MAX_PROBLEM: usize = 64 << 10;

impl Problem {
    pub(super) async fn read(response: Response<Incoming>) -> Self {
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_PROBLEM).collect().await;
        let read = body.ok().and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
        read.unwrap_or_else(|| Self { code: String::new(), detail: format!("the function answered {status}") })
    }
}

/// Frames as they come.
pub(super) struct Frames {
    body: Incoming,
    codec: Codec,
    buffer: BytesMut,
}

impl Frames {
    pub(super) fn new(body: Incoming, limits: Limits) -> Self {
        Self { body, codec: Codec::new(limits), buffer: BytesMut::new() }
    }

    /// The next frame; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer)? {
                return Ok(Some(frame));
            }
            let piece = self.body.frame().await.transpose();
            let piece = piece.map_err(|error| FrameError::Io(std::io::Error::other(error)))?;
            match piece.map(http_body::Frame::into_data) {
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(FrameError::Io(std::io::ErrorKind::UnexpectedEof.into())),
                // The whole answer is in one piece most of the time: no copy then.
                Some(Ok(data)) if self.buffer.is_empty() => self.buffer = BytesMut::from(data),
                Some(Ok(data)) => self.buffer.extend_from_slice(&data),
                Some(Err(_trailers)) => {}
            }
        }
    }
}

/// The outcome and the output of an attempt.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) logs: Vec<LogLine>,
    pub(super) truncated: bool,
}

impl Answer {
    pub(super) fn without_logs(outcome: Outcome) -> Self {
        Self { outcome, logs: Vec::new(), truncated: false }
    }

    /// The whole attempt.
    pub(super) fn report(self, attempt: &Attempt, started_at: Timestamp, duration: Duration) -> Report {
        let Self { outcome, logs, truncated } = self;
        Report { outcome, digest: attempt.digest, started_at, duration, logs, logs_truncated: truncated }
    }
}

/// Reads an answer to its end.
pub(super) async fn read(response: Response<Incoming>, attempt: &Attempt, now: Timestamp) -> Answer {
    if response.status() != StatusCode::OK {
        return Answer::without_logs(not_attempted(response).await);
    }
    let mut frames = Frames::new(response.into_body(), Limits::EVENTS);
    let mut lines = Lines::default();
    let outcome = loop {
        match frames.next().await {
            Ok(Some(frame)) if frame.kind == Kind::Log => {
                if let Err(error) = lines.push(&frame) {
                    break unknown(&error);
                }
            }
            Ok(Some(frame)) => break last(frame, attempt, now).unwrap_or_else(|error| unknown(&error)),
            Ok(None) => break Outcome::Unknown { message: "the answer has no final frame".into() },
            Err(error) => break unknown(&error),
        }
    };
    let truncated = lines.truncated;
    Answer { outcome, logs: lines.finish(), truncated }
}

fn unknown(error: &FrameError) -> Outcome {
    Outcome::Unknown { message: format!("the answer cannot be read: {error}") }
}

/// A status other than 200 means that no attempt ran; without the header that says so, it is not known.
async fn not_attempted(response: Response<Incoming>) -> Outcome {
    let says_so = response.headers().get(OUTCOME_HEADER).is_some_and(|value| value == NOT_ATTEMPTED);
    let status = response.status();
    let problem = Problem::read(response).await;
    let message = problem.detail;
    let failed = |kind, retryable| {
        Outcome::Failed(Failure {
            kind,
            retryable,
            error_type: None,
            message: message.clone(),
            stack: None,
            errors: Vec::new(),
        })
    };
    if !says_so {
        return Outcome::Unknown { message: format!("the function answered {status}: {message}") };
    }
    match problem.code.as_str() {
        "grant-refused" => failed(FailureKind::GrantRefused, true),
        "version-unavailable" => failed(FailureKind::VersionUnavailable, true),
        "artefact-missing" => failed(FailureKind::ArtefactMissing, true),
        "load-failed" => failed(FailureKind::LoadFailed, false),
        _ => Outcome::Overloaded { message },
    }
}

fn last(frame: Frame, attempt: &Attempt, now: Timestamp) -> Result<Outcome, FrameError> {
    match frame.kind {
        Kind::Result => {
            let head: ReplyHead = frame.head()?;
            Ok(replied(head, frame.body, attempt, now))
        }
        Kind::Error => {
            let head: ErrorHead = frame.head()?;
            Ok(match head.error {
                FailedWith::Failed(failure) => Outcome::Failed(failure),
                FailedWith::EngineLost { message } => Outcome::EngineLost { message },
                FailedWith::TimedOut { limit_ms } => Outcome::TimedOut { limit: Duration::from_millis(limit_ms) },
            })
        }
        kind => Err(FrameError::Unexpected(kind)),
    }
}

fn replied(head: ReplyHead, body: Bytes, attempt: &Attempt, now: Timestamp) -> Outcome {
    if head.attempt != attempt.id {
        let message = format!("the answer names attempt {}, not {}", head.attempt, attempt.id);
        return Outcome::Unknown { message };
    }
    let Some(attributes) = head.reply else { return Outcome::NoReply };
    let context = reply::Context {
        worker: attempt.worker.id,
        worker_name: attempt.worker.name.as_str(),
        cause: &attempt.event,
        now,
    };
    match reply::complete(attributes, Data { kind: head.data, bytes: body }, context) {
        Ok(event) => Outcome::Replied(Box::new(event)),
        Err(error) => Outcome::Failed(Failure {
            kind: FailureKind::InvalidReply,
            retryable: false,
            error_type: None,
            message: format!("the reply is no event: {error}"),
            stack: None,
            errors: Vec::new(),
        }),
    }
}

/// Puts pieces of output together to lines, per stream.
#[derive(Debug, Default)]
struct Lines {
    done: Vec<LogLine>,
    open: [Option<(Timestamp, Vec<u8>)>; 2],
    truncated: bool,
}

impl Lines {
    fn push(&mut self, frame: &Frame) -> Result<(), FrameError> {
        let head: LogHead = frame.head()?;
        self.truncated |= head.truncated;
        let mut pieces = frame.body.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let (_, line) = self.open[head.stream as usize].get_or_insert_with(|| (head.at, Vec::new()));
            line.extend_from_slice(piece);
            if pieces.peek().is_some() {
                self.close(head.stream);
            }
        }
        Ok(())
    }

    fn close(&mut self, stream: LogStream) {
        if let Some((at, line)) = self.open[stream as usize].take() {
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            self.done.push(LogLine { at, stream, text: String::from_utf8_lossy(line).into_owned() });
        }
    }

    fn finish(mut self) -> Vec<LogLine> {
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            if self.open[stream as usize].as_ref().is_some_and(|(_, line)| !line.is_empty()) {
                self.close(stream);
            }
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_output_become_lines_per_stream() {
        let mut lines = Lines::default();
        let mut push = |stream, text: &'static str| {
            let head = LogHead {
                attempt: workmanager_core_domain::AttemptId::new(uuid::Uuid::nil()),
                stream,
                at: "2026-11-25T10:00:00Z".parse().unwrap(),
                truncated: false,
            };
            lines.push(&Frame::new(Kind::Log, &head, Bytes::from_static(text.as_bytes())).unwrap()).unwrap();
        };
        push(LogStream::Stdout, "a\nb");
        push(LogStream::Stderr, "error\r\n");
        push(LogStream::Stdout, "c\n\nlast");
        let texts: Vec<_> = lines.finish().into_iter().map(|line| line.text).collect();
        assert_eq!(texts, ["a", "error", "bc", "", "last"]);
    }
}
