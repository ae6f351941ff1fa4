//! Where the API listens, and for whom.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

use tokio::net::TcpListener;
use workmanager_core_domain::{Digest, ErrorKind, digest::InvalidDigest};

use super::Gate;

/// Where the API listens, and for whom.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "API")]
#[group(skip)]
pub struct Options {
    /// The address that REST listens on. Anything but the loopback needs a token.
    #[arg(long, env = "WORKMANAGER_HTTP_HOST", default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub http_host: IpAddr,

    /// The port of REST; 0 takes any free one.
    #[arg(long, env = "WORKMANAGER_HTTP_PORT", default_value_t = 5001, value_name = "PORT")]
    pub http_port: u16,

    /// The address where functions fetch code. Whoever asks needs a grant, which each attempt carries.
    #[arg(long, env = "WORKMANAGER_INTERNAL_HOST", default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub internal_host: IpAddr,

    /// The port where functions fetch code; 0 takes any free one.
    #[arg(long, env = "WORKMANAGER_INTERNAL_PORT", default_value_t = 5003, value_name = "PORT")]
    pub internal_port: u16,

    /// SHA-256 of a token (wm_…) that is let in; may be repeated. `printf %s "$TOKEN" | sha256sum` makes it.
    #[arg(
        long = "api-token-sha256",
        env = "WORKMANAGER_API_TOKEN_SHA256",
        value_delimiter = ',',
        value_name = "HEX",
        hide_env_values = true
    )]
    pub tokens: Vec<TokenDigest>,
}

/// SHA-256 of a token. It prints as `***`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest(Digest);

impl FromStr for TokenDigest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        Digest::from_hex(text.trim().trim_start_matches("sha256:")).map(Self)
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The two listeners, bound.
#[derive(Debug)]
pub struct Listeners {
    /// For REST.
    pub http: TcpListener,
    /// For the code that functions fetch.
    pub internal: TcpListener,
}

/// The API cannot listen as it is told to.
#[derive(Debug, thiserror::Error)]
pub enum InvalidOptions {
    /// A public address, open to everybody.
    #[error(
        "--http-host {host} can be reached from other machines, and no token is set: make one, and give its SHA-256 \
         as --api-token-sha256, or listen on 127.0.0.1"
    )]
    OpenToAll {
        /// The address.
        host: IpAddr,
    },
    /// The address cannot be had.
    #[error("cannot listen on {address}: is it in use? {option} chooses another port, 0 any free one")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// The option that says so.
        option: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl InvalidOptions {
    /// What a caller can do about it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::OpenToAll { .. } => ErrorKind::Forbidden,
            Self::Bind { .. } => ErrorKind::Conflict,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OpenToAll { .. } => "open-to-all",
            Self::Bind { .. } => "address-in-use",
        }
    }
}

impl Default for Options {
    /// Any free ports of the loopback, without tokens.
    fn default() -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self { http_host: loopback, http_port: 0, internal_host: loopback, internal_port: 0, tokens: Vec::new() }
    }
}

impl Options {
    /// Who may come in.
    ///
    /// # Errors
    /// `OpenToAll`.
    pub fn gate(&self) -> Result<Gate, InvalidOptions> {
        if self.tokens.is_empty() && !self.http_host.to_canonical().is_loopback() {
            return Err(InvalidOptions::OpenToAll { host: self.http_host });
        }
        Ok(Gate::new(self.tokens.iter().map(|TokenDigest(digest)| *digest)))
    }

    /// Binds both listeners. Nothing is bound when the API would be open to everybody.
    ///
    /// # Errors
    /// See [`InvalidOptions`].
    pub async fn listen(&self) -> Result<Listeners, InvalidOptions> {
        self.gate()?;
        let http = bind(SocketAddr::new(self.http_host, self.http_port), "--http-port").await?;
        let internal = bind(SocketAddr::new(self.internal_host, self.internal_port), "--internal-port").await?;
        Ok(Listeners { http, internal })
    }
}

async fn bind(address: SocketAddr, option: &'static str) -> Result<TcpListener, InvalidOptions> {
    TcpListener::bind(address).await.map_err(|source| InvalidOptions::Bind { address, option, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_others_reach_needs_a_token() {
        let token: TokenDigest = Digest::of(b"wm_secret").hex().parse().unwrap();
        for host in ["0.0.0.0", "::", "192.0.2.1"] {
            let mut options = Options { http_host: host.parse().unwrap(), ..Options::default() };
            let error = options.listen().await.unwrap_err();
            assert_eq!(error.code(), "open-to-all");
            assert!(error.to_string().contains("--api-token-sha256"), "{error} should say what to do");
            options.tokens = vec![token];
            assert!(options.gate().is_ok());
        }
        for host in ["127.0.0.1", "::1", "127.0.0.9"] {
            let options = Options { http_host: host.parse().unwrap(), ..Options::default() };
            assert!(options.gate().is_ok(), "{host}");
        }
        assert_eq!(format!("{token:?}"), "***");
    }

    #[tokio::test]
    async fn a_port_in_use_is_said_with_the_option_that_changes_it() {
        let taken = Options::default().listen().await.unwrap();
        let port = taken.http.local_addr().unwrap().port();
        let error = Options { http_port: port, ..Options::default() }.listen().await.unwrap_err();
        assert_eq!(error.code(), "address-in-use");
        assert!(error.to_string().contains("--http-port"), "{error}");
    }
}
