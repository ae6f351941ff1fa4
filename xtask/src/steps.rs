//! Commands in a row, each with one line that says how it went.

use std::{
    fmt,
    fs::File,
    io::{IsTerminal as _, Read as _, Seek as _, Write as _},
    process::{Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

/// How often a long step says that it is still there, where there is no terminal to show a clock on.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// One thing to run.
pub(crate) struct Step {
    /// What it is, in a word or two.
    pub(crate) name: &'static str,
    /// How it is run. It gets no input.
    pub(crate) command: Command,
    /// What to do when it fails.
    pub(crate) next: &'static str,
}

/// Runs all steps, also after one has failed.
///
/// # Errors
/// Names the steps that failed; what they wrote has been printed.
pub(crate) fn run(steps: Vec<Step>) -> anyhow::Result<()> {
    let count = steps.len();
    let mut failed = Vec::new();
    for (index, mut step) in steps.into_iter().enumerate() {
        let label = format!("[{}/{count}] {}", index + 1, step.name);
        let (start, mut output) = (Instant::now(), tempfile::tempfile()?);
        let ended = watched(&label, start, &mut step.command, &output);
        let elapsed = Elapsed(start.elapsed());
        if ended.as_ref().is_ok_and(ExitStatus::success) {
            println!("{label}: ok, {elapsed}");
            continue;
        }
        println!("{label}: FAILED, {elapsed}");
        if let Err(error) = ended {
            println!("{error:#}");
        }
        let mut written = Vec::new();
        output.rewind()?;
        output.read_to_end(&mut written)?;
        println!("{}\n{label}: {}", String::from_utf8_lossy(&written).trim_end(), step.next);
        failed.push(step.name);
    }
    anyhow::ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// Waits for the command, and shows meanwhile that it runs.
fn watched(label: &str, start: Instant, command: &mut Command, output: &File) -> anyhow::Result<ExitStatus> {
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let (sender, ended) = mpsc::channel();
    let waiter = thread::spawn(move || {
        // The receiver waits until this is sent.
        let _ = sender.send(child.wait());
    });
    let terminal = std::io::stdout().is_terminal();
    let pause = if terminal { Duration::from_secs(1) } else { HEARTBEAT };
    let status = loop {
        match ended.recv_timeout(pause) {
            Ok(status) => break status?,
            Err(RecvTimeoutError::Timeout) if terminal => {
                print!("\r{label}: {} ", Elapsed(start.elapsed()));
                std::io::stdout().flush()?;
            }
            Err(RecvTimeoutError::Timeout) => println!("{label}: still runs, {}", Elapsed(start.elapsed())),
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("lost sight of {command:?}"),
        }
    };
    if terminal {
        print!("\r\x1b[K");
    }
    drop(waiter.join());
    Ok(status)
}

/// Time as people say it: `0.4 s`, `3 min 20 s`.
pub(crate) struct Elapsed(pub(crate) Duration);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if seconds < 60 {
            write!(f, "{:.1} s", self.0.as_secs_f64())
        } else {
            write!(f, "{} min {} s", seconds / 60, seconds % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &'static str, program: &str) -> Step {
        Step { name, command: Command::new(program), next: "look" }
    }

    #[test]
    fn a_failed_step_is_named_and_the_others_still_run() {
        let steps = vec![step("bad", "false"), step("absent", "/no/such/program"), step("good", "true")];
        assert_eq!(run(steps).unwrap_err().to_string(), "failed: bad, absent");
        assert!(run(vec![step("good", "true")]).is_ok());
    }

    #[test]
    fn time_is_said_as_people_say_it() {
        let said = |ms| Elapsed(Duration::from_millis(ms)).to_string();
        assert_eq!([said(440), said(59_900), said(200_000)], ["0.4 s", "59.9 s", "3 min 20 s"]);
    }
}
