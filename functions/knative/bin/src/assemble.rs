//! The engines of this program.

use std::{process::ExitCode, sync::Arc};

use workmanager_core_kit::Tasks;
use workmanager_engines_dotnet::{self as dotnet, Dotnet};
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
    let dotnet = dotnet::Options {
        root: config.dotnet_root.clone(),
        roslyn: config.csharp_compiler.clone(),
        path: config.path.clone(),
        cache: config.machine_cache(),
        sandbox: config.sandbox,
        launcher: None,
    };
    let dotnet = Dotnet::new(dotnet, tasks.clone());
    Registry::new().with(Arc::new(Python::new(python, tasks.clone()))).with(Arc::new(dotnet))
}

/// This program starts itself to become the runtime of .NET workers; says how that ended.
pub(crate) fn launched() -> Option<ExitCode> {
    dotnet::launched(std::env::args_os())
}
