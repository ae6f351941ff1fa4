//! An engine whose processes load something else than the source.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::value::RawValue;
use uuid::Uuid;
use workmanager_core_domain::{
    Digest, EngineInfo, ErrorKind, Manifest, MimeType, WorkerId,
    outcome::{Failure, FailureKind},
};
use workmanager_core_frames::{ErrorHead, FailedWith, Frame, Kind, LoadedHead, ValidateHead};
use workmanager_engines_host::{Compiled, Engine, Process, Source, SpawnError};
use workmanager_engines_python::Python;
use workmanager_functions_dispatcher::Error;

use crate::support::{ECHO, Harness, manifest};

const TOOLCHAIN: &str = "a mirror";

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

    async fn toolchain(&self, _: MimeType) -> Result<Option<String>, SpawnError> {
        Ok(Some(TOOLCHAIN.to_owned()))
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
    assert_eq!((&answer.body[..], head.toolchain.as_deref()), (ECHO.as_bytes(), Some(TOOLCHAIN)));
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

/// What a control plane asks that has what `source` was compiled to, by this compiler.
async fn validate_made(harness: &Harness, toolchain: &str) -> Result<Frame, Error> {
    let artefact = Some(Digest::of(ECHO.as_bytes()));
    // The source is nobody's any more: whoever would compile it could not.
    let manifest = Manifest { mime_type: MimeType::CSharp, artefact, ..manifest("gone") };
    let worker = WorkerId::new(Uuid::from_u128(1));
    let toolchain = Some(toolchain.to_owned());
    let head = ValidateHead { worker, worker_name: "worker-1".into(), manifest, toolchain, timeout_ms: 30_000 };
    harness.dispatcher.validate(head, Bytes::from_static(ECHO.as_bytes())).await
}

#[tokio::test]
async fn an_artefact_of_the_compiler_that_is_here_is_loaded_as_it_is() {
    let harness = Harness::new().await;
    let answer = validate_made(&harness, TOOLCHAIN).await.unwrap();
    let head: LoadedHead = answer.head().unwrap();
    assert_eq!((answer.kind, head.entry.as_str(), head.artefact), (Kind::Loaded, "Process", false));
    assert!(answer.body.is_empty(), "who has it need not be sent it");
}

#[tokio::test]
async fn an_artefact_of_another_compiler_is_not_taken() {
    let harness = Harness::new().await;
    let error = validate_made(&harness, "another mirror").await.err().unwrap();
    assert_eq!((error.code(), error.kind()), ("toolchain-differs", ErrorKind::Conflict));
    assert_eq!(error.to_string(), "the artefact was made by another mirror, here is a mirror");
}

#[tokio::test]
async fn an_artefact_that_is_lost_is_told_from_code_that_is_not_there_now() {
    let harness = Harness::new().await;
    let kept = Manifest { mime_type: MimeType::CSharp, artefact: Some(Digest::of(b"lost")), ..manifest("source") };
    let canonical = kept.canonical().unwrap();
    let digest = Digest::of(&canonical);
    harness.store.put(digest, canonical);
    harness.store.put(kept.source, "source");
    let error = harness.begin(1, digest, "1").await.err().unwrap();
    assert_eq!((error.code(), error.kind()), ("artefact-missing", ErrorKind::Unavailable));
    harness.store.put(Digest::of(b"lost"), "lost");
    let found = harness.begin(1, digest, "1").await;
    assert!(found.is_ok(), "once it is there again it is used");
}

#[tokio::test]
async fn what_does_not_compile_is_said_and_starts_nothing() {
    let harness = Harness::new().await;
    let answer = validate(&harness, "").await;
    let FailedWith::Failed(failure) = answer.head::<ErrorHead>().unwrap().error else { panic!("{answer:?}") };
    assert_eq!((answer.kind, failure.message.as_str()), (Kind::Error, "worker-1.py is empty"));
    assert_eq!(harness.dispatcher.loaded("worker-1").err().unwrap().code(), "version-not-loaded");
}
