//! The operations.

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing::{delete, get, post, put},
};

use super::{
    checkup, dapr, dead_letters, engines, events, explain, fallback, health, idempotency, logs, quarantine, tail,
    topics, worker,
};
use crate::api::{Api, context, gate};

/// Every operation of REST.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/v1/workers", post(worker::create::create).get(worker::list::list))
        .route("/v1/workers/recover", post(worker::lifecycle::recover))
        .route(
            "/v1/workers/{id}",
            get(worker::read::get).patch(worker::change::patch).delete(worker::lifecycle::delete),
        )
        .route("/v1/workers/{id}/start", post(worker::lifecycle::start))
        .route("/v1/workers/{id}/stop", post(worker::lifecycle::stop))
        .route("/v1/workers/{id}/code", put(worker::code::put))
        .route("/v1/workers/{id}/history", get(worker::code::history))
        .route("/v1/workers/{id}/rollback", post(worker::code::rollback))
        .route("/v1/workers/{id}/tags", get(worker::tags::all).put(worker::tags::replace).patch(worker::tags::patch))
        .route(
            "/v1/workers/{id}/tags/{key}",
            get(worker::tags::one).put(worker::tags::set).delete(worker::tags::remove),
        )
        .route("/v1/workers/{id}/invoke", post(worker::invoke::invoke))
        .route("/v1/workers/{id}/logs", get(logs::logs))
        .route("/v1/engines", get(engines::list))
        .route("/v1/checkup", get(checkup::show))
        .route("/v1/topics", get(topics::list))
        .route("/v1/topics/{topic}/events", post(events::publish).get(tail::tail))
        .route("/v1/events/{id}", get(explain::explain))
        .route("/v1/dead-letters", get(dead_letters::list).delete(dead_letters::delete_all))
        .route("/v1/dead-letters:redrive", post(dead_letters::redrive_all))
        .route("/v1/dead-letters/{id}", get(dead_letters::get).delete(dead_letters::delete))
        .route("/v1/dead-letters/{id}/redrive", post(dead_letters::redrive))
        .route("/v1/quarantine", get(quarantine::list))
        .route("/v1/quarantine/{id}", delete(quarantine::drop))
        .route("/v1/quarantine/{id}/repair", post(quarantine::repair))
        .route("/health", get(health::ready))
        .route("/readyz", get(health::ready))
        .merge(always())
        .route("/metrics", get(health::metrics))
        .fallback(fallback::unknown_path)
        .method_not_allowed_fallback(fallback::method_not_allowed)
        .layer(from_fn_with_state(api.app.clone(), idempotency::once))
        .layer(from_fn_with_state(api.gate.clone(), gate::pass))
        .layer(from_fn(context::surround))
        .with_state(api)
}

/// What is answered while the program is being put together: that it lives, and that it is not ready.
pub fn early() -> Router {
    always().fallback(fallback::starting).layer(from_fn(context::surround))
}

/// What is answered in the same way from the first moment to the last.
fn always<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/dapr/config", get(dapr::config))
        .route("/dapr/subscribe", get(dapr::subscribe))
        .route("/health/live", get(health::live))
        .route("/healthz", get(health::live))
}
