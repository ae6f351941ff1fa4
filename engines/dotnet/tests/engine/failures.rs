//! What is said when a worker fails.

use std::time::Duration;

use workmanager_core_domain::{event::DataKind, outcome::FailureKind};
use workmanager_engines_host::Ended;

use crate::support::{Harness, load};

#[tokio::test]
async fn an_exception_says_its_type_and_shows_the_workers_own_lines() {
    let source = "using CloudNative.CloudEvents;
public class Worker
{
    static void Check(int value)
    {
        if (value > 1) throw new InvalidOperationException(\"too many\\nsecond line\");
    }

    public CloudEvent Process(CloudEvent e)
    {
        Check(2);
        return null;
    }
}";
    let Some(mut worker) = load(source).await else { return };
    let failure = worker.json("2").await.failure();
    assert_eq!((failure.kind, failure.retryable), (FailureKind::Exception, true));
    assert_eq!(failure.error_type.as_deref(), Some("System.InvalidOperationException"));
    assert_eq!(failure.message, "too many");
    let stack = failure.stack.unwrap();
    let expected = [
        "System.InvalidOperationException: too many",
        "second line",
        "   at Worker.Check(Int32 value) in orders.cs:line 6",
        "   at Worker.Process(CloudEvent e) in orders.cs:line 11",
    ];
    assert_eq!(stack.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn an_exception_of_an_async_worker_and_its_cause_are_the_workers_own() {
    let source = "using CloudNative.CloudEvents;
class Broken : Exception { public Broken(Exception e) : base(\"broken\", e) { } }
class Worker
{
    public async Task<CloudEvent> ProcessAsync(CloudEvent e)
    {
        await Task.Yield();
        try { string s = null; return new CloudEvent { Id = s.Length.ToString() }; }
        catch (Exception x) { throw new Broken(x); }
    }
}";
    let Some(mut worker) = load(source).await else { return };
    let failure = worker.json("1").await.failure();
    assert_eq!(failure.error_type.as_deref(), Some("Broken"));
    let stack = failure.stack.unwrap();
    assert!(stack.starts_with("Broken: broken\n ---> System.NullReferenceException: "), "{stack}");
    assert!(stack.contains("in orders.cs:line 8") && stack.contains("in orders.cs:line 9"), "{stack}");
    assert!(!stack.contains("WorkManager"), "{stack}");
}

#[tokio::test]
async fn an_exception_that_cannot_be_printed_is_still_one_and_the_process_lives_on() {
    let source = "using CloudNative.CloudEvents;
class Mute : Exception { public override string Message => throw new FormatException(); }
class Worker { public CloudEvent Process(CloudEvent e) => e.Subject == null ? throw new Mute() : null; }";
    let Some(mut worker) = load(source).await else { return };
    let failure = worker.json("1").await.failure();
    assert_eq!(failure.message, "Mute (which cannot be printed: System.FormatException)");
    assert!(worker.event(r#"{"subject":"s"}"#, DataKind::Json, b"1").await.is_no_reply());
}

#[tokio::test]
async fn an_exception_of_an_endless_type_is_said_shortly() {
    let source = "using CloudNative.CloudEvents;
class Pair<A, B> : Exception { }
class Worker
{
    public void Process(CloudEvent e) => Grow<int>(14);
    static void Grow<T>(int more) { if (more == 0) throw new Pair<T, T>(); Grow<Pair<T, T>>(more - 1); }
}";
    let Some(mut worker) = load(source).await else { return };
    let failure = worker.json("1").await.failure();
    let name = failure.error_type.unwrap();
    assert!(name.starts_with("Pair`2[[Pair`2[[") && name.chars().count() <= 500, "{} bytes", name.len());
}

#[tokio::test]
async fn data_that_cannot_be_read_is_an_invalid_event() {
    let source = "using CloudNative.CloudEvents;\nclass Worker { public void Process(CloudEvent e) { } }";
    let Some(mut worker) = load(source).await else { return };
    for (kind, body) in [(DataKind::Json, &b"{"[..]), (DataKind::Json, b"1 2"), (DataKind::Text, b"\xff")] {
        let failure = worker.event("{}", kind, body).await.failure();
        assert_eq!((failure.kind, failure.retryable), (FailureKind::InvalidEvent, false), "{body:?}");
    }
    let failure = worker.event(r#"{"time":"yesterday"}"#, DataKind::Json, b"1").await.failure();
    assert_eq!(failure.kind, FailureKind::InvalidEvent, "{failure:?}");
    assert!(worker.json("1").await.is_no_reply());
}

#[tokio::test]
async fn objects_beyond_the_memory_limit_are_a_failure_and_what_is_within_goes() {
    let Some(mut harness) = Harness::new() else { return };
    harness.manifest.memory.0 = 64 << 20;
    let source = "using CloudNative.CloudEvents;
using System.Text.Json;
class Worker { public CloudEvent Process(CloudEvent e) => new() { Type = \"t\", Data = new byte[((JsonElement)e.Data).GetInt32() << 20].Length }; }";
    let mut worker = harness.load(source).await;
    let failure = worker.json("80").await.failure();
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    assert_eq!(failure.error_type.as_deref(), Some("System.OutOfMemoryException"));
    assert_eq!(worker.json("30").await.data(), (30 << 20).to_string());
}

#[tokio::test]
async fn a_process_that_ends_says_how() {
    let Some(harness) = Harness::new() else { return };
    let table = [
        ("Environment.Exit(3);", "exited with code 3"),
        ("Environment.FailFast(\"enough\");", "SIGABRT"),
        ("Process(e);", "SIGABRT"),
        ("var t = new Thread(() => throw new Exception(\"elsewhere\")); t.Start(); t.Join();", "SIGABRT"),
        ("unsafe { *(int*)0x123456789 = 1; }", "SIGABRT"),
        ("new Microsoft.Win32.SafeHandles.SafeFileHandle((IntPtr)3, true).Dispose();", "the worker's process"),
    ];
    for (body, says) in table {
        let source = format!(
            "using CloudNative.CloudEvents;\nclass Worker {{ public CloudEvent Process(CloudEvent e) {{ {body} return null; }} }}"
        );
        let answer = harness.load(&source).await.json("1").await;
        let Ended::Lost(message) = &answer.ended else { panic!("{body}: {answer:?}") };
        assert!(message.contains(says), "{body}: {message}");
    }
}

#[tokio::test]
async fn a_loop_without_end_is_timed_out_and_killed() {
    let source = "using CloudNative.CloudEvents;
class Worker { public CloudEvent Process(CloudEvent e) { Console.WriteLine(\"before\"); while (true) { } } }";
    let Some(mut worker) = load(source).await else { return };
    worker.timeout = Duration::from_millis(500);
    let pid = worker.process.pid();
    let answer = worker.json("1").await;
    assert!(matches!(answer.ended, Ended::TimedOut), "{answer:?}");
    assert_eq!(answer.stdout, "before\n");
    crate::support::eventually("it is gone", || !crate::support::is_alive(pid)).await;
}

#[tokio::test]
async fn who_asks_is_told_before_the_time_is_over() {
    let source = "using CloudNative.CloudEvents;
class Worker { public async Task<CloudEvent> ProcessAsync(CloudEvent e, CancellationToken c) { await Task.Delay(-1, c); return null; } }";
    let Some(mut worker) = load(source).await else { return };
    worker.timeout = Duration::from_secs(3);
    let failure = worker.json("1").await.failure();
    assert_eq!(failure.error_type.as_deref(), Some("System.Threading.Tasks.TaskCanceledException"));
}
