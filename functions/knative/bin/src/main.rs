//! `workmanager-function`: runs workers for a control plane, for Knative, or on its own.

mod assemble;

use std::process::ExitCode;

use clap::Parser;
use workmanager_core_kit::{
    Tasks,
    telemetry::{self, LogFormat},
};
use workmanager_functions_knative::Config;

/// Runs WorkManager's workers: events in over HTTP, replies out.
#[derive(Debug, Parser)]
#[command(name = "workmanager-function", version)]
struct Arguments {
    /// What is logged: a level, or target=level,…
    #[arg(long, env = "WORKMANAGER_LOG", default_value = "info", value_name = "FILTER")]
    log: String,

    #[command(flatten)]
    config: Config,
}

fn main() -> ExitCode {
    // Before anything starts a thread.
    if let Some(exit) = assemble::launched() {
        return exit;
    }
    let arguments = Arguments::parse();
    match serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { log, config } = arguments;
    telemetry::logs(&log, LogFormat::Text, false)?;
    // One thread: an event then goes through without waking another one, and the engines die with it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = Tasks::new();
    let engines = assemble::engines(&config, &tasks);
    runtime.block_on(workmanager_functions_knative::run(config, engines, tasks))?;
    Ok(())
}
