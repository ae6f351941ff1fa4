//! What can be wrong with a frame.

/// Why bytes are not a frame that is served here.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream ended or failed.
    #[error("the stream of frames broke off")]
    Io(#[from] std::io::Error),
    /// A length outside the limits.
    #[error("frame of {len} bytes, allowed are 5 to {limit}")]
    Length {
        /// As sent.
        len: u32,
        /// The limit of this stream.
        limit: u32,
    },
    /// A head longer than its frame or its limit.
    #[error("head of {len} bytes, allowed are {limit}")]
    Head {
        /// As sent.
        len: u32,
        /// The limit, or what the frame has room for.
        limit: u32,
    },
    /// A kind that this contract does not have.
    #[error("unknown frame kind {0}")]
    Kind(u8),
    /// A kind that is not expected at this place.
    #[error("unexpected {0:?} frame")]
    Unexpected(crate::Kind),
    /// A head that is not what its kind says.
    #[error("head of a {kind:?} frame cannot be read")]
    Malformed {
        /// The frame's kind.
        kind: crate::Kind,
        /// The parser's error.
        #[source]
        source: serde_json::Error,
    },
}
