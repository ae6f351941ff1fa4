//! How the process starts, stops, and what it leaves behind: nothing.

use std::{
    os::{fd::OwnedFd, unix::net::UnixListener},
    process::Stdio,
    time::Duration,
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Function, LONG, command, eventually, exists, free_port, signal, started_with};

const SLOW: &str = "
import os, subprocess, time
def Process(event):
    if event['data'] == 'daemon':
        # Leaves its session and is left by its parent.
        subprocess.run(['sh', '-c', 'setsid sleep 600 & echo $!'], start_new_session=True)
        child = subprocess.run(['pgrep', '-n', '-x', 'sleep'], capture_output=True)
        return {'type': 't', 'data': int(child.stdout)}
    while not os.path.exists(event['data']): time.sleep(0.005)
    return {'type': 't', 'data': 'finished'}
";

#[tokio::test]
async fn told_to_stop_it_finishes_what_is_in_flight_and_leaves_nothing() {
    let mut function = Function::start(&[("w", SLOW)], &[]).await;
    let go = function.directory.path().join("go");
    let data = serde_json::to_string(&go).unwrap();
    let address = function.address;
    let stop = async {
        // In flight: the zygote and a busy worker.
        eventually("the attempt runs", || busy(&function)).await;
        function.signal("TERM");
        eventually("it takes no new connection", || std::net::TcpStream::connect(address).is_err()).await;
        std::fs::write(&go, "").unwrap();
    };
    let (answer, ()) = tokio::join!(function.event("w", &data), stop);
    assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, b"\"finished\"".as_ref()));
    assert_eq!(function.wait().code(), Some(0));
    assert_eq!(started_with(function.directory.path()), [] as [u32; 0]);
}

#[tokio::test]
async fn what_takes_longer_than_the_grace_period_is_cut_off() {
    let mut function = Function::start(&[("w", SLOW)], &["--grace", "300ms"]).await;
    let stop = async {
        eventually("the attempt runs", || busy(&function)).await;
        function.signal("TERM");
    };
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/s"),
        ("ce-type", "t"),
        ("content-type", "application/json"),
    ];
    let mut stream = tokio::net::TcpStream::connect(function.address).await.unwrap();
    let mut request = "POST /v1/workers/w/events HTTP/1.1\r\nhost: f\r\ncontent-length: 8\r\n".to_owned();
    headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
    stream.write_all((request + "\r\n\"/never\"").as_bytes()).await.unwrap();
    stop.await;
    let mut answer = Vec::new();
    tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("engine-lost") && answer.contains("the function was stopped"), "{answer}");
    assert_eq!(function.wait().code(), Some(0));
    assert_eq!(started_with(function.directory.path()), [] as [u32; 0]);
}

#[tokio::test]
async fn a_second_signal_stops_it_at_once() {
    let mut function = Function::start(&[("w", SLOW)], &["--grace", "600s"]).await;
    let mut stream = tokio::net::TcpStream::connect(function.address).await.unwrap();
    let head = "POST /v1/workers/w/events HTTP/1.1\r\nhost: f\r\ncontent-length: 8\r\nce-specversion: 1.0\r\n\
        ce-id: 1\r\nce-source: /s\r\nce-type: t\r\ncontent-type: application/json\r\n\r\n\"/never\"";
    stream.write_all(head.as_bytes()).await.unwrap();
    eventually("the attempt runs", || busy(&function)).await;
    function.signal("INT");
    eventually("it drains", || std::net::TcpStream::connect(function.address).is_err()).await;
    function.signal("INT");
    assert_eq!(function.wait().code(), Some(0));
    assert_eq!(started_with(function.directory.path()), [] as [u32; 0]);
}

#[tokio::test]
async fn killed_it_leaves_nothing() {
    let source = "def Process(event):\n while event['data']: pass";
    let mut function = Function::start(&[("busy", source), ("idle", source)], &[]).await;
    let mut stream = tokio::net::TcpStream::connect(function.address).await.unwrap();
    let head = "POST /v1/workers/busy/events HTTP/1.1\r\nhost: f\r\ncontent-length: 1\r\nce-specversion: 1.0\r\n\
        ce-id: 1\r\nce-source: /s\r\nce-type: t\r\ncontent-type: application/json\r\n\r\n1";
    stream.write_all(head.as_bytes()).await.unwrap();
    let directory = function.directory.path().to_owned();
    // The function, its zygote, two workers, and one ahead of the need for it.
    eventually("all are there", || started_with(&directory).len() == 5).await;
    function.signal("KILL");
    function.wait();
    eventually("all are gone", || started_with(&directory).is_empty()).await;
}

#[tokio::test]
async fn a_daemon_that_a_worker_left_behind_does_not_outlive_it() {
    let mut function = Function::start(&[("w", SLOW)], &["--sandbox", "off"]).await;
    let answer = function.event("w", "\"daemon\"").await;
    let daemon: u32 = std::str::from_utf8(&answer.body).unwrap().parse().unwrap();
    assert!(exists(daemon));
    function.signal("TERM");
    function.wait();
    eventually("the daemon is gone", || !exists(daemon)).await;
}

#[tokio::test]
async fn it_serves_a_socket_that_it_inherits_and_dies_with_who_gave_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("function.sock");
    let listener = UnixListener::bind(&path).unwrap();
    // A shell in between is the parent that dies.
    let mut shell = std::process::Command::new("sh");
    let function = command(directory.path());
    shell.args(["-c", "\"$@\"; true", "sh"]).arg(function.get_program()).args(function.get_args());
    let mut shell = shell.args(["--listen", "stdin"]).stdin(Stdio::from(OwnedFd::from(listener))).spawn().unwrap();
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: f\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    eventually("shell, function, zygote and its spare are there", || started_with(directory.path()).len() == 4).await;
    signal(shell.id(), "KILL");
    shell.wait().unwrap();
    eventually("all are gone", || started_with(directory.path()).is_empty()).await;
}

#[tokio::test]
async fn an_inherited_socket_may_be_tcp_and_the_port_may_come_from_the_platform() {
    let directory = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let inherited =
        command(directory.path()).args(["--listen", "stdin"]).stdin(Stdio::from(OwnedFd::from(listener))).spawn();
    let port = free_port();
    let platform = command(directory.path()).env("PORT", port.to_string()).spawn();
    for (mut child, address) in [(inherited.unwrap(), address), (platform.unwrap(), ([127, 0, 0, 1], port).into())] {
        eventually("it answers", || get(address, "/livez").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")))
            .await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn get(address: std::net::SocketAddr, path: &str) -> Option<String> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: f\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[tokio::test]
async fn a_worker_that_cannot_be_served_is_said_and_ends_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let table = [
        (format!("w={}", file("bad.py", "def Process(event) return")), "SyntaxError"),
        (format!("w={}/missing.py", directory.path().display()), "cannot read"),
        (format!("w={}", file("w.txt", "")), "none of the extensions"),
        (format!("w!={}", file("w.py", "")), "neither an id nor a name"),
        (format!("w={}", file("w.cs", "")), "install the .NET runtime"),
    ];
    for (given, says) in table {
        let output = command(directory.path()).args(["--listen", "127.0.0.1:0", "--worker", &given]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{given}: {stderr}");
        assert!(stderr.contains(says), "{given}: {stderr} should say {says}");
    }
    assert_eq!(started_with(directory.path()), [] as [u32; 0]);
}

/// Whether a worker of the function is running an attempt: its main thread sleeps in Python, not in a
/// read of its socket.
fn busy(function: &Function) -> bool {
    started_with(function.directory.path()).iter().filter(|pid| **pid != function.pid()).any(|pid| {
        let call = std::fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
        call.contains("nanosleep")
    })
}
