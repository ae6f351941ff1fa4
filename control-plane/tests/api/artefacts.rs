//! Compiled code: kept, used again, and made again.

use std::time::Duration;

use serde_json::{Value, json};
use workmanager_core_delivery::Compiled;
use workmanager_core_domain::{
    Outcome,
    outcome::{Failure, FailureKind},
};

use crate::harness::{Harness, base64, event, failure, raw};

fn code(source: &str) -> Value {
    json!({ "content": base64(source) })
}

async fn create(wm: &Harness, name: &str, source: &str) -> Value {
    wm.create(
        &json!({ "name": name, "topic": "in", "mimeType": "text/x-csharp", "codeSource": code(source), "start": true }),
    )
    .await
}

/// What the last candidate came with.
fn last_made(wm: &Harness) -> Option<Compiled> {
    wm.target.candidates.lock().unwrap().last().unwrap().made.clone()
}

#[tokio::test]
async fn what_was_compiled_is_sent_with_the_same_source_and_compiled_again_by_another_compiler_only() {
    let wm = Harness::start().await;
    let first = create(&wm, "w", "class W { }").await;
    assert_eq!(last_made(&wm), None);
    wm.call("DELETE", "/v1/workers/w", &Value::Null).await.expect(204);

    let second = create(&wm, "w", "class W { }").await;
    let made = last_made(&wm).unwrap();
    assert_eq!(
        (made.toolchain.as_str(), &made.bytes[..]),
        ("this compiler", &b"this compiler made this of class W { }"[..])
    );
    assert_eq!(second["digest"], first["digest"], "it is the same version");

    // The name is in stack traces, so another worker's code is another artefact.
    create(&wm, "other", "class W { }").await;
    assert_eq!(last_made(&wm), None);

    *wm.target.toolchain.lock().unwrap() = "a newer compiler".to_owned();
    let changed = wm.call("PUT", "/v1/workers/w/code", &code("class W { }")).await.expect(200).json();
    assert_eq!(last_made(&wm), Some(made));
    assert_eq!(changed["version"], 2);
    wm.call("PUT", "/v1/workers/w/code", &code("class W { }")).await.expect(200);
    assert_eq!(last_made(&wm).unwrap().toolchain, "a newer compiler");
}

#[tokio::test]
async fn what_the_compiler_says_is_in_the_problem_with_its_places() {
    let wm = Harness::start().await;
    create(&wm, "w", "class W { }").await;
    let body = json!({ "name": "bad", "mimeType": "text/x-csharp", "codeSource": code("syntax error") });
    let refused = wm.call("POST", "/v1/workers", &body).await.expect(422).json();
    let place = |pointer: &str, line: u32, id: &str| json!({ "pointer": pointer, "reason": "; expected", "file": "w.cs", "line": line, "column": 5, "id": id });
    let at = "/codeSource/content";
    assert_eq!(refused["errors"], json!([place(at, 1, "CS1002"), place(at, 3, "CS1003")]));
    let refused = wm.call("PUT", "/v1/workers/w/code", &code("syntax error")).await.expect(422).json();
    assert_eq!(refused["errors"][0], place("/content", 1, "CS1002"));
}

#[tokio::test]
async fn a_lost_artefact_is_made_again_once_an_attempt_misses_it() {
    let wm = Harness::start().await;
    wm.app.keep_artefacts();
    create(&wm, "w", "class W { }").await;
    let lost = Failure { retryable: true, ..failure(FailureKind::ArtefactMissing, "lost") };
    wm.target.answer(Outcome::Failed(lost));
    let before = wm.target.candidates.lock().unwrap().len();
    let path = "/v1/workers/w/invoke";
    let missed = wm.send(raw("POST", path, "application/cloudevents+json", event("1", &json!(1)).to_string())).await;
    assert_eq!(missed.expect(503).json()["code"], "artefact-missing");
    let made = async {
        while wm.target.candidates.lock().unwrap().len() == before {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), made).await.unwrap();
    assert_eq!(wm.get("/v1/workers/w").await.expect(200).json()["version"], 1);
}
