//! Against a server that answers as the proxies before a function do.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use uuid::Uuid;
use workmanager_core_domain::{AttemptId, Digest, Event, Limits, Manifest, Worker, event, units::Size};
use workmanager_core_frames::{Frame, Kind, ReplyHead};
use workmanager_core_kit::SystemClock;

use super::*;

const REFUSED: &str = "dial tcp 127.0.0.1:8080: connect: connection refused\n";

/// Answers one request per connection, from the front of the list; its last answer for all that follow.
struct Proxy {
    authority: String,
    asked: Arc<AtomicUsize>,
    served: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.served.abort();
    }
}

impl Proxy {
    async fn with(answers: Vec<Bytes>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let serve = async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.windows(4).any(|four| four == b"\r\n\r\n") {
                    let mut piece = [0; 4096];
                    let read = stream.read(&mut piece).await.unwrap();
                    head.extend_from_slice(&piece[..read]);
                }
                let answer = &answers[count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)];
                stream.write_all(answer).await.unwrap();
                stream.shutdown().await.unwrap();
                // Read to the end, so that the answer is not cut off by a reset.
                let mut rest = Vec::new();
                drop(stream.read_to_end(&mut rest).await);
            }
        };
        #[expect(clippy::disallowed_methods, reason = "the test ends it")]
        let served = tokio::spawn(serve);
        Self { authority, asked, served }
    }

    fn target(&self) -> Remote {
        let url = format!("text/x-python=http://{}", self.authority).parse().unwrap();
        Remote::new(&[url], Span(Duration::from_secs(600)), Grants::new([7; 32]), Arc::new(SystemClock::new()))
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Bytes {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat().into()
}

fn plain(status: &str, body: &str) -> Bytes {
    answer(status, "", body.as_bytes())
}

fn frames(frame: &Frame, appended: &str) -> Bytes {
    let body = [&frame.prefix()[..], &frame.body[..], appended.as_bytes()].concat();
    answer("200 OK", "workmanager-contract: 1\r\n", &body)
}

fn attempt(mime_type: &str) -> Attempt {
    let limits = Limits::default();
    let worker: Worker = serde_json::from_value(serde_json::json!({
        "id": Uuid::from_u128(1), "name": "w", "mimeType": mime_type, "topics": ["t"], "filter": null, "group": null,
        "replyTopic": null, "config": {}, "tags": {}, "engine": {}, "isolation": "shared", "limits": limits,
        "desired": "Running", "startedOnce": true, "version": 1, "latestVersion": 1, "digest": Digest::of(b"v"),
        "source": Digest::of(b"s"), "createdAt": "2026-11-25T10:00:00Z", "updatedAt": "2026-11-25T10:00:00Z"
    }))
    .unwrap();
    let text =
        r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/json","data":1}"#;
    let event: Event = event::from_structured(&Bytes::from_static(text.as_bytes())).unwrap();
    Attempt {
        id: AttemptId::new(Uuid::from_u128(2)),
        worker: Arc::new(worker),
        digest: Digest::of(b"v"),
        event: Arc::new(event),
        number: 1,
        epoch: 0,
        timeout: Duration::from_secs(30),
    }
}

async fn outcome(answers: Vec<Bytes>) -> (Outcome, usize) {
    let proxy = Proxy::with(answers).await;
    let report = proxy.target().attempt(&attempt("text/x-python")).await;
    (report.outcome, proxy.asked())
}

fn no_reply() -> Frame {
    let head = ReplyHead { attempt: AttemptId::new(Uuid::from_u128(2)), reply: None, data: event::DataKind::Json };
    Frame::new(Kind::Result, &head, Bytes::new()).unwrap()
}

#[tokio::test]
async fn a_pod_that_refuses_is_tried_once_more_and_another_one_answers() {
    let answers = vec![plain("502 Bad Gateway", REFUSED), frames(&no_reply(), "")];
    assert_eq!(outcome(answers).await, (Outcome::NoReply, 2));
    let (outcome, asked) = outcome(vec![plain("502 Bad Gateway", REFUSED)]).await;
    assert!(matches!(&outcome, Outcome::Overloaded { message } if message.contains("refused")), "{outcome:?}");
    assert_eq!(asked, 2, "the rest is the delivery's");
}

#[tokio::test]
async fn what_may_have_run_is_not_sent_again_from_here() {
    for (status, body) in
        [("502 Bad Gateway", "EOF\n"), ("504 Gateway Timeout", "request timeout"), ("200 OK", "hello")]
    {
        let (outcome, asked) = outcome(vec![plain(status, body)]).await;
        assert!(matches!(&outcome, Outcome::Unknown { message } if message.contains(body.trim())), "{outcome:?}");
        assert_eq!(asked, 1);
    }
    let (outcome, asked) = outcome(vec![Bytes::new()]).await;
    assert!(matches!(&outcome, Outcome::Unknown { message } if message.contains("lost")), "{outcome:?}");
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_full_queue_is_not_asked_again_at_once() {
    let (outcome, asked) = outcome(vec![plain("503 Service Unavailable", "pending request queue full\n")]).await;
    assert!(matches!(&outcome, Outcome::Overloaded { message } if message.contains("503")), "{outcome:?}");
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_timeout_appended_to_the_answer_leaves_the_outcome_open() {
    let log = workmanager_core_frames::LogHead {
        attempt: AttemptId::new(Uuid::from_u128(2)),
        stream: workmanager_core_domain::outcome::LogStream::Stdout,
        at: "2026-11-25T10:00:00Z".parse().unwrap(),
        truncated: false,
    };
    let log = Frame::new(Kind::Log, &log, Bytes::from_static(b"begun\n")).unwrap();
    for appended in ["activator request timeout", ""] {
        let (outcome, _) = outcome(vec![frames(&log, appended)]).await;
        assert!(matches!(&outcome, Outcome::Unknown { .. }), "{appended}: {outcome:?}");
    }
}

#[tokio::test]
async fn the_functions_own_word_counts_whatever_the_status_is() {
    let problem = br#"{"code":"draining","detail":"this function is stopping"}"#;
    let said = answer("503 Service Unavailable", "workmanager-outcome: not-attempted\r\n", problem);
    let (outcome, asked) = outcome(vec![said]).await;
    assert_eq!(outcome, Outcome::Overloaded { message: "this function is stopping".into() });
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_crash_of_everything_spends_the_budget_and_then_costs_one_request_per_attempt() {
    let proxy = Proxy::with(vec![plain("502 Bad Gateway", REFUSED)]).await;
    let target = proxy.target();
    for _ in 0..30 {
        target.attempt(&attempt("text/x-python")).await;
    }
    // Ten tries are credit, the thirty attempts have earned three more at most.
    assert!((40..=43).contains(&proxy.asked()), "{}", proxy.asked());
}

#[tokio::test]
async fn nobody_there_and_no_function_for_the_code_never_began() {
    let gone = Proxy::with(vec![Bytes::new()]).await;
    let target = gone.target();
    gone.served.abort();
    let outcomes = [target.attempt(&attempt("text/x-dll")).await, {
        // The listener goes away with its task.
        while tokio::net::TcpStream::connect(&gone.authority).await.is_ok() {
            tokio::task::yield_now().await;
        }
        target.attempt(&attempt("text/x-python")).await
    }]
    .map(|report| report.outcome);
    for (outcome, says) in outcomes.iter().zip(["--function-url", "nobody takes the connection"]) {
        assert!(matches!(outcome, Outcome::Overloaded { message } if message.contains(says)), "{outcome:?}");
    }
}

#[tokio::test]
async fn without_a_verdict_nothing_is_known_about_the_code() {
    let candidate = Candidate {
        worker: WorkerId::new(Uuid::from_u128(1)),
        name: "w".parse().unwrap(),
        manifest: Manifest {
            format: Manifest::FORMAT,
            mime_type: MimeType::Python,
            source: Digest::of(b""),
            artefact: None,
            engine: Default::default(),
            memory: Size(1 << 28),
            config: BTreeMap::new(),
        },
        source: Bytes::new(),
        made: None,
        timeout: Duration::from_secs(10),
    };
    let proxy = Proxy::with(vec![plain("404 Not Found", "404 page not found")]).await;
    let error = proxy.target().validate(&candidate).await.unwrap_err();
    assert!(matches!(&error, TargetError::Unavailable { reason } if reason.contains("no such service")), "{error}");
}
