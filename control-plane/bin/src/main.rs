//! `workmanager`: the control plane, its command line, and (hidden) the function process, in one binary.

mod assemble;
mod beside;
mod program;
mod run;

use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime::{Builder, Runtime};
use workmanager_control_plane::cli;

use crate::program::{Program, Verb};

fn main() -> ExitCode {
    // Before anything starts a thread.
    if let Some(exit) = assemble::launched() {
        return exit;
    }
    let program = Program::parse();
    // A function runs on one thread: an event goes through without waking another, and its engines die
    // with that thread. Everything else has what the machine has.
    let runtime = match &program.verb {
        Verb::Function(_) => Builder::new_current_thread().enable_all().build(),
        _ => Builder::new_multi_thread().enable_all().build(),
    };
    match runtime {
        Ok(runtime) => run(program, runtime).into(),
        Err(error) => run::failed(&error).into(),
    }
}

fn run(program: Program, runtime: Runtime) -> cli::Exit {
    let exit = match program.verb {
        Verb::Client(verb) => runtime.block_on(cli::run(&verb, program::command(), assemble::look_for_dotnet)),
        Verb::Serve(serve) => runtime.block_on(run::serve(*serve)),
        Verb::Dev(dev) => runtime.block_on(run::dev(*dev)),
        Verb::Function(function) => runtime.block_on(run::function(*function)),
        Verb::Beside(beside) => run::failed(&beside::become_it(&beside)),
        Verb::Configuration => run::print(&program::configuration()),
    };
    // A thread that still blocks must not keep the process.
    runtime.shutdown_background();
    exit
}
