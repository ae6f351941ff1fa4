//! Does this code load?

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use uuid::Uuid;
use workmanager_core_domain::{Digest, MimeType, WorkerId, outcome::FailureKind};
use workmanager_core_frames::{ErrorHead, FailedWith, Kind, LoadedHead, ValidateHead};

use crate::support::{ECHO, Harness, LONG, manifest};

#[tokio::test]
async fn what_loads_is_kept_warm_for_its_first_event() {
    let harness = Harness::new().await;
    assert_eq!(harness.dispatcher.loaded("worker-1").err().unwrap().code(), "version-not-loaded");
    let answer = harness.validate(ECHO, LONG).await.unwrap();
    assert_eq!((answer.kind, answer.head::<LoadedHead>().unwrap().entry.as_str()), (Kind::Loaded, "Process"));
    let loaded = harness.dispatcher.loaded("worker-1").unwrap();
    assert_eq!(loaded.digest, Digest::of(&manifest(ECHO).canonical().unwrap()));
    assert_eq!(harness.dispatcher.loaded(&loaded.worker.to_string()).unwrap().name, "worker-1");
    harness.run(1, loaded.digest, "1").await.pid();
    assert_eq!(harness.store.requests.load(Ordering::SeqCst), 0, "nothing is fetched");
}

#[tokio::test]
async fn what_does_not_load_is_said_and_changes_nothing() {
    let harness = Harness::new().await;
    harness.validate(ECHO, LONG).await.unwrap();
    let before = harness.dispatcher.loaded("worker-1").unwrap().digest;
    let answer = harness.validate("def Process(event) return 1", LONG).await.unwrap();
    let FailedWith::Failed(failure) = answer.head::<ErrorHead>().unwrap().error else { panic!("{answer:?}") };
    assert_eq!((answer.kind, failure.kind), (Kind::Error, FailureKind::LoadFailed));
    assert!(failure.stack.unwrap().contains("worker-1.py"));
    assert_eq!(harness.dispatcher.loaded("worker-1").unwrap().digest, before);
}

#[tokio::test]
async fn loading_that_hangs_or_dies_is_said() {
    let harness = Harness::new().await;
    let answer = harness.validate("while True: pass", Duration::from_millis(1000)).await.unwrap();
    assert!(matches!(answer.head::<ErrorHead>().unwrap().error, FailedWith::TimedOut { limit_ms: 1000 }));
    let answer = harness.validate("import os; os._exit(7)", LONG).await.unwrap();
    let FailedWith::EngineLost { message } = answer.head::<ErrorHead>().unwrap().error else { panic!("{answer:?}") };
    assert!(message.contains("code 7"), "{message}");
}

#[tokio::test]
async fn a_source_that_is_not_the_manifests_is_refused() {
    let harness = Harness::new().await;
    let worker = WorkerId::new(Uuid::from_u128(1));
    let head =
        ValidateHead { worker, worker_name: "w".into(), manifest: manifest(ECHO), toolchain: None, timeout_ms: 1000 };
    let error = harness.dispatcher.validate(head, Bytes::from_static(b"other")).await.err().unwrap();
    assert_eq!(error.code(), "digest-mismatch");
}

#[tokio::test]
async fn a_kind_of_code_that_nothing_runs_here_is_said() {
    let harness = Harness::new().await;
    let worker = WorkerId::new(Uuid::from_u128(1));
    let mut manifest = manifest(ECHO);
    manifest.mime_type = MimeType::Dll;
    let head = ValidateHead { worker, worker_name: "w".into(), manifest, toolchain: None, timeout_ms: 1000 };
    let error = harness.dispatcher.validate(head, Bytes::from_static(ECHO.as_bytes())).await.err().unwrap();
    assert_eq!(error.code(), "engine-unavailable");
    let engines = harness.dispatcher.engines();
    let available: Vec<_> = engines.iter().map(|engine| (engine.mime_type, engine.available)).collect();
    assert_eq!(available, [(MimeType::Python, true), (MimeType::CSharp, true), (MimeType::Dll, false)]);
}
