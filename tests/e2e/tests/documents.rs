//! What the documents tell a reader to type, typed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::process::Command;

use serde_json::{Value, json};
use workmanager_tests_e2e::{
    QUICK_START, Server,
    doc_blocks::{Block, block, parse, root},
    has, workmanager,
};

/// The command with which the documents run this program.
const RUN: &str = "cargo run --release --";

/// Types a block into a shell, for a server on other ports. What it wrote is the answer.
fn typed(server: &Server, block: &Block) -> String {
    let script = block.script().replace("http://localhost:5001", server.url());
    let script = script.replace(RUN, workmanager().to_str().unwrap());
    let mut shell = Command::new("timeout");
    let output = shell.args(["60", "bash", "-c", &script]).env("WORKMANAGER_SERVER", server.url()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// `dev` with the file that the page tells the reader to write.
fn dev_with_the_file_of(page: &str, name: &str) -> (Server, tempfile::TempDir) {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let source = parse(page, &text).into_iter().find(|block| block.language == "python").unwrap().text;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, source).unwrap();
    (Server::dev(&[file.to_str().unwrap()]), folder)
}

#[test]
fn the_readme_leads_from_nothing_to_a_reply() {
    if !has("curl") {
        return;
    }
    assert_eq!(block("quick-start").text.trim_end(), QUICK_START);
    let server = Server::dev(&[]);
    let worker: Value = serde_json::from_str(&typed(&server, &block("quick-start"))).unwrap();
    assert_eq!((&worker["topic"], &worker["status"]), (&json!("time-worker-topic"), &json!("Stopped")));
    let shown = typed(&server, &block("quick-start-reply"));
    assert!(shown.contains(r#"{"accepted":["1"]}"#), "{shown}");
    let reply =
        shown.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or_else(|| panic!("no reply: {shown}"));
    let reply: Value = serde_json::from_str(reply).unwrap();
    assert_eq!((&reply["type"], &reply["data"]), (&json!("com.example.output"), &json!({"hello": "world"})));
}

#[test]
fn getting_started_leads_from_a_file_to_its_replies() {
    if !has("curl") {
        return;
    }
    assert_eq!(block("getting-started-dev").script(), format!("{RUN} dev orders.py"));
    let (server, _folder) = dev_with_the_file_of("docs/getting-started.md", "orders.py");
    let replies = server.tail("replies", "");
    let (kind, patch) = ("application/merge-patch+json", r#"{"replyTopic": "replies"}"#);
    let patched = server.send("PATCH", "/v1/workers/orders", &[("content-type", kind)], patch.as_bytes());
    assert_eq!(patched.expect(200).json()["replyTopic"], "replies");

    let accepted = typed(&server, &block("getting-started-publish"));
    assert!(accepted.contains(r#"{"accepted":["order-1"]}"#), "{accepted}");
    assert_eq!(replies.next()["data"], json!({"id": 1, "total": 12}));
    typed(&server, &block("getting-started-cli"));
    assert_eq!(replies.next()["data"], json!({"id": 2, "total": 5}));

    let shown = typed(&server, &block("getting-started-replies"));
    assert!(shown.contains(r#""data":{"id":3,"total":4}"#), "{shown}");
}
