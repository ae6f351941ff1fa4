//! Where the server is.

use std::{fmt, str::FromStr, sync::Arc};

use http::Uri;

/// The address of a control plane: `http://HOST[:PORT][/PREFIX]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server(Arc<str>);

/// Why a text is not the address of a server.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidServer {
    /// No URL at all.
    #[error("must be a URL such as http://127.0.0.1:5001")]
    NotAUrl,
    /// Encrypted.
    #[error("https is not built into this program yet; use http, through a tunnel or a local proxy if it must be safe")]
    Tls,
    /// Another protocol.
    #[error("must begin with http://, not with {0}://")]
    Scheme(String),
    /// More than an address.
    #[error("must not have a query or a user name")]
    Decorated,
}

impl Server {
    /// The server at `address` of this machine or another.
    #[must_use]
    pub fn at(address: std::net::SocketAddr) -> Self {
        Self(format!("http://{address}").into())
    }

    /// The address as text, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Server {
    type Err = InvalidServer;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| InvalidServer::NotAUrl)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(InvalidServer::Tls),
            Some(other) => return Err(InvalidServer::Scheme(other.to_owned())),
            None => return Err(InvalidServer::NotAUrl),
        }
        let authority = uri.authority().ok_or(InvalidServer::NotAUrl)?;
        if uri.query().is_some() || authority.as_str().contains('@') {
            return Err(InvalidServer::Decorated);
        }
        Ok(Self(text.trim_end_matches('/').into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_a_host_and_perhaps_a_prefix() {
        let table = [
            ("http://127.0.0.1:5001", Ok("http://127.0.0.1:5001")),
            ("http://[::1]:5001/", Ok("http://[::1]:5001")),
            ("http://gateway/workmanager/", Ok("http://gateway/workmanager")),
            ("https://wm.example", Err(InvalidServer::Tls)),
            ("ftp://wm.example", Err(InvalidServer::Scheme("ftp".into()))),
            ("127.0.0.1:5001", Err(InvalidServer::NotAUrl)),
            ("", Err(InvalidServer::NotAUrl)),
            ("http://me:secret@host", Err(InvalidServer::Decorated)),
            ("http://host?x=1", Err(InvalidServer::Decorated)),
        ];
        for (text, expected) in table {
            let read = text.parse::<Server>();
            assert_eq!(read.as_ref().map(Server::as_str), expected.as_ref().copied(), "{text:?}");
        }
    }
}
