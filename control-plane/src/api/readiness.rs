//! Whether the program can do its work.

use tokio::sync::watch;

/// How far the program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// It is being put together.
    Starting,
    /// It does its work.
    Ready,
    /// It finishes what it has begun.
    Stopping,
}

impl Stage {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
        }
    }
}

/// The stage, as the health operations show it. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Readiness {
    stage: watch::Sender<Stage>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { stage: watch::Sender::new(Stage::Starting) }
    }
}

impl Readiness {
    /// Now.
    #[must_use]
    pub fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Moves on.
    pub fn set(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }
}
