//! Where functions run: a process on this machine, woken by the first event and stopped when idle.

mod answer;
mod client;
mod local;
mod metrics;
mod process;
mod request;

pub use local::{Local, Parts};
pub use metrics::describe;

use std::path::PathBuf;

use workmanager_core_domain::units::Span;

/// How functions are run on this machine.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Local functions")]
#[group(id = "local-functions")]
#[group(skip)]
pub struct Options {
    /// How long the function process may be idle before it is stopped.
    #[arg(long, env = "WORKMANAGER_FUNCTION_IDLE", default_value = "60s", value_name = "TIME")]
    pub function_idle: Span,

    /// How long a stopping function process may take to finish its attempts.
    #[arg(long, env = "WORKMANAGER_FUNCTION_GRACE", default_value = "10s", value_name = "TIME")]
    pub function_grace: Span,

    /// The Python that runs Python workers; the first `python3` on PATH when not given.
    #[arg(long, env = "WORKMANAGER_PYTHON", value_name = "PATH")]
    pub python: Option<PathBuf>,
}

/// The function process could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket that it shall listen on cannot be made.
    #[error("cannot listen on `{}`; is the data directory writable?", path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
