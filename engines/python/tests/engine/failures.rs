//! What is said when a worker fails.

use workmanager_core_domain::{event::DataKind, outcome::FailureKind};
use workmanager_engines_host::Ended;

use crate::support::{Harness, load};

#[tokio::test]
async fn an_exception_says_its_type_and_shows_the_workers_own_lines() {
    let source = "
def check(value):
    if value > 1:
        raise ValueError('too many\\nsecond line')

def Process(event):
    check(event['data'])
";
    let failure = load(source).await.json("2").await.failure();
    assert_eq!((failure.kind, failure.retryable), (FailureKind::Exception, true));
    assert_eq!(failure.error_type.as_deref(), Some("ValueError"));
    assert_eq!(failure.message, "too many");
    let stack = failure.stack.unwrap();
    let lines: Vec<_> = stack.lines().map(str::trim).filter(|line| !line.starts_with(['^', '~'])).collect();
    let expected = [
        "Traceback (most recent call last):",
        "File \"orders.py\", line 7, in Process",
        "check(event['data'])",
        "File \"orders.py\", line 4, in check",
        "raise ValueError('too many\\nsecond line')",
        "ValueError: too many",
        "second line",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn an_exception_of_an_async_worker_starts_at_its_first_line_too() {
    let source = "import asyncio\nasync def Process(event):\n    await asyncio.sleep(0)\n    return 1 / 0";
    let failure = load(source).await.json("1").await.failure();
    assert_eq!(failure.error_type.as_deref(), Some("ZeroDivisionError"));
    let stack = failure.stack.unwrap();
    assert!(
        stack.starts_with("Traceback (most recent call last):\n  File \"orders.py\", line 4, in Process"),
        "{stack}"
    );
    assert!(!stack.contains("asyncio"), "{stack}");
}

#[tokio::test]
async fn every_way_to_leave_is_an_exception_and_the_process_lives_on() {
    let source = "
import sys
class Own(BaseException): pass
class Mute(Exception):
    def __str__(self): raise RuntimeError('no')
def forever(n): return forever(n + 1)
def Process(event):
    name = event['data']
    if name == 'exit': sys.exit(3)
    if name == 'quit': exit()
    if name == 'interrupt': raise KeyboardInterrupt
    if name == 'deep': forever(0)
    if name == 'own': raise Own('mine')
    if name == 'mute': raise Mute()
    return {'type': 'fine', 'data': 1}
";
    let mut worker = load(source).await;
    let table = [
        ("exit", "SystemExit", "the worker called exit(3)"),
        ("quit", "SystemExit", "the worker called exit()"),
        ("interrupt", "KeyboardInterrupt", "KeyboardInterrupt"),
        ("deep", "RecursionError", "maximum recursion depth exceeded"),
        ("own", "Own", "mine"),
        ("mute", "Mute", "Mute (which cannot be printed: RuntimeError)"),
    ];
    for (name, error_type, message) in table {
        let failure = worker.json(&format!("\"{name}\"")).await.failure();
        assert_eq!((failure.kind, failure.retryable), (FailureKind::Exception, true), "{name}");
        assert_eq!(failure.error_type.as_deref(), Some(error_type), "{name}");
        assert_eq!(failure.message, message, "{name}");
    }
    assert_eq!(worker.json("\"fine\"").await.data(), "1");
}

#[tokio::test]
async fn a_stack_of_any_depth_stays_small() {
    let source = "import sys\nsys.setrecursionlimit(5000)\ndef a(n): return b(n)\ndef b(n): return a(n + 1)\ndef Process(event): a(0)";
    let failure = load(source).await.json("1").await.failure();
    let stack = failure.stack.unwrap();
    assert!(stack.len() < 40 << 10, "{}", stack.len());
    assert!(stack.ends_with("maximum recursion depth exceeded"), "{}", &stack[stack.len() - 200..]);
}

#[tokio::test]
async fn a_worker_that_takes_more_than_its_memory_gets_a_memory_error() {
    let mut harness = Harness::new();
    harness.manifest.memory.0 = 64 << 20;
    let source = "def Process(event): return {'type': 't', 'data': len(bytearray(event['data'] << 20))}";
    let mut worker = harness.load(source).await;
    let failure = worker.json("80").await.failure();
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    assert_eq!(failure.error_type.as_deref(), Some("MemoryError"));
    // The interpreter's own memory does not count.
    assert_eq!(worker.json("40").await.data(), (40 << 20).to_string());
}

#[tokio::test]
async fn data_that_cannot_be_read_is_an_invalid_event() {
    let mut worker = load("def Process(event): return None").await;
    for (kind, body) in [(DataKind::Json, &b"{"[..]), (DataKind::Json, b"1 2"), (DataKind::Text, b"\xff")] {
        let failure = worker.event("{}", kind, body).await.failure();
        assert_eq!((failure.kind, failure.retryable), (FailureKind::InvalidEvent, false), "{body:?}");
    }
    assert!(worker.json("1").await.is_no_reply());
}

#[tokio::test]
async fn a_process_that_ends_says_how() {
    let table = [
        ("import os\ndef Process(event): os._exit(3)", "exited with code 3"),
        ("import os, signal\ndef Process(event): os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("import os\ndef Process(event): os.close(3); return None", "the worker's process"),
    ];
    for (source, says) in table {
        let answer = load(source).await.json("1").await;
        let Ended::Lost(message) = &answer.ended else { panic!("{source}: {answer:?}") };
        assert!(message.contains(says), "{source}: {message}");
    }
}
