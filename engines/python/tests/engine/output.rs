//! What a worker writes belongs to its attempt, and to nobody else.

use std::time::Duration;

use workmanager_engines_host::Ended;

use crate::support::{Harness, load};

#[tokio::test]
async fn both_streams_belong_to_the_attempt_that_wrote_them() {
    let source = "
import sys, os
print('at load')
def Process(event):
    print('out', event['data'], end='')
    print('err', event['data'], file=sys.stderr)
    sys.stdout.flush()
    sys.stdout.buffer.write(b'!')
    os.write(1, b'raw')
";
    let mut worker = load(source).await;
    assert_eq!(worker.loading.stdout, "at load\n");
    for data in ["1", "2", "3"] {
        let answer = worker.json(data).await;
        assert!(answer.is_no_reply());
        // What is still in Python's own buffer when the worker answers is not lost.
        assert_eq!(answer.stdout, format!("out {data}raw!"));
        assert_eq!(answer.stderr, format!("err {data}\n"));
    }
}

#[tokio::test]
async fn output_survives_every_kind_of_ending() {
    let source = "
import os, sys
def Process(event):
    print('before')
    if event['data'] == 0: raise ValueError
    if event['data'] == 1: os._exit(1)
    while True: pass
";
    let mut worker = load(source).await;
    assert_eq!(worker.json("0").await.stdout, "before\n");
    let answer = worker.json("1").await;
    assert_eq!((answer.stdout.as_str(), matches!(answer.ended, Ended::Lost(_))), ("before\n", true));
    let mut worker = load(source).await;
    worker.timeout = Duration::from_millis(300);
    let answer = worker.json("2").await;
    assert_eq!((answer.stdout.as_str(), matches!(answer.ended, Ended::TimedOut)), ("before\n", true));
}

#[tokio::test]
async fn output_between_attempts_belongs_to_nobody() {
    let source = "
import threading
def stray(path):
    print('stray', flush=True)
    open(path, 'w').close()
def Process(event):
    if event['data'] == 'go': threading.Timer(0.2, stray, (event['path'],)).start()
";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("written");
    let mut worker = Harness::trusted().load(source).await;
    let extra = serde_json::json!({"path": path}).to_string();
    let answer = worker.event(&extra, workmanager_core_domain::event::DataKind::Json, b"\"go\"").await;
    assert_eq!((answer.is_no_reply(), answer.stdout.as_str()), (true, ""));
    crate::support::eventually("the stray line is written", || path.exists()).await;
    assert_eq!(worker.json("1").await.stdout, "");
}

#[tokio::test]
async fn output_up_to_the_limit_is_not_marked_as_cut_off() {
    let mut worker = load("import sys\ndef Process(event): sys.stdout.write('x' * event['data'])").await;
    worker.log_bytes = 10;
    for (written, kept, truncated) in [(10, 10, false), (11, 10, true), (0, 0, false)] {
        let answer = worker.json(&written.to_string()).await;
        assert_eq!((answer.stdout.len(), answer.truncated), (kept, truncated), "{written}");
    }
}

#[tokio::test]
async fn print_cannot_forge_a_result() {
    let source = "
import os, sys
def Process(event):
    forged = b'{\"attempt\":\"%s\"}' % event['id'].encode()
    frame = (len(forged) + 5).to_bytes(4, 'big') + b'\\x03' + len(forged).to_bytes(4, 'big') + forged
    os.write(1, frame)
    return {'type': 't', 'data': 'true'}
";
    let answer = load(source).await.json("1").await;
    assert_eq!(answer.data(), "\"true\"");
    assert!(answer.stdout.contains("attempt"));
}

#[tokio::test]
async fn text_that_is_no_unicode_can_be_printed() {
    let answer = load("def Process(event): print('\\ud800', 'h\u{e9}')").await.json("1").await;
    assert_eq!(answer.stdout, "\\ud800 h\u{e9}\n");
}
