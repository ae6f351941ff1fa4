//! What a Dapr sidecar asks the program that it stands beside. Events come by streams that this program opens,
//! so there is nothing to set up here; but a sidecar waits for these answers before it serves.

use axum::Json;
use serde_json::{Value, json};

/// Nothing is asked of the sidecar: no actors, no timeouts of theirs.
pub(super) async fn config() -> Json<Value> {
    Json(json!({}))
}

/// No topic is delivered by HTTP.
pub(super) async fn subscribe() -> Json<Value> {
    Json(json!([]))
}
