//! Who may come in: bearer tokens, or without any only what was meant for this machine.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, Uri, header, uri::Authority};
use subtle::{Choice, ConstantTimeEq as _};
use workmanager_core_domain::Digest;

use super::error::Error;
use crate::app::Code;

/// How a token begins, so that it is recognised where it does not belong.
const PREFIX: &str = "wm_";
/// Paths that anybody may ask: how the program is, and what a sidecar asks, which has no token.
const OPEN: [&str; 6] = ["/health", "/health/live", "/healthz", "/readyz", "/dapr/config", "/dapr/subscribe"];

/// Decides about every request. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Gate {
    tokens: Arc<[Digest]>,
}

impl Gate {
    /// Lets whoever has a token with one of these SHA-256 digests in; without any, whoever asks this
    /// machine by a name of its loopback.
    #[must_use]
    pub fn new(tokens: impl IntoIterator<Item = Digest>) -> Self {
        Self { tokens: tokens.into_iter().collect() }
    }

    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Error> {
        if self.tokens.is_empty() {
            return meant_for_us(uri, headers);
        }
        if OPEN.contains(&uri.path()) || self.knows(headers) {
            return Ok(());
        }
        let text = "send a token that this server knows as `Authorization: Bearer wm_…`";
        Err(Error::Plain(Code::Unauthenticated, text.to_owned()))
    }

    /// Whether the token is one of ours. Every known digest is compared, each in constant time.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let Some(token) = bearer(headers).filter(|token| token.starts_with(PREFIX)) else { return false };
        let digest = Digest::of(token.as_bytes());
        let matches = self.tokens.iter().map(|known| known.as_bytes().ct_eq(digest.as_bytes()));
        matches.fold(Choice::from(0), |any, this| any | this).into()
    }
}

/// The bearer token of a request.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A web page can send requests to this machine under a name of its own (DNS rebinding) or from its
/// own origin. Neither says a name of the loopback where it must.
fn meant_for_us(uri: &Uri, headers: &HeaderMap) -> Result<(), Error> {
    let host = headers.get(header::HOST).map(|value| value.to_str().unwrap_or_default());
    let host = uri.authority().map(Authority::as_str).or(host);
    let origin = headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or_default());
    let origin = origin.map(|origin| origin.split_once("://").map_or("", |(_, host)| host));
    for (what, host) in [("host", host), ("origin", origin)] {
        if let Some(host) = host.filter(|host| !is_loopback(host)) {
            let text = format!("without a token only this machine is served; {what} `{host}` is not one of its names");
            return Err(Error::Plain(Code::HostRefused, text));
        }
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host().trim_end_matches('.');
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The middleware.
pub(crate) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match gate.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_loopback_are_ours() {
        for ours in ["localhost", "LOCALHOST:5001", "127.0.0.1", "127.0.0.1:1", "127.8.8.8", "[::1]", "[::1]:5001"] {
            assert!(is_loopback(ours), "{ours}");
        }
        for other in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1:5001",
            "0.0.0.0",
            "[::2]",
            "a@localhost",
            "localhost:5001/x",
            "null",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
