//! The outside: REST and, on a listener of its own, the code that functions fetch.

mod context;
pub mod error;
mod gate;
pub mod internal;
mod json;
mod options;
mod readiness;
pub mod rest;

use std::{convert::Infallible, future::Future, sync::Arc};

use arc_swap::ArcSwap;
use axum::{Router, body::Body};
pub use gate::Gate;
use http::{Request, Response};
use hyper::body::Incoming;
pub use options::{InvalidOptions, Listeners, Options, TokenDigest};
pub use readiness::{Readiness, Stage};
use tower_service::Service as _;

use crate::app::App;

/// Describes the API's metrics to the recorder.
pub fn describe() {
    context::describe();
}

/// Renders the metrics in the Prometheus text format.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the handlers work with. Cloning shares it.
#[derive(Clone)]
pub struct Api {
    /// The use cases.
    pub app: App,
    /// Who may come in.
    pub gate: Gate,
    /// Whether the program can do its work.
    pub readiness: Readiness,
    /// The metrics.
    pub metrics: Metrics,
}

/// The router that answers now; another can take its place. Cloning shares it.
#[derive(Clone)]
pub struct Front(Arc<ArcSwap<Router>>);

impl Front {
    /// Answers by `router`.
    #[must_use]
    pub fn new(router: Router) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(router)))
    }

    /// From now on answers by `router`.
    pub fn set(&self, router: Router) {
        self.0.store(Arc::new(router));
    }

    /// As the service that `kit::http::serve` takes.
    pub fn service(
        self,
    ) -> impl Fn(Request<Incoming>) -> std::pin::Pin<Box<dyn Future<Output = Response<Body>> + Send>> + Clone + Send + 'static
    {
        move |request| {
            let mut router = Router::clone(&self.0.load());
            let answer = router.call(request.map(Body::new));
            Box::pin(async move {
                match answer.await {
                    Ok(response) => response,
                    Err(never) => {
                        let never: Infallible = never;
                        match never {}
                    }
                }
            })
        }
    }
}
