//! Logs and metrics of a program.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::Tasks;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is not `level` or `target=level,…`.
    #[error("log filter `{0}` cannot be read; try info or workmanager=debug")]
    Filter(String),
    /// It was set up before.
    #[error("telemetry is already set up in this process")]
    AlreadySetUp,
}

/// Sends log lines that pass `filter` to standard error.
///
/// # Errors
/// See [`Error`].
pub fn logs(filter: &str, format: LogFormat, colour: bool) -> Result<(), Error> {
    let filter = EnvFilter::try_new(filter).map_err(|_| Error::Filter(filter.to_owned()))?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(colour).with_target(false);
    let set = match format {
        LogFormat::Text => registry.with(layer).try_init(),
        LogFormat::Json => registry.with(layer.json()).try_init(),
    };
    set.map_err(|_| Error::AlreadySetUp)
}

/// How often what was measured is put together, whether or not anybody asks for it.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts collecting metrics, with a task that keeps them small. The handle renders them in the
/// Prometheus text format.
///
/// # Errors
/// It was started before.
pub fn metrics(tasks: &Tasks) -> Result<PrometheusHandle, Error> {
    let buckets = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0];
    // Of what is not seconds, quantiles are shown.
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &buckets)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|_| Error::AlreadySetUp)?;
    let (kept, stop) = (handle.clone(), tasks.stopping());
    tasks.spawn_infallible(async move {
        while tokio::time::timeout(UPKEEP, stop.cancelled()).await.is_err() {
            kept.run_upkeep();
        }
    });
    Ok(handle)
}
