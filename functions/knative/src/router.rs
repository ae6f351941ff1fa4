//! The routes and what they share.

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;
use workmanager_core_domain::ports::{Clock, Ids};
use workmanager_core_frames::AttemptLimits;
use workmanager_core_kit::Tasks;
use workmanager_functions_dispatcher::Dispatcher;

use crate::{attempts, events, operations, problem::Problem, validate};

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct Function(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) tasks: Tasks,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    /// What a plain event may use when no attempt has said more.
    pub(crate) limits: AttemptLimits,
    pub(crate) draining: CancellationToken,
    /// Cancelled once every worker that was given at the start is loaded.
    pub(crate) ready: CancellationToken,
    pub(crate) metrics: Option<PrometheusHandle>,
}

impl std::ops::Deref for Function {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Function {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Waits until the workers given at the start are loaded, or the process stops.
    pub(crate) async fn settled(&self) {
        if !self.ready.is_cancelled() {
            tokio::select! {
                () = self.ready.cancelled() => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    /// Whether new attempts may begin.
    pub(crate) fn accepts(&self) -> Result<(), Problem> {
        if self.draining.is_cancelled() { Err(Problem::draining()) } else { Ok(()) }
    }
}

/// All routes.
pub(crate) fn router(function: Function) -> Router {
    Router::new()
        .route("/v1/attempts", post(attempts::post))
        .route("/v1/validate", post(validate::post))
        .route("/v1/workers/{id}/events", post(events::post))
        .route("/v1/engines", get(operations::engines))
        .route("/readyz", get(operations::readyz))
        .route("/livez", get(operations::livez))
        .route("/metrics", get(operations::metrics))
        .fallback(operations::not_found)
        .method_not_allowed_fallback(operations::method_not_allowed)
        .with_state(function)
}
