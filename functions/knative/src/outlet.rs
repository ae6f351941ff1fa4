//! The answer to an attempt: in one piece when it comes soon after the first output, as a stream when it
//! does not.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body::Frame as Piece;
use http_body_util::StreamBody;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::error;
use workmanager_core_frames::{Frame, FrameError};
use workmanager_core_kit::Tasks;
use workmanager_functions_dispatcher::{Exchange, Step};

use crate::frames;

/// How long output waits for the answer to come with it.
const PATIENCE: Duration = Duration::from_millis(20);

/// Runs the exchange and answers with a body of frames.
pub(crate) async fn answer(mut exchange: Exchange, tasks: &Tasks) -> Result<Body, FrameError> {
    let mut frames = match exchange.next().await? {
        Step::Final(last) => return Ok(frames::whole(&[last])),
        Step::Log(log) => vec![log],
    };
    let until = Instant::now() + PATIENCE;
    loop {
        tokio::select! {
            step = exchange.next() => match step? {
                Step::Log(log) => frames.push(log),
                Step::Final(last) => {
                    frames.push(last);
                    return Ok(frames::whole(&frames));
                }
            },
            () = sleep_until(until) => return Ok(streamed(frames, exchange, tasks)),
        }
    }
}

/// The exchange goes on in a task of its own, so that its deadline holds however slowly the caller
/// reads. A caller that goes away ends it.
fn streamed(frames: Vec<Frame>, exchange: Exchange, tasks: &Tasks) -> Body {
    let outlet = Arc::new(Outlet::default());
    frames.iter().for_each(|frame| outlet.push(frame));
    let gone = CancellationToken::new();
    tasks.spawn_infallible(drive(exchange, outlet.clone(), gone.clone()));
    let state = (outlet, gone.drop_guard());
    Body::new(StreamBody::new(stream::unfold(state, |(outlet, guard): (Arc<Outlet>, DropGuard)| async move {
        let piece = outlet.next().await?;
        Some((Ok::<_, Infallible>(Piece::data(piece)), (outlet, guard)))
    })))
}

async fn drive(mut exchange: Exchange, outlet: Arc<Outlet>, gone: CancellationToken) {
    loop {
        let step = tokio::select! {
            step = exchange.next() => step,
            () = gone.cancelled() => return,
        };
        match step {
            Ok(Step::Log(log)) => outlet.push(&log),
            Ok(Step::Final(last)) => {
                outlet.push(&last);
                break;
            }
            Err(error) => {
                error!("an answer cannot be written: {error}");
                break;
            }
        }
    }
    outlet.close();
}

/// Frames that wait to be sent. Bounded by the attempt's log limit and the size of its answer.
#[derive(Debug, Default)]
struct Outlet {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: BytesMut,
    closed: bool,
}

impl Outlet {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, frame: &Frame) {
        let mut waiting = self.lock();
        waiting.bytes.extend_from_slice(&frame.prefix());
        waiting.bytes.extend_from_slice(&frame.body);
        drop(waiting);
        self.more.notify_one();
    }

    fn close(&self) {
        self.lock().closed = true;
        self.more.notify_one();
    }

    /// Everything that waits; `None` at the end.
    async fn next(&self) -> Option<Bytes> {
        loop {
            {
                let mut waiting = self.lock();
                if !waiting.bytes.is_empty() {
                    return Some(waiting.bytes.split().freeze());
                }
                if waiting.closed {
                    return None;
                }
            }
            self.more.notified().await;
        }
    }
}
