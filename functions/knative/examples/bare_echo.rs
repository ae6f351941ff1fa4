//! The floor under the warm path: HTTP in, one pipe to a process that echoes, HTTP out, and nothing
//! else. Benchmarks run it beside the function, on the same machine in the same minute.
//!
//! `bare_echo ADDR:PORT` serves; `bare_echo` without arguments is the echoing process.

use std::{
    io::{Read as _, Write as _},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    process::{ChildStdin, ChildStdout, Command},
    sync::Mutex,
};
use tokio_util::sync::CancellationToken;
use workmanager_core_kit::http::{Listener, serve};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), BoxError> {
    match std::env::args().nth(1) {
        None => echo(),
        Some(address) => tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(front(address)),
    }
}

/// Length, bytes; the same back.
fn echo() -> Result<(), BoxError> {
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let (mut length, mut buffer) = ([0; 4], Vec::new());
    while input.read_exact(&mut length).is_ok() {
        buffer.resize(u32::from_be_bytes(length) as usize, 0);
        input.read_exact(&mut buffer)?;
        output.write_all(&[&length[..], &buffer].concat())?;
        output.flush()?;
    }
    Ok(())
}

async fn front(address: String) -> Result<(), BoxError> {
    let mut child = Command::new(std::env::current_exe()?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let pipes = child.stdin.take().zip(child.stdout.take()).ok_or("the child has no pipes")?;
    let pipes = Arc::new(Mutex::new(pipes));
    let service = move |request: http::Request<hyper::body::Incoming>| {
        let pipes = pipes.clone();
        async move {
            let body = match request.into_body().collect().await {
                Ok(body) => body.to_bytes(),
                Err(_) => return status(http::StatusCode::BAD_REQUEST),
            };
            match through(&mut *pipes.lock().await, body).await {
                Ok(answer) => http::Response::new(Full::new(answer)),
                Err(_) => status(http::StatusCode::BAD_GATEWAY),
            }
        }
    };
    let listener = Listener::Tcp(TcpListener::bind(address).await?);
    serve(listener, service, CancellationToken::new(), Duration::ZERO).await;
    Ok(())
}

fn status(status: http::StatusCode) -> http::Response<Full<Bytes>> {
    let mut response = http::Response::new(Full::default());
    *response.status_mut() = status;
    response
}

async fn through((input, output): &mut (ChildStdin, ChildStdout), body: Bytes) -> std::io::Result<Bytes> {
    let mut message = BytesMut::with_capacity(4 + body.len());
    message.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    message.extend_from_slice(&body);
    // A body larger than the pipe must be read while it is written.
    let mut answer = vec![0; message.len()];
    let (written, read) = tokio::join!(input.write_all(&message), output.read_exact(&mut answer));
    written.and(read)?;
    Ok(Bytes::from(answer).slice(4..))
}
