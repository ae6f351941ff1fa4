//! `docs/operations.md`, typed from its first command to its last, with the damage that it speaks of.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::{path::Path, process::Command};

use rustix::process::Signal;
use serde_json::Value;
use workmanager_tests_e2e::{Server, Shell, doc_blocks::block, eventually, has};

/// Changes one character of the only worker's definition in a database that nobody has open.
fn damage(directory: &Path) {
    let change = "import sqlite3, sys\n\
        db = sqlite3.connect(sys.argv[1])\n\
        change = \"UPDATE records SET value = CAST(replace(CAST(value AS TEXT), 'topics', 'topicz') AS BLOB) \"\n\
        changed = db.execute(change + \"WHERE collection = 'worker'\").rowcount\n\
        db.commit()\n\
        sys.exit(changed != 1)";
    let database = directory.join("data/workmanager.db");
    assert!(Command::new("python3").args(["-c", change]).arg(database).status().unwrap().success());
}

/// Waits until the only worker's part of the event's story is in this state.
fn story_is(server: &Server, event: &str, state: &str) {
    eventually(&format!("event {event} is {state}"), || {
        let answer = server.call("GET", &format!("/v1/events/{event}"), &Value::Null);
        (answer.status == 200 && answer.json()["events"][0]["workers"][0]["state"] == state).then_some(())
    });
}

#[test]
fn every_step_of_the_page_leads_to_the_next() {
    if !has("python3") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut shell = Shell::new(Server::serve_in(directory.path(), &[]));
    shell.types(&block("operations-fail"));
    story_is(&shell.server, "order-1", "DeadLettered");
    let failed = ["given up after 1 attempt", "worker-exception: KeyError: 'price'", "| order 1", "dead letter dl_"];
    shell.shows(&block("operations-explain"), &failed);
    shell.shows(&block("operations-logs"), &["order-1", "stdout", "order 1"]);
    shell.shows(&block("operations-dead-letters"), &["attempts-exhausted", "order-1", "\"eventId\""]);
    shell.types(&block("operations-fix"));
    story_is(&shell.server, "order-1", "DeadLettered");
    shell.types(&block("operations-redrive"));
    story_is(&shell.server, "order-1", "Done");
    let done = ["done after 2 attempts", "version 1", "version 2", "kept in this record", "\"total\":2"];
    shell.shows(&block("operations-explain-again"), &done);

    shell.server.signal(Signal::TERM);
    assert!(shell.server.ended().success());
    damage(directory.path());
    shell.server = Server::serve_in(directory.path(), &[]);
    shell.shows(&block("operations-quarantine"), &["worker.", "yes", "checksum"]);
    let answer = shell.server.call("GET", "/v1/workers/orders", &Value::Null).expect(409);
    assert_eq!(answer.json()["code"], "worker-quarantined");
    shell.shows(&block("operations-repair"), &["orders", "Running"]);
    shell.server.publish("orders", "order-2", &serde_json::json!({ "id": 2, "price": 3, "count": 2 }));
    story_is(&shell.server, "order-2", "Done");
}
