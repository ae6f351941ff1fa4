//! Where the programs and the files of a cluster are.

use std::path::{Path, PathBuf};

/// What `cargo xtask` has built and gathered.
#[derive(Debug, Clone)]
pub struct Programs(PathBuf);

impl Programs {
    /// In this folder: `bin` with the programs, `files` with what their modules ship.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// A program.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.0.join("bin").join(name)
    }

    /// A file or folder that a module ships.
    #[must_use]
    pub fn files(&self, path: impl AsRef<Path>) -> PathBuf {
        self.0.join("files").join(path)
    }
}
