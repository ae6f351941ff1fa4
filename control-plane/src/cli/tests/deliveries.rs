//! What became of events, asked of a real control plane whose function is a fake.

use std::time::Duration;

use serde_json::Value;

use super::{fake::Ran, plane::Plane};
use crate::cli::Exit;

async fn run(plane: &Plane, line: &str) -> Ran {
    let words: Vec<_> = line.split(' ').collect();
    plane.run(&words).await
}

/// Runs a line that must succeed; what it printed, and what it said besides.
async fn done(plane: &Plane, line: &str) -> (String, String) {
    let ran = run(plane, line).await;
    assert_eq!(ran.exit, Exit::Success, "{line}: {}", ran.err);
    (ran.out, ran.err)
}

/// Runs a line that must fail with this code, and a hint.
async fn refused(plane: &Plane, line: &str, exit: Exit, code: &str) {
    let ran = run(plane, line).await;
    assert_eq!((ran.exit, ran.out.as_str()), (exit, ""), "{line}");
    assert!(ran.err.contains(&format!("code: {code}")) && ran.err.contains("hint: "), "{line}: {}", ran.err);
}

/// A worker that has failed with these events for good.
async fn with_dead_letters(events: &[&str]) -> Plane {
    let plane = Plane::start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("orders.py");
    std::fs::write(&file, "x").unwrap();
    done(&plane, &format!("create {} --topic orders --start", file.display())).await;
    for event in events {
        done(&plane, &format!("publish orders --id {event} --type fails")).await;
    }
    let given_up = async {
        for event in events {
            while !run(&plane, &format!("explain {event}")).await.out.contains("given up") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), given_up).await.unwrap();
    plane
}

async fn letters(plane: &Plane, flags: &str) -> Vec<Value> {
    let text = done(plane, &format!("dead-letters list --output json{flags}")).await.0;
    serde_json::from_str::<Value>(&text).unwrap()["deadLetters"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_event_is_explained_in_words_and_as_the_servers_json() {
    let plane = with_dead_letters(&["e1"]).await;
    let story = done(&plane, "explain e1").await.0;
    for part in ["event e1 (fails)", "orders: given up after 1 attempt", "ValueError: no price", "dead-letters redrive"]
    {
        assert!(story.contains(part), "{part}: {story}");
    }
    assert!(story.contains("red \\u{1b}[31malert") && !story.contains('\u{1b}'), "{story}");
    let json: Value = serde_json::from_str(&done(&plane, "explain e1 --output json").await.0).unwrap();
    assert_eq!(json["events"][0]["workers"][0]["attempts"][0]["logTail"][0]["text"], "red \u{1b}[31malert");
    refused(&plane, "explain e2", Exit::NotFound, "event-not-found").await;
    refused(&plane, "explain e1 --source other", Exit::NotFound, "event-not-found").await;
}

#[tokio::test]
async fn the_lines_of_a_worker_cannot_write_to_the_terminal() {
    let plane = with_dead_letters(&["e1"]).await;
    let lines = done(&plane, "logs orders").await.0;
    assert!(lines.ends_with("e1  stderr  red \\u{1b}[31malert\n"), "{lines}");
    let line: Value = serde_json::from_str(&done(&plane, "logs orders -o json").await.0).unwrap();
    assert_eq!(line["text"], "red \u{1b}[31malert");
    refused(&plane, "logs none", Exit::NotFound, "worker-not-found").await;
}

#[tokio::test]
async fn dead_letters_are_listed_shown_redriven_and_purged() {
    let plane = with_dead_letters(&["e1", "e2", "e3"]).await;
    let table = done(&plane, "dead-letters list").await.0;
    assert!(table.starts_with("WHEN ") && table.contains(" not-retryable "), "{table}");
    let all = letters(&plane, "").await;
    let events: Vec<_> = all.iter().map(|letter| letter["eventId"].as_str().unwrap()).collect();
    assert_eq!(events, ["e1", "e2", "e3"]);
    assert_eq!(letters(&plane, " --limit 2").await.len(), 2);
    assert_eq!(letters(&plane, " --reason loop").await.len(), 0);
    let id = |at: usize| all[at]["id"].as_str().unwrap();
    assert!(done(&plane, &format!("dead-letters show {}", id(0))).await.0.contains("\"id\": \"e1\""));

    let asked = done(&plane, &format!("dead-letters redrive {} --dry-run", id(0))).await.1;
    assert_eq!(asked, "1 would be sent round again\n");
    assert_eq!(done(&plane, "dead-letters purge --all --dry-run").await.1, "3 would be given up\n");
    assert_eq!(letters(&plane, "").await, all);
    let line = format!("dead-letters redrive {} --version 7", id(0));
    assert!(run(&plane, &line).await.err.contains("code: version-not-found"));
    assert!(run(&plane, "dead-letters redrive").await.err.contains("code: invalid-request"));
    refused(&plane, "dead-letters show dl_1", Exit::NotFound, "dead-letter-not-found").await;

    assert_eq!(done(&plane, &format!("dead-letters purge {}", id(2))).await.1, "1 given up\n");
    assert_eq!(done(&plane, "dead-letters redrive --worker orders").await.1, "2 sent round again\n");
    let come_back = async {
        while letters(&plane, "").await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), come_back).await.unwrap();
    assert_eq!(done(&plane, "dead-letters purge --all").await.1, "2 given up\n");
    assert_eq!(done(&plane, "dead-letters list").await.1, "no dead letters\n");
}

#[tokio::test]
async fn the_quarantine_says_when_there_is_nothing_in_it() {
    let plane = Plane::start().await;
    assert_eq!(done(&plane, "quarantine list").await.1, "every record can be read\n");
    for verb in ["repair", "drop"] {
        refused(&plane, &format!("quarantine {verb} none"), Exit::NotFound, "quarantine-not-found").await;
    }
}
