//! Every example does what it says.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::{fs, path::Path};

use serde_json::{Value, json};
use workmanager_tests_e2e::{Dotnet, Server, Tail, doc_blocks::root, pack};

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
    let server = Server::with_dotnet(&Dotnet::found()?, "dev", &[&path]);
    let replies = server.tail("replies", "");
    Some((server, replies))
}

/// A project as `dotnet publish` leaves it, packed, with more files in it.
fn published_example(name: &str, libraries: &[&str], files: &[(&str, &Path)], deps: &str) -> Option<(Server, Tail)> {
    let dotnet = Dotnet::found()?;
    // The first worker of a machine has the type of events made, which the project is built against.
    drop(csharp_example("Patience.cs"));
    let (project, work) = (root().join("examples").join(name), tempfile::tempdir().unwrap());
    let out = work.path().join("out");
    fs::create_dir(&out).unwrap();
    // What the projects have without asking.
    let usings = work.path().join("usings.cs");
    fs::write(&usings, "global using System; global using System.Threading.Tasks;").unwrap();
    let mut built = Vec::new();
    for (assembly, folder) in
        libraries.iter().map(|library| (*library, project.join(library))).chain([(name, project.clone())])
    {
        let sources = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        let sources = sources.filter(|path| path.extension().is_some_and(|extension| extension == "cs"));
        let output = out.join(format!("{assembly}.dll"));
        dotnet.compile(&output, &sources.chain([usings.clone()]).collect::<Vec<_>>(), &built);
        built.push(output);
    }
    for (place, file) in files {
        let place = out.join(place);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(file, place).unwrap();
    }
    fs::write(out.join(format!("{name}.deps.json")), deps).unwrap();
    let archive = work.path().join(format!("{name}.zip"));
    pack(&out, &archive);
    let server = Server::with_dotnet(&dotnet, "dev", &[archive.to_str().unwrap()]);
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
fn invoice_writes_in_the_customers_language() {
    let Some((server, replies)) = csharp_example("Invoice.cs") else { return };
    let lines = json!([{"name": "bolt", "price": 1234.5, "count": 2}, {"name": "nut", "price": 0.25, "count": 2}]);
    publish(&server, "orders", "order.deleted", &json!(null));
    publish(&server, "orders", "order.created", &json!({"id": 7, "language": "de-DE", "lines": lines}));
    let reply = replies.next();
    assert_eq!((&reply["type"], &reply["subject"]), (&json!("invoice.written"), &json!("7")));
    assert_eq!(reply["data"], "2 x bolt: 2.469,00\n2 x nut: 0,50\n= 2.469,50");
}

#[test]
fn patience_answers_before_its_time_is_over() {
    let Some((server, replies)) = csharp_example("Patience.cs") else { return };
    server.publish("Patience", "1", &json!(2));
    let reply = replies.next();
    assert_eq!((&reply["type"], &reply["data"]), (&json!("patience.done"), &json!({"done": 2})));
    server.publish("Patience", "2", &json!(1_000));
    let reply = replies.next();
    assert_eq!(reply["type"], "patience.ended");
    assert!(reply["data"]["done"].as_u64().unwrap() > 0, "{reply}");
}

const SHIPPING: &str = r#"{
  "runtimeTarget": { "name": ".NETCoreApp,Version=v8.0" },
  "targets": {
    ".NETCoreApp,Version=v8.0": {
      "Shipping/1.0.0": { "dependencies": { "Parcels": "1.0.0" }, "runtime": { "Shipping.dll": {} } },
      "Parcels/1.0.0": { "runtime": { "lib/net8.0/Parcels.dll": { "assemblyVersion": "1.0.0.0" } } }
    }
  }
}"#;

#[test]
fn shipping_brings_the_library_that_it_depends_on() {
    let Some((server, replies)) = published_example("Shipping", &["Parcels"], &[], SHIPPING) else { return };
    for (id, grams, cents) in [("1", 400, 395), ("2", 3500, 995)] {
        server.publish("Shipping", id, &json!({"grams": grams}));
        assert_eq!(replies.next()["data"]["cents"], cents);
    }
}

const CHECKSUM: &str = r#"{
  "runtimeTarget": { "name": ".NETCoreApp,Version=v8.0" },
  "targets": { ".NETCoreApp,Version=v8.0": { "Checksum/1.0.0": { "runtime": { "Checksum.dll": {} } } } }
}"#;

#[test]
fn checksum_brings_a_library_of_the_system() {
    let work = tempfile::tempdir().unwrap();
    let library = work.path().join("libchecksum.so");
    let source = root().join("examples/Checksum/checksum.c");
    let mut cc = std::process::Command::new("cc");
    assert!(cc.args(["-shared", "-fPIC", "-O2", "-o"]).args([&library, &source]).status().unwrap().success());
    let platform = if cfg!(target_arch = "aarch64") { "linux-arm64" } else { "linux-x64" };
    let place = format!("runtimes/{platform}/native/libchecksum.so");
    let files = [(place.as_str(), library.as_path())];
    let Some((server, replies)) = published_example("Checksum", &[], &files, CHECKSUM) else { return };
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/test"),
        ("ce-type", "bytes"),
        ("ce-replytopic", "replies"),
        ("content-type", "application/octet-stream"),
    ];
    let _ = server.send("POST", "/v1/topics/Checksum/events", &headers, b"Wikipedia").expect(202);
    assert_eq!(replies.next()["data"], json!({"sum": "11e60398"}));
}

#[test]
fn every_example_is_in_this_file() {
    let tested = include_str!("examples.rs");
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(tested.contains(&format!("example(\"{name}\"")), "no test runs examples/{name}");
    }
}
