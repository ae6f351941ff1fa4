//! A function process and a client of it.

use std::{
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::codec::Decoder as _;
use workmanager_core_frames::{CONTENT_TYPE, CONTRACT_HEADER, Codec, Frame, Limits, NOT_ATTEMPTED, OUTCOME_HEADER};

pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A running function. Dropping it kills it.
pub(crate) struct Function {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) directory: TempDir,
    pub(crate) stderr: Arc<Mutex<String>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The command, with a cache of its own: its path marks everything that it starts. There is no .NET for it.
pub(crate) fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workmanager-function"));
    command.arg("--cache-dir").arg(directory).env_remove("PORT").env("DOTNET_ROOT", directory.join("no-dotnet"));
    command
}

impl Function {
    /// Starts a function with workers, given as names and sources.
    pub(crate) async fn start(workers: &[(&str, &str)], arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = command(directory.path());
        command.args(["--listen", &address.to_string()]).args(arguments);
        for (name, source) in workers {
            let file = directory.path().join(format!("{name}.py"));
            std::fs::write(&file, source).unwrap();
            command.arg("--worker").arg(format!("{name}={}", file.display()));
        }
        Self::run(command, address, directory).await
    }

    /// Runs `command` and waits until it is ready.
    pub(crate) async fn run(mut command: Command, address: SocketAddr, directory: TempDir) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = Arc::new(Mutex::new(String::new()));
        let (lines, sink) = (BufReader::new(child.stderr.take().unwrap()).lines(), stderr.clone());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                sink.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let client = Client::builder(TokioExecutor::new()).build_http();
        let function = Self { child, address, directory, stderr, client };
        function.wait_until_ready().await;
        function
    }

    async fn wait_until_ready(&self) {
        let until = Instant::now() + LONG;
        loop {
            let request = Request::get(format!("http://{}/readyz", self.address)).body(Full::default()).unwrap();
            if self.client.request(request).await.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                return;
            }
            assert!(Instant::now() < until, "never ready: {}", self.stderr.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request and gives the response as soon as its head is there.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        tokio::time::timeout(LONG, self.client.request(request)).await.unwrap().unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        whole(self.request("GET", path, &[], "").await).await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        whole(self.request("POST", path, headers, body).await).await
    }

    /// A plain event with JSON data, in binary mode.
    pub(crate) async fn event(&self, worker: &str, data: &str) -> Answer {
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", "e1"),
            ("ce-source", "/test"),
            ("ce-type", "test.happened"),
            ("content-type", "application/json"),
        ];
        self.post(&format!("/v1/workers/{worker}/events"), &headers, data.to_owned()).await
    }

    /// Posts one frame.
    pub(crate) async fn frame(&self, path: &str, frame: &Frame) -> Response<Incoming> {
        let headers = [("content-type", CONTENT_TYPE), (CONTRACT_HEADER, "1")];
        self.request("POST", path, &headers, [frame.prefix(), frame.body.clone()].concat()).await
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + LONG;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end: {}", self.stderr.lock().unwrap());
            std::thread::yield_now();
        }
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) async fn whole(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = tokio::time::timeout(LONG, body.collect()).await.unwrap().unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}: {:?}", self.status, self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn not_attempted(&self) -> bool {
        self.header(OUTCOME_HEADER) == Some(NOT_ATTEMPTED)
    }

    /// A problem document's status, code and whether it says that no attempt ran.
    pub(crate) fn problem(&self) -> (u16, String, bool) {
        let problem = self.json();
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(problem["status"], self.status.as_u16());
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        (self.status.as_u16(), problem["code"].as_str().unwrap().to_owned(), self.not_attempted())
    }

    pub(crate) fn frames(&self) -> Vec<Frame> {
        assert_eq!(self.status, 200, "{:?}", self.body);
        let (mut codec, mut bytes) = (Codec::new(Limits::EVENTS), BytesMut::from(&self.body[..]));
        std::iter::from_fn(|| codec.decode(&mut bytes).unwrap()).collect()
    }
}

pub(crate) fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success());
}

/// Processes that were started with this cache directory and are not dead.
pub(crate) fn started_with(directory: &Path) -> Vec<u32> {
    let marker = directory.display().to_string();
    let processes =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_ours = |pid: &u32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&marker)
    };
    processes.filter(is_ours).collect()
}

pub(crate) fn exists(pid: u32) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < until, "{what}: it never happened");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
