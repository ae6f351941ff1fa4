//! A sidecar and a broker of one test's own, on free ports and in a folder of their own.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tempfile::TempDir;
use workmanager_adapters_dapr::{Config, Dapr};
use workmanager_core_domain::Digest;
use workmanager_core_kit::{Secret, SystemClock};
use workmanager_tests_contracts::Fixture;

use crate::rabbit::Rabbit;

/// Says loudly that a test has nothing to do.
fn skip(tool: &str, variable: &str) {
    // Not by `eprintln!`, which the test harness keeps to itself.
    let line = format!("SKIPPED: needs {tool}: {variable} is not set; `cargo xtask test` sets it\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the test runner says where its tools are")]
pub(crate) fn tool(name: &str, variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        skip(name, variable);
    }
    path
}

/// How long finished event records stay in tests.
pub(crate) const RETENTION: Duration = Duration::from_secs(2);

/// The state store of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Redis,
    Sqlite,
    Memory,
}

/// The bus of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broker {
    Redis,
    Rabbit,
    /// RabbitMQ, and a sidecar whose component for it is repaired.
    Repaired,
    Memory,
}

/// What dies in a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dies {
    /// This process' part.
    Client,
    /// Sidecar and Redis too, by SIGKILL.
    All,
}

/// A child that does not outlive its test.
struct Process(Child);

impl Process {
    fn kill(&mut self) {
        // One that has ended already is as dead as it should be.
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A sidecar with what it needs.
pub(crate) struct Machine {
    folder: TempDir,
    daprd_path: PathBuf,
    redis_path: Option<PathBuf>,
    redis_port: u16,
    token: Option<&'static str>,
    pub(crate) grpc_port: u16,
    pub(crate) http_port: u16,
    daprd: Option<Process>,
    redis: Option<Process>,
    rabbit: Option<Rabbit>,
}

/// A port below those that connections take for themselves.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(10_000..30_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Where the files are that are shipped.
pub(crate) fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/dapr")
}

fn deployed(file: &str) -> String {
    fs::read_to_string(deploy().join(file)).unwrap()
}

impl Machine {
    /// `None`, with a word, where a tool is missing.
    pub(crate) fn start(store: Store, broker: Broker, token: Option<&'static str>) -> Option<Self> {
        Self::start_altered(store, broker, token, &|_, text| text)
    }

    /// The same with resources that `alter` has changed, which is given each one's name and text.
    fn start_altered(
        store: Store,
        broker: Broker,
        token: Option<&'static str>,
        alter: &dyn Fn(&str, String) -> String,
    ) -> Option<Self> {
        let (name, variable) = match broker {
            Broker::Repaired => ("daprd-repaired", "WORKMANAGER_TEST_DAPRD_REPAIRED"),
            _ => ("daprd", "WORKMANAGER_TEST_DAPRD"),
        };
        let daprd_path = tool(name, variable)?;
        let needs_redis = store == Store::Redis || broker == Broker::Redis;
        let redis_path = if needs_redis { Some(tool("redis-server", "WORKMANAGER_TEST_REDIS")?) } else { None };
        let folder = tempfile::tempdir().unwrap();
        let is_rabbit = matches!(broker, Broker::Rabbit | Broker::Repaired);
        let rabbit = if is_rabbit { Some(Rabbit::start(folder.path().join("rabbit"))?) } else { None };
        let mut machine = Self {
            folder,
            daprd_path,
            redis_path,
            redis_port: free_port(),
            token,
            grpc_port: free_port(),
            http_port: free_port(),
            daprd: None,
            redis: None,
            rabbit,
        };
        machine.write_resources(store, broker, alter);
        machine.start_redis();
        machine.start_daprd();
        Some(machine)
    }

    fn write_resources(&self, store: Store, broker: Broker, alter: &dyn Fn(&str, String) -> String) {
        let resources = self.folder.path().join("resources");
        fs::create_dir(&resources).unwrap();
        fs::create_dir(self.folder.path().join("redis")).unwrap();
        let address = format!("127.0.0.1:{}", self.redis_port);
        let with_address = |file: &str| {
            let text = deployed(file);
            assert!(text.contains("127.0.0.1:6379"), "{file} names the address that is replaced");
            text.replace("127.0.0.1:6379", &address)
        };
        let component = |name: &str, kind: &str, metadata: &str| {
            format!(
                "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\n\
                 spec: {{type: {kind}, version: v1, metadata: [{metadata}]}}\n"
            )
        };
        let prefix = "{name: keyPrefix, value: workmanager}";
        let state = match store {
            Store::Redis => with_address("statestore.yaml"),
            Store::Sqlite => {
                let file = self.folder.path().join("state.db");
                let metadata = format!("{prefix}, {{name: connectionString, value: \"{}\"}}", file.display());
                component("statestore", "state.sqlite", &metadata)
            }
            Store::Memory => component("statestore", "state.in-memory", prefix),
        };
        let pubsub = match broker {
            Broker::Rabbit | Broker::Repaired => {
                let port = self.rabbit.as_ref().expect("it runs").port;
                deployed("rabbitmq/pubsub.yaml").replace("127.0.0.1:5672", &format!("127.0.0.1:{port}"))
            }
            Broker::Redis => with_address("pubsub.yaml"),
            Broker::Memory => component("pubsub", "pubsub.in-memory", ""),
        };
        let resiliency = deployed("resiliency.yaml");
        for (name, text) in [("statestore.yaml", state), ("pubsub.yaml", pubsub), ("resiliency.yaml", resiliency)] {
            fs::write(resources.join(name), alter(name, text)).unwrap();
        }
        // Without it the sidecar looks for a component that the test's own build does not have.
        let configuration = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: test}\nspec:\n  \
                             nameResolution: {component: nameformat, configuration: {format: \"127.0.0.1:{appid}\"}}\n";
        fs::write(self.folder.path().join("configuration.yaml"), configuration).unwrap();
    }

    pub(crate) fn start_redis(&mut self) {
        let Some(path) = &self.redis_path else { return };
        let mut command = Command::new(path);
        command.args(["--port", &self.redis_port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(self.folder.path().join("redis"));
        self.redis = Some(Process(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()));
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.redis_port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "redis does not start");
            std::thread::yield_now();
        }
    }

    pub(crate) fn start_daprd(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let port = |port: u16| port.to_string();
        let mut command = Command::new(&self.daprd_path);
        command.args(["--mode", "standalone", "--app-id", "wm", "--dapr-listen-addresses", "127.0.0.1"]);
        command.args(["--dapr-grpc-port", &port(self.grpc_port), "--dapr-http-port", &port(self.http_port)]);
        command.args(["--dapr-internal-grpc-port", &port(free_port())]);
        command.args(["--dapr-internal-grpc-listen-address", "127.0.0.1", "--enable-metrics=false"]);
        command.arg("--resources-path").arg(self.folder.path().join("resources"));
        command.arg("--config").arg(self.folder.path().join("configuration.yaml"));
        command.env("DAPR_HOST_IP", "127.0.0.1").env("NAMESPACE", "default");
        if let Some(token) = self.token {
            command.env("DAPR_API_TOKEN", token);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.daprd = Some(Process(command.spawn().unwrap()));
    }

    /// What Redis answers to a command, in its protocol.
    pub(crate) fn redis(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.redis_port)).unwrap();
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("daprd.log")
    }

    /// What the sidecar has said.
    pub(crate) fn log_text(&self) -> String {
        fs::read_to_string(self.log()).unwrap()
    }

    pub(crate) fn kill_daprd(&mut self) {
        self.daprd.take().expect("it runs").kill();
    }

    pub(crate) fn kill_redis(&mut self) {
        if let Some(mut redis) = self.redis.take() {
            redis.kill();
        }
    }

    /// The RabbitMQ of a test that has one.
    pub(crate) fn rabbit(&mut self) -> &mut Rabbit {
        self.rabbit.as_mut().expect("the test has a RabbitMQ")
    }

    /// Kills the broker and starts it again on what it has on disk.
    pub(crate) fn restart_broker(&mut self) {
        if let Some(rabbit) = &mut self.rabbit {
            rabbit.kill();
            rabbit.run();
        } else {
            self.kill_redis();
            self.start_redis();
        }
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            endpoint: format!("127.0.0.1:{}", self.grpc_port).parse().unwrap(),
            token: self.token.map(|token| Secret::new(token.to_owned())),
            pubsub: "pubsub".to_owned(),
            state_store: "statestore".to_owned(),
            event_retention: RETENTION,
            dead_letter_retention: Duration::from_secs(3_600),
            ..Config::default()
        }
    }

    /// A client that has seen the sidecar ready.
    pub(crate) async fn client(&self) -> Arc<Dapr> {
        let dapr = Dapr::new(&self.config(), Arc::new(SystemClock::new())).unwrap();
        let ready = tokio::time::timeout(Duration::from_secs(60), dapr.ready()).await;
        assert!(ready.is_ok(), "the sidecar is not ready:\n{}", self.log_text());
        Arc::new(dapr)
    }
}

/// A client on a machine of its own.
pub(crate) struct Live {
    pub(crate) machine: Machine,
    store: Arc<Dapr>,
    dies: Dies,
}

impl Live {
    pub(crate) async fn new(store: Store, broker: Broker, dies: Dies) -> Option<Self> {
        Self::on(Machine::start(store, broker, None)?, dies).await
    }

    /// On files that were changed.
    pub(crate) async fn altered(store: Store, broker: Broker, alter: &dyn Fn(&str, String) -> String) -> Option<Self> {
        Self::on(Machine::start_altered(store, broker, None, alter)?, Dies::Client).await
    }

    /// In memory, with a sidecar that lets only those in who know the token.
    pub(crate) async fn with_token(token: &'static str) -> Option<Self> {
        Self::on(Machine::start(Store::Memory, Broker::Memory, Some(token))?, Dies::Client).await
    }

    async fn on(machine: Machine, dies: Dies) -> Option<Self> {
        let store = machine.client().await;
        Some(Self { machine, store, dies })
    }

    /// The bus on RabbitMQ, and no Redis at all.
    pub(crate) async fn rabbit() -> Option<Self> {
        Self::new(Store::Sqlite, Broker::Rabbit, Dies::Client).await
    }

    /// The same with the component repaired.
    pub(crate) async fn repaired() -> Option<Self> {
        Self::new(Store::Sqlite, Broker::Repaired, Dies::Client).await
    }

    /// State and bus on Redis; what dies in a restart is this process' part.
    pub(crate) async fn redis() -> Option<Self> {
        Self::new(Store::Redis, Broker::Redis, Dies::Client).await
    }
}

#[async_trait]
impl Fixture for Live {
    type Store = Dapr;

    fn store(&self) -> Arc<Dapr> {
        self.store.clone()
    }

    async fn restarted(mut self) -> Self {
        // Its streams end without a word, as those of a killed process do.
        self.store.stop();
        if self.dies == Dies::All {
            self.machine.kill_daprd();
            self.machine.kill_redis();
            self.machine.start_redis();
            self.machine.start_daprd();
        }
        let store = self.machine.client().await;
        Self { store, ..self }
    }

    async fn damage(&self, blob: &Digest) {
        self.machine.damage(&format!("blob/{}/0", blob.hex())).await;
    }
}
