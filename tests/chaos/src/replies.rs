//! The reply topic, read through REST by somebody who knows nothing else.

use serde_json::Value;
use workmanager_tests_e2e::eventually;

use crate::{client::Client, history::Reply, workload::REPLIES};

/// Everything that the topic holds.
///
/// # Panics
/// It cannot be read.
pub(crate) fn read(client: &Client) -> Vec<Reply> {
    let (mut replies, mut since) = (Vec::<Reply>::new(), 0);
    loop {
        // Without `follow` a tail ends once it has been quiet for a moment, at the end of the topic or on
        // a machine that is busy: so it is asked until there is nothing after the last one.
        let path = format!("/v1/topics/{REPLIES}/events?since={since}");
        let messages = eventually("the reply topic is read", || client.messages(&path));
        let Some((last, _)) = messages.last() else { return replies };
        since = *last;
        replies.extend(messages.iter().map(|(position, event)| reply(*position, event)));
    }
}

fn reply(position: u64, event: &Value) -> Reply {
    let parsed = || {
        let data = &event["data"];
        Some(Reply {
            id: event["id"].as_str()?.to_owned(),
            event: data["number"].as_u64()?,
            attempt: u32::try_from(data["attempt"].as_u64()?).ok()?,
            position,
            time: event["time"].as_str()?.parse().ok()?,
        })
    };
    parsed().unwrap_or_else(|| panic!("not a reply of ours: {event}"))
}
