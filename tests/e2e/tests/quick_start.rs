//! The quick start, byte for byte.

use std::process::Command;

use serde_json::{Value, json};
use workmanager_tests_e2e::{QUICK_START, Server, has, workmanager};

#[test]
fn the_quick_start_answers_and_its_worker_replies() {
    if !has("curl") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(workmanager());
    command.args(["serve", "--data-dir"]).arg(directory.path().join("data"));
    let server = Server::spawn(command, "http://127.0.0.1:5001".into(), directory.path().to_owned(), Some(directory));

    let output =
        Command::new("bash").args(["-c", &format!("{QUICK_START} -s -w '\n%{{http_code}}'")]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(status, "201", "{body}");
    let worker: Value = serde_json::from_str(body).unwrap();
    assert_eq!(worker["mimeType"], "text/x-python");
    assert_eq!(worker["topic"], "time-worker-topic");
    assert_eq!(worker["status"], "Stopped");

    let id = worker["id"].as_str().unwrap();
    let started = server.call("POST", &format!("/v1/workers/{id}/start"), &Value::Null).expect(200).json();
    assert_eq!(started["status"], "Running");
    let replies = server.tail("replies", "");
    server.publish("time-worker-topic", "1", &json!({"hello": ["w\u{f6}rld", 1.10]}));
    let reply = replies.next();
    assert_eq!(reply["type"], "com.example.output");
    assert_eq!(reply["source"], "python-worker");
    assert_eq!(reply["data"], json!({"hello": ["w\u{f6}rld", 1.10]}));
    assert_eq!(reply["causationid"], "1");
}
