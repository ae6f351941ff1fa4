//! The engines of this program.

use std::{process::ExitCode, sync::Arc};

use workmanager_core_kit::Tasks;
use workmanager_engines_dotnet::{self as dotnet, Dotnet, Way};
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

/// This program starts itself to become the runtime of .NET workers; says how that ended.
pub(crate) fn launched() -> Option<ExitCode> {
    dotnet::launched(std::env::args_os())
}
