//! What the platform asks.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, Method, StatusCode, Uri, header::CONTENT_TYPE};
use workmanager_core_domain::EngineInfo;

use crate::{problem::Problem, router::Function};

/// The engines.
pub(crate) async fn engines(State(function): State<Function>) -> Json<Vec<EngineInfo>> {
    Json(function.dispatcher.engines())
}

/// Whether events may be sent here.
pub(crate) async fn readyz(State(function): State<Function>) -> Result<&'static str, Problem> {
    function.accepts()?;
    if function.ready.is_cancelled() {
        return Ok("ok\n");
    }
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "loading", "the workers given at the start are being loaded"))
}

/// Whether the process turns.
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// The numbers, in the Prometheus text format.
pub(crate) async fn metrics(State(function): State<Function>) -> Response {
    let Some(metrics) = &function.metrics else {
        return Problem::new(StatusCode::NOT_FOUND, "metrics-off", "this process collects its metrics elsewhere")
            .into_response();
    };
    let mut response = metrics.render().into_response();
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}

/// No such path.
pub(crate) async fn not_found(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", format!("there is nothing at {}", uri.path()))
}

/// The path has other methods.
pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}
