//! The frames that router and function, and dispatcher and engine, speak to each other.
//!
//! A frame is: `u32` length of what follows, `u8` kind, `u32` length of the head, the head, the body;
//! numbers are big-endian. The head is a small JSON object, the body is raw bytes (event data, source
//! code, log text) that nobody on the way encodes again.

mod codec;
mod error;
mod head;

pub use codec::{Codec, Frame, Kind, Limits};
pub use error::FrameError;
pub use head::{
    AttemptHead, AttemptLimits, EngineAttemptHead, ErrorHead, FailedWith, LoadHead, LoadedHead, LogHead, ReadyHead,
    ReplyHead, ValidateHead,
};

/// Content type of a stream of frames over HTTP.
pub const CONTENT_TYPE: &str = "application/vnd.workmanager.frames";
/// Header that carries [`CONTRACT`].
pub const CONTRACT_HEADER: &str = "workmanager-contract";
/// The contract's version. Router and function may differ by one.
pub const CONTRACT: u32 = 1;
/// Header of a non-200 answer.
pub const OUTCOME_HEADER: &str = "workmanager-outcome";
/// Value of [`OUTCOME_HEADER`]: no attempt ran.
pub const NOT_ATTEMPTED: &str = "not-attempted";
