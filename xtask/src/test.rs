//! Every check, the README's first command and every test, with one count at the end.

mod tally;

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Instant,
};

use anyhow::Context as _;
use clap::Args;
use tally::Tally;

use crate::{
    check::{self, cargo, xtask},
    steps::{self, Elapsed, Step},
    tools::{Set, Tools},
};

/// Options of `cargo xtask test`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Tests of the lab tier too: those marked `#[ignore]`, which need a cluster or a long time, and those on RabbitMQ.
    #[arg(long)]
    all: bool,
    /// Tools that must be there: a test that skips for want of one counts as failed.
    #[arg(long, env = "WORKMANAGER_REQUIRE", value_delimiter = ',', value_name = "TOOL,…")]
    require: Vec<String>,
    /// Only tests whose name contains this; the checks are left out.
    filter: Option<String>,
}

/// Runs the checks and the README's first command, then all tests.
///
/// # Errors
/// A check or a test failed; what they wrote has been printed.
pub(crate) fn run(tools: &Tools, options: &Options) -> anyhow::Result<()> {
    let start = Instant::now();
    let checked = if options.filter.is_some() { Ok(()) } else { checks(tools) };
    let checked_in = start.elapsed();
    println!("tests: building, then running; each line below is cargo's own");
    let (tally, ended_well) = tests(tools, options)?;
    let missing = tally.missing(&options.require);

    println!();
    // Again, for whoever reads only the end of a long run.
    for line in &tally.said {
        println!("{line}");
    }
    for reason in &tally.skipped {
        println!("skipped: {reason}");
    }
    if let Err(error) = &checked {
        println!("checks {error}");
    }
    println!("checks took {}, tests {}", Elapsed(checked_in), Elapsed(start.elapsed() - checked_in));
    // The last line is for whoever counts: people, and CI.
    println!("{}", tally.counted(missing.len()));
    std::io::stdout().flush()?;
    anyhow::ensure!(missing.is_empty(), "required, but skipped: {}; install it", missing.join("; "));
    anyhow::ensure!(ended_well, "{}", if tally.failed > 0 { "tests failed" } else { "the tests do not build" });
    anyhow::ensure!(tally.passed > 0, "no test ran");
    checked
}

/// The checks of every commit, and the README's first command.
fn checks(tools: &Tools) -> anyhow::Result<()> {
    let mut steps = check::steps(tools)?;
    let build = cargo(&["build", "--quiet", "--release", "--locked"]);
    steps.push(Step { name: "release build", command: build, next: "repair what the compiler names" });
    let next = "run `cargo run --release -- dev` and see; the line above says what went wrong";
    steps.push(Step { name: "the README's first command", command: xtask(&["first-run"])?, next });
    steps::run(steps)
}

/// Tells the tests where a tool is. Each test that needs one that is not there says so, and whoever requires it has it
/// counted.
fn set(command: &mut Command, variable: &str, tool: anyhow::Result<PathBuf>) {
    match tool {
        Ok(path) => drop(command.env(variable, path)),
        Err(error) => println!("{variable} is not set: {error:#}"),
    }
}

/// Runs cargo's tests, passes on what they write, and counts.
fn tests(tools: &Tools, options: &Options) -> anyhow::Result<(Tally, bool)> {
    let mut command = cargo(&["test", "--workspace", "--all-features", "--locked", "--no-fail-fast"]);
    let needed = [
        ("WORKMANAGER_TEST_DAPRD", tools.daprd()),
        ("WORKMANAGER_TEST_REDIS", tools.redis()),
        ("WORKMANAGER_TEST_DAPR_PYTHON", tools.dapr_python()),
        ("WORKMANAGER_TEST_CLUSTER", tools.cluster(Set::Admission)),
    ];
    for (variable, tool) in needed {
        set(&mut command, variable, tool);
    }
    // Only where time is no matter: a broker of its own takes each test some ten seconds.
    if options.all {
        set(&mut command, "WORKMANAGER_TEST_RABBITMQ", tools.rabbitmq());
        set(&mut command, "WORKMANAGER_TEST_DAPRD_REPAIRED", tools.daprd_repaired());
    }
    match tools.dotnet() {
        Ok(dotnet) => {
            command.envs(dotnet.environment());
        }
        Err(error) => eprintln!("there is no .NET for tests: {error:#}"),
    }
    command.args(&options.filter);
    if options.all {
        command.args(["--", "--include-ignored"]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot run cargo")?;
    let (sender, lines) = mpsc::channel();
    let streams: [Option<Box<dyn Read + Send>>; 2] =
        [child.stdout.take().map(|s| Box::new(s) as _), child.stderr.take().map(|s| Box::new(s) as _)];
    for stream in streams.into_iter().flatten() {
        let sender = sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                // The receiver reads until both streams have ended.
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
    }
    drop(sender);
    let mut tally = Tally::default();
    for line in lines {
        println!("{line}");
        tally.read(&line);
    }
    Ok((tally, child.wait()?.success()))
}
