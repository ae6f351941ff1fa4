//! Where functions run: a process on this machine, woken by the first event and stopped when idle, or
//! elsewhere, at a URL for each kind of code.

mod answer;
mod budget;
mod client;
mod local;
mod metrics;
mod place;
mod process;
mod remote;
mod request;
mod seen;
mod verdict;

pub use local::{Local, Parts};
pub use metrics::describe;
pub use place::FunctionUrl;
pub use remote::Remote;

use std::{path::PathBuf, time::Duration};

use workmanager_core_domain::units::{InvalidUnit, Span};

use crate::grant::Key;

/// Where functions run, and how.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Options {
    /// Those of this machine.
    #[command(flatten)]
    pub local: LocalOptions,
    /// Those elsewhere.
    #[command(flatten)]
    pub remote: RemoteOptions,
}

/// How functions are run on this machine.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Local functions")]
#[group(id = "local-functions")]
#[group(skip)]
pub struct LocalOptions {
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

/// Functions that run elsewhere.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Functions elsewhere")]
#[group(id = "remote-functions")]
#[group(skip)]
pub struct RemoteOptions {
    /// Where a function for one kind of code is, as in `text/x-python=http://HOST`; may be repeated. With one,
    /// no function runs on this machine.
    #[arg(
        long = "function-url",
        env = "WORKMANAGER_FUNCTION_URL",
        value_delimiter = ',',
        value_name = "MIME-TYPE=URL"
    )]
    pub urls: Vec<FunctionUrl>,

    /// How long their platform lets a request take, waiting for a pod included. A worker gets a minute less at
    /// most.
    #[arg(
        long = "function-timeout",
        env = "WORKMANAGER_FUNCTION_TIMEOUT",
        default_value = "600s",
        value_name = "TIME",
        value_parser = limit
    )]
    pub limit: Span,

    /// Gives each worker with `isolation: dedicated` a Knative Service of its own, labelled with this name. Control
    /// planes with different workers need different names. deploy/knative-dedicated has the rights for it.
    #[arg(long, env = "WORKMANAGER_DEDICATED", value_name = "NAME", value_parser = label)]
    pub dedicated: Option<String>,

    /// 64 hex digits under which code is opened to functions. Replicas share it, because a function may ask any
    /// of them for code. Chosen at each start when not given.
    #[arg(long, env = "WORKMANAGER_GRANT_KEY", value_name = "HEX", hide_env_values = true)]
    pub grant_key: Option<Key>,
}

/// What is left for the worker must be worth a request.
const SHORTEST: Span = Span(Duration::from_secs(90));

fn limit(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|error: InvalidUnit| error.to_string())?;
    if span < SHORTEST { Err(format!("must be at least {SHORTEST}")) } else { Ok(span) }
}

/// What Kubernetes takes as the value of a label.
fn label(text: &str) -> Result<String, String> {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ends_well =
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.ends_with(|c: char| c.is_ascii_alphanumeric());
    let is_label = text.len() <= 63 && ends_well && text.chars().all(is_inner);
    is_label.then(|| text.to_owned()).ok_or_else(|| "must have 1 to 63 letters, digits, `-`, `_` and `.`".to_owned())
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
