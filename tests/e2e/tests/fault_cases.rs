//! Faults from outside, through the whole product, each named after its case in docs/fault-cases.md.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use workmanager_tests_e2e::{Server, base64, command_line, descendants, eventually, within};

/// Says its process, and takes half a second for the event `slow`.
const SLOW: &str = "
import os, time
def Process(event):
    if event['data'] == 'slow' and event['workmanagerattempt'] == 1: time.sleep(30)
    return {'type': 'done', 'data': event['data']}
";

/// A started worker with these limits.
fn worker(server: &Server, name: &str, source: &str, limits: &Value) {
    let code = json!({ "content": base64(source) });
    let body = json!({ "name": name, "topic": name, "replyTopic": "replies", "start": true, "codeSource": code, "limits": limits });
    let _ = server.call("POST", "/v1/workers", &body).expect(201);
}

/// The story of an event once every worker is done with it.
fn finished(server: &Server, id: &str) -> Value {
    eventually(&format!("event {id} is finished"), || {
        let answer = server.call("GET", &format!("/v1/events/{id}"), &Value::Null);
        let event = (answer.status == 200).then(|| answer.json()["events"][0].clone())?;
        (event["state"] == "Finished").then_some(event)
    })
}

fn outcomes(event: &Value) -> Vec<String> {
    let attempts = event["workers"][0]["attempts"].as_array().unwrap();
    attempts.iter().map(|attempt| attempt["outcome"].as_str().unwrap().to_owned()).collect()
}

/// Sends a signal to the worker's process that runs an attempt now: the youngest of the family.
fn signal_worker(server: &Server, signal: Signal) {
    let youngest = eventually("the worker's process runs", || descendants(server.pid()).into_iter().max());
    kill_process(Pid::from_raw(i32::try_from(youngest).unwrap()).unwrap(), signal).unwrap();
}

fn begun(server: &Server) {
    eventually("the attempt has begun", || {
        server.metric("workmanager_deliveries_in_flight").filter(|count| *count > 0.0)
    });
}

#[test]
fn case_01_an_engine_that_is_killed_is_replaced_and_the_event_is_run_again() {
    let server = Server::serve(&[]);
    worker(&server, "other", SLOW, &json!({}));
    worker(&server, "slow", SLOW, &json!({}));
    server.publish("slow", "1", &json!("slow"));
    begun(&server);
    signal_worker(&server, Signal::KILL);
    server.publish("other", "2", &json!("quick"));
    assert_eq!(outcomes(&finished(&server, "2")), ["replied"], "others do not notice");
    let event = within(Duration::from_secs(3), "the event is run again", || {
        let event = server.call("GET", "/v1/events/1", &Value::Null);
        (event.status == 200).then(|| event.json()["events"][0].clone()).filter(|event| event["state"] == "Finished")
    });
    assert_eq!(outcomes(&event), ["engine-lost", "replied"]);
    let zombies = descendants(server.pid()).into_iter().filter(|pid| command_line(*pid).is_empty());
    assert_eq!(zombies.count(), 0);
}

#[test]
fn case_02_an_engine_that_is_stopped_is_ended_at_the_deadline_and_the_event_is_run_again() {
    let server = Server::serve(&[]);
    worker(&server, "slow", SLOW, &json!({ "timeout": "1s" }));
    server.publish("slow", "1", &json!("slow"));
    begun(&server);
    signal_worker(&server, Signal::STOP);
    let event = finished(&server, "1");
    assert_eq!(outcomes(&event), ["timed-out", "replied"]);
}

/// The status of a publish of so many bytes. Who is refused may not be able to send them all.
fn refused(server: &Server, size: usize) -> String {
    let address = server.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /v1/topics/slow/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         ce-specversion: 1.0\r\nce-id: 3\r\nce-source: /test\r\nce-type: test\r\ncontent-length: {size}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = vec![b'1'; 64 << 10];
    let _ = (0..size / chunk.len()).try_for_each(|_| stream.write_all(&chunk));
    let mut status = String::new();
    let _ = BufReader::new(stream).read_line(&mut status);
    status
}

#[test]
fn case_18_an_event_of_one_megabyte_is_delivered_and_a_larger_one_is_refused_while_it_comes() {
    let server = Server::serve(&[]);
    worker(&server, "slow", SLOW, &json!({}));
    let replies = server.tail("replies", "");
    for (id, size) in [("1", 64 << 10), ("2", 1_000_000)] {
        server.publish("slow", id, &json!("x".repeat(size)));
        assert_eq!(replies.next()["data"].as_str().unwrap().len(), size);
    }
    let memory = || {
        let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
    };
    let before = memory();
    for size in [10 << 20, 100 << 20] {
        assert!(refused(&server, size).starts_with("HTTP/1.1 413"), "{size} bytes");
    }
    assert!(memory() - before <= 8, "{} MiB before, {} after", before, memory());
}

#[test]
fn case_20_a_worker_that_always_kills_its_engine_is_paused_and_its_neighbour_serves() {
    let server = Server::serve(&[]);
    let deadly = "import os\ndef Process(event): os._exit(7)\n";
    worker(&server, "deadly", deadly, &json!({ "maxAttempts": 3 }));
    worker(&server, "well", SLOW, &json!({}));
    server.publish("deadly", "first", &json!(0));
    assert_eq!(outcomes(&finished(&server, "first")), ["engine-lost"; 3]);
    for id in 0..8 {
        server.publish("deadly", &format!("bad-{id}"), &json!(id));
    }
    let observed = eventually("the worker is paused", || {
        let observed = server.call("GET", "/v1/workers/deadly", &Value::Null).json()["observed"].clone();
        (observed["state"] == "Quarantined").then_some(observed)
    });
    assert!(observed["message"].as_str().unwrap().contains("died again and again"), "{observed}");
    server.publish("well", "good", &json!("quick"));
    assert_eq!(outcomes(&finished(&server, "good")), ["replied"]);
    let letters = server.call("GET", "/v1/dead-letters?worker=deadly", &Value::Null).json()["deadLetters"].clone();
    let first = &letters[0];
    assert_eq!((&first["reason"], &first["attempts"]), (&json!("attempts-exhausted"), &json!(3)), "{letters}");
}

#[test]
fn case_22_a_worker_that_is_deleted_in_flight_finishes_and_what_comes_later_is_nobodys() {
    let server = Server::serve(&[]);
    let source =
        "import time\ndef Process(event):\n    time.sleep(0.5)\n    return {'type': 'done', 'data': event['data']}\n";
    worker(&server, "slow", source, &json!({}));
    let replies = server.tail("replies", "");
    server.publish("slow", "1", &json!("in flight"));
    begun(&server);
    let _ = server.call("DELETE", "/v1/workers/slow", &Value::Null).expect(204);
    assert_eq!(replies.next()["data"], "in flight");
    assert_eq!(outcomes(&finished(&server, "1")), ["replied"]);
    server.publish("slow", "2", &json!("later"));
    assert_eq!(server.call("GET", "/v1/events/2", &Value::Null).status, 404);
}

#[test]
fn every_case_of_the_page_names_a_test_that_there_is() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let page = fs::read_to_string(format!("{root}/docs/fault-cases.md")).unwrap();
    let mut count = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && line.contains("::")) {
        for test in row.split('`').filter(|part| part.contains("::")) {
            let (file, name) = test.split_once("::").unwrap();
            let source = fs::read_to_string(format!("{root}/{file}")).unwrap_or_default();
            assert!(source.contains(&format!("fn {name}(")), "{test}");
            count += 1;
        }
    }
    assert!(count >= 21, "{count} tests are named");
}
