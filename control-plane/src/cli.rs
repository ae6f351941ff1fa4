//! The command line. Verbs that ask a server live here whole; `dev` and `serve` name what they need,
//! and the binary, which alone knows the plug-ins, puts it together.

mod apply;
mod client;
mod completions;
mod definition;
mod dev;
mod doctor;
mod error;
mod event;
mod exit;
mod options;
mod output;
mod problem;
mod serve;
mod server;
mod source;
mod verb;
mod wire;

use clap::Subcommand;

pub use completions::Args as CompletionsArgs;
pub use dev::{Args as DevArgs, Ground, Session};
pub use doctor::{DotnetPlaces, LookForDotnet};
pub use error::Error;
pub use exit::Exit;
pub use options::{Colour, Connection, Display, Format, Remote};
pub use serve::{Args as ServeArgs, Profile};
pub use server::{InvalidServer, Server};

use client::Client;
use output::Output;
use verb::{
    create, dead_letters, engines, explain, get, history, invoke, lifecycle, list, load, logs, publish, quarantine,
    tail,
};

/// The verbs that ask a server.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Make a worker from a file with code.
    Create(Remote<create::Args>),
    /// Make workers as documents say; what is as it says already is left alone.
    Apply(Remote<apply::Args>),
    /// Show one worker.
    Get(Remote<get::Args>),
    /// List the workers.
    List(Remote<list::Args>),
    /// Let workers take events.
    Start(Remote<lifecycle::Args>),
    /// Let workers take no more events; their backlog is kept.
    Stop(Remote<lifecycle::Args>),
    /// Delete workers.
    Delete(Remote<lifecycle::Delete>),
    /// Give a worker new code; the old code serves on if the new does not load.
    Load(Remote<load::Args>),
    /// List a worker's versions, oldest first.
    History(Remote<history::Args>),
    /// Make an earlier version active again.
    Rollback(Remote<history::Rollback>),
    /// Publish an event onto a topic.
    Publish(Remote<publish::Args>),
    /// Run a worker on one event now and show its reply; nothing is published.
    Invoke(Remote<invoke::Args>),
    /// Show a topic's events as they come.
    Tail(Remote<tail::Args>),
    /// Show what a worker wrote lately.
    Logs(Remote<logs::Args>),
    /// Tell the story of an event: who got it, what became of it, and why.
    Explain(Remote<explain::Args>),
    /// Look at events that failed for good, send them round again, or give them up.
    DeadLetters(Remote<dead_letters::Args>),
    /// Look at records that cannot be read, and restore them.
    Quarantine(Remote<quarantine::Args>),
    /// Show what kinds of code run there.
    Engines(Remote<engines::Args>),
    /// Check what this machine needs, and whether the server is well.
    Doctor(Remote<doctor::Args>),
    /// Print a completion script for a shell.
    Completions(completions::Args),
}

/// Carries `verb` out, prints what it says, and answers how the program ends. `program` is the whole
/// command line, for completions.
pub async fn run(verb: &Verb, program: clap::Command, look: LookForDotnet) -> Exit {
    dispatch(verb, program, &Output::new, look).await
}

/// Where a verb prints, given how.
type Open<'a> = &'a (dyn Fn(&Display) -> Output + Sync);

async fn dispatch(verb: &Verb, program: clap::Command, open: Open<'_>, look: LookForDotnet) -> Exit {
    match verb {
        Verb::Create(remote) => ask(remote, open, create::run).await,
        Verb::Apply(remote) => ask(remote, open, apply::run).await,
        Verb::Get(remote) => ask(remote, open, get::run).await,
        Verb::List(remote) => ask(remote, open, list::run).await,
        Verb::Start(remote) => ask(remote, open, lifecycle::start).await,
        Verb::Stop(remote) => ask(remote, open, lifecycle::stop).await,
        Verb::Delete(remote) => ask(remote, open, lifecycle::delete).await,
        Verb::Load(remote) => ask(remote, open, load::run).await,
        Verb::History(remote) => ask(remote, open, history::run).await,
        Verb::Rollback(remote) => ask(remote, open, history::rollback).await,
        Verb::Publish(remote) => ask(remote, open, publish::run).await,
        Verb::Invoke(remote) => ask(remote, open, invoke::run).await,
        Verb::Tail(remote) => ask(remote, open, tail::run).await,
        Verb::Logs(remote) => ask(remote, open, logs::run).await,
        Verb::Explain(remote) => ask(remote, open, explain::run).await,
        Verb::DeadLetters(remote) => ask(remote, open, dead_letters::run).await,
        Verb::Quarantine(remote) => ask(remote, open, quarantine::run).await,
        Verb::Engines(remote) => ask(remote, open, engines::run).await,
        Verb::Doctor(remote) => {
            ask(remote, open, async |args: &doctor::Args, client: &Client, output: &Output| {
                doctor::run(args, client, output, look).await
            })
            .await
        }
        Verb::Completions(args) => {
            let output = open(&Display::default());
            conclude(completions::run(args, program, &output), &output)
        }
    }
}

async fn ask<A: clap::Args>(
    remote: &Remote<A>,
    open: Open<'_>,
    run: impl AsyncFnOnce(&A, &Client, &Output) -> Result<(), Error>,
) -> Exit {
    let output = open(&remote.display);
    let client = Client::new(&remote.connection);
    conclude(run(&remote.verb, &client, &output).await, &output)
}

/// Prints `error` and what to do next, and answers how the program ends.
#[must_use]
pub fn report(error: &Error) -> Exit {
    fail(error, &Output::new(&Display::default()))
}

/// Prints the error, if there is one, and says how the program ends.
fn conclude(result: Result<(), Error>, output: &Output) -> Exit {
    result.err().map_or(Exit::Success, |error| fail(&error, output))
}

fn fail(error: &Error, output: &Output) -> Exit {
    let exit = error.exit();
    if exit != Exit::Success {
        output.error(error);
    }
    exit
}

#[cfg(test)]
mod tests;
