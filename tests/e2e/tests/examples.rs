//! Every example does what it says.

use serde_json::{Value, json};
use workmanager_tests_e2e::{Server, Tail, doc_blocks::root};

/// `dev` with one example, and a look at where its replies go.
fn example(name: &str) -> (Server, Tail) {
    let path = root().join("examples").join(name).display().to_string();
    let server = Server::dev(&[&path]);
    let replies = server.tail("replies", "");
    (server, replies)
}

/// The same with C#, where there is a .NET.
fn csharp_example(name: &str) -> Option<(Server, Tail)> {
    let path = root().join("examples").join(name).display().to_string();
    let server = Server::dev_with_dotnet(&[&path])?;
    let replies = server.tail("replies", "");
    Some((server, replies))
}

fn publish(server: &Server, topic: &str, kind: &str, data: &Value) {
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", kind),
        ("ce-source", "/test"),
        ("ce-type", kind),
        ("ce-replytopic", "replies"),
        ("content-type", "application/json"),
    ];
    let path = format!("/v1/topics/{topic}/events");
    let _ = server.send("POST", &path, &headers, data.to_string().as_bytes()).expect(202);
}

#[test]
fn hello_greets() {
    let (server, replies) = example("hello.py");
    server.publish("hello", "1", &json!("world"));
    let reply = replies.next();
    assert_eq!((&reply["type"], &reply["data"]), (&json!("hello"), &json!("Hello, world!")));
}

#[test]
fn orders_confirms_created_orders_and_no_other_event() {
    let (server, replies) = example("orders.py");
    let order = |id: u32, price: u32| json!({"id": id, "items": [{"price": price, "count": 2}, {"price": 1}]});
    publish(&server, "orders", "order.deleted", &order(6, 3));
    publish(&server, "orders", "order.created", &order(7, 3));
    let reply = replies.next();
    assert_eq!(reply["type"], "order.confirmed");
    assert_eq!(reply["subject"], "7");
    assert_eq!(reply["data"], json!({"id": 7, "total": 7}));
}

#[test]
fn gather_is_a_coroutine() {
    let (server, replies) = example("gather.py");
    server.publish("gather", "1", &json!({"names": ["a", "bcd"]}));
    assert_eq!(replies.next()["data"], json!({"a": 1, "bcd": 3}));
}

#[test]
fn stock_answers_in_csharp_and_keeps_count() {
    let Some((server, replies)) = csharp_example("Stock.cs") else { return };
    let take = |id: &str, article: &str, count: u32| {
        server.publish("Stock", id, &json!({"article": article, "count": count}));
        let reply = replies.next();
        (reply["type"].clone(), reply["subject"].clone(), reply["data"].clone())
    };
    let reserved = |left: u32| (json!("stock.reserved"), json!("bolt"), json!({"article": "bolt", "left": left}));
    assert_eq!(take("1", "bolt", 3), reserved(7));
    assert_eq!(take("2", "bolt", 7), reserved(0));
    assert_eq!(take("3", "bolt", 1).0, "stock.missing");
}

#[test]
fn every_example_is_in_this_file() {
    let tested = include_str!("examples.rs");
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(tested.contains(&format!("example(\"{name}\")")), "no test runs examples/{name}");
    }
}
