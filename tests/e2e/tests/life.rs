//! From zero, to zero, and what is left when it stops or is killed.

use rustix::process::Signal;
use serde_json::{Value, json};
use workmanager_tests_e2e::{Server, command_line, descendants, eventually, is_alive};

const ECHO: &str = "def Process(event):\n    return {'type': 'echo', 'data': event['data']}\n";

#[test]
fn a_function_is_started_by_the_first_event_and_stopped_when_idle() {
    let server = Server::serve(&["--function-idle", "300ms"]);
    assert_eq!(server.metric("workmanager_function_running"), Some(0.0));
    server.worker("echo", "in", ECHO);
    eventually("the function that validated the code is stopped", || {
        (server.metric("workmanager_function_running") == Some(0.0) && descendants(server.pid()).is_empty())
            .then_some(())
    });
    let observed = server.call("GET", "/v1/workers/echo", &Value::Null).json()["observed"].clone();
    assert_eq!(observed["state"], "Ready");
    assert!(observed["message"].as_str().unwrap().contains("scaled to zero"), "{observed}");

    let started = server.metric("workmanager_function_starts_total").unwrap();
    let replies = server.tail("replies", "");
    server.publish("in", "1", &json!(1));
    assert_eq!(replies.next()["data"], 1);
    assert_eq!(server.metric("workmanager_function_starts_total"), Some(started + 1.0));
    eventually("it is stopped again", || {
        (server.metric("workmanager_function_running") == Some(0.0) && descendants(server.pid()).is_empty())
            .then_some(())
    });
    server.publish("in", "2", &json!(2));
    assert_eq!(replies.next()["data"], 2);
}

#[test]
fn a_stop_finishes_what_is_in_flight_and_leaves_no_process() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::serve_in(directory.path(), &[]);
    let source =
        "import time\ndef Process(event):\n    time.sleep(0.5)\n    return {'type': 'slow', 'data': event['data']}\n";
    server.worker("slow", "in", source);
    server.publish("in", "1", &json!("in flight"));
    eventually("the attempt has begun", || {
        server.metric("workmanager_deliveries_in_flight").filter(|count| *count > 0.0)
    });
    let family = descendants(server.pid());
    assert!(family.len() >= 3, "function, zygote and worker: {family:?}");
    server.signal(Signal::TERM);
    assert!(server.ended().success());
    for pid in family {
        eventually(&format!("process {pid} ({}) is gone", command_line(pid)), || (!is_alive(pid)).then_some(()));
    }
    drop(server);

    let server = Server::serve_in(directory.path(), &[]);
    assert_eq!(server.tail("replies", "&since=0").next()["data"], "in flight");
    assert_eq!(server.metric("workmanager_function_starts_total"), None, "it was done before the stop");
}

#[test]
fn killed_with_everything_in_flight_it_continues_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::serve_in(directory.path(), &[]);
    server.worker("echo", "in", ECHO);
    for id in 0..50 {
        server.publish("in", &id.to_string(), &json!(id));
    }
    let family = descendants(server.pid());
    server.signal(Signal::KILL);
    for pid in family {
        eventually(&format!("process {pid} ({}) is gone", command_line(pid)), || (!is_alive(pid)).then_some(()));
    }
    drop(server);

    let server = Server::serve_in(directory.path(), &[]);
    let replies = server.tail("replies", "&since=0");
    let mut seen: Vec<_> = (0..50).map(|_| replies.next()["data"].as_i64().unwrap()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (0..50).collect::<Vec<_>>(), "every accepted event has its reply, once");
}

#[test]
fn a_second_control_plane_on_the_same_data_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Server::serve_in(directory.path(), &[]);
    let second = std::process::Command::new(workmanager_tests_e2e::workmanager())
        .args(["serve", "--http-port", "0", "--internal-port", "0", "--data-dir"])
        .arg(directory.path().join("data"))
        .output()
        .unwrap();
    assert!(!second.status.success());
    let message = String::from_utf8(second.stderr).unwrap();
    assert!(message.contains("data-directory-in-use"), "{message}");
}
