//! The listener that functions fetch code from.

use std::time::Duration;

use axum::{Router, body::Body};
use http::Request;
use serde_json::Value;
use workmanager_control_plane::api::internal;
use workmanager_core_domain::{
    Digest,
    ports::{Blobs, Clock},
};

use crate::harness::{Answer, ECHO, Harness, answered};

async fn fetch(router: &Router, hex: &str, grant: Option<&str>) -> Answer {
    let mut request = Request::get(format!("/v1/blobs/{hex}"));
    if let Some(grant) = grant {
        request = request.header("authorization", format!("Bearer {grant}"));
    }
    answered(router, request.body(Body::empty()).unwrap()).await
}

fn digest(worker: &Value) -> Digest {
    worker["digest"].as_str().unwrap().parse().unwrap()
}

fn router(wm: &Harness) -> Router {
    internal::router(wm.store.clone(), wm.grants.clone(), wm.clock.clone())
}

#[tokio::test]
async fn a_grant_opens_its_versions_manifest_and_the_blobs_named_there_and_nothing_else() {
    let wm = Harness::start().await;
    let (worker, router) = (wm.worker("w").await, router(&wm));
    let other = {
        let body = serde_json::json!({"codeSource": {"content": crate::harness::base64("x = 1")}});
        digest(&wm.create(&body).await)
    };
    let loose = wm.store.put("loose".into()).await.unwrap();
    let (version, id) = (digest(&worker), worker["id"].as_str().unwrap().parse().unwrap());
    let grant = wm.grants.issue(id, &version, wm.clock.now());
    let manifest = fetch(&router, &version.hex(), Some(&grant)).await.expect(200);
    assert_eq!(Digest::of(manifest.text.as_bytes()), version);
    assert_eq!(manifest.header("content-type"), "application/octet-stream");
    let source: Digest = manifest.json()["source"].as_str().unwrap().parse().unwrap();
    for _ in 0..2 {
        assert_eq!(fetch(&router, &source.hex(), Some(&grant)).await.expect(200).text, ECHO);
        fetch(&router, &source.hex().to_uppercase(), Some(&grant)).await.expect(200);
        for closed in [other, loose, Digest::of(b"x = 1"), Digest::of(b"nothing")] {
            fetch(&router, &closed.hex(), Some(&grant)).await.refused(403, "grant-refused");
        }
    }
    wm.clock.pass(Duration::from_secs(61));
    assert!(fetch(&router, &version.hex(), Some(&grant)).await.refused(403, "grant-refused").contains("expired"));
}

#[tokio::test]
async fn without_a_grant_or_a_blob_there_is_nothing() {
    let wm = Harness::start().await;
    let (worker, router) = (wm.worker("w").await, router(&wm));
    let (version, id) = (digest(&worker), worker["id"].as_str().unwrap().parse().unwrap());
    for grant in [None, Some(""), Some("x"), Some("AAAA"), Some(&*"A".repeat(1000))] {
        fetch(&router, &version.hex(), grant).await.refused(403, "grant-refused");
    }
    let grant = wm.grants.issue(id, &version, wm.clock.now());
    for name in ["x", "sha256:00", &version.to_string(), &version.hex()[..63], "..%2f..%2fetc%2fpasswd"] {
        fetch(&router, name, Some(&grant)).await.refused(404, "blob-not-found");
    }
    let missing = Digest::of(b"no manifest");
    let grant = wm.grants.issue(id, &missing, wm.clock.now());
    fetch(&router, &missing.hex(), Some(&grant)).await.refused(404, "blob-not-found");
    fetch(&router, &version.hex(), Some(&grant)).await.refused(403, "grant-refused");
}

#[tokio::test]
async fn it_serves_nothing_else() {
    let wm = Harness::start().await;
    let router = router(&wm);
    for (method, path, status, code) in [
        ("GET", "/v1/workers", 404, "unknown-path"),
        ("GET", "/", 404, "unknown-path"),
        ("GET", "/metrics", 404, "unknown-path"),
        ("PUT", "/v1/blobs/x", 405, "method-not-allowed"),
        ("POST", "/v1/blobs/x", 405, "method-not-allowed"),
        ("DELETE", "/v1/blobs/x", 405, "method-not-allowed"),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        answered(&router, request).await.refused(status, code);
    }
}
