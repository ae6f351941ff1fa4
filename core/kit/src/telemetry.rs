//! Logs and metrics of a program.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

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

/// Starts collecting metrics. The handle renders them in the Prometheus text format.
///
/// # Errors
/// It was started before.
pub fn metrics() -> Result<PrometheusHandle, Error> {
    let buckets = [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0];
    PrometheusBuilder::new()
        .set_buckets(&buckets)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|_| Error::AlreadySetUp)
}
