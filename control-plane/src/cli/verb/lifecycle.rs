//! `start`, `stop` and `delete`.

use clap::Args as ClapArgs;
use workmanager_core_domain::units::Span;

use crate::cli::{
    client::{Answer, Call, Client, Route},
    error::Error,
    output::{Output, with_progress},
    wire::Worker,
};

/// Arguments of `start` and `stop`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Ids or names.
    #[arg(required = true, value_name = "WORKER")]
    workers: Vec<String>,
}

/// Arguments of `delete`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Delete {
    /// Ids or names.
    #[arg(required = true, value_name = "WORKER")]
    workers: Vec<String>,
    /// How long events in flight may take to finish.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    drain: Span,
}

/// Starts workers.
pub(crate) async fn start(args: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    switch(args, "start", client, output).await
}

/// Stops workers.
pub(crate) async fn stop(args: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    switch(args, "stop", client, output).await
}

async fn switch(args: &Args, verb: &str, client: &Client, output: &Output) -> Result<(), Error> {
    for worker in &args.workers {
        let answer = client.call(Call::post(Route::v1(["workers", worker, verb]))).await?;
        said(&answer, output)?;
    }
    Ok(())
}

fn said(answer: &Answer, output: &Output) -> Result<(), Error> {
    if output.is_json() {
        return output.json(&answer.body);
    }
    let worker: Worker = answer.read()?;
    output.print(&format!("{} is {}", worker.name, output.style.bold(&worker.status)))
}

/// Deletes workers.
pub(crate) async fn delete(args: &Delete, client: &Client, output: &Output) -> Result<(), Error> {
    for worker in &args.workers {
        let route = Route::v1(["workers", worker]).with("drain", Some(args.drain));
        let call = client.call(Call::delete(route).longer(args.drain.0));
        with_progress(output, "waiting for the events in flight", call).await?;
        if !output.is_json() {
            output.print(&format!("{worker} is deleted"))?;
        }
    }
    Ok(())
}
