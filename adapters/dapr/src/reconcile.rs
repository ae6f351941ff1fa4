//! Holds the sidecar's own list of streams against ours, and the shared list of topics. A stream that the sidecar does not
//! list brings nothing, however open it looks from here: a proxy on the way may have kept our end of it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use dapr::dapr::proto::runtime::v1::{GetMetadataResponse, PubsubSubscriptionType};

use crate::{dapr::Shared, stream::redo_topic};

/// Looks once in every `pause`, until the program stops.
pub(crate) async fn run(shared: Arc<Shared>, pause: Duration) {
    let stopping = shared.tasks.stopping();
    let mut missed = BTreeSet::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stopping.cancelled() => return,
        }
        // A replica that did not know of a topic's new owner may have given it up.
        if let Err(error) = shared.keep(&shared.hub.taken()).await {
            tracing::debug!("whether all open topics are kept cannot be seen: {error}");
        }
        // Before the sidecar is asked: what is opened meanwhile may not be in its list.
        let lines = shared.hub.open_lines();
        // One that does not answer has lost nothing that its streams would not notice themselves.
        let Ok(said) = shared.sidecar.metadata().await else { continue };
        let redo = redo_topic(&said.id);
        let named = |topic: Option<_>| topic.unwrap_or_else(|| redo.clone());
        let lines: Vec<_> = lines.into_iter().map(|(topic, line)| (named(topic), line)).collect();
        let open = lines.iter().map(|(topic, _)| topic.clone()).collect();
        let lost = lost(&open, &listed(&said, shared.sidecar.pubsub()), &mut missed);
        for (_, line) in lines.iter().filter(|(topic, _)| lost.contains(topic)) {
            line.again.notify_waiters();
        }
    }
}

/// The topics whose streams the sidecar has.
fn listed(said: &GetMetadataResponse, pubsub: &str) -> BTreeSet<String> {
    let is_stream = |kind: i32| kind == PubsubSubscriptionType::Streaming as i32;
    let ours = said.subscriptions.iter().filter(|one| one.pubsub_name == pubsub && is_stream(one.r#type));
    ours.map(|one| one.topic.clone()).collect()
}

/// What is open here and not listed, now as in the look before. A single look may fall between the end of a stream and
/// its new beginning.
fn lost(open: &BTreeSet<String>, listed: &BTreeSet<String>, missed: &mut BTreeSet<String>) -> BTreeSet<String> {
    let absent = open - listed;
    let lost = &absent & missed;
    *missed = &absent - &lost;
    lost
}

#[cfg(test)]
mod tests {
    use dapr::dapr::proto::runtime::v1::PubsubSubscription;

    use super::*;

    fn set(topics: &[&str]) -> BTreeSet<String> {
        topics.iter().map(|topic| (*topic).to_owned()).collect()
    }

    #[test]
    fn a_stream_is_lost_that_is_not_listed_twice_running() {
        let mut missed = BTreeSet::new();
        // Open here, listed there, lost.
        let looks: [(&[&str], &[&str], &[&str]); 8] = [
            (&["a", "b"], &["a", "b"], &[]),
            (&["a", "b"], &["b"], &[]),
            (&["a", "b"], &["a", "b"], &[]),
            (&["a", "b"], &["b", "other"], &[]),
            (&["a", "b"], &[], &["a"]),
            // Opened again, it has two looks again.
            (&["a", "b"], &[], &["b"]),
            (&["b"], &[], &[]),
            (&["a"], &[], &[]),
        ];
        for (number, (open, listed, expected)) in looks.into_iter().enumerate() {
            assert_eq!(lost(&set(open), &set(listed), &mut missed), set(expected), "look {number}");
        }
    }

    #[test]
    fn only_streams_of_our_component_are_listed() {
        let one = |pubsub: &str, topic: &str, kind: PubsubSubscriptionType| PubsubSubscription {
            pubsub_name: pubsub.to_owned(),
            topic: topic.to_owned(),
            r#type: kind as i32,
            ..PubsubSubscription::default()
        };
        let subscriptions = vec![
            one("pubsub", "a", PubsubSubscriptionType::Streaming),
            one("other", "b", PubsubSubscriptionType::Streaming),
            one("pubsub", "c", PubsubSubscriptionType::Declarative),
        ];
        let said = GetMetadataResponse { subscriptions, ..GetMetadataResponse::default() };
        assert_eq!(listed(&said, "pubsub"), set(&["a"]));
    }
}
