//! What no operation takes.

use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode, Uri};

use crate::{
    api::{Stage, error::Error},
    app::Code,
};

/// No operation has this path.
pub(crate) async fn unknown_path(uri: Uri) -> Error {
    Error::Plain(Code::UnknownPath, format!("no operation has the path `{}`", uri.path()))
}

/// The operations of this path have other methods; the router adds which.
pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let text = format!("`{}` has no operation {method}; the header `allow` says which it has", uri.path());
    Error::Plain(Code::MethodNotAllowed, text).into_response()
}

/// Nothing is served yet.
pub(super) async fn starting() -> Error {
    Error::Plain(Code::NotReady, format!("the server is {}", Stage::Starting.as_str()))
}
