//! A request as the handlers read it. Whatever is wrong with it becomes a problem document.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts as _, RawPathParams, Request},
};
use bytes::Bytes;
use http::{HeaderMap, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::timeout;
use uuid::Uuid;
use workmanager_core_domain::units::Span;

use super::{condition, idempotency::Seed, query::Query};
use crate::{
    api::error::Error,
    app::{Code, Condition},
};

/// Most bytes of a JSON body with code in it.
pub(super) const WITH_CODE: usize = 70 << 20;
/// Most bytes of any other JSON body.
pub(super) const PLAIN: usize = 1 << 20;

/// How long a body may pause before it is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request.
pub(super) struct Call {
    parts: Parts,
    body: Body,
}

impl<S: Send + Sync> FromRequest<S> for Call {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        let (parts, body) = request.into_parts();
        Ok(Self { parts, body })
    }
}

impl Call {
    /// The headers.
    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// A header's value as text.
    pub(super) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A part of the path, percent-decoded.
    pub(super) async fn param(&mut self, name: &str) -> Result<String, Error> {
        let params = RawPathParams::from_request_parts(&mut self.parts, &()).await;
        let params = params.map_err(|_| Error::Plain(Code::InvalidUtf8, "the path is not UTF-8".to_owned()))?;
        let found = params.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
        found.ok_or_else(|| Error::Plain(Code::Internal, format!("the route has no part `{name}`")))
    }

    /// The query.
    pub(super) fn query(&self) -> Result<Query, Error> {
        Query::of(self.parts.uri.query().unwrap_or_default())
    }

    /// What `If-Match` asks for.
    pub(super) fn condition(&self) -> Result<Condition, Error> {
        condition::of(&self.parts.headers)
    }

    /// What identifiers are made of, if the request may come again.
    pub(super) fn seed(&self) -> Option<Uuid> {
        self.parts.extensions.get::<Seed>().map(|Seed(seed)| *seed)
    }

    /// The media type of the body, in lower case and without parameters.
    pub(super) fn media_type(&self) -> Option<String> {
        let value = self.header(header::CONTENT_TYPE)?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// The body of one of `media_types`.
    pub(super) async fn body_of(self, media_types: &[&str], limit: usize) -> Result<Bytes, Error> {
        let found = self.media_type();
        if !found.as_deref().is_some_and(|found| media_types.contains(&found)) {
            let found = found.map_or("a body without content-type".to_owned(), |found| format!("`{found}`"));
            let text = format!("{found} is not served here; send {}", media_types.join(" or "));
            return Err(Error::Plain(Code::UnsupportedMediaType, text));
        }
        self.bytes(limit).await
    }

    /// The JSON body, still as text.
    pub(super) async fn json(self, limit: usize) -> Result<Bytes, Error> {
        self.body_of(&["application/json"], limit).await
    }

    /// The body.
    pub(super) async fn bytes(self, limit: usize) -> Result<Bytes, Error> {
        read(&self.parts.headers, self.body, limit).await
    }
}

/// Reads a body of at most `limit` bytes; one that says it is longer is not read at all.
pub(super) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Error> {
    let too_large = || Error::Plain(Code::BodyTooLarge, format!("the body has more than {limit} bytes"));
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let unreadable = |why: String| Error::Plain(Code::BodyUnreadable, format!("the body cannot be read: {why}"));
    let (mut body, mut pieces) = (Limited::new(body, limit), Vec::new());
    loop {
        let piece = timeout(PATIENCE, body.frame()).await;
        match piece.map_err(|_| unreadable(format!("nothing more came within {}", Span(PATIENCE))))? {
            None => return Ok(joined(pieces)),
            // Trailers say nothing here.
            Some(Ok(frame)) => pieces.extend(frame.into_data().ok()),
            Some(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large()),
            Some(Err(error)) => return Err(unreadable(error.to_string())),
        }
    }
}

/// The pieces as one; a body that came in one piece is not copied.
fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        0 | 1 => pieces.pop().unwrap_or_default(),
        _ => pieces.concat().into(),
    }
}
