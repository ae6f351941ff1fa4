//! Code from the control plane, by digest, under an attempt's grant.

use std::{sync::Arc, time::Duration};

use ::metrics::counter;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header::AUTHORIZATION};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::{Instant, timeout_at};
use workmanager_core_domain::{Digest, Manifest};
use workmanager_core_kit::chain;

use crate::{Code, Error, blobs::Blobs, metrics::FETCHES};

/// Largest manifest.
const MAX_MANIFEST: usize = 1 << 20;
/// Largest source or artefact.
const MAX_CODE: usize = 250 << 20;
/// Bytes above which hashing is moved off the thread that serves.
const LARGE: usize = 256 << 10;

/// Fetches versions.
#[derive(Debug)]
pub(crate) struct Fetch {
    client: Client<HttpConnector, Empty<Bytes>>,
    base: Option<Uri>,
    blobs: Arc<Blobs>,
}

impl Fetch {
    pub(crate) fn new(base: Option<Uri>, blobs: Arc<Blobs>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Self { client, base, blobs }
    }

    /// Opens a connection, so that no event waits for a look-up of the control plane's name and a way to it.
    pub(crate) fn greet(&self) -> impl Future<Output = ()> + use<> {
        let asked = self.base.as_ref().and_then(|base| Request::get(base.clone()).body(Empty::new()).ok());
        let client = self.client.clone();
        async move {
            // Whatever it answers. If nobody does, the first fetch says so.
            if let Some(request) = asked
                && let Ok(answer) = client.request(request).await
            {
                drop(Limited::new(answer.into_body(), MAX_MANIFEST).collect().await);
            }
        }
    }

    /// The version `digest`: manifest first, then what it names. From the disk where that is there.
    pub(crate) async fn version(&self, digest: Digest, grant: &str, deadline: Instant) -> Result<Code, Error> {
        let fetched = self.fetch(digest, grant, deadline).await;
        counter!(FETCHES, "result" => fetched.as_ref().map_or_else(Error::code, |_| "ok")).increment(1);
        fetched
    }

    async fn fetch(&self, digest: Digest, grant: &str, deadline: Instant) -> Result<Code, Error> {
        let call = Call { version: digest, artefact: None, grant, deadline };
        let manifest = self.blob(&call, digest, MAX_MANIFEST).await?;
        let manifest: Manifest = serde_json::from_slice(&manifest)
            .map_err(|error| call.unavailable(format!("its manifest cannot be read: {error}")))?;
        let call = Call { artefact: manifest.artefact, ..call };
        let bytes = self.blob(&call, manifest.artefact.unwrap_or(manifest.source), MAX_CODE).await?;
        Ok(Code { digest, manifest, bytes })
    }

    async fn blob(&self, call: &Call<'_>, digest: Digest, limit: usize) -> Result<Bytes, Error> {
        if self.blobs.has(&digest) {
            let blobs = self.blobs.clone();
            if let Some(bytes) = blocking(move || blobs.get(&digest)).await.flatten() {
                return Ok(bytes);
            }
        }
        let bytes = timeout_at(call.deadline, self.get(call, digest, limit))
            .await
            .unwrap_or_else(|_| Err(call.unavailable("the control plane did not answer in time".to_owned())))?;
        let found = digest_of(bytes.clone()).await;
        if found != Some(digest) {
            let found = found.map_or_else(|| "no digest".to_owned(), |found| found.to_string());
            return Err(call.unavailable(format!("what was sent for {digest} is {found}")));
        }
        let (blobs, kept) = (self.blobs.clone(), bytes.clone());
        // Nobody waits for the disk.
        drop(tokio::task::spawn_blocking(move || blobs.put(&digest, &kept)));
        Ok(bytes)
    }

    async fn get(&self, call: &Call<'_>, digest: Digest, limit: usize) -> Result<Bytes, Error> {
        let base = self.base.as_ref().ok_or_else(|| call.unavailable("there is no --code-url".to_owned()))?;
        let base = base.to_string();
        let uri = format!("{}/v1/blobs/{}", base.trim_end_matches('/'), digest.hex());
        let bearer = HeaderValue::try_from(format!("Bearer {}", call.grant)).map_err(|_| call.refused())?;
        let request = Request::get(uri).header(AUTHORIZATION, bearer).body(Empty::new());
        let request = request.map_err(|error| call.unavailable(error.to_string()))?;
        let response = self.client.request(request).await.map_err(|error| call.unavailable(chain(&error)))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(call.refused()),
            StatusCode::NOT_FOUND if call.artefact == Some(digest) => {
                return Err(Error::ArtefactMissing { digest: call.version.to_string() });
            }
            status => return Err(call.unavailable(format!("the control plane answered {status}"))),
        }
        let body = Limited::new(response.into_body(), limit).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|error| call.unavailable(error.to_string()))
    }
}

/// What the requests of one fetch have in common.
struct Call<'a> {
    version: Digest,
    /// What can be made again, if this version has it.
    artefact: Option<Digest>,
    grant: &'a str,
    deadline: Instant,
}

impl Call<'_> {
    fn refused(&self) -> Error {
        Error::GrantRefused { digest: self.version.to_string() }
    }

    fn unavailable(&self, reason: String) -> Error {
        Error::VersionUnavailable { digest: self.version.to_string(), reason }
    }
}

pub(crate) async fn digest_of(bytes: Bytes) -> Option<Digest> {
    if bytes.len() < LARGE { Some(Digest::of(&bytes)) } else { blocking(move || Digest::of(&bytes)).await }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}
