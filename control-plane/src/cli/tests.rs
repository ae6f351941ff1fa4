//! The verbs against a fake control plane: what they ask, what they print, how they end.

mod deliveries;
mod documentation;
pub(crate) mod fake;
pub(crate) mod plane;
mod round_trip;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Exit, Verb, completions, dispatch, options::Display, output::Output};
use fake::{Fake, Reply, ok, problem, run};

const WORKER: &str = r#"{"id":"0199a3b0-7c1e-7000-8000-000000000001","name":"orders","mimeType":"text/x-python",
"language":"python","codeSource":{"content":"eA=="},"topic":"orders","topics":["orders","returns"],
"filter":"event.type == \"a\"","group":null,"replyTopic":"replies","config":{},"tags":{"team":"blue"},
"engine":{"entry":null,"invariant":false},"isolation":"shared","limits":{"timeout":"30s","concurrency":1},
"status":"Running","observed":{"state":"Loading","message":null,"since":"2026-11-25T10:00:00Z"},
"version":3,"digest":"sha256:00","createdAt":"2026-11-25T10:00:00Z","updatedAt":"2026-11-25T11:00:00Z","revision":"7"}"#;

const DETAILS: &str = "\
name         orders
id           0199a3b0-7c1e-7000-8000-000000000001
status       Running (Loading)
code         text/x-python, version 3
digest       sha256:00
topics       orders, returns
filter       event.type == \"a\"
reply topic  replies
tags         team=blue
limits       concurrency=1 timeout=30s
created      2026-11-25T10:00:00Z
updated      2026-11-25T11:00:00Z
";

const HISTORY: &str = "\
VERSION  STATUS  CREATED  DIGEST
1        Active  now      sha256:00
";

const ENGINES: &str = "\
TYPE           LANGUAGE  RUNTIME         AVAILABLE  SANDBOX  NOTE
text/x-python  python    CPython 3.11.7  yes        1 of 2
";

const EVENT: &str = "id: 1\nsource: /s\ntype: t\n\n{\n  \"n\": 1.10\n}\n";

#[tokio::test]
async fn a_worker_is_shown_as_lines_for_people_and_as_the_servers_json_for_programs() {
    let fake = Fake::start(|_| ok(WORKER)).await;
    let people = fake.run(&["get", "orders"]).await;
    assert_eq!((people.exit, people.out.as_str(), people.err.as_str()), (Exit::Success, DETAILS, ""));
    let program = fake.run(&["get", "orders", "--output", "json"]).await;
    let same: Value = serde_json::from_str(&program.out).unwrap();
    assert_eq!(same, serde_json::from_str::<Value>(WORKER).unwrap());
    assert!(program.out.starts_with("{\n  \"id\": "), "members keep their order: {}", program.out);
    assert_eq!(fake.asked()[1].line, "GET /v1/workers/orders");
}

#[tokio::test]
async fn create_sends_the_code_and_what_the_flags_say_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("orders.py");
    std::fs::write(&file, "def Process(event): ...").unwrap();
    let file = file.to_str().unwrap();
    let code = json!({ "content": STANDARD.encode("def Process(event): ...") });
    let every = "--name shop --topic a --topic b --filter true --reply-topic r --group g --tag k=v --config c=d \
        --timeout 60s --memory 64MiB --concurrency 2 --max-attempts 3 --ordering partitionkey --start --wait 5s";
    let all = json!({
        "name": "shop", "mimeType": "text/x-python", "topics": ["a", "b"], "filter": "true", "replyTopic": "r",
        "group": "g", "ordering": "partitionkey", "tags": { "k": "v" }, "config": { "c": "d" }, "start": true,
        "codeSource": code,
        "limits": { "timeout": "1m", "memory": "64MiB", "concurrency": 2, "maxAttempts": 3 },
    });
    let table =
        [("", "30s", json!({ "name": "orders", "mimeType": "text/x-python", "codeSource": code })), (every, "5s", all)];
    for (flags, wait, expected) in table {
        let fake = Fake::start(|_| (201, "application/json", WORKER.to_owned())).await;
        let line: Vec<&str> = ["create", file].into_iter().chain(flags.split_whitespace()).collect();
        let ran = fake.run(&line).await;
        assert_eq!((ran.exit, ran.out.as_str()), (Exit::Success, DETAILS), "{}", ran.err);
        let asked = fake.asked_once();
        assert_eq!(asked.line, format!("POST /v1/workers?wait={wait}"));
        assert_eq!(serde_json::from_str::<Value>(&asked.body).unwrap(), expected);
    }
}

#[tokio::test]
async fn list_follows_the_pages_and_lines_the_workers_up() {
    let fake = Fake::start(|asked| {
        let next = if asked.line.contains("cursor=c%2F1") { "null" } else { "\"c/1\"" };
        ok(format!("{{\"workers\":[{WORKER}],\"nextCursor\":{next}}}"))
    })
    .await;
    let ran = fake.run(&["list", "--status", "Running", "--tag", "team:blue"]).await;
    let row = "orders  Running (Loading)  orders,returns  python    3        0199a3b0-7c1e-7000-8000-000000000001\n";
    let header = "NAME    STATUS             TOPICS          LANGUAGE  VERSION  ID\n";
    assert_eq!(ran.out, format!("{header}{row}{row}"));
    let first = "GET /v1/workers?status=Running&tag=team%3Ablue&limit=1000";
    let lines: Vec<_> = fake.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines, [first.to_owned(), format!("{first}&cursor=c%2F1")]);
    let json = fake.run(&["list", "--output", "json", "--limit", "1"]).await;
    let read: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(read["workers"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn every_other_verb_asks_for_what_it_says() {
    let history =
        r#"{"history":[{"version":1,"digest":"sha256:00","createdAt":"now","status":"Active"}],"nextCursor":null}"#;
    let engines = r#"{"engines":[{"mimeType":"text/x-python","language":"python","runtime":"CPython 3.11.7",
        "available":true,"reason":null,"sandbox":[{"name":"seccomp","active":true},{"name":"landlock","active":false}]}]}"#;
    let event = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":1.10}}"#;
    let event = || (200, "application/cloudevents+json", event.to_owned());
    let gone = || (204, "text/plain", String::new());
    let ask = |line: &str, asked, answer: Reply, printed| (line.to_owned(), asked, answer, printed);
    let table = [
        ask("start orders", "POST /v1/workers/orders/start", ok(WORKER), "orders is Running\n"),
        ask("stop orders", "POST /v1/workers/orders/stop", ok(WORKER), "orders is Running\n"),
        ask("delete orders", "DELETE /v1/workers/orders?drain=30s", gone(), "orders is deleted\n"),
        ask("rollback orders 2", "POST /v1/workers/orders/rollback", ok(WORKER), DETAILS),
        ask("load orders Cargo.toml", "PUT /v1/workers/orders/code?wait=30s", ok(WORKER), DETAILS),
        ask("history orders", "GET /v1/workers/orders/history", ok(history), HISTORY),
        ask("engines", "GET /v1/engines", ok(engines), ENGINES),
        ask("invoke orders -d {}", "POST /v1/workers/orders/invoke", event(), EVENT),
        ask("invoke orders", "POST /v1/workers/orders/invoke", gone(), "no reply\n"),
    ];
    for (line, asked, answer, printed) in table {
        let fake = Fake::start(move |_| answer.clone()).await;
        let ran = fake.run(&line.split(' ').collect::<Vec<_>>()).await;
        assert_eq!((ran.out.as_str(), ran.exit), (printed, Exit::Success), "{line}: {}", ran.err);
        assert_eq!(fake.asked_once().line, asked, "{line}");
    }
}

#[tokio::test]
async fn publish_sends_the_event_in_binary_mode() {
    let fake = Fake::start(|_| (202, "application/json", r#"{"accepted":["7"]}"#.to_owned())).await;
    let line = ["publish", "orders", "-d", r#"{"n": 1.10}"#, "--id", "7", "--type", "order", "--token", "wm_x"];
    let ran = fake.run(&line).await;
    assert_eq!((ran.exit, ran.out.as_str()), (Exit::Success, "accepted on orders: 7\n"));
    let asked = fake.asked_once();
    assert_eq!((asked.line.as_str(), asked.body.as_str()), ("POST /v1/topics/orders/events", r#"{"n": 1.10}"#));
    let header = |name| asked.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("ce-id"), Some("7"));
    assert_eq!(header("ce-type"), Some("order"));
    assert_eq!(header("ce-specversion"), Some("1.0"));
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("authorization"), Some("Bearer wm_x"));
}

#[tokio::test]
async fn tail_shows_each_event_on_a_line_until_the_limit() {
    let event =
        |id: u8| format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","data":{{"n": 1.10}}}}"#);
    let (one, two) = (event(1), event(2));
    let body = format!(": log: all\n\n: live only\n\nid: 5\ndata: {one}\n\n: \n\nid: 6\ndata: {two}\n\n");
    let fake = Fake::start(move |_| (200, "text/event-stream", body.clone())).await;
    let people = fake.run(&["tail", "orders", "--since", "4", "--limit", "2"]).await;
    assert_eq!(people.out, "     5  t  1  /s  {\"n\":1.10}\n     6  t  2  /s  {\"n\":1.10}\n");
    assert_eq!((people.exit, people.err.as_str()), (Exit::Success, "live only\n"));
    assert_eq!(fake.asked_once().line, "GET /v1/topics/orders/events?follow=true&since=4");
    let program = fake.run(&["tail", "orders", "--limit", "1", "--output", "json"]).await;
    assert_eq!(program.out, format!("{}\n", one.replace(": 1.10", ":1.10")));
    let ended = fake.run(&["tail", "orders"]).await;
    assert_eq!(ended.exit, Exit::Unavailable);
    assert!(ended.err.contains("has ended the stream\nhint: "), "{}", ended.err);
}

#[tokio::test]
async fn an_error_says_what_is_wrong_with_what_and_what_to_do_next() {
    let body = r#"{"title":"Invalid worker","detail":"1 field is wrong","status":400,"code":"invalid-worker",
        "requestId":"r","errors":[{"pointer":"/topics/0","reason":"must not be empty"}]}"#;
    let fake = Fake::start(|_| (400, "application/problem+json", body.to_owned())).await;
    let ran = fake.run(&["get", "x"]).await;
    let said = "error: Invalid worker: 1 field is wrong\n  /topics/0 must not be empty\n  code: invalid-worker\n";
    assert_eq!((ran.exit, ran.err.as_str(), ran.out.as_str()), (Exit::Refused, said, ""));
    let body = r#"{"title":"Unprocessable","detail":"ValueError: no","status":422,"code":"worker-exception",
        "failure":{"kind":"exception","stack":"Traceback:\n  line 1"},"logs":[{"stream":"stdout","text":"hello"}]}"#;
    let fake = Fake::start(|_| (422, "application/problem+json", body.to_owned())).await;
    let ran = fake.run(&["invoke", "x"]).await;
    let said = "error: Unprocessable: ValueError: no\n  | hello\n  Traceback:\n    line 1\n  code: worker-exception\n";
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Refused, said));
    let fake = Fake::start(|_| problem(404, "worker-not-found", "There is no worker `x`")).await;
    let ran = fake.run(&["start", "x"]).await;
    assert_eq!(ran.exit, Exit::NotFound);
    assert!(ran.err.ends_with("hint: `workmanager list` shows what is there\n"), "{}", ran.err);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_with_what_to_start() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = run(&["list", "--server", &format!("http://{free}")]).await;
    assert_eq!(ran.exit, Exit::Unreachable);
    assert!(ran.err.starts_with(&format!("error: no server answers at http://{free}\n")), "{}", ran.err);
    assert!(ran.err.contains("hint: is it running? start one with `workmanager dev`"), "{}", ran.err);
}

#[tokio::test]
async fn a_completion_script_knows_the_verbs() {
    let ran = run(&["completions", "bash"]).await;
    assert_eq!(ran.exit, Exit::Success);
    assert!(ran.out.contains("publish") && ran.out.contains("_workmanager"));
}

#[tokio::test]
async fn a_reader_that_has_had_enough_ends_the_program_quietly() {
    struct Closed(std::io::ErrorKind);
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let table = [
        (std::io::ErrorKind::BrokenPipe, Exit::Success, ""),
        (std::io::ErrorKind::StorageFull, Exit::Failure, "error: cannot write the output\n  no storage space\n"),
    ];
    for (kind, exit, said) in table {
        let err = fake::Buffer::default();
        let open = |display: &Display| Output::to(display.output, Closed(kind), err.clone());
        let program = clap::Command::new("workmanager");
        let verb = Verb::Completions(completions::Args { shell: clap_complete::Shell::Bash });
        assert_eq!(dispatch(&verb, program, &open, fake::no_dotnet).await, exit, "{kind}");
        assert_eq!(err.text(), said);
    }
}
