//! Processes: how they start, how they end, and that they end.

use std::{path::PathBuf, time::Duration};

use workmanager_core_domain::MimeType;
use workmanager_engines_dotnet::{Launcher, Options};
use workmanager_engines_host::{Engine as _, SpawnError};

use crate::support::{Harness, LONG, dotnet, eventually, is_alive};

const WORKER: &str = "using CloudNative.CloudEvents;
public class Worker { public CloudEvent Process(CloudEvent e) => new() { Type = \"t\", Data = Environment.ProcessId }; }";

#[tokio::test]
async fn a_process_that_is_dropped_is_killed() {
    let Some(harness) = Harness::new() else { return };
    let worker = harness.load(WORKER).await;
    let pid = worker.process.pid();
    assert!(is_alive(pid));
    drop(worker);
    eventually("it is reaped", || !PathBuf::from(format!("/proc/{pid}")).exists()).await;
}

#[tokio::test]
async fn a_process_that_refuses_to_end_is_killed() {
    let Some(harness) = Harness::new() else { return };
    let source = "using CloudNative.CloudEvents;
class Worker : IDisposable { public void Process(CloudEvent e) { } public void Dispose() => Thread.Sleep(600000); }";
    let worker = harness.load(source).await;
    let pid = worker.process.pid();
    worker.process.stop(Duration::from_millis(100)).await;
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn one_process_is_there_before_it_is_asked_for_and_none_after_the_stop() {
    let Some(harness) = Harness::new() else { return };
    let assembly = harness.compile(WORKER).await.unwrap();
    harness.engine.start().await;
    let info = || harness.engine.info(MimeType::CSharp);
    eventually("the spare is there", || info().runtime.is_some()).await;
    assert!(info().available && info().runtime.unwrap().starts_with(".NET "));
    let (mut ready, until) = (false, std::time::Instant::now() + LONG);
    while !ready {
        let asked = std::time::Instant::now();
        let mut worker = harness.load_assembly(assembly.clone()).await.unwrap();
        let pid = worker.process.pid();
        assert_eq!(worker.json("1").await.data(), pid.to_string());
        // A process of its own takes longer than this from its first instruction to its first answer.
        ready = started_before(pid, asked);
        assert!(std::time::Instant::now() < until, "there is never a spare process");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    harness.engine.stop().await;
    assert!(harness.engine.spawn(&harness.manifest).await.is_err(), "stopped is stopped");
}

/// Whether the process `pid` was there at `moment`.
fn started_before(pid: u32, moment: std::time::Instant) -> bool {
    let ticks_to_millis = 10;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start: u64 = stat.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap().parse().unwrap();
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let age = Duration::from_secs_f64(uptime).saturating_sub(Duration::from_millis(start * ticks_to_millis));
    age > moment.elapsed() + Duration::from_millis(20)
}

#[tokio::test]
async fn a_process_for_other_memory_is_not_the_spare_one() {
    let Some(mut harness) = Harness::new() else { return };
    harness.engine.start().await;
    harness.manifest.memory.0 = 96 << 20;
    let source = "using CloudNative.CloudEvents;
class Worker { public CloudEvent Process(CloudEvent e) => new() { Type = \"t\", Data = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes }; }";
    let mut worker = harness.load(source).await;
    assert_eq!(worker.json("1").await.data(), (96 << 20).to_string());
    harness.engine.stop().await;
}

#[tokio::test]
async fn cultures_are_there_unless_they_are_not_wanted() {
    let Some(mut harness) = Harness::new() else { return };
    let source = "using CloudNative.CloudEvents;
class Worker { public CloudEvent Process(CloudEvent e) => new() { Type = \"t\", Data = 1.5.ToString(new System.Globalization.CultureInfo(\"de-DE\")) }; }";
    harness.manifest.engine.invariant = true;
    let failure = harness.load(source).await.json("1").await.failure();
    assert_eq!(failure.error_type.as_deref(), Some("System.Globalization.CultureNotFoundException"));
}

#[tokio::test]
async fn a_runtime_that_is_not_there_is_said_with_what_to_do() {
    let table = [
        (Options { root: Some("/no/such/root".into()), ..Options::default() }, "DOTNET_ROOT is `/no/such/root`"),
        (Options { root: Some("/usr".into()), ..Options::default() }, "there is no shared/Microsoft.NETCore.App"),
    ];
    for (options, says) in table {
        let harness = Harness::with(options);
        let error = harness.engine.spawn(&harness.manifest).await.unwrap_err();
        assert!(
            matches!(error, SpawnError::Missing(_)) && error.to_string().contains(says),
            "{error} should say {says}"
        );
        let info = harness.engine.info(MimeType::CSharp);
        assert!(!info.available && info.reason.unwrap().contains("install the .NET runtime"));
    }
    let Some(options) = dotnet() else { return };
    let harness = Harness::with(Options { launcher: Some(Launcher("/bin/false".into())), ..options });
    let error = harness.engine.spawn(&harness.manifest).await.unwrap_err();
    assert!(matches!(error, SpawnError::Died(_)), "{error:?}");
}

#[tokio::test]
async fn what_a_first_event_takes_is_written_down_when_the_programs_are_made() {
    let Some(options) = dotnet() else { return };
    let cache = tempfile::tempdir().unwrap();
    let harness = Harness::with(Options { cache: Some(cache.path().to_owned()), ..options });
    let process = harness.engine.spawn(&harness.manifest).await.unwrap();
    let made = std::fs::read_dir(cache.path().join("dotnet")).unwrap().flatten().map(|entry| entry.path());
    let profiles: Vec<_> =
        made.map(|path| path.join("host/workmanager-host.profile")).filter(|path| path.is_file()).collect();
    let [profile] = &profiles[..] else { panic!("{profiles:?}") };
    let before = std::fs::read(profile).unwrap();
    assert!(before.len() > 4 << 10, "{} bytes are hardly an event's way", before.len());
    // No process writes it again, not even one that ends by itself.
    process.stop(LONG).await;
    assert_eq!(std::fs::read(profile).unwrap(), before);
}
