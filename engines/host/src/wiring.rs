//! The descriptors between the host and a process.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use rustix::{
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
    pipe::{PipeFlags, pipe_with},
};

/// The process's ends: 3, 1 and 2 in the process.
#[derive(Debug)]
pub struct Theirs {
    /// Frames, both ways.
    pub engine: OwnedFd,
    /// Standard output.
    pub stdout: OwnedFd,
    /// Standard error.
    pub stderr: OwnedFd,
}

/// The host's ends. Only these do not block.
#[derive(Debug)]
pub struct Ours {
    pub(crate) engine: UnixStream,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// Fresh descriptors for one process; all are closed on exec.
///
/// # Errors
/// Out of descriptors.
pub fn pair() -> io::Result<(Ours, Theirs)> {
    let (engine, their_engine) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let (stdout, their_stdout) = pipe_with(PipeFlags::CLOEXEC)?;
    let (stderr, their_stderr) = pipe_with(PipeFlags::CLOEXEC)?;
    let engine = UnixStream::from(engine);
    engine.set_nonblocking(true)?;
    let ours = Ours { engine, stdout, stderr };
    Ok((ours, Theirs { engine: their_engine, stdout: their_stdout, stderr: their_stderr }))
}
