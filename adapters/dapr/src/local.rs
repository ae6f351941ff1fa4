//! A Redis and a sidecar of one program's own, with the files that are shipped. They end with it, whatever ends it.

mod child;

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use workmanager_core_kit::on_path;

use self::child::Child;
use crate::{Config, Endpoint};

/// The shipped files, and the address in them that is replaced.
const FILES: [(&str, &str); 3] = [
    ("pubsub.yaml", include_str!("../../../deploy/dapr/pubsub.yaml")),
    ("resiliency.yaml", include_str!("../../../deploy/dapr/resiliency.yaml")),
    ("statestore.yaml", include_str!("../../../deploy/dapr/statestore.yaml")),
];
const REDIS: &str = "127.0.0.1:6379";
/// How long each may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// What is needed to start them.
#[derive(Debug)]
pub struct Places {
    /// Where programs are looked for.
    pub path: Option<OsString>,
    /// Where what they keep and what they write goes.
    pub folder: PathBuf,
    /// What the programs' command lines begin with: a program that lets them die with this one, and then becomes
    /// what follows.
    pub launcher: Vec<OsString>,
}

/// Why there is no sidecar.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A program is not installed.
    #[error("there is no {program} on PATH; {advice}")]
    Missing {
        /// Which.
        program: &'static str,
        /// How to get it.
        advice: &'static str,
    },
    /// Another program works in the folder.
    #[error("another program's Redis works in {0}; stop it, or choose another --data-dir")]
    InUse(PathBuf),
    /// The system does not let it be started.
    #[error("{0} cannot be started")]
    Start(&'static str, #[source] io::Error),
    /// It has ended, or does not serve.
    #[error("{program} {how}; {log} ends so:\n{tail}")]
    Ended {
        /// Which.
        program: &'static str,
        /// How.
        how: String,
        /// Where it wrote what it had to say.
        log: PathBuf,
        /// The last of that.
        tail: String,
    },
}

/// A running Redis and a running sidecar.
#[derive(Debug)]
pub struct Local {
    redis: Child,
    sidecar: Child,
    grpc_port: u16,
    _lock: File,
}

impl Local {
    /// Starts both. Redis serves then; the sidecar needs a moment.
    ///
    /// # Errors
    /// See [`LocalError`].
    pub async fn start(places: Places) -> Result<Self, LocalError> {
        let redis = find(&places, "redis-server", "install it, as by `apt-get install redis-server`")?;
        let sidecar =
            find(&places, "daprd", "`dapr init --slim` puts it into ~/.dapr/bin, which belongs on the PATH then")?;
        let folder = |error| LocalError::Start("what Redis and the sidecar need on disk", error);
        let lock = prepare(&places.folder)?;
        let redis_port = free_port().map_err(folder)?;
        let address = format!("127.0.0.1:{redis_port}");
        for (name, text) in FILES {
            fs::write(places.folder.join("resources").join(name), text.replace(REDIS, &address)).map_err(folder)?;
        }
        let mut command = launched(&places, &redis);
        command.args(["--port", &redis_port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
        command
            .args(["--appendfsync", "always", "--maxmemory-policy", "noeviction", "--dir"])
            .arg(places.folder.join("redis"));
        let mut redis = Child::start("redis-server", command, places.folder.join("redis.log"))?;
        redis.serves(redis_port).await?;

        let ports = [(); 3].map(|()| free_port());
        let [grpc, http, internal] = ports;
        let grpc_port = grpc.map_err(folder)?;
        let mut command = launched(&places, &sidecar);
        command.args(["--app-id", "workmanager", "--dapr-listen-addresses", "127.0.0.1", "--enable-metrics=false"]);
        command.args(["--dapr-grpc-port", &grpc_port.to_string()]);
        command.args(["--dapr-http-port", &http.map_err(folder)?.to_string()]);
        command.args(["--dapr-internal-grpc-port", &internal.map_err(folder)?.to_string()]);
        command.args(["--dapr-internal-grpc-listen-address", "127.0.0.1"]);
        command.arg("--resources-path").arg(places.folder.join("resources")).env("DAPR_HOST_IP", "127.0.0.1");
        // Meant for another sidecar; this one would ask us for it.
        command.env_remove("DAPR_API_TOKEN").env_remove("APP_API_TOKEN");
        let sidecar = Child::start("daprd", command, places.folder.join("daprd.log"))?;
        Ok(Self { redis, sidecar, grpc_port, _lock: lock })
    }

    /// `config`, with this sidecar.
    #[must_use]
    pub fn configure(&self, config: Config) -> Config {
        Config { endpoint: Endpoint::local(self.grpc_port), token: None, ..config }
    }

    /// Ends when one of them has, and says which and what it said last.
    pub async fn ended(&mut self) -> LocalError {
        tokio::select! {
            error = self.redis.ended() => error,
            error = self.sidecar.ended() => error,
        }
    }

    /// Ends both: the sidecar first, which needs Redis to end well.
    pub async fn stop(mut self) {
        self.sidecar.stop(GRACE).await;
        self.redis.stop(GRACE).await;
    }
}

fn launched(places: &Places, program: &Path) -> Command {
    let mut line = places.launcher.iter().cloned().chain([program.into()]);
    let mut command = Command::new(line.next().unwrap_or_default());
    command.args(line);
    command
}

fn find(places: &Places, program: &'static str, advice: &'static str) -> Result<PathBuf, LocalError> {
    let found = places.path.as_deref().and_then(|path| on_path(path, program));
    found.ok_or(LocalError::Missing { program, advice })
}

/// Makes the folders, and sees to it that nobody else works there.
fn prepare(folder: &Path) -> Result<File, LocalError> {
    let failed = |error| LocalError::Start("what Redis and the sidecar need on disk", error);
    for inner in ["resources", "redis"] {
        fs::create_dir_all(folder.join(inner)).map_err(failed)?;
    }
    let lock = File::create(folder.join("lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(LocalError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// A port below those that connections take for themselves.
fn free_port() -> io::Result<u16> {
    const TRIES: usize = 100;
    let mut last = io::Error::other("no port is free");
    for _ in 0..TRIES {
        let port = fastrand::u16(10_000..30_000);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(last)
}
