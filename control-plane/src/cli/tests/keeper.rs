//! A fake control plane that keeps what it is given and changes what it is told to.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::fake::{Asked, Fake, Reply, ok, problem};

/// The workers that it keeps.
pub(crate) type Workers = Arc<Mutex<BTreeMap<String, Value>>>;

/// Starts one.
pub(crate) async fn keeper() -> (Fake, Workers) {
    let workers = Workers::default();
    let kept = Arc::clone(&workers);
    let fake = Fake::start(move |asked| answer(asked, &mut kept.lock().unwrap())).await;
    (fake, workers)
}

fn answer(asked: &Asked, workers: &mut BTreeMap<String, Value>) -> Reply {
    let (method, target) = asked.line.split_once(' ').unwrap();
    let path = target.split('?').next().unwrap();
    let body = || serde_json::from_str::<Value>(&asked.body).unwrap();
    let mut parts = path.trim_start_matches("/v1/workers").trim_start_matches('/').splitn(2, '/');
    let (name, rest) = (parts.next().unwrap().to_owned(), parts.next());
    if name.is_empty() && method == "GET" {
        return ok(json!({ "workers": workers.values().collect::<Vec<_>>(), "nextCursor": null }).to_string());
    }
    if name.is_empty() {
        let mut worker = body();
        worker["status"] = json!(if worker["start"] == true { "Running" } else { "Stopped" });
        for (field, default) in
            [("filter", Value::Null), ("tags", json!({})), ("id", json!("1")), ("version", json!(1))]
        {
            worker.as_object_mut().unwrap().entry(field).or_insert(default);
        }
        workers.insert(worker["name"].as_str().unwrap().to_owned(), worker.clone());
        return (201, "application/json", worker.to_string());
    }
    let Some(worker) = workers.get_mut(&name) else {
        return problem(404, "worker-not-found", "There is no such worker");
    };
    match (method, rest) {
        ("GET", None) => {}
        ("PATCH", None) => body().as_object().unwrap().iter().for_each(|(field, value)| worker[field] = value.clone()),
        ("PUT", Some("code")) if asked.body.contains("syntax error") => {
            return problem(422, "load-failed", "The code does not load");
        }
        ("PUT", Some("code")) => {
            worker["codeSource"]["content"] = json!(base64(&asked.body));
            worker["version"] = json!(worker["version"].as_u64().unwrap() + 1);
        }
        ("POST", Some("start")) => worker["status"] = json!("Running"),
        ("POST", Some("stop")) => worker["status"] = json!("Stopped"),
        ("DELETE", None) => {
            workers.remove(&name);
            return (204, "text/plain", String::new());
        }
        other => return problem(400, "unknown", &format!("{other:?}")),
    }
    ok(worker.to_string())
}

/// Standard base64.
pub(crate) fn base64(text: &str) -> String {
    STANDARD.encode(text)
}
