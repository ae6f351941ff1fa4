//! HTTP over the function's Unix socket.

use std::{
    future::Future,
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, buf::Chain};
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::{body::Incoming, rt};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::net::UnixStream;

/// A body of two pieces that are sent from where they are.
pub(super) type Body = Full<Chain<Bytes, Bytes>>;

/// A body of `prefix` and `data`.
pub(super) fn body(prefix: Bytes, data: Bytes) -> Body {
    Full::new(prefix.chain(data))
}

/// A socket by its directory and name. The path goes through the open directory, so that it is short
/// whatever the directory's own path is: a socket's path has room for 107 bytes.
#[derive(Debug, Clone)]
pub(super) struct Socket {
    directory: Arc<OwnedFd>,
    name: &'static str,
}

impl Socket {
    pub(super) fn new(directory: OwnedFd, name: &'static str) -> Self {
        Self { directory: Arc::new(directory), name }
    }

    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{}", self.directory.as_raw_fd(), self.name))
    }
}

/// Connects to the socket, whatever the request's URI says.
#[derive(Debug, Clone)]
pub(super) struct Connect(Socket);

/// A connection to the function.
#[derive(Debug)]
pub(super) struct Stream(TokioIo<UnixStream>);

impl tower_service::Service<Uri> for Connect {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let path = self.0.path();
        Box::pin(async move { Ok(Stream(TokioIo::new(UnixStream::connect(path).await?))) })
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl rt::Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: rt::ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl rt::Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
}

/// A client with kept-alive connections to one process. Made anew for each process, so that no request
/// is ever written to a connection of a dead one.
#[derive(Debug, Clone)]
pub(super) struct FunctionClient(Client<Connect, Body>);

impl FunctionClient {
    pub(super) fn new(socket: Socket) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        // A request that may have reached the function is never sent a second time from here.
        builder.retry_canceled_requests(false).set_host(false).pool_timer(TokioTimer::new());
        Self(builder.build(Connect(socket)))
    }

    pub(super) async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        self.0.request(request).await
    }
}
