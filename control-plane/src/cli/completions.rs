//! `completions`: what a shell needs to complete a line.

use clap_complete::Shell;

use super::{error::Error, output::Output};

/// Arguments of `completions`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The shell.
    pub(super) shell: Shell,
}

/// Prints the script.
pub(super) fn run(args: &Args, mut program: clap::Command, output: &Output) -> Result<(), Error> {
    let mut script = Vec::new();
    let name = program.get_name().to_owned();
    clap_complete::generate(args.shell, &mut program, name, &mut script);
    output.raw(&script)
}
