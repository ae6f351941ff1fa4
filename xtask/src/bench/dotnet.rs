//! C# workers: what a new one costs, how soon it answers, how fast it is beside Python, what it holds in memory.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Row, Setting,
    http::{self, Program},
    ours,
    subject::Subject,
    wrk,
};
use crate::tools::dotnet::Dotnet;

const JSON: &str = "content-type: application/json\r\n";
/// Long enough for the next spare process to be ready, and for it to be calm again.
const CALM: Duration = Duration::from_millis(1200);

/// What is measured of C#, one after the other.
pub(super) fn dotnet(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    let tools = setting.tools.dotnet()?;
    let mut rows = creating(setting, &tools)?;
    for (spares, measure) in [("1", "first event, a spare process, ms"), ("0", "first event, no spare process, ms")] {
        rows.push(first_events(setting, &tools, spares, measure)?);
    }
    rows.extend(beside_python(setting, &tools)?);
    rows.extend(memory(setting, &tools)?);
    Ok(rows)
}

/// Ten lines, as small workers have them.
fn source(number: usize) -> String {
    format!(
        "using System.Text.Json;\nusing CloudNative.CloudEvents;\n\npublic static class Worker\n{{\n    \
         private const int Number = {number};\n\n    public static CloudEvent Process(CloudEvent e)\n    {{\n        \
         return new CloudEvent {{ Type = \"done\", Data = Number }};\n    }}\n}}\n"
    )
}

fn create(server: SocketAddr, number: usize) -> anyhow::Result<Duration> {
    let content = STANDARD.encode(source(number));
    let body = format!(
        "{{\"name\": \"worker-{number}\", \"mimeType\": \"text/x-csharp\", \"codeSource\": {{\"content\": \"{content}\"}}}}"
    );
    let start = Instant::now();
    http::ask(server, "POST /v1/workers", JSON, &body, 201)?;
    Ok(start.elapsed())
}

fn serve(tools: &Dotnet, folder: &Path, spares: &str) -> anyhow::Result<(Program, SocketAddr)> {
    let (mut command, server) = ours::control_plane(&ours::built("workmanager")?, "serve", folder)?;
    set(&mut command, tools).env("WORKMANAGER_DOTNET_SPARES", spares);
    let program = Program(command.args(["--function-idle", "3s"]).spawn()?);
    http::until("the program is healthy", || http::ask(server, "GET /health", "", "", 200).is_ok())?;
    Ok((program, server))
}

fn set<'a>(command: &'a mut Command, Dotnet { root, roslyn }: &Dotnet) -> &'a mut Command {
    command.env("DOTNET_ROOT", root).env("WORKMANAGER_CSHARP_COMPILER", roslyn)
}

/// A new worker, with a compiler that is started for it, and with one that has compiled before.
fn creating(setting: &Setting<'_>, tools: &Dotnet) -> anyhow::Result<Vec<Row>> {
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    let rounds = if setting.quick { 1 } else { 6 };
    for round in 0..=rounds {
        let folder = tempfile::tempdir()?;
        let (_program, server) = serve(tools, folder.path(), "1")?;
        // The function and its spare process are there; the compiler is not.
        http::ask(server, "GET /v1/engines", "", "", 200)?;
        thread::park_timeout(CALM);
        let first = create(server, 0)?;
        let more = (1..=5).map(|number| create(server, number)).collect::<anyhow::Result<Vec<_>>>()?;
        // The very first round compiles the engine's programs.
        if round > 0 {
            cold.push(first);
            warm.extend(more);
        }
    }
    let row = |measure, samples| Row::of_times("workmanager serve, C#", measure, samples, "POST /v1/workers".into());
    Ok(vec![row("create, cold compiler, ms", cold)?, row("create, warm compiler, ms", warm)?])
}

/// The first event of code that the function has never seen, which is compiled already.
fn first_events(setting: &Setting<'_>, tools: &Dotnet, spares: &str, measure: &'static str) -> anyhow::Result<Row> {
    let folder = tempfile::tempdir()?;
    let (_program, server) = serve(tools, folder.path(), spares)?;
    let n = if setting.quick { 2 } else { 20 };
    for number in 0..=n {
        create(server, number)?;
    }
    http::until("the function is stopped", || {
        let metrics = http::ask(server, "GET /metrics", "", "", 200).unwrap_or_default();
        metrics.lines().any(|line| line == "workmanager_function_running 0")
    })?;
    fs::remove_dir_all(folder.path().join("function/cache"))?;
    let mut samples = Vec::new();
    for number in 0..=n {
        thread::park_timeout(CALM);
        let line = format!("POST /v1/workers/worker-{number}/invoke");
        let start = Instant::now();
        let answer = http::ask(server, &line, http::EVENT, "{\"a\":1}", 200)?;
        // The first one wakes the function.
        if number > 0 {
            samples.push(start.elapsed());
        }
        anyhow::ensure!(answer.contains(&number.to_string()), "{answer}");
    }
    Row::of_times("workmanager serve, C#", measure, samples, "POST /v1/workers/NEW/invoke".into())
}

const PYTHON: &str = "def Process(event):\n    return {\"type\": \"echo\", \"data\": event[\"data\"]}\n";
const CSHARP: &str = "using CloudNative.CloudEvents;\npublic static class Echo\n{\n    public static CloudEvent Process(CloudEvent e) => \
                      new() { Type = \"echo\", Data = e.Data };\n}\n";

/// A function with `count` workers of this source.
fn function(tools: &Dotnet, file: &str, source: &str, count: usize, spares: usize) -> anyhow::Result<Subject> {
    let (binary, folder) = (ours::built("workmanager-function")?, tempfile::tempdir()?);
    let path = folder.path().join(file);
    fs::write(&path, source)?;
    let (root, roslyn) = (tools.root.clone(), tools.roslyn.clone());
    let command = move |port: u16| {
        let mut command = Command::new(&binary);
        command.args(["--log", "warn", "--listen", &format!("127.0.0.1:{port}"), "--concurrency", "2"]);
        for number in 0..count {
            let name = if number == 0 { "echo".to_owned() } else { format!("echo-{number}") };
            command.arg("--worker").arg(format!("{name}={}", path.display()));
        }
        command.args(["--dotnet-spares", &spares.to_string()]);
        command.env("DOTNET_ROOT", &root).env("WORKMANAGER_CSHARP_COMPILER", &roslyn);
        command
    };
    let name = format!("workmanager-function, {file}");
    Ok(Subject { name, path: "/v1/workers/echo/events", command: Box::new(command), _folder: Some(folder) })
}

/// Latency and rate through the function's HTTP endpoint, taking turns.
fn beside_python(setting: &Setting<'_>, tools: &Dotnet) -> anyhow::Result<Vec<Row>> {
    let program = setting.tools.wrk()?;
    let time = Duration::from_secs(if setting.quick { 1 } else { 8 });
    let subjects = [function(tools, "echo.py", PYTHON, 1, 0)?, function(tools, "echo.cs", CSHARP, 1, 0)?];
    let running = [subjects[0].start()?, subjects[1].start()?];
    let mut rows = Vec::new();
    for (connections, measure) in
        [(1, "200 B over 1 connection, ms"), (8, "200 B over 8 connections, answers a second")]
    {
        for (subject, process) in subjects.iter().zip(&running) {
            wrk::load(&program, &process.url(), connections, 200, Duration::from_secs(2))?;
            let (seen, command) = wrk::load(&program, &process.url(), connections, 200, time)?;
            let (median, p99) = if connections == 1 { (seen.median, Some(seen.p99)) } else { (seen.rate, None) };
            rows.push(Row { subject: subject.name.clone(), measure, median, p99, n: seen.n, command });
        }
    }
    // Processes whose callers hung up at the end of that are gone: one that has answered these is looked at.
    for _ in 0..if setting.quick { 100 } else { 15_000 } {
        running[1].ask()?;
    }
    // A list of children may be incomplete while one is started.
    http::until("there is a host", || hosts(running[1].pid()).is_ok_and(|hosts| !hosts.is_empty()))?;
    let hosts = hosts(running[1].pid())?;
    let host =
        *hosts.iter().max_by_key(|pid| kib(**pid, "status", "VmRSS:").unwrap_or(0)).context("there is no host")?;
    let (subject, measure) = (subjects[1].name.clone(), "a host after 15,000 events, MiB resident");
    let median = mib(kib(host, "status", "VmRSS:")?);
    rows.push(Row { subject, measure, median, p99: None, n: 1, command: "VmRSS of the process".into() });
    Ok(rows)
}

/// What spare processes and workers hold together, counted by their share of pages.
fn memory(setting: &Setting<'_>, tools: &Dotnet) -> anyhow::Result<Vec<Row>> {
    let workers = if setting.quick { 2 } else { 20 };
    let mut rows = Vec::new();
    for (count, spares, hosts_wanted, measure) in
        [(0, 6, 6, "six spare processes together, MiB"), (workers, 0, workers, "20 workers together, MiB")]
    {
        let subject = function(tools, "echo.cs", CSHARP, count, spares)?;
        let [address, _] = http::free_ports()?;
        let mut command = (subject.command)(address.port());
        let program = Program(command.spawn()?);
        let pid = program.0.id();
        http::until("all of them are there", || hosts(pid).is_ok_and(|hosts| hosts.len() == hosts_wanted))?;
        thread::park_timeout(CALM);
        let all = hosts(pid)?;
        let together = all.iter().map(|pid| kib(*pid, "smaps_rollup", "Pss:")).sum::<anyhow::Result<u64>>()?;
        let row = Row {
            subject: subject.name,
            measure,
            median: mib(together),
            p99: None,
            n: all.len(),
            command: "Pss of the processes".into(),
        };
        rows.push(row);
    }
    Ok(rows)
}

/// The processes of workers, and those that wait for one, among the children of a function.
fn hosts(function: u32) -> anyhow::Result<Vec<u32>> {
    let children = fs::read_to_string(format!("/proc/{function}/task/{function}/children"))?;
    let is_host = |pid: &u32| {
        let line = fs::read(PathBuf::from(format!("/proc/{pid}/cmdline"))).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("workmanager-host.dll")
    };
    Ok(children.split_whitespace().filter_map(|pid| pid.parse().ok()).filter(is_host).collect())
}

fn kib(pid: u32, file: &str, name: &str) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such figure")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[expect(clippy::cast_precision_loss, reason = "no machine has so much memory")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
