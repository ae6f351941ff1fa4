//! `dev` with a file, as somebody who writes code sees it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::{fs, path::Path};

use rustix::process::Signal;
use serde_json::{Value, json};
use workmanager_tests_e2e::{Server, command_line, descendants, eventually, is_alive};

fn source(answer: &str) -> String {
    format!(
        "# workmanager: topic=in reply-topic=replies\ndef Process(event):\n    return {{'type': 't', 'data': '{answer}'}}\n"
    )
}

fn dev(file: &Path, first: &str) -> Server {
    fs::write(file, source(first)).unwrap();
    Server::dev(&[file.to_str().unwrap()])
}

fn version(server: &Server) -> u64 {
    server.call("GET", "/v1/workers/w", &Value::Null).expect(200).json()["version"].as_u64().unwrap()
}

#[test]
fn saving_the_file_is_loading_it_and_a_bad_save_keeps_the_good_code() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.py");
    let server = dev(&file, "one");
    let replies = server.tail("replies", "");
    let mut published = 0;
    let mut answer = || {
        published += 1;
        server.publish("in", &published.to_string(), &json!(null));
        replies.next()["data"].as_str().unwrap().to_owned()
    };
    assert_eq!(answer(), "one");

    // An editor that writes piece by piece, then renames a whole file into place.
    let text = source("two");
    fs::write(&file, &text[..20]).unwrap();
    fs::write(&file, &text).unwrap();
    let beside = folder.path().join(".w.py.swp");
    fs::write(&beside, &text).unwrap();
    fs::rename(&beside, &file).unwrap();
    eventually("the saved file is loaded", || (version(&server) > 1).then_some(()));
    assert_eq!(answer(), "two");
    assert_eq!(version(&server), 2, "several writes of one save are one version");

    fs::write(&file, "def Process(event)\n").unwrap();
    fs::write(folder.path().join("other.py"), "x").unwrap();
    assert_eq!(answer(), "two", "a bad save changes nothing");
    fs::write(&file, source("three")).unwrap();
    eventually("the repaired file is loaded", || (version(&server) == 3).then_some(()));
    assert_eq!(answer(), "three");
}

#[test]
fn ctrl_c_ends_dev_and_everything_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = dev(&folder.path().join("w.py"), "one");
    let family = descendants(server.pid());
    assert!(!family.is_empty());
    server.signal(Signal::INT);
    assert!(server.ended().success());
    for pid in family {
        eventually(&format!("process {pid} ({}) is gone", command_line(pid)), || (!is_alive(pid)).then_some(()));
    }
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_what_is_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.py");
    fs::write(&file, "# workmanager: topic=in\nimport time\ndef Process(event):\n    time.sleep(25)\n").unwrap();
    let mut server = Server::dev(&[file.to_str().unwrap()]);
    server.publish("in", "1", &json!(null));
    eventually("the attempt has begun", || {
        server.metric("workmanager_deliveries_in_flight").filter(|count| *count > 0.0)
    });
    let family = descendants(server.pid());
    server.signal(Signal::INT);
    eventually("it is stopping", || {
        let health = server.attempt("GET", "/health")?;
        (health != 200).then_some(())
    });
    server.signal(Signal::INT);
    assert_eq!(server.ended().code(), Some(130));
    for pid in family {
        eventually(&format!("process {pid} ({}) is gone", command_line(pid)), || (!is_alive(pid)).then_some(()));
    }
}
