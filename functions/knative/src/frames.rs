//! Frames in requests and responses.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{body::Body, response::Response};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header::CONTENT_TYPE};
use http_body::{Body as _, SizeHint};
use http_body_util::BodyExt as _;
use tokio_util::codec::Decoder as _;
use workmanager_core_frames::{CONTENT_TYPE as FRAMES, CONTRACT, CONTRACT_HEADER, Codec, Frame, Kind, Limits};

use crate::problem::Problem;

/// How much more than its limit is read of a body.
const PATIENCE: usize = 16 << 20;

/// Reads a body of at most `limit` bytes. Of one that is larger a good deal is still taken and dropped,
/// so that a caller who only listens once it has sent everything gets to hear why it was refused.
pub(crate) async fn read_body(mut body: Body, limit: usize) -> Result<Bytes, Problem> {
    let broken = |error: axum::Error| Problem::invalid("body-broken-off", error.to_string());
    if body.size_hint().upper().is_some_and(|size| size <= limit as u64) {
        return body.collect().await.map(http_body_util::Collected::to_bytes).map_err(broken);
    }
    let (mut kept, mut size) = (BytesMut::new(), 0);
    while let Some(piece) = body.frame().await {
        let Ok(data) = piece.map_err(broken)?.into_data() else { continue };
        size += data.len();
        if size <= limit {
            kept.extend_from_slice(&data);
        } else if size > limit.saturating_add(PATIENCE) {
            break;
        }
    }
    if size <= limit {
        return Ok(kept.freeze());
    }
    let detail = format!("the body is larger than {limit} bytes");
    Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail))
}

/// The one frame of a request.
pub(crate) async fn read_frame(request: Request<Body>, kind: Kind, limits: Limits) -> Result<Frame, Problem> {
    check(request.headers())?;
    let body = read_body(request.into_body(), limits.frame as usize + 4).await?;
    let mut bytes = BytesMut::from(body);
    let frame = Codec::new(limits).decode(&mut bytes)?;
    let frame = frame.ok_or_else(|| Problem::invalid("invalid-frame", "the body ends within a frame"))?;
    if !bytes.is_empty() {
        return Err(Problem::invalid("invalid-frame", "the body has more than one frame"));
    }
    if frame.kind != kind {
        return Err(Problem::invalid("invalid-frame", format!("a frame of kind {kind:?} is expected here")));
    }
    Ok(frame)
}

fn check(headers: &HeaderMap) -> Result<(), Problem> {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if !content_type.eq_ignore_ascii_case(FRAMES.as_bytes()) {
        let detail = format!("the content type must be {FRAMES}");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail));
    }
    let contract = headers.get(CONTRACT_HEADER).and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    if contract.is_some_and(|contract| contract > 0 && contract.abs_diff(CONTRACT) <= 1) {
        return Ok(());
    }
    let detail = format!("this function speaks contract {CONTRACT}, named by the header {CONTRACT_HEADER}");
    Err(Problem::new(StatusCode::CONFLICT, "contract-mismatch", detail))
}

/// A response of frames, as long as `body` says or as it takes.
pub(crate) fn response(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(FRAMES));
    response.headers_mut().insert(CONTRACT_HEADER, HeaderValue::from(CONTRACT));
    response
}

/// Whole frames, each body sent from where it is.
pub(crate) fn whole(frames: &[Frame]) -> Body {
    let mut pieces = Vec::with_capacity(2 * frames.len());
    for frame in frames {
        pieces.extend([frame.prefix(), frame.body.clone()]);
    }
    Body::new(Pieces::new(pieces))
}

/// A body of several pieces and known length.
pub(crate) struct Pieces {
    pieces: std::vec::IntoIter<Bytes>,
    left: u64,
}

impl Pieces {
    fn new(mut pieces: Vec<Bytes>) -> Self {
        pieces.retain(|piece| !piece.is_empty());
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces: pieces.into_iter(), left }
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let piece = self.pieces.next();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(http_body::Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
