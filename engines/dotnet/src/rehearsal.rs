//! The host is run once when it is made, with an event for a worker of ours: so the runtime learns which methods the first
//! event of a process takes (its *multicore JIT profile*), and compiles them ahead on a second thread from then on.
//! A host of an image that is compiled in full (ReadyToRun) would need it less.

use std::{
    io::{self, Read as _, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use workmanager_core_frames::{Frame, Kind};
use workmanager_engines_host::{Errand, confine};

/// The argument that asks for it.
pub(crate) const ARGUMENT: &str = "rehearsal";
/// The runtime's variable that has it use a profile, and write none.
pub(crate) const WRITES_NO_PROFILE: &str = "DOTNET_MultiCoreJitNoProfileGather";
/// Far more than it takes.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs the host by `command` with `worker`, an assembly.
///
/// # Errors
/// It cannot be run, takes too long, or fails.
pub(crate) fn rehearse(mut command: Command, worker: Vec<u8>) -> io::Result<()> {
    let (mut ours, theirs) = UnixStream::pair()?;
    ours.set_read_timeout(Some(LIMIT))?;
    ours.set_write_timeout(Some(LIMIT))?;
    command.env_remove(WRITES_NO_PROFILE).stdout(Stdio::null()).stderr(Stdio::null());
    confine(&mut command, theirs.into());
    let host = Errand::start(command)?;
    let load = json!({"manifest": {"mimeType": "text/x-csharp", "engine": {"entry": null}, "config": {"a": "b"}}});
    let event = json!({
        "specversion": "1.0", "id": "1", "source": "/rehearsal", "type": "rehearsal", "time": "2024-01-01T00:00:00Z",
        "datacontenttype": "application/json",
    });
    let attempt = json!({"attempt": "0", "event": event, "data": "json", "leftMs": 1_000});
    send(&mut ours, Kind::Load, &load, worker.into())?;
    send(&mut ours, Kind::Attempt, &attempt, Bytes::from_static(br#"{"a":[1,"b",null]}"#))?;
    ours.shutdown(Shutdown::Write)?;
    // It ends when it has nothing more to read.
    ours.read_to_end(&mut Vec::new())?;
    let status = host.wait(LIMIT)?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("the host ended with {status}"))) }
}

fn send(to: &mut UnixStream, kind: Kind, head: &Value, body: Bytes) -> io::Result<()> {
    let frame = Frame::new(kind, head, body).map_err(io::Error::other)?;
    to.write_all(&frame.prefix())?;
    to.write_all(&frame.body)
}
