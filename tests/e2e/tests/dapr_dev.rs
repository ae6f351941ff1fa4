//! `dev --dapr`: a Redis and a sidecar that live as long as it does.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests may fail loudly")]

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use rustix::process::Signal;
use serde_json::json;
use workmanager_tests_e2e::{Server, command_line, descendants, eventually, is_alive, tool, workmanager};

const CODE: &str = "# workmanager: topic=in reply-topic=replies\ndef Process(event):\n    return {'type': 't', 'data': event['data']}\n";

/// The folders of the programs, and those of this machine.
fn path(programs: &[PathBuf]) -> OsString {
    let rest = std::env::var_os("PATH").unwrap();
    let folders = programs.iter().map(|program| program.parent().unwrap().to_owned());
    std::env::join_paths(folders.chain(std::env::split_paths(&rest))).unwrap()
}

fn programs() -> Option<[PathBuf; 2]> {
    Some([tool("daprd", "WORKMANAGER_TEST_DAPRD")?, tool("redis-server", "WORKMANAGER_TEST_REDIS")?])
}

/// One with the worker's file, and its neighbours' processes.
fn dev(programs: &[PathBuf], folder: &Path) -> (Server, Vec<u32>) {
    let file = folder.join("w.py");
    fs::write(&file, CODE).unwrap();
    let server = Server::with_environment(&[("PATH", path(programs))], "dev", &["--dapr", file.to_str().unwrap()]);
    let of = |name| descendants(server.pid()).into_iter().find(|pid| command_line(*pid).contains(name)).unwrap();
    let neighbours = ["daprd ", "redis-server "].map(of).into();
    (server, neighbours)
}

fn are_gone(pids: &[u32]) {
    for pid in pids {
        eventually(&format!("process {pid} ({}) is gone", command_line(*pid)), || (!is_alive(*pid)).then_some(()));
    }
}

#[test]
fn a_file_takes_events_from_dapr_and_all_that_was_started_ends_with_it() {
    let Some(programs) = programs() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut server, neighbours) = dev(&programs, folder.path());
    let replies = server.tail("replies", "");
    server.publish("in", "1", &json!("one"));
    assert_eq!(replies.next()["data"], "one");
    server.signal(Signal::INT);
    assert!(server.ended().success());
    are_gone(&neighbours);

    let (mut server, neighbours) = dev(&programs, folder.path());
    server.signal(Signal::KILL);
    let _ = server.ended();
    are_gone(&neighbours);
}

#[test]
fn the_end_of_the_sidecar_ends_dev_and_is_said() {
    let Some(programs) = programs() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut server, neighbours) = dev(&programs, folder.path());
    let pid = rustix::process::Pid::from_raw(neighbours[0].try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    assert!(!server.ended().success());
    are_gone(&neighbours);
}

/// Runs `dev --dapr` to its end with no other programs than those in `folder`.
fn fails(folder: &Path) -> (Output, String) {
    let mut command = Command::new(workmanager());
    command.args(["dev", "--dapr", "--http-port", "0", "--internal-port", "0", "--ephemeral"]);
    let output = command.env("PATH", folder).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("(sidecar-not-started)"), "{said}");
    (output, said)
}

#[test]
fn what_is_not_installed_is_named_with_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_, said) = fails(folder.path());
    assert!(said.contains("no redis-server on PATH; install it, as by `apt-get install redis-server`"), "{said}");
    fs::write(folder.path().join("redis-server"), "").unwrap();
    let (_, said) = fails(folder.path());
    assert!(said.contains("no daprd on PATH; `dapr init --slim`"), "{said}");
}

#[test]
fn a_redis_or_a_sidecar_that_does_not_start_is_shown_in_its_own_words() {
    let Some([_, redis]) = programs() else { return };
    let folder = tempfile::tempdir().unwrap();
    let program = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    };
    program("daprd", "echo no sidecar today; exit 3");
    program("redis-server", "echo no redis today; exit 4");
    let (_, said) = fails(folder.path());
    assert!(said.contains("redis-server has ended (exit status: 4)") && said.contains("no redis today"), "{said}");
    program("redis-server", &format!("exec {} \"$@\"", redis.display()));
    let (_, said) = fails(folder.path());
    assert!(said.contains("daprd has ended (exit status: 3)") && said.contains("no sidecar today"), "{said}");
}

#[test]
fn a_retention_within_which_events_come_again_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(workmanager());
    command.args([
        "serve",
        "--profile",
        "dapr",
        "--http-port",
        "0",
        "--internal-port",
        "0",
        "--event-retention",
        "30s",
    ]);
    let output = command.arg("--data-dir").arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("(retention-too-short)") && said.contains("less than 1m,"), "{said}");
}
