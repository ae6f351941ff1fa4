//! New code in a running function: fetched, verified, loaded into a process of its own, run once.

use std::{fmt::Write as _, net::SocketAddr, time::Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Row, Setting,
    http::{self, Program},
    ours,
};

const JSON: &str = "content-type: application/json\r\n";

/// One call of `invoke` for each of many workers that the running function has never seen: from the
/// request to the control plane to its answer.
pub(super) fn cold(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    let binary = ours::built("workmanager")?;
    let folder = tempfile::tempdir()?;
    let (mut command, server) = ours::control_plane(&binary, "serve", folder.path())?;
    let _program = Program(command.args(["--function-idle", "3s"]).spawn()?);
    http::until("the program is healthy", || http::ask(server, "GET /health", "", "", 200).is_ok())?;

    let n = if setting.quick { 2 } else { 20 };
    for number in 0..=n {
        create(server, number)?;
    }
    // The function that validated them has seen them all: it must go, and with it what it fetched.
    http::until("the function is stopped", || {
        let metrics = http::ask(server, "GET /metrics", "", "", 200).unwrap_or_default();
        metrics.lines().any(|line| line == "workmanager_function_running 0")
    })?;
    std::fs::remove_dir_all(folder.path().join("function/cache"))?;
    // Wakes the function, unmeasured.
    invoke(server, 0)?;
    let mut samples = Vec::new();
    for number in 1..=n {
        let start = Instant::now();
        invoke(server, number)?;
        samples.push(start.elapsed());
    }
    let command = "POST /v1/workers/NEW/invoke".to_owned();
    Ok(vec![Row::of_times("workmanager serve", "request to answer, ms", samples, command)?])
}

fn create(server: SocketAddr, number: usize) -> anyhow::Result<()> {
    let mut source = format!("NUMBER = {number}\ndef Process(event):\n    return {{'type': 'done', 'data': NUMBER}}\n");
    // As long as small workers are.
    for line in 0..50 {
        writeln!(source, "def helper_{line}(value):\n    return value + {line}")?;
    }
    let content = STANDARD.encode(source);
    let body = format!("{{\"name\": \"worker-{number}\", \"codeSource\": {{\"content\": \"{content}\"}}}}");
    http::ask(server, "POST /v1/workers", JSON, &body, 201).map(drop)
}

fn invoke(server: SocketAddr, number: usize) -> anyhow::Result<()> {
    let line = format!("POST /v1/workers/worker-{number}/invoke");
    let answer = http::ask(server, &line, http::EVENT, "{\"a\":1}", 200)?;
    anyhow::ensure!(answer.contains(&number.to_string()), "{answer}");
    Ok(())
}
