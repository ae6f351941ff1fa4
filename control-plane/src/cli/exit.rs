//! How the program ends.

use std::process::{ExitCode, Termination};

/// What the program tells whoever started it; `docs/cli.md` explains each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// All was done.
    Success = 0,
    /// Something failed that no other code names.
    Failure = 1,
    /// The command line cannot be read.
    Usage = 2,
    /// There is no such thing.
    NotFound = 3,
    /// The server or this program refused what was given: invalid, too large, or in conflict.
    Refused = 4,
    /// No server answers there.
    Unreachable = 5,
    /// No or wrong token.
    Unauthorised = 6,
    /// The server cannot do it now: the same call may succeed later.
    Unavailable = 7,
    /// Ended by a second signal, before all was stopped in order.
    Interrupted = 130,
}

impl Exit {
    /// Every way to end.
    pub const ALL: [Self; 9] = [
        Self::Success,
        Self::Failure,
        Self::Usage,
        Self::NotFound,
        Self::Refused,
        Self::Unreachable,
        Self::Unauthorised,
        Self::Unavailable,
        Self::Interrupted,
    ];

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.into()
    }
}
