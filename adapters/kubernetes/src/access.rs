//! How the API server is reached.

use std::time::Duration;

use kube::Config;

/// Longest wait for a connection, and for an answer on one.
const PATIENCE: Duration = Duration::from_secs(15);

/// This program runs in no cluster, or may not speak to it.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no cluster to ask; does this pod have a token of the API server, as deploy/knative-dedicated gives it?"
)]
pub struct NoCluster(#[source] Box<dyn std::error::Error + Send + Sync>);

impl NoCluster {
    pub(crate) fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// As the service account of this pod. Its token is read again when it changes.
///
/// # Errors
/// This is no pod, or no token is mounted in it.
pub fn in_cluster() -> Result<Config, NoCluster> {
    let mut config = Config::incluster().map_err(NoCluster::new)?;
    config.connect_timeout = Some(PATIENCE);
    config.read_timeout = Some(PATIENCE);
    // A connection that was idle for longer has not waited for its answer meanwhile.
    config.reset_reader_on_write = true;
    Ok(config)
}
