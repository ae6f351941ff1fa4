//! The README's first command, typed as it stands there: it comes up, and Ctrl-C leaves nothing behind.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use crate::check::cargo;

/// How long a start or a stop may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks; nobody unparks.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs `cargo run --release -- dev` until it is healthy, interrupts it, and looks at what is left.
///
/// # Errors
/// It does not come up, does not stop, or leaves a process.
pub(crate) fn run() -> anyhow::Result<()> {
    // Not measured as part of the start.
    let built = cargo(&["build", "--quiet", "--release"]).status().context("cannot run cargo")?;
    anyhow::ensure!(built.success(), "it does not build");
    let data = tempfile::tempdir()?;
    let [http, internal] = [free_port()?, free_port()?];
    let mut command = cargo(&["run", "--release", "--", "dev"]);
    // The environment, not the command line, keeps it off what a developer may be running.
    command.env("WORKMANAGER_HTTP_PORT", http.port().to_string());
    command.env("WORKMANAGER_INTERNAL_PORT", internal.port().to_string());
    command.env("WORKMANAGER_DATA_DIR", data.path());
    let mut child = command.stdin(Stdio::null()).process_group(0).spawn().context("cannot run cargo")?;
    let group = child.id();
    let outcome = came_up(&mut child, http).and_then(|()| stopped(&mut child));
    // Whatever happened, nothing of it stays; that there was something is the finding.
    let left = signal("KILL", group);
    drop(child.wait());
    outcome?;
    anyhow::ensure!(!left, "it has ended, but a process of its group is left");
    Ok(())
}

fn came_up(child: &mut Child, address: SocketAddr) -> anyhow::Result<()> {
    let start = Instant::now();
    while !is_healthy(address) {
        let ended = child.try_wait()?;
        anyhow::ensure!(ended.is_none(), "it ended before it was healthy: {ended:?}");
        anyhow::ensure!(start.elapsed() < PATIENCE, "http://{address}/health is not 200 after {PATIENCE:?}");
        thread::park_timeout(PAUSE);
    }
    println!("healthy after {} ms", start.elapsed().as_millis());
    Ok(())
}

fn stopped(child: &mut Child) -> anyhow::Result<()> {
    // What a terminal does on Ctrl-C: the whole group gets the signal.
    anyhow::ensure!(signal("INT", child.id()), "it cannot be interrupted");
    let start = Instant::now();
    let status: ExitStatus = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None => anyhow::ensure!(start.elapsed() < PATIENCE, "it still runs {PATIENCE:?} after Ctrl-C"),
        }
        thread::park_timeout(PAUSE);
    };
    anyhow::ensure!(status.success(), "it ended with {status} after Ctrl-C");
    println!("stopped after {} ms", start.elapsed().as_millis());
    Ok(())
}

/// Signals a process group. Says whether there was one.
fn signal(name: &str, group: u32) -> bool {
    let (name, group) = (format!("-{name}"), format!("-{group}"));
    let status = Command::new("kill").args([&name, "--", &group]).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn is_healthy(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// An address that was free a moment ago.
fn free_port() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
