//! `Idempotency-Key`: a repeated POST gets the first answer.

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body_util::BodyExt as _;
use uuid::Uuid;
use workmanager_core_domain::{Digest, ErrorKind};

use super::call::{WITH_CODE, read};
use crate::{
    api::error::{Error, Refusal},
    app::{self, Answer, App, Claimed, Code, Hold, Problems},
};

/// The header.
const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest key.
const MAX_KEY: usize = 255;
/// The headers that belong to an answer.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];

/// Carried by a request that may come again: what its identifiers are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed(pub(super) Uuid);

/// The middleware.
pub(super) async fn once(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(HEADER) {
        return next.run(request).await;
    }
    match claimed(&app, request, next).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn claimed(app: &App, request: Request, next: Next) -> Result<Response, Error> {
    let (mut parts, body) = request.into_parts();
    let key = key(&parts.headers)?;
    let body = read(&parts.headers, body, WITH_CODE).await?;
    let content = content(&parts, &body);
    match app.claim(app::Request { key, content }).await? {
        Claimed::Again(answer) => again(answer),
        Claimed::First(hold) => {
            parts.extensions.insert(Seed(hold.seed()));
            let response = next.run(Request::from_parts(parts, Body::from(body))).await;
            first(response, hold).await
        }
    }
}

fn key(headers: &HeaderMap) -> Result<Digest, Error> {
    let mut keys = headers.get_all(HEADER).iter();
    let (key, more) = (keys.next(), keys.next());
    let key = key.map(HeaderValue::as_bytes).unwrap_or_default();
    if more.is_some() || !(1..=MAX_KEY).contains(&key.len()) || !key.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        let reason = format!("must be one text of 1 to {MAX_KEY} printable ASCII characters");
        return Err(Problems::one("idempotency-key", reason).into());
    }
    Ok(Digest::of(key))
}

/// Everything that makes a request this request; events in binary mode are in the headers.
fn content(parts: &Parts, body: &[u8]) -> Digest {
    let mut text = format!("{} {}\n", parts.method, parts.uri).into_bytes();
    let counts = |name: &HeaderName| {
        *name == header::CONTENT_TYPE || *name == header::IF_MATCH || name.as_str().starts_with("ce-")
    };
    let mut headers: Vec<_> = parts.headers.iter().filter(|(name, _)| counts(name)).collect();
    headers.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.push(b':');
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    text.extend_from_slice(Digest::of(body).as_bytes());
    Digest::of(&text)
}

fn again(Answer { status, headers, body }: Answer) -> Result<Response, Error> {
    let unreadable = |what: &str| Error::Plain(Code::Internal, format!("a kept answer has no valid {what}"));
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| unreadable("status"))?;
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(|_| unreadable("header"))?;
        response.headers_mut().insert(name, HeaderValue::try_from(value).map_err(|_| unreadable("header"))?);
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// Keeps a success. A refusal frees the key, so that the request can be put right; what is not known
/// to have done nothing keeps the claim, and a repetition goes on with the same seed.
async fn first(response: Response, hold: Hold) -> Result<Response, Error> {
    if let Some(Refusal(error)) = response.extensions().get::<Refusal>() {
        match error.kind() {
            ErrorKind::Timeout | ErrorKind::Unavailable | ErrorKind::Internal => drop(hold),
            _ => hold.nothing_done().await,
        }
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let unreadable = |error: axum::Error| Error::Plain(Code::Internal, format!("the answer has no end: {error}"));
    let body = body.collect().await.map_err(unreadable)?.to_bytes();
    let kept = |(name, value): (&HeaderName, &HeaderValue)| {
        let belongs = KEPT.contains(name) || name.as_str().starts_with("ce-");
        value.to_str().ok().filter(|_| belongs).map(|value| (name.to_string(), value.to_owned()))
    };
    let headers = parts.headers.iter().filter_map(kept).collect();
    hold.answered(&Answer { status: parts.status.as_u16(), headers, body: body.clone() }).await;
    Ok(Response::from_parts(parts, Body::from(body)))
}
