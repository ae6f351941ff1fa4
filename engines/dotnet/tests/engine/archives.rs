//! Workers that come with what they depend on.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use workmanager_core_domain::{
    MimeType,
    outcome::{Failure, FailureKind},
};
use workmanager_engines_dotnet::Options;
use workmanager_engines_host::Engine as _;

use crate::support::{Harness, Worker, cache, csc, dotnet, zip};

const LIBRARY: &str = "public static class Prices { public static int Of(string name) => name.Length * 10; }";
const WORKER: &str = "using CloudNative.CloudEvents;
public static class Shop
{
    public static CloudEvent Process(CloudEvent e) => new CloudEvent { Type = \"t\", Data = Prices.Of(\"bolt\") };
}";

/// A folder where assemblies are compiled, and a harness to load them.
pub(crate) struct Bench {
    pub(crate) harness: Harness,
    folder: TempDir,
}

impl Bench {
    pub(crate) async fn new() -> Option<Self> {
        let mut harness = Harness::new()?;
        harness.manifest.mime_type = MimeType::Dll;
        // Compiles the engine's programs, among them the type of events.
        drop(harness.engine.spawn(&harness.manifest).await.unwrap());
        Some(Self { harness, folder: tempfile::tempdir().unwrap() })
    }

    /// The bytes of an assembly.
    pub(crate) fn assembly(&self, name: &str, source: &str, references: &[&str]) -> Vec<u8> {
        let (output, file) = (self.path(&format!("{name}.dll")), self.path(&format!("{name}.cs")));
        std::fs::write(&file, source).unwrap();
        let own = references.iter().map(|name| self.path(&format!("{name}.dll")));
        csc(&output, &file, own.chain([cloud_events()]));
        std::fs::read(output).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn load(&self, files: &[(&str, &[u8])]) -> Result<Worker, Failure> {
        self.harness.load_assembly(zip(files)).await
    }

    pub(crate) async fn refused(&self, files: &[(&str, &[u8])]) -> String {
        let failure = self.load(files).await.err().unwrap();
        assert_eq!((failure.kind, failure.retryable), (FailureKind::LoadFailed, false), "{failure:?}");
        failure.message
    }
}

/// The copy that the newest programs have.
fn cloud_events() -> PathBuf {
    let folders = std::fs::read_dir(cache().join("dotnet")).unwrap().flatten().map(|entry| entry.path());
    let copies = folders.map(|folder| folder.join("host/CloudNative.CloudEvents.dll")).filter(|copy| copy.is_file());
    copies.max_by_key(|copy| copy.metadata().unwrap().modified().unwrap()).unwrap()
}

#[tokio::test]
async fn what_dotnet_publish_writes_is_loaded_with_its_dependencies() {
    let Some(bench) = Bench::new().await else { return };
    let prices = bench.assembly("prices", LIBRARY, &[]);
    let shop = bench.assembly("shop", WORKER, &["prices"]);
    // The engine's own copy of the type of events counts, whatever is in the archive.
    let own = ("CloudNative.CloudEvents.dll", &b"not even an assembly"[..]);
    let mut worker = bench.load(&[("shop.dll", &shop), ("prices.dll", &prices), own]).await.unwrap();
    assert_eq!(worker.entry, "Shop.Process");
    assert_eq!(worker.json("1").await.data(), "40");
}

#[tokio::test]
async fn the_folder_around_everything_does_not_count() {
    let Some(bench) = Bench::new().await else { return };
    let prices = bench.assembly("prices", LIBRARY, &[]);
    let shop = bench.assembly("shop", WORKER, &["prices"]);
    // As `zip -r worker.zip out/publish` writes it, and as macOS does.
    let files = [
        ("out/publish/", &b""[..]),
        ("out/publish/shop.dll", &shop),
        ("out/publish/prices.dll", &prices),
        ("out/publish/shop.runtimeconfig.json", b"{}"),
        ("__MACOSX/out/._publish", b"x"),
    ];
    assert_eq!(bench.load(&files).await.unwrap().json("1").await.data(), "40");
    let message = bench.refused(&[("one/shop.dll", &shop), ("two/prices.dll", &prices)]).await;
    assert!(message.contains("the archive has no assembly of a worker"), "{message}");
}

#[tokio::test]
async fn what_is_in_an_archive_is_nowhere_on_disk() {
    let Some(bench) = Bench::new().await else { return };
    let source = "using CloudNative.CloudEvents;
using System;
using System.IO;
public static class Shop
{
    static bool IsIn(string folder) => File.Exists(Path.Combine(folder, \"appsettings.json\"));
    public static CloudEvent Process(CloudEvent e) => new CloudEvent { Type = \"t\", Data = new object[] {
        typeof(Shop).Assembly.Location, IsIn(AppContext.BaseDirectory), IsIn(Path.GetTempPath()), IsIn(\".\")
    } };
}";
    let shop = bench.assembly("shop", source, &[]);
    let mut worker = bench.load(&[("shop.dll", &shop), ("appsettings.json", b"{}")]).await.unwrap();
    assert_eq!(worker.json("1").await.data(), r#"["",false,false,false]"#);
}

#[tokio::test]
async fn what_is_missing_is_named_at_the_load() {
    let Some(bench) = Bench::new().await else { return };
    bench.assembly("prices", LIBRARY, &[]);
    let shop = bench.assembly("shop", WORKER, &["prices"]);
    let message = bench.refused(&[("shop.dll", &shop)]).await;
    assert!(message.contains("prices 0.0.0.0 (for shop)") && message.contains("`dotnet publish`"), "{message}");
}

#[tokio::test]
async fn the_type_of_events_is_that_of_the_package_where_there_is_one() {
    let Some(bench) = Bench::new().await else { return };
    // A copy elsewhere, as of a package; what is beside the host then is that very file.
    let package = bench.path("package.dll");
    std::fs::copy(cloud_events(), &package).unwrap();
    let place = tempfile::tempdir().unwrap();
    let options =
        Options { cloud_events: Some(package.clone()), cache: Some(place.path().into()), ..dotnet().unwrap() };
    let harness = Harness::with(options);
    let source = "using CloudNative.CloudEvents;
class Worker { public CloudEvent Process(CloudEvent e) => new() { Type = \"t\", Data = typeof(CloudEvent).Assembly.Location }; }";
    let location: PathBuf = serde_json::from_str(&harness.load(source).await.json("1").await.data()).unwrap();
    assert!(location.starts_with(place.path()), "{}", location.display());
    let runtime = harness.engine.info(MimeType::CSharp).runtime.unwrap();
    assert!(runtime.ends_with(&format!(", CloudEvents of {}", package.display())), "{runtime}");
    assert_eq!(std::fs::read(location).unwrap(), std::fs::read(package).unwrap());
    let missing = Harness::with(Options { cloud_events: Some("/no/such.dll".into()), ..dotnet().unwrap() });
    let error = missing.engine.spawn(&missing.manifest).await.unwrap_err().to_string();
    assert_eq!(error, "`/no/such.dll` is not there; name CloudNative.CloudEvents.dll");
}

#[tokio::test]
async fn a_package_that_was_found_and_cannot_be_used_leaves_the_stand_in() {
    let Some(bench) = Bench::new().await else { return };
    let (place, broken) = (tempfile::tempdir().unwrap(), bench.path("broken.dll"));
    std::fs::write(&broken, "no assembly").unwrap();
    let found = |found_events: &std::path::Path| Options {
        cloud_events: None,
        found_events: Some(found_events.to_owned()),
        cache: Some(place.path().into()),
        ..dotnet().unwrap()
    };
    for (file, events) in
        [(&broken, "by a stand-in".to_owned()), (&cloud_events(), format!("of {}", cloud_events().display()))]
    {
        let harness = Harness::with(found(file));
        drop(harness.engine.spawn(&harness.manifest).await.unwrap());
        let runtime = harness.engine.info(MimeType::CSharp).runtime.unwrap();
        assert!(runtime.ends_with(&format!(", CloudEvents {events}")), "{runtime}");
    }
}

#[tokio::test]
async fn a_package_gives_what_suits_the_runtime_best() {
    let Some(bench) = Bench::new().await else { return };
    let prices = bench.assembly("prices", LIBRARY, &[]);
    let shop = bench.assembly("shop", WORKER, &["prices"]);
    let (old, new) = (&b"too old"[..], &b"too new"[..]);
    let mut worker = bench
        .load(&[
            ("shop.nuspec", b"<package/>"),
            ("lib/netstandard2.0/shop.dll", old),
            ("lib/net8.0/shop.dll", &shop),
            ("lib/net99.0/shop.dll", new),
            ("lib/net8.0/prices.dll", old),
            ("runtimes/unix/lib/net8.0/prices.dll", &prices),
        ])
        .await
        .unwrap();
    assert_eq!(worker.json("1").await.data(), "40");
}

#[tokio::test]
async fn libraries_of_the_system_are_found_for_this_platform() {
    let Some(bench) = Bench::new().await else { return };
    let source = "using CloudNative.CloudEvents;
using System.Runtime.InteropServices;
public static class Shop
{
    [DllImport(\"calc\")] static extern int twice(int n);
    public static CloudEvent Process(CloudEvent e) => new CloudEvent { Type = \"t\", Data = twice(21) };
}";
    let shop = bench.assembly("shop", source, &[]);
    let native = compile_c(bench.folder.path(), "int twice(int n) { return 2 * n; }");
    let platform = if cfg!(target_arch = "aarch64") { "linux-arm64" } else { "linux-x64" };
    let place = format!("runtimes/{platform}/native/libcalc.so");
    let mut worker = bench.load(&[("shop.dll", &shop), (&place, &native)]).await.unwrap();
    assert_eq!(worker.json("1").await.data(), "42");
    let failure = bench.load(&[("shop.dll", &shop)]).await.unwrap().json("1").await.failure();
    assert_eq!(failure.error_type.as_deref(), Some("System.DllNotFoundException"));
}

fn compile_c(folder: &Path, source: &str) -> Vec<u8> {
    let (file, output) = (folder.join("calc.c"), folder.join("libcalc.so"));
    std::fs::write(&file, source).unwrap();
    let mut cc = std::process::Command::new("cc");
    assert!(cc.args(["-shared", "-fPIC", "-o"]).args([&output, &file]).status().unwrap().success());
    std::fs::read(output).unwrap()
}

#[tokio::test]
async fn texts_of_other_cultures_are_found_in_their_folders() {
    let Some(bench) = Bench::new().await else { return };
    let source = "using CloudNative.CloudEvents;
using System.Reflection;
public static class Shop
{
    public static CloudEvent Process(CloudEvent e) => new CloudEvent { Type = \"t\",
        Data = typeof(Shop).Assembly.GetSatelliteAssembly(new System.Globalization.CultureInfo(\"de\")).GetName().CultureName };
}";
    let shop = bench.assembly("shop", source, &[]);
    let german = "[assembly: System.Reflection.AssemblyCulture(\"de\")]";
    let german = bench.assembly("shop.resources", german, &[]);
    let mut worker = bench.load(&[("shop.dll", &shop), ("de/shop.resources.dll", &german)]).await.unwrap();
    assert_eq!(worker.json("1").await.data(), "\"de\"");
}

#[tokio::test]
async fn of_two_workers_the_one_that_is_named_counts() {
    let Some(bench) = Bench::new().await else { return };
    let worker = |name: &str| {
        let source = format!(
            "using CloudNative.CloudEvents;\npublic static class {name} {{ public static void Process(CloudEvent e) {{ }} }}"
        );
        bench.assembly(&name.to_lowercase(), &source, &[])
    };
    let (one, two) = (worker("One"), worker("Two"));
    let both = [("one.dll", &one[..]), ("two.dll", &two[..])];
    let message = bench.refused(&both).await;
    assert!(message.contains("2 methods could be meant: One.Process, Two.Process"), "{message}");
    let named = [both[0], both[1], ("two.runtimeconfig.json", b"{}")];
    assert_eq!(bench.load(&named).await.unwrap().entry, "Two.Process");
}
