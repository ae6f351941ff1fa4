//! The control plane as a whole: what `serve` and `dev` start, and the order in which it stops.

pub mod configuration;
mod options;

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

pub use options::{Data, Folder, Operation, Options};
use tokio::net::TcpListener;
use tracing::info;
use workmanager_core_delivery::{Roster, Settings, Target};
use workmanager_core_domain::{
    ErrorKind,
    ports::{Blobs, Bus, Clock, Ids, Records, Services},
};
use workmanager_core_kit::{
    OnError, SystemClock, Tasks, UuidV7,
    http::{self, Listener},
};

use crate::{
    api::{self, Api, Front, Readiness, Stage},
    app::{self, App},
    dedicated::Dedicated,
    feed::Feed,
    grant::Grants,
    platform,
    replicas::{self, Announcing, Membership},
    router::{self, Router},
};

/// Where definitions, code and events are kept: the only parts that another profile replaces.
pub struct Stores {
    /// Definitions, versions, event records.
    pub records: Arc<dyn Records>,
    /// Code.
    pub blobs: Arc<dyn Blobs>,
    /// Events.
    pub bus: Arc<dyn Bus>,
    /// Whether other control planes work with them too.
    pub shared: bool,
    /// Ends once they can be used. The ports are open before.
    pub ready: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// What the control plane is made of.
pub struct Parts {
    /// What was chosen.
    pub options: Options,
    /// Where everything is kept.
    pub stores: Stores,
    /// Makes services of single workers, where that is asked for.
    pub services: Option<Arc<dyn Services>>,
    /// Where the function's socket and cache, and the file that says where it listens, are.
    pub folder: PathBuf,
    /// Renders the metrics.
    pub metrics: api::Metrics,
    /// Who stops it.
    pub tasks: Tasks,
}

/// The control plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API cannot listen as it is told to.
    #[error(transparent)]
    Listen(#[from] api::InvalidOptions),
    /// Functions cannot be run.
    #[error(transparent)]
    Platform(#[from] platform::Error),
    /// The definitions cannot be read.
    #[error("the worker definitions cannot be read")]
    Load(#[source] app::Error),
    /// The system does not give what every program needs.
    #[error("the system does not say {0}")]
    System(&'static str, #[source] io::Error),
}

impl Error {
    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Listen(error) => error.kind(),
            Self::Load(error) => error.kind(),
            Self::Platform(_) | Self::System(..) => ErrorKind::Unavailable,
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listen(error) => error.code(),
            Self::Platform(_) => "function-unavailable",
            Self::Load(error) => error.code(),
            Self::System(..) => "system",
        }
    }
}

/// A running control plane. It runs until the tasks are told to stop, and has stopped when they are
/// drained.
pub struct Running {
    /// Its use cases.
    pub app: App,
    /// What happens in it.
    pub feed: Feed,
    /// Where REST is served.
    pub http: SocketAddr,
    /// Health answers 503 until this says ready.
    pub readiness: Readiness,
}

/// Starts everything. The ports are open at once, and answer that the program is starting until the stores
/// can be used and everything in them is known.
///
/// # Errors
/// See [`Error`]. What had been started stops with the tasks.
pub async fn start(parts: Parts) -> Result<Running, Error> {
    let Parts { options, stores, services, folder, metrics, tasks } = parts;
    let Options { api: options, platform, operation, .. } = options;
    let (gate, grace) = (options.gate()?, operation.grace.0);
    let listeners = options.listen().await?;
    let address = |listener: &TcpListener| listener.local_addr().map_err(|error| Error::System("the port", error));
    let (http, internal) = (address(&listeners.http)?, address(&listeners.internal)?);
    let front = Front::new(api::rest::early());
    listen("rest", listeners.http, front.clone(), grace, &tasks);

    let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock::new()), Arc::new(UuidV7));
    let feed = Feed::default();
    let grants = match &platform.remote.grant_key {
        Some(key) => Grants::shared(key),
        None => Grants::new(random().map_err(|error| Error::System("random bytes", error))?),
    };
    platform::describe();
    api::describe();
    let target: Arc<dyn Target> = if platform.remote.urls.is_empty() {
        let local = platform::Parts {
            options: platform.local,
            executable: std::env::current_exe().map_err(|error| Error::System("where this program is", error))?,
            directory: folder.join("function"),
            code: internal,
            // It is part of this program: what it has to say beyond warnings is for those who asked.
            log: operation.log.clone().unwrap_or_else(|| "warn".to_owned()),
            grants: grants.clone(),
            feed: feed.clone(),
            tasks: tasks.clone(),
        };
        Arc::new(platform::Local::new(local, clock.clone())?)
    } else {
        let platform::RemoteOptions { urls, limit, .. } = &platform.remote;
        Arc::new(platform::Remote::new(urls, *limit, grants.clone(), clock.clone()).with(services.clone()))
    };
    let blobs = stores.blobs.clone();
    let app = application(stores, (target, services), feed.clone(), (clock.clone(), ids), tasks.clone()).await?;

    let readiness = Readiness::default();
    let rest = api::rest::router(Api { app: app.clone(), gate, readiness: readiness.clone(), metrics });
    let code = Front::new(api::internal::router(blobs, grants, clock));
    listen("internal", listeners.internal, code, grace, &tasks);
    front.set(rest);
    announce(&folder, http).map_err(|error| Error::System("what the data folder is", error))?;
    stop_being_ready(&readiness, &tasks);
    info!("serving on http://{http}");
    Ok(Running { app, feed, http, readiness })
}

/// Definitions first, then the router that acts on them, then the use cases over both.
async fn application(
    stores: Stores,
    (target, services): (Arc<dyn Target>, Option<Arc<dyn Services>>),
    feed: Feed,
    (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>),
    tasks: Tasks,
) -> Result<App, Error> {
    let Stores { mut records, blobs, bus, shared, ready } = stores;
    ready.await;
    let roster = Arc::new(Roster::default());
    app::load(&*records, &roster, &*clock).await.map_err(Error::Load)?;
    let mut settings = Settings::default();
    let membership = if shared {
        let entered = Membership::enter(records.clone(), clock.clone(), &*ids).await;
        let membership = entered.map_err(|error| Error::Load(error.into()))?;
        settings.parking.partition = membership.name().into();
        records = Arc::new(Announcing::new(records));
        Some(membership)
    } else {
        None
    };
    let parts = router::Parts {
        bus: bus.clone(),
        records: records.clone(),
        target: target.clone(),
        clock: clock.clone(),
        ids: ids.clone(),
        roster: roster.clone(),
        feed,
    };
    let router = Router::start(parts, settings, &tasks);
    let settings = app::Settings::default();
    let (with, running) = (router.clone(), tasks.clone());
    let dedicated = services.map(Dedicated::new);
    let parts = app::Parts { records, blobs, bus, target, dedicated, roster, router, clock, ids, tasks, settings };
    let app = App::new(parts);
    app.keep_house();
    app.keep_artefacts();
    if let Some(dedicated) = app.parts().dedicated.clone() {
        running.spawn_infallible(dedicated.keep(app.clone()));
    }
    if let Some(membership) = membership {
        running.spawn_infallible(replicas::follow(app.clone()));
        running.spawn_infallible(replicas::hand_on(with.clone(), running.clone()));
        running.spawn_infallible(membership.run(with, running.clone()));
    }
    Ok(app)
}

fn listen(name: &'static str, listener: TcpListener, front: Front, grace: Duration, tasks: &Tasks) {
    let stop = tasks.stopping();
    tasks.spawn(name, OnError::StopProcess, async move {
        http::serve(Listener::Tcp(listener), front.service(), stop, grace).await;
        Ok::<_, Infallible>(())
    });
}

/// Whoever asks hears that it is stopping before anything is stopped.
fn stop_being_ready(readiness: &Readiness, tasks: &Tasks) {
    let (readiness, stop) = (readiness.clone(), tasks.stopping());
    tasks.spawn_infallible(async move {
        stop.cancelled().await;
        readiness.set(Stage::Stopping);
    });
}

/// Writes where it listens into the data folder, for those who let the system choose the port.
fn announce(folder: &Path, http: SocketAddr) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("http-address"), http.to_string())
}

/// 32 bytes from the system.
fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(bytes)
}
