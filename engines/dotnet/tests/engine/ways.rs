//! The runtime started by its own program.

use workmanager_engines_dotnet::{Launcher, Options, Way};
use workmanager_engines_host::{Ended, Engine as _};

use crate::support::{Harness, cache, dotnet, eventually};

fn exec() -> Option<Harness> {
    Some(Harness::with(Options { way: Way::Exec, ..dotnet()? }))
}

#[tokio::test]
async fn its_own_program_knows_what_plug_ins_on_disk_need_and_nothing_of_what_is_in_memory() {
    let Some(harness) = exec() else { return };
    let source = r#"using CloudNative.CloudEvents;
using System.Runtime.Loader;
class Worker
{
    static string Plugin(string name)
    {
        var path = Path.Combine(Path.GetTempPath(), name + ".dll");
        File.Copy(typeof(CloudEvent).Assembly.Location, path, true);
        return path;
    }
    public CloudEvent Process(CloudEvent e)
    {
        var (plugin, needed) = (Plugin("plugin"), Plugin("needed"));
        var found = new AssemblyDependencyResolver(plugin).ResolveAssemblyToPath(new("needed")) == needed;
        return new() { Type = "t", Data = new object[] { found, typeof(Worker).Assembly.Location } };
    }
}"#;
    assert_eq!(harness.load(source).await.json("1").await.data(), r#"[true,""]"#);
    // Who loads the runtime as a library has no such answers.
    let failure = Harness::new().unwrap().load(source).await.json("1").await.failure();
    assert!(failure.stack.unwrap().contains("AssemblyDependencyResolver"));
}

#[tokio::test]
async fn its_limits_and_settings_count_there_too() {
    let Some(mut harness) = exec() else { return };
    harness.manifest.memory.0 = 96 << 20;
    harness.manifest.engine.invariant = true;
    let source = "using CloudNative.CloudEvents;
class Worker
{
    static bool Fails(Action act) { try { act(); return false; } catch (Exception) { return true; } }
    public CloudEvent Process(CloudEvent e) => new() { Type = \"t\", Data = new object[] {
        GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 20,
        Fails(() => new System.Globalization.CultureInfo(\"de-DE\")),
        Fails(() => System.Diagnostics.Process.Start(\"/bin/true\").WaitForExit()),
        Fails(() => File.WriteAllText(\"/tmp/left\", \"x\")),
        Fails(() => File.WriteAllText(Path.GetTempPath() + \"/own\", \"x\")),
    } };
}";
    assert_eq!(harness.load(source).await.json("1").await.data(), "[96,true,true,true,false]");
}

#[tokio::test]
async fn a_worker_that_ends_its_process_ends_it_there_too() {
    let Some(harness) = exec() else { return };
    let source =
        "using CloudNative.CloudEvents;\nclass Worker { public void Process(CloudEvent e) => Environment.Exit(7); }";
    let answer = harness.load(source).await.json("1").await;
    let Ended::Lost(message) = &answer.ended else { panic!("{answer:?}") };
    assert!(message.contains("exited with code 7"), "{message}");
}

#[tokio::test]
async fn as_many_spares_are_kept_as_are_asked_for() {
    let Some(shared) = Harness::new() else { return };
    drop(shared.engine.spawn(&shared.manifest).await.unwrap());
    for spares in [0, 2] {
        // A place of its own marks its processes.
        let place = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(cache().join("dotnet"), place.path().join("dotnet")).unwrap();
        let options = dotnet().unwrap();
        let harness = Harness::with(Options { spares, cache: Some(place.path().into()), ..options });
        harness.engine.start().await;
        let ahead = || started(place.path().to_str().unwrap());
        eventually("all of them are there", || ahead() == spares).await;
        drop(harness.engine.spawn(&harness.manifest).await.unwrap());
        eventually("one more is started", || ahead() == spares).await;
        harness.engine.stop().await;
        eventually("none is left", || ahead() == 0).await;
    }
}

#[tokio::test]
async fn a_spare_that_failed_once_is_made_up_for() {
    let Some(shared) = Harness::new() else { return };
    drop(shared.engine.spawn(&shared.manifest).await.unwrap());
    let place = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(cache().join("dotnet"), place.path().join("dotnet")).unwrap();
    let options = dotnet().unwrap();
    let (script, failed) = (place.path().join("launcher"), place.path().join("failed"));
    let launcher = options.launcher.unwrap().0;
    let text =
        format!("#!/bin/sh\nmkdir {} 2>/dev/null && exit 1\nexec {} \"$@\"\n", failed.display(), launcher.display());
    // Written by somebody else: a program that this process has open cannot be run.
    let write = format!("printf %s '{text}' > {0} && chmod 700 {0}", script.display());
    assert!(std::process::Command::new("sh").args(["-c", &write]).status().unwrap().success());
    let launcher = Some(Launcher(script));
    let harness = Harness::with(Options { launcher, cache: Some(place.path().into()), ..options });
    harness.engine.start().await;
    eventually("the first spare failed", || failed.exists()).await;
    drop(harness.engine.spawn(&harness.manifest).await.unwrap());
    eventually("there is a spare", || started(place.path().to_str().unwrap()) == 1).await;
    harness.engine.stop().await;
}

/// How many children of this test were started with this argument.
fn started(argument: &str) -> usize {
    let me = std::process::id().to_string();
    let is_it = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1).map(str::to_owned));
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        parent.as_deref() == Some(&me) && String::from_utf8_lossy(&line).contains(argument)
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| entry.file_name().to_str().is_some_and(is_it)).count()
}
