//! The life of a function process.

use std::{io, sync::Arc, time::Duration};

use axum::body::Body;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;
use tracing::{info, warn};
use workmanager_core_frames::AttemptLimits;
use workmanager_core_kit::{
    SystemClock, Tasks, UuidV7, field::DURATION_MS, http::serve, tasks::stop_signal, telemetry,
};
use workmanager_engines_host::{Registry, SpawnError, own_all_children};
use workmanager_functions_dispatcher::{Dispatcher, Options};

use crate::{
    Config, Listen, listen, preload,
    router::{Function, Parts, router},
};

/// The process cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No socket to listen on.
    #[error("cannot listen on {listen}")]
    Listen {
        /// Where.
        listen: Listen,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A mechanism of the system that everything depends on is missing.
    #[error("this system cannot run functions: {what}")]
    System {
        /// What is missing.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What an engine makes once cannot be made.
    #[error("an engine cannot be prepared")]
    Prepare(#[from] SpawnError),
    /// A worker that was given cannot be served.
    #[error("a worker given at the start cannot be served")]
    Worker(#[from] preload::Error),
}

/// Serves until the process is told to stop, by a signal or by `tasks`. Returns once nothing that it
/// started is left.
///
/// # Errors
/// See [`Error`].
pub async fn run(config: Config, engines: Registry, tasks: Tasks) -> Result<(), Error> {
    if config.prepare {
        return Ok(engines.prepare().await?);
    }
    let begun = Instant::now();
    let system = |what| move |source| Error::System { what, source };
    if config.listen() == Listen::Inherited {
        listen::die_with_parent(config.parent).map_err(system("death with the parent"))?;
    }
    own_all_children().map_err(system("subreaper"))?;
    let metrics = telemetry::metrics(&tasks).ok();
    // Before everything else: it takes longest.
    engines.start().await;
    let function = function(&config, engines, tasks.clone(), metrics);
    let listen = config.listen();
    let (listener, place) = listen::open(listen).await.map_err(|source| Error::Listen { listen, source })?;
    function.tasks.spawn_infallible(function.dispatcher.greet());
    info!({ DURATION_MS } = begun.elapsed().as_secs_f64() * 1000.0, "function listens on {place}");
    let service = {
        let router = router(function.clone());
        move |request: http::Request<hyper::body::Incoming>| {
            let answer = router.clone().call(request.map(Body::new));
            async move { answer.await.unwrap_or_else(|never| match never {}) }
        }
    };
    let closed = CancellationToken::new();
    let server = serve(listener, service, closed.clone(), config.grace.0);
    let life = live(&function, &config);
    let stop = async {
        let outcome = life.await;
        function.draining.cancel();
        closed.cancel();
        outcome
    };
    let outcome = tokio::select! {
        (outcome, ()) = async { tokio::join!(stop, server) } => outcome,
        () = second_signal(&function.draining) => {
            warn!("told to stop a second time: stopping at once");
            Ok(())
        }
    };
    finish(&function).await;
    outcome
}

fn function(config: &Config, engines: Registry, tasks: Tasks, metrics: Option<PrometheusHandle>) -> Function {
    workmanager_engines_host::describe();
    workmanager_functions_dispatcher::describe();
    let clock = Arc::new(SystemClock::new());
    let options = Options {
        code_url: config.code_url.clone(),
        cache: config.cache(),
        cache_limit: config.cache_limit.0,
        max_engines: config.max_engines.get() as usize,
    };
    let limits = AttemptLimits {
        timeout_ms: u64::try_from(config.timeout.0.as_millis()).unwrap_or(u64::MAX),
        log_bytes: config.log_bytes.0,
        concurrency: config.concurrency.get(),
    };
    Function::new(Parts {
        dispatcher: Dispatcher::new(options, engines, clock.clone(), tasks.clone()),
        tasks,
        clock,
        ids: Arc::new(UuidV7),
        limits,
        draining: CancellationToken::new(),
        ready: CancellationToken::new(),
        metrics,
    })
}

/// Until it is time to stop.
async fn live(function: &Function, config: &Config) -> Result<(), Error> {
    let serving = async {
        preload::all(function, config).await?;
        std::future::pending().await
    };
    tokio::select! {
        biased;
        signal = stop_signal() => signal.map_err(|source| Error::System { what: "signals", source }),
        () = function.tasks.stopping().cancelled_owned() => Ok(()),
        served = serving => served,
    }
}

async fn second_signal(draining: &CancellationToken) {
    draining.cancelled().await;
    if stop_signal().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Stops the engines; every process that is left is reaped by its task.
async fn finish(function: &Function) {
    function.dispatcher.stop().await;
    function.tasks.stop();
    function.tasks.drained(Duration::from_secs(5)).await;
}
