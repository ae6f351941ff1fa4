//! How a worker's answer becomes an event.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use crate::{
    Event, Timestamp, WorkerId,
    event::{AttributeValue, Data, DataKind, InvalidEvent},
};

/// The extension that counts how often an event has been the reply to another.
pub const HOPS: &str = "workmanagerhops";
/// The extension that tells a worker which attempt this is.
pub const ATTEMPT: &str = "workmanagerattempt";
/// The extension that tells a worker its group lease's epoch.
pub const EPOCH: &str = "workmanagerepoch";
/// The event's own wish where its reply goes.
pub const REPLY_TOPIC: &str = "replytopic";

/// Whose answer it is, and to what.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The worker that answered.
    pub worker: WorkerId,
    /// Its name, for `source`.
    pub worker_name: &'a str,
    /// The event that it answered.
    pub cause: &'a Event,
    /// For `time`.
    pub now: Timestamp,
}

/// Fills in what the worker left out: `id` (the same for the same worker and event, so a reply that is
/// published twice can be told), `source`, `time`, the carried-over `correlationid`, the `causationid`,
/// and the hop count. `attributes` are the worker's, names in lower case; null means absent.
///
/// # Errors
/// `type` is missing, or an attribute is none.
pub fn complete(attributes: BTreeMap<String, Value>, data: Data, context: Context<'_>) -> Result<Event, InvalidEvent> {
    let mut builder = Event::builder();
    for (name, value) in attributes {
        if !value.is_null() {
            let value = attribute(&name, value)?;
            builder.set(&name, value);
        }
    }
    let Context { worker, worker_name, cause, now } = context;
    let mut default = |name: &str, value: Option<AttributeValue>| {
        if let Some(value) = value.filter(|_| !builder.has(name)) {
            builder.set(name, value);
        }
    };
    default("id", Some(id(worker, cause).into()));
    default("source", Some(format!("workmanager/{worker_name}").into()));
    default("time", Some(now.to_string().into()));
    default("correlationid", cause.attribute("correlationid").cloned());
    default("causationid", Some(cause.id().into()));
    if data.kind == DataKind::Binary {
        default("datacontenttype", Some("application/octet-stream".into()));
    }
    builder.set(HOPS, AttributeValue::Integer(hops(cause).saturating_add(1)));
    builder.data(data).build()
}

/// How often the event has been the reply to another.
#[must_use]
pub fn hops(event: &Event) -> i32 {
    match event.attribute(HOPS) {
        Some(AttributeValue::Integer(hops)) => *hops,
        // In binary mode every extension arrives as a string.
        Some(AttributeValue::String(text)) => text.parse().unwrap_or(0),
        Some(AttributeValue::Boolean(_)) | None => 0,
    }
}

fn id(worker: WorkerId, cause: &Event) -> String {
    let name = format!("{}\0{}\0{}\0{}", worker, cause.source(), cause.id(), 0);
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

fn attribute(name: &str, value: Value) -> Result<AttributeValue, InvalidEvent> {
    let wrong = |reason| InvalidEvent::Attribute { name: name.to_owned(), reason };
    match value {
        Value::String(text) => Ok(text.into()),
        Value::Bool(value) => Ok(AttributeValue::Boolean(value)),
        Value::Number(number) => {
            let number = number.as_i64().and_then(|number| i32::try_from(number).ok());
            number.map(AttributeValue::Integer).ok_or_else(|| wrong("must be an integer of 32 bits"))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => Err(wrong("must be a string, a boolean or an integer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause() -> Event {
        let event = Event::builder().with("id", "7").with("source", "/shop").with("type", "order");
        event.with("correlationid", "c").with(HOPS, "2").build().unwrap()
    }

    fn completed(attributes: Value) -> Result<Event, InvalidEvent> {
        let cause = cause();
        let context = Context {
            worker: WorkerId::new(Uuid::nil()),
            worker_name: "orders",
            cause: &cause,
            now: "2026-11-25T10:00:00Z".parse().unwrap(),
        };
        complete(serde_json::from_value(attributes).unwrap(), Data::default(), context)
    }

    #[test]
    fn what_the_worker_left_out_is_filled_in() {
        let reply = completed(serde_json::json!({"type": "done", "subject": null})).unwrap();
        let shown = |name| reply.attribute(name).map(ToString::to_string);
        assert_eq!(shown("source").as_deref(), Some("workmanager/orders"));
        assert_eq!(shown("time").as_deref(), Some("2026-11-25T10:00:00Z"));
        assert_eq!(shown("correlationid").as_deref(), Some("c"));
        assert_eq!(shown("causationid").as_deref(), Some("7"));
        assert_eq!(shown(HOPS).as_deref(), Some("3"));
        assert_eq!(shown("subject"), None);
        let again = completed(serde_json::json!({"type": "done"})).unwrap();
        assert_eq!(reply.id(), again.id(), "the same worker and event give the same id");
    }

    #[test]
    fn what_the_worker_says_wins_and_must_be_attributes() {
        let reply = completed(serde_json::json!({"type": "done", "id": "x", "source": "me", "n": 5})).unwrap();
        assert_eq!((reply.id(), reply.source()), ("x", "me"));
        assert_eq!(reply.attribute("n"), Some(&AttributeValue::Integer(5)));
        for bad in [serde_json::json!({}), serde_json::json!({"type": "t", "n": 1.5}), serde_json::json!({"type": []})]
        {
            assert!(completed(bad.clone()).is_err(), "{bad}");
        }
    }
}
