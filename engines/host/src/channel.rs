//! The socket to a process.

use std::{
    io::{self, IoSlice},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut, buf::Chain};
use rustix::io::Errno;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio_util::{codec::Decoder as _, io::poll_read_buf};
use workmanager_core_frames::{Codec, Frame, FrameError, Limits};

/// Read at once; larger frames grow the buffer.
const CHUNK: usize = 16 << 10;

/// Frames both ways. The socket is watched for reading only: it becomes writable each time the process
/// reads, and to be woken for that would cost every attempt a switch to this thread and back.
#[derive(Debug)]
pub(crate) struct Channel {
    /// Not a pipe, but read like one.
    receiver: Receiver,
    /// There while a frame does not fit into the socket at once.
    sender: Option<Sender>,
    codec: Codec,
    inbox: BytesMut,
}

/// A frame on its way out.
pub(crate) type Outgoing = Chain<Bytes, Bytes>;

impl Channel {
    pub(crate) fn new(socket: UnixStream, limits: Limits) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let receiver = Receiver::from_owned_fd_unchecked(OwnedFd::from(socket))?;
        let inbox = BytesMut::with_capacity(CHUNK);
        Ok(Self { receiver, sender: None, codec: Codec::new(limits), inbox })
    }

    pub(crate) fn limit(&mut self, limits: Limits) {
        self.codec = Codec::new(limits);
    }

    /// The frame's pieces, where they are.
    pub(crate) fn outgoing(frame: &Frame) -> Outgoing {
        frame.prefix().chain(frame.body.clone())
    }

    /// Sends as much as fits now. Says whether that was all.
    pub(crate) fn push(&mut self, outgoing: &mut Outgoing) -> io::Result<bool> {
        while outgoing.has_remaining() {
            let mut pieces = [IoSlice::new(&[]); 2];
            let count = outgoing.chunks_vectored(&mut pieces);
            match rustix::io::writev(self.receiver.as_fd(), &pieces[..count]) {
                Ok(sent) => outgoing.advance(sent),
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.sender = None;
        Ok(true)
    }

    /// Waits until more fits.
    pub(crate) async fn writable(&mut self) -> io::Result<()> {
        let sender = match self.sender.take() {
            Some(sender) => sender,
            None => Sender::from_owned_fd_unchecked(self.receiver.as_fd().try_clone_to_owned()?)?,
        };
        let sender = self.sender.insert(sender);
        sender.writable().await?;
        // Writing goes past the runtime, so it is told here that it has to look again.
        match sender.try_io(|| Err::<(), _>(io::ErrorKind::WouldBlock.into())) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// The next frame; `None` at the end.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame>, FrameError>> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.inbox)? {
                return Poll::Ready(Ok(Some(frame)));
            }
            self.inbox.reserve(CHUNK);
            match std::task::ready!(poll_read_buf(Pin::new(&mut self.receiver), cx, &mut self.inbox)) {
                Ok(0) => return Poll::Ready(Ok(None)),
                Ok(_) => {}
                // A process that dies with frames unread resets the connection.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Poll::Ready(Ok(None)),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}
