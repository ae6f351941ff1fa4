//! How many processes there are, and for whom.

use std::{collections::HashSet, time::Duration};

use futures_util::{FutureExt as _, future::join_all};
use workmanager_core_domain::ErrorKind;
use workmanager_core_frames::FailedWith;
use workmanager_functions_dispatcher::Error;

use crate::support::{ECHO, Harness, eventually, exists, finish};

/// Answers once the file in `data` exists.
const WAITS: &str = "
import os, time
def Process(event):
    while not os.path.exists(event['data']): time.sleep(0.005)
    return {'type': 't', 'data': [os.getpid(), 0]}
";

#[tokio::test]
async fn two_workers_never_share_a_process_even_if_their_code_is_the_same() {
    let harness = Harness::new().await;
    let (digest, _) = harness.store.version(ECHO);
    let (first, second) = (harness.run(1, digest, "1").await.pid(), harness.run(2, digest, "1").await.pid());
    assert_ne!(first, second);
    assert_eq!(harness.run(1, digest, "1").await.pid(), first);
    assert_eq!(harness.run(2, digest, "1").await.pid(), second);
}

#[tokio::test]
async fn attempts_beyond_the_concurrency_wait_and_beyond_that_are_refused() {
    let mut harness = Harness::new().await;
    harness.limits.concurrency = 2;
    let (digest, _) = harness.store.version(WAITS);
    let go = harness.cache.path().join("go");
    let data = serde_json::to_string(&go).unwrap();
    let first = harness.begin(1, digest, &data).await.unwrap();
    let second = harness.begin(1, digest, &data).await.unwrap();
    let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(harness.run(1, digest, &data))).collect();
    for attempt in &mut waiting {
        assert!(attempt.now_or_never().is_none());
    }
    let error = harness.begin(1, digest, &data).await.err().unwrap();
    assert_eq!((error.code(), error.kind()), ("overloaded", ErrorKind::Overloaded));
    std::fs::write(go, "").unwrap();
    let running = [finish(first), finish(second)].map(Box::pin);
    let (waited, ran) = tokio::join!(join_all(waiting), join_all(running));
    let pids: HashSet<_> = waited.iter().chain(&ran).map(super::support::Answer::pid).collect();
    assert_eq!((waited.len(), pids.len()), (10, 2));
}

#[tokio::test]
async fn waiting_counts_against_the_deadline() {
    let mut harness = Harness::new().await;
    let (digest, _) = harness.store.version(WAITS);
    let _busy = harness.begin(1, digest, "\"/never\"").await.unwrap();
    harness.limits.timeout_ms = 50;
    let error = harness.begin(1, digest, "\"/never\"").await.err().unwrap();
    assert!(matches!(&error, Error::Overloaded { reason, .. } if reason.contains("in time")), "{error}");
}

#[tokio::test]
async fn the_concurrency_follows_the_attempts() {
    let mut harness = Harness::new().await;
    let (digest, _) = harness.store.version(WAITS);
    harness.limits.concurrency = 3;
    let mut three = Vec::new();
    for _ in 0..3 {
        three.push(harness.begin(1, digest, "\"/\"").await.unwrap());
    }
    harness.limits.concurrency = 1;
    let mut fourth = Box::pin(harness.run(1, digest, "\"/\""));
    assert!((&mut fourth).now_or_never().is_none());
    // Two that end are two too many for the new limit; the third makes room.
    let third = three.pop().unwrap();
    for exchange in three {
        finish(exchange).await;
        assert!((&mut fourth).now_or_never().is_none());
    }
    tokio::join!(fourth, finish(third));
    harness.limits.concurrency = 2;
    // Back at two, two run at once.
    let first = harness.begin(1, digest, "\"/\"").await.unwrap();
    let second = harness.begin(1, digest, "\"/\"").await.unwrap();
    assert_ne!(finish(first).await.pid(), finish(second).await.pid());
}

#[tokio::test]
async fn the_process_that_was_idle_longest_makes_room() {
    let harness = Harness::with(2).await;
    let (digest, _) = harness.store.version(ECHO);
    let first = harness.run(1, digest, "1").await.pid();
    let second = harness.run(2, digest, "1").await.pid();
    assert_eq!(harness.run(1, digest, "1").await.pid(), first);
    harness.run(3, digest, "1").await.pid();
    eventually("the second is gone", || !exists(second)).await;
    assert_eq!(harness.run(1, digest, "1").await.pid(), first, "the first was used since");
}

#[tokio::test]
async fn when_all_processes_are_busy_there_is_no_room() {
    let harness = Harness::with(1).await;
    let (digest, _) = harness.store.version(WAITS);
    let busy = harness.begin(1, digest, "\"/\"").await.unwrap();
    let error = harness.begin(2, digest, "\"/\"").await.err().unwrap();
    assert!(matches!(&error, Error::Overloaded { reason, .. } if reason.contains("busy")), "{error}");
    finish(busy).await.pid();
    harness.run(2, digest, "\"/\"").await.pid();
}

#[tokio::test]
async fn a_new_version_runs_beside_the_old_one() {
    let harness = Harness::new().await;
    let (old, _) = harness.store.version(ECHO);
    let (new, _) = harness.store.version(&format!("{ECHO}\n# new"));
    let old_pid = harness.run(1, old, "1").await.pid();
    assert_ne!(harness.run(1, new, "1").await.pid(), old_pid);
    assert_eq!(harness.dispatcher.loaded("worker-1").unwrap().digest, new);
    assert_eq!(harness.run(1, old, "1").await.pid(), old_pid, "a retry of the old one is still warm");
}

#[tokio::test]
async fn versions_before_the_last_keep_no_process() {
    let harness = Harness::new().await;
    let version = |n: u32| harness.store.version(&format!("{ECHO}\n# {n}")).0;
    let (oldest, before, now) = (version(1), version(2), version(3));
    let pid = harness.run(1, oldest, "1").await.pid();
    let kept = harness.run(1, before, "1").await.pid();
    assert!(exists(pid), "a retry of the version before may come");
    harness.run(1, now, "1").await.pid();
    eventually("its process is ended", || !exists(pid)).await;
    assert!(exists(kept));
    // Back to it, it is as good as new.
    assert_ne!(harness.run(1, oldest, "1").await.pid(), pid);
}

#[tokio::test]
async fn an_attempt_under_way_is_lost_when_everything_is_stopped() {
    let harness = Harness::new().await;
    let (digest, _) = harness.store.version(WAITS);
    let exchange = harness.begin(1, digest, "\"/never\"").await.unwrap();
    let (answer, ()) = tokio::join!(finish(exchange), harness.dispatcher.stop());
    assert!(matches!(answer.error().error, FailedWith::EngineLost { .. }), "{answer:?}");
}

#[tokio::test]
async fn stopping_leaves_no_process() {
    let mut harness = Harness::new().await;
    harness.limits.concurrency = 3;
    let (digest, _) = harness.store.version(ECHO);
    let begun = join_all((0..3).map(|_| harness.begin(1, digest, "1"))).await;
    let answers = join_all(begun.into_iter().map(|exchange| finish(exchange.unwrap()))).await;
    let pids: Vec<_> = answers.iter().map(super::support::Answer::pid).collect();
    assert!(pids.iter().all(|pid| exists(*pid)));
    tokio::time::timeout(Duration::from_secs(20), harness.dispatcher.stop()).await.unwrap();
    assert!(!pids.iter().any(|pid| exists(*pid)));
    let error = harness.begin(1, digest, "1").await.err().unwrap();
    assert_eq!(error.code(), "overloaded");
}
