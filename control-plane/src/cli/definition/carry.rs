//! Doing what has to be done.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use workmanager_core_domain::worker::Desired;

use super::{Change, Definition, Plan};
use crate::cli::{
    client::{Answer, Call, Client, Route},
    error::Error,
};

/// How long the function may take to judge the code.
const VERDICT: Duration = Duration::from_secs(60);

/// The worker of this name, as the API shows it; `None` if there is none.
///
/// # Errors
/// As for any call.
pub(crate) async fn find(client: &Client, name: &str) -> Result<Option<Value>, Error> {
    match client.call(Call::get(Route::v1(["workers", name]))).await {
        Ok(answer) => answer.read().map(Some),
        Err(Error::Problem(problem)) if problem.status == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Carries `plan` out, new code first: if it does not load, nothing else is touched.
///
/// # Errors
/// The server's. What was done before it stays.
pub(crate) async fn carry_out(client: &Client, wanted: &Definition, plan: &Plan) -> Result<(), Error> {
    match plan {
        Plan::Create => create(client, wanted).await.map(drop),
        Plan::Change(change) => self::change(client, wanted, change).await,
    }
}

async fn create(client: &Client, wanted: &Definition) -> Result<Answer, Error> {
    let named = [&wanted.fixed, &wanted.with_code, &wanted.fields].into_iter().flatten();
    let mut body = without_nulls(named);
    body.insert("name".to_owned(), json!(wanted.name));
    body.insert("codeSource".to_owned(), json!({ "content": STANDARD.encode(&wanted.code) }));
    body.insert("start".to_owned(), json!(wanted.status != Some(Desired::Stopped)));
    client.call(Call::post(waiting(Route::v1(["workers"]))).json(&body).longer(VERDICT)).await
}

/// What a new worker is made of: there is nothing yet that null could take away.
fn without_nulls<'a>(fields: impl IntoIterator<Item = (&'a String, &'a Value)>) -> Map<String, Value> {
    let named = fields.into_iter().filter(|(_, value)| !value.is_null());
    let cleaned = named.map(|(name, value)| match value {
        Value::Object(members) => (name.clone(), Value::Object(without_nulls(members))),
        other => (name.clone(), other.clone()),
    });
    cleaned.collect()
}

async fn change(client: &Client, wanted: &Definition, change: &Change) -> Result<(), Error> {
    let name = wanted.name.as_str();
    if change.needs_version() {
        let put = Call::put(waiting(Route::v1(["workers", name, "code"]))).longer(VERDICT);
        let put = if change.with_code.is_empty() {
            put.body("application/octet-stream", wanted.code.clone())
        } else {
            let mut body = change.with_code.clone();
            body.insert("content".to_owned(), Value::String(STANDARD.encode(&wanted.code)));
            put.json(&body)
        };
        client.call(put).await?;
    }
    if !change.fields.is_empty() {
        let patch = Call::patch(Route::v1(["workers", name])).longer(VERDICT);
        client.call(patch.body("application/merge-patch+json", text(&change.fields))).await?;
    }
    if let Some(status) = change.status {
        let verb = match status {
            Desired::Running => "start",
            Desired::Stopped => "stop",
        };
        client.call(Call::post(Route::v1(["workers", name, verb]))).await?;
    }
    Ok(())
}

fn text(fields: &Map<String, Value>) -> Vec<u8> {
    // A map with text keys is always written.
    serde_json::to_vec(fields).unwrap_or_default()
}

fn waiting(route: Route) -> Route {
    route.with("wait", Some(format!("{}s", VERDICT.as_secs())))
}
