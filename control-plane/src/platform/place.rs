//! Where a function is reached, and how that is written.

use std::str::FromStr;

use http::{
    Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use workmanager_core_domain::MimeType;

/// The addresses of one function.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) attempts: Uri,
    pub(super) validate: Uri,
    pub(super) engines: Uri,
}

impl Place {
    /// A function behind a socket: its name is for the logs.
    pub(super) fn here() -> Self {
        Self::at(&Authority::from_static("function"))
    }

    /// A function that serves at `authority`.
    pub(super) fn at(authority: &Authority) -> Self {
        let uri = |path| {
            let mut parts = http::uri::Parts::default();
            parts.scheme = Some(Scheme::HTTP);
            parts.authority = Some(authority.clone());
            parts.path_and_query = Some(PathAndQuery::from_static(path));
            // With all three parts there is nothing that could be missing.
            Uri::from_parts(parts).unwrap_or_default()
        };
        Self { attempts: uri("/v1/attempts"), validate: uri("/v1/validate"), engines: uri("/v1/engines") }
    }
}

/// Which kind of code runs at which function: `MIME-TYPE=http://HOST[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionUrl {
    /// What it runs.
    pub mime_type: MimeType,
    /// Where it is.
    pub authority: Authority,
}

impl FromStr for FunctionUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mime_type, url) = text.split_once('=').ok_or("is not MIME-TYPE=http://HOST[:PORT]")?;
        let mime_type = mime_type.parse::<MimeType>().map_err(|error| error.to_string())?;
        let url: Uri = url.parse().map_err(|error| format!("`{url}` is no URL: {error}"))?;
        if url.scheme() != Some(&Scheme::HTTP) {
            return Err("must be an http URL: traffic inside a cluster is encrypted by its network".to_owned());
        }
        if url.path() != "/" || url.query().is_some() {
            return Err("must end after the host and the port".to_owned());
        }
        let authority = url.authority().cloned().ok_or("names no host")?;
        Ok(Self { mime_type, authority })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_by_what_it_runs_and_where_it_is() {
        let parsed: FunctionUrl = "text/x-python=http://python.functions.svc.cluster.local".parse().unwrap();
        assert_eq!(parsed.mime_type, MimeType::Python);
        let place = Place::at(&parsed.authority);
        assert_eq!(place.attempts, "http://python.functions.svc.cluster.local/v1/attempts");
        assert_eq!(Place::at(&"f:8080".parse().unwrap()).engines, "http://f:8080/v1/engines");
        assert_eq!(Place::here().validate, "http://function/v1/validate");
    }

    #[test]
    fn what_is_no_address_of_a_function_is_refused() {
        for (text, says) in [
            ("http://a", "is not MIME-TYPE="),
            ("text/plain=http://a", "text/x-python"),
            ("text/x-python=https://a", "must be an http URL"),
            ("text/x-python=a", "must be an http URL"),
            ("text/x-python=http://a/v1", "must end after"),
            ("text/x-python=http://a?b", "must end after"),
        ] {
            let error = text.parse::<FunctionUrl>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
