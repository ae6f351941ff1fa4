//! Where what a worker depends on is found, and whose copy counts.

use crate::archives::Bench;

/// A library that says which copy it is, and a worker that asks it.
fn which(copy: &str) -> String {
    format!("public static class Which {{ public static string Copy => \"{copy}\"; }}")
}

const ASKS: &str = "using CloudNative.CloudEvents;
public static class Shop { public static CloudEvent Process(CloudEvent e) => new() { Type = \"t\", Data = Which.Copy }; }";

const DEPS: &str = r#"{
  "runtimeTarget": { "name": ".NETCoreApp,Version=v8.0" },
  "targets": {
    ".NETCoreApp,Version=v8.0": {
      "shop/1.0.0": { "dependencies": { "which": "2.0.0" }, "runtime": { "shop.dll": {} } },
      "which/2.0.0": {
        "runtime": { "lib/netstandard2.0/which.dll": {} },
        "resources": { "lib/netstandard2.0/de/which.resources.dll": { "locale": "de" } },
        "runtimeTargets": {
          "runtimes/win/lib/net8.0/which.dll": { "rid": "win", "assetType": "runtime" },
          "runtimes/unix/lib/net8.0/which.dll": { "rid": "unix", "assetType": "runtime" },
          "runtimes/linux/lib/net8.0/which.dll": { "rid": "linux", "assetType": "runtime" }
        }
      }
    }
  },
  "libraries": {}
}"#;

#[tokio::test]
async fn the_list_of_dependencies_says_where_and_the_most_exact_platform_counts() {
    let Some(bench) = Bench::new().await else { return };
    let copy = |name: &str| bench.assembly("which", &which(name), &[]);
    let (any, windows, unix, linux) = (copy("any"), copy("windows"), copy("unix"), copy("linux"));
    let shop = bench.assembly("shop", ASKS, &["which"]);
    let german = bench.assembly("which.resources", "[assembly: System.Reflection.AssemblyCulture(\"de\")]", &[]);
    let own = [("shop.dll", &shop[..]), ("shop.deps.json", DEPS.as_bytes())];
    let platforms = [
        ("runtimes/win/lib/net8.0/which.dll", &windows[..]),
        ("runtimes/unix/lib/net8.0/which.dll", &unix),
        ("runtimes/linux/lib/net8.0/which.dll", &linux),
    ];
    let table = [
        ([&own[..], &platforms].concat(), "linux"),
        ([&own[..], &platforms[..2]].concat(), "unix"),
        // At its own place, or moved beside the program.
        ([&own[..], &platforms[..1], &[("lib/netstandard2.0/which.dll", &any[..])]].concat(), "any"),
        ([&own[..], &[("which.dll", &any[..]), ("de/which.resources.dll", &german)]].concat(), "any"),
    ];
    for (files, expected) in table {
        let mut worker = bench.load(&files).await.unwrap();
        assert_eq!(worker.json("1").await.data(), format!("\"{expected}\""));
    }
}

#[tokio::test]
async fn a_copy_that_is_newer_than_the_frameworks_is_the_workers() {
    let Some(bench) = Bench::new().await else { return };
    let version =
        |number: u32| format!("[assembly: System.Reflection.AssemblyVersion(\"{number}.0.0.0\")] {}", which("own"));
    let newer = bench.assembly("System.Threading.Channels", &version(99), &[]);
    let shop = bench.assembly("shop", ASKS, &["System.Threading.Channels"]);
    let mut worker = bench.load(&[("shop.dll", &shop), ("System.Threading.Channels.dll", &newer)]).await.unwrap();
    assert_eq!(worker.json("1").await.data(), "\"own\"");
    // It can be used by name too, and what the framework alone has is still there.
    let message = bench.refused(&[("shop.dll", &shop)]).await;
    assert!(message.contains("System.Threading.Channels 99.0.0.0 (for shop; here is "), "{message}");
    let older = bench.assembly("System.Threading.Channels", &version(1), &[]);
    let shop = "using CloudNative.CloudEvents;
public static class Shop
{
    public static CloudEvent Process(CloudEvent e) => new() { Type = \"t\",
        Data = typeof(System.Threading.Channels.Channel).Assembly.GetName().Version!.Major > 1 };
}";
    let shop = bench.assembly("shop", shop, &[]);
    let mut worker = bench.load(&[("shop.dll", &shop), ("System.Threading.Channels.dll", &older)]).await.unwrap();
    assert_eq!(worker.json("1").await.data(), "true", "the framework's newer copy counts");
}

/// What a newer JSON library has that the host needs of it: types of its own under the same names.
const JSON: &str = "[assembly: System.Reflection.AssemblyVersion(\"99.0.0.0\")]
namespace System.Text.Json;
public sealed class JsonSerializerOptions { }
public sealed class JsonException : System.Exception { public JsonException(string text) : base(text) { } }
public readonly struct JsonElement
{
    public readonly string Text;
    public JsonElement(string text) => Text = text;
    public string GetRawText() => Text;
}
public static class JsonSerializer
{
    public static object Deserialize(string json, System.Type type, JsonSerializerOptions o) => new JsonElement(json);
    public static string Serialize(object value, System.Type type, JsonSerializerOptions o) =>
        value is JsonElement element ? element.Text : value is int n ? n.ToString() : throw new JsonException(\"no such JSON\");
}";

#[tokio::test]
async fn a_worker_with_a_newer_json_library_is_given_its_own_elements() {
    let Some(bench) = Bench::new().await else { return };
    let json = bench.assembly("System.Text.Json", JSON, &[]);
    let shop = "using CloudNative.CloudEvents;
using System.Text.Json;
public static class Shop
{
    public static CloudEvent Process(CloudEvent e)
    {
        var text = ((JsonElement)e.Data).GetRawText();
        object data = text == \"1\" ? text.Length : text == \"2\" ? e.Data : new Shape();
        return new CloudEvent { Type = typeof(JsonElement).Assembly.GetName().Version!.ToString(), Data = data };
    }
}
public class Shape { }";
    let shop = bench.assembly("shop", shop, &["System.Text.Json"]);
    let mut worker = bench.load(&[("shop.dll", &shop), ("System.Text.Json.dll", &json)]).await.unwrap();
    for (data, expected) in [("1", "1"), ("2", "2")] {
        let (attributes, _, body) = worker.json(data).await.reply();
        assert_eq!((attributes["type"].as_str(), &body[..]), (Some("99.0.0.0"), expected.as_bytes()));
    }
    let failure = worker.json("3").await.failure();
    assert_eq!(failure.message, "the reply's data cannot be written as JSON: no such JSON");
}
