//! A process's output: kept up to a limit while an attempt runs, dropped otherwise. A process that writes
//! beyond what is kept is slowed down, so that it does not take its neighbours' time; it never stands still.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use ::metrics::counter;
use bytes::Bytes;
use tokio::{
    net::unix::pipe::Receiver,
    time::{Instant, Sleep, sleep},
};
use workmanager_core_domain::outcome::LogStream;

use crate::metrics::STRAY_OUTPUT;

/// Read at once. A pipe holds 64 KiB.
const CHUNK: usize = 16 << 10;
/// Most that is read after an answer: what a pipe can hold at all without privileges.
const LEFTOVER: usize = 1 << 20;

/// Dropped at once; the next after a pause.
const DROPPED: usize = 256 << 10;
/// How long nothing is read after so much was dropped. With it some 100 MiB a second are read.
const PAUSE: Duration = Duration::from_millis(1);

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where it was written.
    pub stream: LogStream,
    /// The bytes.
    pub bytes: Bytes,
    /// Whether output after it is left out.
    pub truncated: bool,
}

#[derive(Debug)]
struct Pipe {
    stream: LogStream,
    receiver: Receiver,
    open: bool,
}

/// Both pipes and how much of them may still be kept.
#[derive(Debug)]
pub(crate) struct Output {
    pipes: [Pipe; 2],
    room: usize,
    truncated: bool,
    leftover: usize,
    dropped: usize,
    pause: Pin<Box<Sleep>>,
    chunk: Box<[u8; CHUNK]>,
}

impl Output {
    pub(crate) fn new(stdout: OwnedFd, stderr: OwnedFd) -> io::Result<Self> {
        let pipe = |stream, fd| Ok::<_, io::Error>(Pipe { stream, receiver: Receiver::from_owned_fd(fd)?, open: true });
        let pipes = [pipe(LogStream::Stdout, stdout)?, pipe(LogStream::Stderr, stderr)?];
        let (pause, chunk) = (Box::pin(sleep(Duration::ZERO)), Box::new([0; CHUNK]));
        Ok(Self { pipes, room: 0, truncated: true, leftover: 0, dropped: 0, pause, chunk })
    }

    /// Drops what was written since the last attempt and keeps up to `room` bytes from now on.
    pub(crate) fn begin(&mut self, room: usize) {
        (self.room, self.truncated, self.leftover) = (0, true, LEFTOVER);
        while self.poll_rest().is_some() {}
        let stray = LEFTOVER - self.leftover;
        if stray > 0 {
            counter!(STRAY_OUTPUT).increment(stray as u64);
        }
        (self.room, self.truncated) = (room, false);
    }

    /// From now on [`Output::poll_rest`] gives what was written before this moment; of `fresh` output,
    /// of which nothing has been kept yet, so many bytes.
    pub(crate) fn answered(&mut self, fresh: Option<usize>) {
        self.leftover = LEFTOVER;
        if let Some(room) = fresh {
            (self.room, self.truncated) = (room, false);
        }
    }

    /// The next piece that is there now, read from the pipes themselves: what the runtime knows of them
    /// may be older than the answer.
    pub(crate) fn poll_rest(&mut self) -> Option<Piece> {
        for at in 0..self.pipes.len() {
            while self.pipes[at].open && self.leftover > 0 {
                match rustix::io::read(self.pipes[at].receiver.as_fd(), &mut self.chunk[..]) {
                    Ok(0) => self.pipes[at].open = false,
                    Ok(count) => {
                        self.leftover = self.leftover.saturating_sub(count);
                        if let Some(piece) = self.keep(at, count) {
                            return Some(piece);
                        }
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    Err(_) => break,
                }
            }
        }
        None
    }

    /// Waits for the next piece to be kept. Drops the rest on the way, slowly.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        ready!(self.poll_pause(cx));
        for at in 0..self.pipes.len() {
            while let Poll::Ready(count) = self.poll_chunk(at, cx) {
                if let Some(piece) = self.keep(at, count) {
                    return Poll::Ready(piece);
                }
                self.dropped += count;
                ready!(self.poll_pause(cx));
            }
        }
        Poll::Pending
    }

    /// Waits if enough was dropped for now.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.dropped >= DROPPED {
            self.dropped = 0;
            self.pause.as_mut().reset(Instant::now() + PAUSE);
        }
        self.pause.as_mut().poll(cx)
    }

    fn poll_chunk(&mut self, at: usize, cx: &mut Context<'_>) -> Poll<usize> {
        let pipe = &mut self.pipes[at];
        while pipe.open {
            let read = match ready!(pipe.receiver.poll_read_ready(cx)) {
                Ok(()) => pipe.receiver.try_read(&mut self.chunk[..]),
                Err(error) => Err(error),
            };
            match read {
                Ok(0) => pipe.open = false,
                Ok(count) => return Poll::Ready(count),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(_) => pipe.open = false,
            }
        }
        Poll::Pending
    }

    fn keep(&mut self, at: usize, count: usize) -> Option<Piece> {
        if self.truncated {
            return None;
        }
        let kept = count.min(self.room);
        self.room -= kept;
        self.truncated = kept < count;
        let bytes = Bytes::copy_from_slice(&self.chunk[..kept]);
        Some(Piece { stream: self.pipes[at].stream, bytes, truncated: self.truncated })
    }
}
