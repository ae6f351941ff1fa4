//! Our own binaries, built as they are shipped.

use std::{
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;

use super::{http, subject::Subject};
use crate::check::cargo;

const ECHO: &str = "def Process(event):\n    return {\"type\": \"echo\", \"data\": event[\"data\"]}\n";

/// What is built: together, so that all share their dependencies.
const TARGETS: [&str; 13] = [
    "--package",
    "workmanager",
    "--package",
    "workmanager-function",
    "--package",
    "workmanager-functions-knative",
    "--package",
    "workmanager-adapters-dapr",
    "--bins",
    "--example",
    "bare_echo",
    "--example",
    "bare_client",
];

/// Builds everything in release mode and says where this binary is.
pub(super) fn built(name: &str) -> anyhow::Result<PathBuf> {
    let mut command = cargo(&["build", "--release", "--locked", "--message-format", "json-render-diagnostics"]);
    let output = command.args(TARGETS).stderr(Stdio::inherit()).output()?;
    anyhow::ensure!(output.status.success(), "the binaries do not build");
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    };
    let mut executables = messages.lines().filter_map(executable);
    executables.find(|path| path.ends_with(name)).with_context(|| format!("cargo built no {name}"))
}

/// A command that runs a control plane on free ports, and where it will serve.
pub(super) fn control_plane(binary: &Path, verb: &str, data: &Path) -> anyhow::Result<(Command, SocketAddr)> {
    let [server, internal] = http::free_ports()?;
    let mut command = Command::new(binary);
    command.args([verb, "--http-port", &server.port().to_string(), "--internal-port", &internal.port().to_string()]);
    command.arg("--data-dir").arg(data);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    Ok((command, server))
}

/// A function process with one worker, on its own.
pub(super) fn function(concurrency: u32) -> anyhow::Result<Subject> {
    let (binary, folder) = (built("workmanager-function")?, tempfile::tempdir()?);
    let file = folder.path().join("echo.py");
    std::fs::write(&file, ECHO)?;
    let given = format!("echo={}", file.display());
    let command = move |port: u16| {
        let mut command = Command::new(&binary);
        command.args(["--log", "warn", "--listen", &format!("127.0.0.1:{port}"), "--worker", &given]);
        command.args(["--concurrency", &concurrency.to_string()]);
        command
    };
    let name = "workmanager-function".to_owned();
    let subject = Subject { name, path: "/v1/workers/echo/events", command: Box::new(command), _folder: Some(folder) };
    subject.start()?;
    Ok(subject)
}

/// The floor: HTTP, one pipe to a process that echoes, and nothing else.
pub(super) fn bare_echo() -> anyhow::Result<Subject> {
    let binary = built("bare_echo")?;
    let command = move |port: u16| {
        let mut command = Command::new(&binary);
        command.arg(format!("127.0.0.1:{port}"));
        command
    };
    let subject = Subject { name: "bare echo".to_owned(), path: "/", command: Box::new(command), _folder: None };
    subject.start()?;
    Ok(subject)
}
