//! The command line as a whole: what the library's verbs and the parts' options come together to.

use std::ffi::OsString;

use clap::{Args, Command, CommandFactory as _, Parser, Subcommand};
use workmanager_control_plane::{cli, serve};
use workmanager_core_domain::Limits;
use workmanager_functions_knative as function;

use crate::assemble::DaprOptions;

/// Runs event handlers written in Python, without a container for each.
#[derive(Debug, Parser)]
#[command(name = "workmanager", version, max_term_width = 100)]
pub(crate) struct Program {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run everything on this machine, with workers from files that are loaded again when saved.
    Dev(Box<Dev>),
    /// Run the control plane.
    Serve(Box<Serve>),
    #[command(flatten)]
    Client(Box<cli::Verb>),
    /// Run a function process.
    #[command(hide = true)]
    Function(Box<Function>),
    /// Become a program that ends when its parent does.
    #[command(hide = true)]
    Beside(Beside),
    /// Print every option as `docs/configuration.md` has it.
    #[command(hide = true)]
    Configuration,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    #[command(flatten)]
    pub(crate) args: cli::DevArgs,
    #[command(flatten)]
    pub(crate) options: serve::Options,
}

#[derive(Debug, Args)]
pub(crate) struct Beside {
    /// The process whose child it is.
    pub(crate) parent: u32,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub(crate) line: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) args: cli::ServeArgs,
    #[command(flatten)]
    pub(crate) options: serve::Options,
    #[command(flatten)]
    pub(crate) dapr: DaprOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Function {
    /// What is logged: a level, or target=level pairs.
    #[arg(long, env = "WORKMANAGER_LOG", default_value = "info", value_name = "FILTER")]
    pub(crate) log: String,
    #[command(flatten)]
    pub(crate) config: function::Config,
}

/// `docs/configuration.md`, made from the options themselves.
pub(crate) fn configuration() -> String {
    let mut text = String::from(
        "# Configuration\n\nEvery option, and the environment variable that sets it too. An option on the command \
         line beats the environment, which beats the default. There is no configuration file.\n\n\
         `workmanager serve --print-config` prints what counts, and where it comes from. This page is made from the \
         program by `cargo xtask generate`.\n",
    );
    let command = command();
    for (verb, title) in [
        ("serve", "## `workmanager serve`, and `workmanager dev`"),
        ("function", "## `workmanager-function`, and the hidden `workmanager function`"),
    ] {
        let options = command.find_subcommand(verb).map(serve::configuration::markdown).unwrap_or_default();
        text.push_str(&format!("\n{title}\n{options}"));
    }
    text.push_str(&limits());
    text
}

/// What each worker says for itself.
fn limits() -> String {
    let Limits { timeout, memory, concurrency, max_attempts, max_age, log_bytes } = Limits::default();
    format!(
        "\n## `limits` of a worker\n\n\
         | Field | Default | Range | What it bounds |\n| --- | --- | --- | --- |\n\
         | `timeout` | `{timeout}` | 1ms to 15m | Wall-clock time of one attempt, loading included |\n\
         | `memory` | `{memory}` | 16MiB to 16GiB | Memory of one process, beside the interpreter's own |\n\
         | `concurrency` | `{concurrency}` | 1 to 1000 | Attempts in flight per control plane |\n\
         | `maxAttempts` | `{max_attempts}` | 1 to 100 | Attempts before an event is dead-lettered |\n\
         | `maxAge` | `{max_age}` | 1s to 14days | Age of an event after which no attempt starts |\n\
         | `logBytes` | `{log_bytes}` | up to 1MiB | Output kept per attempt |\n"
    )
}

/// The whole command line.
pub(crate) fn command() -> Command {
    Program::command()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
