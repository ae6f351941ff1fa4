//! A small HTTP client for the control plane's API.

mod call;
mod stream;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use workmanager_core_kit::Secret;

pub(crate) use call::{Call, Route};
pub(crate) use stream::{Frame, Stream};

use super::{error::Error, options::Connection, problem::Problem, server::Server};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Largest answer that is read: a worker's definition with 50 MiB of code in base64, and room.
const MAX_ANSWER: usize = 80 << 20;

/// Talks to one server. Cloning shares the connections.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    server: Server,
    token: Option<Secret<String>>,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    server: Server,
    /// The status, always a success.
    pub(crate) status: StatusCode,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
}

impl Answer {
    /// Reads the body as JSON.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|source| self.misunderstood(source))
    }

    /// The answer cannot be understood, for this reason.
    pub(crate) fn misunderstood(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::Answer { server: self.server.clone(), source: source.into() }
    }
}

impl Client {
    /// A client of the server that `connection` names.
    pub(crate) fn new(connection: &Connection) -> Self {
        Self::of(connection.server.clone(), connection.token.clone())
    }

    /// A client of `server`.
    pub(crate) fn of(server: Server, token: Option<Secret<String>>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Self { http, server, token }
    }

    /// Where the server is.
    pub(crate) const fn server(&self) -> &Server {
        &self.server
    }

    /// Reads a part of an answer.
    pub(crate) fn read<T: DeserializeOwned>(&self, part: &RawValue) -> Result<T, Error> {
        let misunderstood =
            |source: serde_json::Error| Error::Answer { server: self.server.clone(), source: source.into() };
        serde_json::from_str(part.get()).map_err(misunderstood)
    }

    /// Makes a call and reads the whole answer.
    ///
    /// # Errors
    /// Nobody answers, the answer is no success, or it is not there in time.
    pub(crate) async fn call(&self, call: Call) -> Result<Answer, Error> {
        let patience = call.patience;
        let whole = async {
            let response = self.send(call).await?;
            let (parts, body) = response.into_parts();
            let body = self.whole(body).await?;
            if !parts.status.is_success() {
                return Err(Error::Problem(Box::new(Problem::read(parts.status, &body))));
            }
            Ok(Answer { server: self.server.clone(), status: parts.status, headers: parts.headers, body })
        };
        let timeout = |_| Error::Timeout { server: self.server.clone() };
        tokio::time::timeout(patience, whole).await.map_err(timeout)?
    }

    /// Makes a call whose answer is a stream of events.
    ///
    /// # Errors
    /// As for [`Client::call`]; the patience ends with the answer's head.
    pub(crate) async fn stream(&self, call: Call) -> Result<Stream, Error> {
        let timeout = |_| Error::Timeout { server: self.server.clone() };
        let response = tokio::time::timeout(call.patience, self.send(call)).await.map_err(timeout)??;
        let status = response.status();
        if !status.is_success() {
            let body = self.whole(response.into_body()).await?;
            return Err(Error::Problem(Box::new(Problem::read(status, &body))));
        }
        Ok(Stream::new(self.server.clone(), response.into_body()))
    }

    async fn send(&self, call: Call) -> Result<http::Response<Incoming>, Error> {
        let request = self.request(call)?;
        self.http.request(request).await.map_err(|error| {
            let (server, refused) = (self.server.clone(), error.is_connect());
            let source = Box::new(error);
            if refused { Error::Unreachable { server, source } } else { Error::Broken { server, source } }
        })
    }

    fn request(&self, call: Call) -> Result<Request<Full<Bytes>>, Error> {
        let uri = format!("{}{}", self.server, call.route);
        let mut request =
            Request::builder().method(call.method).uri(uri).body(Full::new(call.body)).map_err(|error| {
                Error::input(format!("the call cannot be made: {error}"), "check the names and the address")
            })?;
        *request.headers_mut() = call.headers;
        if let Some(token) = &self.token {
            let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .map_err(|_| Error::input("the token has characters that no token has", "give it without line ends"))?;
            bearer.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, bearer);
        }
        Ok(request)
    }

    async fn whole(&self, body: Incoming) -> Result<Bytes, Error> {
        let collected = Limited::new(body, MAX_ANSWER).collect().await;
        let broken = |source| Error::Broken { server: self.server.clone(), source };
        collected.map(http_body_util::Collected::to_bytes).map_err(broken)
    }
}
