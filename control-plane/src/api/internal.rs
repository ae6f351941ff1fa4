//! The listener that functions fetch code from: by digest, with a grant, and nothing else.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{Path, State},
    middleware::from_fn,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{HeaderMap, HeaderValue, header};
use workmanager_core_domain::{
    Digest, Manifest,
    ports::{Blobs, Clock},
};

use super::{context, error::Error, gate::bearer, rest::fallback};
use crate::{
    app::{self, Code},
    grant::Grants,
};

/// Manifests whose blobs are remembered.
const REMEMBERED: usize = 4096;

#[derive(Clone)]
struct Internal {
    blobs: Arc<dyn Blobs>,
    grants: Grants,
    clock: Arc<dyn Clock>,
    opened: Arc<Mutex<Opened>>,
}

/// Which blobs a manifest names. Manifests never change, so this is never wrong.
#[derive(Debug, Default)]
struct Opened {
    blobs: HashMap<Digest, [Option<Digest>; 2]>,
    oldest: VecDeque<Digest>,
}

impl Opened {
    fn remember(&mut self, manifest: Digest, blobs: [Option<Digest>; 2]) {
        if self.blobs.insert(manifest, blobs).is_none() {
            self.oldest.push_back(manifest);
        }
        if self.oldest.len() > REMEMBERED
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.blobs.remove(&oldest);
        }
    }
}

/// The router of that listener: `GET /v1/blobs/{hex}` with `Authorization: Bearer <grant>`. A grant
/// opens its version's manifest and the blobs named there.
pub fn router(blobs: Arc<dyn Blobs>, grants: Grants, clock: Arc<dyn Clock>) -> Router {
    let state = Internal { blobs, grants, clock, opened: Arc::default() };
    Router::new()
        .route("/v1/blobs/{hex}", get(blob))
        .fallback(fallback::unknown_path)
        .method_not_allowed_fallback(fallback::method_not_allowed)
        .layer(from_fn(context::surround))
        .with_state(state)
}

fn refused(text: impl Into<String>) -> Error {
    Error::Plain(Code::GrantRefused, text.into())
}

async fn blob(State(internal): State<Internal>, Path(hex): Path<String>, headers: HeaderMap) -> Response {
    match internal.fetch(&hex, &headers).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

impl Internal {
    async fn fetch(&self, hex: &str, headers: &HeaderMap) -> Result<Response, Error> {
        let grant = bearer(headers).ok_or_else(|| refused("a grant is needed"))?;
        let version = self.grants.check(grant, self.clock.now()).map_err(|error| refused(error.to_string()))?;
        let missing = || Error::Plain(Code::BlobNotFound, format!("there is no blob `{hex}`"));
        let wanted = Digest::from_hex(hex).map_err(|_| missing())?;
        if !self.opens(&version, &wanted).await? {
            return Err(refused("the grant does not open this blob"));
        }
        let bytes = self.blobs.get(&wanted).await.map_err(app::Error::from)?.ok_or_else(missing)?;
        let content_type = HeaderValue::from_static("application/octet-stream");
        Ok(([(header::CONTENT_TYPE, content_type)], bytes).into_response())
    }

    /// Whether a grant for version `version` opens blob `wanted`.
    async fn opens(&self, version: &Digest, wanted: &Digest) -> Result<bool, Error> {
        if version == wanted {
            return Ok(true);
        }
        let known = self.opened.lock().unwrap_or_else(PoisonError::into_inner).blobs.get(version).copied();
        let blobs = match known {
            Some(blobs) => blobs,
            None => {
                let Some(bytes) = self.blobs.get(version).await.map_err(app::Error::from)? else { return Ok(false) };
                let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) else { return Ok(false) };
                let blobs = [Some(manifest.source), manifest.artefact];
                self.opened.lock().unwrap_or_else(PoisonError::into_inner).remember(*version, blobs);
                blobs
            }
        };
        Ok(blobs.contains(&Some(*wanted)))
    }
}
