//! Topics that come and go while events flow on others.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a lab that cannot go on fails, and says what it measured"
)]

use std::{
    collections::BTreeSet,
    fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use workmanager_tests_e2e::{Redis, Server, eventually};

const ECHO: &str = "def Process(event):\n    return {'type': 'done', 'data': event['data']}\n";

/// What the process has in memory, in KiB.
fn memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Starts the worker of each topic, sends it an event, and stops it. How long each topic took to open.
fn come_and_go(server: &Server, topics: &[String]) -> Vec<Duration> {
    let mut times = Vec::new();
    for topic in topics {
        let start = Instant::now();
        let _ = server.call("POST", &format!("/v1/workers/{topic}/start"), &Value::Null).expect(200);
        eventually("the topic is open", || (server.topic(topic)?["state"] == "open").then_some(()));
        times.push(start.elapsed());
        server.publish(topic, topic, &json!(1));
        eventually("it has replied", || {
            let told = server.call("GET", &format!("/v1/events/{topic}"), &Value::Null);
            (told.status == 200 && told.json()["events"][0]["state"] == "Finished").then_some(())
        });
        let _ = server.call("POST", &format!("/v1/workers/{topic}/stop"), &Value::Null).expect(200);
    }
    times
}

#[test]
#[ignore = "a measurement, which wants a quiet machine; takes minutes"]
fn two_hundred_topics_open_at_once_and_lose_nothing_while_events_flow() {
    let Some(redis) = Redis::start() else { return };
    let (server, _sidecar) = redis.replica("one");
    server.worker("busy", "busy", ECHO);
    let topics: Vec<_> = (0..200).map(|number| format!("topic-{number}")).collect();
    for topic in &topics {
        let source = workmanager_tests_e2e::base64(ECHO);
        let worker = json!({ "name": topic, "topic": topic, "codeSource": { "content": source } });
        let _ = server.call("POST", "/v1/workers", &worker).expect(201);
    }
    let (over, published) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut times, grown) = thread::scope(|scope| {
        scope.spawn(|| {
            let start = Instant::now();
            while !over.load(Ordering::Relaxed) {
                let number = published.load(Ordering::Relaxed);
                // A hundred a second. Whoever parks may be woken early.
                if start.elapsed() < Duration::from_millis(10 * number) {
                    thread::park_timeout(Duration::from_millis(2));
                    continue;
                }
                server.publish("busy", &number.to_string(), &json!(number));
                published.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut times = come_and_go(&server, &topics[..100]);
        let before = memory(&server);
        times.extend(come_and_go(&server, &topics[100..]));
        over.store(true, Ordering::Relaxed);
        (times, memory(&server).saturating_sub(before))
    });
    eventually("every event has its reply", || {
        let replies: BTreeSet<_> =
            redis.stream("replies").iter().map(|reply| reply["causationid"].to_string()).collect();
        (replies.len() as u64 == published.load(Ordering::Relaxed) + topics.len() as u64).then_some(())
    });
    times.sort_unstable();
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("open: p50 {p50:?}, p99 {p99:?}, n = {}; the last hundred took {grown} KiB", times.len());
    assert!(p50 <= Duration::from_millis(50) && p99 <= Duration::from_millis(600));
    assert!(grown <= 2 << 10);
}
