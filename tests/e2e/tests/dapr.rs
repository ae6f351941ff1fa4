//! The whole program on a real Dapr sidecar and a real Redis.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests may fail loudly; how soon it was ready is a promise, and measured here"
)]

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};
use workmanager_tests_e2e::{
    QUICK_START, Redis, Server,
    doc_blocks::{block, root},
    eventually, tool, workmanager,
};

/// Prints the first event of a topic as Dapr's own client has it.
const READ: &str = r#"
import json, sys
from dapr.clients import DaprClient

with DaprClient() as client:
    subscription = client.subscribe("pubsub", sys.argv[1])
    event = subscription.next_message()
    subscription.respond_success(event)
    print(json.dumps({
        "specversion": event.spec_version(), "id": event.id(), "source": event.source(), "type": event.type(),
        "datacontenttype": event.data_content_type(), "data": event.data(), **event.extensions(),
    }))
    subscription.close()
"#;

const ECHO: &str = "def Process(event):\n    return {'type': 'done', 'data': event['data']}\n";

/// Two tests serve where users do.
static PORT_5001: Mutex<()> = Mutex::new(());

fn reply_to(redis: &Redis, topic: &str, cause: &str) -> Value {
    eventually("the broker has the reply", || {
        redis.stream(topic).into_iter().find(|event| event["causationid"] == cause)
    })
}

/// The first event of a topic, as a program gets it that has nothing of ours: an app of its own, beside a sidecar of its
/// own, with Dapr's client for Python.
fn read_by_another(redis: &Redis, python: &Path, topic: &str) -> Value {
    let mut sidecar = redis.sidecar_of("reader", None);
    sidecar.run();
    let mut reader = Command::new("timeout");
    reader.args(["60"]).arg(python).args(["-c", READ, topic]).stdin(Stdio::null());
    reader.env("DAPR_GRPC_PORT", sidecar.grpc_port.to_string()).env("DAPR_HTTP_PORT", sidecar.http_port.to_string());
    let output = reader.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_quick_start_runs_beside_a_sidecar_and_its_reply_reaches_a_client_of_dapr() {
    let Some(redis) = Redis::start() else { return };
    let Some(python) = tool("dapr-python", "WORKMANAGER_TEST_DAPR_PYTHON") else { return };
    let _alone = PORT_5001.lock();
    let mut sidecar = redis.sidecar(Some(5001));
    let mut command = Command::new(workmanager());
    command.args(["serve", "--profile", "dapr", "--log", "warn", "--data-dir"]).arg(redis.folder().join("data"));
    command.env("DAPR_GRPC_PORT", sidecar.grpc_port.to_string());
    // It waits for the program, and the program for it.
    sidecar.run();
    let server = Server::spawn(command, "http://127.0.0.1:5001".into(), redis.folder().to_owned(), None);

    let output =
        Command::new("bash").args(["-c", &format!("{QUICK_START} -s")]).stderr(Stdio::null()).output().unwrap();
    let worker: Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = worker["id"].as_str().unwrap();
    let _ = server.call("POST", &format!("/v1/workers/{id}/start"), &Value::Null).expect(200);
    let event = json!({ "specversion": "1.0", "id": "1", "source": "/shop", "type": "order", "replytopic": "answers",
                        "datacontenttype": "application/json", "data": { "n": 1 } });
    let topic = worker["topic"].as_str().unwrap();
    assert_eq!(sidecar.publish(topic, "application/cloudevents+json", &event.to_string()), 204);
    let mut reply = reply_to(&redis, "answers", "1");
    assert_eq!((&reply["type"], &reply["source"]), (&json!("com.example.output"), &json!("python-worker")));
    assert_eq!(reply["data"], json!({ "n": 1 }));
    // All numbers in attributes are of one kind there.
    reply["workmanagerhops"] = json!(1.0);
    assert_eq!(read_by_another(&redis, &python, "answers"), reply);
    // The reply is published before its event's record is written.
    eventually("the event is finished", || {
        let told = server.call("GET", "/v1/events/1", &Value::Null).json();
        (told["events"][0]["state"] == "Finished").then_some(())
    });
}

/// A sidecar that comes `late` after the program, and goes away for so long later on.
fn without_a_sidecar(late: Duration, away: Duration) {
    let Some(redis) = Redis::start() else { return };
    let mut sidecar = redis.sidecar(None);
    let (command, url) = redis.serve(&sidecar, "data");
    let starter = thread::spawn(move || {
        thread::park_timeout(late);
        sidecar.run();
        (sidecar, Instant::now())
    });
    let server = Server::spawn(command, url, redis.folder().to_owned(), None);
    assert!(starter.is_finished(), "it was not ready without its sidecar");
    let (mut sidecar, there) = starter.join().unwrap();
    println!("ready {:?} after the sidecar was started", there.elapsed());
    assert!(there.elapsed() < Duration::from_secs(5), "ready {:?} after the sidecar was started", there.elapsed());

    server.worker("w", "orders", ECHO);
    server.publish("orders", "1", &json!(1));
    reply_to(&redis, "replies", "1");
    let publish = |id: &str| {
        let event = json!({ "specversion": "1.0", "id": id, "source": "/test", "type": "t", "replytopic": "replies" });
        let headers = [("content-type", "application/cloudevents+json")];
        server.send("POST", "/v1/topics/orders/events", &headers, event.to_string().as_bytes())
    };
    // What was accepted a moment before is under way.
    let accepted: Vec<_> = (2..22).map(|number| number.to_string()).collect();
    accepted.iter().for_each(|id| assert_eq!(publish(id).status, 202));
    sidecar.kill();
    let start = Instant::now();
    eventually("the topic says that it fails", || {
        let topic = server.topic("orders")?;
        (topic["state"] == "failing" && topic["error"].is_string()).then_some(())
    });
    let streams = |state: &str| server.metric(&format!("workmanager_dapr_streams{{state=\"{state}\"}}"));
    // The topic's and the redo topic's.
    eventually("the numbers say it, too", || (streams("failed") == Some(2.0)).then_some(()));
    assert_eq!(streams("open"), Some(0.0));
    while start.elapsed() < away {
        assert_eq!(publish("late").expect(503).json()["code"], "bus-unavailable");
        thread::park_timeout(Duration::from_millis(200));
    }
    sidecar.run();
    eventually("the topic is open again", || (server.topic("orders")?["state"] == "open").then_some(()));
    eventually("the numbers say it, too", || (streams("open") == Some(2.0)).then_some(()));
    assert_eq!((streams("failed"), streams("opening")), (Some(0.0), Some(0.0)));
    eventually("events are accepted again", || (publish("late").status == 202).then_some(()));
    accepted.iter().map(String::as_str).chain(["late"]).for_each(|id| drop(reply_to(&redis, "replies", id)));
}

#[test]
fn a_sidecar_that_comes_late_or_goes_away_is_said_and_nothing_accepted_is_lost() {
    without_a_sidecar(Duration::from_secs(3), Duration::from_secs(2));
}

#[test]
#[ignore = "the long form of the test above: a minute without a sidecar"]
fn a_sidecar_that_is_away_for_a_minute_is_said_and_nothing_accepted_is_lost() {
    without_a_sidecar(Duration::from_secs(20), Duration::from_secs(60));
}

#[test]
fn replicas_share_definitions_and_events_and_one_finishes_what_another_has_parked() {
    let Some(redis) = Redis::start() else { return };
    let ((one, _beside_one), (other, _beside_other)) = (redis.replica("one"), redis.replica("other"));
    one.worker("stays", "orders", ECHO);
    one.worker("w", "orders", ECHO);
    let known = |server: &Server, status: &str| {
        let answer = server.call("GET", "/v1/workers/w", &Value::Null);
        (answer.status == 200 && answer.json()["status"] == status).then_some(())
    };
    eventually("the other knows the worker", || known(&other, "Running"));
    let _ = other.call("POST", "/v1/workers/w/stop", &Value::Null).expect(200);
    eventually("it is stopped everywhere", || known(&one, "Stopped"));
    for n in 0..20 {
        one.publish("orders", &n.to_string(), &json!(n));
    }
    let states = |server: &Server, n: u32| {
        let answer = server.call("GET", &format!("/v1/events/{n}"), &Value::Null);
        let event = (answer.status == 200).then(|| answer.json()["events"][0].clone())?;
        let worker = event["workers"].as_array()?.iter().find(|worker| worker["name"] == "w")?.clone();
        Some((event["state"].clone(), worker["state"].clone()))
    };
    for n in 0..20 {
        eventually("it waits for the worker", || states(&one, n).filter(|(_, worker)| worker == "Parked").map(drop));
    }
    for (server, name) in [(&one, "one"), (&other, "other")] {
        let matched = server.metric(r#"workmanager_matches_total{result="matched"}"#);
        assert!(matched > Some(0.0), "replica `{name}` had no share of the events");
    }
    // What it has parked is nobody else's until it was silent for a whole life.
    other.signal(Signal::KILL);
    let _ = one.call("POST", "/v1/workers/w/start", &Value::Null).expect(200);
    for n in 0..20 {
        eventually("every event is finished", || states(&one, n).filter(|(event, _)| event == "Finished").map(drop));
    }
    let replies = redis.stream("replies");
    let mut seen: Vec<_> =
        replies.iter().map(|reply| (reply["causationid"].to_string(), reply["id"].to_string())).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 40, "each worker has answered each event");
}

/// What the doctor says of the sidecar, once all was looked at.
fn diagnosis(server: &Server) -> (Vec<Value>, String) {
    let doctor = |more: &[&str]| {
        let mut command = Command::new(workmanager());
        command.args(["doctor", "--server", server.url()]).args(more);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let read: Value = serde_json::from_str(&doctor(&["--output", "json"])).unwrap();
        let checks = read["checks"].as_array().unwrap().clone();
        let of_sidecar: Vec<_> = checks.into_iter().filter(|check| check["name"] == "sidecar").collect();
        if !of_sidecar.iter().any(|check| check["message"].as_str().unwrap().contains("still being looked at")) {
            return (of_sidecar, doctor(&[]));
        }
        assert!(Instant::now() < deadline, "the sidecar is still looked at: {of_sidecar:?}");
        thread::park_timeout(Duration::from_millis(500));
    }
}

#[test]
fn the_doctor_finds_nothing_in_the_shipped_files() {
    let Some(redis) = Redis::start() else { return };
    let (server, _beside) = redis.replica("shipped");
    let (checks, _) = diagnosis(&server);
    assert_eq!(checks.iter().map(|check| &check["verdict"]).collect::<Vec<_>>(), ["ok"], "{checks:?}");
}

#[test]
fn the_doctor_says_which_line_of_the_sidecars_files_is_not_as_it_should_be() {
    let Some(redis) = Redis::start() else { return };
    redis.alter("resiliency.yaml", "inbound:\n          retry: workmanager", "inbound: {}");
    let mut sidecar = redis.sidecar(None);
    sidecar.run();
    let (mut command, url) = redis.serve(&sidecar, "altered");
    let log = redis.folder().join("serve.log");
    command.stderr(std::fs::File::create(&log).unwrap());
    let server = Server::spawn(command, url, redis.folder().to_owned(), None);
    let (checks, said) = diagnosis(&server);
    assert_eq!(checks.len(), 1, "{checks:?}");
    assert_eq!(checks[0]["verdict"], "warn");
    let is_named = |text: &str| text.contains("deploy/dapr/resiliency.yaml") && text.contains("inbound: what failed");
    assert!(is_named(checks[0]["message"].as_str().unwrap()), "{checks:?}");
    assert!(said.lines().any(|line| line.starts_with("warn  sidecar") && is_named(line)), "{said}");
    let logged = std::fs::read_to_string(log).unwrap();
    assert_eq!(logged.lines().filter(|line| line.contains("WARN") && is_named(line)).count(), 1, "{logged}");
}

#[test]
fn the_page_about_dapr_works_as_it_is_typed() {
    let (Some(daprd), Some(redis)) =
        (tool("daprd", "WORKMANAGER_TEST_DAPRD"), tool("redis-server", "WORKMANAGER_TEST_REDIS"))
    else {
        return;
    };
    let (_alone, folder) = (PORT_5001.lock(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(root().join("deploy"), folder.path().join("deploy")).unwrap();
    let program = workmanager();
    let path: Vec<_> = [&daprd, &redis, &program].map(|tool| tool.parent().unwrap().display().to_string()).into();
    let typed = format!("{}\n{}\n", block("dapr-start").script(), block("dapr-event").script());
    let script = format!("PATH={}:$PATH\ntrap 'kill $(jobs -p)' EXIT\n{typed}", path.join(":"));
    let mut shell = Command::new("timeout");
    shell.args(["90", "bash", "-euo", "pipefail", "-c", &script]).current_dir(folder.path());
    let output = shell.env("DAPR_HOST_IP", "127.0.0.1").stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}", output.status);
    let story = std::fs::read_to_string(folder.path().join("story.txt")).unwrap();
    assert!(story.contains("reply") && story.contains("confirmations"), "{story}");
}
