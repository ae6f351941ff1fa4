//! A store with many workers: how soon it is ready, and how long a page of the list takes.

use std::{
    fs,
    net::SocketAddr,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Row, Setting,
    http::{self, Program},
    ours,
};

const JSON: &str = "content-type: application/json\r\n";
/// Requests at a time while they are made.
const MAKERS: usize = 8;

/// Makes workers, starts a control plane on them again and again, and looks at the list.
pub(super) fn workers(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    let count = if setting.quick { 200 } else { 10_000 };
    let (binary, folder) = (ours::built("workmanager")?, tempfile::tempdir()?);
    {
        let (mut command, server) = ours::control_plane(&binary, "serve", folder.path())?;
        let _program = healthy(&mut command, server)?;
        make(server, count)?;
    }
    let (mut starts, mut pages, mut memory) = (Vec::new(), Vec::new(), 0.0);
    for _ in 0..if setting.quick { 2 } else { 10 } {
        let (mut command, server) = ours::control_plane(&binary, "serve", folder.path())?;
        let start = Instant::now();
        let program = healthy(&mut command, server)?;
        starts.push(start.elapsed());
        for _ in 0..20 {
            let start = Instant::now();
            let page = http::ask(server, "GET /v1/workers?limit=100", "", "", 200)?;
            pages.push(start.elapsed());
            anyhow::ensure!(page.matches("\"filter\":").count() == 100, "the page has not 100 workers");
        }
        let status = fs::read_to_string(format!("/proc/{}/status", program.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no such figure")?;
        memory = line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0;
    }
    let subject = format!("workmanager serve, {count} workers with filters");
    let most = "control plane, most memory, MiB";
    Ok(vec![
        Row::of_times(&subject, "start to ready, ms", starts, "GET /health until 200".into())?,
        Row::of_times(&subject, "a page of 100, ms", pages, "GET /v1/workers?limit=100".into())?,
        Row { subject, measure: most, median: memory, p99: None, n: 1, command: "VmHWM of the process".into() },
    ])
}

fn healthy(command: &mut Command, server: SocketAddr) -> anyhow::Result<Program> {
    let program = Program(command.spawn()?);
    http::until("the program is healthy", || http::ask(server, "GET /health", "", "", 200).is_ok())?;
    Ok(program)
}

fn make(server: SocketAddr, count: usize) -> anyhow::Result<()> {
    let (next, content) = (AtomicUsize::new(0), STANDARD.encode("def Process(event):\n    return None\n"));
    let make = || -> anyhow::Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(());
            }
            let body = format!(
                "{{\"name\": \"worker-{number}\", \"topic\": \"topic-{}\", \"filter\": \"event.data.amount > {number}\", \
                 \"codeSource\": {{\"content\": \"{content}\"}}}}",
                number % 100
            );
            http::ask(server, "POST /v1/workers", JSON, &body, 201)?;
        }
    };
    thread::scope(|scope| {
        let makers: Vec<_> = (0..MAKERS).map(|_| scope.spawn(make)).collect();
        makers.into_iter().try_for_each(|maker| maker.join().map_err(|_| anyhow::anyhow!("a maker panicked"))?)
    })
}
