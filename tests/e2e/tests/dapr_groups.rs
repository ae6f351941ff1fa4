//! Groups over three replicas: one attempt of a group at a time in the whole deployment, all groups side by side.

#![expect(clippy::print_stdout, reason = "the long form says what it measured")]

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};
use workmanager_tests_e2e::{Redis, Server, Sidecar, base64, descendants, eventually, within};

/// Takes as long as a call to another service.
const NAP: &str = "import os, time\n\ndef Process(event):\n    time.sleep(0.1)\n    \
                   return {'type': 'done', 'data': [event['id'], int(event['workmanagerepoch']), os.getpid()]}\n";
/// The worker's timeout. Its group's lease lasts ten seconds longer.
const TIMEOUT: Duration = Duration::from_secs(1);
const LIFE: Duration = Duration::from_secs(11);

/// Three, with room for a process of each worker: fewer would be ended and started again for each event.
fn replicas(redis: &Redis) -> Vec<(Server, Sidecar)> {
    let environment = [("WORKMANAGER_MAX_ENGINES", "100")];
    ["one", "two", "three"].iter().map(|name| redis.replica_with(name, &environment)).collect()
}

/// A group with a topic of its own, and two workers that both take each of its events.
fn group(server: &Server, name: &str) {
    for member in ["a", "b"] {
        let worker = json!({ "name": format!("{name}-{member}"), "topic": name, "group": name, "start": true,
                             "replyTopic": "replies", "limits": { "timeout": TIMEOUT.as_secs_f64().to_string() + "s" },
                             "codeSource": { "content": base64(NAP) } });
        let _ = server.call("POST", "/v1/workers", &worker).expect(201);
    }
}

/// Until each replica knows that all of so many workers run.
fn known(replicas: &[(Server, Sidecar)], workers: usize) {
    for (server, _) in replicas {
        eventually("it knows the workers", || {
            let page = server.call("GET", "/v1/workers?status=Running&limit=1000", &Value::Null).json();
            (page["workers"].as_array()?.len() == workers).then_some(())
        });
    }
}

/// The replies in the order in which the broker took them.
fn replies(redis: &Redis) -> Vec<Value> {
    redis.stream("replies").into_iter().map(|reply| reply["data"].clone()).collect()
}

/// Until each of the groups' events has both its replies: how many attempts a second.
fn rate(redis: &Redis, replicas: &[(Server, Sidecar)], groups: &[String], events: usize) -> f64 {
    let (before, start) = (replies(redis).len(), Instant::now());
    thread::scope(|scope| {
        for (share, (server, _)) in groups.chunks(groups.len().div_ceil(3)).zip(replicas) {
            scope.spawn(move || {
                for (number, group) in (0..events).flat_map(|number| share.iter().map(move |group| (number, group))) {
                    server.publish(group, &format!("{group}-{before}-{number}"), &Value::Null);
                }
            });
        }
    });
    let expected = events * groups.len() * 2;
    within(Duration::from_secs(240), "all have replied", || {
        thread::park_timeout(Duration::from_millis(100));
        (replies(redis).len() >= before + expected).then_some(())
    });
    expected as f64 / start.elapsed().as_secs_f64()
}

#[test]
#[ignore = "a measurement, which wants a quiet machine; takes minutes"]
fn fifty_groups_do_at_least_twenty_times_what_one_does() {
    let Some(redis) = Redis::start() else { return };
    let replicas = replicas(&redis);
    let names: Vec<_> = (0..50).map(|number| format!("group-{number}")).collect();
    names.iter().for_each(|name| group(&replicas[0].0, name));
    known(&replicas, 100);
    // The engines' processes are there.
    rate(&redis, &replicas, &names, 6);
    let one = rate(&redis, &replicas, &names[..1], 20);
    let all = rate(&redis, &replicas, &names, 20);
    println!("one group: {one:.1} attempts/s; fifty: {all:.1} attempts/s, {:.1} times as many", all / one);
    let ends = ends(&redis, names.len() * 20 * 2);
    let share = |end: u64| 100 * (end - ends.first) / (ends.last - ends.first);
    let (first, last) = (share(*ends.groups.values().min().unwrap()), share(*ends.groups.values().max().unwrap()));
    println!("fairness: the first group was done after {first} % of the time that all took, the last after {last} %");
    assert!(all >= 20.0 * one);
}

/// When the broker took replies, in milliseconds.
struct Ends {
    first: u64,
    last: u64,
    /// The last one of each group.
    groups: BTreeMap<String, u64>,
}

/// Of the last replies, so many.
fn ends(redis: &Redis, count: usize) -> Ends {
    let entries = redis.entries("replies");
    let entries = &entries[entries.len() - count..];
    let mut groups = BTreeMap::new();
    for (at, reply) in entries {
        // As published above: the group's name, and numbers.
        let event = reply["data"][0].as_str().unwrap_or_default();
        let group = event.rsplitn(3, '-').last().unwrap_or_default();
        groups.insert(group.to_owned(), *at);
    }
    let at = |entry: Option<&(u64, Value)>| entry.map_or(0, |entry| entry.0);
    Ends { first: at(entries.first()), last: at(entries.last()), groups }
}

#[test]
fn a_holder_that_was_paused_for_longer_than_its_lease_says_nothing_under_its_old_epoch() {
    let Some(redis) = Redis::start() else { return };
    let replicas = replicas(&redis);
    group(&replicas[0].0, "shared");
    known(&replicas, 2);
    let mut published = 0;
    let mut publish_for = |time: Duration, via: &Server| {
        let start = Instant::now();
        while start.elapsed() < time {
            via.publish("shared", &published.to_string(), &Value::Null);
            published += 1;
            thread::park_timeout(Duration::from_millis(300));
        }
    };
    publish_for(Duration::from_secs(2), &replicas[0].0);
    // Whose process answered last has the lease, and work: it is paused in the middle.
    let holder = eventually("somebody has replied", || {
        let pid = u32::try_from(replies(&redis).last()?[2].as_u64()?).ok()?;
        replicas.iter().position(|(server, _)| descendants(server.pid()).contains(&pid))
    });
    let other = &replicas[(holder + 1) % 3].0;
    replicas[holder].0.signal(Signal::STOP);
    publish_for(LIFE * 2, other);
    replicas[holder].0.signal(Signal::CONT);
    publish_for(Duration::from_secs(2), other);

    let mut answers = BTreeMap::<u64, u32>::new();
    within(Duration::from_secs(60), "both workers have answered each event", || {
        thread::park_timeout(Duration::from_millis(200));
        answers.clear();
        for reply in redis.stream("replies") {
            *answers.entry(reply["causationid"].as_str()?.parse().ok()?).or_default() += 1;
        }
        (answers.len() == published && answers.values().all(|count| *count >= 2)).then_some(())
    });
    let epochs: Vec<_> = replies(&redis).iter().filter_map(|reply| reply[1].as_u64()).collect();
    assert!(epochs.is_sorted(), "a lower epoch spoke after a higher one: {epochs:?}");
    assert!(epochs.last() > epochs.first(), "the lease was never taken over");
}
