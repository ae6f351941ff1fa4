//! What others measure on the same machine: the Python function frameworks that people know.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::{Row, Setting, wrk};

/// How long a peer may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// A framework that serves a Python function.
struct Peer {
    /// Its package, pinned.
    package: &'static str,
    /// A function that answers with the data that it got.
    source: &'static str,
    /// The command that serves the source on a port, from the environment's folder.
    command: fn(&Path, &Path, u16) -> Command,
}

const ALL: [Peer; 2] = [
    Peer {
        package: "func-python==0.8.1",
        source: "from cloudevents.core.v1.event import CloudEvent\nfrom func_python.cloudevent import serve\n\n\
                 class Echo:\n    async def handle(self, scope, receive, send):\n        event = scope['event']\n        \
                 attributes = dict(event.get_attributes(), source='/echo')\n        \
                 await send(CloudEvent(attributes=attributes, data=event.get_data()))\n\n\
                 def new():\n    return Echo()\n\nserve(new)\n",
        command: |venv, source, port| {
            let mut command = Command::new(venv.join("bin/python"));
            command.arg(source).env("LISTEN_ADDRESS", format!("127.0.0.1:{port}"));
            command
        },
    },
    Peer {
        package: "functions-framework==3.10.2",
        source: "import functions_framework\n\n@functions_framework.http\ndef echo(request):\n    \
                 return request.get_data(), 200, {'content-type': 'application/json'}\n",
        command: |venv, source, port| {
            let mut command = Command::new(venv.join("bin/functions-framework"));
            command.args(["--target", "echo", "--host", "127.0.0.1", "--source"]).arg(source);
            command.args(["--port", &port.to_string()]);
            command
        },
    },
];

/// From the start of a process to its first answer.
pub(super) fn cold(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    let n = if setting.quick { 2 } else { 20 };
    let mut rows = Vec::new();
    for peer in &ALL {
        let served = peer.prepare(setting)?;
        let samples = (0..n).map(|_| Ok(served.start()?.first_answer)).collect::<anyhow::Result<_>>()?;
        rows.push(Row::of_times(peer.package, "start to first answer, ms", samples, served.shown())?);
    }
    Ok(rows)
}

/// Latency over one connection, and the rate over eight.
pub(super) fn warm(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    let program = setting.tools.wrk()?;
    let time = Duration::from_secs(if setting.quick { 1 } else { 10 });
    let mut rows = Vec::new();
    for peer in &ALL {
        let running = peer.prepare(setting)?.start()?;
        let url = format!("http://{}/", running.address);
        // Once unmeasured, so that nobody's first request counts.
        wrk::load(&program, &url, 1, Duration::from_secs(1))?;
        let subject = peer.package.to_owned();
        let (one, command) = wrk::load(&program, &url, 1, time)?;
        let (measure, p99) = ("answer over 1 connection, ms", Some(one.p99));
        rows.push(Row { subject: subject.clone(), measure, median: one.median, p99, n: one.n, command });
        let (eight, command) = wrk::load(&program, &url, 8, time)?;
        let measure = "answers a second over 8 connections";
        rows.push(Row { subject, measure, median: eight.rate, p99: None, n: eight.n, command });
    }
    Ok(rows)
}

/// A peer with its environment and its source in place.
struct Prepared {
    peer: &'static Peer,
    venv: PathBuf,
    folder: tempfile::TempDir,
}

/// A peer's process, killed with all that it started when dropped.
struct Running {
    child: Child,
    address: SocketAddr,
    first_answer: Duration,
}

impl Peer {
    fn prepare(&'static self, setting: &Setting<'_>) -> anyhow::Result<Prepared> {
        let venv = setting.tools.venv(&[self.package])?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("main.py"), self.source)?;
        let prepared = Prepared { peer: self, venv, folder };
        // Once unmeasured, so that byte code and pages are cached for all alike.
        prepared.start()?;
        Ok(prepared)
    }
}

impl Prepared {
    fn command(&self, port: u16) -> Command {
        (self.peer.command)(&self.venv, &self.folder.path().join("main.py"), port)
    }

    /// The command without the folders of this machine.
    fn shown(&self) -> String {
        let command = self.command(8080);
        let name = |text: &std::ffi::OsStr| Path::new(text).file_name().unwrap_or(text).to_string_lossy().into_owned();
        let words = std::iter::once(command.get_program()).chain(command.get_args()).map(name);
        words.collect::<Vec<_>>().join(" ")
    }

    fn start(&self) -> anyhow::Result<Running> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = self.command(address.port());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let start = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let mut running = Running { child, address, first_answer: Duration::ZERO };
        while let Err(error) = ask(address) {
            let ended = running.child.try_wait()?;
            anyhow::ensure!(ended.is_none(), "{} ended before it answered: {ended:?}", self.peer.package);
            if start.elapsed() > PATIENCE {
                return Err(error.context(format!("{} does not answer", self.peer.package)));
            }
            // Short against what is measured; nobody unparks.
            thread::park_timeout(Duration::from_micros(500));
        }
        running.first_answer = start.elapsed();
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The frameworks start workers of their own: the whole group goes.
        let group = format!("-{}", self.child.id());
        drop(Command::new("kill").args(["-KILL", "--", &group]).status());
        drop(self.child.wait());
    }
}

/// Sends one event and reads the status of the answer.
fn ask(address: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = "{\"text\":\"hello\"}";
    write!(
        stream,
        "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /bench\r\nce-type: bench\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200"), "{}", answer.lines().next().unwrap_or("no answer"));
    Ok(())
}
