//! `POST /v1/workers/{id}/invoke`
//!
//! The reply comes in structured mode, or in binary mode if the caller's `Accept` does not take that.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, StatusCode, header};
use workmanager_core_domain::{
    Event,
    event::{STRUCTURED, to_binary, to_structured},
};

use crate::{
    api::{
        Api,
        error::Error,
        rest::{call::Call, events},
    },
    app::Reply,
};

/// Runs one event now.
pub(in crate::api::rest) async fn invoke(State(api): State<Api>, mut call: Call) -> Result<Response, Error> {
    let id = call.param("id").await?;
    call.query()?.finish()?;
    let structured = takes_structured(call.header(header::ACCEPT));
    api.app.get(&id).await?;
    let event = events::event(call).await?;
    match api.app.invoke(&id, event).await? {
        Reply::None => Ok(StatusCode::NO_CONTENT.into_response()),
        Reply::Event(event) if structured => whole(&event),
        Reply::Event(event) => Ok((to_binary(&event), event.data().bytes.clone()).into_response()),
    }
}

fn whole(event: &Event) -> Result<Response, Error> {
    let body = to_structured(event).map_err(|source| Error::Event { at: None, source })?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(STRUCTURED))], body).into_response())
}

fn takes_structured(accept: Option<&str>) -> bool {
    accept.is_none_or(|accept| {
        let media = |range: &str| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        accept.split(',').any(|range| matches!(media(range).as_str(), STRUCTURED | "application/*" | "*/*" | ""))
    })
}
