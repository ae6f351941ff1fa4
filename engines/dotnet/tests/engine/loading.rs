//! What is said when code does not load.

use workmanager_core_domain::{
    MimeType,
    outcome::{Failure, FailureKind},
};

use crate::support::Harness;

async fn refused(harness: &Harness, source: &str) -> Failure {
    let failure = harness.try_load(source).await.err().unwrap_or_else(|| panic!("this loads: {source}"));
    assert_eq!((failure.kind, failure.retryable), (FailureKind::LoadFailed, false), "{source}");
    failure
}

#[tokio::test]
async fn code_without_a_usable_entry_is_refused_with_what_to_do() {
    let Some(harness) = Harness::new() else { return };
    let table = [
        ("class Worker { public void process(CloudEvent e) { } }", "there is no method for events: a worker has"),
        ("class Worker { public void Process() { } }", "only `Void Process()` of Worker"),
        ("class Worker { public int Process(CloudEvent e) => 1; }", "only `Int32 Process("),
        ("class Worker { void Process(CloudEvent e) { } }", "only `Void Process("),
        ("class Worker { public Worker(int n) { } public void Process(CloudEvent e) { } }", "a constructor without"),
        ("abstract class Worker { public void Process(CloudEvent e) { } }", "there is no method for events"),
        ("class Worker<T> { public void Process(CloudEvent e) { } }", "there is no method for events"),
    ];
    for (source, says) in table {
        let failure = refused(&harness, &format!("using CloudNative.CloudEvents;\n{source}")).await;
        assert!(failure.message.contains(says), "{source}: {} should say {says}", failure.message);
        assert_eq!(failure.stack, None, "{source}");
    }
}

#[tokio::test]
async fn several_entries_are_listed() {
    let Some(harness) = Harness::new() else { return };
    let source = "using CloudNative.CloudEvents;
public class B { public void Process(CloudEvent e) { } public Task ProcessAsync(CloudEvent e) => null; }
public class A { public static void Process(CloudEvent e) { } }";
    let failure = refused(&harness, source).await;
    let expected = "3 methods could be meant: A.Process, B.Process, B.ProcessAsync; name one as the engine's `entry`";
    assert_eq!(failure.message, expected);
}

#[tokio::test]
async fn a_constructor_that_fails_is_said_with_its_line() {
    let Some(harness) = Harness::new() else { return };
    let source = "using CloudNative.CloudEvents;
class Worker
{
    public Worker() { throw new ArgumentException(\"no such place\"); }
    public void Process(CloudEvent e) { }
}";
    let failure = refused(&harness, source).await;
    assert_eq!(failure.error_type.as_deref(), Some("System.ArgumentException"));
    assert_eq!(failure.message, "no such place");
    let stack = failure.stack.unwrap();
    assert!(stack.contains("at Worker..ctor() in orders.cs:line 4"), "{stack}");
    assert!(!stack.contains("WorkManager"), "{stack}");
}

#[tokio::test]
async fn an_assembly_is_loaded_as_it_is() {
    let Some(mut harness) = Harness::new() else { return };
    let source = "using CloudNative.CloudEvents;
public class Worker { public CloudEvent Process(CloudEvent e) => new() { Type = \"t\", Data = 5 }; }";
    let assembly = harness.compile(source).await.unwrap();
    harness.manifest.mime_type = MimeType::Dll;
    let mut worker = harness.load_assembly(assembly).await.unwrap();
    assert_eq!(worker.json("1").await.data(), "5");
}
