//! `docs/cli.md`, typed from its first command to its last.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use workmanager_tests_e2e::{
    Server,
    doc_blocks::{Block, block},
    workmanager,
};

/// A reader's shell: one folder, the binary on the `PATH`, the server in the environment.
struct Shell {
    server: Server,
    folder: TempDir,
}

impl Shell {
    fn new() -> Self {
        Self { server: Server::serve(&[]), folder: tempfile::tempdir().unwrap() }
    }

    /// Types a block, every command of which succeeds. What it wrote is the answer.
    #[track_caller]
    fn types(&self, block: &Block) -> String {
        let binaries = workmanager().parent().unwrap().display().to_string();
        let script = format!("PATH={binaries}:$PATH\n{}", block.script());
        let mut shell = Command::new("timeout");
        shell.args(["60", "bash", "-euo", "pipefail", "-c", &script]).current_dir(self.folder.path());
        let output = shell.env("WORKMANAGER_SERVER", self.server.url()).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{} of {}:{}\n{out}{err}", output.status, block.file, block.line);
        out
    }

    /// Types a block whose output has these parts.
    #[track_caller]
    fn shows(&self, block: &Block, parts: &[&str]) {
        let out = self.types(block);
        for part in parts {
            assert!(out.contains(part), "{}:{} does not show `{part}`:\n{out}", block.file, block.line);
        }
    }

    fn version(&self) -> Value {
        self.server.call("GET", "/v1/workers/orders", &Value::Null).expect(200).json()["version"].clone()
    }
}

#[test]
fn every_command_of_the_page_does_what_the_page_says() {
    let shell = Shell::new();
    shell.shows(&block("cli-create"), &["orders"]);
    shell.shows(&block("cli-get"), &["orders", r#""status""#, "Running"]);
    shell.shows(&block("cli-list"), &["orders"]);
    shell.shows(&block("cli-publish"), &["order-1"]);
    shell.shows(&block("cli-tail"), &["12", "5"]);
    shell.shows(&block("cli-invoke"), &["4"]);
    shell.shows(&block("cli-explain"), &["event order-4711", "accepted on topic `orders`"]);
    shell.types(&block("cli-logs"));
    shell.types(&block("cli-dead-letters"));
    shell.types(&block("cli-quarantine"));
    shell.types(&block("cli-load"));
    assert_eq!(shell.version(), 2);
    shell.shows(&block("cli-history"), &["1", "2"]);
    shell.types(&block("cli-rollback"));
    assert_eq!(shell.version(), 1);
    shell.types(&block("cli-stop"));
    shell.types(&block("cli-start"));
    shell.shows(&block("cli-apply"), &["returns", "audit", "unchanged"]);
    shell.types(&block("cli-delete"));
    let left = shell.server.call("GET", "/v1/workers", &Value::Null).expect(200).json();
    let names: Vec<_> = left["workers"].as_array().unwrap().iter().map(|worker| worker["name"].clone()).collect();
    assert_eq!(names, ["orders"]);
    shell.shows(&block("cli-engines"), &["text/x-python"]);
    shell.shows(&block("cli-doctor"), &["ok"]);
    shell.types(&block("cli-completions"));
    assert!(shell.folder.path().join("workmanager.bash").metadata().unwrap().len() > 0);
}
