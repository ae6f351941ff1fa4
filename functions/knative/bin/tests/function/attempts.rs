//! Attempts and validations as frames.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use serde_json::value::RawValue;
use tokio_util::codec::Decoder as _;
use uuid::Uuid;
use workmanager_core_domain::{
    AttemptId, Digest, Manifest, MimeType, WorkerId, event::DataKind, outcome::FailureKind, units::Size,
    version::EngineSettings,
};
use workmanager_core_frames::{
    AttemptHead, AttemptLimits, CONTENT_TYPE, CONTRACT_HEADER, Codec, ErrorHead, FailedWith, Frame, Kind, Limits,
    LoadedHead, LogHead, ReplyHead, ValidateHead,
};

use crate::support::{Answer, Function, LONG, eventually, exists, whole};

const WORKER: &str = "
import os, time
def Process(event):
    if event['data'] == 'print':
        print('one'); print('two', flush=True)
    if event['data'] == 'slow':
        print(os.getpid(), flush=True)
        time.sleep(600)
    if event['data'] == 'flood':
        while True: print('x' * 1000)
    return {'type': 't', 'data': event['data']}
";

fn manifest(source: &str) -> Manifest {
    Manifest {
        format: Manifest::FORMAT,
        mime_type: MimeType::Python,
        source: Digest::of(source.as_bytes()),
        artefact: None,
        engine: EngineSettings::default(),
        memory: Size(256 << 20),
        config: std::collections::BTreeMap::new(),
    }
}

fn worker() -> WorkerId {
    WorkerId::new(Uuid::from_u128(7))
}

fn validation(source: &str) -> Frame {
    let head = ValidateHead {
        worker: worker(),
        worker_name: "orders".into(),
        manifest: manifest(source),
        toolchain: None,
        timeout_ms: 30_000,
    };
    Frame::new(Kind::Validate, &head, Bytes::copy_from_slice(source.as_bytes())).unwrap()
}

fn attempt(data: &str, timeout_ms: u64) -> Frame {
    let head = AttemptHead {
        attempt: AttemptId::new(Uuid::now_v7()),
        worker: worker(),
        worker_name: "orders".into(),
        digest: Digest::of(&manifest(WORKER).canonical().unwrap()),
        grant: "none".into(),
        limits: AttemptLimits { timeout_ms, log_bytes: 64 << 10, concurrency: 1 },
        event: RawValue::from_string(r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#.to_owned()).unwrap(),
        data: DataKind::Json,
    };
    Frame::new(Kind::Attempt, &head, Bytes::copy_from_slice(data.as_bytes())).unwrap()
}

async fn start() -> Function {
    let function = Function::start(&[], &[]).await;
    let answer = whole(function.frame("/v1/validate", &validation(WORKER)).await).await;
    let frames = answer.frames();
    assert_eq!((frames.len(), frames[0].kind), (1, Kind::Loaded));
    assert_eq!(frames[0].head::<LoadedHead>().unwrap().entry, "Process");
    function
}

#[tokio::test]
async fn the_answer_to_an_attempt_is_one_frame_of_known_length() {
    let function = start().await;
    let sent = attempt("{\"n\":1}", 30_000);
    let answer = whole(function.frame("/v1/attempts", &sent).await).await;
    assert_eq!(answer.header("content-type"), Some(CONTENT_TYPE));
    assert_eq!(answer.header(CONTRACT_HEADER), Some("1"));
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    let frames = answer.frames();
    assert_eq!((frames.len(), frames[0].kind, frames[0].body.as_ref()), (1, Kind::Result, b"{\"n\":1}".as_ref()));
    let (head, sent): (ReplyHead, AttemptHead) = (frames[0].head().unwrap(), sent.head().unwrap());
    assert_eq!(head.attempt, sent.attempt);
    assert_eq!(head.reply.unwrap()["type"], "t");
}

#[tokio::test]
async fn a_short_attempt_that_prints_is_answered_in_one_piece() {
    let function = start().await;
    let answer = whole(function.frame("/v1/attempts", &attempt("\"print\"", 30_000)).await).await;
    let frames = answer.frames();
    let text: Vec<u8> =
        frames.iter().filter(|frame| frame.kind == Kind::Log).flat_map(|frame| frame.body.to_vec()).collect();
    assert_eq!((text.as_slice(), frames.last().unwrap().kind), (b"one\ntwo\n".as_slice(), Kind::Result));
}

#[tokio::test]
async fn output_of_a_long_attempt_comes_while_it_runs_and_its_end_in_time() {
    let function = start().await;
    let mut body = function.frame("/v1/attempts", &attempt("\"slow\"", 1500)).await.into_body();
    let (mut codec, mut bytes) = (Codec::new(Limits::EVENTS), BytesMut::new());
    let mut frames = Vec::new();
    while let Some(piece) = tokio::time::timeout(LONG, body.frame()).await.unwrap() {
        bytes.extend_from_slice(&piece.unwrap().into_data().unwrap());
        while let Some(frame) = codec.decode(&mut bytes).unwrap() {
            if frames.is_empty() {
                let pid: u32 = std::str::from_utf8(&frame.body).unwrap().trim().parse().unwrap();
                assert!(exists(pid), "the attempt still runs");
                assert!(!frame.head::<LogHead>().unwrap().truncated);
            }
            frames.push(frame);
        }
    }
    assert_eq!((frames.len(), frames[0].kind, frames[1].kind), (2, Kind::Log, Kind::Error));
    assert!(matches!(frames[1].head::<ErrorHead>().unwrap().error, FailedWith::TimedOut { limit_ms: 1500 }));
}

#[tokio::test]
async fn a_caller_that_does_not_read_does_not_stop_the_clock() {
    let function = start().await;
    let mut body = function.frame("/v1/attempts", &attempt("\"slow\"", 1500)).await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let frame = Codec::new(Limits::EVENTS).decode(&mut BytesMut::from(first)).unwrap().unwrap();
    let pid: u32 = std::str::from_utf8(&frame.body).unwrap().trim().parse().unwrap();
    eventually("the deadline ends it", || !exists(pid)).await;
    drop(body);
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_attempt() {
    let function = start().await;
    let mut body = function.frame("/v1/attempts", &attempt("\"slow\"", 600_000)).await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let frame = Codec::new(Limits::EVENTS).decode(&mut BytesMut::from(first)).unwrap().unwrap();
    let pid: u32 = std::str::from_utf8(&frame.body).unwrap().trim().parse().unwrap();
    drop(body);
    eventually("the process is gone", || !exists(pid)).await;
}

#[tokio::test]
async fn a_flood_is_cut_off_with_a_mark() {
    let function = start().await;
    let answer = whole(function.frame("/v1/attempts", &attempt("\"flood\"", 1000)).await).await;
    let frames = answer.frames();
    let logs: Vec<_> = frames.iter().filter(|frame| frame.kind == Kind::Log).collect();
    assert_eq!(logs.iter().map(|frame| frame.body.len()).sum::<usize>(), 64 << 10);
    let marks: Vec<_> = logs.iter().map(|frame| frame.head::<LogHead>().unwrap().truncated).collect();
    assert_eq!(marks.iter().filter(|mark| **mark).count(), 1);
    assert!(marks.last().unwrap(), "the mark comes last");
    assert_eq!(frames.last().unwrap().kind, Kind::Error);
}

#[tokio::test]
async fn code_that_does_not_load_is_rejected_with_the_engines_message() {
    let function = Function::start(&[], &[]).await;
    let answer = whole(function.frame("/v1/validate", &validation("def Process(event) return")).await).await;
    let frames = answer.frames();
    let FailedWith::Failed(failure) = frames[0].head::<ErrorHead>().unwrap().error else { panic!("{frames:?}") };
    assert_eq!(failure.kind, FailureKind::LoadFailed);
    assert!(failure.stack.unwrap().contains("orders.py"));
}

#[tokio::test]
async fn what_is_no_attempt_is_refused_and_says_that_none_ran() {
    let function = start().await;
    let good = [("content-type", CONTENT_TYPE), (CONTRACT_HEADER, "1")];
    let frame = attempt("1", 30_000);
    let bytes = [frame.prefix(), frame.body.clone()].concat();
    let table: [(&[_], Vec<u8>, (u16, &str)); 8] = [
        (&[("content-type", "application/json")], bytes.clone(), (415, "unsupported-media-type")),
        (&good[..1], bytes.clone(), (409, "contract-mismatch")),
        (&[good[0], (CONTRACT_HEADER, "3")], bytes.clone(), (409, "contract-mismatch")),
        (&good, bytes[..bytes.len() - 1].to_vec(), (400, "invalid-frame")),
        (&good, [bytes.clone(), bytes.clone()].concat(), (400, "invalid-frame")),
        (&good, b"not a frame at all".to_vec(), (400, "invalid-frame")),
        (&good, vec![0; (4 << 20) + 5], (413, "body-too-large")),
        (&good, validation(WORKER).prefix().to_vec(), (400, "invalid-frame")),
    ];
    for (at, (headers, body, (status, code))) in table.into_iter().enumerate() {
        let answer = function.post("/v1/attempts", headers, body).await;
        assert_eq!(answer.problem(), (status, code.to_owned(), true), "row {at}");
    }
    let mut head: AttemptHead = frame.head().unwrap();
    head.digest = Digest::of(b"unknown");
    let unknown = Frame::new(Kind::Attempt, &head, Bytes::new()).unwrap();
    let answer = whole(function.frame("/v1/attempts", &unknown).await).await;
    assert_eq!(answer.problem(), (503, "version-unavailable".into(), true));
    // The next contract is understood.
    let answer = function.post("/v1/attempts", &[good[0], (CONTRACT_HEADER, "2")], bytes).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn more_attempts_than_there_is_room_for_are_turned_away() {
    let function = start().await;
    // One runs and nine wait: for thirty at a time there is no room.
    let slow: Vec<_> = (0..30).map(|_| attempt("\"slow\"", 1000)).collect();
    let all = slow.iter().map(|frame| async { whole(function.frame("/v1/attempts", frame).await).await });
    let answers = futures_util::future::join_all(all).await;
    // Some of those that wait may have waited too long, which is said in other words.
    let is_full = |answer: &&Answer| {
        answer.status == 429 && answer.json()["detail"].as_str().unwrap().contains("enough attempts wait")
    };
    let refused = answers.iter().find(is_full).unwrap();
    assert_eq!(refused.problem(), (429, "overloaded".into(), true));
    assert_eq!(refused.header("retry-after"), Some("1"));
}
