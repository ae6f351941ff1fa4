//! What a worker is given.

use workmanager_core_domain::event::DataKind;

use crate::support::{Harness, load};

#[tokio::test]
async fn an_event_goes_in_and_a_reply_comes_out() {
    let source = r#"
using CloudNative.CloudEvents;
public static class Worker
{
    public static CloudEvent Process(CloudEvent e) =>
        new CloudEvent { Id = e.Id + "-r", Source = new Uri("urn:w"), Type = "done", Data = e.Data };
}"#;
    let Some(mut worker) = load(source).await else { return };
    assert_eq!(worker.entry, "Worker.Process");
    let answer = worker.json(r#"{"a":[1,2.5,null]}"#).await;
    let (attributes, kind, data) = answer.reply();
    assert_eq!((attributes["id"].as_str(), attributes["type"].as_str()), (Some("e1-r"), Some("done")));
    assert_eq!((attributes["source"].as_str(), kind), (Some("urn:w"), DataKind::Json));
    assert_eq!(data.as_ref(), br#"{"a":[1,2.5,null]}"#);
}

#[tokio::test]
async fn attributes_are_typed_and_extensions_are_text() {
    let source = r#"
using CloudNative.CloudEvents;
class Worker
{
    public CloudEvent Process(CloudEvent e) => new CloudEvent { Type = "seen", Data = new object[] {
        e.SpecVersion.VersionId, e.Id, e.Source, e.Type, e.Subject, e.Time.Value.Year, e.DataContentType,
        e["flag"], e["count"], e["absent"] } };
}"#;
    let Some(mut worker) = load(source).await else { return };
    let extra =
        r#"{"subject":"s","time":"2026-01-02T03:04:05.5Z","datacontenttype":"application/json","flag":true,"count":7}"#;
    let expected = r#"["1.0","e1","/test","test.happened","s",2026,"application/json","true","7",null]"#;
    assert_eq!(worker.event(extra, DataKind::Json, b"1").await.data(), expected);
}

#[tokio::test]
async fn data_is_what_its_kind_says() {
    let source = r#"
using CloudNative.CloudEvents;
using System.Text.Json;
class Worker
{
    public CloudEvent Process(CloudEvent e) => new CloudEvent { Type = "seen", Data = e.Data switch {
        null => "nothing",
        JsonElement json => "json " + json.GetRawText(),
        string text => "text " + text,
        byte[] bytes => "binary " + bytes.Length,
        var other => other.GetType().Name } };
}"#;
    let Some(mut worker) = load(source).await else { return };
    let table: [(DataKind, &[u8], &str); 6] = [
        (DataKind::None, b"", "\"nothing\""),
        (DataKind::Json, b"12345678901234567890123", "\"json 12345678901234567890123\""),
        (DataKind::Json, b" null ", "\"json null\""),
        (DataKind::Json, b"{}", "\"json {}\""),
        (DataKind::Text, b"h\n", "\"text h\\n\""),
        (DataKind::Binary, b"\x00\xff", "\"binary 2\""),
    ];
    for (kind, body, expected) in table {
        assert_eq!(worker.event("{}", kind, body).await.data(), expected, "{kind:?} {body:?}");
    }
}

#[tokio::test]
async fn a_large_event_and_a_large_reply_go_through() {
    let source = r#"
using CloudNative.CloudEvents;
class Worker { public CloudEvent Process(CloudEvent e) => new CloudEvent { Type = "t", Data = e.Data }; }"#;
    let Some(mut worker) = load(source).await else { return };
    let data = format!("[\"{}\"]", "x".repeat((1 << 20) - 200));
    for _ in 0..3 {
        assert_eq!(worker.json(&data).await.data(), data);
        assert_eq!(worker.json("1").await.data(), "1");
    }
}

#[tokio::test]
async fn config_gives_attributes_that_the_event_overrides() {
    let Some(mut harness) = Harness::new() else { return };
    harness.manifest.config = [("region", "eu"), ("tier", "gold")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let source = r#"
using CloudNative.CloudEvents;
class Worker { public CloudEvent Process(CloudEvent e) => new CloudEvent { Type = "t", Data = new[] { e["tier"], e["region"] } }; }"#;
    let mut worker = harness.load(source).await;
    assert_eq!(worker.json("1").await.data(), r#"["gold","eu"]"#);
    assert_eq!(worker.event(r#"{"tier":"tin"}"#, DataKind::Json, b"1").await.data(), r#"["tin","eu"]"#);
}

#[tokio::test]
async fn every_shape_of_entry_is_called() {
    let Some(harness) = Harness::new() else { return };
    let table = [
        ("static CloudEvent Process(CloudEvent e) => new() { Type = \"t\", Data = 1 };", Some("1")),
        ("CloudEvent Process(CloudEvent e) => new() { Type = \"t\", Data = n };", Some("7")),
        (
            "static CloudEvent Process(CloudEvent e, CancellationToken c) => new() { Type = \"t\", Data = 3 };",
            Some("3"),
        ),
        (
            "async Task<CloudEvent> ProcessAsync(CloudEvent e) { await Task.Delay(1); return new() { Type = \"t\", Data = 4 }; }",
            Some("4"),
        ),
        (
            "async Task<CloudEvent> ProcessAsync(CloudEvent e, CancellationToken c) { await Task.Yield(); return new() { Type = \"t\", Data = 5 }; }",
            Some("5"),
        ),
        (
            "ValueTask<CloudEvent> ProcessAsync(CloudEvent e) => new(new CloudEvent { Type = \"t\", Data = 6 });",
            Some("6"),
        ),
        (
            "async ValueTask<CloudEvent> ProcessAsync(CloudEvent e) { await Task.Yield(); return new() { Type = \"t\", Data = 7 }; }",
            Some("7"),
        ),
        ("CloudEvent Process(CloudEvent e) => null;", None),
        ("void Process(CloudEvent e) { }", None),
        ("static void Process(CloudEvent e, CancellationToken c) { }", None),
        ("Task ProcessAsync(CloudEvent e) => Task.Delay(1);", None),
        ("Task<CloudEvent> ProcessAsync(CloudEvent e) => null;", None),
        ("async ValueTask ProcessAsync(CloudEvent e) { await Task.Yield(); }", None),
        ("Task<CloudEvent> ProcessAsync(CloudEvent e) => Task.FromResult<CloudEvent>(null);", None),
    ];
    for (method, expected) in table {
        let source = format!("using CloudNative.CloudEvents;\npublic class Worker {{ int n = 7; public {method} }}");
        let mut worker = harness.load(&source).await;
        let answer = worker.json("1").await;
        match expected {
            Some(data) => assert_eq!(answer.data(), data, "{method}"),
            None => assert!(answer.is_no_reply(), "{method}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn an_instance_lives_from_event_to_event_and_is_disposed_at_the_end() {
    let Some(harness) = Harness::trusted() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disposed");
    let source = r#"
using CloudNative.CloudEvents;
public sealed class Worker : IAsyncDisposable
{
    private int n;
    public CloudEvent Process(CloudEvent e) => new CloudEvent { Type = "t", Data = ++n };
    public async ValueTask DisposeAsync() { await Task.Yield(); File.WriteAllText("PATH", "" + n); }
}"#;
    let mut worker = harness.load(&source.replace("PATH", path.to_str().unwrap())).await;
    for n in 1..=3 {
        assert_eq!(worker.json("1").await.data(), n.to_string());
    }
    worker.process.stop(std::time::Duration::from_secs(20)).await;
    assert_eq!(std::fs::read_to_string(path).unwrap(), "3");
}

#[tokio::test]
async fn an_entry_can_be_named_in_every_way() {
    let Some(mut harness) = Harness::new() else { return };
    let source = r#"
using CloudNative.CloudEvents;
namespace Shop;
public static class Orders { public static CloudEvent Process(CloudEvent e) => new CloudEvent { Type = "orders" }; }
public static class Bills
{
    public static CloudEvent Process(CloudEvent e) => new CloudEvent { Type = "bills" };
    public static CloudEvent Cancel(CloudEvent e) => new CloudEvent { Type = "cancel" };
}"#;
    for (entry, found) in
        [("Orders", "orders"), ("Shop.Bills", "bills"), ("Bills.Cancel", "cancel"), ("Shop.Bills.Process", "bills")]
    {
        harness.manifest.engine.entry = Some(entry.to_owned());
        let mut worker = harness.load(source).await;
        assert_eq!(worker.json("1").await.reply().0["type"], found, "{entry}");
    }
    harness.manifest.engine.entry = Some("Shop.Refunds".to_owned());
    let failure = harness.try_load(source).await.err().unwrap();
    assert!(failure.message.contains("there is no `Shop.Refunds` for events"), "{failure:?}");
}
