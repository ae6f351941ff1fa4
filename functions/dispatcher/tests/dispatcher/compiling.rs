//! An engine whose processes load something else than the source.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::value::RawValue;
use uuid::Uuid;
use workmanager_core_domain::{
    Digest, EngineInfo, Manifest, MimeType, WorkerId,
    outcome::{Failure, FailureKind},
};
use workmanager_core_frames::{ErrorHead, FailedWith, Frame, Kind, LoadedHead, ValidateHead};
use workmanager_engines_host::{Compiled, Engine, Process, Source, SpawnError};
use workmanager_engines_python::Python;

use crate::support::{ECHO, Harness, manifest};

/// Python, spelled backwards.
pub(crate) struct Compiling(pub(crate) Python);

#[async_trait]
impl Engine for Compiling {
    fn mime_types(&self) -> &'static [MimeType] {
        &[MimeType::CSharp]
    }

    fn info(&self, mime_type: MimeType) -> EngineInfo {
        self.0.info(mime_type)
    }

    async fn start(&self) {
        self.0.start().await;
    }

    async fn compile(&self, source: Source<'_>) -> Result<Compiled, SpawnError> {
        let text = std::str::from_utf8(source.bytes).unwrap();
        if text.is_empty() {
            return Ok(Compiled::Rejected(Failure {
                kind: FailureKind::LoadFailed,
                retryable: false,
                error_type: None,
                message: format!("{} is empty", source.file_name),
                stack: None,
                errors: Vec::new(),
            }));
        }
        Ok(Compiled::Artefact(backwards(text).into()))
    }

    async fn spawn(&self, manifest: &Manifest) -> Result<Process, SpawnError> {
        self.0.spawn(manifest).await
    }

    fn file_name(&self, worker_name: &str) -> String {
        self.0.file_name(worker_name)
    }

    fn policy(&self, manifest: &Manifest, process: &Process) -> Option<Box<RawValue>> {
        self.0.policy(manifest, process)
    }

    async fn stop(&self) {
        self.0.stop().await;
    }
}

fn backwards(text: &str) -> String {
    text.chars().rev().collect()
}

async fn validate(harness: &Harness, source: &str) -> Frame {
    let manifest = Manifest { mime_type: MimeType::CSharp, ..manifest(source) };
    let worker = WorkerId::new(Uuid::from_u128(1));
    let head = ValidateHead { worker, worker_name: "worker-1".into(), manifest, toolchain: None, timeout_ms: 30_000 };
    harness.dispatcher.validate(head, Bytes::copy_from_slice(source.as_bytes())).await.unwrap()
}

#[tokio::test]
async fn the_artefact_is_answered_and_the_version_that_has_it_is_warm() {
    let harness = Harness::new().await;
    let source = backwards(ECHO);
    let answer = validate(&harness, &source).await;
    let head: LoadedHead = answer.head().unwrap();
    assert_eq!((answer.kind, head.entry.as_str(), head.artefact), (Kind::Loaded, "Process", true));
    assert_eq!(answer.body, ECHO);
    // What the control plane will make of it.
    let artefact = Some(Digest::of(&answer.body));
    let kept = Manifest { mime_type: MimeType::CSharp, artefact, ..manifest(&source) };
    let digest = Digest::of(&kept.canonical().unwrap());
    assert_eq!(harness.dispatcher.loaded("worker-1").unwrap().digest, digest);
    harness.run(1, digest, "1").await.pid();
    assert_eq!(harness.store.requests.load(Ordering::SeqCst), 0, "nothing is fetched");
}

#[tokio::test]
async fn an_artefact_is_what_a_cold_function_fetches() {
    let harness = Harness::new().await;
    let kept =
        Manifest { mime_type: MimeType::CSharp, artefact: Some(Digest::of(ECHO.as_bytes())), ..manifest("gone") };
    let canonical = kept.canonical().unwrap();
    let digest = Digest::of(&canonical);
    harness.store.put(digest, canonical);
    harness.store.put(Digest::of(ECHO.as_bytes()), ECHO);
    harness.run(1, digest, "1").await.pid();
}

#[tokio::test]
async fn what_does_not_compile_is_said_and_starts_nothing() {
    let harness = Harness::new().await;
    let answer = validate(&harness, "").await;
    let FailedWith::Failed(failure) = answer.head::<ErrorHead>().unwrap().error else { panic!("{answer:?}") };
    assert_eq!((answer.kind, failure.message.as_str()), (Kind::Error, "worker-1.py is empty"));
    assert_eq!(harness.dispatcher.loaded("worker-1").err().unwrap().code(), "version-not-loaded");
}
