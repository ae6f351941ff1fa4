//! `docs/cli.md`, typed from its first command to its last.

use serde_json::Value;
use workmanager_tests_e2e::{Server, Shell, doc_blocks::block, eventually};

fn version(server: &Server) -> Value {
    server.call("GET", "/v1/workers/orders", &Value::Null).expect(200).json()["version"].clone()
}

#[test]
fn every_command_of_the_page_does_what_the_page_says() {
    let shell = Shell::new(Server::serve(&[]));
    shell.shows(&block("cli-create"), &["orders"]);
    shell.shows(&block("cli-get"), &["orders", r#""status""#, "Running"]);
    shell.shows(&block("cli-list"), &["orders"]);
    shell.shows(&block("cli-publish"), &["order-1"]);
    shell.shows(&block("cli-tail"), &["12", "5"]);
    shell.shows(&block("cli-invoke"), &["4"]);
    shell.types(&block("cli-explain-event"));
    eventually("the event is finished", || {
        let answer = shell.server.call("GET", "/v1/events/order-4711", &Value::Null);
        (answer.status == 200 && answer.json()["events"][0]["state"] == "Finished").then_some(())
    });
    shell.shows(&block("cli-explain"), &["event order-4711", "accepted on topic `orders`"]);
    shell.types(&block("cli-logs"));
    shell.types(&block("cli-dead-letters"));
    shell.types(&block("cli-quarantine"));
    shell.types(&block("cli-load"));
    assert_eq!(version(&shell.server), 2);
    shell.shows(&block("cli-history"), &["1", "2"]);
    shell.types(&block("cli-rollback"));
    assert_eq!(version(&shell.server), 1);
    shell.types(&block("cli-stop"));
    shell.types(&block("cli-start"));
    shell.shows(&block("cli-apply"), &["returns", "audit", "unchanged"]);
    shell.types(&block("cli-delete"));
    let left = shell.server.call("GET", "/v1/workers", &Value::Null).expect(200).json();
    let names: Vec<_> = left["workers"].as_array().unwrap().iter().map(|worker| worker["name"].clone()).collect();
    assert_eq!(names, ["orders"]);
    shell.shows(&block("cli-engines"), &["text/x-python"]);
    shell.shows(&block("cli-doctor"), &["ok"]);
    shell.types(&block("cli-completions"));
    assert!(shell.folder.path().join("workmanager.bash").metadata().unwrap().len() > 0);
}
