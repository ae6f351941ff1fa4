//! A worker's Knative Service as JSON: what it shall be, whether it is that, and how it is.

use serde_json::{Value, json};
use workmanager_core_domain::{Digest, Limits, Worker, ports::ServiceState, units::Size};

use crate::{function::own_name, quantity};

/// Says whose a service is: the deployment's name.
pub(crate) const OWNER: &str = "workmanager/owner";
/// Says which worker's it is; on pods, too.
pub(crate) const WORKER: &str = "workmanager/worker";
/// The worker's name, for people.
const NAME: &str = "workmanager/name";
/// The digest of all that was applied: what is left out later differs by it.
const APPLIED: &str = "workmanager/applied";
/// Of the shared service's own labels, none but this counts.
const VISIBILITY: &str = "networking.knative.dev/visibility";
/// What a request may wait for a pod above the worker's own time, as the router counts it.
const WAIT: u64 = 60;
/// What a function without a request of memory is taken to need for itself.
const REST: u64 = 128 << 20;

/// What the service of `worker` shall be, after the `shared` one of its kind of code.
///
/// # Errors
/// Says what the shared service lacks.
pub(crate) fn wanted(worker: &Worker, owner: &str, shared: &Value) -> Result<Value, String> {
    let template = &shared["spec"]["template"];
    let mut spec = template["spec"].clone();
    let Some(fields) = spec.as_object_mut() else { return Err("it has no template".to_owned()) };
    let pool = fields.get("containerConcurrency").and_then(Value::as_u64).unwrap_or(0);
    let concurrency = worker.limits.concurrency.get();
    fields.insert("containerConcurrency".to_owned(), json!(concurrency));
    let time = worker.limits.timeout.0.as_millis().div_ceil(1000);
    let time = u64::try_from(time).unwrap_or(u64::MAX).saturating_add(WAIT);
    for name in ["timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds"] {
        if let Some(limit) = fields.get(name).and_then(Value::as_u64) {
            fields.insert(name.to_owned(), json!(limit.min(time)));
        }
    }
    let containers = fields.get_mut("containers").and_then(Value::as_array_mut).ok_or("it has no container")?;
    // With several, the one that requests come to.
    let serving = containers.iter().position(|container| !container["ports"].is_null()).unwrap_or(0);
    let container = containers.get_mut(serving).ok_or("it has no container")?;
    let memory = memory(&container["resources"], pool, &worker.limits)?;
    container["resources"]["limits"]["memory"] = json!(quantity::written(memory));

    let of =
        |name: &str| Some(template["metadata"][name].clone()).filter(Value::is_object).unwrap_or_else(|| json!({}));
    let mut labels = of("labels");
    labels[WORKER] = json!(worker.id);
    let mut object = json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": own_name(worker.id),
            "labels": { OWNER: owner, WORKER: worker.id, VISIBILITY: "cluster-local" },
            "annotations": { NAME: worker.name },
        },
        "spec": { "template": {
            "metadata": { "labels": labels, "annotations": of("annotations") },
            "spec": spec,
        } },
    });
    let digest = Digest::of(object.to_string().as_bytes()).hex();
    object["metadata"]["annotations"][APPLIED] = json!(digest);
    Ok(object)
}

/// The pool's own sum with the worker's numbers: what the function needs for itself, and for each attempt the
/// worker's memory and what the pool has there above a default worker's.
fn memory(resources: &Value, pool: u64, limits: &Limits) -> Result<u64, String> {
    let read = |of: &str| match resources[of]["memory"].as_str() {
        None => Ok(None),
        Some(text) => quantity::bytes(text).map(Some).ok_or_else(|| format!("its memory `{text}` is no whole number")),
    };
    let rest = read("requests")?.unwrap_or(REST);
    let Size(default) = Limits::default().memory;
    let each = match read("limits")? {
        Some(limit) => limit.saturating_sub(rest).checked_div(pool).unwrap_or(0).saturating_sub(default),
        None => 0,
    };
    let attempts = u64::from(limits.concurrency.get());
    Ok(rest.saturating_add(attempts.saturating_mul(limits.memory.0.saturating_add(each))))
}

/// Whether everything that `wanted` says is so in `found`, whatever else is there.
pub(crate) fn is_in(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted.iter().all(|(name, value)| match found.get(name) {
            Some(there) => is_in(value, there),
            None => value.is_null(),
        }),
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(wanted, found)| is_in(wanted, found))
        }
        (wanted, found) => wanted == found,
    }
}

/// How a service is, as Knative's conditions say it.
pub(crate) fn state(object: &Value) -> ServiceState {
    let status = &object["status"];
    if status["observedGeneration"] != object["metadata"]["generation"] {
        return ServiceState::Starting { message: "Knative has not seen its last change yet".to_owned() };
    }
    let conditions = status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let is = |kind: &str, word: &str| conditions.iter().find(|found| found["type"] == kind && found["status"] == word);
    if is("Ready", "True").is_some() {
        return ServiceState::Ready;
    }
    // Its configuration knows why a pod does not start; its route knows only that there is none.
    let kinds = ["ConfigurationsReady", "RoutesReady", "Ready"];
    if is("Ready", "False").is_some() {
        let reasons = kinds.iter().filter_map(|kind| is(kind, "False"));
        let mut message = reasons.map(words).next().unwrap_or_default();
        if is("RoutesReady", "True").is_some() {
            message.push_str("; what ran before its last change serves on");
        }
        return ServiceState::Failed { message };
    }
    let known = kinds.iter().filter_map(|kind| is(kind, "Unknown")).map(words).find(|words| !words.is_empty());
    ServiceState::Starting { message: known.unwrap_or_else(|| "Knative starts it".to_owned()) }
}

/// `Reason: message`, or what there is of it.
fn words(condition: &Value) -> String {
    let text = |name: &str| condition[name].as_str().unwrap_or_default();
    match (text("reason"), text("message")) {
        ("", message) => message.to_owned(),
        (reason, "") => reason.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

#[cfg(test)]
mod tests;
