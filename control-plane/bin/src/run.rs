//! What each way to run the program starts, and the order in which it stops.

use std::{
    error::Error,
    io::{IsTerminal as _, Write as _},
    sync::Arc,
};

use tracing::error;
use workmanager_control_plane::{
    api::Stage,
    cli::{self, Exit, Profile},
    serve::{self, Folder, Operation, Options, Running, configuration},
};
use workmanager_core_kit::{
    Tasks, chain,
    tasks::stop_signal,
    telemetry::{self, LogFormat},
};

use crate::{
    assemble::{self, Neighbours, Store},
    program::{self, Dev, Function, Serve},
};

type BoxError = Box<dyn Error + Send + Sync>;

/// An error with the code that `docs/errors.md` explains.
#[derive(Debug, thiserror::Error)]
#[error("{message} ({code})")]
struct Coded {
    code: &'static str,
    message: String,
}

impl Coded {
    fn new(code: &'static str, error: &(dyn Error + 'static)) -> Self {
        Self { code, message: chain(error) }
    }
}

/// A started control plane and what it stands on.
struct Up {
    running: Running,
    store: Store,
    _folder: Folder,
}

/// Runs the control plane until it is told to stop.
pub(crate) async fn serve(verb: Serve) -> Exit {
    let Serve { args, options, dapr } = verb;
    if args.print_config {
        return print_config();
    }
    let up = async {
        args.profile.check(&options.platform.remote)?;
        logs(&options.operation, "info")?;
        let tasks = Tasks::new();
        let folder = options.data.open()?;
        let store = match args.profile {
            Profile::Dapr | Profile::Knative => Store::dapr(&dapr, &options.data),
            Profile::Embedded | Profile::Lambda => Store::embedded(&folder, &options.data),
        };
        Ok::<_, BoxError>((up(&options, folder, store, &tasks).await?, tasks))
    };
    // A sidecar that never comes must not keep the program from stopping.
    let up = tokio::select! {
        up = up => up,
        signalled = stop_signal() => return signalled.map_or_else(|error| failed(&error), |()| Exit::Success),
    };
    match up {
        Err(error) => failed(&*error),
        Ok((up, tasks)) => {
            up.running.readiness.set(Stage::Ready);
            until_stopped(std::future::pending(), up.store, &options.operation, &tasks).await
        }
    }
}

/// Runs the control plane with workers from files.
pub(crate) async fn dev(verb: Dev) -> Exit {
    let Dev { args, options } = verb;
    let up = async {
        logs(&options.operation, "warn")?;
        let session = cli::Session::prepare(&args)?;
        let tasks = Tasks::new();
        let folder = options.data.open()?;
        let coded = |error: assemble::Error| Coded::new(error.code(), &error);
        let mut neighbours = match args.dapr {
            true => Some(assemble::neighbours(&folder, args.search_path.clone()).await.map_err(coded)?),
            false => None,
        };
        let store = match &neighbours {
            Some(neighbours) => Store::beside(neighbours, &options.data),
            None => Store::embedded(&folder, &options.data),
        };
        let started = up(&options, folder, store, &tasks);
        // A sidecar that cannot start is not waited for.
        let up = tokio::select! {
            up = started => up?,
            error = ended(&mut neighbours) => return Err(coded(error).into()),
        };
        Ok::<_, BoxError>((session, up, tasks, neighbours))
    };
    let up = tokio::select! {
        up = up => up,
        signalled = stop_signal() => return signalled.map_or_else(|error| failed(&error), |()| Exit::Success),
    };
    match up {
        Err(error) => failed(&*error),
        Ok((session, up, tasks, mut neighbours)) => {
            let Up { running: Running { feed, http, readiness, .. }, store, _folder } = up;
            let ground = cli::Ground { http, feed };
            let work = session.run(ground, move || readiness.set(Stage::Ready), tasks.stopping());
            let work = async {
                tokio::select! {
                    done = work => done.map_err(Into::into),
                    error = ended(&mut neighbours) => Err(Coded::new(error.code(), &error).into()),
                }
            };
            let exit = until_stopped(work, store, &options.operation, &tasks).await;
            if let Some(neighbours) = neighbours.filter(|_| exit != Exit::Interrupted) {
                neighbours.stop().await;
            }
            exit
        }
    }
}

/// Ends when what was started beside has ended.
async fn ended(neighbours: &mut Option<Neighbours>) -> assemble::Error {
    match neighbours {
        Some(neighbours) => neighbours.ended().await.into(),
        None => std::future::pending().await,
    }
}

/// Runs a function process until it is told to stop.
pub(crate) async fn function(verb: Function) -> Exit {
    let Function { log, config } = verb;
    let run = async {
        telemetry::logs(&log, LogFormat::Text, std::io::stderr().is_terminal())?;
        let tasks = Tasks::new();
        let engines = assemble::engines(&config, &tasks);
        Ok::<_, BoxError>(workmanager_functions_knative::run(config, engines, tasks).await?)
    };
    match run.await {
        Ok(()) => Exit::Success,
        Err(error) => failed(&*error),
    }
}

async fn up(
    options: &Options,
    folder: Folder,
    store: Result<Store, assemble::Error>,
    tasks: &Tasks,
) -> Result<Up, BoxError> {
    let metrics = telemetry::metrics(tasks)?;
    let store = store.map_err(|error| Coded::new(error.code(), &error))?;
    let services = assemble::services(&options.platform.remote);
    let services = services.map_err(|error| Coded::new("cluster-unusable", &error))?;
    let parts = serve::Parts {
        options: options.clone(),
        stores: store.stores(),
        services,
        folder: folder.path().to_owned(),
        metrics: Arc::new(move || metrics.render()),
        tasks: tasks.clone(),
    };
    let running = serve::start(parts).await.map_err(|error| Coded::new(error.code(), &error))?;
    Ok(Up { running, store, _folder: folder })
}

/// Waits for a signal, or for the end of `work` or of a task that must not end. Then nothing new is
/// taken, what is in flight ends, functions stop, the store is closed. A second signal ends the program
/// at once.
async fn until_stopped(
    work: impl Future<Output = Result<(), BoxError>>,
    store: Store,
    operation: &Operation,
    tasks: &Tasks,
) -> Exit {
    let stopping = tasks.stopping();
    let ended = tokio::select! {
        ended = work => ended,
        signalled = stop_signal() => signalled.map_err(Into::into),
        () = stopping.cancelled() => Err("a part that must not end has ended".into()),
    };
    if let Err(error) = &ended {
        error!("stopping: {}", chain(&**error));
    }
    tasks.stop();
    let orderly = async {
        let drained = tasks.drained(operation.grace.0).await;
        store.close().await;
        if drained && ended.is_ok() { Exit::Success } else { Exit::Failure }
    };
    tokio::select! {
        exit = orderly => exit,
        _ = stop_signal() => Exit::Interrupted,
    }
}

fn print_config() -> Exit {
    let command = program::command();
    let matches = command.clone().get_matches();
    let (Some(verb), Some(("serve", matches))) = (command.find_subcommand("serve"), matches.subcommand()) else {
        return Exit::Failure;
    };
    print(&configuration::effective(verb, matches))
}

/// Prints a text on standard output.
pub(crate) fn print(text: &str) -> Exit {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Exit::Success,
        Err(error) => failed(&error),
    }
}

fn logs(operation: &Operation, default: &str) -> Result<(), telemetry::Error> {
    let format = if operation.log_json { LogFormat::Json } else { LogFormat::Text };
    let filter = operation.log.as_deref().unwrap_or(default);
    telemetry::logs(filter, format, std::io::stderr().is_terminal())
}

/// Says why the program cannot go on.
pub(crate) fn failed(error: &(dyn Error + 'static)) -> Exit {
    if let Some(error) = error.downcast_ref::<cli::Error>() {
        return cli::report(error);
    }
    eprintln!("workmanager: {}", chain(error));
    Exit::Failure
}
