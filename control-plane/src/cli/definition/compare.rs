//! What has to change.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use workmanager_core_domain::worker::Desired;

use super::Definition;
use crate::cli::error::Error;

/// What has to be done so that a worker is as it is wanted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plan {
    /// Make it.
    Create,
    /// Change it, if there is anything to change.
    Change(Change),
}

/// What differs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Change {
    /// Whether the code is another.
    pub(crate) code: bool,
    /// What changes with the code.
    pub(crate) with_code: Map<String, Value>,
    /// What changes by itself.
    pub(crate) fields: Map<String, Value>,
    /// Whether it shall be started or stopped.
    pub(crate) status: Option<Desired>,
}

impl Change {
    /// The names of what changes, for people.
    pub(crate) fn names(&self) -> Vec<String> {
        let code = self.code.then(|| "code".to_owned());
        let status = self.status.map(|_| "status".to_owned());
        let named = self.with_code.keys().chain(self.fields.keys()).cloned();
        code.into_iter().chain(named).chain(status).collect()
    }

    /// Whether nothing differs.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a new version is needed.
    pub(crate) fn needs_version(&self) -> bool {
        self.code || !self.with_code.is_empty()
    }
}

/// Compares what is wanted with the worker that is there, as the API shows it.
///
/// # Errors
/// Something differs that never changes.
pub(crate) fn plan(wanted: &Definition, current: Option<&Value>) -> Result<Plan, Error> {
    let Some(current) = current else { return Ok(Plan::Create) };
    if let Some((name, value)) = wanted.fixed.iter().find(|(name, value)| differs(current.get(name), value)) {
        let is = current.get(name).unwrap_or(&Value::Null);
        let message = format!("the {name} of `{}` is {is} and cannot become {value}", wanted.name);
        let hint = format!("delete it first with `workmanager delete {}`, or choose another name", wanted.name);
        return Err(Error::input(message, hint));
    }
    let changed = |fields: &Map<String, Value>| -> Map<String, Value> {
        let differing = fields.iter().filter(|(name, value)| differs(current.get(*name), value));
        differing.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    Ok(Plan::Change(Change {
        code: code(current).is_none_or(|code| code != wanted.code),
        with_code: with_code(wanted, current),
        fields: changed(&wanted.fields),
        status: wanted.status.filter(|status| current["status"] != serde_json::json!(status)),
    }))
}

/// `config` is replaced as a whole, so it is compared as a whole; of `engine` only what is named counts.
fn with_code(wanted: &Definition, current: &Value) -> Map<String, Value> {
    let changes = |name: &str, value: &Value| match name {
        "config" => current.get(name) != Some(value),
        _ => differs(current.get(name), value),
    };
    let changed = wanted.with_code.iter().filter(|(name, value)| changes(name, value));
    changed.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The code of a worker, if the server shows it.
fn code(worker: &Value) -> Option<Vec<u8>> {
    STANDARD.decode(worker.get("codeSource")?.get("content")?.as_str()?).ok()
}

/// Whether `current` is not what is wanted. Of an object only the members that are named count.
fn differs(current: Option<&Value>, wanted: &Value) -> bool {
    match (current, wanted) {
        (Some(Value::Object(current)), Value::Object(wanted)) => {
            wanted.iter().any(|(name, value)| differs(current.get(name), value))
        }
        (None, Value::Null) => false,
        (current, wanted) => current != Some(wanted),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn wanted() -> Definition {
        Definition {
            name: "orders".parse().unwrap(),
            code: "pass".into(),
            fixed: object(json!({ "mimeType": "text/x-python" })),
            with_code: object(json!({ "config": { "a": "1" } })),
            fields: object(
                json!({ "topics": ["orders"], "filter": null, "limits": { "timeout": "1m" }, "tags": { "k": "v", "gone": null } }),
            ),
            status: Some(Desired::Running),
        }
    }

    fn current() -> Value {
        json!({
            "name": "orders", "mimeType": "text/x-python", "codeSource": { "content": STANDARD.encode("pass") },
            "topics": ["orders"], "filter": null, "limits": { "timeout": "1m", "memory": "256MiB" },
            "tags": { "k": "v", "other": "x", "gone": null }, "config": { "a": "1" }, "status": "Running", "version": 3,
        })
    }

    #[test]
    fn a_worker_that_is_as_wanted_is_left_alone() {
        let Plan::Change(change) = plan(&wanted(), Some(&current())).unwrap() else { panic!("it is there") };
        assert!(change.is_empty(), "{change:?}");
        assert_eq!(plan(&wanted(), None).unwrap(), Plan::Create);
    }

    #[test]
    fn only_what_differs_is_changed() {
        let table = [
            ("/topics", json!(["a"]), "topics"),
            ("/filter", json!("true"), "filter"),
            ("/limits", json!({ "timeout": "30s" }), "limits"),
            ("/tags", json!({}), "tags"),
            ("/config", json!({ "a": "2" }), "config"),
            ("/config", json!({ "a": "1", "b": "2" }), "config"),
            ("/tags/gone", json!("x"), "tags"),
            ("/codeSource/content", json!("eA=="), "code"),
            ("/status", json!("Stopped"), "status"),
        ];
        for (pointer, value, name) in table {
            let mut current = current();
            *current.pointer_mut(pointer).unwrap() = value;
            let Plan::Change(change) = plan(&wanted(), Some(&current)).unwrap() else { panic!("it is there") };
            assert_eq!(change.names(), [name]);
            assert_eq!(change.needs_version(), matches!(name, "code" | "config"), "{name}");
        }
    }

    #[test]
    fn what_never_changes_is_refused() {
        let mut current = current();
        current["mimeType"] = json!("text/x-csharp");
        let error = plan(&wanted(), Some(&current)).unwrap_err();
        assert!(error.to_string().contains("mimeType of `orders`"), "{error}");
    }
}
