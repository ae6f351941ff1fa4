//! The only place that names plug-ins: which store, which bus, which engines.

use std::sync::Arc;

pub(crate) use workmanager_adapters_embedded::Store;
use workmanager_adapters_embedded::{Config, Error, Location};
use workmanager_control_plane::serve::{Data, Folder, Stores};
use workmanager_core_kit::{SystemClock, Tasks};
use workmanager_engines_host::Registry;
use workmanager_engines_python::{Options, Python};
use workmanager_functions_knative as function;

/// Opens the embedded store. A directory that goes away needs no store that waits for the disk.
pub(crate) fn embedded(folder: &Folder, data: &Data) -> Result<Store, Error> {
    let location = match folder {
        Folder::Kept(path) => Location::Directory(path.clone()),
        Folder::Temporary(_) => Location::Ephemeral,
    };
    let mut config = Config::new(location);
    config.log.time = data.event_retention.0;
    config.records.time = data.event_retention.0;
    config.dead_letters = data.dead_letter_retention.0;
    config.reserve = data.disk_reserve.0;
    Store::open(config, Arc::new(SystemClock::new()))
}

/// A store behind its ports.
pub(crate) fn stores(store: &Store) -> Stores {
    let store = Arc::new(store.clone());
    Stores {
        records: store.clone(),
        blobs: store.clone(),
        bus: store,
        shared: false,
        ready: Box::pin(std::future::ready(())),
    }
}

/// Every engine that a function of this program has.
pub(crate) fn engines(config: &function::Config, tasks: &Tasks) -> Registry {
    let python = Options {
        python: config.python.clone(),
        path: config.path.clone(),
        cache: config.cache(),
        sandbox: config.sandbox,
    };
    Registry::new().with(Arc::new(Python::new(python, tasks.clone())))
}
