//! `POST …/start`, `…/stop`, `DELETE …`, `POST /v1/workers/recover`, and what is observed.

use std::time::Duration;

use serde_json::{Value, json};
use workmanager_core_delivery::Reach;
use workmanager_core_domain::{Outcome, outcome::FailureKind};

use crate::harness::{Harness, base64, event, failure, raw};

async fn post(wm: &Harness, verb: &str) -> Value {
    wm.call("POST", &format!("/v1/workers/w/{verb}"), &Value::Null).await.expect(200).json()
}

#[tokio::test]
async fn start_and_stop_are_idempotent() {
    let wm = Harness::start().await;
    let created = wm.worker("w").await;
    assert_eq!(post(&wm, "stop").await, created, "a stopped worker is stopped without a write");
    let started = post(&wm, "start").await;
    assert_eq!((&started["status"], &started["observed"]["state"]), (&json!("Running"), &json!("Ready")));
    assert_ne!(started["revision"], created["revision"]);
    assert_eq!(post(&wm, "start").await, started);
    let stopped = post(&wm, "stop").await;
    assert_eq!((&stopped["status"], &stopped["observed"]["state"]), (&json!("Stopped"), &json!("Stopped")));
    assert_eq!(post(&wm, "stop").await, stopped);
}

#[tokio::test]
async fn what_is_observed_follows_the_function() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    post(&wm, "start").await;
    let cold = "scaled to zero: the next event starts a function process";
    for (reach, state, message) in [
        (Reach::Warm, "Ready", Value::Null),
        (Reach::Cold, "Ready", json!(cold)),
        (Reach::Starting, "Loading", json!("a function is starting")),
        (Reach::Unknown, "Ready", Value::Null),
    ] {
        wm.target.set_reach(reach);
        let observed = wm.get("/v1/workers/w").await.json()["observed"].clone();
        assert_eq!(observed, json!({"state": state, "message": message, "since": "2026-11-25T10:00:00Z"}));
    }
}

#[tokio::test]
async fn code_that_stopped_loading_is_observed_until_it_loads_again() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    post(&wm, "start").await;
    wm.target.answer(Outcome::Failed(failure(FailureKind::LoadFailed, "at line 7")));
    let invoke = raw("POST", "/v1/workers/w/invoke", "application/cloudevents+json", event("1", &json!(1)).to_string());
    wm.send(invoke).await.refused(422, "load-failed");
    let observed = wm.get("/v1/workers/w").await.json()["observed"].clone();
    assert_eq!((&observed["state"], &observed["message"]), (&json!("Failed"), &json!("SyntaxError: at line 7")));
    wm.call("PUT", "/v1/workers/w/code", &json!({"content": base64("x = 2")})).await.expect(200);
    assert_eq!(wm.get("/v1/workers/w").await.json()["observed"]["state"], "Ready");
}

#[tokio::test]
async fn a_deleted_worker_is_gone_its_name_is_free_and_its_history_stays() {
    let wm = Harness::start().await;
    let id = wm.worker("w").await["id"].as_str().unwrap().to_owned();
    let history = wm.get("/v1/workers/w/history").await.json()["history"][0]["codeSource"].clone();
    let answer = wm.call("DELETE", "/v1/workers/w", &Value::Null).await.expect(204);
    assert_eq!(answer.text, "");
    for reference in ["w", &id] {
        wm.get(&format!("/v1/workers/{reference}")).await.refused(404, "worker-not-found");
        wm.call("DELETE", &format!("/v1/workers/{reference}"), &Value::Null).await.refused(404, "worker-not-found");
        wm.call("POST", &format!("/v1/workers/{reference}/start"), &Value::Null).await.refused(404, "worker-not-found");
    }
    assert_eq!(wm.get("/v1/workers").await.json()["workers"], json!([]));
    let kept = wm.get(&format!("/v1/workers/{id}/history")).await.expect(200).json();
    assert_eq!(kept["history"][0]["codeSource"], history);
    wm.get("/v1/workers/w/history").await.refused(404, "worker-not-found");
    assert_ne!(wm.worker("w").await["id"], id);
}

#[tokio::test]
async fn a_delete_waits_for_attempts_in_flight_as_long_as_it_may() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    wm.target.close();
    let invoke =
        || raw("POST", "/v1/workers/w/invoke", "application/cloudevents+json", event("1", &json!(1)).to_string());
    let (answer, ()) = tokio::join!(wm.send(invoke()), async {
        wm.target.waiting.notified().await;
        let delete = wm.call("DELETE", "/v1/workers/w", &Value::Null);
        tokio::pin!(delete);
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut delete).await.is_err(), "it waits");
        wm.get("/v1/workers/w").await.refused(404, "worker-not-found");
        wm.target.open();
        delete.await.expect(204);
    });
    answer.expect(200);

    wm.worker("w").await;
    wm.target.close();
    let (answer, ()) = tokio::join!(wm.send(invoke()), async {
        wm.target.waiting.notified().await;
        wm.call("DELETE", "/v1/workers/w?drain=1ms", &Value::Null).await.expect(204);
        wm.target.open();
    });
    answer.expect(200);
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_nothing_changes() {
    let wm = Harness::start().await;
    wm.worker("w").await;
    let before = wm.everything().await;
    for (method, path) in [("POST", "/v1/workers/w/start"), ("POST", "/v1/workers/w/stop"), ("DELETE", "/v1/workers/w")]
    {
        let mut stale = raw(method, path, "", "");
        stale.headers_mut().insert("if-match", "\"0\"".parse().unwrap());
        wm.send(stale).await.refused(412, "revision-conflict");
        wm.call(method, &format!("{path}?force=true"), &Value::Null).await.refused(400, "invalid-request");
    }
    for query in ["drain=soon", "drain=1h", "drain=-1s", "drain=1s&drain=2s"] {
        let answer = wm.call("DELETE", &format!("/v1/workers/w?{query}"), &Value::Null).await;
        answer.refused(400, "invalid-request");
        assert_eq!(answer.pointers(), ["?drain"], "{query}");
    }
    for reference in ["none", "0199a3b0-7c1e-7000-8000-000000000001", "a%20b", "%2e%2e", "..%2f", "%00", "W"] {
        for (method, verb) in [("GET", ""), ("DELETE", ""), ("POST", "/start"), ("POST", "/stop"), ("GET", "/tags")] {
            let answer = wm.call(method, &format!("/v1/workers/{reference}{verb}"), &Value::Null).await;
            answer.refused(404, "worker-not-found");
        }
    }
    wm.get("/v1/workers/%ff").await.refused(400, "invalid-utf8");
    wm.get("/v1/workers/w?x=1").await.refused(400, "invalid-request");
    assert_eq!(wm.everything().await, before);
}

#[tokio::test]
async fn recovery_reads_the_store_again_and_counts_what_runs() {
    let wm = Harness::start().await;
    for name in ["w", "b", "c"] {
        wm.worker(name).await;
    }
    post(&wm, "start").await;
    let recover = wm.call("POST", "/v1/workers/recover", &Value::Null).await.expect(200);
    assert_eq!(recover.text, r#"{"count":1}"#);
    let before = wm.get("/v1/workers").await.json();
    let id = before["workers"][0]["id"].as_str().unwrap().parse().unwrap();
    wm.app.parts().roster.remove(id);
    assert_ne!(wm.get("/v1/workers").await.json(), before);
    wm.call("POST", "/v1/workers/recover", &Value::Null).await.expect(200);
    assert_eq!(wm.get("/v1/workers").await.json(), before);
}
