//! The only place that names plug-ins: which store, which bus, which engines.

use std::{ffi::OsString, process::ExitCode, sync::Arc, time::Duration};

pub(crate) use workmanager_adapters_dapr::Local as Neighbours;
pub(crate) use workmanager_adapters_dapr::Options as DaprOptions;
use workmanager_adapters_dapr::{self as dapr, Dapr};
use workmanager_adapters_embedded::{self as embedded, Config, Location};
#[cfg(feature = "kubernetes")]
use workmanager_adapters_kubernetes::{self as kubernetes, Knative, SharedFunction};
use workmanager_control_plane::{
    cli::DotnetPlaces,
    platform::RemoteOptions,
    serve::{Data, Folder, Stores},
};
use workmanager_core_domain::{
    EngineInfo,
    ports::{Blobs, Bus, Records, Services},
    units::Span,
};
use workmanager_core_kit::{SystemClock, Tasks};
use workmanager_engines_dotnet::{self as dotnet, Dotnet, Way};
use workmanager_engines_host::Registry;
use workmanager_engines_python::{Options, Python};
use workmanager_functions_knative as function;

/// Longer than a sidecar takes to bring an event again that a killed replica held.
const LEAST_RETENTION: Span = Span(Duration::from_secs(60));

/// Where everything is kept, and events come from.
#[derive(Clone)]
pub(crate) enum Store {
    /// In one SQLite file of this process alone.
    Embedded(embedded::Store),
    /// By a Dapr sidecar, in components that other replicas use too.
    Dapr(Dapr),
}

/// There is no store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The embedded one.
    #[error(transparent)]
    Embedded(#[from] embedded::Error),
    /// The sidecar's.
    #[error(transparent)]
    Dapr(#[from] dapr::Error),
    /// What has ended would come again after it is forgotten.
    #[error("--event-retention {0} is less than {LEAST_RETENTION}, within which a sidecar brings events again")]
    Retention(Span),
    /// A sidecar of our own.
    #[error(transparent)]
    Neighbours(#[from] dapr::LocalError),
}

impl Error {
    /// The stable code.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Embedded(error) => error.code(),
            Self::Retention(_) => "retention-too-short",
            Self::Dapr(_) => "sidecar-unusable",
            Self::Neighbours(_) => "sidecar-not-started",
        }
    }
}

impl Store {
    /// Opens the embedded store. A directory that goes away needs no store that waits for the disk.
    pub(crate) fn embedded(folder: &Folder, data: &Data) -> Result<Self, Error> {
        let location = match folder {
            Folder::Kept(path) => Location::Directory(path.clone()),
            Folder::Temporary(_) => Location::Ephemeral,
        };
        let mut config = Config::new(location);
        config.log.time = data.event_retention.0;
        config.records.time = data.event_retention.0;
        config.dead_letters = data.dead_letter_retention.0;
        config.reserve = data.disk_reserve.0;
        Ok(Self::Embedded(embedded::Store::open(config, Arc::new(SystemClock::new()))?))
    }

    /// The sidecar's components; it need not be there yet.
    pub(crate) fn dapr(options: &DaprOptions, data: &Data) -> Result<Self, Error> {
        Self::by_a_sidecar(dapr::Config::from(options.clone()), data)
    }

    /// On a Redis and a sidecar that were started for it.
    pub(crate) fn beside(neighbours: &Neighbours, data: &Data) -> Result<Self, Error> {
        Self::by_a_sidecar(neighbours.configure(dapr::Config::default()), data)
    }

    fn by_a_sidecar(mut config: dapr::Config, data: &Data) -> Result<Self, Error> {
        config.event_retention = data.event_retention.0;
        config.dead_letter_retention = data.dead_letter_retention.0;
        if config.event_retention < LEAST_RETENTION.0 {
            return Err(Error::Retention(data.event_retention));
        }
        Ok(Self::Dapr(Dapr::new(&config, Arc::new(SystemClock::new()))?))
    }

    /// Behind its ports.
    pub(crate) fn stores(&self) -> Stores {
        fn behind<S: Records + Blobs + Bus + 'static>(store: S) -> (Arc<dyn Records>, Arc<dyn Blobs>, Arc<dyn Bus>) {
            let store = Arc::new(store);
            (store.clone(), store.clone(), store)
        }
        let (records, blobs, bus) = match self {
            Self::Embedded(store) => behind(store.clone()),
            Self::Dapr(dapr) => behind(dapr.clone()),
        };
        let (shared, waits) = match self {
            Self::Embedded(_) => (false, None),
            Self::Dapr(dapr) => (true, Some(dapr.clone())),
        };
        let ready = Box::pin(async move {
            if let Some(dapr) = waits {
                dapr.ready().await;
                dapr.check_up();
            }
        });
        Stores { records, blobs, bus, shared, ready }
    }

    /// Ends it: nothing is taken or kept any more.
    pub(crate) async fn close(&self) {
        match self {
            Self::Embedded(store) => store.close().await,
            Self::Dapr(dapr) => dapr.stop(),
        }
    }
}

/// Starts a Redis and a sidecar that end with this program.
pub(crate) async fn neighbours(folder: &Folder, path: Option<OsString>) -> Result<Neighbours, Error> {
    let failed = |error| dapr::LocalError::Start("this program as a launcher", error);
    let me = std::env::current_exe().map_err(failed)?;
    let launcher = [me.into(), "beside".into(), std::process::id().to_string().into()].into();
    Ok(Neighbours::start(dapr::Places { path, folder: folder.path().join("dapr"), launcher }).await?)
}

/// Nobody makes services of single workers, and somebody shall.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoServices {
    /// The cluster's.
    #[cfg(feature = "kubernetes")]
    #[error(transparent)]
    Cluster(#[from] kubernetes::NoCluster),
    /// An address that is no service's.
    #[cfg(feature = "kubernetes")]
    #[error("--function-url cannot be used")]
    Function(#[from] kubernetes::InvalidFunction),
    /// It was left out.
    #[cfg(not(feature = "kubernetes"))]
    #[error("--dedicated needs a program that was built with the feature `kubernetes`, as images are")]
    NotBuiltIn,
}

/// Who makes services of single workers, if that is asked for.
#[cfg(feature = "kubernetes")]
pub(crate) fn services(options: &RemoteOptions) -> Result<Option<Arc<dyn Services>>, NoServices> {
    let Some(owner) = &options.dedicated else { return Ok(None) };
    let functions = options.urls.iter().map(|url| SharedFunction::new(url.mime_type, &url.authority));
    let functions = functions.collect::<Result<_, _>>()?;
    Ok(Some(Arc::new(Knative::new(kubernetes::in_cluster()?, owner, functions)?)))
}

/// Who makes services of single workers: nobody here.
#[cfg(not(feature = "kubernetes"))]
pub(crate) fn services(options: &RemoteOptions) -> Result<Option<Arc<dyn Services>>, NoServices> {
    if options.dedicated.is_some() { Err(NoServices::NotBuiltIn) } else { Ok(None) }
}

/// Every engine that a function of this program has.
pub(crate) fn engines(config: &function::Config, tasks: &Tasks) -> Registry {
    let python = Options {
        python: config.python.clone(),
        path: config.path.clone(),
        cache: config.cache(),
        sandbox: config.sandbox,
    };
    let dotnet = dotnet::Options {
        root: config.dotnet_root.clone(),
        roslyn: config.csharp_compiler.clone(),
        cloud_events: config.cloud_events.clone(),
        found_events: dotnet::events_of(config.nuget_packages.as_deref(), config.home.as_deref()),
        path: config.path.clone(),
        cache: config.machine_cache(),
        folders: config.cache(),
        sandbox: config.sandbox,
        launcher: None,
        way: if config.dotnet_exec { Way::Exec } else { Way::Own },
        spares: config.dotnet_spares,
    };
    let dotnet = Dotnet::new(dotnet, tasks.clone());
    let all = Registry::new().with(Arc::new(Python::new(python, tasks.clone()))).with(Arc::new(dotnet));
    let offered: Vec<_> = config.engines.iter().map(|engine| engine.0).collect();
    all.offering(&offered)
}

/// What .NET this machine has, for the doctor.
pub(crate) fn look_for_dotnet(places: &DotnetPlaces) -> EngineInfo {
    let DotnetPlaces { root, compiler, cloud_events, exec, nuget_packages, home, path } = places.clone();
    let options = dotnet::Options {
        root,
        roslyn: compiler,
        cloud_events,
        found_events: dotnet::events_of(nuget_packages.as_deref(), home.as_deref()),
        way: if exec { Way::Exec } else { Way::Own },
        path,
        ..dotnet::Options::default()
    };
    Dotnet::new(options, Tasks::new()).look()
}

/// This program starts itself to become the runtime of .NET workers; says how that ended.
pub(crate) fn launched() -> Option<ExitCode> {
    dotnet::launched(std::env::args_os())
}
