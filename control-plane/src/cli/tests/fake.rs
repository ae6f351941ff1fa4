//! A fake control plane: answers as the test says, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use clap::Parser;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use workmanager_core_domain::{EngineInfo, MimeType};
use workmanager_core_kit::{
    Tasks,
    http::{Listener, serve},
};

use crate::cli::{DotnetPlaces, Exit, Verb, dispatch, options::Display, output::Output};

/// What the fake was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Method, path and query.
    pub(crate) line: String,
    /// The headers.
    pub(crate) headers: http::HeaderMap,
    /// The body.
    pub(crate) body: String,
}

/// A content type, a status and a body.
pub(crate) type Reply = (u16, &'static str, String);

/// JSON with status 200.
pub(crate) fn ok(body: impl Into<String>) -> Reply {
    (200, "application/json", body.into())
}

/// A problem document.
pub(crate) fn problem(status: u16, code: &str, title: &str) -> Reply {
    let body = serde_json::json!({ "title": title, "status": status, "code": code, "requestId": "req-1" });
    (status, "application/problem+json", body.to_string())
}

/// The fake; stops when it is dropped.
pub(crate) struct Fake {
    address: std::net::SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    tasks: Tasks,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

impl Fake {
    /// Listens, and answers with what `answer` makes of each request.
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, tasks) = (Arc::new(Mutex::new(Vec::new())), Tasks::new());
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        let service = move |request: Request<Incoming>| {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let body = String::from_utf8_lossy(&body).into_owned();
                let asked = Asked { line: format!("{} {}", parts.method, parts.uri), headers: parts.headers, body };
                let (status, content_type, body) = answer(&asked);
                log.lock().unwrap().push(asked);
                let response = Response::builder().status(status).header("content-type", content_type);
                response.body(Full::new(Bytes::from(body))).unwrap()
            }
        };
        let stop = tasks.stopping();
        tasks.spawn_infallible(serve(Listener::Tcp(listener), service, stop, std::time::Duration::ZERO));
        Self { address, asked, tasks }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The one thing it was asked.
    pub(crate) fn asked_once(&self) -> Asked {
        let mut asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:#?}");
        asked.remove(0)
    }

    /// Runs a command line against it.
    pub(crate) async fn run(&self, line: &[&str]) -> Ran {
        let server = self.url();
        let mut whole = line.to_vec();
        whole.extend(["--server", &server]);
        run(&whole).await
    }
}

/// How a command line ended, and what it printed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    /// How it ended.
    pub(crate) exit: Exit,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

#[derive(Debug, Parser)]
#[command(name = "workmanager", no_binary_name = true)]
struct Program {
    #[command(subcommand)]
    verb: Verb,
}

/// A writer that a test can read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    /// What was written.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// As on a machine without .NET.
pub(crate) fn no_dotnet(_: &DotnetPlaces) -> EngineInfo {
    EngineInfo {
        mime_type: MimeType::CSharp,
        language: "csharp".to_owned(),
        runtime: None,
        available: false,
        reason: Some("there is no .NET runtime".to_owned()),
        sandbox: Vec::new(),
    }
}

/// Runs a command line.
pub(crate) async fn run(line: &[&str]) -> Ran {
    let program = Program::try_parse_from(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
    let (out, err) = (Buffer::default(), Buffer::default());
    let open = |display: &Display| Output::to(display.output, out.clone(), err.clone());
    let exit = dispatch(&program.verb, <Program as clap::CommandFactory>::command(), &open, no_dotnet).await;
    Ran { exit, out: out.text(), err: err.text() }
}
