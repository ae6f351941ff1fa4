//! A program that runs beside this one.

use std::{
    fs::{self, File},
    net::Ipv4Addr,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process,
    time::{sleep, timeout},
};

use super::LocalError;

/// How long it may take to serve.
const START: Duration = Duration::from_secs(20);
/// How many of its last lines are shown.
const SHOWN: usize = 5;

/// A running program; killed when dropped.
#[derive(Debug)]
pub(super) struct Child {
    name: &'static str,
    log: PathBuf,
    process: process::Child,
}

impl Child {
    /// Starts it, away from the terminal, whose Ctrl-C is for us.
    pub(super) fn start(name: &'static str, command: Command, log: PathBuf) -> Result<Self, LocalError> {
        let failed = |error| LocalError::Start(name, error);
        let out = File::create(&log).map_err(failed)?;
        let mut command = process::Command::from(command);
        command.stdin(Stdio::null()).stdout(out.try_clone().map_err(failed)?).stderr(out);
        let process = command.process_group(0).kill_on_drop(true).spawn().map_err(failed)?;
        Ok(Self { name, log, process })
    }

    /// Waits until it answers a PING, as Redis does once it has read what it knows.
    pub(super) async fn serves(&mut self, port: u16) -> Result<(), LocalError> {
        let answers = async {
            while !pings(port).await {
                sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            answered = timeout(START, answers) => answered.map_err(|_| self.failure("does not serve".to_owned())),
            error = ended(&mut self.process, self.name, &self.log) => Err(error),
        }
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> LocalError {
        ended(&mut self.process, self.name, &self.log).await
    }

    fn failure(&self, how: String) -> LocalError {
        failure(self.name, how, &self.log)
    }

    /// Asks it to end, and kills it if it does not.
    pub(super) async fn stop(&mut self, grace: Duration) {
        let pid = self.process.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(pid) = pid {
            // One that has ended already is as it should be.
            let _ = kill_process(pid, Signal::TERM);
            if timeout(grace, self.process.wait()).await.is_err() {
                let _ = self.process.kill().await;
            }
        }
    }
}

async fn ended(process: &mut process::Child, name: &'static str, log: &PathBuf) -> LocalError {
    let how = match process.wait().await {
        Ok(status) => format!("has ended ({status})"),
        Err(error) => format!("was lost sight of ({error})"),
    };
    failure(name, how, log)
}

fn failure(program: &'static str, how: String, log: &PathBuf) -> LocalError {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
    LocalError::Ended { program, how, log: log.clone(), tail }
}

async fn pings(port: u16) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(&answer == b"+PONG")
    };
    matches!(timeout(Duration::from_secs(1), asked).await, Ok(Ok(true)))
}
