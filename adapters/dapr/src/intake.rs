//! From the sidecar's bytes to an event, and to those who take it.

use std::{borrow::Cow, collections::BTreeMap, collections::HashMap, future::Future, sync::Arc};

use bytes::Bytes;
use dapr::dapr::proto::runtime::v1::TopicEventRequest;
use metrics::counter;
use serde_json::value::RawValue;
use workmanager_core_domain::{
    Digest, Event, Timestamp, Topic, document,
    event::from_structured,
    ports::{Collection, Expect, Key, StoreError},
    quarantine::Quarantined,
};

use crate::{
    dapr::Shared,
    hub::Connection,
    index,
    line::EXPIRED,
    sidecar::{Life, Message},
    stream::{Answer, Source, answer},
    topics::Standing,
};

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// The event as its publisher wrote it.
    pub(crate) event: Event,
    /// The topic that it was published on, if the sidecar wrote it there.
    pub(crate) topic: Option<Topic>,
    /// Until when it is wanted.
    pub(crate) expiration: Option<Timestamp>,
}

/// Reads an event as the broker keeps it: in the JSON format, with what the sidecar adds to it. That goes:
/// the topic, the component's name, trace attributes that are empty, and a `traceid` that repeats `traceparent`.
pub(crate) fn read(bytes: &[u8]) -> Result<Read, String> {
    let mut members: BTreeMap<String, &RawValue> =
        serde_json::from_slice(bytes).map_err(|error| format!("it is no event in JSON: {error}"))?;
    let topic = members.remove("topic").and_then(|raw| text(raw)?.parse().ok());
    members.remove("pubsubname");
    let expiration = members.get("expiration").and_then(|raw| text(raw)?.parse().ok());
    members.retain(|name, raw| {
        !(matches!(name.as_str(), "traceid" | "traceparent" | "tracestate") && raw.get() == "\"\"")
    });
    let repeated =
        members.get("traceid").zip(members.get("traceparent")).is_some_and(|(id, parent)| id.get() == parent.get());
    if repeated {
        members.remove("traceid");
    }
    let bytes = serde_json::to_vec(&members).map_err(|error| error.to_string())?;
    let event = from_structured(&Bytes::from(bytes)).map_err(|error| error.to_string())?;
    Ok(Read { event, topic, expiration })
}

fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned)
}

/// Brings what came to those who take it. What remains to be done, and may wait for the sidecar, is returned.
pub(crate) fn take_in(
    shared: &Arc<Shared>,
    source: &Source,
    came: TopicEventRequest,
    connection: &Connection,
) -> Option<impl Future<Output = ()> + Send + use<>> {
    let now = shared.clock.now();
    let read = match (read(&came.data), source) {
        (Ok(read), Source::Redo) if read.topic.is_none() => Err("it does not say which topic it is of".to_owned()),
        (read, _) => read,
    };
    let rest = match read {
        Ok(read) if read.expiration.is_some_and(|end| end <= now) => {
            tracing::info!("event `{}` came after its expiration and is dropped", read.event.id());
            counter!(EXPIRED).increment(1);
            let _ = connection.answers.send(answer(&came.id, Answer::Success));
            return None;
        }
        Ok(read) => {
            let topic = match source {
                Source::Topic(topic) => topic.clone(),
                // Checked above.
                Source::Redo => read.topic?,
            };
            let event = Arc::new(read.event);
            if shared.hub.bring(&topic, &event, now, &came.id, connection) {
                shared.hub.tails.show(&topic, &event, now);
                return None;
            }
            Rest::Elsewhere(topic)
        }
        Err(reason) => Rest::Unreadable(reason),
    };
    let (shared, answers) = (shared.clone(), connection.answers.clone());
    let source = source.to_string();
    Some(async move {
        let done = match rest {
            Rest::Elsewhere(topic) => return_to(&shared, &topic, came.data).await,
            Rest::Unreadable(reason) => {
                tracing::warn!("a message on {source} cannot be read and is kept in quarantine: {reason}");
                quarantine(&shared, reason, came.data, now).await
            }
        };
        if let Err(error) = &done {
            tracing::warn!("a message on {source} is sent round again: {error}");
        }
        let with = if done.is_ok() { Answer::Success } else { Answer::Retry };
        let _ = answers.send(answer(&came.id, with));
    })
}

/// What is left to do with what came.
enum Rest {
    /// Nobody takes it here.
    Elsewhere(Topic),
    /// It is no event.
    Unreadable(String),
}

/// An event that came back while nobody takes its topic here: it goes back to the topic, where the broker keeps
/// it for whoever takes it next. If the topic was given up, it is dropped as the rest of it is.
async fn return_to(shared: &Shared, topic: &Topic, body: Vec<u8>) -> Result<(), String> {
    match shared.standing(topic).await.map_err(|error| error.to_string())? {
        Standing::Kept => {}
        Standing::JustGivenUp => return Err(format!("topic `{topic}` was given up a moment ago")),
        Standing::GivenUp => return Ok(()),
    }
    let message = Message { body, metadata: HashMap::new() };
    shared.sidecar.publish(topic.as_str(), message).await.map_err(|failure| failure.reason().to_owned())
}

/// Keeps what cannot be read, once for the same bytes.
async fn quarantine(shared: &Shared, reason: String, bytes: Vec<u8>, at: Timestamp) -> Result<(), String> {
    let record = Digest::of(&bytes).hex();
    let entry =
        Quarantined { collection: Collection::Event, record: record.clone(), reason, at, bytes: Bytes::from(bytes) };
    let value = document::encode(&entry).map_err(|error| error.to_string())?;
    let key = Key::new(Collection::Quarantine, Quarantined::id(&Key::new(Collection::Event, record)));
    shared.index.enter(&key).await.map_err(|error| error.to_string())?;
    match shared
        .cells
        .write_value(Life::For(shared.retention.dead_letters), &index::record(&key), value, Expect::Absent)
        .await
    {
        Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(members: &str) -> Result<Read, String> {
        read(format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{members}}}"#).as_bytes())
    }

    #[test]
    fn what_the_sidecar_adds_is_taken_off() {
        let added = r#","topic":"orders","pubsubname":"pubsub","traceid":"","traceparent":"","tracestate":"""#;
        let read = with(added).unwrap();
        assert_eq!(read.topic, Some("orders".parse().unwrap()));
        assert_eq!(read.event, with("").unwrap().event);
    }

    #[test]
    fn a_trace_stays_and_its_repetition_goes() {
        let event = with(r#","traceparent":"00-a-b-01","traceid":"00-a-b-01""#).unwrap().event;
        assert_eq!((event.text("traceparent"), event.text("traceid")), (Some("00-a-b-01"), None));
        let event = with(r#","traceparent":"00-a-b-01","traceid":"mine""#).unwrap().event;
        assert_eq!(event.text("traceid"), Some("mine"));
    }

    #[test]
    fn data_is_read_in_each_of_its_forms() {
        use workmanager_core_domain::event::DataKind;
        let table = [
            (r#","data":{"n":12345678901234567890}"#, DataKind::Json, r#"{"n":12345678901234567890}"#),
            (r#","datacontenttype":"text/plain","data":"a""#, DataKind::Text, "a"),
            (r#","datacontenttype":"application/json","data_base64":"e30=""#, DataKind::Json, "{}"),
            (r#","data_base64":"AAE=""#, DataKind::Binary, "\u{0}\u{1}"),
        ];
        for (members, kind, bytes) in table {
            let data = with(members).unwrap().event.data().clone();
            assert_eq!((data.kind, &*data.bytes), (kind, bytes.as_bytes()), "{members}");
        }
    }

    #[test]
    fn an_expiration_is_read() {
        let end = "2026-01-02T03:04:05Z";
        assert_eq!(with(&format!(",\"expiration\":\"{end}\"")).unwrap().expiration, Some(end.parse().unwrap()));
        assert_eq!(with(r#","expiration":"never""#).unwrap().expiration, None);
    }

    #[test]
    fn what_is_no_event_is_named() {
        for bytes in ["", "no json", "[]", "{}", r#"{"id":"1"}"#] {
            assert!(read(bytes.as_bytes()).is_err(), "{bytes}");
        }
    }
}
