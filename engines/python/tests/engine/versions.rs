//! The same on every CPython that is here.

use std::path::PathBuf;

use workmanager_core_domain::MimeType;
use workmanager_engines_host::Engine as _;
use workmanager_engines_python::Options;

use crate::support::{Harness, python};

/// `python3.N` on the path, or beside the shims of a version manager that is on the path.
fn interpreter(minor: u32) -> Option<PathBuf> {
    let name = format!("python3.{minor}");
    let path = python().path?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let shims = folders.iter().filter(|folder| folder.ends_with("shims")).filter_map(|folder| folder.parent());
    let managed = shims.filter_map(|root| std::fs::read_dir(root.join("versions")).ok()).flatten().flatten();
    let folders = managed.map(|version| version.path().join("bin")).chain(folders.iter().cloned());
    folders.map(|folder| folder.join(&name)).find(|file| file.is_file())
}

async fn runs_on(minor: u32) {
    let Some(found) = interpreter(minor) else {
        let skip = format!("SKIPPED: needs python3.{minor}: it is not on PATH\n");
        std::io::Write::write_all(&mut std::io::stderr(), skip.as_bytes()).unwrap();
        return;
    };
    let harness = Harness::with(Options { python: Some(found), ..python() });
    let source = "
def Process(event):
    if event['data'] is None: raise ValueError('none')
    return {'Type': 't', 'data': [event['data'], 1.5, 'h\u{e9}']}
";
    let mut worker = harness.load(source).await;
    assert_eq!(worker.json("{\"a\":[1]}").await.data(), "[{\"a\":[1]},1.5,\"h\u{e9}\"]");
    let failure = worker.json("null").await.failure();
    assert!(failure.stack.unwrap().contains("raise ValueError('none')"));
    let coroutine = "
import asyncio
async def Process(event):
    await asyncio.sleep(0)
    return {'type': 't', 'data': 'async'}
";
    assert_eq!(harness.load(coroutine).await.json("1").await.data(), "\"async\"");
    let confined = "
import threading, _thread
def Process(event):
    threading.Thread(target=print).start()
    import os
    try: os.fork()
    except PermissionError: return {'type': 't', 'data': 'confined'}
";
    assert_eq!(harness.load(confined).await.json("1").await.data(), "\"confined\"");
    let runtime = harness.engine.info(MimeType::Python).runtime.unwrap();
    assert!(runtime.starts_with(&format!("CPython 3.{minor}.")), "{runtime}");
}

#[tokio::test]
async fn it_runs_on_python_3_9() {
    runs_on(9).await;
}

#[tokio::test]
async fn it_runs_on_python_3_10() {
    runs_on(10).await;
}

#[tokio::test]
async fn it_runs_on_python_3_11() {
    runs_on(11).await;
}

#[tokio::test]
async fn it_runs_on_python_3_12() {
    runs_on(12).await;
}

#[tokio::test]
async fn it_runs_on_python_3_13() {
    runs_on(13).await;
}

#[tokio::test]
async fn it_runs_on_python_3_14() {
    runs_on(14).await;
}
