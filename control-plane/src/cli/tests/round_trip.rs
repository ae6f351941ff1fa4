//! The verbs against a real control plane whose function is a fake: both sides mean the same.

use serde_json::Value;

use super::plane::Plane;
use crate::cli::Exit;

/// Runs a line that must succeed; what it printed.
async fn done(plane: &Plane, line: &str) -> String {
    let words: Vec<_> = line.split(' ').collect();
    let ran = plane.run(&words).await;
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Success, ""), "{line}");
    ran.out
}

/// Runs a line that must fail; how, and what it said.
async fn refused(plane: &Plane, line: &str) -> (Exit, String) {
    let words: Vec<_> = line.split(' ').collect();
    let ran = plane.run(&words).await;
    assert_eq!(ran.out, "", "{line}");
    (ran.exit, ran.err)
}

#[tokio::test]
async fn a_worker_from_its_creation_to_its_end() {
    let plane = Plane::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    for (name, code) in [("orders.py", "one"), ("better.py", "two"), ("bad.py", "syntax error")] {
        std::fs::write(path(name), code).unwrap();
    }
    let flags = "--topic orders --topic returns --filter true --reply-topic replies --group g --tag team=shop \
                 --config region=eu --timeout 10s --memory 64MiB --concurrency 2 --max-attempts 3 --ordering partitionkey \
                 --start --wait 5s";
    let shown = done(&plane, &format!("create {} {flags}", path("orders.py"))).await;
    assert!(shown.starts_with("name         orders\n") && shown.contains("\ntags         team=shop\n"), "{shown}");
    assert!(shown.contains("\nordering     partitionkey\n"), "{shown}");
    let worker = plane.worker("orders").await;
    assert_eq!((&worker["limits"]["concurrency"], &worker["config"]["region"]), (&2.into(), &"eu".into()));
    let filters = "--status Running --topic returns --group g --mime-type text/x-python --name orders --tag team:shop";
    assert!(done(&plane, &format!("list {filters}")).await.contains("\norders  Running"));
    assert_eq!(done(&plane, "stop orders").await, "orders is Stopped\n");
    assert_eq!(done(&plane, "start orders").await, "orders is Running\n");

    done(&plane, &format!("load orders {}", path("better.py"))).await;
    let (exit, said) = refused(&plane, &format!("load orders {}", path("bad.py"))).await;
    assert_eq!(exit, Exit::Refused);
    for part in
        ["SyntaxError: invalid syntax", "File \"orders.py\", line 1", "code: load-failed", "hint: correct the code"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let history = done(&plane, "history orders").await;
    let states: Vec<_> =
        history.lines().skip(1).map(|line| line.split_whitespace().take(2).collect::<Vec<_>>()).collect();
    assert_eq!(states, [["1", "Validated"], ["2", "Active"]]);
    done(&plane, "rollback orders 1").await;
    assert_eq!(plane.code("orders").await, "one");
    assert_eq!(done(&plane, "delete orders --drain 1s").await, "orders is deleted\n");
    assert_eq!(refused(&plane, "get orders").await.0, Exit::NotFound);
}

#[tokio::test]
async fn an_event_from_the_publisher_to_the_tail() {
    let plane = Plane::start().await;
    let published = done(&plane, r#"publish orders --id 7 --type order --ext tenant=a -d {"n":1.10}"#).await;
    assert_eq!(published, "accepted on orders: 7\n");
    done(&plane, "publish orders --id 8 --content-type text/plain -d hello").await;
    let tail = done(&plane, "tail orders --since 0 --limit 2").await;
    let shown: Vec<_> = tail.lines().map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>()).collect();
    let expected =
        [["order", "7", "workmanager-cli", r#"{"n":1.10}"#], ["workmanager.event", "8", "workmanager-cli", "hello"]];
    assert_eq!(shown, expected);
    let json = done(&plane, "tail orders --since 0 --limit 1 --output json").await;
    let event: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&event["tenant"], json.contains("1.10")), (&"a".into(), true), "{json}");
}

#[tokio::test]
async fn a_worker_without_a_reply_and_a_server_that_is_well() {
    let plane = Plane::start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("orders.py");
    std::fs::write(&file, "one").unwrap();
    done(&plane, &format!("create {} --name quiet", file.display())).await;
    assert_eq!(done(&plane, "invoke quiet -d {}").await, "no reply\n");
    assert_eq!(done(&plane, "invoke quiet --output json").await, "null\n");
    assert!(done(&plane, "engines").await.starts_with("TYPE"));
    let doctor = done(&plane, &format!("doctor --data-dir {}", directory.path().display())).await;
    assert!(doctor.starts_with(&format!("ok    server          healthy at {}\n", plane.url())), "{doctor}");
    let (exit, said) = refused(&plane, &format!("create {} --name quiet", file.display())).await;
    assert_eq!(exit, Exit::Refused);
    assert!(said.contains("code: name-taken") && said.contains("hint: choose another --name"), "{said}");
}
