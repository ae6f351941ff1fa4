//! `load`: new code for a worker.

use std::ffi::OsString;

use clap::Args as ClapArgs;
use workmanager_core_domain::units::Span;

use super::show;
use crate::cli::{
    client::{Call, Client, Route},
    error::Error,
    output::{Output, with_progress},
    source::Source,
};

/// Arguments of `load`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Id or name.
    worker: String,
    /// The code; - reads standard input.
    file: OsString,
    /// How long to wait for the function's verdict on the code.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    wait: Span,
}

/// Carries it out.
pub(crate) async fn run(args: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    let code = Source::from(args.file.as_os_str()).read()?;
    let route = Route::v1(["workers", &args.worker, "code"]).with("wait", Some(args.wait));
    let call = Call::put(route).body("application/octet-stream", code).longer(args.wait.0);
    let answer = with_progress(output, "waiting for the verdict on the code", client.call(call)).await?;
    show::worker(output, &answer)
}
