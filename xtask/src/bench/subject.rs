//! Something that answers events over HTTP, as a process that can be started again and again.

use std::{
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::http;

/// What is measured.
pub(super) struct Subject {
    /// Its name, with its version.
    pub(super) name: String,
    /// Where it takes events.
    pub(super) path: &'static str,
    /// The command that serves on a port.
    pub(super) command: Box<dyn Fn(u16) -> Command>,
    /// What the command needs while it is used.
    pub(super) _folder: Option<tempfile::TempDir>,
}

/// A subject's process, killed with all that it started when dropped.
pub(super) struct Running {
    child: Child,
    address: SocketAddr,
    path: &'static str,
    /// From the start of the process to its first answer.
    pub(super) first_answer: Duration,
}

impl Subject {
    /// The command without the folders of this machine.
    pub(super) fn shown(&self) -> String {
        let command = (self.command)(8080);
        let last = |text: &std::ffi::OsStr| {
            let text = text.to_string_lossy();
            let (key, value) = text.split_once('=').unwrap_or(("", &text));
            let value = if value.starts_with('/') { value.rsplit('/').next().unwrap_or_default() } else { value };
            if key.is_empty() { value.to_owned() } else { format!("{key}={value}") }
        };
        let program = Path::new(command.get_program()).as_os_str();
        std::iter::once(program).chain(command.get_args()).map(last).collect::<Vec<_>>().join(" ")
    }

    /// Starts it and waits for its first answer.
    ///
    /// # Errors
    /// It does not start, ends, or does not answer.
    pub(super) fn start(&self) -> anyhow::Result<Running> {
        let [address, _] = http::free_ports()?;
        let mut command = (self.command)(address.port());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let start = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let mut running = Running { child, address, path: self.path, first_answer: Duration::ZERO };
        let mut ended = None;
        http::until(&format!("{} answers", self.name), || {
            ended = running.child.try_wait().ok().flatten();
            ended.is_some() || running.ask().is_ok()
        })?;
        anyhow::ensure!(ended.is_none(), "{} ended before it answered: {ended:?}", self.name);
        running.first_answer = start.elapsed();
        Ok(running)
    }
}

impl Running {
    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it answer an event.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn ask(&self) -> anyhow::Result<()> {
        let line = format!("POST {}", self.path);
        http::ask(self.address, &line, http::EVENT, "{\"text\":\"hello\"}", 200).map(drop)
    }

    /// Where it takes events.
    pub(super) fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
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
