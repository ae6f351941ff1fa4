//! The engines of this program.

use std::sync::Arc;

use workmanager_core_kit::Tasks;
use workmanager_engines_host::Registry;
use workmanager_engines_python::{Options, Python};
use workmanager_functions_knative::Config;

/// Every engine that this program has.
pub(crate) fn engines(config: &Config, tasks: &Tasks) -> Registry {
    let python = Options {
        python: config.python.clone(),
        path: config.path.clone(),
        cache: config.cache(),
        sandbox: config.sandbox,
    };
    Registry::new().with(Arc::new(Python::new(python, tasks.clone())))
}
