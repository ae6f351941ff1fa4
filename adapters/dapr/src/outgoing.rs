//! From an event to what the sidecar publishes.

use std::{collections::HashMap, sync::Arc};

use workmanager_core_domain::{
    Event, Topic,
    event::{DataKind, to_structured},
    ports::BusError,
};

use crate::{dapr::Shared, sidecar::Message};

/// Largest batch that is published in one call, in bytes; the sidecar takes 4 MiB in one message.
const BATCH_BYTES: usize = 2 << 20;
/// Largest batch that is published in one call.
const BATCH: usize = 100;

/// Publishes events one by one or in batches. An error leaves open which of them were accepted.
pub(crate) async fn publish(shared: &Shared, topic: &Topic, events: &[Arc<Event>]) -> Result<(), BusError> {
    let (mut batches, mut bytes) = (vec![Vec::new()], 0);
    for event in events {
        let message = message(event)?;
        let (length, last) = (message.body.len(), batches.len() - 1);
        if batches[last].len() == BATCH || bytes + length > BATCH_BYTES {
            batches.push(vec![message]);
            bytes = length;
        } else {
            batches[last].push(message);
            bytes += length;
        }
    }
    for (number, batch) in batches.into_iter().enumerate() {
        match send(shared, topic, batch).await {
            // None of these, but those before.
            Err(BusError::Unavailable { .. }) if number > 0 => return Err(BusError::Timeout),
            sent => sent?,
        }
    }
    let now = shared.clock.now();
    for event in events {
        shared.hub.tails.show(topic, event, now);
    }
    Ok(())
}

async fn send(shared: &Shared, topic: &Topic, mut batch: Vec<Message>) -> Result<(), BusError> {
    let sent = match (batch.len(), batch.pop()) {
        (_, None) => return Ok(()),
        (1, Some(message)) => shared.sidecar.publish_gathered(topic.as_str(), message).await,
        (_, Some(last)) => {
            batch.push(last);
            shared.sidecar.publish_many(topic.as_str(), batch).await
        }
    };
    sent.map_err(|failure| failure.of_publishing())
}

/// An event for subscribers of any kind. Without a content type the sidecar hands them no data, and without a
/// `traceid` it overwrites the trace.
fn message(event: &Event) -> Result<Message, BusError> {
    let mut outgoing = event.clone().into_builder();
    if event.attribute("datacontenttype").is_none() {
        let content_type = match event.data().kind {
            DataKind::None => None,
            DataKind::Json => Some("application/json"),
            DataKind::Text => Some("text/plain"),
            DataKind::Binary => Some("application/octet-stream"),
        };
        if let Some(content_type) = content_type {
            outgoing = outgoing.with("datacontenttype", content_type);
        }
    }
    if let (Some(parent), None) = (event.text("traceparent"), event.attribute("traceid")) {
        outgoing = outgoing.with("traceid", parent);
    }
    let unfit = |error: workmanager_core_domain::event::InvalidEvent| BusError::Unavailable {
        reason: format!("event `{}` cannot be written for the sidecar: {error}", event.id()),
    };
    let body = outgoing.build().and_then(|event| to_structured(&event)).map_err(unfit)?;
    let key = event.text("partitionkey").map(|key| ("partitionKey".to_owned(), key.to_owned()));
    Ok(Message { body, metadata: HashMap::from_iter(key) })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use workmanager_core_domain::event::Data;

    use super::*;

    fn event() -> workmanager_core_domain::event::EventBuilder {
        Event::builder().with("id", "1").with("source", "/s").with("type", "t")
    }

    fn body(event: &Event) -> String {
        String::from_utf8(message(event).unwrap().body).unwrap()
    }

    #[test]
    fn data_always_says_what_it_is() {
        for (kind, content_type) in [
            (DataKind::Json, "application/json"),
            (DataKind::Text, "text/plain"),
            (DataKind::Binary, "application/octet-stream"),
        ] {
            let event = event().data(Data { kind, bytes: Bytes::from_static(b"1") }).build().unwrap();
            assert!(body(&event).contains(&format!(r#""datacontenttype":"{content_type}""#)), "{kind:?}");
            let named = event.clone().into_builder().with("datacontenttype", "application/xml").build().unwrap();
            assert!(!body(&named).contains(content_type), "{kind:?}");
        }
        assert!(!body(&event().build().unwrap()).contains("datacontenttype"));
    }

    #[test]
    fn a_trace_is_given_twice_so_that_it_stays() {
        let traced = event().with("traceparent", "00-a-b-01").build().unwrap();
        assert!(body(&traced).contains(r#""traceid":"00-a-b-01""#));
        assert!(!body(&event().build().unwrap()).contains("traceid"));
    }

    #[test]
    fn the_ordering_key_goes_to_the_component() {
        let keyed = event().with("partitionkey", "customer-7").build().unwrap();
        assert_eq!(message(&keyed).unwrap().metadata["partitionKey"], "customer-7");
    }
}
