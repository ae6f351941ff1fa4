//! What is said about source, and what it is made to.

use workmanager_core_domain::outcome::FailureKind;

use crate::support::{Harness, load};

#[tokio::test]
async fn all_errors_come_at_once_with_line_column_and_id() {
    let Some(harness) = Harness::new() else { return };
    let source = "using CloudNative.CloudEvents;
public static class Worker {
    public static CloudEvent Process(CloudEvent e) {
        int x = \"oops\";
        return e.Foo();
    }
}";
    let failure = harness.compile(source).await.unwrap_err();
    assert_eq!((failure.kind, failure.retryable), (FailureKind::LoadFailed, false));
    assert_eq!(failure.error_type.as_deref(), Some("CompilationFailed"));
    let first = "orders.cs(4,17): error CS0029: Cannot implicitly convert type 'string' to 'int'";
    assert_eq!(failure.message, format!("{first} (and 1 more)"));
    let stack = failure.stack.unwrap();
    let lines: Vec<_> = stack.lines().collect();
    assert_eq!(lines[0], first);
    assert!(lines[1].starts_with("orders.cs(5,18): error CS1061: 'CloudEvent' does not contain"), "{}", lines[1]);
    assert_eq!(lines.len(), 2);
    let failure = harness.compile("class Worker {").await.unwrap_err();
    assert_eq!(failure.message, "orders.cs(1,15): error CS1513: } expected");
}

#[tokio::test]
async fn the_same_source_gives_the_same_bytes_in_every_process() {
    let Some(one) = Harness::new() else { return };
    let other = Harness::new().unwrap();
    let source = |n: u32| {
        format!(
            "using CloudNative.CloudEvents;\nclass W {{ public CloudEvent Process(CloudEvent e) => new() {{ Data = {n} }}; }}"
        )
    };
    let first = one.compile(&source(1)).await.unwrap();
    let second = one.compile(&source(2)).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(first, one.compile(&source(1)).await.unwrap());
    assert_eq!(first, other.compile(&source(1)).await.unwrap());
}

#[tokio::test]
async fn usual_namespaces_and_todays_language_need_nothing() {
    let source = r#"
using CloudNative.CloudEvents;
using System.Text.Json;
record Order(string Name, int Count);
class Worker
{
    public CloudEvent? Process(CloudEvent e)
    {
        List<Order> orders = [new("b", 2), new("a", 1)];
        var total = orders.OrderBy(o => o.Name).Select(o => $"{o.Name}{o.Count}").ToList();
        return new CloudEvent { Type = "t", Data = new { total, first = JsonSerializer.Serialize(orders[0]) } };
    }
}"#;
    let Some(mut worker) = load(source).await else { return };
    assert_eq!(
        worker.json("1").await.data(),
        r#"{"total":["a1","b2"],"first":"{\u0022Name\u0022:\u0022b\u0022,\u0022Count\u0022:2}"}"#
    );
}

#[tokio::test]
async fn a_package_in_the_source_is_refused_with_what_to_do() {
    let Some(harness) = Harness::new() else { return };
    let failure = harness.compile("#r \"nuget: Humanizer, 2.14.1\"\nclass Worker { }").await.unwrap_err();
    assert!(failure.message.starts_with("orders.cs(1,1): #r \"nuget: Humanizer, 2.14.1\""), "{failure:?}");
    assert!(failure.message.contains("dotnet publish"), "{failure:?}");
}

#[tokio::test]
async fn what_is_no_text_does_not_compile() {
    let Some(harness) = Harness::new() else { return };
    let failure = harness.compile("").await.map(drop);
    // An empty file is a program without anything: it compiles, and does not load.
    assert!(failure.is_ok(), "{failure:?}");
    let failure = harness.try_load("").await.err().unwrap();
    assert!(failure.message.contains("there is no method for events"), "{failure:?}");
}
