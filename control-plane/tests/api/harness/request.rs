//! Requests.

use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Request;
use serde_json::{Value, json};

/// Standard base64.
pub(crate) fn base64(text: impl AsRef<[u8]>) -> String {
    STANDARD.encode(text)
}

/// Any request; without a content type if it is empty.
pub(crate) fn raw(method: &str, path: &str, content_type: &str, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    request.body(body.into()).unwrap()
}

/// A request with a JSON body, none for null.
pub(crate) fn json_body(method: &str, path: &str, body: &Value) -> Request<Body> {
    match body {
        Value::Null => raw(method, path, "", Body::empty()),
        body => raw(method, path, "application/json", body.to_string()),
    }
}

/// A structured event with JSON data.
pub(crate) fn event(id: &str, data: &Value) -> Value {
    json!({ "specversion": "1.0", "id": id, "source": "/test", "type": "test", "data": data })
}

/// A request with an event in binary mode.
pub(crate) fn binary(path: &str, attributes: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post(path);
    for (name, value) in attributes {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}
