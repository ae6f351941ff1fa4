//! Processes of an engine that is a shell script: what the host makes of them, whatever they are.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{process::Command, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;
use workmanager_core_frames::{Frame, Kind, Limits};
use workmanager_core_kit::Tasks;
use workmanager_engines_host::{Child, Ended, Process, SpawnError, Step, confine, pair};

const LONG: Duration = Duration::from_secs(30);

/// Says `ready` as process `$$`, of contract `$contract`.
const READY: &str = r#"
send() { printf '\000\000\000'"\\$(printf %o $((${#2} + 5)))\\$1"'\000\000\000'"\\$(printf %o ${#2})%s" "$2" >&3; }
ready() { send 6 "{\"pid\":$$,\"contract\":$1,\"runtime\":\"sh\"}"; }
"#;

async fn start(script: &str, within: Duration) -> Result<Process, SpawnError> {
    let (ours, theirs) = pair().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{READY}{script}")]).stdout(theirs.stdout).stderr(theirs.stderr);
    confine(&mut command, theirs.engine);
    let tasks = Tasks::new();
    let child = Child::start(command, &tasks).unwrap();
    let connected = Process::connect(ours, Some(child), &tasks, Instant::now() + within).await;
    connected.map(|(process, _)| process)
}

#[tokio::test]
async fn a_process_that_is_ready_can_be_spoken_to() {
    // Reads the attempt (16 bytes) and answers it.
    let script = r#"ready 1; head -c 16 <&3 >/dev/null; echo out; echo err >&2; send 3 '{"a":1}'; sleep 600"#;
    let mut process = start(script, LONG).await.unwrap();
    process.begin(Instant::now() + LONG, 100, Limits::EVENTS);
    let sent = Frame { kind: Kind::Attempt, head: Bytes::from_static(b"{}"), body: Bytes::from_static(b"12345") };
    process.send(&sent).await.unwrap();
    let mut output = String::new();
    let answer = loop {
        match process.next().await {
            Step::Output(piece) => output.push_str(std::str::from_utf8(&piece.bytes).unwrap()),
            Step::Ended(Ended::Answered(frame)) => break frame,
            Step::Ended(other) => panic!("{other:?}"),
        }
    };
    assert_eq!((answer.kind, answer.head.as_ref()), (Kind::Result, b"{\"a\":1}".as_ref()));
    assert_eq!(output, "out\nerr\n");
}

#[tokio::test]
async fn a_process_that_never_becomes_ready_is_said_in_its_own_words() {
    let error = start("echo 'cannot open shared object' >&2; exit 7", LONG).await.unwrap_err();
    assert!(error.to_string().contains("exited with code 7; cannot open shared object"), "{error}");
    let error = start("sleep 600", Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, SpawnError::Slow), "{error}");
    let error = start("ready 9; sleep 600", LONG).await.unwrap_err();
    assert!(error.to_string().contains("speaks contract 9"), "{error}");
    let error = start("send 3 '{}'; sleep 600", LONG).await.unwrap_err();
    assert!(matches!(error, SpawnError::Protocol(_)), "{error}");
}

#[tokio::test]
async fn a_frame_that_is_never_read_does_not_hold_beyond_the_deadline() {
    let mut process = start("ready 1; sleep 600", LONG).await.unwrap();
    process.begin(Instant::now() + Duration::from_millis(300), 0, Limits::EVENTS);
    let large = Frame { kind: Kind::Attempt, head: Bytes::from_static(b"{}"), body: vec![0; 3 << 20].into() };
    assert!(matches!(process.send(&large).await, Err(Ended::TimedOut)));
    assert!(!process.is_alive());
}

#[tokio::test]
async fn a_process_is_confined_before_its_first_instruction() {
    let script = r#"
        group=$(cut -d' ' -f5 /proc/self/stat)
        privileges=$(grep NoNewPrivs /proc/self/status | tr -dc 0-9)
        send 4 "[$(($group == $$)),$privileges,$(ulimit -Hc)]"; sleep 600"#;
    let error = start(&format!("ready 1; {script}"), LONG).await;
    let mut process = error.unwrap();
    process.begin(Instant::now() + LONG, 0, Limits::EVENTS);
    let Step::Ended(Ended::Answered(frame)) = process.next().await else { panic!("no frame") };
    assert_eq!(frame.head.as_ref(), b"[1,1,0]");
}
