//! Programs of our own that run for a moment, such as a compiler: they are nobody's orphans, and they end.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
    process::{Child, Command, ExitStatus, Output},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{MemfdFlags, memfd_create},
    process::{Pid, PidfdFlags, pidfd_open},
};

use crate::orphans::{self, Newborn};

/// One that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Errand {
    child: Child,
}

impl Errand {
    /// Starts `command`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(mut command: Command) -> io::Result<Self> {
        let _newborn = Newborn::begin();
        let child = command.spawn()?;
        orphans::know(Pid::from_child(&child));
        Ok(Self { child })
    }

    /// Runs `command` to its end, at most for `limit`. Its output is kept in memory. Blocks.
    ///
    /// # Errors
    /// It cannot be started, or is killed because it takes longer.
    pub fn run(mut command: Command, limit: Duration) -> io::Result<Output> {
        let [mut stdout, mut stderr] = [memory()?, memory()?];
        command.stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
        let status = Self::start(command)?.wait(limit)?;
        Ok(Output { status, stdout: text(&mut stdout)?, stderr: text(&mut stderr)? })
    }

    /// Waits for its end, at most for `limit`. Blocks.
    ///
    /// # Errors
    /// It is killed because it takes longer.
    pub fn wait(mut self, limit: Duration) -> io::Result<ExitStatus> {
        let pidfd = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())?;
        let timeout = Timespec::try_from(limit).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout))? {
            0 => Err(io::Error::new(io::ErrorKind::TimedOut, format!("it took more than {} s", limit.as_secs()))),
            _ => self.child.wait(),
        }
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        orphans::forget(Pid::from_child(&self.child));
    }
}

fn memory() -> io::Result<File> {
    Ok(memfd_create("output", MemfdFlags::CLOEXEC)?.into())
}

fn text(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_it_says_and_how_it_ends_is_known() {
        let output = Errand::run(shell("echo out; echo err >&2; exit 3"), Duration::from_secs(30)).unwrap();
        assert_eq!(
            (output.status.code(), &output.stdout[..], &output.stderr[..]),
            (Some(3), &b"out\n"[..], &b"err\n"[..])
        );
    }

    #[test]
    fn one_that_does_not_end_is_ended() {
        let began = Instant::now();
        let error = Errand::run(shell("exec >&- 2>&-; exec sleep 60"), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() < Duration::from_secs(30), "it was waited for");
    }
}
