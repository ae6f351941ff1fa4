//! Processes that die, hang or lie are replaced.

use std::time::Duration;

use workmanager_core_domain::outcome::FailureKind;
use workmanager_core_frames::FailedWith;

use crate::support::{ECHO, Harness, eventually, exists, finish, kill};

#[tokio::test]
async fn a_deadline_that_passes_is_a_timeout_and_the_next_attempt_has_a_fresh_process() {
    let mut harness = Harness::new().await;
    let source = "
import os
def Process(event):
    print(os.getpid(), flush=True)
    while event['data']: pass
    return {'type': 't', 'data': [os.getpid(), 0]}
";
    let (digest, _) = harness.store.version(source);
    let warm = harness.run(1, digest, "0").await.pid();
    harness.limits.timeout_ms = 300;
    let answer = harness.run(1, digest, "1").await;
    assert!(matches!(answer.error().error, FailedWith::TimedOut { limit_ms: 300 }), "{answer:?}");
    assert!(answer.error().attempt.is_some());
    assert_eq!(answer.stdout.trim(), warm.to_string());
    harness.limits.timeout_ms = 30_000;
    assert_ne!(harness.run(1, digest, "0").await.pid(), warm);
    assert!(!exists(warm));
}

#[tokio::test]
async fn loading_counts_against_the_deadline() {
    let mut harness = Harness::new().await;
    let (digest, _) = harness.store.version("import time\ntime.sleep(600)\ndef Process(event): pass");
    harness.limits.timeout_ms = 1000;
    let answer = harness.run(1, digest, "0").await;
    assert!(matches!(answer.error().error, FailedWith::TimedOut { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_process_killed_while_idle_costs_nobody_an_event() {
    let harness = Harness::new().await;
    let (digest, _) = harness.store.version(ECHO);
    let first = harness.run(1, digest, "1").await.pid();
    kill(first);
    // At once, before anything has noticed: the attempt may not be lost on a dead process.
    assert_ne!(harness.run(1, digest, "2").await.pid(), first);
    eventually("it is reaped", || !exists(first)).await;
}

#[tokio::test]
async fn a_process_killed_during_an_attempt_is_engine_lost_and_is_replaced() {
    let harness = Harness::new().await;
    let source = "
import os, time
def Process(event):
    print(os.getpid(), flush=True)
    while event['data']: time.sleep(1)
    return {'type': 't', 'data': [os.getpid(), 0]}
";
    let (digest, _) = harness.store.version(source);
    let warm = harness.run(1, digest, "0").await.pid();
    let exchange = harness.begin(1, digest, "1").await.unwrap();
    kill(warm);
    let answer = finish(exchange).await;
    let FailedWith::EngineLost { message } = answer.error().error else { panic!("{answer:?}") };
    assert!(message.contains("SIGKILL"), "{message}");
    assert_ne!(harness.run(1, digest, "0").await.pid(), warm);
}

#[tokio::test]
async fn an_answer_to_something_else_is_discarded_and_the_process_replaced() {
    let harness = Harness::new().await;
    let source = "
import os
def Process(event):
    forged = b'{\"attempt\":\"att_00000000-0000-0000-0000-000000000001\"}'
    if event['data']: os.write(3, (len(forged) + 5).to_bytes(4, 'big') + b'\\x03' + len(forged).to_bytes(4, 'big') + forged)
    return {'type': 't', 'data': [os.getpid(), 0]}
";
    let (digest, _) = harness.store.version(source);
    let first = harness.run(1, digest, "0").await.pid();
    assert_eq!(harness.run(1, digest, "1").await.pid(), first, "the true answer is waited for");
    assert_ne!(harness.run(1, digest, "0").await.pid(), first);
}

#[tokio::test]
async fn a_process_that_breaks_the_protocol_is_killed() {
    let harness = Harness::new().await;
    let source = "
import os
def Process(event):
    if event['data']: os.write(3, event['data'].encode())
    return {'type': 't', 'data': [os.getpid(), 0]}
";
    let (digest, _) = harness.store.version(source);
    for garbage in ["\"no frame at all\"", r#""\u0000\u0000\u0000\u0005\u0006\u0000\u0000\u0000\u0000""#] {
        let pid = harness.run(1, digest, "0").await.pid();
        let failure = harness.run(1, digest, garbage).await.failure();
        assert_eq!((failure.kind, failure.retryable), (FailureKind::Protocol, true));
        eventually("it is gone", || !exists(pid)).await;
    }
}

#[tokio::test]
async fn a_process_that_ran_out_of_memory_is_replaced() {
    let harness = Harness::new().await;
    let source = "
import os
def Process(event):
    if event['data']: bytearray(1 << 40)
    return {'type': 't', 'data': [os.getpid(), 0]}
";
    let (digest, _) = harness.store.version(source);
    let first = harness.run(1, digest, "0").await.pid();
    assert_eq!(harness.run(1, digest, "1").await.failure().kind, FailureKind::OutOfMemory);
    assert_ne!(harness.run(1, digest, "0").await.pid(), first);
}

#[tokio::test]
async fn an_exception_keeps_the_process() {
    let harness = Harness::new().await;
    let source = "
import os
def Process(event):
    if event['data']: raise ValueError
    return {'type': 't', 'data': [os.getpid(), 0]}
";
    let (digest, _) = harness.store.version(source);
    let first = harness.run(1, digest, "0").await.pid();
    assert_eq!(harness.run(1, digest, "1").await.failure().kind, FailureKind::Exception);
    assert_eq!(harness.run(1, digest, "0").await.pid(), first);
}

#[tokio::test]
async fn an_attempt_whose_caller_goes_away_ends_with_it() {
    let harness = Harness::new().await;
    let source = "import os, time\ndef Process(event):\n print(os.getpid(), flush=True)\n time.sleep(600)";
    let (digest, _) = harness.store.version(source);
    let mut exchange = harness.begin(1, digest, "0").await.unwrap();
    let step = tokio::time::timeout(Duration::from_secs(30), exchange.next()).await.unwrap().unwrap();
    let workmanager_functions_dispatcher::Step::Log(log) = step else { panic!("{step:?}") };
    let pid = std::str::from_utf8(&log.body).unwrap().trim().parse().unwrap();
    assert!(exists(pid));
    drop(exchange);
    eventually("the process is gone", || !exists(pid)).await;
}

#[tokio::test]
async fn code_that_does_not_load_names_its_attempt() {
    let harness = Harness::new().await;
    let (digest, _) = harness.store.version("print('loading')\nimport no_such_module");
    let answer = harness.run(1, digest, "0").await;
    assert_eq!(answer.failure().kind, FailureKind::LoadFailed);
    assert!(answer.error().attempt.is_some());
    assert_eq!(answer.stdout, "loading\n", "what it writes while loading belongs to the attempt");
}

#[tokio::test]
async fn what_loading_took_is_not_left_to_the_worker() {
    let harness = Harness::new().await;
    let source = "
import sys, time
time.sleep(1)
def Process(event): return {'type': 't', 'data': sys._getframe(1).f_locals['head']['leftMs']}
";
    let (digest, _) = harness.store.version(source);
    let mut left: Vec<u64> = Vec::new();
    for data in ["1", "2"] {
        left.push(harness.run(1, digest, data).await.data().parse().unwrap());
    }
    assert!((1..=29_000).contains(&left[0]) && left[1] > left[0], "{left:?} of 30 s are left, loading took one");
}
