//! A control plane whose functions run elsewhere: here, a function process of its own behind a port.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use workmanager_tests_e2e::{Server, descendants, eventually, free_ports, function, workmanager};

const ECHO: &str = "def Process(event):\n    return {'type': 'echo', 'data': event['data']}\n";

struct Function(Child);

impl Function {
    fn start(port: u16, code: u16, folder: &Path) -> Self {
        let mut command = Command::new(function());
        command.args(["--listen", &format!("127.0.0.1:{port}"), "--code-url", &format!("http://127.0.0.1:{code}")]);
        command.arg("--cache-dir").arg(folder.join("cache")).args(["--log", "warn"]).stdin(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn events_go_to_the_function_at_a_url_and_wait_while_it_is_away() {
    let (folder, [http, internal], [port, _]) = (tempfile::tempdir().unwrap(), free_ports(), free_ports());
    let function = Function::start(port, internal, folder.path());
    let mut command = Command::new(workmanager());
    command.args([
        "serve",
        "--http-port",
        &http.to_string(),
        "--internal-port",
        &internal.to_string(),
        "--log",
        "warn",
    ]);
    command.args(["--function-url", &format!("text/x-python=http://127.0.0.1:{port}")]);
    command.arg("--data-dir").arg(folder.path().join("data"));
    let server = Server::spawn(command, format!("http://127.0.0.1:{http}"), folder.path().to_owned(), None);

    // It may be on its way still; nothing is changed by a refusal.
    let body = json!({"name": "bad", "codeSource": {"content": workmanager_tests_e2e::base64("def Process(")}});
    let refused = eventually("the function answers", || {
        Some(server.call("POST", "/v1/workers", &body)).filter(|answer| answer.status != 503)
    });
    assert_eq!((refused.status, &refused.json()["code"]), (422, &json!("load-failed")));
    let engines = server.call("GET", "/v1/engines", &Value::Null).json();
    let available = engines["engines"].as_array().unwrap().iter().filter(|engine| engine["available"] == true);
    assert_eq!(available.map(|engine| &engine["mimeType"]).collect::<Vec<_>>(), ["text/x-python"], "{engines}");

    server.worker("echo", "in", ECHO);
    let replies = server.tail("replies", "");
    server.publish("in", "1", &json!(1));
    assert_eq!(replies.next()["data"], 1);

    drop(function);
    server.publish("in", "2", &json!(2));
    let waits = eventually("it waits for another attempt", || {
        let told = server.call("GET", "/v1/events/2", &Value::Null);
        let worker = (told.status == 200).then(|| told.json()["events"][0]["workers"][0].clone())?;
        Some(worker).filter(|worker| worker["state"] == "Waiting")
    });
    assert_eq!(waits["reason"], "retry", "{waits}");
    let _again = Function::start(port, internal, folder.path());
    assert_eq!(replies.next()["data"], 2);
    assert!(descendants(server.pid()).is_empty(), "no function runs beside the control plane");
}

#[test]
fn profile_knative_says_what_it_lacks() {
    let said = |arguments: &[&str]| {
        let output =
            Command::new(workmanager()).args(["serve", "--profile", "knative"]).args(arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said(&[]).contains("--function-url"));
    assert!(said(&["--function-url", "text/x-python=http://python"]).contains("--grant-key"));
    assert!(said(&["--function-url", "text/x-python=https://python"]).contains("must be an http URL"));
}
