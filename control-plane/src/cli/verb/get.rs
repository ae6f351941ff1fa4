//! `get`: one worker.

use clap::Args as ClapArgs;

use super::show;
use crate::cli::{
    client::{Call, Client, Route},
    error::Error,
    output::Output,
};

/// Arguments of `get`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Id or name.
    worker: String,
}

/// Carries it out.
pub(crate) async fn run(args: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    let answer = client.call(Call::get(Route::v1(["workers", &args.worker]))).await?;
    show::worker(output, &answer)
}
