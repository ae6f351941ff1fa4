//! A Redis and sidecars on it, with the Component files that are shipped, and what the broker itself has of a topic.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    Setting,
    http::{self, Program},
};
use crate::root;

/// A Redis that has every event on its disk before it says so.
pub(super) struct Broker {
    address: SocketAddr,
    daprd: PathBuf,
    folder: TempDir,
    _server: Program,
}

/// A sidecar.
pub(super) struct Sidecar {
    /// Its HTTP API.
    pub(super) http: SocketAddr,
    /// Its gRPC API.
    pub(super) grpc: SocketAddr,
    _program: Program,
}

/// Reads a topic as it grows.
pub(super) struct Reader {
    stream: BufReader<TcpStream>,
    topic: &'static str,
    /// The last entry that was read.
    last: String,
}

impl Broker {
    pub(super) fn start(setting: &Setting<'_>) -> anyhow::Result<Self> {
        let (server, daprd, folder) = (setting.tools.redis()?, setting.tools.daprd()?, tempfile::tempdir()?);
        let [address, _] = http::free_ports()?;
        for name in ["redis", "resources"] {
            fs::create_dir(folder.path().join(name))?;
        }
        for file in ["pubsub.yaml", "resiliency.yaml", "statestore.yaml"] {
            let text = fs::read_to_string(root().join("deploy/dapr").join(file))?;
            let text = text.replace("127.0.0.1:6379", &address.to_string());
            fs::write(folder.path().join("resources").join(file), text)?;
        }
        // This build of the sidecar has no other.
        let names = "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: bench}\nspec:\n  \
                     nameResolution: {component: nameformat, configuration: {format: \"127.0.0.1:{appid}\"}}\n";
        fs::write(folder.path().join("configuration.yaml"), names)?;
        let mut command = Command::new(server);
        command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(folder.path().join("redis"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let server = Program(command.spawn()?);
        http::until("redis serves", || TcpStream::connect(address).is_ok())?;
        Ok(Self { address, daprd, folder, _server: server })
    }

    /// A sidecar of the app `id`, which it does not call.
    pub(super) fn sidecar(&self, id: &str) -> anyhow::Result<Sidecar> {
        self.sidecar_on(http::free_ports()?, id, None)
    }

    /// A sidecar with its HTTP and gRPC API on ports that the app knows already; it calls the app on `app`, if there.
    pub(super) fn sidecar_on(
        &self,
        [http, grpc]: [SocketAddr; 2],
        id: &str,
        app: Option<SocketAddr>,
    ) -> anyhow::Result<Sidecar> {
        let [internal, _] = http::free_ports()?;
        let mut command = Command::new(&self.daprd);
        command.args(["--mode", "standalone", "--app-id", id, "--dapr-listen-addresses", "127.0.0.1"]);
        command.args(["--log-level", "error", "--enable-metrics=false"]);
        for (option, address) in
            [("--dapr-http-port", http), ("--dapr-grpc-port", grpc), ("--dapr-internal-grpc-port", internal)]
        {
            command.args([option, &address.port().to_string()]);
        }
        command.args(app.map(|app| format!("--app-port={}", app.port())));
        command.arg("--resources-path").arg(self.folder.path().join("resources"));
        command.arg("--config").arg(self.folder.path().join("configuration.yaml"));
        command.env("DAPR_HOST_IP", "127.0.0.1").env("NAMESPACE", "default");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let program = Program(command.spawn()?);
        http::until("the sidecar is ready", || http::ask(http, "GET /v1.0/healthz/outbound", "", "", 204).is_ok())?;
        Ok(Sidecar { http, grpc, _program: program })
    }

    /// Reads a topic from its beginning.
    pub(super) fn read(&self, topic: &'static str) -> anyhow::Result<Reader> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(http::PATIENCE))?;
        Ok(Reader { stream: BufReader::new(stream), topic, last: "0-0".to_owned() })
    }
}

impl Reader {
    /// The events that are there and were not read before; waits for at most `patience` for one.
    pub(super) fn next(&mut self, patience: Duration) -> anyhow::Result<Vec<Value>> {
        let Self { stream, topic, last } = self;
        // Zero would mean for ever.
        let patience = patience.as_millis().max(1);
        write!(stream.get_mut(), "XREAD COUNT 1000 BLOCK {patience} STREAMS {topic} {last}\r\n")?;
        let mut left = vec![1];
        let mut events = Vec::new();
        // An array announces how many values follow, a string how long it is; ours have no line breaks in them.
        while let Some(count) = left.last_mut() {
            if *count == 0 {
                left.pop();
                continue;
            }
            *count -= 1;
            let line = line(stream)?;
            match (line.get(..1), line.get(1..).and_then(|number| number.parse::<i64>().ok())) {
                (Some("*"), Some(count)) => left.push(usize::try_from(count).unwrap_or(0)),
                (Some("$"), Some(0..)) => {
                    let text = self::line(stream)?;
                    if let Ok(event @ Value::Object(_)) = serde_json::from_str(&text) {
                        events.push(event);
                    } else if left.len() == 5 && is_entry(&text) {
                        *last = text;
                    }
                }
                (Some("$"), Some(_)) => {}
                _ => anyhow::bail!("Redis says: {line}"),
            }
        }
        Ok(events)
    }
}

fn line(stream: &mut BufReader<TcpStream>) -> anyhow::Result<String> {
    let mut line = String::new();
    anyhow::ensure!(stream.read_line(&mut line)? > 0, "Redis has closed the connection");
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

fn is_entry(text: &str) -> bool {
    text.split_once('-').is_some_and(|(time, number)| time.parse::<u64>().is_ok() && number.parse::<u64>().is_ok())
}
