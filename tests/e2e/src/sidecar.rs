//! A real Redis, and real Dapr sidecars on it, with the Component files that are shipped.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Server, doc_blocks::root, eventually, free_ports, skip, workmanager};

/// The app id that all replicas share.
const APP: &str = "workmanager";

/// A Redis that keeps what it was told, and a folder for sidecars.
pub struct Redis {
    folder: TempDir,
    server: PathBuf,
    daprd: PathBuf,
    port: u16,
    child: Option<Running>,
}

/// A sidecar.
pub struct Sidecar {
    /// Of its gRPC API.
    pub grpc_port: u16,
    /// Of its HTTP API.
    pub http_port: u16,
    command: Command,
    child: Option<Running>,
}

/// A child that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The path of a tool that the test runner has installed. `None`, with a loud word, where there is none.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the test runner says where its tools are")]
pub fn tool(name: &str, variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        skip(name, &format!("{variable} is not set; `cargo xtask test` sets it"));
    }
    path
}

impl Redis {
    /// Starts one. `None`, with a loud word, where it or daprd is missing.
    #[must_use]
    pub fn start() -> Option<Self> {
        let daprd = tool("daprd", "WORKMANAGER_TEST_DAPRD")?;
        let server = tool("redis-server", "WORKMANAGER_TEST_REDIS")?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [port, _] = free_ports();
        let mut redis = Self { folder, server, daprd, port, child: None };
        redis.write_files();
        redis.run();
        Some(redis)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_files(&self) {
        for folder in ["resources", "redis"] {
            fs::create_dir(self.path(folder)).expect("a folder");
        }
        for file in ["pubsub.yaml", "resiliency.yaml", "statestore.yaml"] {
            let shipped = fs::read_to_string(root().join("deploy/dapr").join(file)).expect("a shipped file");
            let text = shipped.replace("127.0.0.1:6379", &format!("127.0.0.1:{}", self.port));
            fs::write(self.path("resources").join(file), text).expect("a file");
        }
        // Without it the sidecar looks for a component that the test's own build does not have.
        let configuration = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: test}\nspec:\n  \
                             nameResolution: {component: nameformat, configuration: {format: \"127.0.0.1:{appid}\"}}\n";
        fs::write(self.path("configuration.yaml"), configuration).expect("a file");
    }

    /// Replaces a text in one of the sidecars' files, for those that are started from now on.
    pub fn alter(&self, file: &str, from: &str, to: &str) {
        let path = self.path("resources").join(file);
        let text = fs::read_to_string(&path).expect("a file");
        assert!(text.contains(from), "{file} has {from}");
        fs::write(path, text.replace(from, to)).expect("a file");
    }

    /// Starts it, or starts it again.
    pub fn run(&mut self) {
        let mut command = Command::new(&self.server);
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", "always", "--dir"]).arg(self.path("redis"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(Running(command.spawn().expect("redis starts")));
        // It answers before it has read what it knows.
        eventually("redis serves", || (self.ask(&["ping"]) == b"PONG\n").then_some(()));
    }

    fn ask(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new(self.server.with_file_name("redis-cli"));
        command.args(["-p", &self.port.to_string()]).args(arguments);
        command.output().expect("redis-cli").stdout
    }

    /// Ends it by SIGKILL.
    pub fn kill(&mut self) {
        self.child = None;
    }

    /// A sidecar that does not run yet; one that stands beside a program on `app_port`, if given.
    #[must_use]
    pub fn sidecar(&self, app_port: Option<u16>) -> Sidecar {
        self.sidecar_of(APP, app_port)
    }

    /// [`Redis::sidecar`] for a program of somebody else, which gets each event, too.
    #[must_use]
    pub fn sidecar_of(&self, app: &str, app_port: Option<u16>) -> Sidecar {
        let ([grpc_port, http_port], [internal, _]) = (free_ports(), free_ports());
        let log = self.path(&format!("daprd-{grpc_port}.log"));
        let log = File::options().create(true).append(true).open(log).expect("a log");
        let port = |port: u16| port.to_string();
        let mut command = Command::new(&self.daprd);
        command.args(["--mode", "standalone", "--app-id", app, "--dapr-listen-addresses", "127.0.0.1"]);
        command.args(["--dapr-grpc-port", &port(grpc_port), "--dapr-http-port", &port(http_port)]);
        command.args(["--dapr-internal-grpc-port", &port(internal)]);
        command.args(["--dapr-internal-grpc-listen-address", "127.0.0.1", "--enable-metrics=false"]);
        command.arg("--resources-path").arg(self.path("resources"));
        command.arg("--config").arg(self.path("configuration.yaml"));
        command.args(app_port.map(|of| format!("--app-port={of}")));
        command.env("DAPR_HOST_IP", "127.0.0.1").env("NAMESPACE", "default");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        Sidecar { grpc_port, http_port, command, child: None }
    }

    /// `workmanager serve` beside a sidecar, which need not run yet, and where it will serve.
    #[must_use]
    pub fn serve(&self, sidecar: &Sidecar, name: &str) -> (Command, String) {
        let [http, internal] = free_ports().map(|port| port.to_string());
        let mut command = Command::new(workmanager());
        command.args(["serve", "--profile", "dapr", "--http-port", &http, "--internal-port", &internal]);
        command.args(["--log", "warn", "--dapr-grpc-port", &sidecar.grpc_port.to_string()]);
        command.arg("--data-dir").arg(self.path(name));
        (command, format!("http://127.0.0.1:{http}"))
    }

    /// A replica, beside a running sidecar of its own.
    #[must_use]
    pub fn replica(&self, name: &str) -> (Server, Sidecar) {
        self.replica_with(name, &[])
    }

    /// [`Redis::replica`] with variables of its environment.
    #[must_use]
    pub fn replica_with(&self, name: &str, environment: &[(&str, &str)]) -> (Server, Sidecar) {
        let mut sidecar = self.sidecar(None);
        sidecar.run();
        let (mut command, url) = self.serve(&sidecar, name);
        command.envs(environment.iter().copied());
        (Server::spawn(command, url, self.folder.path().to_owned(), None), sidecar)
    }

    /// Every event of a topic, as the broker has it: no part of ours looks.
    #[must_use]
    pub fn stream(&self, topic: &str) -> Vec<Value> {
        self.entries(topic).into_iter().map(|(_, event)| event).collect()
    }

    /// Every event of a topic, with the moment at which the broker took it, in milliseconds since 1970.
    #[must_use]
    pub fn entries(&self, topic: &str) -> Vec<(u64, Value)> {
        let output = self.ask(&["--json", "xrange", topic, "-", "+"]);
        let entries: Vec<(String, Vec<String>)> = serde_json::from_slice(&output)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output)));
        let entry = |(id, fields): (String, Vec<String>)| {
            let at = id.split('-').next()?.parse().ok()?;
            let data = fields.into_iter().skip_while(|field| field != "data").nth(1)?;
            Some((at, serde_json::from_str(&data).expect("an event")))
        };
        entries.into_iter().filter_map(entry).collect()
    }

    /// Where logs and what was stored stay, for whoever looks into them after the test.
    pub fn keep(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }

    /// Where logs and data folders go.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Sidecar {
    /// Starts it, or starts it again.
    pub fn run(&mut self) {
        self.child = Some(Running(self.command.spawn().expect("daprd starts")));
    }

    /// Ends it by SIGKILL.
    pub fn kill(&mut self) {
        self.child = None;
    }

    /// Starts it again if it has ended by itself, as it does when it is started while Redis is not there.
    pub fn revive(&mut self) {
        let has_ended = |running: &mut Running| running.0.try_wait().is_ok_and(|status| status.is_some());
        if self.child.as_mut().is_some_and(has_ended) {
            self.run();
        }
    }

    /// Publishes through its own HTTP API; the status.
    #[must_use]
    pub fn publish(&self, topic: &str, content_type: &str, body: &str) -> u16 {
        let url = format!("http://127.0.0.1:{}/v1.0/publish/pubsub/{topic}", self.http_port);
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let answer = ureq::Agent::from(config).post(url).header("content-type", content_type).send(body);
        answer.map_or(0, |answer| answer.status().as_u16())
    }
}
