//! What a worker writes belongs to its attempt, and to nobody else.

use workmanager_engines_host::Ended;

use crate::support::load;

#[tokio::test]
async fn both_streams_belong_to_the_attempt_that_wrote_them() {
    let source = r#"
using CloudNative.CloudEvents;
public class Worker
{
    public Worker() => Console.WriteLine("at load");
    public void Process(CloudEvent e)
    {
        Console.Write($"out {e.Data}");
        Console.Error.WriteLine($"err {e.Data}");
    }
}"#;
    let Some(mut worker) = load(source).await else { return };
    assert_eq!(worker.loading.stdout, "at load\n");
    for data in ["1", "2", "3"] {
        let answer = worker.json(data).await;
        assert!(answer.is_no_reply());
        assert_eq!((answer.stdout, answer.stderr), (format!("out {data}"), format!("err {data}\n")));
    }
}

#[tokio::test]
async fn output_beyond_the_limit_is_cut_off_and_harms_nobody() {
    let source = r#"
using CloudNative.CloudEvents;
using System.Text.Json;
class Worker
{
    public void Process(CloudEvent e)
    {
        var line = new string('x', 1023);
        for (var n = ((JsonElement)e.Data).GetInt32(); n > 0; n--) Console.WriteLine(line);
    }
}"#;
    let Some(mut worker) = load(source).await else { return };
    worker.log_bytes = 10 << 10;
    for (written, kept, truncated) in [(10, 10, false), (11, 10, true), (65_536, 10, true), (0, 0, false)] {
        let answer = worker.json(&written.to_string()).await;
        assert!(answer.is_no_reply());
        assert_eq!((answer.stdout.len(), answer.truncated), (kept << 10, truncated), "{written}");
    }
}

#[tokio::test]
async fn output_survives_the_end_of_the_process() {
    let source = r#"
using CloudNative.CloudEvents;
class Worker { public void Process(CloudEvent e) { Console.Write("before"); Environment.Exit(1); } }"#;
    let Some(mut worker) = load(source).await else { return };
    let answer = worker.json("1").await;
    assert_eq!((answer.stdout.as_str(), matches!(answer.ended, Ended::Lost(_))), ("before", true));
}
