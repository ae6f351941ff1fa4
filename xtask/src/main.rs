//! The one door for developers: what CI runs, what a commit must pass, what a number is measured with.

#![expect(clippy::print_stdout, reason = "this program's output is what it is for")]

mod bench;
mod check;
mod first_run;
mod generated;
mod lab;
mod machine;
mod steps;
mod test;
mod tools;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// Checks, tests and measures WorkManager.
#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(flatten)]
    tools: tools::Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Formatting, lints, documentation, house rules, generated files, licences: a few minutes.
    Check,
    /// Everything of `check`, the README's first command, then all tests.
    Test(test::Options),
    /// Named benchmarks; without a name, all of them.
    Bench(bench::Options),
    /// A real cluster on this machine, with Knative and Dapr: needs root.
    #[command(subcommand)]
    Lab(lab::Verb),
    /// Writes the files that are made from others.
    Generate(generated::Options),
    /// Types the README's first command, and Ctrl-C.
    FirstRun,
    /// Installs what tests need beside Rust and Python, and prints how they are told.
    Tools,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = tools::Tools::new(&cli.tools).and_then(|tools| match cli.command {
        Command::Check => check::run(&tools),
        Command::Test(options) => test::run(&tools, &options),
        Command::Bench(options) => bench::run(&tools, &options),
        Command::Lab(verb) => lab::run(&tools, verb),
        Command::Generate(options) => generated::run(options),
        Command::FirstRun => first_run::run(),
        Command::Tools => tools.print(),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's root.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}
