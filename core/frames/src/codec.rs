//! Bytes to frames and back.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Serialize, de::DeserializeOwned};
use tokio_util::codec::{Decoder, Encoder};

use crate::FrameError;

/// What a frame is. The numbers are the wire's and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Run one attempt. Head: [`crate::AttemptHead`] to a function, [`crate::EngineAttemptHead`] to an
    /// engine. Body: event data.
    Attempt = 1,
    /// A piece of a worker's output. Head: [`crate::LogHead`]. Body: the bytes.
    Log = 2,
    /// The attempt succeeded. Head: [`crate::ReplyHead`]. Body: reply data. Final.
    Result = 3,
    /// The attempt, or the load, failed. Head: [`crate::ErrorHead`]. Final.
    Error = 4,
    /// Load a version. Head: [`crate::LoadHead`]. Body: source or artefact.
    Load = 5,
    /// The engine process is there. Head: [`crate::ReadyHead`].
    Ready = 6,
    /// The version is loaded. Head: [`crate::LoadedHead`]. Body: artefact, where there is one.
    Loaded = 7,
    /// Load a version to see whether it loads. Head: [`crate::ValidateHead`]. Body: source.
    Validate = 8,
}

impl TryFrom<u8> for Kind {
    type Error = FrameError;

    fn try_from(number: u8) -> Result<Self, FrameError> {
        Ok(match number {
            1 => Self::Attempt,
            2 => Self::Log,
            3 => Self::Result,
            4 => Self::Error,
            5 => Self::Load,
            6 => Self::Ready,
            7 => Self::Loaded,
            8 => Self::Validate,
            unknown => return Err(FrameError::Kind(unknown)),
        })
    }
}

/// One frame. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// A JSON object.
    pub head: Bytes,
    /// Raw bytes.
    pub body: Bytes,
}

impl Frame {
    /// A frame with `head` written as JSON.
    ///
    /// # Errors
    /// `Malformed` if `head` cannot be written as JSON.
    pub fn new<H: Serialize>(kind: Kind, head: &H, body: Bytes) -> Result<Self, FrameError> {
        let head = serde_json::to_vec(head).map_err(|source| FrameError::Malformed { kind, source })?;
        Ok(Self { kind, head: head.into(), body })
    }

    /// The head as the type that belongs to the kind.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn head<H: DeserializeOwned>(&self) -> Result<H, FrameError> {
        serde_json::from_slice(&self.head).map_err(|source| FrameError::Malformed { kind: self.kind, source })
    }

    /// Its length on the wire.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        PREFIX + self.head.len() + self.body.len()
    }

    /// Everything before the body, so that the body can be sent from where it is.
    #[must_use]
    pub fn prefix(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(PREFIX + self.head.len());
        self.put_prefix(&mut out);
        out.freeze()
    }

    fn put_prefix(&self, out: &mut BytesMut) {
        // Every limit is far below 4 GiB.
        let len = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        out.put_u32(len(self.encoded_len() - 4));
        out.put_u8(self.kind as u8);
        out.put_u32(len(self.head.len()));
        out.extend_from_slice(&self.head);
    }
}

/// Length, kind and head length.
const PREFIX: usize = 9;

/// How large a frame of a stream may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Kind, head length, head and body together.
    pub frame: u32,
    /// The head alone.
    pub head: u32,
}

impl Limits {
    /// For attempts and their answers: events of 1 MiB, with room for what else the head carries.
    pub const EVENTS: Self = Self { frame: 4 << 20, head: 2 << 20 };
    /// For loads and validations: code of 50 MiB.
    pub const CODE: Self = Self { frame: 52 << 20, head: 1 << 20 };
}

/// Reads and writes frames.
#[derive(Debug, Clone)]
pub struct Codec {
    limits: Limits,
}

impl Codec {
    /// A codec that refuses larger frames than `limits`.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits }
    }
}

impl Decoder for Codec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(mut prefix) = source.get(..PREFIX) else {
            source.reserve(PREFIX.saturating_sub(source.len()));
            return Ok(None);
        };
        let (len, kind, head) = (prefix.get_u32(), prefix.get_u8(), prefix.get_u32());
        if len < 5 || len > self.limits.frame {
            return Err(FrameError::Length { len, limit: self.limits.frame });
        }
        let room = (len - 5).min(self.limits.head);
        if head > room {
            return Err(FrameError::Head { len: head, limit: room });
        }
        let kind = Kind::try_from(kind)?;
        let total = 4 + len as usize;
        if source.len() < total {
            source.reserve(total - source.len());
            return Ok(None);
        }
        let mut frame = source.split_to(total).freeze();
        frame.advance(PREFIX);
        let head = frame.split_to(head as usize);
        Ok(Some(Frame { kind, head, body: frame }))
    }
}

impl Encoder<Frame> for Codec {
    type Error = FrameError;

    fn encode(&mut self, frame: Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        out.reserve(frame.encoded_len());
        frame.put_prefix(out);
        out.extend_from_slice(&frame.body);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame { kind: Kind::Result, head: Bytes::from_static(b"{\"a\":1}"), body: Bytes::from_static(b"\x00data") }
    }

    fn encoded() -> BytesMut {
        let mut out = BytesMut::new();
        Codec::new(Limits::EVENTS).encode(frame(), &mut out).unwrap();
        out
    }

    #[test]
    fn a_frame_is_read_back_from_any_split() {
        let whole = encoded();
        assert_eq!(whole.len(), frame().encoded_len());
        assert_eq!(whole[..9 + 7], frame().prefix()[..]);
        for split in 0..whole.len() {
            let (mut codec, mut source) = (Codec::new(Limits::EVENTS), BytesMut::from(&whole[..split]));
            assert!(codec.decode(&mut source).unwrap().is_none(), "split {split}");
            source.extend_from_slice(&whole[split..]);
            assert_eq!(codec.decode(&mut source).unwrap(), Some(frame()), "split {split}");
            assert!(source.is_empty());
        }
    }

    #[test]
    fn what_is_no_frame_is_refused_before_its_bytes_are_awaited() {
        let decode = |bytes: &[u8]| Codec::new(Limits::EVENTS).decode(&mut BytesMut::from(bytes));
        assert!(matches!(decode(&[0, 0, 0, 4, 1, 0, 0, 0, 0]), Err(FrameError::Length { len: 4, .. })));
        assert!(matches!(decode(&[255, 255, 255, 255, 1, 0, 0, 0, 0]), Err(FrameError::Length { .. })));
        assert!(matches!(decode(&[0, 0, 0, 9, 1, 0, 0, 0, 5]), Err(FrameError::Head { len: 5, limit: 4 })));
        assert!(matches!(decode(&[0, 0, 0, 9, 99, 0, 0, 0, 4]), Err(FrameError::Kind(99))));
    }
}
