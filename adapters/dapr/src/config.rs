//! Where the sidecar is, and which of its components are ours.

use std::{str::FromStr, time::Duration};

use clap::Args;
use workmanager_core_kit::Secret;

/// Options of a program that uses Dapr. The names without `WORKMANAGER_` are Dapr's own.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Address of the sidecar's gRPC API; wins over the port.
    #[arg(long, env = "DAPR_GRPC_ENDPOINT", value_name = "URL")]
    pub dapr_grpc_endpoint: Option<Endpoint>,
    /// Port of the sidecar's gRPC API on this machine.
    #[arg(long, env = "DAPR_GRPC_PORT", default_value_t = 50001, value_name = "PORT")]
    pub dapr_grpc_port: u16,
    /// The token that the sidecar asks for.
    #[arg(long, env = "DAPR_API_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub dapr_api_token: Option<Secret<String>>,
    /// Name of the pub/sub component.
    #[arg(long, env = "WORKMANAGER_DAPR_PUBSUB", default_value = "pubsub", value_name = "NAME")]
    pub dapr_pubsub: String,
    /// Name of the state store component.
    #[arg(long, env = "WORKMANAGER_DAPR_STATE_STORE", default_value = "statestore", value_name = "NAME")]
    pub dapr_state_store: String,
}

/// Settings of the adapter.
#[derive(Debug, Clone)]
pub struct Config {
    /// The sidecar's gRPC API.
    pub endpoint: Endpoint,
    /// The token that it asks for.
    pub token: Option<Secret<String>>,
    /// Name of the pub/sub component.
    pub pubsub: String,
    /// Name of the state store component.
    pub state_store: String,
    /// How long an event's record stays once every worker is done with it. Whole seconds.
    pub event_retention: Duration,
    /// How long a dead letter stays. Whole seconds.
    pub dead_letter_retention: Duration,
    /// Pause between two comparisons of the sidecar's list of streams with ours.
    pub compare_every: Duration,
}

const HOUR: Duration = Duration::from_secs(60 * 60);
const COMPARE_EVERY: Duration = Duration::from_secs(30);

impl Default for Config {
    /// What the options say when nobody sets one.
    fn default() -> Self {
        Self {
            endpoint: Endpoint::local(50001),
            token: None,
            pubsub: "pubsub".to_owned(),
            state_store: "statestore".to_owned(),
            event_retention: HOUR,
            dead_letter_retention: HOUR * 24 * 14,
            compare_every: COMPARE_EVERY,
        }
    }
}

impl From<Options> for Config {
    fn from(options: Options) -> Self {
        let local = || Endpoint::local(options.dapr_grpc_port);
        Self {
            endpoint: options.dapr_grpc_endpoint.unwrap_or_else(local),
            token: options.dapr_api_token,
            pubsub: options.dapr_pubsub,
            state_store: options.dapr_state_store,
            event_retention: HOUR,
            dead_letter_retention: HOUR * 24 * 14,
            compare_every: COMPARE_EVERY,
        }
    }
}

/// Address of the sidecar's gRPC API: `http://host:port`, `host:port` or `dns:host:port`. It is on this machine
/// or in this pod, so it is not encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(String);

/// A text that is no address of a sidecar.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidEndpoint {
    /// TLS is asked for.
    #[error("TLS to the sidecar is not served: it is a neighbour on this machine")]
    Tls,
    /// Not an address.
    #[error("`{0}` is not `http://host:port` or `host:port`")]
    Form(String),
}

impl Endpoint {
    /// A sidecar on this machine.
    pub(crate) fn local(port: u16) -> Self {
        Self(format!("http://127.0.0.1:{port}"))
    }

    /// As a URL.
    pub(crate) fn url(&self) -> &str {
        &self.0
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || InvalidEndpoint::Form(text.to_owned());
        if text.starts_with("https://") || text.ends_with("?tls=true") {
            return Err(InvalidEndpoint::Tls);
        }
        let address = text.strip_prefix("http://").or_else(|| text.strip_prefix("dns:")).unwrap_or(text);
        let address = address.trim_end_matches("?tls=false").trim_end_matches('/');
        let (host, port) = address.rsplit_once(':').ok_or_else(form)?;
        let is_address = !host.is_empty() && !host.contains(['/', '?']) && port.parse::<u16>().is_ok();
        if is_address { Ok(Self(format!("http://{address}"))) } else { Err(form()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_in_each_of_its_forms() {
        for text in ["http://10.0.0.1:50001", "10.0.0.1:50001", "dns:10.0.0.1:50001", "http://10.0.0.1:50001/"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().url(), "http://10.0.0.1:50001", "{text}");
        }
        for text in ["", "host", "host:port", "unix:/run/dapr.sock", ":1", "http://host:1/path"] {
            assert_eq!(text.parse::<Endpoint>(), Err(InvalidEndpoint::Form(text.to_owned())), "{text}");
        }
        for text in ["https://host:1", "host:1?tls=true"] {
            assert_eq!(text.parse::<Endpoint>(), Err(InvalidEndpoint::Tls), "{text}");
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let config = Config {
            endpoint: "host:1".parse().unwrap(),
            token: Some(Secret::new("hush".to_owned())),
            pubsub: String::new(),
            state_store: String::new(),
            event_retention: HOUR,
            dead_letter_retention: HOUR,
            compare_every: COMPARE_EVERY,
        };
        assert!(!format!("{config:?}").contains("hush"));
    }
}
