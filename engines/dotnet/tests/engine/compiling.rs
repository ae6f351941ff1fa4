//! What is said about source, and what it is made to.

use std::time::Duration;

use tokio::time::Instant;
use workmanager_core_domain::{MimeType, outcome::FailureKind};
use workmanager_engines_dotnet::Options;
use workmanager_engines_host::{Compiled, Engine as _, Source, SpawnError};

use crate::support::{Harness, dotnet, load, zip, zip_claiming};

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
    let [one, two] = &failure.errors[..] else { panic!("{failure:?}") };
    assert_eq!(one.to_string(), first);
    let expected = ("orders.cs", 5, 18, "CS1061");
    assert_eq!((two.file.as_str(), two.line, two.column, two.id.as_str()), expected);
    assert!(two.message.starts_with("'CloudEvent' does not contain a definition for 'Foo'"), "{two}");
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
async fn what_was_prepared_for_an_image_compiles_and_runs_with_no_sdk_beside_it() {
    let Some(options) = dotnet() else { return };
    let builder = Harness::with(options.clone());
    builder.engine.prepare().await.unwrap();
    let folders = tempfile::tempdir().unwrap();
    let image = Options { roslyn: None, cloud_events: None, folders: Some(folders.path().to_owned()), ..options };
    let image = Harness::with(image);
    let toolchains = [&builder, &image].map(|harness| harness.engine.toolchain(MimeType::CSharp));
    let [made, used] = toolchains.map(|toolchain| async { toolchain.await.unwrap().unwrap() });
    assert_eq!(made.await, used.await);
    let source = "using CloudNative.CloudEvents;\nclass W { public CloudEvent Process(CloudEvent e) => e; }";
    let worker = image.load(source).await;
    assert_eq!(worker.entry, "W.Process");
    assert!(folders.path().join("dotnet-folders").is_dir(), "its temporary files are elsewhere");
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
async fn several_files_are_one_source_and_each_is_named_in_its_errors() {
    let Some(harness) = Harness::new() else { return };
    let worker = "using CloudNative.CloudEvents;
class Worker { public CloudEvent Process(CloudEvent e) => new() { Type = \"t\", Data = Prices.Of(2) }; }";
    let (prices, broken) =
        ("static class Prices { public static int Of(int n) => n * 10; }", "class Broken {\n  int x = ;\n}");
    // What a build has left beside the source is none.
    let built = ("obj/Debug/built.cs", &b"class Prices { }"[..]);
    let good = zip(&[("src/Worker.cs", worker.as_bytes()), ("src/Prices.cs", prices.as_bytes()), built]);
    let assembly = harness.compile_bytes(&good).await.unwrap();
    assert_eq!(assembly, harness.compile_bytes(&good).await.unwrap());
    assert_eq!(harness.load_assembly(assembly).await.unwrap().json("1").await.data(), "20");
    let bad = zip(&[("b/Broken.cs", broken.as_bytes()), ("a/Worker.cs", worker.as_bytes())]);
    let failure = harness.compile_bytes(&bad).await.unwrap_err();
    let places: Vec<_> =
        failure.errors.iter().map(|error| (error.file.as_str(), error.line, error.id.as_str())).collect();
    assert_eq!(places, [("a/Worker.cs", 2, "CS0103"), ("b/Broken.cs", 2, "CS1525")]);
    let none = harness.compile_bytes(&zip(&[("readme.txt", b"x")])).await.unwrap_err();
    assert!(none.message.contains("the archive has no .cs file"), "{none:?}");
}

#[tokio::test]
async fn what_no_compiler_can_take_is_refused_and_the_next_source_compiles() {
    let Some(harness) = Harness::new() else { return };
    let file = [("a.cs", &b"class A { }"[..]), ("b.cs", b"class B { }")];
    let nested = |n: usize| ["class A { ".repeat(n), "}".repeat(n)].concat();
    let table = [
        (zip_claiming(&file, 100), "the archive cannot be read"),
        (zip_claiming(&file, i64::MAX as u64), "more than 16 MiB of source"),
        (nested(10_000).into(), "the compiler cannot take it"),
    ];
    for (source, says) in table {
        let failure = harness.compile_bytes(&source).await.unwrap_err();
        assert_eq!((failure.kind, failure.retryable), (FailureKind::LoadFailed, false));
        assert!(failure.message.contains(says), "{} should say {says}", failure.message);
        assert!(harness.compile("class Next { }").await.is_ok());
    }
}

#[tokio::test]
async fn what_outlasts_the_compiler_is_refused_unless_it_had_no_time() {
    let Some(harness) = Harness::new() else { return };
    let endless = format!("class A {{ void F(int x) {{ {} {{ }} }} }}", "if (x > 1) { } else ".repeat(10_000));
    drop(harness.compile("class First { }").await.unwrap());
    let compile = async |seconds| {
        let (deadline, bytes) = (Instant::now() + Duration::from_secs(seconds), endless.clone().into());
        let source = Source { manifest: &harness.manifest, file_name: "orders.cs", bytes: &bytes, deadline };
        harness.engine.compile(source).await
    };
    assert!(matches!(compile(1).await, Err(SpawnError::Slow)));
    let Ok(Compiled::Rejected(failure)) = compile(8).await else { panic!("it is compiled, or nobody's fault") };
    assert!(failure.message.starts_with("compiling took more than "), "{failure:?}");
    assert!(harness.compile("class Next { }").await.is_ok());
}

#[tokio::test]
async fn what_is_said_about_source_is_never_too_long_to_be_said() {
    let Some(harness) = Harness::new() else { return };
    let calls: Vec<_> = (0..150).map(|n| format!("\n#line 1 \"{0}\"\nx{n}{0}();", "y".repeat(50_000))).collect();
    let failure = harness.compile(&format!("class A {{ void F() {{ {} }} }}", calls.concat())).await.unwrap_err();
    assert!(failure.message.starts_with("yyyy") && failure.message.chars().count() <= 2000);
    assert!(failure.errors.len() >= 100, "{}", failure.errors.len());
    assert!(failure.errors.iter().all(|error| error.file.len() + error.message.len() < 2000));
}

#[tokio::test]
async fn what_compiles_has_a_name_that_is_the_same_wherever_it_is() {
    let Some(one) = Harness::new() else { return };
    let copied = tempfile::tempdir().unwrap();
    let Options { roslyn: Some(roslyn), .. } = dotnet().unwrap() else { panic!("there is no compiler") };
    for file in std::fs::read_dir(roslyn).unwrap().flatten() {
        std::fs::copy(file.path(), copied.path().join(file.file_name())).unwrap();
    }
    let other = Harness::with(Options { roslyn: Some(copied.path().into()), ..dotnet().unwrap() });
    let name = one.engine.toolchain(MimeType::CSharp).await.unwrap().unwrap();
    assert!(name.starts_with(".NET "), "{name}");
    assert_eq!(other.engine.toolchain(MimeType::CSharp).await.unwrap(), Some(name));
    assert_eq!(one.engine.toolchain(MimeType::Dll).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_no_text_does_not_compile() {
    let Some(harness) = Harness::new() else { return };
    let failure = harness.compile_bytes(b"class \xff { }").await.unwrap_err();
    assert_eq!(failure.message, "orders.cs is no UTF-8 text");
    let failure = harness.compile("").await.map(drop);
    // An empty file is a program without anything: it compiles, and does not load.
    assert!(failure.is_ok(), "{failure:?}");
    let failure = harness.try_load("").await.err().unwrap();
    assert!(failure.message.contains("there is no method for events"), "{failure:?}");
}
