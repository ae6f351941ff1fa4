//! Plain CloudEvents.

use crate::support::{Function, eventually};

const ECHO: &str = "
def Process(event):
    if event['type'] == 'mute': return None
    print('seen', event['id'])
    return {'Type': 'com.example.output', 'Data': event['data']}
";

#[tokio::test]
async fn an_event_in_binary_mode_is_answered_in_binary_mode() {
    let function = Function::start(&[("echo", ECHO)], &[]).await;
    let answer = function.event("echo", r#"{"a": 1}"#).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, br#"{"a":1}"#.as_ref()));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("content-length"), Some("7"));
    let header = |name| answer.header(name).unwrap();
    assert_eq!((header("ce-specversion"), header("ce-type")), ("1.0", "com.example.output"));
    assert_eq!((header("ce-source"), header("ce-causationid")), ("workmanager/echo", "e1"));
    assert_eq!(header("ce-workmanagerhops"), "1");
    // The same event has the same reply: its id follows from the worker's and the event's.
    let again = function.event("echo", r#"{"a": 1}"#).await;
    assert_eq!(again.header("ce-id"), Some(header("ce-id")));
    eventually("the worker's output is in the log", || function.stderr.lock().unwrap().contains("seen e1")).await;
}

#[tokio::test]
async fn an_event_in_structured_mode_is_answered_in_structured_mode() {
    let function = Function::start(&[("echo", ECHO)], &[]).await;
    let post = async |content_type, body: &'static str| {
        function.post("/v1/workers/echo/events", &[("content-type", content_type)], body).await
    };
    let structured = "application/cloudevents+json; charset=utf-8";
    let event = r#"{"specversion":"1.0","id":"2","source":"/s","type":"t","correlationid":"c","data":[1.10]}"#;
    let answer = post(structured, event).await;
    assert_eq!(answer.header("content-type"), Some("application/cloudevents+json"));
    let reply = answer.json();
    assert_eq!((&reply["type"], &reply["causationid"]), (&"com.example.output".into(), &"2".into()));
    assert_eq!((&reply["correlationid"], &reply["data"]), (&"c".into(), &serde_json::json!([1.1])));

    let mute = r#"{"specversion":"1.0","id":"2","source":"/s","type":"mute"}"#;
    let answer = post(structured, mute).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
}

#[tokio::test]
async fn a_batch_is_answered_with_the_batch_of_its_replies() {
    let function = Function::start(&[("echo", ECHO)], &[]).await;
    let headers = [("content-type", "application/cloudevents-batch+json")];
    let event = |id: &str, kind: &str| {
        format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"{kind}","data":"{id}"}}"#)
    };
    let batch = format!("[{},{},{}]", event("1", "t"), event("2", "mute"), event("3", "t"));
    let answer = function.post("/v1/workers/echo/events", &headers, batch).await;
    assert_eq!(answer.header("content-type"), Some("application/cloudevents-batch+json"));
    let data: Vec<_> = answer.json().as_array().unwrap().iter().map(|reply| reply["data"].clone()).collect();
    assert_eq!(data, ["1", "3"]);
    for nothing in ["[]".to_owned(), format!("[{}]", event("1", "mute"))] {
        assert_eq!(function.post("/v1/workers/echo/events", &headers, nothing).await.status, 204);
    }
    // One bad event and none runs.
    let bad = format!("[{},{{\"id\":\"1\"}}]", event("bad", "t"));
    let answer = function.post("/v1/workers/echo/events", &headers, bad).await;
    assert_eq!(answer.problem(), (400, "invalid-event".into(), true));
    assert!(answer.json()["detail"].as_str().unwrap().contains("event 1 of the batch"));
    assert!(!function.stderr.lock().unwrap().contains("seen bad"));
}

#[tokio::test]
async fn a_failed_attempt_is_a_problem_that_says_what_failed() {
    let source = "
import os, time
def Process(event):
    name = event['data']
    if name == 'raise': raise ValueError('no good')
    if name == 'reply': return 7
    if name == 'attribute': return {'type': 't', 'bad-name': 'x'}
    if name == 'type': return {'data': 1}
    if name == 'die': os._exit(3)
    if name == 'hang': time.sleep(600)
";
    let function = Function::start(&[("w", source)], &["--timeout", "1s"]).await;
    let table = [
        ("raise", 500, "worker-exception"),
        ("reply", 500, "invalid-reply"),
        ("attribute", 500, "invalid-reply"),
        ("type", 500, "invalid-reply"),
        ("die", 502, "engine-lost"),
        ("hang", 504, "timed-out"),
    ];
    for (name, status, code) in table {
        let answer = function.event("w", &format!("\"{name}\"")).await;
        assert_eq!(answer.problem(), (status, code.to_owned(), false), "{name}");
    }
    let problem = function.event("w", "\"raise\"").await.json();
    assert_eq!((&problem["errorType"], &problem["detail"]), (&"ValueError".into(), &"no good".into()));
    assert!(problem["stack"].as_str().unwrap().contains("w.py"));
    assert_eq!(function.event("w", "\"fine\"").await.status, 204);
}

#[tokio::test]
async fn what_cannot_be_an_attempt_is_refused_and_says_that_none_ran() {
    let function = Function::start(&[("echo", ECHO)], &[]).await;
    assert_eq!(function.event("other", "1").await.problem(), (503, "version-not-loaded".into(), true));
    assert_eq!(function.event("echo", "{").await.problem(), (400, "json-malformed".into(), true));
    let answer = function.post("/v1/workers/echo/events", &[("content-type", "application/json")], "{}").await;
    assert_eq!(answer.problem(), (400, "invalid-event".into(), true));
    let avro = [("content-type", "application/cloudevents+avro")];
    let answer = function.post("/v1/workers/echo/events", &avro, "").await;
    assert_eq!(answer.problem(), (415, "unsupported-media-type".into(), true));
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    assert_eq!(function.event("echo", &large).await.problem(), (413, "event-too-large".into(), true));
    let larger = format!("\"{}\"", "x".repeat(3 << 20));
    assert_eq!(function.event("echo", &larger).await.problem(), (413, "body-too-large".into(), true));
}

#[tokio::test]
async fn a_worker_can_be_given_by_its_id() {
    let id = "0199a3b0-7c1e-7000-8000-000000000001";
    let function = Function::start(&[(id, ECHO)], &[]).await;
    assert_eq!(function.event(id, "1").await.status, 200);
    assert_eq!(function.event(&id.to_uppercase(), "1").await.status, 200);
}

#[tokio::test]
async fn concurrency_is_a_choice() {
    let source = "
import threading, os, time
def Process(event):
    open(event['data'] + str(os.getpid()), 'w').close()
    while len([n for n in os.listdir(os.path.dirname(event['data'])) if n.startswith('both')]) < 2: time.sleep(0.005)
";
    let directory = tempfile::tempdir().unwrap();
    let data = serde_json::to_string(&directory.path().join("both")).unwrap();
    let function = Function::start(&[("w", source)], &["--concurrency", "2", "--sandbox", "off"]).await;
    // Each waits for the other.
    let (first, second) = tokio::join!(function.event("w", &data), function.event("w", &data));
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (204, 204));
}
