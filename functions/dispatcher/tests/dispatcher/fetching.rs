//! Code comes by digest, once, and only if it is what the digest says.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::timeout,
};
use workmanager_core_domain::{Digest, ErrorKind};
use workmanager_functions_dispatcher::Error;

use crate::support::{ECHO, Harness, LONG, dispatcher, eventually};

#[tokio::test]
async fn concurrent_first_events_share_one_fetch() {
    let mut harness = Harness::new().await;
    harness.limits.concurrency = 5;
    let (digest, _) = harness.store.version(ECHO);
    let answers = join_all((0..5).map(|n| {
        let harness = &harness;
        async move { harness.run(1, digest, &n.to_string()).await }
    }));
    let pids: std::collections::HashSet<_> = answers.await.iter().map(super::support::Answer::pid).collect();
    assert_eq!(pids.len(), 5, "each has a process of its own");
    assert_eq!(harness.store.requests.load(Ordering::SeqCst), 2, "one for the manifest, one for the source");
}

#[tokio::test]
async fn the_first_fetch_takes_the_connection_that_was_opened_ahead_of_it() {
    let harness = Harness::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let dispatcher = dispatcher(&harness.cache, Some(&url), 1);
    let answered = async {
        let (mut connection, _) = listener.accept().await.unwrap();
        assert!(head(&mut connection).await.starts_with("GET / "));
        connection.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        connection
    };
    let ((), mut connection) = timeout(LONG, async { tokio::join!(dispatcher.greet(), answered) }).await.unwrap();
    let (digest, _) = harness.store.version(ECHO);
    let work = harness.work(1, digest, "1");
    tokio::select! {
        begun = dispatcher.begin(work) => panic!("there is no code yet: {:?}", begun.err()),
        head = timeout(LONG, head(&mut connection)) => assert!(head.unwrap().starts_with("GET /v1/blobs/")),
    }
}

/// A request without a body.
async fn head(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(connection.read_u8().await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_warm_version_is_not_fetched_again_and_needs_no_grant() {
    let harness = Harness::new().await;
    let (digest, _) = harness.store.version(ECHO);
    let first = harness.run(1, digest, "1").await.pid();
    let mut work = harness.work(1, digest, "2");
    work.head.grant = "expired".into();
    let second = super::support::finish(harness.dispatcher.begin(work).await.unwrap()).await.pid();
    assert_eq!(first, second);
    assert_eq!(harness.store.requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn after_a_restart_code_comes_from_the_disk_unless_it_is_damaged() {
    let mut harness = Harness::new().await;
    let (digest, manifest) = harness.store.version(ECHO);
    harness.run(1, digest, "1").await;
    let file = |digest: Digest| harness.cache.path().join("blobs").join(digest.hex());
    let (source, both) = (file(manifest.source), [file(digest), file(manifest.source)]);
    eventually("both blobs are on disk", || both.iter().all(|path| path.exists())).await;
    harness.restart();
    harness.run(1, digest, "2").await;
    assert_eq!(harness.store.requests.load(Ordering::SeqCst), 2);

    std::fs::write(source, "def Process(event): return {'type': 't', 'data': 'evil'}").unwrap();
    harness.restart();
    harness.run(1, digest, "3").await.pid();
    assert_eq!(harness.store.requests.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn code_that_does_not_match_its_digest_never_runs() {
    let harness = Harness::new().await;
    let (digest, manifest) = harness.store.version(ECHO);
    harness.store.put(manifest.source, "def Process(event): return {'type': 't', 'data': 'evil'}");
    let error = harness.begin(1, digest, "1").await.err().unwrap();
    assert!(matches!(&error, Error::VersionUnavailable { reason, .. } if reason.contains("what was sent")), "{error}");

    harness.store.put(
        digest,
        manifest
            .canonical()
            .map(|mut bytes| {
                bytes.push(b' ');
                bytes
            })
            .unwrap(),
    );
    let error = harness.begin(1, digest, "1").await.err().unwrap();
    assert_eq!((error.code(), error.kind()), ("version-unavailable", ErrorKind::Unavailable));

    // Nothing wrong was kept: with the right bytes it runs.
    harness.store.version(ECHO);
    harness.run(1, digest, "1").await.pid();
}

#[tokio::test]
async fn a_refused_grant_is_told_from_missing_code() {
    let harness = Harness::new().await;
    let (digest, manifest) = harness.store.version(ECHO);
    let mut work = harness.work(1, digest, "1");
    work.head.grant = "forged".into();
    let error = harness.dispatcher.begin(work).await.err().unwrap();
    assert_eq!((error.code(), error.kind()), ("grant-refused", ErrorKind::Forbidden));

    harness.store.remove(manifest.source);
    let error = harness.begin(1, digest, "1").await.err().unwrap();
    assert!(matches!(&error, Error::VersionUnavailable { reason, .. } if reason.contains("404")), "{error}");

    // The next one tries again.
    harness.store.version(ECHO);
    harness.run(1, digest, "1").await.pid();
}

#[tokio::test]
async fn one_refused_grant_does_not_fail_those_who_wait_with_a_good_one() {
    let mut harness = Harness::new().await;
    harness.limits.concurrency = 2;
    let (digest, _) = harness.store.version(ECHO);
    let hold = Arc::new(Notify::new());
    *harness.store.hold.lock().unwrap() = Some(hold.clone());
    let mut forged = harness.work(1, digest, "1");
    forged.head.grant = "forged".into();
    let forged = harness.dispatcher.begin(forged);
    let good = harness.run(1, digest, "2");
    let release = async {
        eventually("the first has asked", || harness.store.requests.load(Ordering::SeqCst) == 1).await;
        *harness.store.hold.lock().unwrap() = None;
        hold.notify_one();
    };
    let (forged, good, ()) = tokio::join!(forged, good, release);
    assert_eq!(forged.err().unwrap().code(), "grant-refused");
    good.pid();
}

#[tokio::test]
async fn a_control_plane_that_is_slow_or_absent_is_said_in_time() {
    let mut harness = Harness::new().await;
    harness.limits.timeout_ms = 200;
    let (digest, _) = harness.store.version(ECHO);
    *harness.store.hold.lock().unwrap() = Some(Arc::default());
    let error =
        tokio::time::timeout(Duration::from_secs(20), harness.begin(1, digest, "1")).await.unwrap().err().unwrap();
    assert!(matches!(&error, Error::VersionUnavailable { reason, .. } if reason.contains("in time")), "{error}");

    for (url, says) in [(None, "--code-url"), (Some("http://127.0.0.1:1"), "refused")] {
        harness.dispatcher = dispatcher(&harness.cache, url, 1);
        let error = harness.begin(1, digest, "1").await.err().unwrap();
        assert!(matches!(&error, Error::VersionUnavailable { reason, .. } if reason.contains(says)), "{error}");
    }
}
