//! The command line as a whole: what the library's verbs and the parts' options come together to.

use clap::{Args, Command, CommandFactory as _, Parser, Subcommand};
use workmanager_control_plane::{cli, serve};
use workmanager_functions_knative as function;

/// Runs event handlers written in Python, without a container for each.
#[derive(Debug, Parser)]
#[command(name = "workmanager", version, propagate_version = true, max_term_width = 100)]
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
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    #[command(flatten)]
    pub(crate) args: cli::DevArgs,
    #[command(flatten)]
    pub(crate) options: serve::Options,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) args: cli::ServeArgs,
    #[command(flatten)]
    pub(crate) options: serve::Options,
}

#[derive(Debug, Args)]
pub(crate) struct Function {
    /// What is logged: a level, or target=level pairs.
    #[arg(long, env = "WORKMANAGER_LOG", default_value = "info", value_name = "FILTER")]
    pub(crate) log: String,
    #[command(flatten)]
    pub(crate) config: function::Config,
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
