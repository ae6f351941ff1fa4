//! The workers under test and the topic they work on.

use serde_json::json;
use workmanager_tests_e2e::base64;

use crate::{
    client::Client,
    history::{Expected, History},
};

/// Where the numbered events are published.
pub(crate) const TOPIC: &str = "work";
/// Where replies go.
pub(crate) const REPLIES: &str = "replies";
/// The workers that every event is for.
pub(crate) const WORKERS: [Expected; 2] =
    [Expected { name: "audit", replies: false }, Expected { name: "answer", replies: true }];

/// Tells the sink when it starts and when it ends, and works for as long as the event says in between.
const SOURCE: &str = r#"
import os, socket, time

SINK = None

def tell(event, line):
    global SINK
    if SINK is None:
        host, port = event["sink"].split(":")
        SINK = socket.create_connection((host, int(port)), 10)
    SINK.sendall(("%s %d\n" % (line, time.time_ns() // 1000)).encode())

def Process(event):
    number, attempt = event["data"]["number"], event["workmanagerattempt"]
    tell(event, "start %s %d %d %d %d" % (event["name"], number, attempt, os.getpid(), os.getppid()))
    time.sleep(event["data"]["ms"] / 1000)
    tell(event, "end")
    if event["replies"] == "yes":
        return {"type": "answered", "data": {"number": number, "attempt": attempt}}
"#;

/// The number of events that warm up, and are nobody's business.
const WARM_UP: u64 = 0;

/// The data of an event that takes so long, and is larger than it must be by `padding` bytes.
pub(crate) fn data(number: u64, millis: u64, padding: usize) -> Vec<u8> {
    json!({ "number": number, "ms": millis, "padding": "x".repeat(padding) }).to_string().into_bytes()
}

/// Makes the workers, running.
///
/// # Panics
/// They are refused.
pub(crate) fn deploy(client: &Client, sink: std::net::SocketAddr) {
    for Expected { name, replies } in WORKERS {
        let config = json!({
            "sink": sink.to_string(), "name": name, "replies": if replies { "yes" } else { "no" },
        });
        let limits = json!({ "concurrency": 4, "maxAttempts": 100, "timeout": "30s" });
        let body = json!({
            "name": name, "topic": TOPIC, "replyTopic": replies.then_some(REPLIES), "config": config,
            "limits": limits, "start": true, "codeSource": { "content": base64(SOURCE) },
        });
        let headers = [("content-type", "application/json")];
        let answer = client.send("POST", "/v1/workers", &headers, body.to_string().as_bytes());
        let answer = answer.expect("the control plane answers");
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
}

/// Keeps every process busy that the workers may have, so that all there can be is there.
///
/// # Panics
/// The events are refused.
pub(crate) fn warm_up(client: &Client) {
    for event in 0..32 {
        let answer = client.publish(TOPIC, &format!("warm-up-{event}"), &data(WARM_UP, 50, 0));
        let answer = answer.expect("the control plane answers");
        assert_eq!(answer.status, 202, "{}", answer.text);
    }
}

/// Leaves out what warmed up.
pub(crate) fn forget_warm_up(history: &mut History) {
    history.records.retain(|record| !record.id.starts_with("warm-up-"));
    history.executions.retain(|execution| execution.event != WARM_UP);
    history.replies.retain(|reply| reply.event != WARM_UP);
}

/// Whether the control plane says that there is nothing to do: nothing waits on the topic, nothing is in
/// flight, nothing is parked.
pub(crate) fn is_quiet(client: &Client) -> Option<bool> {
    let topics = client.get("/v1/topics")?.json();
    let topic = topics["topics"].as_array()?.iter().find(|topic| topic["topic"] == TOPIC)?.clone();
    let metrics = client.get("/metrics")?.text;
    let parked = metrics.lines().find_map(|line| line.strip_prefix("workmanager_parked_deliveries "));
    let is_parked = parked.is_some_and(|number| number.trim() != "0");
    Some(topic["backlog"] == 0 && topic["inFlight"] == 0 && !is_parked)
}
