//! One call of the API, before it is made.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// What need not be escaped in a segment or a query's value.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// How long an answer may take that waits for nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// A path and a query, each part escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route(String);

impl Route {
    /// `/v1/` and the segments.
    pub(crate) fn v1<const N: usize>(segments: [&str; N]) -> Self {
        let mut path = "/v1".to_owned();
        for segment in segments {
            path.push('/');
            path.extend(utf8_percent_encode(segment, ESCAPED));
        }
        Self(path)
    }

    /// A path that is not under `/v1`.
    pub(crate) fn root(path: &'static str) -> Self {
        Self(path.to_owned())
    }

    /// Adds `name=value` to the query, if there is a value.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: Option<impl fmt::Display>) -> Self {
        if let Some(value) = value {
            self.0.push(if self.0.contains('?') { '&' } else { '?' });
            self.0.push_str(name);
            self.0.push('=');
            self.0.extend(utf8_percent_encode(&value.to_string(), ESCAPED));
        }
        self
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(super) method: Method,
    pub(super) route: Route,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) patience: Duration,
}

impl Call {
    fn new(method: Method, route: Route) -> Self {
        Self { method, route, headers: HeaderMap::new(), body: Bytes::new(), patience: PATIENCE }
    }

    /// Reads.
    pub(crate) fn get(route: Route) -> Self {
        Self::new(Method::GET, route)
    }

    /// Makes something or does something.
    pub(crate) fn post(route: Route) -> Self {
        Self::new(Method::POST, route)
    }

    /// Replaces.
    pub(crate) fn put(route: Route) -> Self {
        Self::new(Method::PUT, route)
    }

    /// Changes.
    pub(crate) fn patch(route: Route) -> Self {
        Self::new(Method::PATCH, route)
    }

    /// Removes.
    pub(crate) fn delete(route: Route) -> Self {
        Self::new(Method::DELETE, route)
    }

    /// With a body.
    #[must_use]
    pub(crate) fn body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = body.into();
        self
    }

    /// With a body whose kind the headers say.
    #[must_use]
    pub(crate) fn data(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    /// With a JSON body. What this program sends always has one.
    #[must_use]
    pub(crate) fn json(self, value: &impl Serialize) -> Self {
        // Maps with text keys and plain values do not fail to be written.
        self.body("application/json", serde_json::to_vec(value).unwrap_or_default())
    }

    /// With these headers instead of those so far.
    #[must_use]
    pub(crate) fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// With one more header.
    #[must_use]
    pub(crate) fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    /// Waits longer: the server itself waits that long for something.
    #[must_use]
    pub(crate) fn longer(mut self, wait: Duration) -> Self {
        self.patience = PATIENCE.saturating_add(wait);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_route_is_escaped() {
        let route = Route::v1(["workers", "a/b ?", "tags"]).with("tag", Some("k:v&x")).with("none", None::<&str>);
        assert_eq!(route.to_string(), "/v1/workers/a%2Fb%20%3F/tags?tag=k%3Av%26x");
        assert_eq!(Route::v1(["topics"]).with("a", Some(1)).with("b", Some(2)).to_string(), "/v1/topics?a=1&b=2");
    }
}
