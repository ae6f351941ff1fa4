//! Code that does not load, or does harm while it does.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use workmanager_tests_e2e::base64;

use crate::scene::Scene;

/// The code is refused in these words, when a worker is made of it and when a worker that runs gets it.
#[track_caller]
fn refused(table: &[(&str, &str)]) {
    let scene = Scene::of("return None");
    for (source, says) in table {
        let code = json!({ "content": base64(source) });
        let created = scene.server.call("POST", "/v1/workers?wait=1s", &json!({ "codeSource": code, "name": "new" }));
        let changed = scene.server.call("PUT", "/v1/workers/hostile/code?wait=1s", &code);
        for answer in [created, changed] {
            let answer = answer.expect(422).json();
            assert_eq!(answer["code"], "load-failed", "{answer}");
            let detail = answer["detail"].as_str().unwrap();
            assert!(detail.contains(says), "{source}: `{detail}` should say `{says}`");
        }
    }
    let _ = scene.server.call("GET", "/v1/workers/new", &Value::Null).expect(404);
    // The version that was there serves on.
    scene.ends_well();
}

#[test]
fn an_entry_that_is_missing_or_of_no_use_is_refused_with_what_to_do() {
    refused(&[
        ("x = 1", "there is no function `Process`; a worker defines `def Process(event)`"),
        ("Process = 7", "`Process` is int, not a function"),
        ("def Process(): pass", "`Process` must take one argument, the event; it takes 0"),
    ]);
}

#[test]
fn an_import_that_sleeps_for_ever_is_refused_when_the_time_is_up() {
    let start = Instant::now();
    refused(&[
        ("import time\ntime.sleep(600)", "loading took more than 1000 ms"),
        ("while True: pass", "loading took more than 1000 ms"),
    ]);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn an_import_of_a_missing_module_is_refused_by_name() {
    refused(&[("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'")]);
}

#[test]
fn code_that_ends_its_process_while_it_loads_is_refused() {
    refused(&[
        ("import os\nos._exit(9)", "the worker's process exited with code 9"),
        ("import ctypes\nctypes.string_at(0)", "was killed by SIGSEGV"),
        ("import sys\nsys.exit(1)", "the worker called exit(1)"),
        ("hoard = bytearray(1 << 30)", "MemoryError"),
    ]);
}

#[test]
fn the_sandbox_is_there_before_the_code_is() {
    refused(&[
        ("import os\nos.fork()", "a worker starts no processes"),
        ("import os\nos.kill(os.getppid(), 9)", "sends no signals to others"),
        ("open('/tmp/left', 'w')", "a worker writes to its folder for temporary files only"),
    ]);
}
