//! Processes: what they inherit, how they end, and that they end.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use workmanager_core_domain::MimeType;
use workmanager_engines_host::{Ended, Engine as _, SpawnError};
use workmanager_engines_python::Options;

use crate::support::{Harness, LONG, eventually, is_alive, load, python};

#[tokio::test]
async fn a_deadline_kills_the_whole_group_and_the_next_process_is_fine() {
    let source = "
import subprocess, time, sys
def Process(event):
    if event['data'] == 0: return {'type': 't', 'data': 'fresh'}
    child = subprocess.Popen(['sleep', '600'])
    print(child.pid, flush=True)
    while True: time.sleep(1)
";
    let harness = Harness::trusted();
    let mut worker = harness.load(source).await;
    worker.timeout = Duration::from_millis(500);
    let pid = worker.process.pid();
    let answer = worker.json("1").await;
    assert!(matches!(answer.ended, Ended::TimedOut), "{answer:?}");
    let grandchild: u32 = answer.stdout.trim().parse().unwrap();
    eventually("both are gone", || !is_alive(pid) && !is_alive(grandchild)).await;
    assert_eq!(harness.load(source).await.json("0").await.data(), "\"fresh\"");
}

#[tokio::test]
async fn a_process_that_is_dropped_is_killed() {
    let harness = Harness::new();
    let worker = harness.load("def Process(event): pass").await;
    let pid = worker.process.pid();
    assert!(is_alive(pid));
    drop(worker);
    eventually("it is reaped", || !PathBuf::from(format!("/proc/{pid}")).exists()).await;
}

#[tokio::test]
async fn a_process_that_is_stopped_may_say_goodbye() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("goodbye");
    let source =
        format!("import atexit\natexit.register(lambda: open({path:?}, 'w').close())\ndef Process(event): pass");
    let worker = Harness::trusted().load(&source).await;
    worker.process.stop(Duration::from_secs(20)).await;
    assert!(path.exists());
}

#[tokio::test]
async fn a_process_that_refuses_to_end_is_killed() {
    let source = "
import atexit, signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
atexit.register(lambda: time.sleep(600))
def Process(event): pass
";
    let worker = load(source).await;
    let pid = worker.process.pid();
    worker.process.stop(Duration::from_millis(100)).await;
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn what_a_worker_leaves_behind_is_killed_with_it() {
    // Its own process group does not save it.
    let source = "
import os, subprocess
def Process(event):
    child = subprocess.Popen(['sh', '-c', 'sleep 600 & echo $!'], stdout=subprocess.PIPE, preexec_fn=lambda: os.setpgid(0, 0))
    return {'type': 't', 'data': int(child.stdout.readline())}
";
    let mut worker = Harness::trusted().load(source).await;
    let orphan: u32 = worker.json("1").await.data().parse().unwrap();
    assert!(is_alive(orphan));
    drop(worker);
    eventually("the orphan is gone", || !is_alive(orphan)).await;
}

#[tokio::test]
async fn a_process_that_the_worker_forks_cannot_answer() {
    let source = "
import os
def Process(event):
    pid = os.fork()
    if pid: os.waitpid(pid, 0)
    return {'type': 't', 'data': 'parent' if pid else 'child'}
";
    let mut worker = Harness::trusted().load(source).await;
    for _ in 0..3 {
        assert_eq!(worker.json("1").await.data(), "\"parent\"");
    }
}

#[tokio::test]
async fn a_worker_finds_nothing_of_its_host() {
    let source = "
import os, resource
def status(name):
    return next(line.split()[1] for line in open('/proc/self/status') if line.startswith(name))
def Process(event):
    return {'type': 't', 'data': {
        'environment': sorted(os.environ),
        'descriptors': [fd for fd in range(256) if os.path.exists('/proc/self/fd/%d' % fd)],
        'stdin': os.readlink('/proc/self/fd/0'),
        'group': os.getpgid(0) == os.getpid() == os.getsid(0),
        'privileges': status('NoNewPrivs'),
        'core': resource.getrlimit(resource.RLIMIT_CORE),
        'files': resource.getrlimit(resource.RLIMIT_NOFILE),
        'directory': os.getcwd(),
    }}
";
    let seen: serde_json::Value = serde_json::from_str(&load(source).await.json("1").await.data()).unwrap();
    let expected = serde_json::json!({
        "environment": ["LANG", "MALLOC_ARENA_MAX", "PATH", "TMPDIR"], "descriptors": [0, 1, 2, 3], "stdin": "/dev/null",
        "group": true, "privileges": "1", "core": [0, 0], "files": [1024, 1024], "directory": "/",
    });
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_zygote_that_dies_is_started_again_and_its_children_live_on() {
    let cache = tempfile::tempdir().unwrap();
    let harness = Harness::with(Options { cache: Some(cache.path().to_owned()), ..python() });
    let mut worker = harness.load("def Process(event): return {'type': 't', 'data': 1}").await;
    let zygote = zygote_of(cache.path());
    assert!(Command::new("kill").args(["-9", &zygote.to_string()]).status().unwrap().success());
    eventually("the zygote is gone", || !is_alive(zygote)).await;
    assert_eq!(worker.json("1").await.data(), "1");
    let mut next = harness.load("def Process(event): return {'type': 't', 'data': 2}").await;
    assert_eq!(next.json("1").await.data(), "2");
}

#[tokio::test]
async fn one_process_is_there_before_it_is_asked_for_and_none_after_the_stop() {
    let cache = tempfile::tempdir().unwrap();
    let harness = Harness::with(Options { cache: Some(cache.path().to_owned()), ..python() });
    harness.engine.start().await;
    let until = Instant::now() + LONG;
    let mut worker = loop {
        let before = started_with(cache.path());
        let worker = harness.load("def Process(event): return {'type': 't', 'data': 1}").await;
        if before.contains(&worker.process.pid()) {
            break worker;
        }
        assert!(Instant::now() < until, "there is never a spare process");
        drop(worker);
        // It imports only while nobody asks for anything.
        tokio::time::sleep(Duration::from_millis(400)).await;
    };
    assert_eq!(worker.json("1").await.data(), "1");
    eventually("zygote, worker and a new spare are there", || started_with(cache.path()).len() == 3).await;
    drop(worker);
    harness.engine.stop().await;
    eventually("all are gone", || started_with(cache.path()).is_empty()).await;
    assert!(harness.engine.spawn(&harness.manifest).await.is_err(), "stopped is stopped");
}

#[tokio::test]
async fn a_python_that_is_not_there_is_said_with_what_to_do() {
    let table = [
        (Options { python: Some("/no/such/python".into()), ..python() }, "cannot read `/no/such/python`"),
        (Options { python: Some("no-such-python".into()), ..python() }, "no `no-such-python` on PATH"),
        (Options { path: Some("/".into()), ..python() }, "no `python3` on PATH"),
        (Options { python: Some("/etc/passwd".into()), ..python() }, "python"),
    ];
    for (options, says) in table {
        let harness = Harness::with(options);
        let error = harness.engine.spawn(&harness.manifest).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error} should say {says}");
        let info = harness.engine.info(MimeType::Python);
        assert!(!info.available && info.reason.is_some(), "{info:?}");
    }
    let harness = Harness::with(Options { python: Some("/bin/true".into()), ..python() });
    let error = harness.engine.spawn(&harness.manifest).await.unwrap_err();
    assert!(matches!(error, SpawnError::Died(_) | SpawnError::System { .. }), "{error:?}");
}

#[tokio::test]
async fn it_runs_without_a_cache() {
    let harness = Harness::with(Options { cache: None, ..python() });
    let mut worker = harness.load("def Process(event): return {'type': 't', 'data': 1}").await;
    assert_eq!(worker.json("1").await.data(), "1");
}

/// Every process whose command names `cache`.
fn started_with(cache: &Path) -> Vec<u32> {
    let marker = cache.display().to_string();
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let names_cache = |pid: &u32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&marker)
    };
    pids.filter(names_cache).collect()
}

/// The zygote: the one process with this cache that leads no session.
fn zygote_of(cache: &Path) -> u32 {
    let leads_none = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let session = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(3)).unwrap_or_default();
        session != pid.to_string()
    };
    started_with(cache).into_iter().find(leads_none).unwrap()
}
